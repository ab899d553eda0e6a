"""The life of a stdio server. In: settings. Out: runs until the client closes, or a signal comes."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import socket
import sys
import threading
from typing import TYPE_CHECKING

from pg_guard.entry.loop import run
from pg_guard.entry.mcp.life import Life
from pg_guard.entry.mcp.server import build_server
from pg_guard.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pg_guard.entry.sources import Sources
    from pg_guard.settings import Settings

__all__ = ["serve_stdio"]


def serve_stdio(settings: Settings, sources: Sources | None = None) -> int:
    """Serve guarded databases on standard input and output.

    Args:
        settings: The deployment's settings.
        sources: Where they come from, to read them again while the server runs.

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
    return run(_serve(settings, sources))


async def _serve(settings: Settings, sources: Sources | None) -> int:
    life = Life(settings, sources=sources)
    service = await life.open()
    if service is None:
        return await life.exit_code()
    with _endable_input() as end_input:
        running = asyncio.create_task(build_server(service).run_stdio_async())
        service.observer.session_opened()
        try:
            await life.until_stopped(running)
        finally:
            # At the end of its input the transport cancels what is under way, on the server too.
            end_input()
            await life.close(running)
    return await life.exit_code(running)


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
