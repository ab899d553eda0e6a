"""Requests with an idempotency key. In: a key, what was asked, and how to answer it. Out: one answer, however often it is asked."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pg_guard.resilience.errors import KeyReused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["Once"]

T = TypeVar("T")


@dataclass(eq=False)
class _Entry:
    request: str
    task: asyncio.Task[Any]
    measure: Callable[[Any], int]
    waiters: int = 0
    size: int | None = None
    made: float = field(default_factory=time.monotonic)


class Once:
    """Remembers answers by key for a while. Errors are not remembered: a retry then asks anew.

    Args:
        seconds: How long an answer is kept.
        most: Answers that are kept; the oldest go first.
        most_bytes: Their size together.
    """

    def __init__(self, *, seconds: float = 600.0, most: int = 1_000, most_bytes: int = 50_000_000) -> None:
        self._seconds = seconds
        self._most = most
        self._most_bytes = most_bytes
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    async def run(
        self, key: str, request: str, answer: Callable[[], Awaitable[T]], size: Callable[[T], int] = lambda _: 0
    ) -> T:
        """Answer a request, or give the answer that its key has.

        Args:
            key: The client's key, made unique to the principal.
            request: What is asked, to see that a key is not used for two requests.
            answer: How to answer it. It goes on while somebody waits for it, and is cancelled when nobody does.
            size: The size of an answer in bytes.

        Raises:
            KeyReused: The key came with another request.
        """
        self._forget()
        entry = self._entries.get(key)
        if entry is not None and entry.request != request:
            raise KeyReused(
                "the idempotency key was used for another request", hint="make a new key for each new request"
            )
        if entry is None:
            entry = _Entry(request, asyncio.ensure_future(_as_coroutine(answer)), size)
            self._entries[key] = entry
        entry.waiters += 1
        try:
            return cast("T", await asyncio.shield(entry.task))
        except BaseException:
            failed = entry.task.done() and (entry.task.cancelled() or entry.task.exception() is not None)
            if failed or (not entry.task.done() and entry.waiters == 1):
                self._entries.pop(key, None)
            raise
        finally:
            entry.waiters -= 1
            if not entry.waiters and not entry.task.done():
                entry.task.cancel()
                # Whoever cancelled waits until it has really ended, so that a query of it is cancelled, too.
                await asyncio.gather(entry.task, return_exceptions=True)

    def _forget(self) -> None:
        oldest = time.monotonic() - self._seconds
        left = sum(map(_size, self._entries.values()))
        for key, entry in list(self._entries.items()):
            if not entry.task.done():
                continue
            if entry.made < oldest or len(self._entries) > self._most or left > self._most_bytes:
                left -= _size(entry)
                del self._entries[key]


def _size(entry: _Entry) -> int:
    task = entry.task
    if entry.size is None and task.done():
        good = not task.cancelled() and task.exception() is None
        entry.size = entry.measure(task.result()) if good else 0
    return entry.size or 0


async def _as_coroutine(answer: Callable[[], Awaitable[T]]) -> T:
    return await answer()
