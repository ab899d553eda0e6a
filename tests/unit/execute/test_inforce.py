"""The guard in force: new catalogs and new policies in any order, at the same time, and none of them lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import pytest

from pg_guard.catalog.model import Catalog
from pg_guard.execute.inforce import InForce, policy_version, version_in
from pg_guard.guard import Guard
from pg_guard.policy.load import parse_policy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pg_guard.policy.load import LoadedPolicy

TABLE = "CREATE TABLE in_force_{0} (id int)"


def policy(name: str, more: str = "") -> LoadedPolicy:
    return parse_policy(f"schema: pg-guard/policy/v1\nmetadata: {{name: {name}}}\n{more}")


@pytest.fixture
async def owner(demo_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(demo_dsn)
    yield connection
    for row in await connection.fetch("SELECT relname FROM pg_class WHERE relname LIKE 'in_force_%'"):
        await connection.execute(f"DROP TABLE {row['relname']}")
    await connection.close()


async def replace(in_force: InForce, loaded: LoadedPolicy) -> None:
    async with in_force.swapping:
        catalog = in_force.guard.catalog
        in_force.guard = await asyncio.to_thread(Guard, loaded.policy, catalog, loaded.packs)


async def test_neither_a_catalog_nor_a_policy_is_lost(demo_dsn: str, owner: asyncpg.Connection) -> None:
    first = policy("p0")
    in_force = InForce("shop", demo_dsn, Guard(first.policy, await Catalog.from_database(demo_dsn), first.packs))
    for number in range(1, 9):
        await owner.execute(TABLE.format(number))
        refreshing = asyncio.create_task(in_force.refresh())
        # Before, while and after the catalog is read.
        for _ in range(number * 5):
            await asyncio.sleep(0)
        await replace(in_force, policy(f"p{number}"))
        assert (await refreshing).changed
        assert in_force.guard.policy.metadata.name == f"p{number}"
        assert in_force.guard.catalog is not None
        assert f"in_force_{number}" in {relation.name for relation in in_force.guard.catalog.relations}
    await in_force.close()


async def test_a_refresh_begun_under_one_policy_ends_under_the_next(demo_dsn: str, owner: asyncpg.Connection) -> None:
    """It has read the catalog and waits, while somebody else puts another policy in force."""
    first, second = policy("first"), policy("second")
    in_force = InForce("shop", demo_dsn, Guard(first.policy, await Catalog.from_database(demo_dsn), first.packs))
    await owner.execute(TABLE.format("waits"))
    async with in_force.swapping:
        refreshing = asyncio.create_task(in_force.refresh())
        await asyncio.wait({refreshing}, timeout=1)
        assert not refreshing.done()
        in_force.guard = Guard(second.policy, in_force.guard.catalog, second.packs)
    assert (await refreshing).changed
    assert in_force.guard.policy.metadata.name == "second"
    assert in_force.guard.catalog is not None
    assert "in_force_waits" in {relation.name for relation in in_force.guard.catalog.relations}


async def test_a_version_is_that_of_the_policy_and_its_packs(demo_catalog: Catalog) -> None:
    with_pack = policy("p", "packs: [{use: core}]\n")
    versions = {policy_version(each) for each in (policy("p"), policy("q"), with_pack)}
    assert len(versions) == 3
    # The same from the policy, from a guard on any catalog, and from what one has decided.
    for loaded in (policy("p"), with_pack):
        for catalog in (None, demo_catalog):
            guard = Guard(loaded.policy, catalog, loaded.packs)
            assert policy_version(guard) == policy_version(loaded) == version_in(guard.check("SELECT 1").digests)
