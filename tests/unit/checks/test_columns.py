"""`columns`: a hidden column is refused wherever it is read, and no refusal names it to who did not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from pg_guard.decision import Decision

    Decide = Callable[[str, str], Decision]

HIDE = "columns: {deny: {customers: [password_hash, '*_token']}}"


@pytest.mark.parametrize(
    ("sql", "allowed"),
    [
        ("SELECT id, name FROM customers", True),
        ("SELECT password_hash FROM customers", False),
        ("SELECT PassWord_Hash FROM CUSTOMERS", False),
        ('SELECT "password_hash" FROM customers', False),
        ("SELECT card_token FROM customers", False),
        ("SELECT c.card_token AS id FROM customers c", False),
        ("SELECT 1 FROM customers WHERE password_hash LIKE 'a%'", False),
        ("SELECT 1 FROM customers ORDER BY card_token", False),
        ("SELECT count(*) FROM customers GROUP BY card_token", False),
        ("SELECT count(*) FROM customers HAVING max(card_token) > 'a'", False),
        ("SELECT count(*) FILTER (WHERE card_token > 'a') FROM customers", False),
        ("SELECT row_number() OVER (ORDER BY card_token) FROM customers", False),
        ("SELECT row_number() OVER w FROM customers WINDOW w AS (PARTITION BY card_token)", False),
        ("SELECT DISTINCT ON (card_token) id FROM customers", False),
        ("SELECT 1 FROM customers a JOIN customers b USING (card_token)", False),
        ("SELECT 1 FROM customers a NATURAL JOIN customers b", False),
        ("SELECT 1 FROM customers a JOIN customers b ON a.card_token = b.card_token", False),
        ("SELECT (SELECT c.card_token) FROM customers c", False),
        ("SELECT 1 FROM customers c, LATERAL (SELECT c.card_token) x", False),
        ("SELECT x FROM customers AS c(a, b, c2, d, e, f, g, h, i, j, k, x)", False),
        ("WITH c(x) AS (SELECT card_token FROM customers) SELECT x FROM c", False),
        ("SELECT * FROM customers", False),
        ("SELECT c.* FROM customers c", False),
        ("SELECT c FROM customers c", False),
        ("SELECT to_jsonb(c) FROM customers c", False),
        ("SELECT (c).card_token FROM customers c", False),
        ("SELECT card_token(c) FROM customers c", False),
        ("TABLE customers", False),
        ("SELECT id FROM customers UNION SELECT * FROM (TABLE customers) x", False),
        ("SELECT count(*) FROM customers", True),
        ("SELECT * FROM (SELECT id, name FROM customers) c", True),
        ("SELECT c FROM (SELECT id, name FROM customers) c", True),
        ("SELECT * FROM orders", True),
        ("SELECT 'password_hash' AS password_hash", True),
        ("SELECT o.id AS card_token FROM orders o ORDER BY card_token", True),
        ("SELECT password_hash FROM (SELECT 'x' AS password_hash FROM customers) c", True),
        ("SELECT id, name FROM analytics.customer_export", True),
        ("SELECT token FROM analytics.customer_export", False),
        ("SELECT * FROM analytics.customer_export", False),
        ("SELECT * FROM analytics.customer_value", True),
    ],
)
def test_hidden_columns(decide: Decide, sql: str, allowed: bool) -> None:
    decision = decide(HIDE, sql)
    assert decision.allowed is allowed, decision.findings
    assert {finding.rule for finding in decision.findings} == (set() if allowed else {"columns/denied"})


@pytest.mark.parametrize(
    ("deny", "sql", "allowed"),
    [
        ("{customers: [PASSWORD_HASH]}", "SELECT password_hash FROM customers", False),
        ("{CUSTOMERS: [ssn]}", "SELECT ssn FROM customers", False),
        ("{public.customers: [ssn]}", "SELECT ssn FROM customers", False),
        ("{hr.customers: [ssn]}", "SELECT ssn FROM customers", True),
        ("{'*': [ssn]}", "SELECT ssn FROM customers", False),
        ("{'*': [ssn]}", "SELECT * FROM orders", True),
        ("{'cust*': ['s?n']}", "SELECT ssn FROM customers", False),
        ("{'hr.*': ['*_id']}", "SELECT national_id FROM hr.employees", False),
        ("{'hr.*': ['*_id']}", "SELECT id, name FROM hr.employees", True),
        ("{'hr.*': ['*_id']}", "SELECT customer_id FROM orders", True),
        ("{orders: ['*']}", "SELECT id FROM orders", False),
        ("{orders: ['*']}", "SELECT count(*) FROM orders", True),
        ("{Secret Stuff: [Value]}", 'SELECT "Value" FROM "Secret Stuff"', False),
        ("{Secret Stuff: [value]}", 'SELECT "Value" FROM "Secret Stuff"', False),
        ("{Secret Stuff: [Value]}", 'SELECT id FROM "Secret Stuff"', True),
        ("{web_events: [client_ip]}", "SELECT client_ip FROM web_events_2026_01", False),
        ("{web_events_2026_01: [client_ip]}", "SELECT client_ip FROM web_events", False),
        ("{web_events_2026_01: [client_ip]}", "SELECT kind FROM web_events", True),
        ("{products: [cost]}", "SELECT margin FROM products", False),
        ("{products: [cost]}", "SELECT price FROM products", True),
        ("{employees: [salary]}", "SELECT yearly FROM analytics.team_report", False),
        ("{employees: [salary]}", "SELECT name FROM analytics.team_report", True),
        ("{team: [salary]}", "SELECT salary FROM analytics.team", False),
        ("{team: [salary]}", "SELECT yearly FROM analytics.team_report", False),  # a view over the view
        ("{orders: [status]}", "SELECT revenue FROM analytics.daily_sales", False),  # its WHERE reads status
    ],
)
def test_patterns(decide: Decide, deny: str, sql: str, allowed: bool) -> None:
    decision = decide(f"columns: {{deny: {deny}}}", sql)
    assert decision.allowed is allowed, decision.findings


def test_a_reviewed_view_may_show_hidden_columns(decide: Decide) -> None:
    policy = HIDE + "\ntables: {allow: [analytics.customer_export]}"
    assert decide(policy, "SELECT token FROM analytics.customer_export").allowed
    assert not decide(policy, "SELECT card_token FROM customers").allowed
    wildcard = HIDE + "\ntables: {allow: ['analytics.*']}"
    assert not decide(wildcard, "SELECT token FROM analytics.customer_export").allowed


@pytest.mark.parametrize(
    "sql",
    ["SELECT * FROM customers", "SELECT c.* FROM customers c", "SELECT c FROM customers c", "SELECT to_jsonb(c) FROM customers c",
     "SELECT * FROM analytics.customer_export",
     "SELECT id FROM customers a NATURAL JOIN customers b"],
)  # fmt: skip
def test_a_refusal_names_permitted_columns_and_no_hidden_one(decide: Decide, sql: str) -> None:
    for finding in decide(HIDE, sql).findings:
        assert "card_token" not in finding.message + finding.remediation
        assert "password_hash" not in finding.message + finding.remediation
        if "*" in sql and "analytics" not in sql:
            assert "id, tenant_id, name, email" in finding.remediation


def test_a_star_over_several_hidden_columns_is_one_finding(decide: Decide) -> None:
    sql = "SELECT o.id, c.* FROM orders o, customers c"
    [finding] = decide(HIDE, sql).findings
    assert finding.span is not None
    assert sql[finding.span.start : finding.span.end] == "c.*"


def test_each_place_has_its_finding(decide: Decide) -> None:
    decision = decide(HIDE, "SELECT card_token FROM customers WHERE password_hash > 'a' ORDER BY card_token")
    assert len(decision.findings) >= 2
    assert all(finding.span is not None for finding in decision.findings)
