"""`tables`: patterns, defaults, system schemas, reviewed views, and relations reached on other ways."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from pg_guard.decision import Decision

    Decide = Callable[[str, str], Decision]

DENY = "tables/denied"
SYSTEM = "tables/system"
UNKNOWN = "sql/unknown-name"

CASES = [
    # Without any clause everything of the application is open, and nothing of the system.
    ("", "SELECT 1 FROM orders", None),
    ("", "SELECT 1 FROM hr.payroll", None),
    ("", 'SELECT "Value" FROM "Secret Stuff"', None),
    ("", "SELECT 1 FROM pg_class", SYSTEM),
    ("", "SELECT 1 FROM pg_catalog.pg_class", SYSTEM),
    ("", "SELECT 1 FROM information_schema.tables", SYSTEM),
    ("", "SELECT 1 FROM orderz", UNKNOWN),
    ("", "SELECT 1 FROM nowhere.orders", UNKNOWN),
    ("", "SELECT 1 FROM secret_stuff", UNKNOWN),
    # Deny: in any schema, by schema, by wildcards, in any case.
    ("tables: {deny: [payroll]}", "SELECT 1 FROM hr.payroll", DENY),
    ("tables: {deny: [PayRoll]}", "SELECT 1 FROM hr.payroll", DENY),
    ("tables: {deny: [payroll]}", "SELECT 1 FROM HR.Payroll", DENY),
    ("tables: {deny: [payroll]}", 'SELECT 1 FROM "hr"."payroll"', DENY),
    ("tables: {deny: [payroll]}", "SELECT 1 FROM hr.employees", None),
    ("tables: {deny: ['hr.*']}", "SELECT 1 FROM hr.employees", DENY),
    ("tables: {deny: ['HR.*']}", "SELECT 1 FROM hr.employees", DENY),
    ("tables: {deny: ['*.payroll']}", "SELECT 1 FROM hr.payroll", DENY),
    ("tables: {deny: ['h?.pay*']}", "SELECT 1 FROM hr.payroll", DENY),
    ("tables: {deny: ['public.*']}", "SELECT 1 FROM hr.payroll", None),
    ("tables: {deny: ['public.*']}", "SELECT 1 FROM orders", DENY),
    ("tables: {deny: ['audit_*']}", "SELECT 1 FROM audit_trail", DENY),
    ("tables: {deny: ['audit_*']}", "SELECT 1 FROM audit.log", None),
    ("tables: {deny: ['order?']}", "SELECT 1 FROM orders", DENY),
    ("tables: {deny: ['order?']}", "SELECT 1 FROM order_items", None),
    ("tables: {deny: [Secret Stuff]}", 'SELECT 1 FROM "Secret Stuff"', DENY),
    ("tables: {deny: [secret stuff]}", 'SELECT 1 FROM "Secret Stuff"', DENY),
    ("tables: {deny: ['\"Secret Stuff\"']}", 'SELECT 1 FROM public."Secret Stuff"', DENY),
    ("tables: {deny: ['public.\"Secret Stuff\"']}", 'SELECT 1 FROM "Secret Stuff"', DENY),
    ("tables: {deny: [orders]}", "WITH orders AS (SELECT 1) SELECT * FROM orders", None),
    ("tables: {deny: [orders]}", "WITH x AS (SELECT 1 FROM orders) SELECT 1 FROM x", DENY),
    ("tables: {deny: [orders]}", "WITH x AS (SELECT 1 FROM orders) SELECT 1", DENY),
    ("tables: {deny: [orders]}", "SELECT 1 WHERE EXISTS (TABLE orders)", DENY),
    ("tables: {deny: [orders]}", "SELECT 1 FROM stores orders", None),
    ("tables: {deny: [orders]}", "EXPLAIN SELECT 1 FROM orders", DENY),
    # Deny by default: `allow` is exact, and deny still wins.
    ("tables: {default: deny}", "SELECT 1 FROM orders", DENY),
    ("tables: {default: deny}", "SELECT 1", None),
    ("tables: {default: deny, allow: [orders]}", "SELECT 1 FROM orders", None),
    ("tables: {default: deny, allow: [orders]}", "SELECT 1 FROM stores", DENY),
    ("tables: {default: deny, allow: [Orders]}", "SELECT 1 FROM orders", DENY),
    ("tables: {default: deny, allow: ['public.*']}", "SELECT 1 FROM orders", None),
    ("tables: {default: deny, allow: ['public.*']}", "SELECT 1 FROM hr.payroll", DENY),
    ("tables: {default: deny, allow: ['Public.*']}", "SELECT 1 FROM orders", DENY),
    ("tables: {default: deny, allow: ['Secret Stuff']}", 'SELECT 1 FROM "Secret Stuff"', None),
    ("tables: {default: deny, allow: ['secret stuff']}", 'SELECT 1 FROM "Secret Stuff"', DENY),
    ("tables: {default: deny, allow: ['*'], deny: [orders]}", "SELECT 1 FROM orders", DENY),
    ("tables: {default: deny, allow: ['*'], deny: [orders]}", "SELECT 1 FROM stores", None),
    ("tables: {default: deny, allow: [orders], deny: ['public.*']}", "SELECT 1 FROM orders", DENY),
    # System schemas open only by their full name.
    ("tables: {allow: ['*']}", "SELECT 1 FROM pg_class", SYSTEM),
    ("tables: {allow: ['*.*']}", "SELECT 1 FROM pg_class", SYSTEM),
    ("tables: {allow: ['pg_*.*']}", "SELECT 1 FROM pg_class", SYSTEM),
    ("tables: {allow: [pg_class]}", "SELECT 1 FROM pg_class", SYSTEM),
    ("tables: {allow: [pg_catalog.pg_class]}", "SELECT 1 FROM pg_class", None),
    ("tables: {allow: [pg_catalog.pg_class]}", "SELECT 1 FROM pg_proc", SYSTEM),
    ("tables: {allow: ['pg_catalog.*']}", "SELECT 1 FROM pg_proc", None),
    ("tables: {allow: ['pg_catalog.*'], deny: [pg_authid]}", "SELECT 1 FROM pg_authid", DENY),
    ("tables: {allow: ['pg_catalog.*'], deny: [pg_authid]}", "SELECT passwd FROM pg_shadow", DENY),
    ("tables: {allow: ['information_schema.*']}", "SELECT 1 FROM information_schema.tables", None),
    ("tables: {allow: ['information_schema.*']}", "SELECT 1 FROM pg_class", SYSTEM),
    # Views read what their definitions read.
    ("tables: {deny: ['hr.*']}", "SELECT id FROM analytics.team", DENY),
    ("tables: {deny: ['hr.*']}", "SELECT name FROM analytics.team_report", DENY),
    ("tables: {deny: ['hr.*']}", "SELECT 1 FROM analytics.daily_sales", None),
    ("tables: {deny: [analytics.team]}", "SELECT name FROM analytics.team_report", DENY),
    ("tables: {deny: [products]}", "SELECT 1 FROM analytics.product_sales", DENY),
    # A view that is allowed by its exact name is reviewed; a wildcard reviews nothing.
    ("tables: {allow: [analytics.team], deny: ['hr.*']}", "SELECT id FROM analytics.team", None),
    ("tables: {allow: [team], deny: ['hr.*']}", "SELECT id FROM analytics.team", None),
    ("tables: {allow: ['analytics.*'], deny: ['hr.*']}", "SELECT id FROM analytics.team", DENY),
    ("tables: {allow: ['analytics.tea?'], deny: ['hr.*']}", "SELECT id FROM analytics.team", DENY),
    ("tables: {allow: ['*', analytics.team], deny: ['hr.*']}", "SELECT id FROM analytics.team", None),
    ("tables: {allow: [analytics.team], deny: ['hr.*']}", "SELECT name FROM analytics.team_report", None),
    ("tables: {allow: [analytics.team_report], deny: ['hr.*']}", "SELECT name FROM analytics.team", DENY),
    ("tables: {allow: [analytics.team], deny: ['hr.*']}", "SELECT id FROM hr.employees", DENY),
    ("tables: {allow: [analytics.team], deny: ['hr.*', team]}", "SELECT id FROM analytics.team", DENY),
    ("tables: {default: deny, allow: [analytics.daily_sales]}", "SELECT day FROM analytics.daily_sales", None),
    # Partitions share the rows of their parents.
    ("tables: {deny: [web_events]}", "SELECT 1 FROM web_events_2026_01", DENY),
    ("tables: {deny: [web_events_2026_01]}", "SELECT 1 FROM web_events", DENY),
    ("tables: {deny: [web_events_2026_01]}", "SELECT 1 FROM web_events_2026_02", None),
    # Types of hidden schemas and tables tell labels and fields.
    ("tables: {deny: [order_status]}", "SELECT 'paid'::order_status", DENY),
    ("tables: {deny: ['hr.*']}", "SELECT NULL::hr.employees", DENY),
    ("tables: {deny: ['hr.*']}", "SELECT 'paid'::order_status", None),
]


@pytest.mark.parametrize(("policy", "sql", "rule"), CASES)
def test_relations(decide: Decide, policy: str, sql: str, rule: str | None) -> None:
    if sql.startswith("EXPLAIN"):
        policy += "\nstatements: {allow: [select, explain]}"
    decision = decide(policy, sql)
    assert decision.allowed is (rule is None), decision.findings
    if rule is not None:
        assert rule in {finding.rule for finding in decision.findings}


def test_a_finding_names_the_relation_at_its_place(decide: Decide) -> None:
    sql = "SELECT 1 FROM stores, HR . Payroll p"
    [finding] = decide("tables: {deny: ['hr.*']}", sql).findings
    assert finding.span is not None
    assert sql[finding.span.start : finding.span.end] == "HR . Payroll"
    assert "hr.payroll" in finding.message


def test_every_use_has_its_finding(decide: Decide) -> None:
    decision = decide(
        "tables: {deny: [orders]}",
        "SELECT 1 FROM orders a JOIN orders b USING (id) WHERE id IN (SELECT id FROM orders)",
    )
    assert [finding.rule for finding in decision.findings] == ["tables/denied"] * 3


def test_a_view_does_not_tell_what_it_hides(decide: Decide) -> None:
    [finding] = decide("tables: {deny: ['hr.*']}", "SELECT id FROM analytics.team").findings
    assert "employees" not in finding.message + finding.remediation
