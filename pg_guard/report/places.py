"""Where a clause is written. In: a document with places and a key path. Out: the clause, with its file and its line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pg_guard.policy.document import KeyPath, format_path

if TYPE_CHECKING:
    from pg_guard.policy.document import Document

__all__ = ["Clause", "Locator"]

_MOST_LINE: Final = 400


class Clause(NamedTuple):
    """One clause of a policy, or of a rule.

    Attributes:
        path: Key path, as in ``tables.deny[0]``.
        value: What stands there, as in ``hr.*``.
        why: What it has to do with the statement, in one sentence.
        stated: False where no file says it and the format's default holds.
        file: The file, or the environment variable.
        line: Line from 1, or 0.
        column: Column from 1, or 0.
        text: That line of the file; empty where it may hold a secret or cannot be read.
    """

    path: str
    value: str
    why: str
    stated: bool
    file: str = ""
    line: int = 0
    column: int = 0
    text: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        return self._asdict()


class Locator:
    """Finds clauses in the files that a document was made of; each file is read once.

    Args:
        document: The document with its places; without one, no clause has a place.
    """

    def __init__(self, document: Document | None) -> None:
        self._document = document
        self._lines: dict[str, tuple[str, ...]] = {}

    def clause(self, path: KeyPath, value: object, why: str) -> Clause:
        """The clause at a key path.

        Args:
            path: The key path.
            value: What stands there; None where that is too long to show.
            why: What it has to do with the statement.
        """
        shown = "" if value is None else str(value)
        document = self._document
        if document is None:
            return Clause(format_path(path), shown, why, stated=False)
        place, nearest = document.place(path)
        if place.secret:
            return Clause(format_path(path), "", why, stated=True, file=place.file)
        if nearest != path and not _is_single(document, path, nearest):
            return Clause(format_path(path), shown, why, stated=False)
        text = self._line(place.file, place.line)
        return Clause(format_path(path), shown, why, True, place.file, place.line, place.column, text)

    def _line(self, file: str, line: int) -> str:
        if file not in self._lines:
            try:
                self._lines[file] = tuple(Path(file).read_text(encoding="utf-8-sig").split("\n"))
            except (OSError, ValueError):
                self._lines[file] = ()
        lines = self._lines[file]
        return lines[line - 1].rstrip()[:_MOST_LINE] if 0 < line <= len(lines) else ""


def _is_single(document: Document, path: KeyPath, nearest: KeyPath) -> bool:
    """A single text stands for a list of one: its first entry has the place of the list."""
    if len(path) != len(nearest) + 1 or path[-1] != 0:
        return False
    value: Any = document.data
    for step in nearest:
        value = value[step]
    return isinstance(value, str)
