"""Executors on the embedded server, and a second connection that looks on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from pg_guard.execute.executor import Executor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture(scope="session")
async def types_ready(server_dsn: str) -> str:
    """A schema with types of a user's own and an extension's."""
    connection = await asyncpg.connect(server_dsn)
    await connection.execute(
        """
        CREATE SCHEMA kinds;
        CREATE TYPE kinds.mood AS ENUM ('sad', 'it''s ok');
        CREATE TYPE kinds.pair AS (a integer, b text);
        CREATE DOMAIN kinds.positive AS integer CHECK (VALUE > 0);
        CREATE DOMAIN kinds.many AS integer[];
        CREATE TYPE kinds.span AS RANGE (subtype = time);
        CREATE EXTENSION vector SCHEMA kinds;
        """
    )
    await connection.close()
    return server_dsn


@pytest.fixture(scope="session")
async def executor(types_ready: str) -> AsyncIterator[Executor]:
    """One connection, so that each test meets what the one before left behind."""
    async with await Executor.open(types_ready, max_size=1, search_path=("kinds", "public"), rows=10) as opened:
        yield opened


@pytest.fixture
async def onlooker(server_dsn: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    connection = await asyncpg.connect(server_dsn)
    yield connection
    await connection.close()
