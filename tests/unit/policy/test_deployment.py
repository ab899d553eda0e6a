"""A deployment's own clauses: a policy without a file, and nothing but a narrower one with a file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pg_guard.errors import PolicyError
from pg_guard.guard import Guard
from pg_guard.policy.deployment import DeploymentClauses, load_deployment
from pg_guard.policy.load import load_policy

if TYPE_CHECKING:
    from pathlib import Path

    from pg_guard.policy.load import LoadedPolicy

ALL = DeploymentClauses(
    blocked_tables=("audit_*", "hr.*"),
    blocked_columns={"users": ("password_hint",), "*": ("iban",)},
    require_where=("*",),
    max_join_tables=2,
    allow_explain=True,
    blocked_functions=("upper", "lpad"),
    timeout=7.5,
    max_rows=5_000,
    search_path=("app", "public"),
)
FILE = """
schema: pg-guard/policy/v1
metadata: {name: shop, version: 2.1.0}
statements: {allow: [select, explain]}
tables: {deny: [secrets]}
columns: {deny: {users: [email]}}
joins: {max_tables: 3}
functions: {mode: denylist, deny: [pg_sleep]}
limits: {rows: 100, statement_timeout: 10s}
tests:
  - {name: orders, sql: "SELECT 1 FROM audit_log", expect: allow}
  - {name: no secrets, sql: "SELECT 1 FROM secrets", expect: deny, rules: [tables/denied]}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "shop.yaml"
    path.write_text(FILE, encoding="utf-8")
    return path


def rules(loaded: LoadedPolicy, sql: str) -> set[str]:
    decision = Guard(loaded.policy, packs=loaded.packs).check(sql)
    return {finding.rule for finding in decision.findings if finding.effect == "deny"}


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("SELECT id FROM audit_log WHERE id = 1", "tables/denied"),
        ("SELECT id FROM hr.payroll WHERE id = 1", "tables/denied"),
        ("SELECT password_hint FROM users WHERE id = 1", "columns/denied"),
        ("SELECT iban FROM accounts WHERE id = 1", "columns/denied"),
        ("SELECT id FROM users", "where/missing"),
        ("SELECT id FROM users WHERE true", "where/missing"),
        ("SELECT a.id FROM a JOIN b ON a.id = b.id JOIN c ON c.id = b.id WHERE a.id = 1", "joins/too-many"),
        ("SELECT upper(name) FROM users WHERE id = 1", "functions/denied"),
        # What the shipped starter refuses stays refused.
        ("SELECT api_key FROM users WHERE id = 1", "columns/denied"),
        ("SELECT pg_read_file('/etc/passwd')", "functions/denied"),
        ("DELETE FROM users", "statement/not-allowed"),
    ],
)
def test_without_a_file_the_clauses_are_the_policy(sql: str, rule: str) -> None:
    assert rule in rules(load_deployment(ALL, None, environ={}), sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id, lower(name) FROM users WHERE id = 1",
        "EXPLAIN SELECT id FROM users WHERE id = 1",
        "SELECT a.id FROM a JOIN b ON a.id = b.id WHERE a.id = 1 AND b.id > 7",
        "SELECT 1 + 1",
        "WITH recent AS (SELECT id FROM orders WHERE created_at > now() - interval '1 day') SELECT count(*) FROM recent",
    ],
)
def test_without_a_file_the_rest_is_allowed(sql: str) -> None:
    assert rules(load_deployment(ALL, None, environ={}), sql) == set()


def test_without_a_file_numbers_are_taken_as_they_are() -> None:
    policy = load_deployment(ALL, None, environ={}).policy
    assert (policy.limits.rows, policy.limits.statement_timeout) == (5_000, 7.5)
    assert (policy.joins.max_tables, policy.search_path) == (2, ("app", "public"))
    assert policy.metadata.name == "settings"
    # Tests of the starter are about the starter.
    assert policy.tests == ()


def test_tables_that_need_a_condition(file: Path) -> None:
    for base in (None, file):
        loaded = load_deployment(DeploymentClauses(require_where=("orders",)), base, environ={})
        assert rules(loaded, "SELECT id FROM orders") == {"where/missing"}
        assert rules(loaded, "SELECT id FROM others") == set()


def test_with_a_file_both_hold(file: Path) -> None:
    loaded = load_deployment(replace(ALL, search_path=None), file, environ={})
    policy = loaded.policy
    assert rules(loaded, "SELECT 1 FROM secrets WHERE id = 1") == {"tables/denied"}
    assert rules(loaded, "SELECT 1 FROM audit_log WHERE id = 1") == {"tables/denied"}
    assert "columns/denied" in rules(loaded, "SELECT email FROM users WHERE id = 1")
    assert "columns/denied" in rules(loaded, "SELECT password_hint FROM users WHERE id = 1")
    assert "functions/denied" in rules(loaded, "SELECT pg_sleep(1)")
    assert "functions/denied" in rules(loaded, "SELECT upper('a')")
    # Of two numbers the smaller one.
    assert (policy.limits.rows, policy.limits.statement_timeout, policy.joins.max_tables) == (100, 7.5, 2)
    # It is still that file's policy, to logs and metrics; of its tests only refusals are sure to hold.
    assert (policy.metadata.name, str(policy.metadata.version)) == ("shop", "2.1.0")
    assert [test.name for test in policy.tests] == ["no secrets"]


def test_nothing_said_is_the_file_itself(file: Path) -> None:
    assert load_deployment(DeploymentClauses(), file, environ={}).policy == load_policy(file, environ={}).policy


def test_explain_beside_a_file(file: Path) -> None:
    explain = "EXPLAIN SELECT 1"
    assert rules(load_deployment(DeploymentClauses(allow_explain=True), file, environ={}), explain) == set()
    taken = load_deployment(DeploymentClauses(allow_explain=False), file, environ={})
    assert rules(taken, explain) == {"statement/not-allowed"}
    file.write_text(FILE.replace(", explain", ""), encoding="utf-8")
    with pytest.raises(PolicyError, match="does not allow explain") as caught:
        load_deployment(DeploymentClauses(allow_explain=True), file, environ={})
    assert caught.value.problems[0].file == "security.allow_explain"


def test_a_search_path_beside_a_file_may_only_leave_out_schemas(file: Path) -> None:
    file.write_text(FILE + "search_path: [app, public]\n", encoding="utf-8")
    narrower = load_deployment(DeploymentClauses(search_path=("app",)), file, environ={})
    assert narrower.policy.search_path == ("app",)
    with pytest.raises(PolicyError, match="allows more"):
        load_deployment(DeploymentClauses(search_path=("app", "hr")), file, environ={})


def test_variables_of_policy_keys_do_not_lift_what_settings_block(file: Path) -> None:
    environ = {"PG_GUARD_POLICY__TABLES__DENY": '["other"]', "PG_GUARD_POLICY__LIMITS__ROWS": "100000"}
    for base in (None, file):
        loaded = load_deployment(DeploymentClauses(blocked_tables=("audit_*",), max_rows=7), base, environ=environ)
        assert rules(loaded, "SELECT 1 FROM audit_log") == {"tables/denied"}
        assert rules(loaded, "SELECT 1 FROM other") == {"tables/denied"}
        assert loaded.policy.limits.rows == 7


def test_problems_name_the_setting_and_never_show_its_value(file: Path) -> None:
    wrong = DeploymentClauses(blocked_tables=("hunter2.a.b",), blocked_functions=("f(",), require_where=("a b.",))
    for base in (None, file):
        with pytest.raises(PolicyError) as caught:
            load_deployment(wrong, base, environ={})
        found = caught.value.problems
        assert {problem.file for problem in found} == {
            "security.blocked_tables",
            "security.blocked_functions",
            "security.require_where_clause",
        }
        assert "hunter2" not in "".join(map(str, found))


def test_sources_tell_what_it_was_made_of(file: Path) -> None:
    loaded = load_deployment(replace(ALL, search_path=None), file, environ={"PG_GUARD_POLICY__MODE": "enforce"})
    assert loaded.files == (str(file),)
    assert set(loaded.sources) == {
        str(file),
        "PG_GUARD_POLICY__MODE",
        "security.blocked_tables",
        "security.blocked_columns",
        "security.require_where_clause",
        "security.max_join_tables",
        "security.blocked_functions",
        "security.timeout",
    }


def test_packs_beside_the_file_are_found_and_those_of_the_working_directory_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path / "here"
    (here / "packs").mkdir(parents=True)
    monkeypatch.chdir(here)
    file = tmp_path / "shop.yaml"
    file.write_text(FILE + "packs: [{use: nowhere}]\n", encoding="utf-8")
    with pytest.raises(PolicyError, match="nowhere") as caught:
        load_deployment(ALL, file, environ={})
    assert str(here) not in str(caught.value.problems)
