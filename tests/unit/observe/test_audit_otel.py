"""Audit lines to a collector: nothing counts as written that it has not confirmed; what it wrote can be verified and replayed."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pg_guard.compare.log import Record, read_log
from pg_guard.decision import Decision
from pg_guard.errors import UsageError
from pg_guard.observe.audit import AuditLog, AuditUnavailable, Entry, Outcome, open_audit_log
from pg_guard.observe.audit_anchors import Anchors, read_anchors
from pg_guard.observe.audit_lines import Head, parse_line
from pg_guard.observe.audit_otel import OtelSink, OtlpLink
from pg_guard.observe.audit_otlp import audit_lines
from pg_guard.observe.audit_sinks import SinkError
from pg_guard.observe.audit_verify import Verifier, VerifyReport
from pg_guard.settings import AuditSettings
from tests.support.collector import LogCollector, rejecting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

ROOT = Path(__file__).resolve().parents[3]
SQL = "SELECT name FROM customers WHERE id = 4711"
ALLOWED = Decision("allow", SQL, (), statement=SQL, kind="select")
PLANTED = "planted-collector-key-5"


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[LogCollector]:
    with LogCollector() as running:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", running.url)
        yield running


@pytest.fixture
async def log(collector: LogCollector) -> AsyncIterator[AuditLog]:
    found = await open_audit_log(AuditSettings(sink="opentelemetry", timeout=2))
    assert found is not None
    yield found
    await found.close()


async def record(log: AuditLog, decision: Decision = ALLOWED) -> Entry:
    return await log.decided(decision, database="shop", operation="run", principal={"client": "bi", "tenant_id": 7})


def verified(path: Path) -> VerifyReport:
    verifier = Verifier(unordered=True)
    with path.open("rb") as stream:
        verifier.read_numbered(audit_lines(stream), path.name)
    return verifier.finish(path.name)


def attributes(record: Any) -> dict[str, Any]:
    def plain(value: Any) -> Any:
        kind = value.WhichOneof("value")
        found = getattr(value, kind)
        return [plain(each) for each in found.values] if kind == "array_value" else found

    return {each.key: plain(each.value) for each in record.attributes}


# -- what is sent ----------------------------------------------------------------------------------------------------------


async def test_a_record_is_the_line_with_its_place_in_the_chain(collector: LogCollector, log: AuditLog) -> None:
    entry = await record(log)
    # It is there before anybody may go on.
    assert [body["event"] for body in collector.bodies()] == ["started", "decision"]
    await log.completed(entry, Outcome("error", 12.5, error="execution", sqlstate="22012"))
    started, decision, outcome = collector.records()
    lines = [parse_line(each.body.string_value.encode() + b"\n") for each in (started, decision, outcome)]
    assert [line.head.seq for line in lines] == [1, 2, 3]
    assert [line.prev for line in lines[1:]] == [line.head.hash for line in lines[:-1]]
    assert lines[1].content["decision"]["statement"] == SQL
    assert decision.event_name == "pg_guard.audit.decision"
    assert attributes(decision) == {
        "pg_guard.audit.event": "decision",
        "pg_guard.decision.id": entry.decision_id,
        "pg_guard.decision.effect": "allow",
        "pg_guard.operation": "run",
        "pg_guard.client": "bi",
        "db.system.name": "postgresql",
        "db.namespace": "shop",
    }
    assert attributes(outcome)["db.response.status_code"] == "22012"
    assert (decision.severity_text, outcome.severity_text) == ("INFO", "WARN")
    assert f"{decision.time_unix_nano}".endswith("000")
    names = [attribute.key for attribute in collector.requests[0].resource_logs[0].resource.attributes]
    assert "service.name" in names


async def test_the_standard_variables_say_where_to_and_how(
    collector: LogCollector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", f"{collector.url}/v1/logs")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", f"x-api-key={PLANTED}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "guard-7")
    found = await open_audit_log(AuditSettings(sink="opentelemetry"))
    assert found is not None
    await record(found)
    await found.close()
    assert [headers["x-api-key"] for headers in collector.headers] == [PLANTED] * 2
    assert collector.headers[0]["content-encoding"] == "gzip"
    assert "guard-7" in str(collector.requests[0].resource_logs[0].resource)
    assert len(collector.records()) == 2


async def test_many_lines_go_in_requests_that_a_collector_takes(collector: LogCollector) -> None:
    sink = OtelSink(OtlpLink)
    await sink.append([{"event": "decision", "time": "2026-01-31T00:00:00Z", "padding": "x" * 900_000}] * 12)
    await sink.close()
    assert len(collector.requests) > 2
    assert max(request.ByteSize() for request in collector.requests) < 5_000_000
    assert [body["seq"] for body in collector.bodies()] == list(range(1, 14))


# -- nothing counts that is not confirmed --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        (500, "text/plain", b"no"),
        (400, "application/x-protobuf", b""),
        (401, "application/x-protobuf", b""),
        # What the exporter takes for success.
        (302, "text/html", b""),
        (204, "application/x-protobuf", b""),
        (200, "text/html", b"<html>Sign in</html>"),
        (200, "application/x-protobuf", b"<html>Sign in</html>"),
        (200, "application/json", b"[]"),
        rejecting(1),
    ],
)
async def test_closed_nothing_goes_on_that_the_collector_has_not_confirmed(
    collector: LogCollector, log: AuditLog, answer: tuple[int, str, bytes]
) -> None:
    taken, collector.answer = collector.answer, answer
    with pytest.raises(AuditUnavailable):
        await record(log)
    assert log.failures == 1
    assert "OpenTelemetry: not confirmed: " in log.last_error
    collector.answer = taken
    assert (await record(log)).recorded
    assert log.last_error == ""


async def test_an_answer_in_json_is_one(collector: LogCollector, log: AuditLog) -> None:
    collector.answer = (200, "application/json", b'{"partialSuccess":{}}')
    assert (await record(log)).recorded


async def test_a_collector_that_is_down_refuses_and_one_that_is_back_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    port = closed_port()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    with pytest.raises(UsageError, match="no connection to the collector"):
        await open_audit_log(AuditSettings(sink="opentelemetry", timeout=0.5))
    found = await open_audit_log(AuditSettings(sink="opentelemetry", timeout=0.5, fail="open"))
    assert found is not None
    assert not (await record(found)).recorded
    with LogCollector(port) as collector:
        assert (await record(found)).recorded
        assert [body["event"] for body in collector.bodies()] == ["started", "decision"]
    await found.close()


async def test_a_collector_that_hangs_refuses_in_time(collector: LogCollector) -> None:
    found = await open_audit_log(AuditSettings(sink="opentelemetry", timeout=0.3))
    assert found is not None
    collector.release.clear()
    with pytest.raises(AuditUnavailable):
        await record(found)
    collector.release.set()
    await found.close()


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"OTEL_SDK_DISABLED": "true"}, "OTEL_SDK_DISABLED is true"),
        ({"OTEL_LOGS_EXPORTER": "console"}, "OTEL_LOGS_EXPORTER is not otlp"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "OTEL_EXPORTER_OTLP_PROTOCOL is not http/protobuf"),
    ],
)
async def test_variables_that_say_otherwise_stop_the_start(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], message: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=message):
        await open_audit_log(AuditSettings(sink="opentelemetry"))


def test_without_the_extra_the_start_says_what_to_install() -> None:
    program = (
        "import asyncio, sys; sys.modules['opentelemetry'] = None\n"
        "from pg_guard.observe.audit import open_audit_log\n"
        "from pg_guard.settings import AuditSettings\n"
        "try: asyncio.run(open_audit_log(AuditSettings(sink='opentelemetry')))\n"
        "except Exception as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "install pg-guard[otel]" in done.stdout


async def test_no_error_tells_the_key_of_the_collector(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://user:{PLANTED}@127.0.0.1:{closed_port()}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", f"authorization=Bearer%20{PLANTED}")
    with pytest.raises(UsageError) as error:
        await open_audit_log(AuditSettings(sink="opentelemetry", timeout=0.5))
    assert PLANTED not in str(error.value)
    ours = [each.getMessage() for each in caplog.records if each.name.startswith("pg_guard")]
    assert PLANTED not in "".join(ours)


# -- chains, of which a process cannot read the last line back --------------------------------------------------------------------


async def test_a_process_begins_a_chain_and_one_that_was_not_confirmed_refers_to_the_last(
    collector: LogCollector, log: AuditLog, tmp_path: Path
) -> None:
    await record(log)
    collector.answer, collector.keep_refused = (500, "text/plain", b""), True
    with pytest.raises(AuditUnavailable):
        await record(log)
    collector.answer = (200, "application/x-protobuf", b"")
    await record(log)
    bodies = collector.bodies()
    # The third arrived although nobody was told so; no statement ran on it.
    assert [body["event"] for body in bodies] == ["started", "decision", "decision", "started", "decision"]
    assert bodies[0]["after"] is None
    assert bodies[3]["after"] == {"chain": bodies[1]["chain"], "seq": 2, "hash": bodies[1]["hash"]}
    assert len({body["chain"] for body in bodies}) == 2
    report = verified(collector.export(tmp_path / "logs.json"))
    assert report.broken is None
    assert (report.lines, report.decisions) == (5, 3)


async def test_lines_that_are_missing_before_a_new_chain_are_told(
    collector: LogCollector, log: AuditLog, tmp_path: Path
) -> None:
    for _ in range(3):
        await record(log)
    collector.answer = (500, "text/plain", b"")
    with pytest.raises(AuditUnavailable):
        await record(log)
    collector.answer = (200, "application/x-protobuf", b"")
    await record(log)
    del collector.requests[3]
    broken = verified(collector.export(tmp_path / "logs.json")).broken
    assert broken is not None
    assert "is cut off at 3: this line knows its line 4" in broken.message


async def test_lines_may_come_late_and_twice(collector: LogCollector, log: AuditLog, tmp_path: Path) -> None:
    for _ in range(5):
        await record(log)
    collector.requests.insert(1, collector.requests.pop(4))
    collector.requests.insert(5, collector.requests[2])
    report = verified(collector.export(tmp_path / "logs.json"))
    assert report.broken is None
    assert report.lines == 6
    assert any("1 line(s) came twice" in note for note in report.notes)


@pytest.mark.parametrize("how", ["changed", "removed", "forged", "hidden"])
async def test_tampering_in_what_the_collector_wrote_is_told(
    collector: LogCollector, log: AuditLog, tmp_path: Path, how: str
) -> None:
    for _ in range(5):
        await record(log)
    [victim] = collector.requests[2].resource_logs[0].scope_logs[0].log_records
    if how == "changed":
        victim.body.string_value = victim.body.string_value.replace("4711", "4712")
    elif how == "removed":
        del collector.requests[2]
    elif how == "hidden":
        victim.body.string_value = "GET /index.html"
    else:
        before = parse_line(victim.body.string_value.encode() + b"\n")
        head = Head(before.head.chain, before.head.seq - 1, before.prev)
        victim.body.string_value = head.link(before.content | {"decision_id": "forged"})[0].decode()[:-1]
    assert verified(collector.export(tmp_path / "logs.json")).broken is not None


async def test_anchors_are_noted_when_lines_are_confirmed(collector: LogCollector, tmp_path: Path) -> None:
    place = tmp_path / "anchors.jsonl"
    sink = OtelSink(OtlpLink, anchors=Anchors(place, every=2))
    line = {"event": "decision", "time": "2026-01-31T00:00:00Z"}
    await sink.append([line] * 4)
    collector.answer = (500, "text/plain", b"")
    with pytest.raises(SinkError):
        await sink.append([line] * 10)
    await sink.close()
    anchors, bad = read_anchors(place)
    assert bad == []
    assert [anchor.seq for anchor in anchors] == [2, 4, 5]
    assert anchors[-1].hash == collector.bodies()[-1]["hash"]


async def test_chains_of_other_files_are_a_note_unless_all_is_asked_for(
    collector: LogCollector, tmp_path: Path
) -> None:
    place = tmp_path / "anchors.jsonl"
    for _ in range(2):
        sink = OtelSink(OtlpLink, anchors=Anchors(place))
        await sink.append([{"event": "decision", "time": "2026-01-31T00:00:00Z"}])
        await sink.close()
    both = collector.export(tmp_path / "both.json")
    del collector.requests[0]
    newer = collector.export(tmp_path / "newer.json")
    for path, complete, code in ((both, True, 0), (newer, False, 0), (newer, True, 1)):
        arguments = ("--complete",) if complete else ()
        done = await asyncio.to_thread(command, "audit", "verify", path, "--anchors", place, *arguments)
        assert done.returncode == code, done.stdout + done.stderr
        assert ("1 more chain(s)" in done.stdout) == (path == newer)


# -- commands --------------------------------------------------------------------------------------------------------------------


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pg_guard", *map(str, arguments)],
        capture_output=True, text=True, timeout=120, check=False, cwd=ROOT,
    )  # fmt: skip


async def test_verify_and_replay_read_the_collectors_files(
    collector: LogCollector, log: AuditLog, tmp_path: Path
) -> None:
    entry = await record(log)
    await log.completed(entry, Outcome("ok", 1.0, rows=1))
    await record(log, Decision("deny", None, (), statement="DROP TABLE customers", kind="drop"))
    path = collector.export(tmp_path / "logs.json")
    # Of another program, in the same file.
    other = {"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {"stringValue": "GET /"}}]}]}]}
    path.write_text(json.dumps(other) + "\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    done = await asyncio.to_thread(command, "audit", "verify", path, "--complete")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "intact: 4 lines with 2 decisions" in done.stdout
    with path.open("rb") as stream:
        records = list(read_log(stream, "logs.json"))
    assert [each.statement.sql for each in records if isinstance(each, Record) and each.statement] == [
        SQL,
        "DROP TABLE customers",
    ]
    policy = tmp_path / "policy.yaml"
    policy.write_text("schema: pg-guard/policy/v1\nmetadata: {name: open, version: 1.0.0}\n", encoding="utf-8")
    done = await asyncio.to_thread(command, "replay", path, "--policy", policy)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 statements replayed" in done.stdout


async def test_files_of_a_collector_may_be_given_in_any_order(
    collector: LogCollector, log: AuditLog, tmp_path: Path
) -> None:
    for _ in range(6):
        await record(log)
    everything = list(collector.requests)
    files = []
    for number, part in enumerate((everything[4:], everything[:2], everything[2:4])):
        collector.requests = part
        files.append(collector.export(tmp_path / f"logs-{number}.json"))
    done = await asyncio.to_thread(command, "audit", "verify", *files, "--complete")
    assert done.returncode == 0, done.stdout + done.stderr
    done = await asyncio.to_thread(command, "audit", "verify", files[0], files[1])
    assert done.returncode == 1
    assert "line(s) are missing" in done.stdout
