"""Long results in pages. In: a result and a page's size. Out: pages, and cursors that only the one who asked can use.

A result is read once, in one transaction, so its pages belong together. What is left of it waits in memory for a while, and
only as long as the policy is in force that allowed it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from pg_guard.entry.mcp.kept import Kept

if TYPE_CHECKING:
    from collections.abc import Callable

    from pg_guard.decision import Decision
    from pg_guard.execute.executor import QueryResult

__all__ = ["Cursors", "Page"]


class Page(NamedTuple):
    """A part of a result; `cursor` is None for the last, `version` is that of the database which gave it."""

    database: str
    decision: Decision
    result: QueryResult
    first_row: int
    cursor: str | None
    version: str = ""


@dataclass(frozen=True)
class _Rest:
    owner: str
    database: str
    decision: Decision
    result: QueryResult
    first_row: int
    page_rows: int
    version: str


class Cursors:
    """Results that are not read to their end.

    Args:
        seconds: How long a cursor can be used.
        most: Results that are kept.
    """

    def __init__(self, *, seconds: float = 600.0, most: int = 50) -> None:
        self._rests: Kept[_Rest] = Kept(seconds=seconds, most=most)

    def first(
        self, owner: str, database: str, decision: Decision, result: QueryResult, page_rows: int, version: str = ""
    ) -> Page:
        """The first page of a result, and a cursor for `owner` if there are more.

        Args:
            owner: Who can use it.
            database: Its name.
            decision: What allowed it.
            result: All of it.
            page_rows: Rows of a page.
            version: The database's version under which it was allowed.
        """
        return self._page(_Rest(owner, database, decision, result, 0, page_rows, version))

    def next(self, owner: str, cursor: str, version_of: Callable[[str], str | None]) -> Page | None:
        """The page of a cursor, which can be used once.

        Args:
            owner: Who asks.
            cursor: Its name.
            version_of: The version of a database now; None for one that is gone.

        Returns:
            None when it is unknown, too old or somebody else's, and when another policy is in force than the one that allowed it.
        """
        rest = self._rests.take(owner, cursor)
        if rest is None or version_of(rest.database) != rest.version:
            return None
        return self._page(rest)

    def _page(self, rest: _Rest) -> Page:
        rows = rest.result.rows[: rest.page_rows]
        left = rest.result.rows[rest.page_rows :]
        cursor = None
        # All rows are taken to be of one size.
        size = rest.result.size_bytes * len(left) // max(1, len(rest.result.rows))
        if left:
            remaining = replace(rest.result, rows=left, row_count=len(left), size_bytes=size)
            next_rest = replace(rest, result=remaining, first_row=rest.first_row + len(rows))
            cursor = self._rests.put(rest.owner, next_rest, size)
        shown = replace(rest.result, rows=rows, row_count=len(rows), size_bytes=rest.result.size_bytes - size)
        return Page(rest.database, rest.decision, shown, rest.first_row, cursor, rest.version)
