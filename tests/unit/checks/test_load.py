"""Load that the text itself shows is refused; honest sizes, patterns and recursions are not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pg_guard.catalog.builtins_file import Bound
from pg_guard.checks.regexes import explosive
from pg_guard.checks.sizes import asked

if TYPE_CHECKING:
    from pg_guard.guard import Guard


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+",
        "(a*)*b",
        "(a|b+)*",
        "(?:a+)+",
        "((a*)*)*b",
        "(.{1,1000}){1,1000}",
        r"(a)\1*",
        "([a-z]+)*$",
        "(a{1,}b?)+",
    ],
)
def test_explosive_patterns_are_named(pattern: str) -> None:
    assert explosive(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "a+",
        "( [a-z]+)*",
        r"(\w+\.)+",
        "[]a]+",
        "((x+)y)+",
        "a{2,}",
        "(a?){50}",
        r"^[^@]+@([^@.]+\.)+[^@.]+$",
        "[[:alpha:]]+[(]*",
        r"\(+\)+",
        "a+?b*?",
        "(",
        ")",
        "[",
        "\\",
        "*",
    ],
)
def test_plain_and_broken_patterns_pass(pattern: str) -> None:
    assert explosive(pattern) == ""


@pytest.mark.parametrize(
    ("bound", "literals", "expected"),
    [
        (Bound("rows", 2, 1, 3), {0: "1", 1: "10"}, ("rows", 10)),
        (Bound("rows", 2, 1, 3), {0: "0", 1: "100", 2: "10"}, ("rows", 11)),
        (Bound("rows", 2, 1, 3), {0: "10", 1: "1"}, ("rows", 0)),
        (Bound("rows", 2, 1, 3), {0: "2026-01-01", 1: "2026-01-02", 2: "1 hour"}, ("rows", 25)),
        (Bound("rows", 2, 1, 3), {0: "2026-01-01", 1: "2026-01-02", 2: "00:30:00"}, ("rows", 49)),
        (Bound("rows", 2, 1, 3), {1: "1000000000"}, ("rows", 0)),
        (Bound("times", 2, 1), {0: "abc", 1: "1000"}, ("bytes", 3000)),
        # What is repeated is not known here: eight bytes stand for it.
        (Bound("times", 2, 1), {1: "1000"}, ("bytes", 8000)),
        (Bound("elements", 2), {1: "{1000,1000}"}, ("bytes", 8_000_000)),
        (Bound("magnitude", 1), {0: "30000"}, ("bytes", 15_000_000)),
        (Bound("length", 2), {1: "1e9"}, ("bytes", 1e9)),
        (Bound("format-width", 1), {0: "%-100000s"}, ("bytes", 100000)),
    ],
)
def test_sizes_of_constants(bound: Bound, literals: dict[int, str], expected: tuple[str, float]) -> None:
    assert asked(bound, literals) == expected


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        (
            "WITH RECURSIVE t AS (SELECT 1 n UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t",
            "load/unbounded-recursion",
        ),
        (
            "WITH RECURSIVE t AS (SELECT 1 n UNION ALL SELECT n + 1 FROM t WHERE n > 0) SELECT count(*) FROM t",
            "load/unbounded-recursion",
        ),
        (
            "WITH RECURSIVE t AS (SELECT 1 n UNION SELECT n + 1 FROM t) SELECT n FROM t ORDER BY n LIMIT 3",
            "load/unbounded-recursion",
        ),
        (
            "WITH RECURSIVE t AS (SELECT 1 n UNION ALL SELECT n + 1 FROM t, (VALUES (1)) v) SELECT sum(n) FROM t",
            "load/unbounded-recursion",
        ),
        ("SELECT count(*) FROM generate_series(1, 1000 * 1000 * 1000)", "load/too-large"),
        ("SELECT * FROM generate_series(timestamp '2020-01-01', '2030-01-01', '1 second')", "load/too-large"),
        ("SELECT length(repeat('ab', 100000000))", "load/too-large"),
        ("SELECT count(*) FROM products WHERE lpad(name, 1000000000) = ''", "load/too-large"),
        ("SELECT name FROM products WHERE name ~ '(a+)+$'", "load/regular-expression"),
        ("SELECT regexp_replace(name, '((a*)*)*b', '') FROM products", "load/regular-expression"),
        ("SELECT count(*) FROM orders a, orders b, orders c", "load/product"),
        ("SELECT count(*) FROM generate_series(1, 100000) a, generate_series(1, 100000) b", "load/product"),
        ("WITH n AS (SELECT * FROM generate_series(1, 50000) n) SELECT count(*) FROM n a, n b", "load/product"),
        ("SELECT count(md5(repeat('x', 1000000) || id)) FROM orders", "load/too-large"),
        ("SELECT array_fill(1, ARRAY[20000000])", "load/too-large"),
        ("SELECT jsonb_path_query_array(payload, '$.**.**.**') FROM web_events WHERE id = 7", "load/json-path"),
        ("SELECT JSON_QUERY(attributes, 'strict $.**.a.**') FROM products", "load/json-path"),
        ("SELECT id FROM products WHERE attributes @? '$.** ? (exists (@.**))'", "load/json-path"),
        ("SELECT factorial(32000)", "load/too-large"),
        ("SELECT name ~ '^(a+)(a+)(a+)b\\1\\2\\3$' FROM products", "load/regular-expression"),
        (
            "WITH RECURSIVE t (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) CYCLE n SET c USING p SELECT count(*) FROM t",
            "load/unbounded-recursion",
        ),
        ("SELECT id FROM orders WHERE id IN (" + ",".join(["1"] * 4001) + ")", "limits/in-list"),
    ],
)
def test_written_load_is_refused(demo_guard: Guard, sql: str, rule: str) -> None:
    decision = demo_guard.check(sql)
    assert not decision.allowed
    assert rule in {finding.rule for finding in decision.findings}


@pytest.mark.parametrize(
    "sql",
    [
        "WITH RECURSIVE t AS (SELECT 1 n UNION ALL SELECT n + 1 FROM t WHERE n < 100) SELECT sum(n) FROM t",
        "WITH RECURSIVE t AS (SELECT 1 n UNION ALL SELECT n + 1 FROM t) SELECT n FROM t LIMIT 5",
        (
            "WITH RECURSIVE t AS (SELECT id FROM categories WHERE parent_id IS NULL UNION ALL"
            " SELECT c.id FROM categories c JOIN t ON c.parent_id = t.id) SELECT count(*) FROM t"
        ),
        "SELECT d FROM generate_series(date '2026-01-01', date '2026-12-31', interval '1 day') d",
        "SELECT count(*) FROM orders o JOIN order_items i ON i.order_id = o.id JOIN products p ON p.id = i.product_id",
        "SELECT c.name, p.name FROM customers c CROSS JOIN products p",
        "SELECT count(*) FROM orders a JOIN orders b ON lower(a.note) = lower(b.note)",
        (
            "SELECT d, count(o.id) FROM generate_series(date '2026-01-01', date '2026-06-30', '1 day') d"
            " LEFT JOIN orders o ON o.ordered_at::date = d GROUP BY d"
        ),
        "SELECT a.n * b.n FROM (VALUES (1), (2), (3)) a (n), (VALUES (1), (2), (3)) b (n)",
        "SELECT jsonb_path_query_array(attributes, '$.**.size') FROM products",
        "SELECT name FROM products WHERE name = '**bold.** and.**'",
        "SELECT factorial(20), 2 ^ 100, name ~ '(.)\\1' FROM products",
        "SELECT rpad(name, 40), repeat('*', 5) FROM products",
        "SELECT name FROM products WHERE name ~* '^[a-z]+( [a-z]+)*$'",
        "SELECT id FROM orders WHERE id IN (" + ",".join(["1"] * 2000) + ")",
    ],
)
def test_honest_sizes_pass(demo_guard: Guard, sql: str) -> None:
    assert demo_guard.check(sql).findings == ()
