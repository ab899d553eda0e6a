"""`statements` at every depth, and `joins.max_tables` per SELECT level."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from pg_guard.decision import Decision

    Decide = Callable[[str, str], Decision]


@pytest.mark.parametrize(
    ("allow", "sql", "allowed"),
    [
        ("select", "SELECT 1", True),
        ("select", "VALUES (1)", True),
        ("select", "TABLE orders", True),
        ("select", "WITH a AS (SELECT 1) TABLE a", True),
        ("select", "(SELECT 1) UNION (SELECT 2)", True),
        ("select", "EXPLAIN SELECT 1", False),
        ("select", "SHOW work_mem", False),
        ("select, explain", "EXPLAIN SELECT 1", True),
        ("select, explain", "EXPLAIN (COSTS off) SELECT 1", True),
        ("select, explain", "EXPLAIN DELETE FROM orders", False),
        ("select, explain", "EXPLAIN ANALYZE WITH d AS (DELETE FROM orders RETURNING id) SELECT id FROM d", False),
        ("select, explain", "EXPLAIN CREATE TABLE x AS SELECT 1", False),
        ("select, show", "SHOW work_mem", True),
        ("select", "SELECT id FROM orders FOR UPDATE", False),
        ("select", "SELECT id FROM orders FOR KEY SHARE", False),
        ("select", "SELECT 1 FROM (SELECT id FROM orders FOR SHARE) x", False),
        ("select", "SELECT 1 WHERE EXISTS (SELECT id FROM orders FOR NO KEY UPDATE)", False),
        ("select", "SELECT 1 AS a INTO x", False),
        ("select", "SELECT 1 AS a INTO TEMP x", False),
        ("select", "WITH d AS (DELETE FROM orders RETURNING id) SELECT id FROM d", False),
        ("select", "WITH d AS MATERIALIZED (UPDATE orders SET note = '' RETURNING id) SELECT id FROM d", False),
        ("select", "WITH d AS (INSERT INTO regions VALUES (9, 'a', 'b') RETURNING id) SELECT 1", False),
        ("select", "WITH d AS (WITH e AS (DELETE FROM orders RETURNING id) SELECT 1) SELECT 1", False),
        ("select", "WITH m AS (MERGE INTO orders o USING stores s ON false WHEN MATCHED THEN DELETE RETURNING 1) SELECT 1", False),
        *(("select, explain, show", sql, False) for sql in (
            "DELETE FROM orders", "UPDATE orders SET note = ''", "INSERT INTO regions VALUES (9, 'a', 'b')", "TRUNCATE orders",
            "DROP TABLE orders", "CREATE TABLE x (a int)", "CREATE TABLE x AS SELECT 1", "ALTER TABLE orders ADD x int",
            "COPY orders TO STDOUT", "COPY (SELECT 1) TO STDOUT", "COPY orders FROM PROGRAM 'x'", "DO $$ BEGIN END $$", "CALL x()",
            "SET work_mem = 1", "RESET ALL", "DISCARD ALL", "BEGIN", "COMMIT", "SAVEPOINT a", "LISTEN a", "NOTIFY a", "VACUUM",
            "ANALYZE", "PREPARE a AS SELECT 1", "EXECUTE a", "DEALLOCATE a", "DECLARE a CURSOR FOR SELECT 1", "FETCH a", "CLOSE a",
            "LOCK orders", "GRANT SELECT ON orders TO PUBLIC", "REFRESH MATERIALIZED VIEW analytics.product_sales", "LOAD 'x'",
            "SET ROLE postgres", "SET TRANSACTION READ WRITE", "COMMENT ON TABLE orders IS ''", "CHECKPOINT", "REINDEX TABLE orders",
            "SECURITY LABEL ON TABLE orders IS 'x'", "IMPORT FOREIGN SCHEMA a FROM SERVER b INTO c",
        )),
    ],
)  # fmt: skip
def test_kinds(decide: Decide, allow: str, sql: str, allowed: bool) -> None:
    decision = decide(f"statements: {{allow: [{allow}]}}", sql)
    assert decision.allowed is allowed, decision.findings
    if not allowed:
        first = decision.findings[0]
        assert (first.rule, first.severity) == ("statement/not-allowed", "critical")


@pytest.mark.parametrize("sql", ["", " ", "-- nothing", ";;", "SELECT 1; SELECT 2", "SELECT 1; DROP TABLE orders"])
def test_not_one_statement(decide: Decide, sql: str) -> None:
    [finding] = decide("", sql).findings
    assert finding.rule == ("statement/multiple" if "SELECT" in sql else "sql/empty")


@pytest.mark.parametrize(
    ("sql", "most"),
    [
        ("SELECT 1", 0),
        ("SELECT 1 FROM orders", 1),
        ("SELECT 1 FROM orders o, stores s WHERE o.store_id = s.id", 2),
        ("SELECT 1 FROM orders o JOIN stores s ON o.store_id = s.id JOIN regions r ON r.id = s.region_id", 3),
        ("SELECT 1 FROM (SELECT 1 FROM orders o JOIN stores s ON o.store_id = s.id) x, regions r", 2),
        ("SELECT (SELECT count(*) FROM stores) FROM orders", 1),
        ("WITH a AS (SELECT 1 FROM orders) SELECT 1 FROM a JOIN stores s ON true JOIN regions r ON true", 3),
        ("SELECT 1 FROM orders UNION SELECT 1 FROM stores UNION SELECT 1 FROM regions", 1),
        ("SELECT 1 FROM orders WHERE store_id IN (SELECT s.id FROM stores s JOIN regions r ON r.id = s.region_id)", 2),
        ("SELECT 1 FROM stores a JOIN stores b USING (id) JOIN stores c USING (id) JOIN stores d USING (id)", 4),
        ("SELECT 1 FROM stores a, LATERAL (SELECT 1 FROM regions r WHERE r.id = a.region_id) x", 2),
    ],
)
def test_most_tables_per_level(decide: Decide, sql: str, most: int) -> None:
    for limit in range(1, 6):
        rules = [finding.rule for finding in decide(f"joins: {{max_tables: {limit}}}", sql).findings]
        assert ("joins/too-many" in rules) is (most > limit), (limit, rules)


def test_each_level_over_the_limit_has_its_finding(decide: Decide) -> None:
    level = "SELECT a.id FROM stores a JOIN stores b USING (id) JOIN stores c USING (id)"
    decision = decide("joins: {max_tables: 2}", f"{level} WHERE a.id IN ({level})")
    assert [finding.rule for finding in decision.findings] == ["joins/too-many"] * 2
    assert "3 tables; the limit is 2" in decision.findings[0].message
