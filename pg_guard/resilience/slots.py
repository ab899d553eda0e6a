"""A cap on what runs at a time. In: requests. Out: slots in the order of arrival, or `Busy` where too many wait."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import anyio

from pg_guard.resilience.errors import Busy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["Slots"]


class Slots:
    """Slots of one kind, with a bounded queue in front of them.

    Args:
        name: What runs in a slot, for the error's sentence.
        concurrency: Slots.
        queue_size: Requests that may wait.
        timeout: Seconds that a request waits at most.
    """

    def __init__(self, name: str, *, concurrency: int, queue_size: int, timeout: float) -> None:
        self._name = name
        self._slots = anyio.CapacityLimiter(concurrency)
        self._queue_size = queue_size
        self._timeout = timeout
        self.running = 0
        self.waiting = 0

    def resize(self, *, concurrency: int, queue_size: int, timeout: float) -> None:
        """Other limits from now on. What runs keeps its slot, and what waits keeps its place and its time."""
        self._slots.total_tokens = concurrency
        self._queue_size, self._timeout = queue_size, timeout

    @contextlib.asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait for a slot and hold it.

        Raises:
            Busy: Too many wait already, or none became free in time.
        """
        # Whoever asks twice in one task gets two slots.
        holder = object()
        try:
            self._slots.acquire_on_behalf_of_nowait(holder)
        except anyio.WouldBlock:
            await self._wait(holder)
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1
            self._slots.release_on_behalf_of(holder)

    async def _wait(self, holder: object) -> None:
        if self.waiting >= self._queue_size:
            raise Busy(
                f"the server is busy: {self.running} {self._name} run and {self.waiting} wait",
                hint="try again in a moment",
            )
        seconds = self._timeout
        self.waiting += 1
        try:
            async with asyncio.timeout(seconds):
                await self._slots.acquire_on_behalf_of(holder)
        except TimeoutError:
            raise Busy(
                f"the server is busy: no slot became free within {seconds:g} s", hint="try again in a moment"
            ) from None
        finally:
            self.waiting -= 1
