"""A server that is told to reload. In: policies in a few words, changes of files. Out: what it decides, what it tells of it.

async with running(dsn, policy, directory) as server, server.client(mode=MODERN) as client:
    replace(policy, text_of("b", DENIED_CUSTOMERS))
    server.process.send_signal(signal.SIGHUP)
    await reloaded(server)
    assert await decisions(client) == B
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Any

import yaml

from tests.support.http_server import Served, call, served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from mcp import Client

__all__ = [
    "CUSTOMERS",
    "DENIED_CUSTOMERS",
    "DENIED_ORDERS",
    "ORDERS",
    "WATCHING",
    "A",
    "B",
    "change_rights",
    "decisions",
    "lines_of",
    "make_directory",
    "refused",
    "reloaded",
    "remove",
    "replace",
    "running",
    "text_of",
    "until",
    "write",
]

DENIED_ORDERS = {"tables": {"deny": ["orders"]}}
DENIED_CUSTOMERS = {"tables": {"deny": ["customers"]}}
ORDERS = "SELECT count(*) FROM orders"
CUSTOMERS = "SELECT count(*) FROM customers"
WATCHING: dict[str, Any] = {"reload": {"watch": True, "interval": 0.1}}


def text_of(name: str, *sections: dict[str, Any]) -> str:
    policy: dict[str, Any] = {"schema": "pg-guard/policy/v1", "metadata": {"name": name, "version": "1.0.0"}}
    for section in sections:
        policy |= section
    return yaml.safe_dump(policy, sort_keys=False)


def replace(path: Path, text: str) -> None:
    """As editors do: a new file takes the place of the old one."""
    draft = path.with_name(f".{path.name}.new")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def write(path: Path, text: str) -> None:
    """In place."""
    path.write_text(text, encoding="utf-8")


def remove(path: Path) -> None:
    if path.is_dir():
        path.rmdir()
    else:
        path.unlink()


def make_directory(path: Path) -> None:
    path.mkdir()


def change_rights(path: Path, mode: int) -> None:
    path.chmod(mode)


def lines_of(server: Served, event: str) -> list[dict[str, Any]]:
    told = [json.loads(line) for line in server.log if line.startswith("{")]
    return [line for line in told if line["event"] == event]


async def until(condition: Callable[[], bool], server: Served) -> None:
    try:
        async with asyncio.timeout(60):
            while not condition():  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError("\n".join(server.log)) from None


async def reloaded(server: Served, count: int = 1, event: str = "reloaded") -> list[dict[str, Any]]:
    """Wait until as many lines tell of it."""
    await until(lambda: len(lines_of(server, event)) >= count, server)
    return lines_of(server, event)


async def refused(server: Served, count: int = 1) -> list[dict[str, Any]]:
    return await reloaded(server, count, "not reloaded, all stays as it was")


async def decisions(client: Client) -> dict[str, str]:
    """What the policy says to reading each of two tables."""
    return {
        name: (await call(client, "check_sql", sql=sql))["decision"]
        for name, sql in (("orders", ORDERS), ("customers", CUSTOMERS))
    }


A = {"orders": "deny", "customers": "allow"}
B = {"orders": "allow", "customers": "deny"}


@contextlib.asynccontextmanager
async def running(dsn: str | None, policy: Path, directory: Path, **settings: Any) -> AsyncIterator[Served]:
    """A server without tokens that logs JSON and does not look at its files by itself, unless the settings say so."""
    given = {"reload": {"watch": False}, "logging": {"format": "json"}, **settings}
    http = given.pop("http", {"allow_anonymous": True})
    async with served(dsn, policy, http, directory, **given) as server:
        yield server
