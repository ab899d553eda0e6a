"""The event loop of servers. In: what to run. Out: its result, as soon as it ends.

Looking a name up cannot be cancelled and may take minutes. asyncio does it in threads that a process waits for at its end; here
they are threads that end with the process, so that a server can be stopped, and can tell an error, while a name has no answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

__all__ = ["run"]

T = TypeVar("T")

_MOST_LOOKUPS: Final = 32
"""Names that are looked up at a time, as many as asyncio's threads would at most."""


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run as `asyncio.run` does, without waiting for names at the end."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(main)


class _Loop(asyncio.SelectorEventLoop):
    """A loop that looks names up in threads of its own."""

    def __init__(self) -> None:
        super().__init__()
        self._lookups = 0

    async def getaddrinfo(self, *arguments: Any, **options: Any) -> Any:
        """As `socket.getaddrinfo`."""
        if self._lookups >= _MOST_LOOKUPS:
            raise socket.gaierror(socket.EAI_AGAIN, "too many names are being looked up")
        found: asyncio.Future[Any] = self.create_future()

        def settle(result: Any, error: BaseException | None) -> None:
            self._lookups -= 1
            if found.cancelled():
                return
            if error is not None:
                found.set_exception(error)
            else:
                found.set_result(result)

        def look_up() -> None:
            result, failure = None, None
            try:
                result = socket.getaddrinfo(*arguments, **options)
            except Exception as error:  # noqa: BLE001 - whoever asked is told
                failure = error
            # The loop may have ended long ago.
            with contextlib.suppress(RuntimeError):
                self.call_soon_threadsafe(settle, result, failure)

        self._lookups += 1
        threading.Thread(target=look_up, name="pg-guard lookup", daemon=True).start()
        return await found
