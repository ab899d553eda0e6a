"""`pg-guard diff` as its users meet it: policies and packs, corpora, logs, a database, and everything that is no input."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from pg_guard.guard import Guard
from tests.support import commands
from tests.support.commands import assert_one_clear_line
from tests.support.packs import write_pack

ROOT = Path(__file__).resolve().parents[2]
POLICY = str(ROOT / "policies" / "demo.yaml")
BASE = """\
schema: pg-guard/policy/v1
metadata: {name: shop, version: "1"}
tables: {deny: [hr.*, audit.*]}
columns: {deny: {customers: [ssn]}}
tests:
  - {name: payroll, sql: SELECT * FROM hr.payroll, expect: deny}
"""
RULE = """\
schema: pg-guard/rule/v1
id: mine/PG100
name: read-of-orders
title: Read of orders
severity: high
description: It reads orders.
rationale: Because.
match: {relation: {name: [public.orders, public.stores]}}
effect: deny
message: "{relation} is read"
remediation: Do not.
tests:
  - {name: orders, sql: SELECT id FROM orders, expect: deny}
  - {name: stores, sql: SELECT id FROM stores, expect: deny}
  - {name: nothing, sql: SELECT 1, expect: allow}
"""
run = partial(commands.run, "diff", timeout=240)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "old.yaml"
    path.write_text(BASE)
    return path


def changed(tmp_path: Path, *replacements: tuple[str, str]) -> Path:
    text = BASE
    for before, after in replacements:
        assert before in text
        text = text.replace(before, after)
    path = tmp_path / "new.yaml"
    path.write_text(text)
    return path


def document(*arguments: str, code: int) -> dict[str, Any]:
    process = run(*arguments, "--format", "json")
    assert process.returncode == code, process.stderr
    assert process.stderr == ""
    loaded: dict[str, Any] = json.loads(process.stdout)
    assert loaded["schema"] == "pg-guard/diff/v1"
    return loaded


def test_the_same_policy_has_no_difference(old: Path) -> None:
    found = document(str(old), str(old), code=0)
    assert found["structure"]["changes"] == []
    assert (found["behaviour"]["statements"], found["behaviour"]["same_denied"]) == (1, 1)
    assert found["reach"] is None
    assert found["loosened"] is False
    assert found["old"] == found["new"]


def test_a_loosening_is_shown_by_clause_and_by_test(old: Path, tmp_path: Path) -> None:
    new = changed(tmp_path, ("hr.*, ", ""))
    found = document(str(old), str(new), code=1)
    (change,) = found["structure"]["changes"]
    assert (change["path"], change["kind"], change["direction"]) == ("tables.deny", "removed", "loosening")
    (group,) = found["behaviour"]["groups"]
    assert (group["outcome"], group["rules"], group["count"]) == ("newly_allowed", ["tables/denied"], 1)
    assert group["examples"][0]["statement"] == "SELECT * FROM hr.payroll"
    assert document(str(old), str(new), "--allow-loosening", code=0)["loosened"] is True


def test_a_tightening_exits_with_0(old: Path, tmp_path: Path) -> None:
    new = changed(tmp_path, ("audit.*", "audit.*, orders"))
    corpus = tmp_path / "q.sql"
    corpus.write_text("SELECT 1;\nSELECT id\nFROM orders;\n")
    process = run(str(old), str(new), "--corpus", str(corpus))
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout.startswith("nothing is loosened: shop 1 -> shop 1 (policy)\n")
    assert "+ tightening: tables.deny added: orders" in process.stdout
    assert "+ newly denied: 1, by tables/denied" in process.stdout
    assert "q.sql:2: SELECT id FROM orders" in " ".join(process.stdout.split())


def test_a_loosening_that_only_statements_show_counts(old: Path, tmp_path: Path) -> None:
    """Behaviour has the last word: here a changed search_path, which cannot be shown to loosen a clause."""
    new = changed(tmp_path, ("tables:", "search_path: [hr, public]\ntables:"), ("deny: [hr.*, ", "deny: ["))
    corpus = tmp_path / "cases.yaml"
    corpus.write_text("cases:\n  - {id: hidden, sql: SELECT * FROM hr.employees}\n  - {id: one, sql: SELECT 1}\n")
    found = document(str(old), str(new), "--corpus", str(corpus), code=1)
    assert found["behaviour"]["newly_allowed"] == 2
    origins = [example["origin"] for group in found["behaviour"]["groups"] for example in group["examples"]]
    assert f"{corpus} hidden" in origins


def test_corpora_are_files_and_directories_of_both_kinds(old: Path) -> None:
    corpus = str(ROOT / "tests" / "corpus")
    process = run(
        str(old), str(old), "--corpus", f"{corpus}/benign/tpc.yaml", "--corpus", f"{corpus}/attacks/tables.yaml"
    )
    assert process.returncode == 0
    assert "0 newly allowed, 0 newly denied" in process.stdout.replace("\n    ", " ")


def test_a_log_shows_what_would_change(old: Path, tmp_path: Path) -> None:
    guard = Guard.load(old)
    log = tmp_path / "log.jsonl"
    statements = ["SELECT 1", "SELECT id FROM orders", "SELECT * FROM audit.api_keys"]
    lines = [json.dumps(guard.check(sql).to_dict()) for sql in statements]
    log.write_text("\n".join(lines) + '\n{"torn')
    new = changed(tmp_path, ("[hr.*, audit.*]", "[hr.*, orders]"))
    process = run(str(old), str(new), "--log", str(log), "--format", "json")
    assert process.returncode == 1
    assert "log.jsonl:4: warning: the last line is torn" in process.stderr
    behaviour = json.loads(process.stdout)["behaviour"]
    assert (behaviour["newly_allowed"], behaviour["newly_denied"]) == (1, 1)
    assert behaviour["sources"] == [str(log)]
    log.write_text("\n".join(lines) + '\n{"schema": "other/v1"}\n')
    process = run(str(old), str(new), "--log", str(log), "--allow-loosening")
    assert process.returncode == 2
    assert "log.jsonl:4: error: not a decision record: its schema is 'other/v1'" in process.stderr


def test_with_a_database_every_relation_and_column_is_compared(old: Path, tmp_path: Path, demo_dsn: str) -> None:
    new = changed(tmp_path, ("customers: [ssn]", "customers: [name]"), ("hr.*", "hr.payroll"))
    process = run(str(old), str(new), "--format", "json", PG_GUARD_DSN=demo_dsn)
    assert process.returncode == 1, process.stderr
    reach = json.loads(process.stdout)["reach"]
    assert reach["relations"] > 100
    readable = {(move["relation"], move["column"]) for move in reach["readable"]}
    unreadable = {(move["relation"], move["column"]) for move in reach["unreadable"]}
    assert {("public.customers", "ssn"), ("hr.employees", None), ("hr.employees", "salary")} <= readable
    assert ("hr.payroll", None) not in readable
    assert ("public.customers", "name") in unreadable
    text = run(str(old), str(new), PG_GUARD_DSN=demo_dsn, COLUMNS="60")
    assert "- public.customers: ssn is readable now" in text.stdout
    assert max(cell_len(line) for line in text.stdout.splitlines()) <= 60


def test_markdown_is_for_a_pull_request(old: Path, tmp_path: Path) -> None:
    new = changed(tmp_path, ("hr.*, ", ""))
    corpus = tmp_path / "q.sql"
    corpus.write_text("SELECT '```<img src=x>' AS a FROM hr.payroll")
    process = run(str(old), str(new), "--corpus", str(corpus), "--format", "markdown")
    assert process.returncode == 1
    assert process.stdout.startswith("**loosened: shop 1 -\\> shop 1 \\(policy\\)**\n")
    assert "### What is written" in process.stdout
    assert "- loosening: tables.deny removed: hr.\\*" in process.stdout
    assert "```` SELECT '```<img src=x>' AS a FROM hr.payroll ````" in process.stdout


def test_two_packs_are_compared_by_rule_and_by_their_tests(tmp_path: Path) -> None:
    before = write_pack(tmp_path / "old", RULE)
    after = write_pack(tmp_path / "new", RULE.replace("[public.orders, public.stores]", "[public.orders]"))
    found = document(str(before), str(after), code=1)
    assert found["kind"] == "pack"
    (change,) = found["structure"]["changes"]
    assert (change["path"], change["direction"]) == ("rules[mine/PG100].match", "loosening")
    (group,) = found["behaviour"]["groups"]
    assert (group["outcome"], group["rules"]) == ("newly_allowed", ["mine/PG100"])
    assert document(str(after), str(before), code=0)["structure"]["tightening"] == 1


def test_a_policy_is_compared_with_the_packs_that_it_uses(tmp_path: Path) -> None:
    (tmp_path / "packs").mkdir()
    write_pack(tmp_path / "packs" / "mine", RULE)
    for name, rules in (("old", ""), ("new", "rules: {mine/PG100: {effect: off, reason: noisy}}\n")):
        (tmp_path / f"{name}.yaml").write_text(f"schema: pg-guard/policy/v1\npacks: [{{use: mine}}]\n{rules}")
    corpus = tmp_path / "q.sql"
    corpus.write_text("SELECT id FROM public.orders")
    found = document(str(tmp_path / "old.yaml"), str(tmp_path / "new.yaml"), "--corpus", str(corpus), code=1)
    assert {change["path"] for change in found["structure"]["changes"]} == {"rules[mine/PG100].effect"}
    assert found["behaviour"]["newly_allowed"] == 1


def test_an_expired_exception_of_the_old_policy_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "packs").mkdir()
    write_pack(tmp_path / "packs" / "mine", RULE)
    head = "schema: pg-guard/policy/v1\npacks: [{use: mine}]\n"
    lift = "exceptions: [{id: E, rules: [mine/PG100], reason: r, approved_by: a, expires: 2020-01-01}]\n"
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text(head + lift)
    new.write_text(head)
    assert [each["direction"] for each in document(str(old), str(new), code=0)["structure"]["changes"]] == ["neutral"]
    process = run(str(new), str(old))
    assert process.returncode == 3
    assert "the exception expired" in process.stderr


def test_the_overlay_of_the_environment_is_left_out(old: Path, tmp_path: Path) -> None:
    new = changed(tmp_path, ("hr.*, ", ""))
    process = run(str(old), str(new), PG_GUARD_POLICY__TABLES__DENY='["hr.*"]')
    assert process.returncode == 1


def test_wrong_usage_is_one_clear_line(old: Path, tmp_path: Path) -> None:
    pack = write_pack(tmp_path / "pack", RULE)
    empty = tmp_path / "empty"
    empty.mkdir()
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [1\nb: }")
    latin = tmp_path / "latin.sql"
    latin.write_bytes(b"SELECT '\xe9'")
    for arguments in (
        [],
        [str(old)],
        [str(old), "missing.yaml"],
        ["missing.yaml", str(old)],
        [str(old), str(pack)],
        [str(old), str(empty)],
        [str(old), str(old), "--corpus", "missing"],
        [str(old), str(old), "--corpus", str(empty)],
        [str(old), str(old), "--corpus", str(broken)],
        [str(old), str(old), "--corpus", str(latin)],
        [str(old), str(old), "--log", "missing.jsonl"],
        [str(old), str(old), "--log", str(empty)],
        [str(old), str(old), "--catalog", str(old)],
        [str(old), str(old), "--format", "xml"],
    ):
        assert_one_clear_line(run(*arguments), 2)


def test_what_is_no_policy_or_no_pack_exits_with_3(old: Path, tmp_path: Path) -> None:
    pack = write_pack(tmp_path / "pack", RULE)
    (pack / "PG100_read_of_orders.yaml").write_text(RULE + "# changed\n")
    sql = tmp_path / "q.sql"
    sql.write_text("SELECT 1")
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"schema: \xff\xfe\x00")
    huge = tmp_path / "huge.yaml"
    huge.write_bytes(b"a" * 50_000_000)
    for one, other, place in (
        (str(pack), str(pack), "pack.yaml:"),
        (str(old), str(sql), "q.sql:1:1: error: "),
        (str(old), str(binary), "binary.yaml:1:"),
        (str(huge), str(old), "huge.yaml: error: the file is larger than "),
    ):
        process = run(one, other)
        assert (process.returncode, process.stdout) == (3, ""), process.stderr
        assert place in process.stderr
