"""`pg-guard replay` as its users meet it: logs of decision records, large and damaged ones too."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from rich.cells import cell_len

from pg_guard.guard import Guard
from tests.support import commands
from tests.support.commands import assert_one_clear_line

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).resolve().parents[2]
OLD = ROOT / "policies" / "demo.yaml"
STATEMENTS = (
    "SELECT 1",
    "SELECT status, count(*) FROM orders GROUP BY status",
    "SELECT id FROM hr.payroll",
    "SELECT id FROM customers",
)
NEW = 'schema: pg-guard/policy/v1\nmetadata: {name: new, version: "2"}\ntables: {deny: [orders]}\n'
run = partial(commands.run, "replay", timeout=240)


def record(guard: Guard, sql: str, **changes: Any) -> bytes:
    return json.dumps(guard.check(sql).to_dict() | changes).encode() + b"\n"


def write_log(path: Path, lines: Iterable[bytes]) -> str:
    with path.open("wb") as stream:
        stream.writelines(lines)
    return str(path)


@pytest.fixture(scope="module")
def guard() -> Guard:
    return Guard.load(OLD)


@pytest.fixture
def log(guard: Guard, tmp_path: Path) -> str:
    return write_log(tmp_path / "log.jsonl", (record(guard, sql) for sql in STATEMENTS))


@pytest.fixture
def new(tmp_path: Path) -> str:
    path = tmp_path / "new.yaml"
    path.write_text(NEW)
    return str(path)


def test_the_same_policy_decides_the_same(log: str) -> None:
    process = run(log, "--policy", str(OLD))
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout.startswith("same decisions: 4 statements replayed (policy demo 1.0.0)\n")
    assert "0 newly allowed, 0 newly denied, 3 allowed and 1 denied" in process.stdout


def test_another_policy_is_told_by_rule_with_examples(log: str, new: str) -> None:
    process = run(log, "--policy", new, COLUMNS="60")
    assert (process.returncode, process.stderr) == (1, "")
    assert process.stdout.startswith("2 changed: 4 statements replayed (policy new 2)\n")
    assert "- newly allowed: 1, which tables/denied denied" in process.stdout
    assert "+ newly denied: 1, by tables/denied" in process.stdout
    # Where a long path stands before it, the line is wrapped.
    assert "SELECT id FROM hr.payroll" in " ".join(process.stdout.split())
    assert max(cell_len(line) for line in process.stdout.splitlines()) <= 60


def test_the_json_form_counts_and_groups(log: str, new: str) -> None:
    process = run(log, "--policy", new, "--format", "json")
    assert process.returncode == 1
    found = json.loads(process.stdout)
    assert found["schema"] == "pg-guard/replay/v1"
    assert (found["records"], found["statements"], found["newly_allowed"], found["newly_denied"]) == (4, 4, 1, 1)
    assert [(group["outcome"], group["rules"], group["count"]) for group in found["groups"]] == [
        ("newly_allowed", ["tables/denied"], 1),
        ("newly_denied", ["tables/denied"], 1),
    ]
    assert found["groups"][0]["examples"][0]["origin"] == f"{log}:3"


@pytest.mark.parametrize(
    ("deny", "fail_on", "code"),
    [
        ("orders, hr.*, audit.*", "change", 1),
        ("orders, hr.*, audit.*", "loosening", 0),
        ("orders, hr.*, audit.*", "none", 0),
        ("nothing", "change", 1),
        ("nothing", "loosening", 1),
        ("nothing", "none", 0),
    ],
)
def test_what_fails_is_chosen(log: str, tmp_path: Path, deny: str, fail_on: str, code: int) -> None:
    policy = tmp_path / "p.yaml"
    policy.write_text(f"schema: pg-guard/policy/v1\ntables: {{deny: [{deny}]}}\n")
    assert run(log, "--policy", str(policy), "--fail-on", fail_on).returncode == code


def test_standard_input_is_a_log(guard: Guard) -> None:
    process = run("-", "--policy", str(OLD), stdin=b"".join(record(guard, sql) for sql in STATEMENTS))
    assert process.returncode == 0, process.stderr
    assert "4 statements" in process.stdout


def test_who_asked_comes_from_the_record_or_from_the_option(guard: Guard, tmp_path: Path) -> None:
    policy = tmp_path / "p.yaml"
    policy.write_text("schema: pg-guard/policy/v1\nwhere: [{table: orders, equals: {tenant_id: ':tenant_id'}}]\n")
    sql = "SELECT id FROM orders WHERE tenant_id = 1"
    plain = write_log(tmp_path / "plain.jsonl", [record(guard, sql)])
    named = write_log(tmp_path / "named.jsonl", [record(guard, sql, principal={"tenant_id": 1})])
    assert run(plain, "--policy", str(policy)).returncode == 1
    assert run(plain, "--policy", str(policy), "--principal", "tenant_id=1").returncode == 0
    assert run(named, "--policy", str(policy), "--principal", "tenant_id=2").returncode == 0


def test_names_are_resolved_on_a_database(log: str, demo_dsn: str) -> None:
    process = run(log, "--policy", str(OLD), PG_GUARD_DSN=demo_dsn)
    assert process.returncode == 0, process.stderr


def test_a_torn_last_line_is_a_warning(guard: Guard, tmp_path: Path) -> None:
    whole = record(guard, STATEMENTS[1])
    log = write_log(tmp_path / "log.jsonl", [whole, whole[: len(whole) // 2]])
    process = run(log, "--policy", str(OLD))
    assert process.returncode == 0
    assert process.stderr == f"{log}:2: warning: the last line is torn, as after a crash; it is left out\n"
    assert "1 statement replayed" in process.stdout


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (b'{"schema": "pg-guard/outcome/v1"}\n', "its schema is 'pg-guard/outcome/v1'"),
        (b"SELECT 1;\n", "not JSON (character 1)"),
        (b'{"statement": "\xe9"}\n', "not UTF-8: byte 0xe9"),
        (b"x" * 50_000_000 + b"\n", "longer than"),
    ],
    ids=["schema", "json", "encoding", "50-MB"],
)
def test_a_line_that_is_no_record_is_an_error_with_its_number(
    guard: Guard, tmp_path: Path, bad: bytes, message: str
) -> None:
    log = write_log(tmp_path / "log.jsonl", [record(guard, "SELECT 1"), bad, record(guard, "SELECT 2")])
    process = run(log, "--policy", str(OLD))
    assert process.returncode == 2
    (line,) = process.stderr.splitlines()
    assert line.startswith(f"{log}:2: error: ")
    assert message in line
    assert "2 statements replayed" in process.stdout
    assert "1 line without a decision record" in process.stdout


def test_many_bad_lines_are_counted(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", [b"{}\n"] * 1_000)
    process = run(log, "--policy", str(OLD), "--format", "json")
    assert process.returncode == 2
    assert json.loads(process.stdout)["invalid_lines"]["count"] == 1_000
    lines = process.stderr.splitlines()
    assert len(lines) == 21
    assert "and 980 more lines" in lines[-1]


def test_masked_and_absent_statements_are_counted_apart(guard: Guard, tmp_path: Path) -> None:
    lines = [record(guard, STATEMENTS[1]), record(guard, "SELECT 1", statement=None)]
    lines += [record(guard, f"SELECT {number}", statement="SELECT ?") for number in range(3)]
    process = run(write_log(tmp_path / "log.jsonl", lines), "--policy", str(OLD), "--format", "json")
    assert process.returncode == 0
    found = json.loads(process.stdout)
    assert (found["statements"], found["not_replayed"]["count"]) == (1, 4)
    assert sorted(found["not_replayed"]["reasons"].values()) == [1, 3]


def test_a_log_of_200_mb_is_not_held_in_memory(guard: Guard, tmp_path: Path) -> None:
    """The process may have 400 MB of data in all, most of which the libraries take."""
    line = record(guard, "SELECT '" + "x" * 18_000 + "'")
    log = write_log(tmp_path / "log.jsonl", (line for _ in range(200_000_000 // len(line))))
    assert Path(log).stat().st_size > 190_000_000
    process = run(log, "--policy", str(OLD), "--format", "json", memory=400_000_000)
    assert process.returncode == 0, process.stderr
    found = json.loads(process.stdout)
    assert found["same_allowed"] == found["records"] == 200_000_000 // len(line)
    assert all(text.endswith(" records replayed ...") for text in process.stderr.splitlines())


def test_escape_sequences_of_a_log_reach_no_terminal(guard: Guard, tmp_path: Path, new: str) -> None:
    log = write_log(tmp_path / "log.jsonl", [record(guard, "SELECT '\x1b[31m\u202e' FROM orders")])
    process = run(log, "--policy", new)
    assert process.returncode == 1
    assert "\x1b" not in process.stdout
    assert "\u202e" not in process.stdout
    assert "\\x1b[31m\\u202e" in process.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["missing.jsonl", "--policy", str(OLD)],
        [".", "--policy", str(OLD)],
        ["LOG"],
        ["LOG", "--policy", "missing.yaml"],
        ["LOG", "--policy", str(OLD), "--fail-on", "all"],
        ["LOG", "--policy", str(OLD), "--catalog", "missing.json"],
    ],
    ids=lambda arguments: "-".join(arguments)[:40].replace("/", "_"),
)
def test_wrong_usage_is_one_clear_line(arguments: list[str], log: str) -> None:
    assert_one_clear_line(run(*(log if each == "LOG" else each for each in arguments)), 2)


def test_an_invalid_policy_exits_with_3(log: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("schema: pg-guard/policy/v1\ntabels: {}\n")
    process = run(log, "--policy", str(path))
    assert (process.returncode, process.stdout) == (3, "")
    assert "bad.yaml:2:1: error: " in process.stderr
