"""The audit log: two lines a statement, the first before it runs; what happens when a line cannot be written; its settings."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import SecretStr

from pg_guard.decision import Decision, Finding
from pg_guard.errors import PolicyError, UsageError
from pg_guard.observe.audit import AuditLog, AuditUnavailable, Outcome, open_audit_log
from pg_guard.observe.audit_lines import parse_line
from pg_guard.observe.audit_sinks import SinkError
from pg_guard.observe.audit_verify import Verifier
from pg_guard.observe.context import request_scope
from pg_guard.observe.logging import logging_to_output
from pg_guard.report.schemas import document_schema
from pg_guard.settings import AuditSettings, LoggingSettings, Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[3]
ALLOWED = Decision("allow", "SELECT 1", (), statement="SELECT 1", kind="select", digests={"statement": "0" * 64})
DENIED = Decision("deny", None, (Finding("a/b", "low", "m", "r"),), statement="DROP TABLE t", would_deny=True)


def settings(path: Path, **more: Any) -> AuditSettings:
    return AuditSettings.model_validate({"sink": "file", "path": path} | more)


async def opened(path: Path, **more: Any) -> AuditLog:
    log = await open_audit_log(settings(path, **more))
    assert log is not None
    return log


def lines(path: Path) -> list[dict[str, Any]]:
    verifier = Verifier()
    with path.open("rb") as stream:
        assert verifier.read(stream, path.name), verifier.report.broken
    return [parse_line(line).content for line in path.read_bytes().splitlines(keepends=True)]


class Faulty:
    """A sink that does as a test tells it."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.hold = asyncio.Event()
        self.hold.set()
        self.batches: list[list[dict[str, Any]]] = []

    async def open(self) -> None:
        pass

    async def append(self, contents: Sequence[dict[str, Any]]) -> None:
        await self.hold.wait()
        if self.error is not None:
            raise self.error
        self.batches.append(list(contents))

    async def close(self) -> None:
        pass


# -- lines -----------------------------------------------------------------------------------------------------------------


async def test_a_statement_has_a_line_before_and_one_after_it(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    log = await opened(path)
    principal = {"client": "bi-7", "subject": "ann", "tenant_id": 42, "scopes": "read"}
    entry = await log.decided(ALLOWED, database="shop", operation="run", principal=principal, question_id="q")
    (before,) = lines(path)
    await log.completed(entry, Outcome("error", 12.3456, error="execution", sqlstate="22012"))
    await log.close()
    _, after = lines(path)
    assert before["event"] == "decision"
    assert before["operation"] == "run"
    assert before["database"] == "shop"
    assert before["question_id"] == "q"
    assert before["principal"] == {
        "client": "bi-7",
        "subject": "ann",
        "attributes": {"tenant_id": 42, "scopes": "read"},
    }
    assert before["decision"] == ALLOWED.to_dict()
    assert before["decision_id"] == after["decision_id"] == entry.decision_id
    assert (after["event"], after["status"], after["sqlstate"]) == ("outcome", "error", "22012")
    assert after["duration_ms"] == 12.346
    assert log.lines == 2


async def test_lines_fit_their_schemas(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    log = await opened(path, masking="literals", key=SecretStr("k" * 32))
    for decision in (ALLOWED, DENIED):
        entry = await log.decided(decision, database="shop", operation="explain", principal={"client": "x"})
        await log.completed(entry, Outcome("ok", 1.0, 3, truncated=True))
    await log.decided(ALLOWED, database="shop", operation="check")
    await log.close()
    for line in path.read_text().splitlines():
        content = json.loads(line)
        Draft202012Validator(document_schema(f"audit-{content['event']}")).validate(content)


async def test_statements_that_come_together_are_written_together(tmp_path: Path) -> None:
    sink = Faulty()
    log = AuditLog(sink)
    sink.hold.clear()
    writes = [asyncio.create_task(log.decided(ALLOWED, database=str(n), operation="run")) for n in range(20)]
    await asyncio.sleep(0)
    sink.hold.set()
    await asyncio.gather(*writes)
    assert sum(map(len, sink.batches)) == 20
    assert len(sink.batches) <= 2


async def test_a_huge_text_does_not_fill_the_disk_and_its_digest_stays(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    sql = "SELECT '" + "x" * 5_000_000 + "'"
    huge = Decision(
        "deny", None, (Finding("a/b", "low", "m", "r"),) * 5_000, statement=sql, digests={"statement": "1" * 64}
    )
    log = await opened(path)
    await log.decided(huge, database="shop", operation="run")
    await log.close()
    assert path.stat().st_size < 200_000
    (line,) = lines(path)
    assert sql.startswith(line["decision"]["statement"])
    assert line["decision"]["digests"] == {"statement": "1" * 64}


# -- failures --------------------------------------------------------------------------------------------------------------


async def test_closed_means_that_nothing_goes_on_without_a_record(caplog: pytest.LogCaptureFixture) -> None:
    sink = Faulty()
    sink.error = SinkError(0, "the disk is full")
    log = AuditLog(sink)
    with pytest.raises(AuditUnavailable) as caught:
        await log.decided(ALLOWED, database="shop", operation="run")
    assert caught.value.code == "AUDIT_UNAVAILABLE"
    assert "disk" not in str(caught.value)
    assert "the disk is full" in caplog.text
    assert (log.failures, log.last_error) == (1, "the disk is full")
    sink.error = None
    entry = await log.decided(ALLOWED, database="shop", operation="run")
    assert log.last_error == ""
    sink.error = SinkError(0, "again")
    with pytest.raises(AuditUnavailable):
        await log.completed(entry, Outcome("ok", 1.0))


async def test_open_means_that_it_goes_on_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    sink = Faulty()
    sink.error = SinkError(0, "the disk is full")
    log = AuditLog(sink, fail="open")
    entry = await log.decided(ALLOWED, database="shop", operation="run")
    assert entry.recorded is False
    await log.completed(entry, Outcome("ok", 1.0))
    assert log.failures == 2
    assert [record.levelname for record in caplog.records if "fail: open" in record.message] == ["WARNING", "WARNING"]


async def test_an_error_that_nobody_foresaw_is_a_failure_of_the_sink() -> None:
    sink = Faulty()
    sink.error = ZeroDivisionError("secret")
    log = AuditLog(sink)
    with pytest.raises(AuditUnavailable):
        await log.decided(ALLOWED, database="shop", operation="run")
    assert log.last_error == "unexpected ZeroDivisionError"


async def test_a_sink_that_hangs_is_a_failure_and_a_dropped_line_is_not_written_later() -> None:
    sink = Faulty()
    log = AuditLog(sink, timeout=0.05)
    sink.hold.clear()
    for _ in range(2):
        with pytest.raises(AuditUnavailable):
            await log.decided(ALLOWED, database="shop", operation="run")
    sink.hold.set()
    assert await log.decided(ALLOWED, database="last", operation="run")
    written = [content["database"] for batch in sink.batches for content in batch]
    # The first was with the sink already; the second had not reached it, and its client knows that there is no record.
    assert written == ["shop", "last"]


async def test_the_outcome_of_a_cancelled_call_is_written_all_the_same(tmp_path: Path) -> None:
    sink = Faulty()
    log = AuditLog(sink)
    entry = await log.decided(ALLOWED, database="shop", operation="run")
    sink.hold.clear()
    waiting = asyncio.create_task(log.completed(entry, Outcome("ok", 1.0)))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    log.abandoned(entry, Outcome("cancelled", 1.0))
    sink.hold.set()
    await log.close()
    assert [content["event"] for batch in sink.batches for content in batch] == ["decision", "outcome", "outcome"]


async def test_closing_writes_what_is_waiting(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    log = await opened(path)
    entry = await log.decided(ALLOWED, database="shop", operation="run")
    for _ in range(30):
        log.abandoned(entry, Outcome("cancelled", 1.0))
    await log.close()
    assert len(lines(path)) == 31


async def test_lines_reach_the_disk_after_the_interval_though_no_more_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = asyncio.Event()
    loop = asyncio.get_running_loop()
    real = os.fdatasync
    log = await opened(tmp_path / "audit.jsonl", fsync="interval", fsync_interval=0.05)
    monkeypatch.setattr(os, "fdatasync", lambda fd: (real(fd), loop.call_soon_threadsafe(synced.set))[0])
    await log.decided(ALLOWED, database="shop", operation="run")
    await asyncio.wait_for(synced.wait(), 20)
    await log.close()


# -- opening ---------------------------------------------------------------------------------------------------------------


async def test_no_sink_is_no_log() -> None:
    assert await open_audit_log(AuditSettings()) is None


async def test_a_place_that_cannot_be_written_stops_the_start_when_closed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot be written: audit\.jsonl: No such file"):
        await opened(tmp_path / "absent" / "audit.jsonl")
    log = await opened(tmp_path / "absent" / "audit.jsonl", fail="open")
    assert (await log.decided(ALLOWED, database="shop", operation="run")).recorded is False
    await log.close()


async def test_the_key_comes_from_a_file_and_its_errors_name_no_secret(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("0123456789abcdef\n")
    log = await opened(tmp_path / "audit.jsonl", masking="literals", key_file=key)
    secret = Decision("allow", "SELECT 'hunter22'", (), statement="SELECT 'hunter22'")
    await log.decided(secret, database="shop", operation="run")
    await log.close()
    assert "hunter22" not in (tmp_path / "audit.jsonl").read_text()
    key.write_text("tooshort")
    with pytest.raises(UsageError, match="at least 16 bytes") as caught:
        await opened(tmp_path / "audit.jsonl", masking="literals", key_file=key)
    assert "tooshort" not in str(caught.value)
    with pytest.raises(UsageError, match=r"audit\.key_file"):
        await opened(tmp_path / "audit.jsonl", masking="literals", key_file=tmp_path / "absent")


def test_standard_output_takes_lines_of_a_chain() -> None:
    code = """
import asyncio
from pg_guard.decision import Decision
from pg_guard.observe.audit import Outcome, open_audit_log
from pg_guard.settings import AuditSettings

async def main():
    log = await open_audit_log(AuditSettings(sink="stdout"))
    for number in range(50):
        decision = Decision("deny", None, (), statement=str(number) * 20_000)
        await log.decided(decision, database="shop", operation="run")
    await log.close()

asyncio.run(main())
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, cwd=ROOT)
    verifier = Verifier()
    assert verifier.read(result.stdout.splitlines(keepends=True), "stdout")
    assert verifier.report.lines == 50


# -- settings --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sink": "file"}, "needs audit.path"),
        ({"sink": "postgresql"}, "needs audit.dsn"),
        ({"masking": "literals"}, "needs audit.key_file or audit.key"),
        ({"masking": "statement", "key": "hunter22hunter22", "key_file": "k"}, "give one of them"),
        ({"fail": "sometimes"}, "closed"),
        ({"rotate_bytes": -1}, "greater than or equal"),
    ],
)
def test_settings_that_do_not_fit_are_errors_without_secrets(values: dict[str, Any], message: str) -> None:
    with pytest.raises(PolicyError) as caught:
        load_settings(audit=values)
    assert message in str(caught.value)
    assert "hunter22" not in str(caught.value)


def test_paths_are_meant_from_the_directory_of_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "pg-guard.yaml"
    file.write_text(
        "audit: {sink: file, path: log/audit.jsonl, anchors: /elsewhere/anchors, key_file: key, masking: literals}\n"
    )
    monkeypatch.chdir("/")
    audit = load_settings(file).audit
    assert audit.path == tmp_path / "log" / "audit.jsonl"
    assert audit.key_file == tmp_path / "key"
    assert audit.anchors == Path("/elsewhere/anchors")


def test_no_secret_is_in_a_print_of_the_settings() -> None:
    audit = AuditSettings(
        sink="postgresql", dsn=SecretStr("postgresql://u:hunter22@h/d"), key=SecretStr("hunter22" * 2)
    )
    assert "hunter22" not in repr(audit) + str(audit) + audit.model_dump_json()


# -- the log of the log ------------------------------------------------------------------------------------------------------


async def test_a_line_on_records_of_several_requests_carries_the_id_of_none() -> None:
    stream, sink = io.StringIO(), Faulty()
    sink.error = SinkError(0, "the disk is full")
    sink.hold.clear()
    log = AuditLog(sink)

    async def request(name: str) -> None:
        with request_scope(request_id=name), contextlib.suppress(AuditUnavailable):
            await log.decided(ALLOWED, database="shop", operation="run")

    with logging_to_output(Settings(logging=LoggingSettings(format="json")), stream):
        waiting = [asyncio.create_task(request(f"r{number}")) for number in range(5)]
        await asyncio.sleep(0)
        sink.hold.set()
        await asyncio.gather(*waiting)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    told = [line for line in lines if "not written" in line["event"]]
    assert told
    # One of them has begun the task that writes, and has no part in the others.
    assert [line for line in told if "request_id" in line] == []
    assert log.failures == 5


async def test_a_record_that_came_too_late_is_one_failure() -> None:
    sink = Faulty()
    sink.error = SinkError(0, "the disk is full")
    sink.hold.clear()
    log = AuditLog(sink, timeout=0.05)
    with pytest.raises(AuditUnavailable):
        await log.decided(ALLOWED, database="shop", operation="run")
    assert (log.failures, log.state.failed, log.state.available) == (1, 1, False)
    sink.hold.set()
    await log.close()
    assert log.failures == 1
