"""Statements on which facts and PostgreSQL once differed, and those that the generator meets too rarely."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.differential.generator import Generator

if TYPE_CHECKING:
    from pg_guard.catalog.model import Catalog
    from tests.differential.compare import Comparer
    from tests.differential.oracle import Oracle

STATEMENTS = {
    "variadic and plain": "SELECT jsonb_delete(jsonb '[1,2]', CAST('' AS text))",
    "type of NULLIF": "SELECT min(NULLIF('2026-01-02', timestamptz '2026-01-03'))",
    "type of NULLIF after conversion": "SELECT min(NULLIF(varchar 'a', text 'b'))",
    "one table function, several arrays": "SELECT f.n + 1 FROM orders NATURAL JOIN unnest('{a}'::text[], ARRAY[1])"
    " AS f (tag, n)",
    "rows of several functions": "SELECT a.id FROM ROWS FROM (generate_series(1, 2), unnest(ARRAY['x'])) AS f (n, b)"
    " NATURAL FULL JOIN regions a",
    "OUT parameter before alias": "SELECT k.key FROM jsonb_each('{}') k, jsonb_array_elements('[]') AS x WHERE x.value IS NULL",
    "type of CASE": "SELECT min(CASE WHEN true THEN name ELSE country END) FROM regions",
    "element of an array": "SELECT array_sort(many || many) FROM ticket_shelf",
    "single column of a table function": "SELECT value::text FROM jsonb_array_elements('[1]') AS other",
    "composite result of a function": "SELECT s.name, s FROM staff() AS s",
    "function over an alias that is a column too": "SELECT salary(employees) FROM hr.employees",
    "row next to an open source": "SELECT (b)::text FROM web_events b, unnest(ARRAY[id]) u",
    "field of a row": "SELECT (departments).id FROM hr.departments",
    "row comparison in the select list": "SELECT (ticket '(1)', 1) = ('(2)'::ticket, 2)",
    "row comparison with IN": "SELECT (number, 1) IN ((ticket '(1)', 2), (ticket '(2)', 3)) FROM tickets",
    "row comparison with BETWEEN": "SELECT (number, 1) BETWEEN (number, 1) AND (number, 2) FROM tickets",
    "NOT BETWEEN": "SELECT number NOT BETWEEN ticket '(1)' AND ticket '(2)' FROM tickets",
    "BETWEEN SYMMETRIC": "SELECT number BETWEEN SYMMETRIC ticket '(1)' AND '(2)' FROM tickets",
    "BETWEEN of two types": "SELECT status NOT BETWEEN 'paid' AND 'paid'::order_status FROM orders",
    "BETWEEN of two types as a condition": "SELECT id FROM regions WHERE name BETWEEN '(1)' AND '(1)'::staff_ref",
    "IN of two types as a condition": "SELECT id FROM regions WHERE name IN ('(1)', '(1)'::staff_ref)",
    "USING compares": "SELECT 1 FROM tickets a JOIN tickets b USING (number)",
    "NATURAL compares": "SELECT 1 FROM tickets a NATURAL JOIN tickets b",
    "merged column has the common type": "SELECT avg(s.id) FROM (staff_directory_3 NATURAL FULL JOIN payments) AS s",
    "merged column of an inner join": "SELECT avg(id) FROM staff_directory_3 JOIN payments USING (id)",
    "sorting a polymorphic OUT column": "SELECT rank() OVER (ORDER BY x) FROM information_schema._pg_expandarray(ARRAY[ticket '(1)'])",
    "sorting": "SELECT number FROM tickets ORDER BY number DESC",
    "grouping": "SELECT number FROM tickets GROUP BY number",
    "distinct": "SELECT DISTINCT number FROM tickets",
    "distinct on": "SELECT DISTINCT ON (number) id FROM tickets",
    "union": "SELECT number FROM tickets UNION SELECT number FROM tickets",
    "window": "SELECT rank() OVER (PARTITION BY number ORDER BY number) FROM tickets",
    "ordered aggregate": "SELECT array_agg(id ORDER BY number) FROM tickets",
    "distinct aggregate": "SELECT count(DISTINCT number) FROM tickets",
    "USING in ORDER BY": "SELECT number FROM tickets ORDER BY number USING <",
    "domain gives way to its base next to a literal": "SELECT lower(COALESCE('a@b.example', email)) FROM customers",
    "attribute notation": "SELECT (id).chr, c.contact FROM customers c",
    "alias list over a view": "SELECT x.a FROM staff_renamed AS x (a, b)",
    "CTE over a table of its own name": "WITH employees AS (SELECT * FROM hr.employees) SELECT id FROM employees",
    "natural join of nothing": "SELECT count(*) FROM regions NATURAL JOIN (SELECT 1 AS one) x",
    "whole row of a join alias": "SELECT j FROM (regions r JOIN stores s ON true) AS j (a, b)",
    "lateral function": "SELECT t FROM products p, unnest(p.tags) t",
    "named notation": "SELECT net_price(vat => 0.1, gross => 5), make_interval(days => 3)",
    "system column": "SELECT ctid, tableoid, o.xmin FROM orders o",
}


@pytest.mark.parametrize("sql", STATEMENTS.values(), ids=STATEMENTS.keys())
async def test_the_facts_are_exact(sql: str, oracle: Oracle, comparer: Comparer) -> None:
    (resolved,) = await oracle.resolve([sql])
    assert not resolved.problem
    difference = comparer.compare(sql, resolved)
    assert not difference.misses
    assert not difference.notes
    assert not difference.surplus


async def test_the_comparison_sees_what_is_missing(oracle: Oracle, comparer: Comparer) -> None:
    sql, other = "SELECT ssn, upper(name), badge(1) FROM customers", "SELECT 1 FROM tickets"
    (resolved,) = await oracle.resolve([sql])
    misses = comparer.compare(other, resolved).misses
    assert "relation public.customers" in misses
    assert "column public.customers.ssn" in misses
    assert "call of pg_catalog.upper(text)" in misses
    assert "call of public.badge(int4)" in misses


async def test_the_comparison_sees_what_is_too_much(oracle: Oracle, comparer: Comparer) -> None:
    (resolved,) = await oracle.resolve(["SELECT 1 FROM customers"])
    surplus = comparer.compare("SELECT badge(1) FROM customers WHERE ssn = ''", resolved).surplus
    assert surplus == ("call of public.badge", "column public.customers.ssn")


@pytest.mark.parametrize("sql", ["SELECT FROM FROM", "SELECT nothing FROM customers", "SELECT 1; DROP TABLE customers"])
async def test_a_refused_text_is_told_apart(sql: str, oracle: Oracle) -> None:
    (resolved,) = await oracle.resolve([sql])
    assert resolved.problem


async def test_resolving_changes_nothing(oracle: Oracle, ground_dsn: str) -> None:
    first = await oracle.resolve(["SELECT number FROM tickets", "SELECT 1"])
    assert await oracle.resolve(["SELECT number FROM tickets", "SELECT 1"]) == first


async def test_without_a_catalog_nothing_is_missed_either(ground: Catalog, oracle: Oracle, comparer: Comparer) -> None:
    generator = Generator(ground, 18)
    compared = 0
    for _ in range(30):
        statements = [generator.statement() for _ in range(100)]
        for sql, resolved in zip(statements, await oracle.resolve(statements), strict=True):
            if not resolved.problem:
                compared += 1
                assert comparer.misses_without_catalog(sql, resolved) == [], sql
    assert compared > 500


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT e.* FROM (customers c JOIN orders o ON true) AS e",
        "SELECT e.x FROM (customers c JOIN orders o ON true) AS e (x, y)",
        "SELECT e.ssn FROM (customers c JOIN orders o ON true) AS e",
        "SELECT e FROM (customers c JOIN orders o ON true) AS e",
        "SELECT c FROM customers c",
        "SELECT c.to_jsonb FROM customers c",
        "SELECT (id).pg_try_advisory_lock FROM orders",
        "SELECT f.pg_read_file FROM unnest(ARRAY['x']) f",
    ],
)
async def test_without_a_catalog(sql: str, oracle: Oracle, comparer: Comparer) -> None:
    (resolved,) = await oracle.resolve([sql])
    assert not resolved.problem
    assert comparer.misses_without_catalog(sql, resolved) == []
