"""The door of the HTTP server. In: an application. Out: the same, which can be told to come to an end.

While it ends, new requests are turned away, open event streams are closed, and requests under way get a while to finish;
what is not finished then is cancelled, and so are its statements in PostgreSQL.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import anyio
from starlette.responses import PlainTextResponse

from pg_guard.entry.mcp.principals import acting_as

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Door"]

_CANCEL_SECONDS: Final = 5.0


class Door:
    """Lets requests in until it is closed.

    Args:
        app: The application behind it.
        principal: Who asks where no token says it.
    """

    def __init__(self, app: ASGIApp, *, principal: Mapping[str, object] | None = None) -> None:
        self._app = app
        self._principal = principal
        self._calls: set[anyio.CancelScope] = set()
        self._streams: set[anyio.CancelScope] = set()
        self._changed = asyncio.Event()
        self._closed = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, as ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._closed:
            await _ending(scope, receive, send)
            return
        answer = _Answer(send)
        # A GET waits for messages of the server, without an end of its own.
        kind = self._streams if scope["method"] == "GET" else self._calls
        with anyio.CancelScope() as cancel, acting_as(self._principal):
            kind.add(cancel)
            try:
                await self._app(scope, receive, answer)
            finally:
                kind.discard(cancel)
                self._changed.set()
        if cancel.cancelled_caught:
            await answer.end(scope, receive)

    async def close(self, seconds: float, hurry: asyncio.Event) -> None:
        """Let nobody in any more, and bring what is under way to an end.

        Args:
            seconds: How long requests may take to finish by themselves.
            hurry: When it is set, they are cancelled at once.
        """
        self._closed = True
        for stream in tuple(self._streams):
            stream.cancel()
        waiting = {asyncio.create_task(hurry.wait()), asyncio.create_task(self._nobody(seconds))}
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        for call in tuple(self._calls):
            call.cancel()
        await self._nobody(_CANCEL_SECONDS)

    async def _nobody(self, seconds: float) -> None:
        """Wait until no request is under way, or the time is over."""
        with anyio.move_on_after(seconds):
            while self._calls or self._streams:
                self._changed.clear()
                await self._changed.wait()


class _Answer:
    """What was sent to the client so far."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._started = False
        self._ended = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._started = True
        elif message["type"] == "http.response.body":
            self._ended = not message.get("more_body", False)
        await self._send(message)

    async def end(self, scope: Scope, receive: Receive) -> None:
        """End an answer that was cut off, so that the client is not left waiting."""
        if not self._started:
            await _ending(scope, receive, self._send)
        elif not self._ended:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})


async def _ending(scope: Scope, receive: Receive, send: Send) -> None:
    headers = {"retry-after": "5", "connection": "close"}
    await PlainTextResponse("the server is ending", status_code=503, headers=headers)(scope, receive, send)
