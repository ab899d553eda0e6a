"""The audit log in PostgreSQL: parts a month, one chain for all who write, a role that can do no more than add lines."""

from __future__ import annotations

import asyncio
import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from pg_guard.errors import DatabaseError, UsageError
from pg_guard.observe.audit_sinks import SinkError
from pg_guard.observe.audit_store import StoreSink, export_lines, migrate
from pg_guard.observe.audit_verify import Verifier, VerifyReport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def dsn_with(dsn: str, *, database: str, user: str = "") -> str:
    parts = urlsplit(dsn)
    netloc = parts.netloc if not user else f"{user}@{parts.netloc.rpartition('@')[2]}"
    return parts._replace(path=f"/{database}", netloc=netloc).geturl()


@pytest.fixture
async def store(server_dsn: str) -> AsyncIterator[str]:
    admin = await asyncpg.connect(server_dsn)
    await admin.execute("CREATE DATABASE audit_store")
    yield dsn_with(server_dsn, database="audit_store")
    await admin.execute("DROP DATABASE audit_store WITH (FORCE)")
    await admin.execute("DROP ROLE IF EXISTS audit_writer")
    await admin.close()


def content(name: object, time: str = "2026-06-15T12:00:00.000000Z", **more: object) -> dict[str, Any]:
    return {
        "event": "decision",
        "time": time,
        "decision_id": "0f0f0f0f-0000-4000-8000-000000000000",
        "name": str(name),
    } | more


async def verified(dsn: str) -> VerifyReport:
    verifier = Verifier()
    verifier.read([line async for line in export_lines(dsn)], "store")
    return verifier.finish("store")


async def fetch(dsn: str, sql: str) -> list[Any]:
    connection = await asyncpg.connect(dsn)
    try:
        return [tuple(row) for row in await connection.fetch(sql)]
    finally:
        await connection.close()


JUNE = datetime.date(2026, 6, 20)


async def test_parts_are_created_ahead_and_a_second_run_has_nothing_to_do(store: str) -> None:
    first = await migrate(store, today=JUNE)
    assert first.created == ("line_2026_06", "line_2026_07", "line_2026_08", "line_2026_09")
    assert await migrate(store, today=JUNE) == ((), ())
    december = await migrate(store, today=datetime.date(2026, 12, 1))
    assert december.created == ("line_2026_12", "line_2027_01", "line_2027_02", "line_2027_03")


async def test_lines_are_in_one_chain_and_come_back_byte_for_byte(store: str) -> None:
    await migrate(store, today=JUNE)
    sink = StoreSink(store)
    await sink.open()
    principal = {"client": "bi-7", "subject": None, "attributes": {"a": 1}}
    await sink.append([content(1, database="shop", principal=principal, decision={"effect": "deny"}), content(2)])
    await sink.append(
        [{"event": "outcome", "time": "2026-06-15T12:00:00.000000Z", "decision_id": None, "x": "\0é\ud800"}]
    )
    await sink.close()
    report = await verified(store)
    assert report.broken is None
    assert report.lines == 3
    rows = await fetch(store, "SELECT seq, event, database, client, effect FROM guard_audit.line ORDER BY seq")
    assert rows == [
        (1, "decision", "shop", "bi-7", "deny"),
        (2, "decision", None, None, None),
        (3, "outcome", None, None, None),
    ]
    assert await fetch(store, "SELECT count(*) FROM guard_audit.line_2026_06") == [(3,)]


async def test_two_servers_share_the_chain(store: str) -> None:
    await migrate(store, today=JUNE)
    sinks = [StoreSink(store), StoreSink(store)]

    async def write(sink: StoreSink) -> None:
        for number in range(40):
            await sink.append([content(number), content(number)])

    await asyncio.gather(*map(write, sinks))
    for sink in sinks:
        await sink.close()
    report = await verified(store)
    assert report.broken is None
    assert report.lines == 160


async def test_a_month_without_a_part_is_kept_and_moved_when_there_is_one(store: str) -> None:
    await migrate(store, today=JUNE)
    sink = StoreSink(store)
    await sink.append([content(1), content(2, "2027-02-03T00:00:00Z")])
    assert await fetch(store, "SELECT count(*) FROM guard_audit.line_other") == [(1,)]
    await migrate(store, today=datetime.date(2027, 1, 1))
    assert await fetch(store, "SELECT count(*) FROM guard_audit.line_other") == [(0,)]
    assert await fetch(store, "SELECT count(*) FROM guard_audit.line_2027_02") == [(1,)]
    await sink.append([content(3)])
    await sink.close()
    assert (await verified(store)).lines == 3


async def test_old_parts_go_and_the_rest_of_the_chain_still_verifies(store: str) -> None:
    await migrate(store, today=JUNE)
    sink = StoreSink(store)
    for month in (6, 7, 8):
        await sink.append([content(month, f"2026-{month:02}-15T00:00:00Z")])
    await sink.close()
    assert (await migrate(store, keep=2, today=datetime.date(2026, 8, 31))).dropped == ()
    assert (await migrate(store, keep=1, today=datetime.date(2026, 8, 31))).dropped == ("line_2026_06",)
    report = await verified(store)
    assert report.broken is None
    assert report.lines == 2
    assert any("begins at line number 2" in note for note in report.notes)


async def test_tampering_in_the_table_is_told(store: str) -> None:
    await migrate(store, today=JUNE)
    sink = StoreSink(store)
    await sink.append([content(number) for number in range(5)])
    await sink.close()
    await fetch(store, "DELETE FROM guard_audit.line WHERE seq = 3 RETURNING seq")
    broken = (await verified(store)).broken
    assert broken is not None
    assert "missing" in broken.message


async def test_the_writer_can_add_lines_and_nothing_else(store: str, server_dsn: str) -> None:
    admin = await asyncpg.connect(server_dsn)
    await admin.execute("CREATE ROLE audit_writer LOGIN")
    await admin.close()
    await migrate(store, writer="audit_writer", today=JUNE)
    writer = dsn_with(store, database="audit_store", user="audit_writer")
    sink = StoreSink(writer)
    await sink.append([content(1)])
    await sink.close()
    for sql in (
        "SELECT * FROM guard_audit.line",
        "DELETE FROM guard_audit.line",
        "UPDATE guard_audit.line SET line = ''",
        "DELETE FROM guard_audit.head",
        "TRUNCATE guard_audit.line",
        "DROP TABLE guard_audit.line",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await fetch(writer, sql)
    admin = await asyncpg.connect(store)
    await admin.execute("DROP OWNED BY audit_writer")
    await admin.close()


async def test_a_database_without_tables_is_an_error_and_works_once_they_are_there(store: str) -> None:
    sink = StoreSink(store)
    with pytest.raises(SinkError, match="does not exist"):
        await sink.open()
    await migrate(store, today=JUNE)
    await sink.append([content(1)])
    await sink.close()
    assert (await verified(store)).lines == 1


async def test_a_lost_connection_is_made_anew(store: str) -> None:
    await migrate(store, today=JUNE)
    sink = StoreSink(store)
    await sink.append([content(1)])
    await fetch(
        store,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'",
    )
    await sink.append([content(2)])
    await sink.close()
    report = await verified(store)
    assert (report.broken, report.lines) == (None, 2)


async def test_a_database_that_does_not_answer_is_an_error_in_time(store: str) -> None:
    await migrate(store, today=JUNE)
    other = await asyncpg.connect(store)
    sink = StoreSink(store, timeout=0.5)
    async with other.transaction():
        await other.fetch("SELECT 1 FROM guard_audit.head FOR UPDATE")
        with pytest.raises(SinkError, match="no answer in time"):
            await sink.append([content(1)])
    await other.close()
    await sink.append([content(2)])
    await sink.close()
    assert (await verified(store)).lines == 1


@pytest.mark.parametrize("host", ["127.0.0.1:1", "no-such-host.invalid"])
async def test_errors_hold_no_password(host: str) -> None:
    dsn = f"postgresql://writer:hunter22@{host}/audit"
    with pytest.raises(SinkError) as caught:
        await StoreSink(dsn).open()
    assert "hunter22" not in str(caught.value)
    assert "hunter22" not in repr(StoreSink(dsn))
    with pytest.raises(DatabaseError) as refused:
        await migrate(dsn)
    assert "hunter22" not in str(refused.value)


async def test_a_writer_that_does_not_exist_is_told(store: str) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        await migrate(store, writer="no_such_role", today=JUNE)
    with pytest.raises(UsageError, match="does not exist"):
        [line async for line in export_lines(store)]
