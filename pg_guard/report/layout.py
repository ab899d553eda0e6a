"""Lines for a terminal. In: headings, sentences, tables of two columns. Out: text of at most so many cells a line.

Everything is written by `visible`: no escape sequence of a statement reaches the terminal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from pg_guard.report.console import memory_console
from pg_guard.report.visible import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Page"]

MIN_WIDTH = 40


class Page:
    """Text in the making.

    Args:
        width: Width in terminal cells; less than 40 counts as 40.
        color: True writes terminal colours.
    """

    def __init__(self, width: int = 80, color: bool = False) -> None:
        self.width = max(width, MIN_WIDTH)
        self.color = color
        self._console = memory_console(self.width, color=color)
        self._parts: list[str] = []

    def heading(self, text: str) -> None:
        """A heading, after an empty line."""
        if self._parts:
            self.blank()
        self.add(text, style="bold")

    def blank(self) -> None:
        """An empty line."""
        self._parts.append("\n")

    def raw(self, text: str) -> None:
        """Lines that are already made, each ended by a newline."""
        self._parts.append(text)

    def add(self, text: str, *, indent: int = 0, hang: int = 2, style: str = "", prefix: str = "") -> None:
        """A sentence, wrapped.

        Args:
            text: Any text; it is put on one line first.
            indent: Cells before its first line.
            hang: Cells that later lines stand further in.
            style: A style of rich.
            prefix: Stands before the first line, in no style.
        """
        words = Text(one_line(text), style=style)
        room = max(self.width - indent - max(hang, len(prefix)), 20)
        lines = words.wrap(self._console, room, overflow="fold")
        for number, line in enumerate(lines):
            line.rstrip()
            before = " " * indent + (prefix if number == 0 else " " * max(hang, len(prefix)))
            self._print(Text.assemble(before, line))

    def items(self, texts: Iterable[str], *, indent: int = 2, most: int | None = None) -> None:
        """Sentences below each other; those beyond `most` are counted only."""
        rows = list(texts)
        for text in rows[:most]:
            self.add(text, indent=indent)
        if most is not None and len(rows) > most:
            self.add(f"... and {len(rows) - most:,} more; the JSON form holds them all", indent=indent)

    def _print(self, line: Text) -> None:
        line.rstrip()
        with self._console.capture() as capture:
            self._console.print(line, soft_wrap=True)
        self._parts.append(capture.get())

    def text(self) -> str:
        """All lines, each ended by a newline."""
        return "".join(self._parts)
