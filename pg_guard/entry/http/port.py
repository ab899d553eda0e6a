"""A port of its own for health and metrics. In: `observability.listen`. Out: a small HTTP server beside the MCP server."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING, Final

import uvicorn
from starlette.applications import Starlette

from pg_guard.entry.http.address import bound, bracketed, parse_address
from pg_guard.entry.http.health import ServerView
from pg_guard.entry.http.routes import observability_routes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from mcp.server.auth.provider import TokenVerifier

    from pg_guard.settings import Settings

__all__ = ["observing"]

_OPTION: Final = "--observe"
_MOST_CONNECTIONS: Final = 50
_SECONDS_TO_STOP: Final = 2.0


class _Server(uvicorn.Server):
    """Leaves signals to the server that it stands beside."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def observing(settings: Settings, verifier: TokenVerifier | None = None) -> AsyncIterator[ServerView]:
    """Show how a server does, from before it is opened until after it is closed; on a port if the settings name one.

    Args:
        settings: Of the server.
        verifier: Of tokens of clients, where there are any.

    Raises:
        UsageError: The address cannot be used.
    """
    view = ServerView(settings)
    if settings.observability.listen is None:
        yield view
        return
    with bound(parse_address(settings.observability.listen, _OPTION), _OPTION) as listener:
        server = _Server(
            uvicorn.Config(
                Starlette(routes=observability_routes(view, verifier)),
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                limit_concurrency=_MOST_CONNECTIONS,
                timeout_graceful_shutdown=1,
            )
        )
        # Before it is told, so that nobody who reads that comes too early.
        listener.listen()
        running = asyncio.create_task(server.serve(sockets=[listener]))
        host, port = listener.getsockname()[:2]
        print(f"pg-guard: observe http://{bracketed(host)}:{port}/health", file=sys.stderr, flush=True)  # noqa: T201 - for whoever started it
        try:
            yield view
        finally:
            server.should_exit = True
            await asyncio.wait({running}, timeout=_SECONDS_TO_STOP)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
