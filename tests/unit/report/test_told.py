"""What refusals tell a client: a hidden name and a missing one look alike; authors see the difference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pg_guard.report.told import told

if TYPE_CHECKING:
    from pg_guard.guard import Guard

TABLES = [
    ("hr.payroll", "hr.no_such"),
    ("hr.payroll", "xx.payroll"),
    ("hr.employees", "hr.employeez"),
    ('"Secret Stuff"', '"Secret Stufz"'),
    ("analytics.team", "analytics.teax"),
    ("audit.log", "audix.log"),
    ("audit_trail", "audix_trail"),
]
ON_TABLES = [
    "SELECT * FROM {}",
    "SELECT count(*) FROM {} x",
    "SELECT salary FROM {}",
    "SELECT no_column FROM {}",
    "SELECT x.id + 1 FROM {} x WHERE x.name LIKE 'a' AND x.nope ~ 'b'",
    "SELECT (x).id FROM {} x",
    "SELECT x FROM {} x",
    "SELECT o.id FROM orders o JOIN {} x ON x.id = o.id",
    "SELECT o.id FROM orders o NATURAL JOIN {} x",
    "SELECT o.id FROM orders o JOIN {} x USING (id)",
    "SELECT 1 FROM orders WHERE id IN (SELECT id FROM {})",
    "WITH a AS (SELECT * FROM {}) SELECT a.id FROM a",
    "SELECT abs(x.id) FROM {} x",
    "TABLE {}",
    "SELECT 1 FROM {} TABLESAMPLE system(1)",
    "SELECT pg_read_file('x') FROM {}",
    "DELETE FROM {}",
    "EXPLAIN SELECT * FROM {}",
    "SELECT * FROM {} FOR UPDATE",
    "SELECT row_to_json(x) FROM {} x",
    "SELECT count(*) FROM ONLY {}",
    "SELECT 1 FROM {} x(a, b, c, d, e, f, g, h, i, j, k, l, m, n)",
    "SELECT xmin FROM {}",
    "SELECT 1 FROM web_events, {}",
    "SELECT 1; SELECT * FROM {}",
    "SELECT 1 FROM orders a, orders b, orders c, orders d, orders e, orders f, orders g, orders h, {}",
]
AS_TYPES = ["SELECT null::{}", "SELECT (null::{}).id", "SELECT array[null::{}]", "SELECT coalesce(null::{}[], null)"]
COLUMNS = [("password_hash", "password_hasx"), ("ssn", "ssm"), ("card_token", "card_tokex")]
ON_COLUMNS = [
    "SELECT {} FROM customers",
    "SELECT c.{} FROM customers c",
    "SELECT id FROM customers WHERE {} = 'x'",
    "SELECT id FROM customers WHERE {} = 1",
    "SELECT abs({}) FROM customers",
    "SELECT {} + 1 FROM customers",
    "SELECT id FROM customers ORDER BY {}",
    "SELECT count(*) FROM customers GROUP BY {}",
    "SELECT (c).{} FROM customers c",
    "SELECT a.id FROM customers a JOIN customers b USING ({})",
    "SELECT a.id FROM customers a JOIN customers b ON a.{0} = b.{0}",
    "SELECT o.id FROM orders o JOIN customers c ON c.id = o.customer_id AND {} IS NULL",
    "WITH q AS (SELECT {} AS y FROM customers) SELECT y FROM q",
    "SELECT q.{} FROM (SELECT * FROM customers) q",
    "SELECT sum(length({})) FROM customers",
    "SELECT {}::int FROM customers",
    "SELECT max({0}) OVER (PARTITION BY {0}) FROM customers",
    "SELECT (SELECT {}) FROM customers",
    "SELECT public.customers.{} FROM public.customers",
    "SELECT DISTINCT ON ({}) id FROM customers",
    "SELECT substring({} from 1) FROM customers",
    "SELECT (SELECT c FROM customers c LIMIT 1).{}",
    "SELECT badge({}) FROM customers",
    "SELECT pg_read_file({}) FROM customers",
    "SELECT c FROM customers c WHERE c.{} = 1",
]
ON_FUNCTIONS = [
    "SELECT {}(1)",
    "SELECT {}(id) FROM orders",
    "SELECT {}('a', 'b')",
    "SELECT {}(name) + 1 FROM customers",
    "SELECT * FROM {}(1)",
    "SELECT t.x FROM {}(1) t",
    "SELECT c.{} FROM customers c",
    "SELECT {}(ssn) FROM customers",
    "SELECT ({}(1)).a",
    "SELECT public.{}(1)",
]


def shown(guard: Guard, template: str, name: str) -> list[object]:
    decision = told(guard.check(template.format(name)), guard)
    assert decision.effect == "deny", decision.statement
    plain = name.strip('"')
    # The names have the same length, so that places can be compared; what is told besides the name must be the same.
    return [
        (
            each.rule,
            each.severity,
            each.effect,
            each.message.replace(plain, "?"),
            each.remediation,
            each.span and each.span.start,
        )
        for each in decision.findings
    ]


def looks_alike(guard: Guard, template: str, hidden: str, missing: str) -> None:
    if template.count("{") == 1 or len(hidden) == len(missing):
        assert shown(guard, template, hidden) == shown(guard, template, missing)


@pytest.mark.parametrize(("hidden", "missing"), TABLES)
@pytest.mark.parametrize("template", ON_TABLES)
def test_hidden_and_missing_tables_look_alike(demo_guard: Guard, template: str, hidden: str, missing: str) -> None:
    looks_alike(demo_guard, template, hidden, missing)


@pytest.mark.parametrize("template", AS_TYPES)
def test_hidden_and_missing_types_look_alike(demo_guard: Guard, template: str) -> None:
    looks_alike(demo_guard, template, "hr.payroll", "hr.no_such")
    looks_alike(demo_guard, template, '"Secret Stuff"', '"Secret Stufz"')


@pytest.mark.parametrize(("hidden", "missing"), COLUMNS)
@pytest.mark.parametrize("template", ON_COLUMNS)
def test_hidden_and_missing_columns_look_alike(demo_guard: Guard, template: str, hidden: str, missing: str) -> None:
    looks_alike(demo_guard, template, hidden, missing)


@pytest.mark.parametrize("template", ON_FUNCTIONS)
def test_hidden_and_missing_functions_look_alike(demo_guard: Guard, template: str) -> None:
    looks_alike(demo_guard, template, "badge", "bandy")


def test_authors_see_the_difference_and_the_record_is_exact(demo_guard: Guard) -> None:
    hidden, missing = demo_guard.check("SELECT 1 FROM audit_trail"), demo_guard.check("SELECT 1 FROM audix_trail")
    assert [each.rule for each in hidden.findings] == ["tables/denied"]
    assert [each.rule for each in missing.findings] == ["sql/unknown-name"]
    assert "about" not in hidden.findings[0].to_dict()
    assert [each.rule for each in told(missing, demo_guard).findings] == ["tables/denied"]
    assert told(missing, demo_guard).digests == missing.digests


def test_what_helps_is_still_told(demo_guard: Guard) -> None:
    decision = told(demo_guard.check("SELECT nam FROM regions"), demo_guard)
    (finding,) = decision.findings
    assert finding.message == 'There is no column "nam" that may be read.'
    assert "permitted are id, name" in finding.remediation
    star = told(demo_guard.check("SELECT * FROM customers"), demo_guard)
    assert "permitted are id, tenant_id, name" in star.findings[0].remediation
    by_text = told(demo_guard.check("SELECT 1; SELECT 2"), demo_guard)
    assert [each.rule for each in by_text.findings] == ["statement/multiple"]


def test_an_allowed_statement_is_told_as_it_is(demo_guard: Guard) -> None:
    decision = demo_guard.check("SELECT 1")
    assert told(decision, demo_guard) is decision
