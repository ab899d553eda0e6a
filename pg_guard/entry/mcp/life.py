"""How a server begins and ends. In: settings, signals. Out: an open service, the word to stop, everything closed again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from typing import TYPE_CHECKING, Any, Final

from pg_guard.entry.http.port import observing
from pg_guard.entry.mcp.reload import reloading
from pg_guard.entry.mcp.service import open_service
from pg_guard.entry.sources import Sources

if TYPE_CHECKING:
    from mcp.server.auth.provider import TokenVerifier

    from pg_guard.entry.http.health import ServerView
    from pg_guard.entry.mcp.service import Service
    from pg_guard.settings import Settings

__all__ = ["Life"]

_SECONDS_TO_STOP: Final = 3.0


class Life:
    """One server from its first signal handler to its exit code. Make it inside of the running event loop.

    Args:
        settings: Of the server.
        verifier: Of tokens of clients, where there are any.
        sources: Where the settings come from; left out, they stay as they are, and policies can be reloaded.

    Attributes:
        view: What the server shows of itself, from `open` on.
        hurry: Set by the second signal: whoever has not finished is cancelled.
    """

    view: ServerView

    def __init__(
        self, settings: Settings, verifier: TokenVerifier | None = None, sources: Sources | None = None
    ) -> None:
        self._settings = settings
        self._verifier = verifier
        self._sources = sources or Sources(lambda: settings)
        self._opened = contextlib.AsyncExitStack()
        loop = asyncio.get_running_loop()
        self._stopped: asyncio.Future[int] = loop.create_future()
        self.hurry = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop, number)

    def _stop(self, number: signal.Signals) -> None:
        if self._stopped.done():
            self.hurry.set()
        else:
            self._stopped.set_result(128 + number)

    async def open(self) -> Service | None:
        """Open everything that a server needs.

        Returns:
            The service; None when a signal came first, and nothing is open any more.

        Raises:
            PgGuardError: As for `open_service`.
        """
        self.view = await self._opened.enter_async_context(observing(self._settings, self._verifier))
        starting = asyncio.create_task(self._opened.enter_async_context(open_service(self._settings)))
        first: set[asyncio.Future[Any]] = {starting, self._stopped}
        await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
        if self._stopped.done():
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            await self._opened.aclose()
            return None
        try:
            self.view.service = await starting
            await self._opened.enter_async_context(reloading(self.view.service, self._sources))
        except BaseException:
            await self._opened.aclose()
            raise
        return self.view.service

    async def until_stopped(self, running: asyncio.Task[Any]) -> None:
        """Wait until a signal comes, or the server ends by itself."""
        waiting: set[asyncio.Future[Any]] = {running, self._stopped}
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.view.stopping = True

    async def close(self, running: asyncio.Task[Any]) -> None:
        """Wait a moment for the server, which was told to end, and close everything."""
        await asyncio.wait({running}, timeout=_SECONDS_TO_STOP)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._opened.aclose(), _SECONDS_TO_STOP)

    async def exit_code(self, running: asyncio.Task[Any] | None = None) -> int:
        """0 when the server ended by itself, 130 or 143 after SIGINT or SIGTERM.

        Args:
            running: The server; None when it has never begun.
        """
        if not self._stopped.done():
            if running is not None:
                await running
            return 0
        code = self._stopped.result()
        name = signal.Signals(code - 128).name
        print(f"pg-guard: stopped by {name}", file=sys.stderr, flush=True)  # noqa: T201 - for whoever started the server
        if running is not None and not running.done():
            # A client that reads no answers holds a thread or a connection that nothing can end.
            os._exit(code)
        return code
