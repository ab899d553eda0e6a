"""Calls that nobody wrote, on the real server: each statement raises a notice or shows a hidden value, and is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest

from pg_guard.demo.data import CANARIES

if TYPE_CHECKING:
    from pg_guard.guard import Guard

# Unguarded, each of these shows a canary (in its rows or in a notice).
EFFECTIVE = {
    "ORDER BY": "SELECT id FROM tickets ORDER BY number",
    "ORDER BY composite": "SELECT id FROM ticket_shelf ORDER BY pair",
    "ORDER BY whole row": "SELECT t.id FROM ticket_shelf t ORDER BY t.pair, t",
    "ORDER BY row of a derived table": "SELECT 1 FROM (SELECT many FROM ticket_shelf) q ORDER BY q",
    "ORDER BY an anonymous row": "SELECT 1 FROM (SELECT ROW(many) AS x FROM ticket_shelf) q ORDER BY x",
    "ORDER BY domain": "SELECT id FROM ticket_shelf ORDER BY good",
    "ORDER BY range": "SELECT id FROM ticket_shelf ORDER BY span",
    "DISTINCT": "SELECT DISTINCT number FROM tickets",
    "GROUP BY array": "SELECT count(*) FROM ticket_shelf GROUP BY many",
    "UNION": "SELECT number FROM tickets UNION SELECT number FROM tickets",
    "INTERSECT ALL": "SELECT number FROM tickets INTERSECT ALL SELECT number FROM tickets",
    "window order": "SELECT rank() OVER (ORDER BY number) FROM tickets",
    "window partition": "SELECT count(*) OVER (PARTITION BY pair) FROM ticket_shelf",
    "aggregate order": "SELECT array_agg(id ORDER BY number) FROM tickets",
    "aggregate distinct": "SELECT count(DISTINCT number) FROM tickets",
    "within group": "SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY number) FROM tickets",
    "max of an array": "SELECT max(many) FROM ticket_shelf",
    "max of a row": "SELECT max(ROW(number)) FROM tickets",
    "GREATEST": "SELECT GREATEST(number, ticket '(1)') FROM tickets",
    "array comparison": "SELECT many < ARRAY[ticket '(1)'] FROM ticket_shelf",
    "record comparison": "SELECT a.pair < b.pair FROM ticket_shelf a, ticket_shelf b",
    "row comparison": "SELECT (number, 1) < (ticket '(1)', 2) FROM tickets",
    "range operator": "SELECT span @> ticket '(1)' FROM ticket_shelf",
    "range constructor": "SELECT ticket_range('(1)', '(2)')",
    "range from text": 'SELECT \'["(1)","(2)")\'::ticket_range',
    "array_sort": "SELECT array_sort(many || many) FROM ticket_shelf",
    "width_bucket": "SELECT width_bucket(ticket '(2)', many) FROM ticket_shelf",
    "CYCLE": "WITH RECURSIVE r (p, n) AS (SELECT pair, 1 FROM ticket_shelf UNION ALL SELECT p, n + 1 FROM r WHERE n < 3)"
    " CYCLE p SET c USING w SELECT w < w FROM r",
    "to_json": "SELECT to_json(shade 'dark')",
    "to_jsonb of a row": "SELECT to_jsonb(p) FROM paints p",
    "json_agg": "SELECT json_agg(paint) FROM paints",
    "row_to_json": "SELECT row_to_json(paint) FROM paints",
    "array_to_json": "SELECT array_to_json(shades) FROM paints",
    "json_build_object": "SELECT json_build_object('a', shades) FROM paints",
    "jsonb_object_agg": "SELECT jsonb_object_agg(id, paint) FROM paints",
    "JSON_OBJECT": "SELECT JSON_OBJECT('a': paint) FROM paints",
    "JSON_ARRAY": "SELECT JSON_ARRAY(shades) FROM paints",
    "JSON_ARRAYAGG": "SELECT JSON_ARRAYAGG(paint) FROM paints",
    "json of a derived row": "SELECT to_json(q) FROM (SELECT paint FROM paints) q",
    "text concatenation": "SELECT 'x' || shade 'dark'",
    "text concatenation from the left": "SELECT shade 'dark' || 'x'::text",
    "quote_literal": "SELECT quote_literal(shade 'dark')",
    "quote_nullable": "SELECT quote_nullable(shade 'dark')",
    "domain in a composite": "SELECT ROW('x', 1)::coded",
    "domain in a composite from text": "SELECT '(x,1)'::coded",
    "domain behind COALESCE": "SELECT COALESCE(NULL, 'x'::code)",
    "domain by jsonb_populate_record": 'SELECT jsonb_populate_record(NULL::coded, \'{"c": "x"}\')',
    "domain by jsonb_to_record": 'SELECT * FROM jsonb_to_record(\'{"a": "x"}\') AS r (a code)',
    "domain by a column definition of a composite": 'SELECT * FROM jsonb_to_record(\'{"a": {"c": "x"}}\') AS r (a coded)',
    "function in pg_catalog": "SELECT upper(shade 'dark')",
    "operator in pg_catalog": "SELECT shade 'dark' + 1",
    "cast by a function in pg_catalog": "SELECT (shade 'dark')::bigint",
    "row type of a hidden table": "SELECT staff FROM snapshots",
    "array of rows of a hidden table": "SELECT many[1] FROM snapshots",
    "field of a row of a hidden table": "SELECT (staff).name FROM snapshots",
    "denied column that a recursive view rotates": "SELECT a FROM rotated",
    "denied field, two deep": "SELECT ((home).head).ssn FROM households",
    "denied field inside of a whole value": "SELECT home FROM households",
    "denied field by a star": "SELECT (home).* FROM households",
    "denied field in an aggregate": "SELECT array_agg(home) FROM households",
    "denied column that a virtual one derives from": "SELECT ssn_virtual FROM accounts",
}
# These look up names in the catalog; nothing of a table's rows.
LOOK_UPS = (
    "SELECT ARRAY[pg_typeof(1), 1248]::text",
    "SELECT pg_typeof(1) UNION SELECT 1248",
    "VALUES (pg_typeof(1)), (1248)",
    "SELECT CASE WHEN true THEN 1248 ELSE pg_typeof(1) END",
    "SELECT COALESCE(pg_typeof(1), 1248)",
    'SELECT jsonb_populate_record(NULL::pointer, \'{"target": "hr.payroll"}\')',
    "SELECT '(hr.payroll,x)'::pointer",
    'SELECT * FROM jsonb_to_record(\'{"a": "hr.payroll"}\') AS x (a regclass)',
    'SELECT * FROM jsonb_to_record(\'{"a": {"target": "hr.payroll"}}\') AS x (a pointer)',
)
# The same types, where nothing is compared, converted or shown.
HARMLESS = (
    "SELECT number FROM tickets",
    "SELECT (number).n FROM tickets ORDER BY (number).n",
    "SELECT array_agg(number) FROM tickets",
    "SELECT count(number) FROM tickets",
    "SELECT pair IS NULL FROM ticket_shelf",
    "SELECT array_length(many, 1), cardinality(many) FROM ticket_shelf",
    "SELECT id FROM tickets UNION ALL SELECT id FROM tickets",
    "SELECT (paint).litres FROM paints",
    "SELECT to_json((paint).litres) FROM paints",
    "SELECT format('%s', paint) FROM paints",
    "SELECT (home).size FROM households",
    "SELECT ((home).head).label FROM households",
    "SELECT name FROM accounts, regions",
    "SELECT ROW(1, 2, 3)::dimensions",
    "SELECT to_json(number) FROM tickets",
)


async def _shown(dsn: str, sql: str) -> str:
    connection = await asyncpg.connect(dsn, server_settings={"search_path": "public"})
    try:
        seen: list[str] = []
        connection.add_log_listener(lambda _connection, message: seen.append(str(message.as_dict())))
        transaction = connection.transaction()
        await transaction.start()
        # COPY shows values as text, of whatever types.
        rows: list[bytes] = []

        async def keep(data: bytes) -> None:
            rows.append(data)

        await connection.copy_from_query(sql, output=keep)
        await transaction.rollback()
        return "\n".join(seen) + b"".join(rows).decode()
    finally:
        await connection.close()


def _assert_refused(guard: Guard, sql: str) -> None:
    rules = {finding.rule for finding in guard.check(sql).findings}
    assert rules & {"functions/denied", "columns/denied", "tables/denied"}
    assert not rules & {"internal/error", "sql/unsupported", "sql/readings-differ"}


@pytest.mark.parametrize("sql", EFFECTIVE.values(), ids=EFFECTIVE.keys())
async def test_what_calls_or_shows_unseen_is_refused(sql: str, ground_dsn: str, ground_guard: Guard) -> None:
    assert CANARIES.search(await _shown(ground_dsn, sql)), "the statement has no effect: the test would prove nothing"
    _assert_refused(ground_guard, sql)


@pytest.mark.parametrize("sql", LOOK_UPS)
async def test_look_ups_of_names_are_refused(sql: str, ground_dsn: str, ground_guard: Guard) -> None:
    await _shown(ground_dsn, sql)
    _assert_refused(ground_guard, sql)


@pytest.mark.parametrize("sql", HARMLESS)
async def test_the_same_types_are_otherwise_allowed(sql: str, ground_dsn: str, ground_guard: Guard) -> None:
    assert not CANARIES.search(await _shown(ground_dsn, sql))
    decision = ground_guard.check(sql)
    assert decision.allowed, decision.findings
