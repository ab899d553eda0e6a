"""The life of a stdio server. In: settings. Out: runs until the client closes, or a signal comes."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import signal
import socket
import sys
import threading
from typing import TYPE_CHECKING, Any

from pg_guard.entry.http.port import observing
from pg_guard.entry.mcp.server import build_server
from pg_guard.entry.mcp.service import open_service
from pg_guard.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pg_guard.entry.mcp.service import Service
    from pg_guard.settings import Settings

__all__ = ["serve_stdio"]

_SECONDS_TO_STOP = 3.0


def serve_stdio(settings: Settings) -> int:
    """Serve guarded databases on standard input and output.

    Returns:
        The exit code: 0 when the client closed, 130 or 143 after SIGINT or SIGTERM.

    Raises:
        UsageError: A policy file cannot be read, or no database is configured.
        PolicyError: It is not a valid policy.
        DatabaseError: A database cannot be reached.
        CatalogError: Its catalog cannot be read.
    """
    if settings.audit.sink == "stdout":
        raise UsageError(
            "audit.sink is stdout, and standard output belongs to the protocol",
            hint="set audit.sink to file or postgresql, or serve over HTTP",
        )
    return asyncio.run(_serve(settings))


async def _serve(settings: Settings) -> int:
    loop = asyncio.get_running_loop()
    stopped: asyncio.Future[int] = loop.create_future()

    def stop(number: signal.Signals) -> None:
        if not stopped.done():
            stopped.set_result(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)

    opened = contextlib.AsyncExitStack()
    view = await opened.enter_async_context(observing(settings))
    starting: asyncio.Task[Service] = asyncio.create_task(opened.enter_async_context(open_service(settings)))
    first: set[asyncio.Future[Any]] = {starting, stopped}
    await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
    if stopped.done():
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await opened.aclose()
        return _say_stopped(stopped.result())
    try:
        service = view.service = await starting
    except BaseException:
        await opened.aclose()
        raise
    with _endable_input() as end_input:
        server = asyncio.create_task(build_server(service).run_stdio_async())
        service.observer.session_opened()
        try:
            waiting: set[asyncio.Future[Any]] = {server, stopped}
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            view.stopping = True
            # At the end of its input the transport cancels what is under way, on the server too.
            end_input()
            await asyncio.wait({server}, timeout=_SECONDS_TO_STOP)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(opened.aclose(), _SECONDS_TO_STOP)
    if stopped.done():
        code = _say_stopped(stopped.result())
        if not server.done():
            # A client that reads no answers: the transport's thread is stuck in a write that nothing can cancel.
            os._exit(code)
        return code
    await server
    return 0


@contextlib.contextmanager
def _endable_input() -> Iterator[Callable[[], None]]:
    """Let the transport read standard input through a socket, which a signal can end; a read of a pipe it cannot."""
    ours, theirs = socket.socketpair()

    def end() -> None:
        with contextlib.suppress(OSError):
            ours.shutdown(socket.SHUT_WR)

    def copy() -> None:
        with contextlib.suppress(OSError):
            while data := os.read(0, 65_536):
                ours.sendall(data)
        end()

    original = sys.stdin
    sys.stdin = io.TextIOWrapper(theirs.makefile("rb"), encoding="utf-8")
    # It ends with the process: nothing else can wake a thread that waits for standard input.
    threading.Thread(target=copy, daemon=True).start()
    try:
        yield end
    finally:
        sys.stdin = original
        theirs.close()


def _say_stopped(code: int) -> int:
    name = signal.Signals(code - 128).name
    print(f"pg-guard: stopped by {name}", file=sys.stderr)  # noqa: T201 - standard output belongs to the protocol
    return code
