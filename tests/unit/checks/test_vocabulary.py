"""Each attribute of each fact, on statements over the sample database's names."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from pg_guard.catalog.model import Catalog
from pg_guard.checks.base import Subject
from pg_guard.checks.terms import UNKNOWN, Possible, View
from pg_guard.checks.vocabulary import DETAILED, VOCABULARY
from pg_guard.demo.snapshot import snapshot_file
from pg_guard.facts.extract import extract
from pg_guard.facts.names import Names
from pg_guard.facts.reader import Reader
from pg_guard.facts.views import ViewShapes
from pg_guard.sql.text import admit
from pg_guard.sql.witness import read_postgres


@cache
def demo() -> Catalog:
    return Catalog.from_json(snapshot_file())


@cache
def view(sql: str, *, named: bool = True) -> View:
    text = admit(sql, max_bytes=100_000)
    names = Names(demo() if named else None, ("public",))
    reader = Reader(names, ViewShapes(), detailed=True)
    return View(Subject(text, extract(reader, read_postgres(text).statements[0]), names))


def values(sql: str, fact: str, attribute: str, *, named: bool = True) -> list[Any]:
    """The attribute of each record, names as text."""
    found, seen = VOCABULARY[fact], view(sql, named=named)
    get = found.attribute(attribute)
    assert get is not None

    def plain(value: Any) -> Any:
        if isinstance(value, Possible):
            return {plain(each) for each in value.values}
        if isinstance(value, frozenset):
            return sorted(map(plain, value))
        return str(value) if isinstance(value, tuple) else value

    return [plain(get.get(seen, record)) for record in found.draw(seen)]


@pytest.mark.parametrize(
    ("sql", "word", "expected"),
    [
        ("SELECT 1 FROM orders FOR UPDATE", "statement.kind", ["select", "locking"]),
        ("EXPLAIN SELECT 1", "statement.nested", [False, True]),
        ("SELECT 1 FROM orders o", "relation.name", ["public.orders"]),
        ("SHOW app.secret", "statement.setting", ["app.secret"]),
        ("SHOW ALL", "statement.setting", ["all"]),
        ("SELECT total FROM orders", "column.direct", [True]),
        ("SELECT yearly FROM analytics.team_report", "column.direct", [True, False, False]),
        ("SELECT 1 FROM orders o", "relation.alias", ["o"]),
        ("SELECT 1 FROM web_events", "relation.kind", ["partitioned", "table", "table", "table", "table"]),
        ("SELECT 1 FROM web_events_rest", "relation.how", ["scan", "partition"]),
        ("SELECT 1 FROM analytics.team", "relation.via", [[], ["analytics.team"]]),
        ("SELECT 1 FROM pg_class, orders", "relation.system", [True, False]),
        ("SELECT 1 FROM orders, nothing", "relation.known", [True, False]),
        ("SELECT ssn, id FROM customers", "column.name", ["ssn", "id"]),
        ("SELECT ssn FROM customers WHERE id = 1 ORDER BY name", "column.use", ["where", "output", "order"]),
        ("SELECT client_ip FROM web_events", "column.type", ["pg_catalog.inet"]),
        ("SELECT id, card_token FROM customers", "column.nullable", [False, True]),
        ("SELECT id, card_token FROM customers", "column.indexed", [True, False]),
        ("SELECT order_id, quantity FROM order_items", "column.primary_key", [True, False]),
        ("SELECT ctid FROM customers", "column.type", [None]),
        ("SELECT '1'::inet", "type.name", ["pg_catalog.inet"]),
        ("SELECT 'x'::inet", "type.constant", ["x"]),
        ("SELECT lower(name) FROM regions", "function.name", ["pg_catalog.lower"]),
        ("SELECT net_price(1)", "function.name", ["public.net_price"]),
        ("SELECT count(*), lower('A')", "function.kind", ["aggregate", "function"]),
        ("SELECT pg_sleep(5)", "function.capability", [["sleep"]]),
        ("SELECT net_price(1)", "function.capability", [["unclassified"]]),
        ("SELECT net_price(1), lower('A')", "function.user_defined", [True, False]),
        ("SELECT set_config('a', 'b', true)", "function.literal", [["True", "a", "b"]]),
        ("SELECT badge(1), lower('A')", "function.security_definer", [True, False]),
        ("SELECT random(), now(), lower('A')", "function.volatility", ["volatile", "stable", "immutable"]),
        ("SELECT 1 FROM orders WHERE lower(note) = 'a'", "function.use", ["where"]),
        ("SELECT 1 FROM orders WHERE id = 5", "scan.restricted", [True]),
        ("SELECT 1 FROM orders", "scan.restricted", [False]),
        ("SELECT count(*) FROM orders", "scan.aggregated", [True]),
        ("SELECT 1 FROM orders LIMIT 5", "scan.limited", [True]),
        ("SELECT 1 FROM orders WHERE id IN (SELECT id FROM payments)", "scan.level_depth_over", [0, 1]),
        ("SELECT $1, $12", "parameter.number_over", [1.0, 12.0]),
        ("SELECT 1", "budget.bytes_over", [8]),
        ("SELECT 1", "budget.tokens_over", [2]),
        ("SELECT (SELECT (SELECT 1))", "budget.depth_over", [2]),
        ("SELECT 1 FROM orders, payments, regions", "budget.joins_over", [3]),
        ("SELECT * FROM orders LIMIT 10 OFFSET 5", "query.limit_over", [10]),
        ("SELECT * FROM orders LIMIT 10 OFFSET 5", "query.offset_over", [5]),
        ("SELECT 1 UNION ALL SELECT 2", "query.set_operation", ["union_all", None, None]),
        ("SELECT 1 FROM orders WHERE note ILIKE '%a'", "operator.name", ["~~*"]),
        ("SELECT 1 FROM orders WHERE note ILIKE '%a'", "operator.right_literal", ["%a"]),
        ("SELECT 1 FROM orders WHERE note = 'a'", "operator.left_column", ["note"]),
        ("SELECT 1 FROM orders WHERE note = 'a'", "operator.left_relation", ["public.orders"]),
        ("SELECT 1 FROM orders WHERE 'a' = note", "operator.left_relation", [None]),
        ("SELECT 1 FROM orders WHERE id = 1", "operator.left_indexed", [True]),
        ("SELECT 1 FROM orders, regions", "join.linked", [False]),
        ("SELECT 1 FROM orders WHERE id NOT IN (SELECT order_id FROM payments)", "subquery.kind", ["not_in"]),
        ("SELECT id FROM orders ORDER BY 1", "sort.by", ["position"]),
        ("SELECT 'x', 5, NULL", "literal.type", ["text", "integer", "null"]),
    ],
)
def test_an_attribute_tells_what_the_statement_has(sql: str, word: str, expected: list[Any]) -> None:
    found = values(sql, *word.split("."))
    # The order is that of reading, which no rule sees.
    assert sorted(found, key=str) == sorted(expected, key=str)


@pytest.mark.parametrize(
    "word",
    [
        "relation.kind",
        "relation.known",
        "relation.rows_over",
        "relation.comment",
        "column.type",
        "column.comment",
        "column.nullable",
        "column.indexed",
        "column.primary_key",
        "function.kind",
        "function.volatility",
        "function.security_definer",
        "scan.has_column",
        "scan.rows_over",
        "operator.left_indexed",
        "operator.left_nullable",
        "operator.left_column_type",
        "operator.left_rows_over",
    ],
)
def test_without_a_catalog_what_only_it_knows_is_unknown(word: str) -> None:
    found = values("SELECT lower(a) FROM t WHERE b = 1", *word.split("."), named=False)
    assert found
    assert set(map(repr, found)) == {repr(UNKNOWN)}


def test_without_a_catalog_a_name_is_one_of_several() -> None:
    assert values("SELECT 1 FROM pg_authid", "relation", "name", named=False) == [
        {"pg_catalog.pg_authid", "public.pg_authid"}
    ]
    assert values("SELECT f(1)", "function", "name", named=False) == [{"pg_catalog.f", "public.f"}]
    assert values("SELECT pg_sleep(1)", "function", "name", named=False) == ["pg_catalog.pg_sleep"]
    assert values("SELECT * FROM t", "column", "name", named=False) == [UNKNOWN]


def test_rows_that_were_never_counted_are_unknown() -> None:
    assert UNKNOWN in values("SELECT 1 FROM analytics.team", "relation", "rows_over")
    assert UNKNOWN not in values("SELECT 1 FROM regions", "relation", "rows_over")


def test_a_partitioned_table_has_the_rows_of_its_partitions_once() -> None:
    *partitions, whole = sorted(values("SELECT 1 FROM web_events", "relation", "rows_over"))
    assert whole == sum(partitions)


SAMPLES = (
    "SELECT * FROM analytics.customer_export WHERE token LIKE '%a' ORDER BY 1 LIMIT 5",
    """SELECT DISTINCT lower(c.name), $1::int, sum(o.total) FROM customers c LEFT JOIN orders o ON o.customer_id = c.id
       WHERE c.id NOT IN (SELECT id FROM hr.employees) GROUP BY 1 HAVING sum(o.total) > 5""",
    "WITH RECURSIVE a AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM a) SELECT -n, CASE WHEN n = ANY ('{1}') THEN 1 END FROM a",
    "SELECT 1 FROM generate_series(1, 5) g, LATERAL (SELECT g) x, t",
    "SHOW search_path",
    "INSERT INTO orders DEFAULT VALUES",
)


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("fact", VOCABULARY)
@pytest.mark.parametrize("sql", SAMPLES)
def test_every_attribute_of_every_record_can_be_asked_for(sql: str, fact: str, named: bool) -> None:
    seen, found = view(sql, named=named), VOCABULARY[fact]
    for record in found.draw(seen):
        assert isinstance(found.place(record), int)
        assert isinstance(found.certain(record), bool)
        assert isinstance(found.relations(seen, record), tuple)
        for attribute in found.attributes:
            value = attribute.get(seen, record, lambda _: True) if attribute.needs else attribute.get(seen, record)
            for each in value.values if isinstance(value, Possible) else (value,):
                check(attribute.kind, each)
                if attribute.words and each not in (None, UNKNOWN):
                    assert (each if isinstance(each, frozenset) else {each}) <= set(attribute.words)


def check(kind: str, value: Any) -> None:
    if value is None or value is UNKNOWN:
        return
    if isinstance(value, frozenset):
        for each in value:
            check(kind, each)
    elif kind == "flag":
        assert isinstance(value, bool)
    elif kind in ("over", "under"):
        assert isinstance(value, (int, float))
    elif kind == "name":
        assert len(value) == 2
        assert all(isinstance(part, str) for part in value)
    else:
        assert isinstance(value, str)


def test_what_shows_a_record_is_one_of_its_attributes() -> None:
    assert set(VOCABULARY) > DETAILED
    for fact in VOCABULARY.values():
        assert fact.attribute(fact.shown) is not None, fact.name
        names = [attribute.name for attribute in fact.attributes]
        assert len(names) == len(set(names))
        assert all(fact.attribute(attribute.needs) for attribute in fact.attributes if attribute.needs)
