"""Long results in pages. In: a result and a page's size. Out: pages, and cursors that only the one who asked can use.

A result is read once, in one transaction, so its pages belong together. What is left of it waits in memory for a while:
a few results per server, the oldest go first.
"""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pg_guard.decision import Decision
    from pg_guard.execute.executor import QueryResult

__all__ = ["Cursors", "Page"]


class Page(NamedTuple):
    """A part of a result; `cursor` is None for the last."""

    database: str
    decision: Decision
    result: QueryResult
    first_row: int
    cursor: str | None


@dataclass(frozen=True)
class _Rest:
    owner: str
    database: str
    decision: Decision
    result: QueryResult
    first_row: int
    page_rows: int
    made: float


class Cursors:
    """Results that are not read to their end.

    Args:
        seconds: How long a cursor can be used.
        most: Results that are kept.
    """

    def __init__(self, *, seconds: float = 600.0, most: int = 50) -> None:
        self._seconds = seconds
        self._most = most
        self._rests: OrderedDict[str, _Rest] = OrderedDict()

    def first(self, owner: str, database: str, decision: Decision, result: QueryResult, page_rows: int) -> Page:
        """The first page of a result of a database, and a cursor for `owner` if there are more."""
        return self._page(_Rest(owner, database, decision, result, 0, page_rows, time.monotonic()))

    def next(self, owner: str, cursor: str) -> Page | None:
        """The page of a cursor, which can be used once; None when it is unknown, too old or somebody else's."""
        rest = self._rests.get(cursor)
        if rest is None or rest.owner != owner or time.monotonic() - rest.made > self._seconds:
            return None
        del self._rests[cursor]
        return self._page(rest)

    def _page(self, rest: _Rest) -> Page:
        rows = rest.result.rows[: rest.page_rows]
        left = rest.result.rows[rest.page_rows :]
        cursor = None
        oldest = time.monotonic() - self._seconds
        for known in [known for known, each in self._rests.items() if each.made < oldest]:
            del self._rests[known]
        if left:
            cursor = secrets.token_urlsafe(18)
            remaining = replace(rest.result, rows=left, row_count=len(left))
            self._rests[cursor] = replace(rest, result=remaining, first_row=rest.first_row + len(rows))
            while len(self._rests) > self._most:
                self._rests.popitem(last=False)
        return Page(
            rest.database, rest.decision, replace(rest.result, rows=rows, row_count=len(rows)), rest.first_row, cursor
        )
