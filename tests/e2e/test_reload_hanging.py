"""Reloading while a database does not answer: a new policy does not wait for it, and nothing that changes meanwhile is missed."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from tests.support.gate import gated
from tests.support.http_server import MODERN, call
from tests.support.reloading import (
    DENIED_CUSTOMERS,
    DENIED_ORDERS,
    ORDERS,
    WATCHING,
    A,
    B,
    decisions,
    refused,
    reloaded,
    replace,
    running,
    text_of,
)

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text(text_of("a", DENIED_ORDERS), encoding="utf-8")
    return path


async def test_a_new_policy_does_not_wait_for_a_database_that_hangs(
    demo_dsn: str, policy: Path, tmp_path: Path
) -> None:
    async with (
        gated(demo_dsn) as gate,
        running(gate.dsn, policy, tmp_path) as server,
        server.client(mode=MODERN) as client,
        server.client(mode=MODERN) as other,
    ):
        assert await decisions(client) == A
        gate.close()
        refreshing = asyncio.create_task(call(other, "refresh_schema"))
        await gate.came()
        replace(policy, text_of("b", DENIED_CUSTOMERS))
        server.process.send_signal(signal.SIGHUP)
        await reloaded(server)
        assert not refreshing.done()
        assert await decisions(client) == B
        gate.open()
        assert (await refreshing)["error"] == ""
        assert await decisions(client) == B
        assert (await call(client, "run_sql", sql=ORDERS))["decision"] == "allow"


async def test_what_changes_while_it_starts_is_taken(demo_dsn: str, policy: Path, tmp_path: Path) -> None:
    """The policy has been read, the catalog has not."""
    async with gated(demo_dsn) as gate, AsyncExitStack() as opened:
        gate.close()
        starting = asyncio.create_task(opened.enter_async_context(running(gate.dsn, policy, tmp_path, **WATCHING)))
        await gate.came()
        replace(policy, text_of("b", DENIED_CUSTOMERS))
        assert not starting.done()
        gate.open()
        server = await starting
        [line] = await reloaded(server)
        assert line["cause"] == "files"
        async with server.client(mode=MODERN) as client:
            assert await decisions(client) == B


async def test_a_new_database_that_hangs_keeps_what_is_there(demo_dsn: str, policy: Path, tmp_path: Path) -> None:
    settings = {"databases": {"shop": {"dsn": demo_dsn}}, "cache": {"startup_timeout": 5}}
    async with (
        gated(demo_dsn) as gate,
        running(None, policy, tmp_path, **settings) as server,
        server.client(mode=MODERN) as client,
    ):
        gate.close()
        config = tmp_path / "pg-guard.yaml"
        before = config.read_text(encoding="utf-8")
        replace(config, before.replace(f"dsn: {demo_dsn}", f"dsn: {gate.dsn}"))
        replace(policy, text_of("b", DENIED_CUSTOMERS))
        server.process.send_signal(signal.SIGHUP)
        await gate.came()
        # Answers go on while it is waited for.
        assert await decisions(client) == A
        [line] = await refused(server)
        assert line["code"] in ("database", "catalog")
        assert await decisions(client) == A
        gate.open()
        server.process.send_signal(signal.SIGHUP)
        await reloaded(server)
        assert await decisions(client) == B
        assert (await call(client, "run_sql", sql=ORDERS))["decision"] == "allow"
