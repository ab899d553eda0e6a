"""A gate before a PostgreSQL. In: its socket's directory. Out: a port of loopback whose connections get through while it is open.

async with gated(dsn) as gate:
    gate.close()
    await gate.came()      # somebody wants to come in
    gate.open()
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["Gate", "gated"]


class Gate:
    """What connections wait at."""

    def __init__(self) -> None:
        self.dsn = ""
        self._open = asyncio.Event()
        self._waits = asyncio.Event()
        self._open.set()

    def open(self) -> None:
        """Let everything through."""
        self._open.set()

    def close(self) -> None:
        """Let nothing through, of connections that are there already either."""
        self._waits.clear()
        self._open.clear()

    async def came(self) -> None:
        """Wait until something wants to get through."""
        await asyncio.wait_for(self._waits.wait(), 60)

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Everything from one side to the other."""
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                if not self._open.is_set():
                    self._waits.set()
                    await self._open.wait()
                writer.write(data)
                await writer.drain()
        with contextlib.suppress(ConnectionError, RuntimeError):
            writer.close()


@contextlib.asynccontextmanager
async def gated(dsn: str) -> AsyncIterator[Gate]:
    """A gate before the server of a DSN that names a socket's directory as ``host``."""
    parts = urlsplit(dsn)
    query = parse_qs(parts.query)
    path = f"{query['host'][0]}/.s.PGSQL.{query['port'][0]}"
    gate = Gate()
    running: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            inner_reader, inner_writer = await asyncio.open_unix_connection(path)
            await asyncio.gather(gate.pass_on(reader, inner_writer), gate.pass_on(inner_reader, writer))
        finally:
            running.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    gate.dsn = f"postgresql://{parts.username}@127.0.0.1:{port}{parts.path}?sslmode=disable"
    try:
        yield gate
    finally:
        server.close()
        for task in tuple(running):
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
