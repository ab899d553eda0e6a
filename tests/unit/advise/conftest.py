"""The odd database, read once as its reader and once as its owner."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pg_guard.advise.surroundings import read_estate
from tests.odd_database import OddDatabase, load_odd_database

if TYPE_CHECKING:
    from pg_guard.advise.surroundings import Estate


@pytest.fixture(scope="session")
async def odd_unit(server_dsn: str) -> OddDatabase:
    return await load_odd_database(server_dsn, "odd_unit")


@pytest.fixture(scope="session")
async def odd_estate(odd_unit: OddDatabase) -> Estate:
    """As the reader sees it."""
    return await read_estate(odd_unit.reader)


@pytest.fixture(scope="session")
async def demo_estate(demo_dsn: str) -> Estate:
    return await read_estate(demo_dsn)
