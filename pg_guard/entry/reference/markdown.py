"""Pieces of Markdown. In: texts of docstrings and of help pages. Out: paragraphs, code and rows of tables."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["cell", "code", "prose", "table"]

_CODE = re.compile(r"(`[^`]*`)")


def prose(text: str) -> str:
    """A docstring's text in one line: double backticks become single ones, stars and angle brackets stay themselves."""
    text = " ".join(text.split()).replace("``", "`")
    # Every second part is code, which Markdown shows as it is.
    parts = _CODE.split(text)
    return "".join(
        part if number % 2 else part.replace("*", "\\*").replace("<", "&lt;") for number, part in enumerate(parts)
    )


def code(text: str) -> str:
    """A text as code; the empty text is nothing."""
    return f"`{text}`" if text else ""


def cell(text: str) -> str:
    """A text that may stand in a table."""
    return text.replace("|", "\\|")


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """The lines of a table, with an empty line behind it."""
    heads = tuple(heads)
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(map(cell, row))} |"
    yield ""
