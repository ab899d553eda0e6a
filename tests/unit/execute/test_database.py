"""A guarded database: decisions on the newest catalog, the cost gate, plans that tell no more than the policy, restarts."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from pydantic import SecretStr

from pg_guard.errors import CostError, DatabaseError, ExecutionError, InternalError, PolicyError, UsageError
from pg_guard.execute.database import Database
from pg_guard.execute.databases import Databases, DatabaseUnknown
from pg_guard.policy.load import load_policy
from pg_guard.resilience.guarded import Resilience
from pg_guard.settings import CacheSettings, CallSettings, DatabaseSettings, ResilienceSettings, Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

POLICY = """
schema: pg-guard/policy/v1
metadata: {name: shop, version: 1.0.0, description: The shop.}
statements: {allow: [select, explain]}
search_path: [public, analytics]
tables: {deny: ["hr.*"], allow: [analytics.team]}
columns: {deny: {customers: [email]}}
limits: {statement_timeout: 20s}
"""
QUIET = CacheSettings(auto_refresh=False)


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY, encoding="utf-8")
    return path


@pytest.fixture
async def database(demo_dsn: str, policy: Path) -> AsyncIterator[Database]:
    opened = await Database.open(
        "shop", DatabaseSettings(dsn=SecretStr(demo_dsn)), policy=load_policy(policy), cache=QUIET
    )
    yield opened
    await opened.close()


async def _open(dsn: str, policy: Path, text: str, **cache: float) -> Database:
    policy.write_text(text, encoding="utf-8")  # noqa: ASYNC240 - a small file
    settings = CacheSettings.model_validate({"auto_refresh": bool(cache)} | cache)
    return await Database.open("shop", DatabaseSettings(dsn=SecretStr(dsn)), policy=load_policy(policy), cache=settings)


async def test_an_allowed_statement_runs_and_a_refused_one_cannot(database: Database) -> None:
    result = await database.run(await database.check("SELECT count(*) FROM orders"))
    assert result.rows[0][0] > 0
    refused = await database.check("SELECT * FROM hr.payroll")
    with pytest.raises(InternalError):
        await database.run(refused)


async def test_a_principal_reaches_the_policy(demo_dsn: str, policy: Path) -> None:
    text = POLICY + 'where: [{table: orders, equals: {tenant_id: ":tenant_id"}}]\n'
    database = await _open(demo_dsn, policy, text)
    try:
        sql = "SELECT count(*) FROM orders WHERE tenant_id = 1"
        assert (await database.check(sql, {"tenant_id": 1})).decision.allowed
        assert not (await database.check(sql, {"tenant_id": 2})).decision.allowed
        assert not (await database.check(sql)).decision.allowed
    finally:
        await database.close()


# -- cost ----------------------------------------------------------------------------------------------------------------


async def test_the_cost_gate_names_cost_and_limit(demo_dsn: str, policy: Path) -> None:
    database = await _open(demo_dsn, policy, POLICY.replace("limits: {", "limits: {cost: 1000, "))
    try:
        cheap = "SELECT id FROM orders WHERE id = 1"
        assert (await database.run(await database.check(cheap))).row_count == 1
        dear = "SELECT count(*) FROM web_events a JOIN web_events b ON a.kind = b.kind"
        with pytest.raises(CostError, match=r"estimates a cost of [\d,]+, and the policy's limit is 1,000") as caught:
            await database.run(await database.check(dear))
        assert caught.value.cost > caught.value.limit == 1000
        # What EXPLAIN cannot explain has no estimate.
        assert (await database.run(await database.check(f"EXPLAIN {dear}"))).rows
    finally:
        await database.close()


async def test_the_place_of_an_error_is_that_of_the_statement(demo_dsn: str, policy: Path) -> None:
    database = await _open(demo_dsn, policy, POLICY.replace("limits: {", "limits: {cost: 1000, "))
    connection = await asyncpg.connect(demo_dsn)
    try:
        await connection.execute("CREATE TABLE public.passing (a int)")
        await database.refresh()
        checked = await database.check("SELECT 1, b.a FROM passing b")
        await connection.execute("ALTER TABLE public.passing RENAME a TO c")
        with pytest.raises(ExecutionError) as caught:
            await database.run(checked)
        assert caught.value.position == len("SELECT 1, ")
    finally:
        await connection.execute("DROP TABLE public.passing")
        await connection.close()
        await database.close()


# -- plans ---------------------------------------------------------------------------------------------------------------


async def test_a_plan_of_plain_tables_is_complete(database: Database) -> None:
    plan = await database.explain(await database.check("SELECT id FROM orders WHERE total > 5 ORDER BY id"))
    assert plan.complete
    assert plan.cost > 0
    assert "on orders" in plan.text
    assert "total > " in plan.text


async def test_a_plan_does_not_tell_what_stands_behind_a_view(database: Database) -> None:
    checked = await database.check("SELECT * FROM analytics.team")
    assert checked.decision.allowed
    plan = await database.explain(checked)
    assert not plan.complete
    assert "(hidden)" in plan.text
    assert "employees" not in plan.text + repr(plan.tree)
    assert "Filter" not in repr(plan.tree)


async def test_there_is_no_plan_of_a_refused_statement_or_of_an_explain(database: Database) -> None:
    with pytest.raises(InternalError):
        await database.explain(await database.check("SELECT * FROM hr.payroll"))
    with pytest.raises(ExecutionError, match="no plan for this kind"):
        await database.explain(await database.check("EXPLAIN SELECT 1"))


# -- catalog -------------------------------------------------------------------------------------------------------------


async def test_a_refresh_sees_what_changed_and_derives_anew(database: Database, demo_dsn: str) -> None:
    built: list[object] = []

    def build(guard: object) -> int:
        built.append(guard)
        return len(built)

    # Also when both ask at the same time.
    assert await asyncio.gather(database.derived("x", build), database.derived("x", build)) == [1, 1]
    assert (await database.refresh()).changed is False
    assert await database.derived("x", build) == 1
    connection = await asyncpg.connect(demo_dsn)
    try:
        assert not (await database.check("SELECT a FROM newcomer")).decision.allowed
        await connection.execute("CREATE TABLE public.newcomer (a int)")
        assert (await database.refresh()).changed is True
        assert (await database.check("SELECT a FROM newcomer")).decision.allowed
        assert await database.derived("x", build) == 2
    finally:
        await connection.execute("DROP TABLE public.newcomer")
        await connection.close()


async def test_the_catalog_is_read_again_by_itself(demo_dsn: str, policy: Path) -> None:
    database = await _open(demo_dsn, policy, POLICY, interval=0.05)
    connection = await asyncpg.connect(demo_dsn)
    try:
        await connection.execute("CREATE TABLE public.arrival (a int)")
        async with asyncio.timeout(20):
            while not (await database.check("SELECT a FROM arrival")).decision.allowed:  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.05)
    finally:
        await connection.execute("DROP TABLE public.arrival")
        await connection.close()
        await database.close()


async def test_a_failed_refresh_keeps_the_last_good_catalog(demo_dsn: str, policy: Path) -> None:
    connection = await asyncpg.connect(demo_dsn)
    database = None
    try:
        await connection.execute("CREATE ROLE fleeting LOGIN; GRANT SELECT ON orders TO fleeting")
        dsn = demo_dsn.replace("postgres@", "fleeting@")
        database = await _open(dsn, policy, POLICY)
        before = database.guard
        await connection.execute("ALTER ROLE fleeting NOLOGIN")
        outcome = await database.refresh()
        assert "does not let role fleeting in" in outcome.error
        assert database.guard is before
        assert database.last_error == outcome.error
        assert (await database.health()).last_error == outcome.error
        await connection.execute("ALTER ROLE fleeting LOGIN")
        assert (await database.refresh()).error == ""
        assert database.last_error == ""
    finally:
        if database is not None:
            await database.close()
        await connection.execute("REVOKE ALL ON orders FROM fleeting; DROP ROLE fleeting")
        await connection.close()


async def test_health_of_a_database_that_answers(database: Database) -> None:
    health = await database.health()
    assert health.ok
    assert health.latency_ms is not None
    assert health.catalog_age_seconds >= 0


async def test_two_hundred_calls_with_a_pool_of_five(demo_dsn: str, policy: Path) -> None:
    resilience = Resilience(ResilienceSettings(database=CallSettings(concurrency=5), queue_size=300))
    settings = DatabaseSettings(dsn=SecretStr(demo_dsn), pool_max=5)
    database = await Database.open("shop", settings, policy=load_policy(policy), cache=QUIET, resilience=resilience)
    try:
        checked = await database.check("SELECT count(*) FROM orders")
        results = await asyncio.gather(*(database.run(checked) for _ in range(200)))
        assert len({repr(result.rows) for result in results}) == 1
    finally:
        await database.close()


# -- several -------------------------------------------------------------------------------------------------------------


async def test_several_databases(demo_dsn: str, policy: Path) -> None:
    one, two = ({"dsn": demo_dsn, "description": name} for name in ("first", "second"))
    settings = Settings(databases={"one": one, "two": two}, policy=policy, cache=QUIET)  # type: ignore[arg-type]
    databases = await Databases.open(settings)
    try:
        assert sorted(databases) == ["one", "two"]
        assert databases.resolve("two").description == "second"
        with pytest.raises(DatabaseUnknown, match="names no database") as caught:
            databases.resolve(None)
        assert "one, two" in caught.value.hint
        with pytest.raises(DatabaseUnknown, match="there is no database 'three'"):
            databases.resolve("three")
    finally:
        await databases.close()
    only = Databases({"one": databases["one"]})
    assert only.resolve(None).name == "one"


async def test_one_that_cannot_be_opened_closes_the_others(demo_dsn: str, policy: Path) -> None:
    connection = await asyncpg.connect(demo_dsn)
    try:
        query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        before = await connection.fetchval(query)
        gone = {"dsn": "postgresql://nobody@127.0.0.1:9/none"}
        settings = Settings(databases={"one": {"dsn": demo_dsn}, "gone": gone}, policy=policy, cache=QUIET)  # type: ignore[arg-type, dict-item]
        with pytest.raises(DatabaseError):
            await Databases.open(settings)
        async with asyncio.timeout(20):
            while await connection.fetchval(query) > before:  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.05)
    finally:
        await connection.close()


async def test_what_cannot_be_opened(demo_dsn: str, policy: Path) -> None:
    with pytest.raises(UsageError, match="no database is configured"):
        await Databases.open(Settings())
    policy.write_text("nonsense: true", encoding="utf-8")  # noqa: ASYNC240 - a small file
    one: Any = {"shop": {"dsn": demo_dsn}, "other": {"dsn": demo_dsn}}
    with pytest.raises(PolicyError) as caught:
        await Databases.open(Settings(databases=one, policy=policy, cache=QUIET))
    assert len(caught.value.problems) == len(set(caught.value.problems))


async def test_row_level_security_sees_who_asks(demo_dsn: str, policy: Path) -> None:
    text = POLICY + 'where: [{table: orders, equals: {tenant_id: ":tenant_id"}}]\n'
    connection = await asyncpg.connect(demo_dsn)
    await connection.execute(
        "CREATE ROLE scoped LOGIN; GRANT USAGE ON SCHEMA public TO scoped; GRANT SELECT ON orders TO scoped;"
        "ALTER TABLE orders ENABLE ROW LEVEL SECURITY;"
        "CREATE POLICY own ON orders TO scoped USING (tenant_id = current_setting('pg_guard.tenant_id', true)::integer)"
    )
    database = None
    try:
        database = await _open(demo_dsn.replace("postgres@", "scoped@"), policy, text)
        expected = dict(await connection.fetch("SELECT tenant_id, count(*) FROM orders GROUP BY tenant_id"))
        for tenant, count in expected.items():
            sql = f"SELECT count(*) FROM orders WHERE tenant_id = {tenant}"
            result = await database.run(await database.check(sql, {"tenant_id": tenant}))
            assert result.rows == [[count]]
    finally:
        if database is not None:
            await database.close()
        await connection.execute(
            "DROP POLICY own ON orders; ALTER TABLE orders DISABLE ROW LEVEL SECURITY;"
            "REVOKE ALL ON orders FROM scoped; REVOKE ALL ON SCHEMA public FROM scoped; DROP ROLE scoped"
        )
        await connection.close()
