"""A real MCP client and a real `pg-guard serve` as its child process. In: arguments and settings. Out: a connected client."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any

from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

__all__ = ["answer_of", "call", "connected", "error_of", "shared"]


@contextlib.asynccontextmanager
async def connected(
    *arguments: str | Path, env: Mapping[str, str] | None = None, errors: Path | None = None, **options: Any
) -> AsyncIterator[Client]:
    """Start ``pg-guard serve ARGUMENTS`` and connect.

    Args:
        arguments: Of the command.
        env: Added to this process's environment, from which settings of pg-guard are removed.
        errors: File for the server's standard error.
        options: Of `mcp.Client`.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG_GUARD")}
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "pg_guard", "serve", *map(str, arguments)],
        env={**kept, **(env or {})},
    )
    with contextlib.ExitStack() as files:
        log = sys.stderr if errors is None else files.enter_context(errors.open("w", encoding="utf-8"))
        async with Client(stdio_client(parameters, errlog=log), **{"read_timeout_seconds": 60, **options}) as client:
            yield client


@contextlib.asynccontextmanager
async def shared(*arguments: str | Path, **options: Any) -> AsyncIterator[Client]:
    """The same for a fixture of several tests: the client lives in a task of its own, where its scopes are left again."""
    opened: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
    ending = asyncio.Event()

    async def live() -> None:
        try:
            async with connected(*arguments, **options) as client:
                opened.set_result(client)
                await ending.wait()
        except BaseException as error:
            if opened.done():
                raise
            opened.set_exception(error)

    task = asyncio.create_task(live())
    try:
        yield await opened
    finally:
        ending.set()
        await task


async def call(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """Call a tool; its structured content."""
    return answer_of(await client.call_tool(tool, arguments))


def answer_of(result: Any) -> dict[str, Any]:
    """The structured content of a result that is no error."""
    assert not result.is_error, result
    assert isinstance(result.structured_content, dict)
    return result.structured_content


def error_of(result: Any) -> str:
    """The text of a tool error."""
    assert result.is_error, result
    return str(result.content[0].text)
