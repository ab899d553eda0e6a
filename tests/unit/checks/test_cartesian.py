"""`joins.cartesian`: relations that no condition links are refused or told of, whatever the join is written like."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pg_guard.guard import Guard
from pg_guard.policy.load import parse_policy

if TYPE_CHECKING:
    from pg_guard.catalog.model import Catalog

POLICY = """
schema: pg-guard/policy/v1
metadata: {name: joins, version: 1.0.0, description: No products.}
statements: {allow: [select]}
search_path: [public]
joins: {cartesian: deny}
"""

PRODUCTS = [
    "SELECT count(*) FROM orders, customers",
    "SELECT count(*) FROM orders CROSS JOIN customers",
    "SELECT count(*) FROM orders o JOIN customers c ON true",
    "SELECT count(*) FROM orders o JOIN customers c ON o.total > 5",
    "SELECT count(*) FROM orders o LEFT JOIN customers c ON 1 = 1",
    "SELECT count(*) FROM orders o, customers c WHERE o.total > 5 AND c.id > 5",
    "SELECT count(*) FROM orders o JOIN customers c ON c.id = o.customer_id, products p",
    "SELECT (SELECT count(*) FROM orders, customers)",
    "WITH x AS (SELECT id FROM orders) SELECT count(*) FROM x, customers",
    "SELECT count(*) FROM (SELECT id FROM orders) o, (SELECT id FROM customers) c",
]
LINKED = [
    "SELECT count(*) FROM orders o JOIN customers c ON c.id = o.customer_id",
    "SELECT count(*) FROM orders o, customers c WHERE c.id = o.customer_id",
    "SELECT count(*) FROM orders o JOIN customers c ON c.created_at < o.ordered_at",
    "SELECT count(*) FROM orders o JOIN customers c USING (tenant_id)",
    "SELECT count(*) FROM orders o CROSS JOIN (SELECT avg(total) AS mean FROM orders) m WHERE o.total > m.mean",
    "SELECT o.id, (SELECT name FROM customers c WHERE c.id = o.customer_id) FROM orders o",
    "SELECT count(*) FROM orders o, LATERAL (SELECT 1 FROM customers c WHERE c.id = o.customer_id) x",
    "SELECT d, count(o.id) FROM generate_series(now(), now(), '1 day') d LEFT JOIN orders o ON o.ordered_at::date = d GROUP BY d",
    "SELECT count(*) FROM orders o, unnest(ARRAY[1, 2]) AS n",
    "SELECT count(*) FROM orders o CROSS JOIN (VALUES (1), (2)) AS v (n)",
    "SELECT count(*) FROM orders a JOIN customers c ON c.id = a.customer_id JOIN payments p ON p.order_id = a.id",
]


def _guard(catalog: Catalog | None, effect: str = "deny") -> Guard:
    return Guard(parse_policy(POLICY.replace("deny", effect)).policy, catalog)


@pytest.mark.parametrize("sql", PRODUCTS)
def test_products(demo_catalog: Catalog, sql: str) -> None:
    assert {finding.rule for finding in _guard(demo_catalog).check(sql).findings} == {"joins/cartesian"}


@pytest.mark.parametrize("sql", LINKED)
def test_linked(demo_catalog: Catalog, sql: str) -> None:
    assert _guard(demo_catalog).check(sql).findings == ()


def test_a_warning_refuses_nothing(demo_catalog: Catalog) -> None:
    decision = _guard(demo_catalog, "warn").check(PRODUCTS[0])
    assert decision.allowed
    assert [(finding.rule, finding.effect) for finding in decision.findings] == [("joins/cartesian", "warn")]


@pytest.mark.parametrize("effect", ["allow", "null"])
def test_left_out(demo_catalog: Catalog, effect: str) -> None:
    assert _guard(demo_catalog, effect).check(PRODUCTS[0]).findings == ()


def test_without_a_catalog() -> None:
    assert not _guard(None).check("SELECT 1 FROM orders, customers").allowed
    assert _guard(None).check("SELECT 1 FROM orders o JOIN customers c ON c.id = o.customer_id").allowed
