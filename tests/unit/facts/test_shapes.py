"""How statements are built: what a detailed reading says of levels, operators, joins, sub-queries, sorts and literals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pg_guard.catalog.model import Name
from pg_guard.facts.extract import extract
from pg_guard.facts.names import Names
from pg_guard.facts.reader import Reader
from pg_guard.facts.views import ViewShapes
from pg_guard.sql.text import admit
from pg_guard.sql.witness import read_postgres

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pg_guard.catalog.model import Catalog
    from pg_guard.facts.model import Facts

    Read = Callable[[str], Facts]


@pytest.fixture(scope="session")
def read(demo_catalog: Catalog) -> Read:
    return lambda sql: _read(sql, demo_catalog)


def _read(sql: str, catalog: Catalog | None, *, detailed: bool = True) -> Facts:
    reader = Reader(Names(catalog, ("public",)), ViewShapes(), max_depth=192, detailed=detailed)
    return extract(reader, read_postgres(admit(sql, max_bytes=1_000_000)).statements[0])


def _top(facts: Facts) -> Any:
    return next(use for use in facts.queries if use.role == "top")


def test_nothing_is_gathered_unless_asked_for(demo_catalog: Catalog) -> None:
    facts = _read("SELECT * FROM orders WHERE id = 1 ORDER BY id", demo_catalog, detailed=False)
    assert not facts.detailed
    assert (facts.queries, facts.operations, facts.linkages, facts.sorts, facts.literals) == ([], [], [], [], [])


def test_a_detailed_reading_decides_on_the_same_facts(demo_catalog: Catalog) -> None:
    sql = "WITH c AS (SELECT * FROM customers) SELECT c.id, lower(c.name) FROM c JOIN orders o ON o.customer_id = c.id ORDER BY 1"
    plain, detailed = _read(sql, demo_catalog, detailed=False), _read(sql, demo_catalog)
    assert plain.relations == detailed.relations
    assert plain.columns == detailed.columns
    assert plain.functions == detailed.functions
    assert plain.raw_columns == detailed.raw_columns


# -- queries -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT * FROM orders", {"star": True, "star_stored": True, "tables": 1, "stored": True, "rows": 2500.0}),
        ("SELECT o.* FROM orders o", {"star_stored": True}),
        ("SELECT * FROM (SELECT id FROM orders) q", {"star": True, "star_stored": False, "stored": False}),
        ("SELECT count(*) FROM orders", {"star": False, "aggregated": True, "single": True, "grouped": False}),
        ("SELECT 1 WHERE true", {"single": True, "has_where": True, "tables": 0}),
        ("SELECT generate_series(1, 3)", {"single": False}),
        ("SELECT id FROM orders LIMIT 1", {"limited": True, "limit": 1.0, "single": True}),
        ("SELECT id FROM orders LIMIT ALL OFFSET 0", {"limited": False, "offset": False}),
        ("SELECT id FROM orders OFFSET 20", {"offset": True, "offset_rows": 20.0, "limited": False}),
        ("SELECT id FROM orders LIMIT $1", {"limited": True, "limit": None}),
        ("SELECT DISTINCT id FROM orders", {"distinct": True, "distinct_needless": True}),
        ("SELECT DISTINCT status FROM orders", {"distinct": True, "distinct_needless": False}),
        ("SELECT DISTINCT status, count(*) FROM orders GROUP BY 1", {"distinct_needless": True}),
        ("SELECT DISTINCT count(*) FROM orders GROUP BY status", {"distinct_needless": False}),
        ("SELECT DISTINCT status FROM orders GROUP BY ROLLUP (status)", {"distinct_needless": False}),
        ("SELECT DISTINCT o.id FROM orders o JOIN order_items i ON i.order_id = o.id", {"distinct_needless": False}),
        ("SELECT DISTINCT ON (status) status FROM orders ORDER BY status", {"distinct_on": True, "distinct": False, "ordered": True}),
        ("SELECT status FROM orders GROUP BY status HAVING status = 'paid'", {"having": True, "having_plain": True}),
        ("SELECT status FROM orders GROUP BY status HAVING count(*) > 1", {"having": True, "having_plain": False}),
        ("SELECT 1 FROM orders HAVING count(*) > 1", {"having": True, "grouped": False, "having_plain": False}),
        ("SELECT id AS x, total AS x, id FROM orders", {"duplicate_outputs": ("x",)}),
        ("SELECT *, id FROM orders", {"duplicate_outputs": ()}),
        ("SELECT o.id, s.id FROM orders o, stores s", {"duplicate_outputs": ("id",)}),
        ("SELECT max(id), max(total) FROM orders", {"duplicate_outputs": ()}),
        ("SELECT status FROM orders GROUP BY CUBE (status) HAVING grouping(status) = 0", {"having_plain": False}),
        ("WITH a AS (SELECT 1), b AS (SELECT 2) SELECT * FROM b", {"unused_ctes": ("a",)}),
        ("WITH a AS (SELECT 1), b AS (SELECT * FROM a) SELECT * FROM b", {"unused_ctes": ()}),
        ("SELECT 1 AS k UNION SELECT 2", {"set_operation": "union", "disjoint": True}),
        ("SELECT 'a', id FROM orders UNION SELECT 'b', id FROM stores UNION SELECT 'c', 1", {"disjoint": True}),
        ("SELECT 'a', id FROM orders UNION SELECT 'a', id FROM stores", {"disjoint": False}),
        ("SELECT 1 UNION ALL SELECT 1", {"set_operation": "union_all", "disjoint": False}),
        ("SELECT id FROM orders EXCEPT SELECT id FROM stores LIMIT 3", {"set_operation": "except", "limit": 3.0}),
    ],
)  # fmt: skip
def test_levels(read: Read, sql: str, expected: dict[str, object]) -> None:
    found = _top(read(sql))
    assert {name: getattr(found, name) for name in expected} == expected


def test_roles_and_depths(read: Read) -> None:
    facts = read(
        "WITH c AS (SELECT 1 AS x) SELECT (SELECT max(x) FROM c), ARRAY(SELECT x FROM c) FROM (SELECT 1) q "
        "WHERE EXISTS (SELECT 1 FROM c) AND 1 IN (SELECT x FROM c UNION SELECT 3)"
    )
    found = sorted((use.role, use.depth) for use in facts.queries)
    assert found == [
        ("array", 1), ("branch", 1), ("branch", 1), ("cte", 1), ("exists", 1), ("from", 1), ("in", 1), ("scalar", 1), ("top", 0),
    ]  # fmt: skip


# -- operators -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "name", "kind", "negated"),
    [
        ("id = 1", "=", "operator", False),
        ("NOT id = 1", "=", "operator", True),
        ("id NOT IN (1, 2)", "=", "in", True),
        ("NOT id NOT IN (1, 2)", "=", "in", False),
        ("note NOT LIKE 'a%'", "~~", "like", True),
        ("note ILIKE 'a%'", "~~*", "like", False),
        ("note !~ 'a'", "~", "operator", True),
        ("note SIMILAR TO 'a%'", "similar", "similar", False),
        ("id NOT BETWEEN 1 AND 2", "between", "between", True),
        ("id IS NOT DISTINCT FROM 3", "distinct", "distinct", True),
        ("id = ANY (ARRAY[1, 2])", "=", "any", False),
        ("id <> ALL ('{1,2}')", "<>", "all", False),
        ("id % 2 IS NULL", "%", "operator", False),
    ],
)
def test_names_of_operators(read: Read, condition: str, name: str, kind: str, negated: bool) -> None:
    found = read(f"SELECT 1 FROM orders WHERE {condition}").operations[0]
    assert (found.name, found.kind, found.negated, found.use) == (name, kind, negated, "where")


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("customer_id = 1", {"kind": "column", "column": "customer_id", "indexed": True, "primary_key": False, "nullable": False}),
        ("note = 'x'", {"kind": "column", "indexed": False, "nullable": True, "rows": 2500.0}),
        ("id = 1", {"primary_key": True, "relation": Name("public", "orders"), "type": Name("pg_catalog", "int8")}),
        ("lower(note) = 'x'", {"kind": "function", "function": "lower", "function_on_column": True, "column": "note"}),
        ("ordered_at::date = '2026-01-01'", {"kind": "cast", "cast": "date", "column": "ordered_at", "indexed": True}),
        ("id + 1 = 2", {"kind": "expression", "column": "id", "indexed": True}),
        ("id + total = 2", {"kind": "expression", "column": None}),
        ("now() > ordered_at", {"kind": "function", "function": "now", "function_on_column": False, "column": None}),
        ("-5 = id", {"kind": "constant", "literal": "-5"}),
        ("'2026-01-31'::date > ordered_at", {"kind": "constant", "literal": "2026-01-31", "date_only": True}),
        ("NULL = id", {"kind": "null", "literal": None}),
        ("$1 = id", {"kind": "parameter", "literal": None}),
        ("(SELECT count(*) FROM stores) > 0", {"kind": "subquery", "function": "count"}),
        ("ARRAY[id] = '{1}'", {"kind": "array", "column": None}),
    ],
)  # fmt: skip
def test_left_sides(read: Read, condition: str, expected: dict[str, object]) -> None:
    side = read(f"SELECT 1 FROM orders WHERE {condition}").operations[0].left
    assert side is not None
    assert {name: getattr(side, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("id NOT IN (1, NULL, 3)", {"items": 3, "null_item": True}),
        ("id BETWEEN 5 AND 1", {"reversed": True}),
        ("id BETWEEN 1 AND 5", {"reversed": False}),
        ("ordered_at BETWEEN '2026-02-01' AND '2026-01-01'", {"reversed": True}),
        ("id BETWEEN SYMMETRIC 5 AND 1", {"reversed": False}),
        ("note LIKE 'abc'", {"wildcard": False, "anchored": True}),
        ("note LIKE '%abc'", {"wildcard": True, "anchored": False}),
        ("note ~ '^abc'", {"anchored": True, "wildcard": None}),
        ("note ~ '^a|b'", {"anchored": False}),
        ("note ~ 'abc'", {"anchored": False}),
        ("note LIKE lower('A')", {"wildcard": None, "anchored": None}),
        ("id = id", {"same_sides": True}),
        ("id = store_id", {"same_sides": False}),
        ("random() = random()", {"same_sides": False}),
        ("id + (1) = (id + 1)", {"same_sides": True}),
    ],
)
def test_what_is_known_of_operators(read: Read, condition: str, expected: dict[str, object]) -> None:
    found = read(f"SELECT 1 FROM orders WHERE {condition}").operations[0]
    assert {name: getattr(found, name) for name in expected} == expected


def test_repeated_conditions(read: Read) -> None:
    facts = read("SELECT 1 FROM orders WHERE id = 1 AND (total > 5 OR total > 6 OR total  >  5) AND id = 2 AND id = 1")
    assert [(use.name, use.right.literal, use.repeated) for use in facts.operations] == [
        ("=", "1", False), (">", "5", False), (">", "6", False), (">", "5", True), ("=", "2", False), ("=", "1", True),
    ]  # fmt: skip


def test_clauses_of_operators_and_functions(read: Read) -> None:
    facts = read(
        "SELECT id + 1, sum(total) FILTER (WHERE total > abs(2)) FROM orders JOIN stores s ON s.id = upper('1')::int "
        "WHERE id > 3 GROUP BY id + 1, id HAVING sum(total) > 4 ORDER BY id - 5"
    )
    assert {(use.name, use.right.literal): use.use for use in facts.operations if use.right.literal} == {
        ("+", "1"): "group", (">", "3"): "where", (">", "4"): "having", ("-", "5"): "order",
    }  # fmt: skip
    assert {use.name: use.use for use in facts.functions if use.name in ("abs", "upper")} == {
        "abs": "filter",
        "upper": "join",
    }


def test_a_column_behind_an_outer_join_may_be_null(read: Read) -> None:
    facts = read(
        "SELECT 1 FROM customers c LEFT JOIN orders o ON o.customer_id = c.id WHERE o.total > 5 OR c.name = 'x'"
    )
    assert {use.left.column: use.left.nullable for use in facts.operations if use.left and use.use == "where"} == {
        "total": True,
        "name": False,
    }


def test_without_a_catalog_nothing_is_known_of_columns() -> None:
    facts = _read("SELECT * FROM orders WHERE id = 1 AND x IN (SELECT y FROM t)", None)
    side = facts.operations[0].left
    assert side is not None
    assert (side.column, side.indexed, side.nullable, side.rows) == ("id", None, None, None)
    assert facts.subqueries[0].nullable is None
    assert _top(facts).star_stored


# -- joins ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("orders o, stores s", {"type": "cross", "syntax": "comma", "linked": False, "rows": 30000.0, "single": False}),
        ("orders o, stores s WHERE s.id = o.store_id", {"syntax": "comma", "linked": True, "equality": True}),
        ("orders o, stores s WHERE s.id < o.store_id", {"linked": True, "equality": False}),
        ("orders o, stores s WHERE EXISTS (SELECT 1 FROM inventory i WHERE i.store_id = s.id AND i.on_hand = o.id)", {"linked": True}),
        ("orders o, stores s WHERE s.id = 1", {"linked": False, "single": True}),
        ("orders o CROSS JOIN stores s", {"type": "cross", "syntax": "cross", "linked": False}),
        ("orders o CROSS JOIN (SELECT avg(total) FROM orders) m", {"linked": False, "single": True}),
        ("orders o CROSS JOIN generate_series(1, 3) g", {"linked": False, "stored": False, "rows": None}),
        ("orders o CROSS JOIN (VALUES (1), (2)) v", {"stored": False, "rows": 5000.0}),
        ("products p CROSS JOIN unnest(p.tags) t", {"linked": True, "stored": False}),
        ("orders o CROSS JOIN LATERAL (SELECT 1 FROM payments p WHERE p.order_id = o.id) l", {"lateral": True, "linked": True}),
        ("orders o JOIN stores s ON true", {"type": "inner", "syntax": "on", "constant_condition": True, "linked": False}),
        ("orders o JOIN stores s ON s.id = o.store_id", {"constant_condition": False, "linked": True, "uses_or": False}),
        ("orders o JOIN stores s ON s.id = o.store_id OR s.name = o.note", {"uses_or": True}),
        ("orders o JOIN stores s ON s.id = o.store_id AND (s.name = 'a' OR o.note = 'b')", {"uses_or": False}),
        ("orders o JOIN order_items i USING (tenant_id)", {"syntax": "using"}),
        ("orders o NATURAL JOIN stores s", {"syntax": "natural", "linked": True}),
        ("stores s NATURAL JOIN (SELECT 1 AS x) p", {"syntax": "natural", "linked": False, "single": True}),
        ("orders o FULL JOIN stores s ON s.id = o.store_id", {"type": "full"}),
        ("orders o LEFT JOIN stores s ON s.id = o.store_id WHERE s.name = 'x'", {"type": "left", "made_inner": True}),
        ("orders o LEFT JOIN stores s ON s.id = o.store_id WHERE s.name IS NULL", {"made_inner": False}),
        ("orders o LEFT JOIN stores s ON s.id = o.store_id WHERE s.name = 'x' OR s.id IS NULL", {"made_inner": False}),
        ("orders o LEFT JOIN stores s ON s.id = o.store_id WHERE o.total > 5", {"made_inner": False}),
        ("orders o RIGHT JOIN stores s ON s.id = o.store_id WHERE o.total > 5", {"type": "right", "made_inner": True}),
    ],
)  # fmt: skip
def test_joins(read: Read, source: str, expected: dict[str, object]) -> None:
    found = read(f"SELECT 1 FROM {source}").linkages[0]
    assert {name: getattr(found, name) for name in expected} == expected


def test_a_chain_of_commas_is_linked_by_way_of_others(read: Read) -> None:
    facts = read("SELECT 1 FROM customers c, stores s, orders o WHERE c.id = o.customer_id AND s.id = o.store_id")
    assert [use.linked for use in facts.linkages] == [True, True]


# -- sub-queries, sorts, literals ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("id NOT IN (SELECT store_id FROM orders)", {"kind": "not_in", "nullable": True, "correlated": False}),
        ("id NOT IN (SELECT store_id FROM orders WHERE store_id IS NOT NULL)", {"nullable": False}),
        ("id NOT IN (SELECT store_id FROM orders WHERE store_id > 3)", {"nullable": False}),
        ("id NOT IN (SELECT customer_id FROM orders)", {"nullable": False}),
        ("id NOT IN (SELECT o.id FROM stores s LEFT JOIN orders o ON o.store_id = s.id)", {"nullable": True}),
        ("id NOT IN (SELECT x FROM (SELECT referred_by AS x FROM customers) q)", {"nullable": True}),
        ("id IN (SELECT max(store_id) FROM orders)", {"kind": "in", "nullable": None, "aggregated": True}),
        (
            "NOT EXISTS (SELECT 1 FROM orders o WHERE o.store_id = stores.id)",
            {"kind": "not_exists", "correlated": True},
        ),
        ("EXISTS (SELECT 1 FROM orders o WHERE o.id = stores.id)", {"indexed": True}),
        ("EXISTS (SELECT 1 FROM orders o WHERE o.store_id = stores.id)", {"indexed": False}),
        ("id = (SELECT id FROM orders ORDER BY id LIMIT 1)", {"kind": "scalar", "limited": True, "ordered": True}),
        ("id = ANY (SELECT id FROM orders)", {"kind": "any"}),
        ("id < ALL (SELECT id FROM orders)", {"kind": "all", "rows": 2500.0}),
        ("id IN (SELECT region_id FROM orders)", {"outer_output": True, "correlated": True}),
        ("id IN (SELECT store_id FROM orders)", {"outer_output": False}),
    ],
)
def test_subqueries(read: Read, condition: str, expected: dict[str, object]) -> None:
    found = read(f"SELECT 1 FROM stores WHERE {condition}").subqueries[-1]
    assert {name: getattr(found, name) for name in expected} == expected


def test_sorts(read: Read) -> None:
    facts = read(
        "SELECT random() AS r, status, count(*), rank() OVER (PARTITION BY status ORDER BY 1), string_agg(note, ',' ORDER BY note) "
        "FROM orders GROUP BY 2, note ORDER BY r, 2 DESC, lower(note) LIMIT 3"
    )
    found = {(use.use, use.by, use.column, use.function, use.descending, use.limited) for use in facts.sorts}
    assert found == {
        ("window", "column", "status", None, False, False),
        ("window", "constant", None, None, False, False),
        ("aggregate", "column", "note", None, False, False),
        ("group", "position", "status", None, False, True),
        ("group", "column", "note", None, False, True),
        ("order", "column", "r", "random", False, True),
        ("order", "position", "status", None, True, True),
        ("order", "expression", None, "lower", False, True),
    }


def test_literals(read: Read) -> None:
    facts = read("SELECT 1, 'a', 2.5, true, false, NULL, date '2026-01-01' FROM orders WHERE id = 0 LIMIT 9")
    assert [(use.value, use.type, use.use, use.cast) for use in facts.literals] == [
        ("0", "integer", "where", None),
        ("1", "integer", "output", None),
        ("a", "text", "output", None),
        ("2.5", "numeric", "output", None),
        ("true", "boolean", "output", None),
        ("false", "boolean", "output", None),
        (None, "null", "output", None),
        ("2026-01-01", "text", "output", "date"),
        ("9", "integer", "limit", None),
    ]


def test_long_chains_need_no_stack(read: Read) -> None:
    facts = read("SELECT " + " + ".join(["total"] * 3000) + " FROM orders")
    assert len(facts.operations) == 2999


def test_an_explained_statement_is_read_as_well(read: Read) -> None:
    assert _top(read("EXPLAIN SELECT * FROM orders")).star
