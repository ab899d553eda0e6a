"""The role of `pg-guard grants` in a database that invites leaks: what its policy denies stays hidden with no guard in between.

Everything here was open to PUBLIC, or led to hidden rows by a way other than a SELECT of the table.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import asyncpg
import pytest

from pg_guard.demo.database import load_sample_database
from tests.support import commands
from tests.support.granted import apply, as_role, outcome

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

run = partial(commands.run, "grants")

CANARY = "CANARY-hidden"
HOSTILE = f"""
CREATE ROLE shady_maker;
GRANT CREATE ON SCHEMA public TO shady_maker;
CREATE SCHEMA drawer;
GRANT USAGE ON SCHEMA drawer, hr TO PUBLIC;
CREATE TABLE drawer.notes (id integer, note text);
INSERT INTO drawer.notes VALUES (1, '{CANARY}');
GRANT SELECT (note) ON drawer.notes TO PUBLIC;
CREATE TABLE public.events (id integer, tenant_id integer, note text);
CREATE TABLE hr.events_kept () INHERITS (public.events);
INSERT INTO hr.events_kept VALUES (1, 1, '{CANARY}');
CREATE TABLE public.visits (id integer, tenant_id integer, note text) PARTITION BY LIST (tenant_id);
CREATE TABLE public.visits_1 PARTITION OF public.visits FOR VALUES IN (1);
CREATE TABLE public.visits_2 PARTITION OF public.visits FOR VALUES IN (2);
INSERT INTO public.visits VALUES (1, 1, 'own'), (2, 2, '{CANARY}');
CREATE TABLE public.accounts (id integer PRIMARY KEY, tenant_id integer NOT NULL, name text, secret text, score integer);
INSERT INTO public.accounts SELECT n, 1 + n % 2, CASE n % 2 WHEN 0 THEN 'own' ELSE '{CANARY}' END, '{CANARY}', n
  FROM generate_series(1, 200) AS n;
CREATE INDEX ON public.accounts (lower(secret));
CREATE STATISTICS public.accounts_statistics ON tenant_id, secret FROM public.accounts;
ANALYZE public.accounts;
CREATE VIEW public.account_names AS SELECT id, name FROM public.accounts;
CREATE VIEW public.own_account_names WITH (security_invoker) AS SELECT id, name FROM public.accounts;
CREATE MATERIALIZED VIEW public.account_copy AS SELECT id, name FROM public.accounts;
CREATE SEQUENCE hr.badge_numbers START 4711;
GRANT SELECT, USAGE ON SEQUENCE hr.badge_numbers TO PUBLIC;
CREATE FUNCTION public.peek() RETURNS text LANGUAGE sql SECURITY DEFINER RETURN (SELECT note FROM drawer.notes);
CREATE FUNCTION public.peek_each() RETURNS SETOF hr.employees LANGUAGE sql SECURITY DEFINER AS 'TABLE hr.employees';
CREATE PROCEDURE public.tell(INOUT note text) LANGUAGE sql SECURITY DEFINER AS 'SELECT note FROM drawer.notes';
CREATE FUNCTION public.step(text, integer) RETURNS text LANGUAGE sql SECURITY DEFINER
  RETURN (SELECT note FROM drawer.notes);
CREATE AGGREGATE public.gathered(integer) (SFUNC = public.step, STYPE = text);
CREATE FUNCTION public.peek_by(integer) RETURNS text LANGUAGE sql SECURITY DEFINER
  RETURN (SELECT note FROM drawer.notes WHERE id = $1);
CREATE OPERATOR public.@?! (FUNCTION = public.peek_by, RIGHTARG = integer);
CREATE TYPE public.note_number AS (id integer);
CREATE FUNCTION public.as_note(public.note_number) RETURNS text LANGUAGE sql SECURITY DEFINER
  RETURN (SELECT note FROM drawer.notes WHERE id = $1.id);
CREATE CAST (public.note_number AS text) WITH FUNCTION public.as_note(public.note_number);
CREATE FUNCTION pg_catalog.planted_peek() RETURNS text LANGUAGE sql SECURITY DEFINER RETURN (SELECT note FROM drawer.notes);
SELECT lo_from_bytea(424242, '{CANARY}');
CREATE POLICY open_to_all ON public.accounts USING (true);
"""
# What only an administrator can have opened, and what no policy speaks of: the script warns of it.
OPENED = """
ALTER DEFAULT PRIVILEGES FOR ROLE shady_maker GRANT SELECT ON TABLES TO PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE shady_maker IN SCHEMA public GRANT SELECT ON TABLES TO PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE shady_maker GRANT USAGE ON SEQUENCES TO PUBLIC;
GRANT SELECT ON pg_catalog.pg_authid TO PUBLIC;
GRANT EXECUTE ON FUNCTION pg_catalog.pg_read_file(text) TO PUBLIC;
GRANT SELECT ON LARGE OBJECT 424242 TO PUBLIC;
"""
POLICY = """
schema: pg-guard/policy/v1
metadata: {name: hostile, version: "1"}
search_path: [public]
tables: {default: allow, deny: ["hr.*", "audit.*", "audit_*", "drawer.*", "Secret Stuff"]}
columns: {deny: {accounts: [secret], customers: [password_hash, card_token, ssn]}}
where:
  - {table: [accounts, visits], equals: {tenant_id: ":tenant_id"}}
functions: {allow: [{capability: [pure, aggregate, window, set-returning, clock, type-io]}]}
"""


@pytest.fixture(scope="module")
async def hostile(server_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[asyncpg.Connection]:
    """A session of the role, whose tenant is 1."""
    dsn = await load_sample_database(server_dsn, name="grants_hostile")
    await apply(dsn, HOSTILE)
    policy = tmp_path_factory.mktemp("hostile") / "policy.yaml"
    policy.write_text(POLICY)
    made = run("-p", str(policy), "--dsn", dsn, "-r", "hostage", "--row-security", "--revoke-public")
    assert made.returncode == 0, made.stderr
    warned = await apply(dsn, made.stdout)
    assert [each for each in warned if not each.startswith("not granted")] == []
    connection = await asyncpg.connect(as_role(dsn, "hostage"))
    await connection.execute("SET default_transaction_read_only = off; SET pg_guard.tenant_id = '1'")
    yield connection
    await connection.close()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT note FROM drawer.notes",
        "SELECT note FROM events",
        "SELECT note FROM ONLY events",
        "SELECT note FROM hr.events_kept",
        "SELECT note FROM visits_2",
        "SELECT note FROM visits WHERE tenant_id = 2",
        "SELECT tableoid::regclass, note FROM visits",
        "SELECT name FROM accounts WHERE tenant_id = 2 OR true",
        "SELECT secret FROM accounts",
        "SELECT accounts FROM accounts",
        "SELECT count(*) FROM accounts a WHERE a IS NOT NULL",
        "SELECT to_jsonb(a) FROM accounts a",
        "SELECT max(secret) FROM accounts",
        "SELECT id FROM accounts ORDER BY secret",
        "SELECT a.id FROM accounts a JOIN accounts b USING (secret)",
        "SELECT a.id FROM accounts a NATURAL JOIN accounts b",
        "SELECT name FROM account_names",
        "SELECT name FROM account_copy",
        "SELECT name FROM own_account_names",
        "SELECT most_common_vals::text FROM pg_stats WHERE tablename = 'accounts'",
        "SELECT most_common_vals::text FROM pg_stats_ext WHERE tablename = 'accounts'",
        "SELECT most_common_vals::text FROM pg_stats_ext_exprs",
        "SELECT stavalues1::text FROM pg_statistic",
        "SELECT stxdmcv::text FROM pg_statistic_ext_data",
        "SELECT last_value FROM hr.badge_numbers",
        "SELECT nextval('hr.badge_numbers')",
        "SELECT peek()",
        "SELECT * FROM peek_each()",
        "CALL tell('')",
        "DO $$ DECLARE note text; BEGIN CALL tell(note); RAISE EXCEPTION '%', note; END $$",
        "SELECT gathered(1)",
        "SELECT @?! 1",
        "SELECT ROW(1)::note_number::text",
        "SELECT CAST(ROW(1)::note_number AS text)",
        "SELECT planted_peek()",
        "SELECT convert_from(lo_get(424242), 'UTF8')",
        "SELECT convert_from(data, 'UTF8') FROM pg_largeobject",
        "SELECT query_to_xml('SELECT note FROM drawer.notes', false, false, '')",
        "SELECT table_to_xml('drawer.notes', false, false, '')",
        "SELECT ts_stat('SELECT to_tsvector(note) FROM drawer.notes')",
        "EXPLAIN (ANALYZE, VERBOSE) SELECT note FROM drawer.notes",
        "COPY drawer.notes TO STDOUT",
        "COPY accounts TO STDOUT",
        "COPY accounts (secret) TO STDOUT",
        "COPY (SELECT secret FROM accounts) TO STDOUT",
        "SELECT name FROM accounts WHERE 1 / (CASE WHEN name = 'own' THEN 1 ELSE 0 END) = 1",
        "SET ROLE shady_maker",
        "SET SESSION AUTHORIZATION shady_maker",
        "SET row_security = off; SELECT name FROM accounts",
        "RESET ROLE; SELECT note FROM drawer.notes",
        "CREATE TEMPORARY VIEW v AS SELECT note FROM drawer.notes",
        "CREATE FUNCTION public.mine() RETURNS integer LANGUAGE sql RETURN 1",
        "ALTER POLICY open_to_all ON accounts USING (true)",
        "ALTER TABLE accounts DISABLE ROW LEVEL SECURITY",
        "LOCK TABLE drawer.notes",
        "SELECT * FROM pg_authid",
        "SELECT pg_read_file('/etc/passwd')",
    ],
)
async def test_nothing_hidden_comes_out(hostile: asyncpg.Connection, sql: str) -> None:
    *before, last = sql.split("; ") if sql.startswith(("SET row", "RESET")) else [sql]
    transaction = hostile.transaction()
    await transaction.start()
    try:
        for each in before:
            await hostile.execute(each)
        shown, state = str(await _rows(hostile, last)), ""
    except asyncpg.PostgresError as error:
        shown, state = str(error), str(error.sqlstate)
    finally:
        await transaction.rollback()
    assert CANARY not in shown
    # Any other error, such as a division by zero, would tell of rows that were looked at.
    assert state in ("", "42501", "0A000" if "xml" in sql else "")  # this build of PostgreSQL knows no XML


async def _rows(connection: asyncpg.Connection, sql: str) -> object:
    if not sql.startswith("COPY"):
        return await connection.fetch(sql)
    gathered = bytearray()

    async def keep(data: bytes) -> None:
        gathered.extend(data)

    if sql.startswith("COPY ("):
        await connection.copy_from_query(sql[6:].rpartition(")")[0], output=keep)
    else:
        schema, _, table = sql.split()[1].rpartition(".")
        columns = ["secret"] if "(secret)" in sql else None
        await connection.copy_from_table(table, schema_name=schema or None, columns=columns, output=keep)
    return bytes(gathered).decode()


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM accounts",
        "SELECT name, score FROM accounts WHERE tenant_id = 1 ORDER BY score DESC LIMIT 3",
        "SELECT a.name, b.score FROM accounts a JOIN accounts b ON b.id = a.id",
        "SELECT tenant_id, avg(score), percentile_cont(0.5) WITHIN GROUP (ORDER BY score) FROM accounts GROUP BY 1",
        "SELECT name, rank() OVER (PARTITION BY tenant_id ORDER BY score) FROM accounts",
        "SELECT id, note FROM visits",
        "WITH best AS (SELECT id FROM accounts ORDER BY score LIMIT 5) SELECT name FROM accounts JOIN best USING (id)",
        "SELECT o.status, sum(i.quantity) FROM orders o JOIN order_items i ON i.order_id = o.id GROUP BY 1",
        "SELECT * FROM products ORDER BY price DESC LIMIT 5",
        "SELECT p.name, c.name FROM products p JOIN categories c ON c.id = p.category_id",
        "SELECT date_trunc('month', ordered_at), count(*) FROM orders GROUP BY 1 ORDER BY 1",
        "SELECT id, name, email FROM customers WHERE country = 'DE' LIMIT 5",
        "SELECT (size).width FROM products LIMIT 1",
        "SELECT 'paid'::order_status, string_agg(name, ', ') FROM regions",
        "SELECT generate_series(1, 3), now()",
        "TABLE regions",
        "EXPLAIN SELECT name FROM accounts WHERE tenant_id = 1",
    ],
)
async def test_what_the_policy_permits_works(hostile: asyncpg.Connection, sql: str) -> None:
    rows = await outcome(hostile, sql)
    assert rows.endswith(" rows")
    assert rows != "0 rows"


async def test_what_no_policy_speaks_of_is_warned_of(server_dsn: str, tmp_path: Path) -> None:
    dsn = await load_sample_database(server_dsn, name="grants_opened")
    admin = await asyncpg.connect(dsn)
    try:
        await apply(dsn, "DO $$ BEGIN CREATE ROLE shady_maker; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
        await apply(dsn, "GRANT CREATE ON SCHEMA public TO shady_maker; SELECT lo_from_bytea(424242, 'x')")
        await apply(dsn, OPENED)
        policy = tmp_path / "policy.yaml"
        policy.write_text(POLICY)
        made = run("-p", str(policy), "--dsn", dsn, "-r", "watched")
        about = "through PUBLIC, watched also has "
        warned = {each.removeprefix(about) for each in await apply(dsn, made.stdout) if each.startswith(about)}
        later = "SELECT on tables that shady_maker makes later"
        kept = {
            "SELECT on pg_catalog.pg_authid, which PostgreSQL keeps from it at first",
            "EXECUTE on pg_read_file(text), which PostgreSQL or an extension keeps from it at first",
            "SELECT on the large object 424242",
        }
        assert (
            kept | {later, f"{later} in the schema public", "USAGE on sequences that shady_maker makes later"} <= warned
        )
        # Asked to, the script takes the defaults for new tables back; PostgreSQL's own objects it leaves alone.
        made = run("-p", str(policy), "--dsn", dsn, "-r", "watched", "--revoke-public")
        warned = {each.removeprefix(about) for each in await apply(dsn, made.stdout) if each.startswith(about)}
        assert warned == kept
        await apply(dsn, "SET ROLE shady_maker; CREATE TABLE public.made_later (id integer)")
        watched = await asyncpg.connect(as_role(dsn, "watched"))
        try:
            assert await outcome(watched, "TABLE made_later") == "42501"
            await watched.execute("SET default_transaction_read_only = off")
            await watched.execute("ALTER ROLE watched SET statement_timeout = 0")
        finally:
            await watched.close()
        warned = set(await apply(dsn, made.stdout))
        assert "in all databases, watched starts with statement_timeout=0" in warned
    finally:
        await admin.close()
