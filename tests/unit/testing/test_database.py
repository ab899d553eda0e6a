"""Statements on a real PostgreSQL: what counts as run, what is undone, and that each stands alone."""

from __future__ import annotations

import asyncpg
import pytest

from pg_guard.demo.database import load_sample_database
from pg_guard.errors import DatabaseError
from pg_guard.testing.database import run_statements


@pytest.fixture(scope="module")
async def dsn(server_dsn: str) -> str:
    return await load_sample_database(server_dsn, name="statements")


async def errors(dsn: str, *statements: str, read_only: bool = False) -> list[str]:
    return [ran.error for ran in await run_statements(dsn, statements, read_only=read_only)]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1",
        "SELECT * FROM customers",
        "SELECT * FROM customers WHERE id = $1 AND name LIKE $2",
        "DELETE FROM web_events",
        "CREATE TABLE made_by_a_test (a int)",
        "VACUUM orders",
        "SELECT pg_sleep(60)",
        "SELECT pg_terminate_backend(pg_backend_pid())",
        "SELECT x FROM generate_series(1, 1000000000000) AS x",
        "SELECT '{1,2}'::int[], row(1, 'a'), ARRAY[ROW(1, 2)], 'a'::tsvector, NULL::pg_statistic",
        "DO $$ BEGIN PERFORM 1; END $$",
        "PREPARE p AS SELECT 1",
    ],
)
async def test_what_works_has_run(dsn: str, statement: str) -> None:
    assert await errors(dsn, statement) == [""]


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("SELECT nobody FROM customers", '42703: column "nobody" does not exist'),
        ("SELEC 1", '42601: syntax error at or near "SELEC"'),
        ("SELECT 1 / 0", "22012: division by zero"),
        ("SELECT 1 / $1 + nobody", '42703: column "nobody" does not exist'),
    ],
)
async def test_what_postgresql_refuses_has_not(dsn: str, statement: str, error: str) -> None:
    assert await errors(dsn, statement) == [error]


async def test_each_statement_has_a_session_of_its_own(dsn: str) -> None:
    assert await errors(
        dsn, "CREATE TEMP TABLE t (a int)", "SELECT * FROM t", "PREPARE p AS SELECT 1", "EXECUTE p"
    ) == [
        "",
        '42P01: relation "t" does not exist',
        "",
        '26000: prepared statement "p" does not exist',
    ]


async def test_everything_is_rolled_back(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        before = await connection.fetchval("SELECT count(*) FROM web_events")
        assert before > 0
        assert await errors(dsn, "DELETE FROM web_events", "DELETE FROM web_events WHERE id = $1") == ["", ""]
        assert await connection.fetchval("SELECT count(*) FROM web_events") == before
    finally:
        await connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM web_events",
        "DELETE FROM web_events WHERE id = $1",
        "CREATE TABLE x (a int)",
        "SELECT lo_create(0)",
    ],
)
async def test_read_only_is_read_only(dsn: str, statement: str) -> None:
    (error,) = await errors(dsn, statement, read_only=True)
    assert error.startswith("25006: ")


async def test_read_only_runs_nothing_outside_of_a_transaction(dsn: str) -> None:
    assert await errors(dsn, "VACUUM orders", read_only=True) == ["it cannot run in a transaction"]


async def test_a_database_that_is_not_there_is_one_clear_error() -> None:
    with pytest.raises(DatabaseError, match="cannot connect to the database that runs the statements"):
        await run_statements("postgresql://postgres@127.0.0.1:1/none", ["SELECT 1"], read_only=True)
