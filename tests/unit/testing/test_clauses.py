"""Which clauses a test exercises: each kind of clause from both sides, and what only looks like it."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

from pg_guard.testing.policies import run_policy

if TYPE_CHECKING:
    from pathlib import Path

    from pg_guard.catalog.model import Catalog


def uncovered(tmp_path: Path, policy: str, *tests: tuple[str, str], catalog: Catalog | None = None) -> list[str]:
    """The paths of clauses that the tests (statement, expectation) do not exercise."""
    text = f"schema: pg-guard/policy/v1\n{textwrap.dedent(policy)}\ntests:\n"
    text += "".join(
        f"  - {{name: t{number}, sql: {sql!r}, expect: {expect}}}\n" for number, (sql, expect) in enumerate(tests)
    )
    path = tmp_path / "policy.yaml"
    path.write_text(text if tests else text.replace("tests:\n", ""))
    suite = run_policy(str(path), catalog, coverage=True, environ={})
    assert suite.valid, suite.problems
    assert [result.failure for result in suite.results if result.failure] == []
    return [clause.path for clause in suite.clauses if not clause.covered]


@pytest.mark.parametrize(
    ("policy", "covering", "not_covering"),
    [
        ("tables: {deny: [hr.payroll]}", ("SELECT * FROM hr.payroll", "deny"), ("SELECT * FROM hr.salaries", "allow")),
        ("tables: {deny: [a, 'b*']}", ("SELECT 1 FROM a, bb", "deny"), ("SELECT 1 FROM c", "allow")),
        ("tables: {default: deny, allow: [shop.orders]}", None, ("SELECT * FROM b", "deny")),
        (
            "columns: {deny: {customers: [ssn]}}",
            ("SELECT ssn FROM customers", "deny"),
            ("SELECT a FROM customers", "allow"),
        ),
        ("columns: {deny: {'*': [ssn]}}", ("SELECT 1 FROM a WHERE ssn = 1", "deny"), ("SELECT 1 FROM a", "allow")),
        # A star is refused for any pattern, so it shows nothing of this one.
        ("columns: {deny: {'*': [ssm]}}", None, ("SELECT * FROM customers", "deny")),
        ("where: [{table: events}]", ("SELECT a FROM events", "deny"), ("SELECT a FROM events WHERE a = 1", "allow")),
        (
            "where: [{table: [x, y], columns: [tenant_id]}]",
            ("SELECT 1 FROM x, y", "deny"),
            ("SELECT 1 FROM x WHERE tenant_id = 4", "allow"),
        ),
        ("joins: {max_tables: 2}", ("SELECT 1 FROM a, b, c", "deny"), ("SELECT 1 FROM a, b", "allow")),
        ("functions: {deny: [md5]}", ("SELECT md5('a')", "deny"), ("SELECT upper('a')", "allow")),
        ("functions: {deny: [{capability: clock}]}", ("SELECT now()", "deny"), ("SELECT 1", "allow")),
        ("functions: {mode: allowlist}", ("SELECT pg_sleep(1)", "deny"), ("DELETE FROM a", "deny")),
        ("functions: {allow: [{capability: pure}]}", ("SELECT upper('a')", "allow"), ("SELECT pg_sleep(1)", "deny")),
        ("functions: {allow: [upper, lower]}", ("SELECT upper(lower('a'))", "allow"), ("SELECT 1", "allow")),
        ("statements: {allow: [select]}", ("DELETE FROM a", "deny"), ("SELECT 1", "allow")),
        ("limits: {generated_rows: 10}", ("SELECT generate_series(1, 20)", "deny"), ("SELECT 1", "allow")),
        ("limits: {generated_bytes: 10}", ("SELECT repeat('a', 20)", "deny"), ("SELECT 1", "allow")),
    ],
)
def test_a_clause_is_covered_by_what_it_decides(
    tmp_path: Path, policy: str, covering: tuple[str, str] | None, not_covering: tuple[str, str]
) -> None:
    assert uncovered(tmp_path, policy) != []
    missing = uncovered(tmp_path, policy, not_covering)
    assert missing != []
    if covering is not None:
        assert uncovered(tmp_path, policy, covering, not_covering) == []


def test_what_is_listed_is_covered_by_an_allowed_statement(tmp_path: Path) -> None:
    policy = "tables: {default: deny, allow: [shop.orders, 'crm.*']}"
    tests = [("SELECT 1 FROM shop.orders", "allow"), ("SELECT 1 FROM hr.payroll", "deny")]
    assert uncovered(tmp_path, policy, *tests) == ["tables.allow[1]"]
    assert uncovered(tmp_path, policy, *tests, ("SELECT 1 FROM crm.people", "allow")) == []
    assert uncovered(tmp_path, policy, tests[0]) == ["tables.default", "tables.allow[1]"]


def test_two_patterns_that_both_match_are_both_covered(tmp_path: Path) -> None:
    assert uncovered(tmp_path, "tables: {deny: ['hr.*', hr.payroll, xx]}", ("SELECT 1 FROM hr.payroll", "deny")) == [
        "tables.deny[2]"
    ]


def test_capabilities_that_are_needed_together_are_both_covered(tmp_path: Path) -> None:
    policy = "functions: {allow: [{capability: [pure]}, {capability: [clock]}]}"
    assert uncovered(tmp_path, policy, ("SELECT now(), upper('a')", "allow")) == []


def test_a_clause_belongs_to_the_file_that_states_it(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("schema: pg-guard/policy/v1\ntables: {deny: [a, b]}\njoins: {max_tables: 3}\n")
    policy = "extends: [base.yaml]\ntables: {deny: [c]}"
    (path,) = uncovered(tmp_path, policy)
    assert path == "tables.deny[0]", "the path in this file, not in the merged policy"
    assert uncovered(tmp_path, policy, ("SELECT 1 FROM a", "deny")) == ["tables.deny[0]"]
    assert uncovered(tmp_path, policy, ("SELECT 1 FROM c", "deny")) == []


def test_a_clause_has_its_place(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text('schema: pg-guard/policy/v1\ntables:\n  deny:\n    - a\n    - "b*"\njoins:\n  max_tables: 3\n')
    suite = run_policy(str(path), coverage=True, environ={})
    assert [(clause.path, clause.text, clause.line, clause.column) for clause in suite.clauses] == [
        ("tables.deny[0]", "a", 4, 7),
        ("tables.deny[1]", "b*", 5, 7),
        ("joins.max_tables", "3", 7, 3),
    ]


def clauses(tmp_path: Path, policy: str) -> list[tuple[str, bool]]:
    path = tmp_path / "policy.yaml"
    path.write_text(f"schema: pg-guard/policy/v1\n{policy}")
    return [(clause.path, clause.covered) for clause in run_policy(str(path), coverage=True, environ={}).clauses]


@pytest.mark.parametrize(
    ("limit", "sql"),
    [
        ("sql_bytes: 30", "SELECT 1, 2, 3, 4, 5, 6, 7, 8, 9, 10"),
        ("tokens: 6", "SELECT 1, 2, 3, 4, 5, 6, 7"),
        ("depth: 3", "SELECT (SELECT (SELECT (SELECT (SELECT (SELECT 1)))))"),
        ("in_list: 2", "SELECT 1 WHERE 1 IN (1, 2, 3)"),
    ],
)
def test_limits_of_size_count_when_they_are_tested(tmp_path: Path, limit: str, sql: str) -> None:
    policy = f"limits: {{{limit}}}\n"
    assert clauses(tmp_path, policy) == []
    tested = f"{policy}tests: [{{name: long, sql: {sql!r}, expect: deny}}]\n"
    assert clauses(tmp_path, tested) == [(f"limits.{limit.partition(':')[0]}", True)]


def test_limits_of_the_run_are_not_counted(tmp_path: Path) -> None:
    assert uncovered(tmp_path, "limits: {rows: 5, result_bytes: 1MB, statement_timeout: 5s}") == []


def test_what_the_environment_sets_is_not_the_files(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text("schema: pg-guard/policy/v1\n")
    suite = run_policy(str(path), coverage=True, environ={"PG_GUARD_POLICY__JOINS__MAX_TABLES": "3"})
    assert suite.clauses == ()


def test_a_catalog_shows_what_stars_and_views_read(tmp_path: Path, demo_catalog: Catalog) -> None:
    policy = "search_path: [public]\ntables: {deny: [hr.employees]}\ncolumns: {deny: {customers: [ssn, nonsense]}}"
    tests = [("SELECT * FROM analytics.team", "deny"), ("SELECT * FROM customers", "deny")]
    assert uncovered(tmp_path, policy, *tests, catalog=demo_catalog) == ["columns.deny.customers[1]"]


def test_changes_of_rules_and_exceptions_are_clauses(tmp_path: Path) -> None:
    policy = """
    packs: [{use: core}]
    tables: {allow: [pg_catalog.pg_authid]}
    rules: {core/PG101: {effect: "off", reason: the auditors read it every month}}
    exceptions:
      - {id: EX-1, rules: [core/PG130], reason: the export of the month, approved_by: x@example.com, expires: 2999-12-31}
    """
    missing = uncovered(tmp_path, policy)
    assert [path for path in missing if path.startswith(("rules", "exceptions"))] == [
        'rules["core/PG101"]',
        "exceptions[0]",
    ]
    tests = [
        ("SELECT rolpassword FROM pg_catalog.pg_authid", "allow"),
        ("SELECT query_to_xml('SELECT 1', true, true, '')", "deny"),
    ]
    assert uncovered(tmp_path, policy, *tests) == []


def test_a_test_can_say_who_asks(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(
        "schema: pg-guard/policy/v1\n"
        "where: [{table: orders, columns: [tenant_id], equals: {tenant_id: ':tenant_id'}}]\n"
        "principals: {bi: {match: {client: 'bi-*'}, attributes: {tenant_id: 7}}}\n"
        "tests:\n"
        "  - {name: own, sql: SELECT 1 FROM orders WHERE tenant_id = 42, principal: {tenant_id: 42}, expect: allow}\n"
        "  - {name: other, sql: SELECT 1 FROM orders WHERE tenant_id = 42, principal: {tenant_id: 5}, expect: deny}\n"
    )
    suite = run_policy(str(path), coverage=True, environ={})
    assert [result.failure for result in suite.results] == ["", ""]
    assert {clause.path: clause.covered for clause in suite.clauses} == {"where[0].table": True, "principals.bi": False}
    with path.open("a") as stream:
        stream.write(
            "  - {name: bi, sql: SELECT 1 FROM orders WHERE tenant_id = 7, principal: {client: bi-1}, expect: allow}\n"
        )
    assert all(clause.covered for clause in run_policy(str(path), coverage=True, environ={}).clauses)
