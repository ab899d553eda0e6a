"""A console for texts. In: a width and whether colours show. Out: a rich `Console` that writes nowhere but into memory."""

from __future__ import annotations

import io

from rich.console import Console

__all__ = ["memory_console"]


def memory_console(width: int, *, color: bool) -> Console:
    """A console that takes texts as they are: no markup, no highlighting, no emoji.

    Args:
        width: Cells of a line.
        color: True writes terminal colours.
    """
    return Console(
        file=io.StringIO(),
        width=width,
        force_terminal=color,
        color_system="standard" if color else None,
        no_color=not color,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )
