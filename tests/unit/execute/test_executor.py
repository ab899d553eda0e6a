"""What an executor lets through, cuts, refuses, and leaves behind: nothing."""

from __future__ import annotations

import asyncio
import traceback
from typing import TYPE_CHECKING, Any

import pytest

from pg_guard.demo.embedded import start
from pg_guard.errors import DatabaseError, ExecutionError, UsageError
from pg_guard.execute.executor import Executor, ResultColumn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import asyncpg

BACKEND = "SELECT pg_backend_pid()"


async def value(executor: Executor, sql: str, *args: Any) -> Any:
    ((found,),) = (await executor.run(sql, *args)).rows
    return found


async def refusal(executor: Executor, sql: str, *args: Any) -> ExecutionError:
    with pytest.raises(ExecutionError) as caught:
        await executor.run(sql, *args)
    return caught.value


async def until(condition: Callable[[], Awaitable[Any]]) -> None:
    for _ in range(400):
        if await condition():
            return
        await asyncio.sleep(0.025)
    pytest.fail("it did not happen")


async def test_names_types_and_rows_in_order(executor: Executor) -> None:
    result = await executor.run("SELECT 1 AS a, 'x' AS b, 2.5 AS a UNION ALL SELECT 2, 'y', 3 ORDER BY 1")
    assert result.columns == (ResultColumn("a", "integer"), ResultColumn("b", "text"), ResultColumn("a", "numeric"))
    assert result.rows == [[1, "x", "2.5"], [2, "y", "3"]]
    assert (result.row_count, result.truncated, result.truncated_by) == (2, False, "")
    assert result.duration_ms > 0


async def test_results_without_columns_or_rows(executor: Executor) -> None:
    nothing = await executor.run("SELECT FROM generate_series(1, 3)")
    assert (nothing.columns, nothing.rows, nothing.row_count) == ((), [[], [], []], 3)
    assert (await executor.run("SELECT 1 WHERE false")).rows == []
    assert (await executor.run("")).columns == ()
    assert (await executor.run("-- only a comment")).rows == []


async def test_the_text_arrives_as_it_is(executor: Executor) -> None:
    sql = "  SELECT /* ü */ current_query() ;;  -- end"
    assert await value(executor, sql) == sql


@pytest.mark.parametrize(
    "sql", ["EXPLAIN SELECT 1", "SHOW search_path", "VALUES (1), (2)", "TABLE pg_am", "WITH x AS (SELECT 1) TABLE x"]
)
async def test_other_statements_that_read(executor: Executor, sql: str) -> None:
    assert (await executor.run(sql)).row_count


# caps


@pytest.mark.parametrize(
    ("count", "rows", "truncated"), [(9, 9, False), (10, 10, False), (11, 10, True), (5000, 10, True)]
)
async def test_rows_are_capped(executor: Executor, count: int, rows: int, truncated: bool) -> None:
    result = await executor.run("SELECT g FROM generate_series(1, $1::int) AS g", count)
    assert [row[0] for row in result.rows] == list(range(1, rows + 1))
    assert (result.truncated, result.truncated_by) == (truncated, "rows" if truncated else "")


async def test_bytes_are_capped(server_dsn: str) -> None:
    async with await Executor.open(server_dsn, rows=1000, result_bytes=1000) as executor:
        result = await executor.run("SELECT repeat('ä', 50) FROM generate_series(1, 500)")
        # 100 bytes of text, two quotes, two brackets and a comma.
        assert (result.row_count, result.truncated_by) == (1000 // 105, "bytes")
        one = await executor.run("SELECT repeat('x', 2000)")
        assert (one.rows, one.truncated, one.truncated_by) == ([], True, "bytes")
        assert await value(executor, "SELECT 1") == 1


async def test_a_long_result_comes_whole(server_dsn: str) -> None:
    async with await Executor.open(server_dsn, rows=5000) as executor:
        result = await executor.run("SELECT g FROM generate_series(1, 5000) AS g")
        assert [row[0] for row in result.rows] == list(range(1, 5001))
        assert not result.truncated


# read-only, one statement


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE t (a int)",
        "CREATE TEMP TABLE t (a int)",
        "INSERT INTO kinds.kept VALUES (1)",
        "WITH x AS (DELETE FROM kinds.kept RETURNING 1) SELECT * FROM x",
        "SELECT 1 INTO t",
        "SELECT nextval('kinds.counter')",
        "EXPLAIN ANALYZE DELETE FROM kinds.kept",
        "SELECT a FROM kinds.kept FOR UPDATE",
        "COPY kinds.kept FROM STDIN",
        "VACUUM",
    ],
)
async def test_nothing_is_written(executor: Executor, onlooker: asyncpg.Connection[Any], sql: str) -> None:
    await onlooker.execute(
        "CREATE TABLE IF NOT EXISTS kinds.kept (a int); TRUNCATE kinds.kept; INSERT INTO kinds.kept VALUES (7)"
    )
    await onlooker.execute("CREATE SEQUENCE IF NOT EXISTS kinds.counter")
    assert (await refusal(executor, sql)).sqlstate in {"25006", "25001"}
    assert await onlooker.fetchval("SELECT array_agg(a) FROM kinds.kept") == [7]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1; SELECT 2",
        "COMMIT; CREATE TABLE public.escaped (a int)",
        "SELECT 1; COMMIT; CREATE TABLE public.escaped (a int)",
        "/* x */ COMMIT; DROP SCHEMA kinds CASCADE",
    ],
)
async def test_a_second_statement_is_refused(executor: Executor, onlooker: asyncpg.Connection[Any], sql: str) -> None:
    assert (await refusal(executor, sql)).sqlstate == "42601"
    assert await onlooker.fetchval("SELECT to_regclass('public.escaped')") is None


@pytest.mark.parametrize(
    "sql", ["COMMIT", "ROLLBACK", "COMMIT AND CHAIN", "ROLLBACK AND CHAIN", "SAVEPOINT s", "SET TRANSACTION READ WRITE"]
)
async def test_transaction_statements_change_nothing_for_the_next(executor: Executor, sql: str) -> None:
    try:
        await executor.run(sql)
    except ExecutionError as exc:
        assert exc.sqlstate  # noqa: PT017 - both outcomes are fine, the next statement is what counts
    assert await value(executor, "SHOW transaction_read_only") == "on"
    assert (await refusal(executor, "CREATE TABLE t (a int)")).sqlstate == "25006"


async def test_copy_out_neither_hangs_nor_spoils_the_connection(executor: Executor) -> None:
    async with asyncio.timeout(10):
        await executor.run("COPY (SELECT 1) TO STDOUT")
        assert await value(executor, "SELECT 1") == 1


# settings


async def test_settings_are_pinned(types_ready: str) -> None:
    async with await Executor.open(
        types_ready, statement_timeout=3.5, lock_timeout=0.25, search_path=("Kin\"d's", "$user", "public")
    ) as executor:
        for name, expected in {
            "statement_timeout": "3500ms",
            "lock_timeout": "250ms",
            "idle_in_transaction_session_timeout": "8500ms",
            "search_path": '"Kin""d\'s", "$user", "public"',
            "standard_conforming_strings": "on",
            "row_security": "on",
            "transaction_read_only": "on",
            "IntervalStyle": "iso_8601",
        }.items():
            assert await value(executor, "SELECT current_setting($1)", name) == expected


async def test_pinned_settings_win_over_those_of_the_role(server_dsn: str, onlooker: asyncpg.Connection[Any]) -> None:
    await onlooker.execute("CREATE ROLE odd LOGIN SUPERUSER; ALTER ROLE odd SET standard_conforming_strings = off")
    await onlooker.execute("ALTER ROLE odd SET DateStyle = 'German, DMY'; ALTER ROLE odd SET bytea_output = 'escape'")
    try:
        async with await Executor.open(server_dsn.replace("postgres@", "odd@", 1)) as executor:
            result = await executor.run("SELECT 'a\\n', '31.01.2026'::date, '\\x00'::bytea")
            assert result.rows == [["a\\n", "2026-01-31", "\\x00"]]
    finally:
        await onlooker.execute("DROP ROLE odd")


async def test_an_empty_search_path(server_dsn: str) -> None:
    async with await Executor.open(server_dsn, search_path=()) as executor:
        assert await value(executor, "SELECT current_schemas(false)") == []


async def test_a_role_is_taken_for_each_statement(server_dsn: str, onlooker: asyncpg.Connection[Any]) -> None:
    await onlooker.execute("CREATE ROLE humble; CREATE TABLE IF NOT EXISTS public.not_for_humble (a int)")
    try:
        async with await Executor.open(server_dsn, role="humble", max_size=1) as executor:
            for _ in range(2):
                assert await value(executor, "SELECT current_user") == "humble"
                assert (await refusal(executor, "SELECT * FROM public.not_for_humble")).sqlstate == "42501"
    finally:
        await onlooker.execute("DROP TABLE public.not_for_humble; DROP ROLE humble")


async def test_a_role_that_does_not_exist(server_dsn: str) -> None:
    with pytest.raises(DatabaseError, match=r'session cannot be set up.*"nobody_here"'):
        await Executor.open(server_dsn, role="nobody_here")


@pytest.mark.parametrize(
    "limits",
    [
        {"rows": 0},
        {"statement_timeout": 0},
        {"lock_timeout": -1},
        {"result_bytes": 0},
        {"max_size": 0},
        {"min_size": 9},
    ],
)
async def test_limits_must_be_positive(limits: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        await Executor.open("postgresql://h/d", **limits)


# a clean connection


@pytest.mark.parametrize(
    ("dirt", "probe", "clean"),
    [
        ("SELECT set_config('work_mem', '999kB', false)", "SHOW work_mem", "4MB"),
        (
            "SELECT set_config('app.tenant', '42', false)",
            "SELECT coalesce(current_setting('app.tenant', true), '')",
            "",
        ),
        ("SET SESSION work_mem = '999kB'", "SHOW work_mem", "4MB"),
        ("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE", "SHOW transaction_read_only", "on"),
        ("SET ROLE pg_monitor", "SELECT current_user", "postgres"),
        ("SET SESSION AUTHORIZATION pg_monitor", "SELECT session_user", "postgres"),
        ("LISTEN news", "SELECT count(*) FROM pg_listening_channels()", 0),
        ("PREPARE mine AS SELECT 1", "SELECT count(*) FROM pg_prepared_statements WHERE from_sql", 0),
        ("DEALLOCATE ALL", "SELECT 1", 1),
        ("DISCARD PLANS", "SELECT 1", 1),
        ("DECLARE c CURSOR WITH HOLD FOR SELECT 1", "SELECT count(*) FROM pg_cursors WHERE name = 'c'", 0),
        ("SELECT pg_advisory_lock(7)", "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'", 0),
        (
            "SELECT pg_advisory_lock(7), 1/(g - 1) FROM generate_series(0, 1) g",
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'",
            0,
        ),
        (
            "SELECT pg_advisory_lock(g) FROM generate_series(1, 50) g",
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'",
            0,
        ),
        ("SELECT 1/0", "SELECT 1", 1),
        ("SELECT g FROM generate_series(1, 100000) g", "SELECT count(*) FROM pg_cursors WHERE is_holdable", 0),
    ],
)
async def test_the_next_user_finds_a_clean_connection(executor: Executor, dirt: str, probe: str, clean: Any) -> None:
    before = await value(executor, BACKEND)
    try:
        await executor.run(dirt)
    except ExecutionError as exc:
        assert exc.sqlstate != "57014"  # noqa: PT017 - an error is one of the outcomes
    assert await value(executor, probe) == clean
    # The connection was cleaned, not thrown away: else this test would show nothing.
    assert await value(executor, BACKEND) == before


async def test_temporary_objects_do_not_survive(types_ready: str) -> None:
    async with await Executor.open(types_ready, max_size=1) as executor:
        # A temporary schema can only come from a transaction that writes: this one is the executor's own connection.
        async with executor._pool.transaction() as session:
            await session.execute("COMMIT")
            await session.execute("CREATE TEMP TABLE leftover (a int)")
        assert await value(executor, "SELECT to_regclass('leftover')") is None


# time-outs, cancellation, loss


async def test_a_slow_statement_is_stopped_by_the_server(server_dsn: str) -> None:
    async with await Executor.open(server_dsn, statement_timeout=0.1, max_size=1) as executor:
        error = await refusal(executor, "SELECT pg_sleep(60)")
        assert (error.sqlstate, bool(error.hint)) == ("57014", True)
        assert await value(executor, "SELECT 1") == 1


async def test_many_short_fetches_are_one_statement(server_dsn: str) -> None:
    async with await Executor.open(server_dsn, statement_timeout=0.3, rows=1_000_000, max_size=1) as executor:
        # Each fetch stays below the limit, all of them together do not.
        error = await refusal(executor, "SELECT pg_sleep(0.001) FROM generate_series(1, 1000000)")
        assert error.sqlstate == "57014"
        assert await value(executor, "SELECT 1") == 1


async def test_a_statement_that_lifts_its_own_limit_is_stopped(
    server_dsn: str, onlooker: asyncpg.Connection[Any]
) -> None:
    async with await Executor.open(server_dsn, statement_timeout=0.1, max_size=1) as executor:
        await executor.run("SET statement_timeout = 0")
        assert (await refusal(executor, "SELECT pg_sleep(61)")).sqlstate == "57014"

    async def gone() -> bool:
        return not await onlooker.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%sleep(61)' AND state = 'active'"
        )

    await until(gone)


async def test_a_lock_is_not_waited_for(server_dsn: str, onlooker: asyncpg.Connection[Any]) -> None:
    await onlooker.execute("CREATE TABLE IF NOT EXISTS public.locked (a int)")
    async with await Executor.open(server_dsn, lock_timeout=0.05) as executor, onlooker.transaction():
        await onlooker.execute("LOCK TABLE public.locked IN ACCESS EXCLUSIVE MODE")
        assert (await refusal(executor, "SELECT * FROM public.locked")).sqlstate == "55P03"


async def test_cancelling_the_call_cancels_the_statement(executor: Executor, onlooker: asyncpg.Connection[Any]) -> None:
    def running(wanted: int) -> Callable[[], Awaitable[bool]]:
        sql = "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(62)' AND state = 'active'"

        async def check() -> bool:
            return bool(await onlooker.fetchval(sql) == wanted)

        return check

    task = asyncio.create_task(executor.run("SELECT pg_sleep(62)"))
    await until(running(1))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(running(0))
    assert await value(executor, "SELECT 1") == 1


async def test_cancelling_twice_and_while_waiting(executor: Executor) -> None:
    tasks = [asyncio.create_task(executor.run("SELECT pg_sleep(63)")) for _ in range(3)]
    await asyncio.sleep(0.1)
    for task in tasks:
        task.cancel()
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    assert all(isinstance(o, asyncio.CancelledError) for o in await asyncio.gather(*tasks, return_exceptions=True))
    async with asyncio.timeout(10):
        assert await value(executor, "SELECT 1") == 1


async def test_many_statements_share_few_connections(server_dsn: str) -> None:
    async with await Executor.open(server_dsn, max_size=2) as executor:
        results = await asyncio.gather(*(executor.run("SELECT $1::int, pg_backend_pid()", n) for n in range(40)))
        assert [r.rows[0][0] for r in results] == list(range(40))
        assert len({r.rows[0][1] for r in results}) <= 2


async def test_a_lost_connection_is_told_and_replaced(server_dsn: str, onlooker: asyncpg.Connection[Any]) -> None:
    async with await Executor.open(server_dsn, max_size=1) as executor:
        pid = await value(executor, BACKEND)
        task = asyncio.create_task(executor.run("SELECT pg_sleep(64)"))
        await until(
            lambda: onlooker.fetchval("SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(64)'")
        )
        await onlooker.execute(f"SELECT pg_terminate_backend({pid})")
        with pytest.raises(DatabaseError, match=r"connection to .* was lost"):
            await task
        assert await value(executor, BACKEND) != pid


async def test_idle_connections_that_died_are_not_noticed_by_the_caller(
    server_dsn: str, onlooker: asyncpg.Connection[Any]
) -> None:
    async with await Executor.open(server_dsn, min_size=3, max_size=3) as executor:
        await onlooker.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query LIKE 'DISCARD%'"
        )
        assert await value(executor, "SELECT 1") == 1


async def test_the_pool_recovers_from_a_restart(tmp_path_factory: pytest.TempPathFactory) -> None:
    directory = tmp_path_factory.mktemp("restart")
    with start(directory) as first:
        dsn = first.dsn
        executor = await Executor.open(dsn, max_size=2)
        assert await value(executor, "SELECT 1") == 1
    try:
        with pytest.raises(DatabaseError, match=r"nothing answers|lost|cannot connect"):
            await executor.run("SELECT 1")
        with start(directory) as second:
            if second.dsn != dsn:
                # The socket's directory is new; the old name leads to it as a moved server's would.
                first.socket_directory.symlink_to(second.socket_directory)
            assert await value(executor, "SELECT 2") == 2
            await executor.close()
    finally:
        if first.socket_directory.is_symlink():
            first.socket_directory.unlink()


async def test_types_that_are_younger_than_the_connection(
    executor: Executor, onlooker: asyncpg.Connection[Any]
) -> None:
    await executor.run("SELECT 1")
    await onlooker.execute(
        "CREATE TYPE kinds.young AS ENUM ('a'); CREATE TYPE kinds.younger AS (m kinds.young, n date)"
    )
    try:
        result = await executor.run("SELECT 'a'::young, ROW('a', '2026-01-01')::younger, $1::young[]", ["a"])
        assert result.rows == [["a", "(a,2026-01-01)", ["a"]]]
        assert [c.type for c in result.columns] == ["young", "younger", "young[]"]
    finally:
        await onlooker.execute("DROP TYPE kinds.younger; DROP TYPE kinds.young")


# errors


@pytest.mark.parametrize(
    ("sql", "sqlstate", "found"),
    [
        ("SELECT 'é', nope FROM pg_class", "42703", "nope"),
        ("SELECT * FROM nowhere", "42P01", "nowhere"),
        ("SELECT frobnicate(1)", "42883", "frobnicate"),
        ("SELEC 1", "42601", "SELEC"),
        ("SELECT 'x'::integer", "22P02", "'x'"),
        ("SELECT relname, count(*) FROM pg_class", "42803", "relname"),
    ],
)
async def test_errors_point_at_the_place(executor: Executor, sql: str, sqlstate: str, found: str) -> None:
    error = await refusal(executor, sql)
    assert error.sqlstate == sqlstate
    assert error.position == sql.index(found)
    assert error.hint
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("sql", "sqlstate"), [("SELECT 1/0", "22012"), ("SELECT (SELECT generate_series(1, 2))", "21000")]
)
async def test_errors_without_a_place(executor: Executor, sql: str, sqlstate: str) -> None:
    error = await refusal(executor, sql)
    assert (error.sqlstate, error.position) == (sqlstate, None)
    assert error.hint


async def test_wrong_arguments(executor: Executor) -> None:
    assert "1 argument" in str(await refusal(executor, "SELECT $1::int"))
    assert (await refusal(executor, "SELECT $1::int", "x")).sqlstate == "22P02"
    assert await value(executor, "SELECT 1") == 1


@pytest.mark.parametrize("sql", ["SELECT '\x00'", "SELECT '\ud800'"])
async def test_texts_that_cannot_be_sent(executor: Executor, sql: str) -> None:
    await refusal(executor, sql)
    assert await value(executor, "SELECT 1") == 1


async def test_an_unreachable_database(tmp_path_factory: pytest.TempPathFactory) -> None:
    nowhere = tmp_path_factory.mktemp("nowhere")
    dsn = f"postgresql://u:Tr0ub4dor@/d?host={nowhere}"
    with pytest.raises(DatabaseError, match="nothing answers") as caught:
        await Executor.open(dsn)
    lines = "".join(traceback.format_exception(caught.value)).splitlines()
    assert not [line for line in lines if "Tr0ub4dor" in line and "dsn = f" not in line]


async def test_closing_leaves_no_connection(server_dsn: str, onlooker: asyncpg.Connection[Any]) -> None:
    dsn = f"{server_dsn}&application_name=closing"
    sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'closing'"
    async with await Executor.open(dsn, min_size=3, max_size=3) as executor:
        await executor.run("SELECT 1")
        assert await onlooker.fetchval(sql) == 3

    async def none() -> bool:
        return not await onlooker.fetchval(sql)

    await until(none)
