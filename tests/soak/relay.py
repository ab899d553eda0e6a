"""A network between a server and its PostgreSQL. In: the socket of PostgreSQL. Out: a TCP port that passes bytes, or does not.

async with Relay(path) as relay:
    relay.freeze()         # connections stay, and nothing comes through: a peer that is gone without a word
    relay.thaw()
    relay.cut()            # all connections are reset
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Relay"]


class Relay:
    """The network; use it as a context manager.

    Args:
        target: PostgreSQL's socket; None for a port behind which nobody ever answers.
    """

    def __init__(self, target: Path | None) -> None:
        self.target = target
        self.accepted = 0
        self._passing = asyncio.Event()
        self._passing.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    def dsn(self, database: str, user: str = "postgres") -> str:
        """A URI that leads through it."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        return f"postgresql://{user}@127.0.0.1:{port}/{database}"

    def freeze(self) -> None:
        """Let nothing through any more."""
        self._passing.clear()

    def thaw(self) -> None:
        """Let everything through again, also what was kept back."""
        self._passing.set()

    def cut(self) -> None:
        """Reset all connections."""
        for writer in tuple(self._writers):
            writer.transport.abort()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            # Nobody behind it: the connection stands, and that is all.
            await self._passing.wait()
            if self.target is None:
                await asyncio.Event().wait()
                return
            with contextlib.suppress(OSError):
                theirs, ours = await asyncio.open_unix_connection(str(self.target))
                self._writers.add(ours)
                try:
                    await asyncio.gather(self._pass(reader, ours), self._pass(theirs, writer))
                finally:
                    self._writers.discard(ours)
                    ours.transport.abort()
        finally:
            self._writers.discard(writer)
            writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            await self._passing.wait()
            writer.write(data)
            await writer.drain()
        await self._passing.wait()
        # One side has gone: the other is told.
        with contextlib.suppress(OSError):
            writer.write_eof()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.cut()
