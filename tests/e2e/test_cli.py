"""The command line as its users meet it: a process, its output, its exit code, on a real database."""

from __future__ import annotations

import json
import re
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import pg_guard
from pg_guard.catalog.model import Catalog, Name
from tests.support.commands import assert_one_clear_line, environment, run
from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
POLICY = str(ROOT / "policies" / "demo.yaml")
DENIED = "SELECT name, salary FROM hr.employees"
ALLOWED = "SELECT status, count(*) FROM orders GROUP BY status"


@pytest.fixture(scope="module")
def snapshot(demo_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A snapshot of the sample database, written by the command."""
    path = tmp_path_factory.mktemp("catalog") / "shop.json"
    process = run("catalog", "snapshot", "--dsn", demo_dsn, "--output", str(path))
    assert process.returncode == 0, process.stderr
    assert process.stdout == ""
    assert "Wrote" in process.stderr
    return str(path)


# -- check -----------------------------------------------------------------------------------------------------------


def test_an_allowed_statement_exits_with_0() -> None:
    process = run("check", ALLOWED, "--policy", POLICY)
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout == "allowed: select of public.orders (policy demo 1.0.0)\n"


def test_a_denied_statement_exits_with_1_and_shows_the_place() -> None:
    process = run("check", DENIED, "--policy", POLICY)
    assert (process.returncode, process.stderr) == (1, "")
    assert process.stdout.startswith("denied: 1 finding (policy demo 1.0.0)\n\nhigh tables/denied: ")
    assert " 1 | SELECT name, salary FROM hr.employees\n   |                          ^^^^^^^^^^^^\n" in process.stdout
    assert "= fix: " in process.stdout


def test_the_json_form_is_the_decision_record() -> None:
    process = run("check", DENIED, "--policy", POLICY, "--format", "json")
    assert process.returncode == 1
    record = json.loads(process.stdout)
    assert record["schema"] == "pg-guard/decision/v1"
    assert (record["effect"], record["sql"], record["statement"]) == ("deny", None, DENIED)
    assert [finding["rule"] for finding in record["findings"]] == ["tables/denied"]
    assert record["findings"][0]["span"] == {"start": 25, "end": 37, "line": 1, "column": 26}


def test_the_statement_comes_from_a_file_or_from_standard_input(tmp_path: Path) -> None:
    path = tmp_path / "with space.sql"
    path.write_text(f"-- who earns what\n{DENIED};\n")
    from_file = run("check", "--file", str(path), "--policy", POLICY)
    assert from_file.returncode == 1
    assert "with space.sql:2:26" in from_file.stdout
    for arguments in (["check", "-"], ["check", "--file", "-"]):
        process = run(*arguments, "--policy", POLICY, stdin=path.read_text())
        assert process.returncode == 1
        assert "line 2, column 26" in process.stdout


@pytest.mark.parametrize("width", ["60", "80"])
def test_the_output_keeps_to_the_width(width: str) -> None:
    long = (
        "SELECT "
        + ", ".join(f"'日本語 {number}'" for number in range(100))
        + ", (SELECT max(salary) FROM hr.employees)"
    )
    process = run("check", long, "--policy", POLICY, COLUMNS=width)
    from rich.cells import cell_len

    assert process.returncode == 1
    assert max(cell_len(line) for line in process.stdout.splitlines()) <= int(width)
    assert "^^^^^^^^^^^^" in process.stdout


def test_escape_sequences_of_a_statement_reach_no_terminal() -> None:
    hostile = "SELECT '\x1b]0;owned\x07\x9b31m\u202e' FROM hr.employees"
    for output_format in ("text", "json"):
        process = run("check", "-", "--policy", POLICY, "--format", output_format, stdin=hostile)
        assert process.returncode == 1
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", process.stdout)


def test_a_narrow_encoding_is_no_error() -> None:
    process = run("check", "SELECT '日本' FROM hr.employees", "--policy", POLICY, PYTHONIOENCODING="latin-1")
    assert process.returncode == 1
    assert "\\u65e5" in process.stdout


def test_a_principal_is_accepted() -> None:
    assert run("check", ALLOWED, "--policy", POLICY, "--principal", "tenant_id=42").returncode == 0
    assert_one_clear_line(run("check", ALLOWED, "--policy", POLICY, "--principal", "tenant_id"), 2)


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "--policy", POLICY],
        ["check", "SELECT 1", "--file", "x.sql", "--policy", POLICY],
        ["check", "--file", "missing.sql", "--policy", POLICY],
        ["check", "--file", ".", "--policy", POLICY],
        ["check", "SELECT 1"],
        ["check", "SELECT 1", "--policy", "missing.yaml"],
        ["check", "SELECT 1", "--policy", "."],
        ["check", "SELECT 1", "--policy", POLICY, "--catalog", "missing.json"],
        ["check", "SELECT 1", "--policy", POLICY, "--catalog", POLICY],
        ["check", "SELECT 1", "--policy", POLICY, "--catalog", "x.json", "--dsn", "postgresql://localhost/x"],
        ["lint", "missing", "--policy", POLICY],
        ["serve", "--policy", POLICY],
        ["catalog", "snapshot", "--output", "x.json"],
        ["catalog", "snapshot", "--dsn", "postgresql://localhost/x", "--output", "missing/x.json"],
        ["policy", "validate", "missing.yaml"],
    ],
    ids=lambda arguments: "-".join(arguments)[:40].replace("/", "_"),
)
def test_wrong_usage_is_one_clear_line(arguments: list[str], tmp_path: Path) -> None:
    assert_one_clear_line(run(*arguments, cwd=tmp_path), 2)


def test_a_statement_that_is_not_utf_8_is_reported(tmp_path: Path) -> None:
    process = run("check", "-", "--policy", POLICY, stdin=b"SELECT '\xe9'")
    assert_one_clear_line(process, 2)
    assert "standard input: not UTF-8" in process.stderr


def test_an_invalid_policy_exits_with_3(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("schema: pg-guard/policy/v1\nmetadata: {name: x}\ntabels: {deny: [a]}\nmode: enforced\n")
    for arguments in (["check", "SELECT 1", "--policy", str(path)], ["lint", str(ROOT / "pg_guard"), "-p", str(path)]):
        process = run(*arguments)
        assert process.returncode == 3
        assert process.stdout == ""
        first, *problems = process.stderr.splitlines()
        assert first == "pg-guard: error: the policy is invalid: 2 problems"
        assert any(re.search(r"bad\.yaml:3:1: error: .*tabels", line) for line in problems)
        assert any(re.search(r"bad\.yaml:4:7: error: mode: ", line) for line in problems)


# -- databases -------------------------------------------------------------------------------------------------------


def test_a_snapshot_holds_the_names_of_the_database(snapshot: str) -> None:
    catalog = Catalog.from_json(snapshot)
    assert Name("hr", "employees") in catalog.relation_index
    assert {column.name for column in catalog.relation_index[Name("public", "customers")].columns} >= {"ssn", "email"}
    assert [path.name for path in Path(snapshot).parent.iterdir()] == ["shop.json"]


def test_a_catalog_shows_what_names_alone_hide(snapshot: str, demo_dsn: str) -> None:
    view = "SELECT * FROM analytics.team_report"
    for source in (["--catalog", snapshot], ["--dsn", demo_dsn]):
        process = run("check", view, "--policy", POLICY, *source)
        assert process.returncode == 1, process.stdout
        assert "tables/denied" in process.stdout
    assert run("check", view, "--policy", POLICY, PG_GUARD_DSN=demo_dsn).returncode == 1
    # A snapshot on the command line wins over the environment, which names a server that does not exist.
    wins = run("check", view, "-p", POLICY, "-c", snapshot, PG_GUARD_DSN="postgresql://nowhere.invalid/x")
    assert wins.returncode == 1


def test_an_unreachable_database_is_one_clear_line(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        uri = f"postgresql://bob:hunter2@127.0.0.1:{listener.getsockname()[1]}/shop"
        for arguments in (
            ["catalog", "snapshot", "--output", str(tmp_path / "x.json")],
            ["check", "SELECT 1", "--policy", POLICY],
            ["serve", "--policy", POLICY],
        ):
            for process in (run(*arguments, "--dsn", uri), run(*arguments, PG_GUARD_DSN=uri)):
                assert_one_clear_line(process, 2)
                assert "hunter2" not in process.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("dsn", ["not a uri", "mysql://bob:hunter2@h/x", "postgresql://bob:hunter2@h:port/x", ""])
def test_a_malformed_uri_is_one_clear_line(dsn: str, tmp_path: Path) -> None:
    process = run("catalog", "snapshot", "--output", str(tmp_path / "x.json"), "--dsn", dsn)
    assert_one_clear_line(process, 2)
    assert "hunter2" not in process.stderr


def test_a_database_that_does_not_exist_is_one_clear_line(demo_dsn: str, tmp_path: Path) -> None:
    database = urlsplit(demo_dsn).path
    process = run(
        "catalog", "snapshot", "--output", str(tmp_path / "x.json"), "--dsn", demo_dsn.replace(database, "/gone", 1)
    )
    assert_one_clear_line(process, 2)
    assert "gone" in process.stderr


# -- lint ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "sales.sql").write_text(
        "\\set ON_ERROR_STOP on\n"
        f"{ALLOWED};\n"
        "\n"
        "-- the team; with salaries\n"
        "SELECT e.name,\n"
        "       e.salary\n"
        "FROM hr.employees e;\r\n"
        "SELECT ';', $$;$$ FROM products;\n"
        "DELETE FROM orders"
    )
    (tmp_path / "reports" / "fine.sql").write_text("\ufeffSELECT 1; SELECT '日本';")
    (tmp_path / "empty.SQL").write_text("-- nothing yet\n")
    (tmp_path / "notes.txt").write_text("DROP TABLE x")
    return tmp_path


def test_lint_reports_each_statement_with_its_place_in_the_file(repository: Path) -> None:
    process = run("lint", "reports", "empty.SQL", "--policy", POLICY, cwd=repository)
    assert (process.returncode, process.stderr) == (1, "")
    assert "--> reports/sales.sql:7:6\n" in process.stdout
    assert " 7 | FROM hr.employees e;\n   |      ^^^^^^^^^^^^\n" in process.stdout
    assert "statement/not-allowed" in process.stdout
    assert "--> reports/sales.sql:9:1\n" in process.stdout
    assert "warning (info) lint/psql-command: \\set is a command of psql" in process.stdout
    assert re.search(r"^3 files, 6 statements: 2 denied, \d+ findings, 1 warning$", process.stdout, re.MULTILINE)


def test_lint_writes_a_json_document(repository: Path) -> None:
    process = run("lint", ".", "--policy", POLICY, "--format", "json", cwd=repository)
    assert process.returncode == 1
    document: dict[str, Any] = json.loads(process.stdout)
    assert document["schema"] == "pg-guard/lint/v1"
    assert [file["path"] for file in document["files"]] == ["empty.SQL", "reports/fine.sql", "reports/sales.sql"]
    counts = document["counts"]
    assert (counts["files"], counts["statements"], counts["denied"], counts["errors"]) == (3, 6, 2, 0)
    text = (repository / "reports" / "sales.sql").read_bytes().decode()
    statements = document["files"][2]["statements"]
    last = statements[-1]["span"]
    assert text[last["start"] : last["end"]] == "DELETE FROM orders"
    assert [statement["effect"] for statement in statements] == ["allow", "deny", "allow", "deny"]
    for statement in statements:
        for finding in statement["findings"]:
            span = finding["span"]
            assert statement["span"]["start"] <= span["start"] <= span["end"] <= statement["span"]["end"]
            assert text[: span["start"]].count("\n") + 1 == span["line"]


def test_lint_of_clean_files_exits_with_0(repository: Path, snapshot: str) -> None:
    process = run("lint", "reports/fi*.sql", "--policy", POLICY, "--catalog", snapshot, cwd=repository)
    assert (process.returncode, process.stdout) == (0, "1 file, 2 statements: 0 denied, 0 findings\n")


def test_lint_goes_on_after_an_unreadable_file(repository: Path) -> None:
    (repository / "latin.sql").write_bytes(b"SELECT '\xe9'")
    process = run("lint", ".", "--policy", POLICY, cwd=repository)
    assert process.returncode == 2
    assert "pg-guard: error: latin.sql: not UTF-8" in process.stderr
    assert "reports/sales.sql:7:6" in process.stdout
    assert "1 file unreadable" in process.stdout


def test_lint_without_files_is_an_error(tmp_path: Path) -> None:
    assert_one_clear_line(run("lint", str(tmp_path), "--policy", POLICY), 2)
    assert_one_clear_line(run("lint", str(tmp_path / "*.sql"), "--policy", POLICY), 2)


def test_lint_in_monitor_mode_still_reports(repository: Path) -> None:
    process = run("lint", "reports", "--policy", POLICY, cwd=repository, PG_GUARD_POLICY__MODE="monitor")
    assert process.returncode == 1
    assert "2 denied" in process.stdout
    checked = run("check", DENIED, "--policy", POLICY, PG_GUARD_POLICY__MODE="monitor")
    assert checked.returncode == 0
    assert checked.stdout.startswith("allowed (monitor mode): 1 finding, denied under `mode: enforce`")


def test_lint_of_a_thousand_statements(tmp_path: Path) -> None:
    (tmp_path / "many.sql").write_text(f"{ALLOWED};\n" * 1_000 + DENIED)
    process = run("lint", str(tmp_path), "--policy", POLICY)
    assert process.returncode == 1
    assert "many.sql:1001:26" in process.stdout
    assert process.stdout.endswith("1 file, 1,001 statements: 1 denied, 1 finding\n")


def test_a_reader_that_stops_ends_the_command_quietly(tmp_path: Path) -> None:
    (tmp_path / "many.sql").write_text(f"{DENIED};\n" * 2_000)
    lint = shlex.join([sys.executable, "-m", "pg_guard", "lint", "many.sql", "-p", str(POLICY)])
    command = f"{lint} | head -n 1"
    process = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )
    assert process.stdout.startswith("high tables/denied")
    assert process.stderr == ""


# -- policies --------------------------------------------------------------------------------------------------------


def test_the_shipped_policies_are_valid(snapshot: str) -> None:
    files = sorted(str(path) for path in (ROOT / "policies").glob("*.yaml"))
    process = run("policy", "validate", *files)
    assert (process.returncode, process.stderr) == (0, ""), process.stdout
    assert process.stdout.count(": valid (") == len(files)
    assert run("policy", "validate", POLICY, "--catalog", snapshot).returncode == 0


@pytest.fixture
def tested_policy(tmp_path: Path) -> Path:
    path = tmp_path / "tested.yaml"
    path.write_text(
        "schema: pg-guard/policy/v1\n"
        "metadata: {name: tested, version: 1.0.0}\n"
        "tables: {deny: ['hr.*', no_such_table]}\n"
        "tests:\n"
        "  - {name: right, sql: SELECT * FROM hr.payroll, expect: deny, rules: [tables/denied]}\n"
        "  - {name: wrong effect, sql: SELECT 1, expect: deny}\n"
        "  - {name: wrong rule, sql: SELECT * FROM hr.payroll, expect: deny, rules: [columns/denied]}\n"
    )
    return path


def test_a_failed_test_of_a_policy_exits_with_1(tested_policy: Path) -> None:
    process = run("policy", "validate", str(tested_policy))
    assert process.returncode == 1
    assert ":6: tested::wrong effect: failed: expected deny, got allow\n  | SELECT 1\n" in process.stdout
    assert (
        ":7: tested::wrong rule: failed: expected deny with a finding of columns/denied; it has tables/denied\n"
        in process.stdout
    )
    assert "valid (tested 1.0.0), 1 of 3 tests passed" in process.stdout


@pytest.mark.parametrize("command", [["policy", "validate"], ["test"]])
def test_the_principal_of_a_test_is_who_asks(tmp_path: Path, command: list[str]) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(
        "schema: pg-guard/policy/v1\n"
        'where: [{table: orders, equals: {tenant_id: ":tenant_id"}}]\n'
        "tests:\n"
        "  - {name: own, sql: SELECT id FROM orders WHERE tenant_id = 7, expect: allow, principal: {tenant_id: 7}}\n"
        "  - {name: other, sql: SELECT id FROM orders WHERE tenant_id = 7, expect: deny, principal: {tenant_id: 8}}\n"
        "  - {name: nobody, sql: SELECT id FROM orders WHERE tenant_id = 7, expect: deny, rules: [where/no-principal]}\n"
    )
    process = run(*command, str(path))
    assert process.returncode == 0, process.stdout
    path.write_text(path.read_text().replace("principal: {tenant_id: 7}", "principal: {tenant_id: 9}"))
    process = run(*command, str(path))
    assert process.returncode == 1
    assert "own: failed: expected allow, got deny" in process.stdout


def test_a_pattern_that_matches_nothing_is_a_warning_with_a_place(tested_policy: Path, snapshot: str) -> None:
    process = run("policy", "validate", str(tested_policy), "--catalog", snapshot, "--format", "json")
    document = json.loads(process.stdout)
    assert document["schema"] == "pg-guard/policy-validation/v1"
    (policy,) = document["policies"]
    (warning,) = policy["problems"]
    assert (warning["level"], warning["line"]) == ("warning", 3)
    assert "no_such_table" in warning["message"]
    assert document["counts"] == {"policies": 1, "invalid": 0, "warnings": 1, "tests": 3, "failed": 2}
    text = run("policy", "validate", str(tested_policy), "--catalog", snapshot).stdout
    assert re.search(r"tested\.yaml:3:\d+: warning: ", text)


def test_every_problem_of_every_policy_is_reported(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("schema: pg-guard/policy/v1\nwhat: 1\njoins: {max_tables: -1}\n")
    process = run("policy", "validate", str(bad), POLICY)
    assert process.returncode == 3
    assert "bad.yaml:2:1: error: " in process.stdout
    assert "bad.yaml:3:21: error: joins.max_tables: " in process.stdout
    assert "bad.yaml: invalid, 2 problems" in process.stdout
    assert "demo.yaml: valid (demo 1.0.0)" in process.stdout


def test_the_schema_is_the_one_of_the_repository() -> None:
    process = run("policy", "schema")
    assert process.returncode == 0
    assert process.stdout == (ROOT / "pg_guard" / "policy" / "policy-v1.schema.json").read_text()


# -- the rest --------------------------------------------------------------------------------------------------------


def test_the_version() -> None:
    process = run("--version")
    assert (process.returncode, process.stdout) == (0, f"pg-guard {pg_guard.__version__}\n")


def test_without_arguments_the_help_page_is_wrong_usage() -> None:
    process = run()
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr.startswith("Usage: pg-guard")


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from pg_guard.entry.cli.main import cli\n"
        "from pg_guard.entry.cli.runner import run\n"
        "assert run(cli, ['lint', '--help']) == 0\n"
        "heavy = ('mcp', 'sqlglot', 'asyncpg', 'pydantic', 'postgast', 'rich')\n"
        "sys.stderr.write(' '.join(name for name in heavy if name in sys.modules))\n"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert process.stderr == ""


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str) -> None:
    process = run("completion", shell)
    assert process.returncode == 0
    assert "_PG_GUARD_COMPLETE" in process.stdout


def test_completion_completes_commands() -> None:
    process = run(_PG_GUARD_COMPLETE="bash_complete", COMP_WORDS="pg-guard c", COMP_CWORD="1")
    assert process.stdout.split() == ["plain,catalog", "plain,check", "plain,completion", "plain,config"]


def test_an_interrupted_command_is_one_line_and_130() -> None:
    process = subprocess.Popen(
        [sys.executable, "-X", "faulthandler", "-m", "pg_guard", "check", "-", "--policy", POLICY],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    # It waits for standard input, which never ends.
    assert process.stdin is not None
    wait_until(lambda: is_reading(process.pid), "the process reads its standard input")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert (out, err) == (b"", b"pg-guard: error: interrupted\n")


def test_an_interrupted_connection_is_one_line_and_130(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        uri = f"postgresql://bob:hunter2@127.0.0.1:{listener.getsockname()[1]}/shop"
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "pg_guard",
                "catalog",
                "snapshot",
                "--dsn",
                uri,
                "--output",
                str(tmp_path / "x.json"),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
        )
        connection, _ = listener.accept()
        with connection:
            connection.recv(1)  # it waits for an answer, which never comes
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert (out, err) == (b"", b"Reading the catalog ...\npg-guard: error: interrupted\n")


def test_a_server_that_never_answers_is_given_up(tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        uri = f"postgresql://bob:hunter2@127.0.0.1:{listener.getsockname()[1]}/shop"
        process = run("catalog", "snapshot", "--dsn", uri, "--output", str(tmp_path / "x.json"), "--timeout", "0.5")
    assert_one_clear_line(process, 2)
    assert "hunter2" not in process.stderr


def is_reading(pid: int) -> bool:
    """Does a process sleep in a read of its standard input?"""
    return Path(f"/proc/{pid}/syscall").read_text().split()[:2] == ["0", "0x0"]  # read(0, …)
