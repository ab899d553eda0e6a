"""Databases that fail under a server that goes on: a real PostgreSQL 18 that is killed, cut off, full, or another one than before."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import asyncpg
import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.soak.postgresql import KillablePostgreSQL
from tests.soak.relay import Relay
from tests.support.http_server import MODERN, Served, call, served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from mcp import Client

MODES = ["legacy", MODERN]
POLICY = """\
schema: pg-guard/policy/v1
metadata: {name: faults, version: 1.0.0}
tables: {default: allow, deny: [secrets]}
functions: {mode: allowlist, allow: [{capability: [pure, aggregate]}, pg_catalog.pg_sleep(double precision)]}
limits: {statement_timeout: 30s}
"""
SLEEP = "SELECT pg_sleep(25)"
QUICK_CIRCUITS = {"database": {"breaker_threshold": 2, "breaker_recovery": 1.0, "retries": 0}}
NOT_REACHED = ("database", "CIRCUIT_OPEN")


@pytest.fixture(scope="module")
def postgresql() -> Iterator[KillablePostgreSQL]:
    with KillablePostgreSQL() as server:
        yield server


@pytest.fixture
async def database(postgresql: KillablePostgreSQL) -> AsyncIterator[str]:
    """A database of a test's own, with a role that owns nothing."""
    admin = await asyncpg.connect(postgresql.dsn())
    await admin.execute("CREATE DATABASE app")
    await admin.execute("CREATE ROLE guard LOGIN")
    await admin.close()
    owner = await asyncpg.connect(postgresql.dsn("app"))
    await owner.execute("CREATE TABLE things (id integer); INSERT INTO things SELECT generate_series(1, 7)")
    await owner.execute("CREATE TABLE secrets (id integer)")
    await owner.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO guard")
    await owner.close()
    yield "app"
    admin = await asyncpg.connect(postgresql.dsn())
    for name in ("app", "app_before"):
        await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    await admin.execute("DROP ROLE guard")
    await admin.close()


@contextlib.asynccontextmanager
async def guarded(dsn: str, directory: Path, text: str = POLICY, **settings: Any) -> AsyncIterator[Served]:
    policy = directory / "policy.yaml"
    policy.write_text(text, encoding="utf-8")
    given = {"resilience": QUICK_CIRCUITS, "cache": {"auto_refresh": False}} | settings
    async with served(dsn, policy, {"allow_anonymous": True, "drain_timeout": 0.5}, directory, **given) as server:
        yield server
        # Whatever happened before, it ends as always.
        if server.process.returncode is None:
            assert await server.stop(signal.SIGTERM) == 143
    assert [line for line in server.log if re.search("Traceback|never retrieved|was destroyed", line)] == []


async def get(server: Served, path: str) -> httpx2.Response:
    async with httpx2.AsyncClient(timeout=60) as http:
        return await http.get(server.origin + path)


async def until(server: Served, path: str, status: int) -> Any:
    """Wait for a status; what is answered then."""
    async with asyncio.timeout(60):
        while (response := await get(server, path)).status_code != status:  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.05)
    return response.json()


async def metric(server: Served, name: str, /, **labels: str) -> float:
    """The sum of a metric's samples that have these labels."""
    text = (await get(server, "/metrics")).text
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


async def until_running(postgresql: KillablePostgreSQL, sql: str, count: int = 1) -> None:
    connection = await asyncpg.connect(postgresql.dsn())
    try:
        async with asyncio.timeout(60):
            running = "SELECT count(*) FROM pg_stat_activity WHERE query = $1 AND state = 'active'"
            while await connection.fetchval(running, sql) != count:  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.02)
    finally:
        await connection.close()


async def until_it_works(client: Client, seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while (answer := await call(client, "run_sql", sql="SELECT count(*) AS n FROM things"))["error"] is not None:
            assert answer["error"]["code"] in NOT_REACHED
            await asyncio.sleep(0.05)
    assert answer["rows"] == [[7]]


# -- killed ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
async def test_a_database_that_is_killed_and_comes_back(
    postgresql: KillablePostgreSQL, database: str, tmp_path: Path, mode: str
) -> None:
    async with guarded(postgresql.dsn(database, "guard"), tmp_path) as server, server.client(mode=mode) as client:
        await until_it_works(client)
        assert (await get(server, "/health")).json() == {"status": "ok"}
        under_way = [asyncio.create_task(call(client, "run_sql", sql=SLEEP)) for _ in range(2)]
        await until_running(postgresql, SLEEP, 2)
        await asyncio.to_thread(postgresql.kill)
        try:
            for answer in await asyncio.gather(*under_way):
                assert (answer["decision"], answer["rows"]) == ("allow", [])
                assert answer["error"]["code"] == "database"
            # Two failures open the circuit: the next are told at once, and not a second time by PostgreSQL's socket.
            later = await call(client, "run_sql", sql="SELECT 1 AS one")
            assert later["error"]["code"] == "CIRCUIT_OPEN"
            assert (await call(client, "check_sql", sql="SELECT * FROM secrets"))["decision"] == "deny"
            assert (await until(server, "/health", 503))["status"] == "unavailable"
            assert (await until(server, "/health/ready", 503))["status"] == "not ready"
            assert (await get(server, "/health/live")).status_code == 200
            assert await metric(server, "pg_guard_circuit_breaker_state", name="database:app") > 0
        finally:
            await asyncio.to_thread(postgresql.start)
        # The same client, the same server process.
        await until_it_works(client)
        await until(server, "/health/ready", 200)
        assert (await until(server, "/health", 200))["status"] == "ok"
        assert await metric(server, "pg_guard_circuit_breaker_state", name="database:app") == 0
        assert await metric(server, "pg_guard_query_requests_total", status="unavailable") >= 3
        assert await metric(server, "pg_guard_db_connections_active") == 0


async def test_every_connection_that_is_terminated_is_replaced_unnoticed(
    postgresql: KillablePostgreSQL, database: str, tmp_path: Path
) -> None:
    async with guarded(postgresql.dsn(database, "guard"), tmp_path) as server, server.client() as client:
        await client.list_tools()
        for _ in range(3):
            calls = (call(client, "run_sql", sql="SELECT count(*) AS n, pg_sleep(0.1) FROM things") for _ in range(5))
            await asyncio.gather(*calls)
            admin = await asyncpg.connect(postgresql.dsn())
            ended = await admin.fetch(
                "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE usename = 'guard'"
            )
            await admin.close()
            assert len(ended) > 1
            answer = await call(client, "run_sql", sql="SELECT count(*) AS n FROM things")
            assert (answer["error"], answer["rows"]) == (None, [[7]])


# -- without an answer -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [(), ("--http", "127.0.0.1:0")])
async def test_a_database_that_never_answers_at_the_start(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY, encoding="utf-8")
    async with Relay(None) as nobody:
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "pg_guard", "serve", "--policy", str(policy), *arguments],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
            env={
                "PG_GUARD_DSN": nobody.dsn("app", "guard:hunter2secret"),
                "PG_GUARD_CACHE__STARTUP_TIMEOUT": "1",
                "PG_GUARD_HTTP__ALLOW_ANONYMOUS": "true",
            },
        )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("pg-guard: error: ")
    assert "hunter2secret" not in done.stderr
    assert "Traceback" not in done.stderr
    assert nobody.accepted


@pytest.mark.parametrize("mode", MODES)
async def test_a_network_that_goes_silent_in_mid_session_and_comes_back(
    postgresql: KillablePostgreSQL, database: str, tmp_path: Path, mode: str
) -> None:
    text = POLICY.replace("statement_timeout: 30s", "statement_timeout: 1s")
    async with (
        Relay(postgresql.link / ".s.PGSQL.5432") as network,
        guarded(network.dsn(database, "guard"), tmp_path, text) as server,
        server.client(mode=mode) as client,
    ):
        # Connections that wait in the pool, all of which are dead in a moment.
        await asyncio.gather(*(call(client, "run_sql", sql="SELECT pg_sleep(0.5)") for _ in range(5)))
        under_way = asyncio.create_task(call(client, "run_sql", sql="SELECT pg_sleep(0.9)"))
        await until_running(postgresql, "SELECT pg_sleep(0.9)")
        network.freeze()
        # The client's answer does not wait for a peer that is gone.
        async with asyncio.timeout(30):
            answer = await under_way
        assert answer["error"]["code"] in ("execution", "database")
        assert answer["error"]["message"]
        assert answer["rows"] == []
        # Nor for one dead connection of the pool after the other.
        async with asyncio.timeout(40):
            later = await call(client, "run_sql", sql="SELECT 1 AS one")
        assert later["error"]["code"] in NOT_REACHED
        assert (await until(server, "/health/ready", 503))["status"] == "not ready"
        assert (await call(client, "check_sql", sql="SELECT * FROM secrets"))["decision"] == "deny"
        network.cut()
        network.thaw()
        await until_it_works(client)
        await until(server, "/health/ready", 200)
        assert await metric(server, "pg_guard_db_connections_active") == 0


async def test_a_server_ends_in_time_while_its_database_is_silent(
    postgresql: KillablePostgreSQL, database: str, tmp_path: Path
) -> None:
    async with (
        Relay(postgresql.link / ".s.PGSQL.5432") as network,
        guarded(network.dsn(database, "guard"), tmp_path, audit={"sink": "file", "path": "audit.jsonl"}) as server,
        server.client() as client,
    ):
        await until_it_works(client)
        under_way = asyncio.create_task(client.call_tool("run_sql", {"sql": SLEEP}))
        await until_running(postgresql, SLEEP)
        network.freeze()
        assert await server.stop(signal.SIGTERM) == 143
        under_way.cancel()
        await asyncio.gather(under_way, return_exceptions=True)
    assert server.log[-1] == "pg-guard: stopped by SIGTERM"
    text = (tmp_path / "audit.jsonl").read_text(encoding="utf-8")
    assert text.count('"event":"outcome"') == text.count('"event":"decision"')


# -- another database, and a full one ----------------------------------------------------------------------------------


async def test_after_a_failover_to_another_catalog_nothing_is_taken_for_what_it_was(
    postgresql: KillablePostgreSQL, database: str, tmp_path: Path
) -> None:
    async with guarded(postgresql.dsn(database, "guard"), tmp_path) as server, server.client() as client:
        await until_it_works(client)
        admin = await asyncpg.connect(postgresql.dsn())
        await admin.execute("ALTER DATABASE app ALLOW_CONNECTIONS false")
        # Also what looks after its tables just now.
        await admin.execute("SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = 'app'")
        await admin.execute("ALTER DATABASE app RENAME TO app_before")
        await admin.execute("CREATE DATABASE app")
        await admin.close()
        other = await asyncpg.connect(postgresql.dsn("app"))
        # The types have other numbers, the columns another order; one table is gone, one is new.
        await other.execute("CREATE TYPE mood AS ENUM ('fine', 'bad')")
        await other.execute("CREATE TABLE news (mood mood, id integer, secret text); CREATE TABLE secrets (id text)")
        await other.execute("INSERT INTO news VALUES ('fine', 1, 'x')")
        await other.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO guard")
        await other.close()
        gone = await call(client, "run_sql", sql="SELECT count(*) AS n FROM things")
        assert (gone["decision"], gone["error"]["sqlstate"]) == ("allow", "42P01")
        # What the catalog does not know is not run.
        unknown = await call(client, "run_sql", sql="SELECT mood, id FROM news")
        assert unknown["decision"] == "deny"
        refreshed = await call(client, "refresh_schema")
        assert (refreshed["changed"], refreshed["error"]) == (True, "")
        assert (await call(client, "run_sql", sql="SELECT mood, id FROM news"))["rows"] == [["fine", 1]]
        assert (await call(client, "run_sql", sql="SELECT count(*) AS n FROM things"))["decision"] == "deny"
        assert (await call(client, "run_sql", sql="SELECT id FROM secrets"))["decision"] == "deny"


async def test_another_server_behind_the_name_has_its_catalog_read_at_once(
    postgresql: KillablePostgreSQL, database: str, tmp_path: Path
) -> None:
    """Not only when the interval is over: a name may have become a view of what is hidden."""
    cache = {"auto_refresh": True, "interval": 86_400}
    async with guarded(postgresql.dsn(database, "guard"), tmp_path, cache=cache) as server, server.client() as client:
        await until_it_works(client)
        await asyncio.to_thread(postgresql.kill)
        await asyncio.to_thread(postgresql.start)
        owner = await asyncpg.connect(postgresql.dsn("app"))
        # While nobody has reached the server through the guard.
        await owner.execute("ALTER TABLE things RENAME TO things_before")
        await owner.execute("CREATE VIEW things AS SELECT id, id::text AS secret FROM secrets")
        await owner.execute("GRANT SELECT ON things TO guard")
        await owner.close()
        async with asyncio.timeout(60):
            while (await call(client, "run_sql", sql="SELECT count(*) AS n FROM things"))["decision"] != "deny":  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.05)
        again = "catalog read again: another server answers"
        async with asyncio.timeout(60):
            while not any(again in line for line in server.log):  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.05)
        # A restart alone is one reading, however many connections come back.
        assert sum(again in line for line in server.log) == 1


async def test_a_role_without_a_free_connection_is_told_honestly(
    postgresql: KillablePostgreSQL, database: str, tmp_path: Path
) -> None:
    admin = await asyncpg.connect(postgresql.dsn())
    try:
        async with guarded(postgresql.dsn(database, "guard"), tmp_path) as server, server.client() as client:
            await until_it_works(client)
            await admin.execute("ALTER ROLE guard CONNECTION LIMIT 1")
            slow = "SELECT pg_sleep(2)"
            calls = [asyncio.create_task(call(client, "run_sql", sql=slow)) for _ in range(4)]
            errors = [answer["error"] for answer in await asyncio.gather(*calls)]
            refused = [error for error in errors if error is not None]
            assert refused
            assert len(refused) < len(errors)
            assert {error["code"] for error in refused} <= set(NOT_REACHED)
            told = " ".join(error["message"] for error in refused)
            assert "too many connections" in told
            # A catalog that cannot be read for lack of a connection stays the last good one.
            holding = asyncio.create_task(call(client, "run_sql", sql=slow))
            await admin.execute("ALTER ROLE guard CONNECTION LIMIT 0")
            kept = await call(client, "refresh_schema")
            assert kept["changed"] is False
            assert "too many connections" in kept["error"]
            await holding
            await admin.execute("ALTER ROLE guard CONNECTION LIMIT -1")
            await until_it_works(client)
            assert (await call(client, "refresh_schema"))["error"] == ""
    finally:
        await admin.close()
