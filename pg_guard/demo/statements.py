"""What the demo sends. In: nothing. Out: honest questions and attacks, with the decision that each must get."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["SHOWN_IN_FULL", "STATEMENTS", "Statement"]


class Statement(NamedTuple):
    """A statement of the demo.

    Attributes:
        about: What it asks or tries, in a few words.
        sql: The text.
        rule: The rule that must refuse it, or '' when it must be allowed.
    """

    about: str
    sql: str
    rule: str = ""


STATEMENTS: tuple[Statement, ...] = (
    Statement(
        "Revenue by month",
        "SELECT date_trunc('month', ordered_at)::date AS month, count(*) AS orders, sum(total) AS revenue\n"
        "FROM orders WHERE status <> 'cancelled' GROUP BY 1 ORDER BY 1",
    ),
    Statement(
        "Best three products by category",
        "WITH ranked AS (\n"
        "  SELECT c.name AS category, p.name AS product, sum(i.quantity) AS units,\n"
        "         rank() OVER (PARTITION BY c.id ORDER BY sum(i.quantity) DESC) AS place\n"
        "  FROM order_items i JOIN products p ON p.id = i.product_id JOIN categories c ON c.id = p.category_id\n"
        "  GROUP BY c.id, c.name, p.id, p.name)\n"
        "SELECT category, place, product, units FROM ranked WHERE place <= 3 ORDER BY category, place",
    ),
    Statement(
        "Median order by segment",
        "SELECT c.segment, percentile_cont(0.5) WITHIN GROUP (ORDER BY o.total) AS median, count(*)\n"
        "FROM customers c JOIN orders o ON o.customer_id = c.id GROUP BY c.segment ORDER BY 2 DESC",
    ),
    Statement(
        "Category tree",
        "WITH RECURSIVE tree AS (\n"
        "  SELECT id, name, 1 AS level FROM categories WHERE parent_id IS NULL\n"
        "  UNION ALL SELECT c.id, c.name, t.level + 1 FROM categories c JOIN tree t ON c.parent_id = t.id)\n"
        "SELECT level, count(*), string_agg(name, ', ' ORDER BY name) AS names FROM tree GROUP BY level ORDER BY level",
    ),
    Statement(
        "JSON attributes, array tags",
        "SELECT attributes ->> 'colour' AS colour, unnest(tags) AS tag, count(*)\n"
        "FROM products WHERE NOT discontinued GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 10",
    ),
    Statement(
        "Web events of one week",
        "SELECT kind, count(*) FROM web_events\n"
        "WHERE occurred_at >= '2026-02-02' AND occurred_at < '2026-02-09' GROUP BY kind ORDER BY 2 DESC",
    ),
    Statement(
        "A string that looks dangerous",
        "SELECT name, replace(name, 'DROP TABLE', '') FROM products WHERE name LIKE '%--%' OR price > 400 ORDER BY 1",
    ),
    Statement("All columns of customers", "SELECT *\nFROM customers\nLIMIT 5", "columns/denied"),
    Statement("A whole row as JSON", "SELECT to_jsonb(c) FROM customers AS c", "columns/denied"),
    Statement("A hidden column, by escapes", r'SELECT U&"p\0061ssword_hash" FROM customers', "columns/denied"),
    Statement(
        "Guessing a hidden column",
        "SELECT id FROM customers WHERE card_token LIKE 'CANARY-%' ORDER BY id",
        "columns/denied",
    ),
    Statement("Salaries through a view", "SELECT name, salary FROM analytics.team", "tables/denied"),
    Statement(
        "A CTE that poses as a table",
        "WITH regions AS (SELECT 1) SELECT (SELECT max(national_id) FROM hr.employees) FROM regions",
        "tables/denied",
    ),
    Statement("A function that reads staff data", "SELECT badge(id) FROM stores", "functions/denied"),
    Statement("A file of the server", "SELECT pg_read_file('/etc/passwd')", "functions/denied"),
    Statement(
        "SQL inside of a string",
        "SELECT query_to_xml('SELECT * FROM hr.payroll', true, false, '')",
        "functions/denied",
    ),
    Statement(
        "A write that looks like a read",
        "WITH gone AS (DELETE FROM orders RETURNING *) SELECT count(*) FROM gone",
        "statement/not-allowed",
    ),
    Statement("Two statements in one text", "SELECT 1; DROP TABLE orders", "statement/multiple"),
    Statement("All web events at once", "SELECT count(*) FROM web_events WHERE id = id", "where/missing"),
)

SHOWN_IN_FULL = "A whole row as JSON"
