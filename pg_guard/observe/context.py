"""Which request is this? In: ids of a request, as they become known. Out: the same ids for every log line, record and span of it.

A request has one set of ids. What runs inside of it shares that set, in tasks and threads that it starts as well, and what a
task learns (the id of a decision) the request that waits for it knows, too. Two requests never share one.
"""

from __future__ import annotations

import contextlib
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["bind", "current_ids", "request_scope"]

_ids: Final[ContextVar[dict[str, str] | None]] = ContextVar("pg_guard_ids", default=None)


@contextlib.contextmanager
def request_scope(**ids: str) -> Iterator[None]:
    """Everything inside belongs to one request.

    Args:
        ids: What is known from the beginning, as ``request_id``; those of an outer request are known here as well, and what is
            bound here does not reach it.
    """
    token = _ids.set({**(_ids.get() or {}), **ids})
    try:
        yield
    finally:
        _ids.reset(token)


def bind(**ids: str) -> None:
    """Add to the ids of the request, or replace them; outside of a request nothing is kept."""
    known = _ids.get()
    if known is not None:
        known.update(ids)


def current_ids() -> dict[str, str]:
    """A copy of the request's ids: ``request_id``, ``session_id``, ``database``, ``decision_id``, as far as they are known."""
    return dict(_ids.get() or {})
