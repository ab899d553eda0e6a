"""The bed of the differential tests: the sample database with the corpus's test-bed on top, under a name of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

from pg_guard.catalog.model import Catalog
from pg_guard.demo.database import load_sample_database
from pg_guard.guard import Guard
from tests.differential.compare import Comparer
from tests.differential.oracle import Oracle

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
async def ground_dsn(server_dsn: str) -> str:
    """URI of the bed, for a superuser; what a test does there must be rolled back."""
    dsn = await load_sample_database(server_dsn, name="ground")
    connection = await asyncpg.connect(dsn)
    try:
        for path in (ROOT / "tests" / "corpus" / "testbed.sql", Path(__file__).with_name("more_types.sql")):
            # The subscription is the server's, not the database's, and the corpus has made it already.
            text = path.read_text(encoding="utf-8").replace("SUBSCRIPTION staff_copy", "SUBSCRIPTION staff_copy_2")
            await connection.execute(text)
    finally:
        await connection.close()
    return dsn


@pytest.fixture(scope="session")
async def ground(ground_dsn: str) -> Catalog:
    return await Catalog.from_database(ground_dsn)


@pytest.fixture(scope="session")
def ground_guard(ground: Catalog) -> Guard:
    return Guard.load(ROOT / "policies" / "demo.yaml", catalog=ground)


@pytest.fixture(scope="session")
def comparer(ground: Catalog) -> Comparer:
    return Comparer(ground)


@pytest.fixture(scope="session")
async def oracle(ground_dsn: str) -> AsyncIterator[Oracle]:
    connection = await asyncpg.connect(ground_dsn, server_settings={"search_path": "public"})
    oracle = Oracle(connection)
    await oracle.start()
    yield oracle
    await connection.close()
