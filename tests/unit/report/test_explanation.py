"""An explanation is of the decision that is given, and each clause that it names is the one that decides."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pg_guard.decision import Finding
from pg_guard.guard import Guard
from pg_guard.policy.load import load_policy, parse_policy
from pg_guard.report.clauses import without_clause
from pg_guard.report.explanation import explanation_document
from pg_guard.report.explanation_text import render_explanation

if TYPE_CHECKING:
    from pg_guard.catalog.model import Catalog

ROOT = Path(__file__).resolve().parents[3]


def explain(policy: str, sql: str | bytes, catalog: Catalog | None = None) -> dict[str, Any]:
    loaded = parse_policy(f"schema: pg-guard/policy/v1\n{policy}", "p.yaml")
    guard = Guard(loaded.policy, catalog)
    return explanation_document(guard.explain(sql), loaded.document, files=loaded.sources)


def paths(document: dict[str, Any]) -> set[str]:
    return {clause["path"] for reason in document["reasons"] for clause in reason["clauses"]}


@pytest.mark.parametrize(
    ("policy", "sql", "expected"),
    [
        ("tables: {deny: [a, secret, b]}", "SELECT x FROM secret", "tables.deny[1]"),
        ("tables: {deny: ['sec*']}", "SELECT x FROM secret", "tables.deny[0]"),
        ("tables: {default: deny, allow: [b]}", "SELECT x FROM a", "tables.default"),
        ("columns: {deny: {a: [p, q]}}", "SELECT q FROM a", "columns.deny.a[1]"),
        ("columns: {deny: {a: [p], '*': [q]}}", "SELECT a.* FROM a", "columns.deny.a[0]"),
        ("where: [{table: b}, {table: a, columns: [t]}]", "SELECT q FROM a", "where[1]"),
        ("functions: {mode: denylist, deny: [lower, 'pg_*']}", "SELECT pg_backend_pid()", "functions.deny[1]"),
        ("functions: {mode: denylist, deny: [{capability: random}]}", "SELECT random()", "functions.deny[0]"),
        ("functions: {allow: [{capability: pure}]}", "SELECT random()", "functions.allow"),
        ("functions: {user_defined: deny}", "SELECT own_function(1)", "functions.user_defined"),
        ("where: [{table: a, equals: {t: ':t'}}]", "SELECT q FROM a WHERE t = 1", "where[0]"),
        ("where: [{table: a, equals: {t: 2}}]", "SELECT q FROM a WHERE t = 1", "where[0]"),
        ("joins: {cartesian: deny}", "SELECT 1 FROM a, b", "joins.cartesian"),
        ("joins: {max_tables: 1}", "SELECT 1 FROM a, b", "joins.max_tables"),
        ("statements: {allow: [select]}", "EXPLAIN SELECT 1", "statements.allow"),
        ("limits: {tokens: 3}", "SELECT 1, 2, 3, 4", "limits.tokens"),
        ("limits: {depth: 2}", "SELECT ((SELECT (SELECT (SELECT (SELECT 1)))))", "limits.depth"),
        ("limits: {sql_bytes: 5}", "SELECT 1", "limits.sql_bytes"),
    ],
)
def test_the_clause_that_decides_is_named(policy: str, sql: str, expected: str) -> None:
    document = explain(policy, sql)
    assert not document["decision"]["allowed"]
    assert expected in paths(document)
    assert len(document["reasons"]) == len(document["decision"]["findings"])


def test_what_is_reached_through_a_view_is_led_back_to_what_it_reads(demo_catalog: Catalog) -> None:
    document = explain("tables: {deny: [x, hr.employees]}", "SELECT name FROM analytics.team_report", demo_catalog)
    ((clause,),) = [reason["clauses"] for reason in document["reasons"]]
    assert (clause["path"], clause["why"]) == ("tables.deny[1]", "hr.employees matches hr.employees.")
    reached = {(row["names"][0], row["how"]) for row in document["facts"]["relations"]}
    assert {("analytics.team_report", "scan"), ("hr.employees", "view")} <= reached


def test_what_no_policy_can_change_has_no_clause() -> None:
    for sql in ("SELEC", "", "SELECT 1; SELECT 2", b"\xff", "SELECT '\x00'"):
        document = explain("", sql)
        assert document["decision"]["findings"]
        assert paths(document) == set()
        json.dumps(document, allow_nan=False)


def test_a_default_is_told_from_what_is_written() -> None:
    written = explain("functions: {allow: [{capability: pure}]}", "SELECT random()")
    default = explain("", "SELECT pg_sleep(1)")
    ((clause,),) = [reason["clauses"] for reason in written["reasons"]]
    assert (clause["stated"], clause["file"], clause["line"]) == (True, "p.yaml", 2)
    ((clause,),) = [reason["clauses"] for reason in default["reasons"]]
    assert (clause["stated"], clause["file"], clause["line"]) == (False, "", 0)


def test_an_explanation_is_of_the_decision_that_check_gives(demo_guard: Guard) -> None:
    for sql in (
        "SELECT status, count(*) FROM orders GROUP BY 1",
        "SELECT * FROM customers",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 5) SELECT * FROM r",
        "EXPLAIN SELECT * FROM hr.payroll",
        "SELEC",
    ):
        explanation, decision = demo_guard.explain(sql), demo_guard.check(sql)
        assert explanation.decision.findings == decision.findings
        assert explanation.decision.effect == decision.effect
        assert (explanation.trace.facts is None) == (decision.kind == "unknown")


def test_scopes_tell_what_each_alias_means(demo_guard: Guard) -> None:
    sql = """
        WITH big AS (SELECT customer_id, sum(total) AS total FROM orders GROUP BY customer_id)
        SELECT c.name, x.n
        FROM customers c JOIN big b ON b.customer_id = c.id
        CROSS JOIN LATERAL (SELECT count(*) AS n FROM orders o WHERE o.customer_id = c.id) x
        WHERE c.id = 7 LIMIT 3
    """
    document = explanation_document(demo_guard.explain(sql))
    scopes = {scope["role"]: scope for scope in document["scopes"]}
    top = scopes["the statement"]
    meant = {source["alias"]: source["resolves_to"] for source in top["sources"]}
    assert meant["c"] == ["public.customers"]
    assert meant["b"] == ["WITH big"]
    assert meant["x"] == [f"scope {scopes['FROM x']['scope']}"]
    assert scopes["FROM x"]["inside"] == top["scope"]
    assert scopes["WITH big"]["grouped"]
    assert (top["limited"], top["limit"]) == (True, 3)
    held = {(row["relations"][0], row["alias"]): row["held"] for row in document["facts"]["scans"]}
    assert held["public.customers", "c"] == ["id"]
    assert held["public.orders", "o"] == ["customer_id"]


def test_readings_that_differ_are_shown_as_such() -> None:
    agreeing = explain("", "SELECT a FROM t")["readings"]
    assert (agreeing["compared"], agreeing["agree"]) == ("names", True)
    assert agreeing["postgresql"] == agreeing["sqlglot"]
    assert explain("statements: {allow: [select, show]}", "SHOW search_path")["readings"]["compared"] == "nothing"


@pytest.mark.parametrize("width", [10, 40, 60, 200])
def test_any_width_will_do(width: int) -> None:
    loaded = load_policy(ROOT / "policies" / "demo.yaml", environ={})
    explanation = Guard(loaded.policy).explain("SELECT * FROM hr.payroll p, customers WHERE p.x = 1")
    document = explanation_document(explanation, loaded.document)
    text = render_explanation(explanation.decision, document, width=width)
    assert max(len(line) for line in text.splitlines()) <= max(width, 40)
    assert "tables.deny[0]" in text.replace("\n", "")


def test_every_rule_of_the_guard_is_accounted_for() -> None:
    """What was checked names each rule id that a decision may have, so that "nothing fired" is said of all."""
    reference = (ROOT / "docs" / "reference.md").read_text()
    table = reference.partition("## Rule ids")[2].partition("\n## ")[0]
    documented = set(re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE))
    elsewhere = {rule for rule in documented if rule.partition("/")[0] in ("lint", "audit", "check", "test")}
    everything = "where: [{table: a}]\njoins: {max_tables: 9, cartesian: deny}\ncolumns: {deny: {b: [c]}}"
    document = explain(everything, "SELECT a.x FROM a WHERE a.x = 1")
    named = {rule for row in document["checked"] for rule in row["rules"]}
    assert documented - elsewhere - named == set()
    assert named - documented == set()
    assert all(row["fired"] == [] for row in document["checked"])


def test_a_check_of_a_deployments_own_is_told_from_the_policy() -> None:
    finding = Finding("ours/no-mondays", "low", "m", "r")
    assert "own" in without_clause(finding)
    assert "every policy" in without_clause(Finding("sql/syntax", "low", "m", "r"))


def test_thousands_of_findings_are_each_led_back(demo_catalog: Catalog) -> None:
    """Facts are looked up by place: with as many findings as facts, a search through all would not end in time."""
    sql = "SELECT " + ",".join(["ssn"] * 2_000) + " FROM customers"
    document = explain("columns: {deny: {customers: [ssn]}}", sql, demo_catalog)
    assert len(document["reasons"]) == 2_000
    assert {clause["path"] for reason in document["reasons"] for clause in reason["clauses"]} == {
        "columns.deny.customers[0]"
    }
    assert all(len(reason["clauses"]) == 1 for reason in document["reasons"])
