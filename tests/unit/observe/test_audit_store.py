"""The audit log in PostgreSQL: parts a month, one chain for all who write, a role that can do no more than add lines."""

from __future__ import annotations

import asyncio
import datetime
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from pg_guard.errors import DatabaseError, UsageError
from pg_guard.observe.audit_anchors import Anchors, read_anchors
from pg_guard.observe.audit_sinks import SinkError
from pg_guard.observe.audit_store import StoreSink
from pg_guard.observe.audit_tables import Dropped, export_lines, migrate, prune
from pg_guard.observe.audit_verify import Verifier, VerifyReport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


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


async def with_months(store: str, *months: int) -> StoreSink:
    await migrate(store, today=JUNE)
    sink = StoreSink(store)
    for month in months:
        await sink.append([content(month, f"2026-{month:02}-15T00:00:00Z")])
    return sink


AUGUST = datetime.date(2026, 8, 31)


async def test_old_parts_go_and_the_rest_of_the_chain_still_verifies(store: str) -> None:
    await (await with_months(store, 6, 7, 8)).close()
    assert (await migrate(store, keep=2, today=AUGUST)).dropped == ()
    assert (await migrate(store, keep=1, today=AUGUST)).dropped == ("line_2026_06",)
    report = await verified(store)
    report.require_beginning("store")
    assert report.broken is None
    # The two that stay, and the one that tells of the other.
    assert report.lines == 3
    assert report.pruned == set(report.chains)
    assert "begins at line number 2: what came before was deleted because it was old" in report.notes[0]


async def test_pruning_says_what_it_would_do_before_it_does_it(store: str) -> None:
    await (await with_months(store, 6, 6, 7, 8)).close()
    expected = [Dropped("line_2026_06", 2, 1, 2, whole=True), Dropped("line_2026_07", 1, 3, 3, whole=True)]
    assert await prune(store, months=0, really=False, today=AUGUST) == expected
    assert (await verified(store)).lines == 4
    assert await prune(store, months=0, really=True, today=AUGUST) == expected
    report = await verified(store)
    report.require_beginning("store")
    assert report.broken is None
    assert report.lines == 2
    # A part that a line of the month would go to is made again.
    assert await prune(store, months=0, really=True, today=AUGUST) == []


async def test_writing_goes_on_while_old_months_are_dropped(store: str) -> None:
    sink = await with_months(store, 6, 7, 8)
    other = StoreSink(store)

    async def write(sink: StoreSink) -> None:
        for number in range(30):
            await sink.append([content(number, "2026-08-16T00:00:00Z")])

    await asyncio.gather(
        write(sink),
        write(other),
        prune(store, months=1, really=True, today=AUGUST),
        migrate(store, keep=0, today=AUGUST),
    )
    await sink.close()
    await other.close()
    report = await verified(store)
    report.require_beginning("store")
    assert report.broken is None
    assert report.decisions == 61


async def test_lines_of_a_wrong_clock_leave_no_gap(store: str) -> None:
    sink = await with_months(store, 6)
    # Set back by a year, then right again; and one that was set forward.
    await sink.append([content("back", "2025-06-15T00:00:00Z")])
    await sink.append([content("ahead", "2030-06-15T00:00:00Z")])
    await sink.append([content(7, "2026-07-15T00:00:00Z"), content(8, "2026-08-15T00:00:00Z")])
    await sink.append([content("back again", "2026-06-16T00:00:00Z")])
    await sink.close()
    dropped = await prune(store, months=0, really=True, today=AUGUST)
    # What stands behind a line that claims to be new stays until that may go.
    assert dropped == [Dropped("line_2026_06", 1, 1, 1, whole=False), Dropped("line_other", 1, 2, 2, whole=False)]
    report = await verified(store)
    report.require_beginning("store")
    assert report.broken is None
    assert report.chains.popitem()[1][0] == 3


async def test_nothing_is_dropped_when_its_end_was_changed(store: str) -> None:
    await (await with_months(store, 6, 8)).close()
    await fetch(
        store, "UPDATE guard_audit.line SET line = replace(line, 'decision', 'Decision') WHERE seq = 1 RETURNING 1"
    )
    with pytest.raises(UsageError, match="line number 1 is changed"):
        await prune(store, months=0, really=True, today=AUGUST)
    assert await fetch(store, "SELECT count(*) FROM guard_audit.line") == [(2,)]


async def test_the_command_asks_for_yes(store: str) -> None:
    await (await with_months(store, 6, 7)).close()

    def run(*arguments: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, "-m", "pg_guard", "audit-store", "prune", "--dsn", store, *arguments],
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    code, output, errors = await asyncio.to_thread(run, "--older-than", "1 month")
    assert code == 0
    assert "would drop line_2026_06: lines 1 to 1" in output
    assert "give --yes" in errors
    assert (await verified(store)).lines == 2
    assert (await asyncio.to_thread(run, "--older-than", "9years", "--yes"))[:2] == (0, "nothing to do\n")
    code, output, _ = await asyncio.to_thread(run, "--older-than", "1month", "--yes")
    assert (code, "dropped line_2026_06: lines 1 to 1" in output) == (0, True)
    assert (await verified(store)).broken is None
    for wrong in ("13", "soon", "3days", "-1months", "99999months"):
        code, output, errors = await asyncio.to_thread(run, "--older-than", wrong, "--yes")
        assert (code, output) == (2, "")
        assert "13months" in errors


async def test_anchors_of_several_servers_fit_the_chain(store: str, tmp_path: Path) -> None:
    await migrate(store, today=JUNE)
    place = tmp_path / "anchors.jsonl"
    one, two = StoreSink(store, anchors=Anchors(place, every=3)), StoreSink(store, anchors=Anchors(place, every=3))
    for number in range(4):
        await one.append([content(number)])
        await two.append([content(number), content(number)])
    await one.close()
    await two.close()
    anchors, bad = read_anchors(place)
    assert bad == []
    assert [anchor.seq for anchor in anchors] == [3, 6, 9, 12, 10]
    verifier = Verifier(anchors)
    verifier.read([line async for line in export_lines(store)][:-1], "store")
    broken = verifier.finish("store").broken
    assert broken is not None
    assert "the end is cut off" in broken.message


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
