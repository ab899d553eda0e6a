"""`where.equals`: a scan shows one tenant's rows, that of the principal. Allowed statements also run on PostgreSQL twice."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pg_guard.guard import Guard
from pg_guard.policy.load import parse_policy

if TYPE_CHECKING:
    from pg_guard.catalog.model import Catalog

_SPEC = importlib.util.spec_from_file_location("predicates_tests", Path(__file__).with_name("test_predicates.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
_TWICE: Any = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_TWICE)

POLICY = """
schema: pg-guard/policy/v1
metadata: {name: tenant, version: 1.0.0, description: Each tenant sees its own rows.}
statements: {allow: [select]}
search_path: [public]
where: [{table: [orders, payments, customers], equals: {tenant_id: ":tenant_id"}}]
principals: {reports: {match: {client: "reports-*"}, attributes: {tenant_id: 1}}}
"""

ALLOWED = [
    "SELECT sum(total) FROM orders WHERE tenant_id = 1",
    "SELECT sum(total) FROM orders WHERE 1 = tenant_id",
    "SELECT sum(total) FROM orders WHERE tenant_id = '1'",
    "SELECT sum(total) FROM orders WHERE tenant_id = 1::bigint",
    "SELECT sum(total) FROM orders WHERE tenant_id = '1'::integer",
    "SELECT sum(total) FROM orders WHERE tenant_id = CAST(1 AS integer)",
    "SELECT sum(total) FROM orders WHERE tenant_id IN (1)",
    "SELECT sum(total) FROM orders WHERE tenant_id IN (1, 1)",
    "SELECT sum(total) FROM orders WHERE tenant_id BETWEEN 1 AND 1",
    "SELECT sum(total) FROM orders WHERE tenant_id IS NOT DISTINCT FROM 1",
    "SELECT sum(total) FROM orders WHERE (tenant_id, status) = (1, 'paid')",
    "SELECT sum(total) FROM orders WHERE tenant_id = (SELECT 1)",
    "SELECT sum(total) FROM orders WHERE (tenant_id = 1 AND status = 'paid') OR (tenant_id = 1 AND total > 5)",
    "SELECT count(*) FROM orders o JOIN customers c ON c.id = o.customer_id AND c.tenant_id = o.tenant_id WHERE o.tenant_id = 1",
    "SELECT count(*) FROM orders o JOIN customers c USING (tenant_id) WHERE tenant_id = 1",
    "WITH own AS (SELECT * FROM orders WHERE tenant_id = 1) SELECT status, count(*) FROM own GROUP BY status",
    "SELECT * FROM (SELECT tenant_id, total FROM orders) x WHERE tenant_id = 1",
    "SELECT tenant_id, count(*) FROM orders GROUP BY tenant_id HAVING tenant_id = 1",
    "SELECT id FROM orders WHERE tenant_id = 1 UNION ALL SELECT id FROM payments WHERE tenant_id = 1",
    "WITH me AS (SELECT 1 AS t) SELECT count(*) FROM orders o JOIN me ON me.t = o.tenant_id",
    "SELECT c.name FROM customers c WHERE c.tenant_id = 1 AND EXISTS (SELECT 1 FROM orders o WHERE o.tenant_id = c.tenant_id)",
    "SELECT (SELECT max(o.id) FROM orders o WHERE o.tenant_id = 1 AND o.customer_id = c.id) FROM customers c WHERE tenant_id = 1",
    "SELECT country, count(*) FROM customers WHERE tenant_id = 1 GROUP BY ROLLUP (country)",
]

REFUSED = [
    "SELECT sum(total) FROM orders",
    "SELECT sum(total) FROM orders WHERE tenant_id = 2",
    "SELECT sum(total) FROM orders WHERE tenant_id IN (1, 2)",
    "SELECT sum(total) FROM orders WHERE tenant_id = ANY ('{1,2}')",
    "SELECT sum(total) FROM orders WHERE tenant_id = ANY (ARRAY[2])",
    "SELECT sum(total) FROM orders WHERE tenant_id = 1 OR tenant_id = 2",
    "SELECT sum(total) FROM orders WHERE tenant_id BETWEEN 2 AND 2",
    "SELECT sum(total) FROM orders WHERE tenant_id BETWEEN 1 AND 2",
    "SELECT sum(total) FROM orders WHERE tenant_id = -1",
    "SELECT sum(total) FROM orders WHERE tenant_id = +2",
    "SELECT sum(total) FROM orders WHERE tenant_id = 1 + 1",
    "SELECT sum(total) FROM orders WHERE tenant_id = '12'::varchar(1)::integer",
    "SELECT sum(total) FROM orders WHERE tenant_id = 2::boolean::integer + 1",
    "SELECT sum(total) FROM orders WHERE tenant_id = '1.6'::numeric(2, 0)",
    "SELECT sum(total) FROM orders WHERE tenant_id = 1.6::integer",
    "SELECT sum(total) FROM orders WHERE tenant_id = ('1' || '0')::integer",
    "SELECT sum(total) FROM orders WHERE tenant_id = $1",
    "SELECT sum(total) FROM orders WHERE tenant_id = (SELECT 2)",
    "SELECT sum(total) FROM orders WHERE tenant_id = (SELECT 1 UNION SELECT 2 ORDER BY 1 DESC LIMIT 1)",
    "SELECT sum(total) FROM orders WHERE tenant_id IN (SELECT 1 UNION SELECT 2)",
    "SELECT sum(total) FROM orders WHERE tenant_id IN (VALUES (1), (2))",
    "SELECT sum(total) FROM orders WHERE tenant_id IN (SELECT unnest('{1,2}'::integer[]))",
    "SELECT count(*) FROM orders o JOIN unnest('{2}'::integer[]) AS t (id) ON t.id = o.tenant_id",
    "WITH me AS (SELECT 2 AS t) SELECT count(*) FROM orders o JOIN me ON me.t = o.tenant_id",
    "SELECT count(*) FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.tenant_id = 1",
    "SELECT count(*) FROM orders o LEFT JOIN customers c ON c.tenant_id = o.tenant_id AND o.tenant_id = 2",
    "SELECT id FROM orders WHERE tenant_id = 1 UNION ALL SELECT id FROM payments WHERE tenant_id = 2",
    "SELECT * FROM (SELECT 1 AS tenant_id, total FROM orders) x WHERE tenant_id = 1",
    "SELECT * FROM (SELECT tenant_id + 1 AS tenant_id, total FROM orders) x WHERE tenant_id = 1",
    "SELECT c.name FROM customers c WHERE c.tenant_id = 1 AND EXISTS (SELECT 1 FROM orders o WHERE o.tenant_id = 2)",
    "SELECT tenant_id, count(*) FROM orders GROUP BY tenant_id HAVING tenant_id = 2",
    "SELECT sum(total) FROM orders WHERE tenant_id IN (1, NULL, 2)",
    "SELECT sum(total) FROM orders WHERE (tenant_id, status) IN ((1, 'paid'), (2, 'paid'))",
    "SELECT sum(total) FROM orders WHERE tenant_id = 1 IS NOT TRUE",
]


@pytest.fixture(scope="module")
def guard(demo_catalog: Catalog) -> Guard:
    return Guard(parse_policy(POLICY).policy, demo_catalog)


def _rules(guard: Guard, sql: str, principal: dict[str, object] | None) -> set[str]:
    return {finding.rule for finding in guard.check(sql, principal).findings}


@pytest.mark.parametrize("sql", ALLOWED)
def test_own_rows(guard: Guard, sql: str) -> None:
    assert _rules(guard, sql, {"tenant_id": 1}) == set()
    assert _rules(guard, sql, {"tenant_id": "1"}) == set()
    assert _rules(guard, sql, {"client": "reports-7"}) == set()


@pytest.mark.parametrize("sql", ALLOWED)
def test_rows_of_somebody_else(guard: Guard, sql: str) -> None:
    assert _rules(guard, sql, {"tenant_id": 2}) == {"where/other-value"}
    # The policy's word on this client stands above the client's own.
    assert _rules(guard, sql, {"client": "reports-7", "tenant_id": 2}) == set()


@pytest.mark.parametrize("sql", [*ALLOWED, *REFUSED])
@pytest.mark.parametrize("principal", [None, {}, {"tenant_id": None}, {"tenant_id": [1]}, {"client": "web"}])
def test_nobody_in_particular(guard: Guard, sql: str, principal: dict[str, object] | None) -> None:
    assert "where/no-principal" in _rules(guard, sql, principal)


@pytest.mark.parametrize("sql", REFUSED)
def test_other_rows(guard: Guard, sql: str) -> None:
    assert "where/other-value" in _rules(guard, sql, {"tenant_id": 1})


async def test_own_rows_do_not_follow_those_of_others(demo_dsn: str) -> None:
    for sql, (before, after) in zip(ALLOWED, await _TWICE.run_twice(demo_dsn, ALLOWED), strict=True):
        assert not before.startswith("error"), (sql, before)
        assert before == after, sql


async def test_refused_statements_are_valid_and_most_follow_the_rows_of_others(demo_dsn: str) -> None:
    outputs = await _TWICE.run_twice(demo_dsn, REFUSED)
    assert [(sql, out[0]) for sql, out in zip(REFUSED, outputs, strict=True) if out[0].startswith("error")] == []
    assert sum(before != after for before, after in outputs) > len(REFUSED) * 0.6


@pytest.mark.parametrize(
    ("value", "sql", "allowed"),
    [
        ("DE", "SELECT count(*) FROM customers WHERE country = 'DE'", True),
        ("DE", "SELECT count(*) FROM customers WHERE country = 'de'", False),
        ("DE", "SELECT count(*) FROM customers WHERE country = 'DEx'::varchar(2)", False),
        ("DE", "SELECT count(*) FROM customers WHERE lower(country) = 'DE'", False),
        ("DE", "SELECT count(*) FROM customers WHERE country LIKE 'DE'", False),
        ("O'Hara", "SELECT count(*) FROM customers WHERE country = 'O''Hara'", True),
        ("O'Hara", "SELECT count(*) FROM customers WHERE country = E'O\\'Hara'", True),
        ("", "SELECT count(*) FROM customers WHERE country = ''", True),
        ("", "SELECT count(*) FROM customers WHERE country = 'DE'", False),
        (":x", "SELECT count(*) FROM customers WHERE country = ':x'", True),
    ],
)
def test_texts(demo_catalog: Catalog, value: str, sql: str, allowed: bool) -> None:
    policy = parse_policy(POLICY.replace("tenant_id: ", "country: ").replace(":tenant_id", ":country")).policy
    assert Guard(policy, demo_catalog).check(sql, {"country": value}).allowed is allowed


def test_a_value_of_the_policy_itself(demo_catalog: Catalog) -> None:
    policy = parse_policy(POLICY.replace('":tenant_id"', "3")).policy
    guard = Guard(policy, demo_catalog)
    assert guard.check("SELECT count(*) FROM orders WHERE tenant_id = 3").allowed
    assert _rules(guard, "SELECT count(*) FROM orders WHERE tenant_id = 1", {"tenant_id": 1}) == {"where/other-value"}


def test_the_refusal_tells_what_to_write(guard: Guard) -> None:
    finding = guard.check("SELECT count(*) FROM orders AS o", {"tenant_id": 1}).findings[0]
    assert "o.tenant_id = 1" in finding.remediation


def test_without_a_catalog() -> None:
    guard = Guard(parse_policy(POLICY).policy)
    assert guard.check("SELECT count(*) FROM orders WHERE tenant_id = 1", {"tenant_id": 1}).allowed
    assert not guard.check("SELECT count(*) FROM orders WHERE tenant_id = 2", {"tenant_id": 1}).allowed


async def test_random_statements_show_one_tenant(guard: Guard, demo_dsn: str) -> None:
    generator = _TWICE.Generator(77)
    texts = [generator.statement() for _ in range(1_500)]
    # With a second tenant that exists, a list that is taken for one value would show.
    statements = [text.replace("(1, 9)", "(1, 2)").replace("ARRAY[1, 9]", "ARRAY[1, 2]") for text in texts]
    allowed = [sql for sql in statements if guard.check(sql, {"tenant_id": 1}).allowed]
    assert [sql for sql in allowed if guard.check(sql, {"tenant_id": 2}).allowed] == []
    outputs = await _TWICE.run_twice(demo_dsn, allowed)
    done = [(sql, pair) for sql, pair in zip(allowed, outputs, strict=True) if "error 57014" not in pair]
    assert [sql for sql, (before, after) in done if before != after] == []
    seen = [before for before, _ in outputs if not before.startswith("error") and "(0, None" not in before]
    assert len(seen) > 50
