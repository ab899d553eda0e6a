"""`pg-guard serve --http` as a child process, and clients for it.

    async with served(dsn, policy, {"tokens": "tokens.yaml"}, directory) as server:
        async with server.client(token) as client:
            ...

`server.log` holds every line that the server wrote.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx2
import yaml
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

__all__ = ["MODERN", "Served", "call", "new_token", "post", "revoke_token", "served"]

MODERN = "2026-07-28"


@dataclass
class Served:
    """A server that runs."""

    process: asyncio.subprocess.Process
    url: str
    log: list[str] = field(default_factory=list)

    @property
    def origin(self) -> str:
        """Its address without the path."""
        return self.url.removesuffix("/mcp")

    @asynccontextmanager
    async def client(self, token: str | None = None, mode: str = "auto") -> AsyncIterator[Client]:
        """A connected client."""
        headers = {"authorization": f"Bearer {token}"} if token is not None else {}
        async with (
            httpx2.AsyncClient(headers=headers, timeout=60) as http,
            Client(streamable_http_client(self.url, http_client=http), mode=mode, read_timeout_seconds=60) as client,
        ):
            yield client

    async def stop(self, number: int) -> int:
        """Send a signal, and wait for the end."""
        self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), 60)


@asynccontextmanager
async def served(
    dsn: str | None,
    policy: Path,
    http: dict[str, Any],
    directory: Path,
    *,
    through: tuple[str, ...] = (),
    **settings: Any,
) -> AsyncIterator[Served]:
    """Start a server on a free port of loopback, and end it; without a DSN the settings name databases.

    `through` is a command that the server's command is given to.
    """
    config = directory / "pg-guard.yaml"
    config.write_text(yaml.safe_dump({"http": http, **settings}), encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        *through, sys.executable, "-m", "pg_guard", "serve", "--policy", str(policy), "--config", str(config),
        "--http", "127.0.0.1:0",
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=dict(os.environ) if dsn is None else {**os.environ, "PG_GUARD_DSN": dsn},
    )  # fmt: skip
    server = Served(process, "")
    listening = asyncio.Event()

    async def read() -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            text = line.decode().rstrip("\n")
            server.log.append(text)
            if text.startswith("pg-guard: serving "):
                server.url = text.rpartition(" ")[2]
                listening.set()
        listening.set()

    reading = asyncio.create_task(read())
    try:
        await asyncio.wait_for(listening.wait(), 60)
        assert server.url, server.log
        yield server
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await reading


async def call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """Call a tool; what it answers."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result
    assert result.structured_content is not None
    return result.structured_content


INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
}


async def post(
    server: Served, token: str | None = None, *, body: Any = None, headers: dict[str, str] | None = None
) -> httpx2.Response:
    """One bare request, `initialize` when nothing else is said."""
    given = {"accept": "application/json, text/event-stream"} | (headers or {})
    if token is not None:
        given["authorization"] = f"Bearer {token}"
    async with httpx2.AsyncClient(timeout=60) as client:
        return await client.post(server.url, json=INITIALIZE if body is None else body, headers=given)


def new_token(path: Path, name: str, *arguments: str) -> str:
    """Make a token with the command."""
    done = subprocess.run(
        [sys.executable, "-m", "pg_guard", "token", "new", name, "--file", str(path), *arguments],
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return done.stdout.strip()


def revoke_token(path: Path, name: str) -> None:
    """Revoke a token with the command."""
    command = [sys.executable, "-m", "pg_guard", "token", "revoke", name, "--file", str(path)]
    subprocess.run(command, capture_output=True, check=True, timeout=60)
