"""A policy as privileges: the plan by itself, and on PostgreSQL for policies that nobody wrote."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pg_guard.advise.grants import GrantPlan, plan_grants, render_sql
from pg_guard.advise.grants_model import GrantOptions, block, literal
from pg_guard.advise.quoting import sql_name
from pg_guard.catalog.model import Catalog, Column, ColumnDependency, Name, Relation
from pg_guard.demo.database import load_sample_database
from pg_guard.errors import UsageError
from pg_guard.guard import Guard
from pg_guard.policy.model import Policy
from tests.support.granted import apply

INTEGER, TEXT = Name("pg_catalog", "int4"), Name("pg_catalog", "text")


def plan(catalog: Catalog, role: str = "reader", **sections: Any) -> GrantPlan:
    options = {name: sections.pop(name) for name in ("login", "row_security", "revoke_public") if name in sections}
    return plan_grants(Guard(Policy.model_validate(sections), catalog), GrantOptions(role, **options))


def statements(plan: GrantPlan, title: str) -> list[str]:
    return [statement.sql for section in plan.sections if section.title == title for statement in section.statements]


def table(name: str, *columns: str, type_: Name = INTEGER, **more: Any) -> Relation:
    return Relation("app", name, more.pop("kind", "table"), tuple(Column(each, type_) for each in columns), **more)


def catalog_of(*relations: Relation) -> Catalog:
    return Catalog(database="shop", schemas=("app",), search_path=("app",), relations=relations)


# -- what is granted ---------------------------------------------------------------------------------------------------


def test_tables_are_granted_whole_or_by_column() -> None:
    catalog = catalog_of(table("a", "id", "secret"), table("b", "id"), table("c", "secret"), table("d", "id"))
    made = plan(catalog, tables={"deny": ["d"]}, columns={"deny": {"*": ["secret"]}})
    assert statements(made, "Tables and views") == [
        "GRANT SELECT (id) ON app.a TO reader",
        "GRANT SELECT ON app.b TO reader",
    ]
    assert statements(made, "Schemas") == ["GRANT USAGE ON SCHEMA app TO reader"]
    assert [(str(each.name), each.reason) for each in made.access.withheld] == [
        ("app.c", "the policy denies all of its columns")
    ]


def test_nothing_is_granted_where_no_query_may_run() -> None:
    made = plan(catalog_of(table("a", "id")), statements={"allow": ["show"]})
    assert statements(made, "Tables and views") == statements(made, "Schemas") == []


def test_a_parent_of_a_denied_child_is_not_granted() -> None:
    parent, child = Name("app", "notes"), table("secret_notes", "id", parents=(Name("app", "notes"),))
    made = plan(catalog_of(table("notes", "id"), child), tables={"deny": ["secret_notes"]})
    assert statements(made, "Tables and views") == []
    assert [each.name for each in made.access.withheld if each.name == parent] == [parent]
    assert any("app.notes is not granted" in sentence for sentence in made.not_enforced)


def test_a_parent_that_is_named_exactly_counts_as_reviewed() -> None:
    catalog = catalog_of(table("notes", "id"), table("secret_notes", "id", parents=(Name("app", "notes"),)))
    guard = Guard(Policy.model_validate({"tables": {"allow": ["app.notes"], "deny": ["secret_notes"]}}), catalog)
    assert guard.check("SELECT id FROM app.notes").allowed
    made = plan_grants(guard, GrantOptions("reader"))
    assert statements(made, "Tables and views") == ["GRANT SELECT ON app.notes TO reader"]


def test_a_view_that_cannot_be_followed_is_not_granted() -> None:
    view = table("v", "id", kind="view", definition="SELECT broken(")
    made = plan(catalog_of(view))
    assert statements(made, "Tables and views") == []
    assert made.access.withheld[0].reason.startswith("the guard cannot follow its definition")


def test_the_names_of_postgresql_are_left_to_public() -> None:
    stats = Relation("pg_catalog", "pg_stats", "view", (Column("x", TEXT),))
    made = plan(catalog_of(table("a", "id"), stats), tables={"allow": ["pg_catalog.pg_stats"]})
    assert statements(made, "Tables and views") == ["GRANT SELECT ON app.a TO reader"]
    assert any("pg_catalog.pg_stats; PUBLIC's privileges hold" in sentence for sentence in made.not_enforced)


def test_functions_of_the_demo_database(demo_catalog: Catalog) -> None:
    functions = {"allow": ["public.net_price(numeric, numeric)", "order_total"], "user_defined": "allow_listed"}
    made = plan(demo_catalog, functions=functions)
    assert statements(made, "Functions") == [
        'GRANT EXECUTE ON ROUTINE public.net_price(pg_catalog."numeric", pg_catalog."numeric") TO reader',
        "GRANT EXECUTE ON ROUTINE public.order_total(pg_catalog.int8) TO reader",
    ]
    from_public = [each for each in statements(made, "PUBLIC") if each.startswith("REVOKE EXECUTE")]
    assert from_public == [
        f"REVOKE EXECUTE ON ROUTINE public.{each} FROM PUBLIC"
        for each in ("age_group(pg_catalog.date)", "badge(pg_catalog.int4)")
    ]


def test_what_concerns_others_is_a_comment_unless_it_is_asked_for(demo_catalog: Catalog) -> None:
    text = render_sql(plan(demo_catalog))
    assert not re.search(r"^REVOKE .* FROM PUBLIC;", text, re.MULTILINE)
    assert "-- REVOKE EXECUTE ON ROUTINE public.badge(pg_catalog.int4) FROM PUBLIC;" in text.splitlines()
    asked = render_sql(plan(demo_catalog, revoke_public=True))
    assert "REVOKE EXECUTE ON ROUTINE public.badge(pg_catalog.int4) FROM PUBLIC;" in asked.splitlines()


# -- rows --------------------------------------------------------------------------------------------------------------


def conditions(made: GrantPlan) -> list[str]:
    return [
        match[1] for each in statements(made, "Rows") if (match := re.search(r"RESTRICTIVE .* USING \((.*)\)$", each))
    ]


@pytest.mark.parametrize(
    ("type_", "value", "condition"),
    [
        (
            INTEGER,
            ":tenant",
            "t OPERATOR(pg_catalog.=) nullif(current_setting('pg_guard.tenant', true), '')::pg_catalog.int4",
        ),
        (INTEGER, 7, "t OPERATOR(pg_catalog.=) '7'::pg_catalog.int4"),
        (INTEGER, 7.0, "t OPERATOR(pg_catalog.=) '7'::pg_catalog.int4"),
        (INTEGER, "seven", "false"),
        (INTEGER, 2**31, "false"),
        (INTEGER, ":ten ant", "false"),
        (INTEGER, ":x') OR true --", "false"),
        (TEXT, "o'clock", "t OPERATOR(pg_catalog.=) 'o''clock'::pg_catalog.text"),
        (TEXT, "a\\' OR true", "t OPERATOR(pg_catalog.=) E'a\\\\'' OR true'::pg_catalog.text"),
        (Name("pg_catalog", "bool"), True, "t OPERATOR(pg_catalog.=) 'true'::pg_catalog.bool"),
        (Name("My Types", "char"), "x", 't OPERATOR(pg_catalog.=) \'x\'::"My Types"."char"'),
    ],
)
def test_a_demanded_value_becomes_a_policy(type_: Name, value: object, condition: str) -> None:
    made = plan(
        catalog_of(table("a", "t", type_=type_)), where=[{"table": "a", "equals": {"t": value}}], row_security=True
    )
    assert conditions(made) == [condition]


def test_requirements_are_joined_and_a_missing_column_shows_nothing() -> None:
    where = [{"table": "app.*", "equals": {"t": 1}}, {"table": "a", "equals": {"u": 2}}]
    made = plan(catalog_of(table("a", "t", "u"), table("b", "x")), where=where, row_security=True)
    assert conditions(made) == [
        "t OPERATOR(pg_catalog.=) '1'::pg_catalog.int4 AND u OPERATOR(pg_catalog.=) '2'::pg_catalog.int4",
        "false",
    ]
    assert "app.b: it has no column t, which the policy demands" in render_sql(made)


def test_what_row_security_cannot_hold_is_not_granted() -> None:
    base = table("a", "t")
    reads = (ColumnDependency(base.key, "t"),)
    relations = (
        base,
        table("f", "t", kind="foreign"),
        table("m", "t", kind="matview", definition="SELECT a.t FROM app.a", depends_on=reads),
        table("v", "t", kind="view", definition="SELECT a.t FROM app.a", depends_on=reads),
        table(
            "w",
            "t",
            kind="view",
            definition="SELECT m.t FROM app.m",
            depends_on=(ColumnDependency(Name("app", "m"), "t"),),
        ),
        table("n", "t", kind="view", definition="SELECT 1 AS t"),
    )
    where = [{"table": ["a", "f", "n"], "equals": {"t": 1}}]
    made = plan(catalog_of(*relations), where=where, row_security=True)
    assert statements(made, "Tables and views") == ["GRANT SELECT ON app.a TO reader"]
    assert {each.name.name for each in made.access.withheld} == {"f", "m", "w", "n"}
    (conditional,) = statements(made, "Views over these tables")
    assert "GRANT SELECT ON app.v TO reader;" in conditional
    assert "security_invoker" in conditional
    # Without row security they are what the guard says, and the sentence at the end says what is missing.
    without = plan(catalog_of(*relations), where=where)
    assert len(statements(without, "Tables and views")) == len(relations)
    assert any("--row-security" in sentence for sentence in without.not_enforced)


def test_partitions_are_held_like_their_parents() -> None:
    child = table("child", "t", parents=(Name("app", "a"),), partition_of=Name("app", "a"))
    made = plan(
        catalog_of(table("a", "t", kind="partitioned"), child),
        where=[{"table": "a", "equals": {"t": 1}}],
        row_security=True,
    )
    assert len(conditions(made)) == 2


# -- what is said ------------------------------------------------------------------------------------------------------


def test_each_clause_that_no_privilege_says_is_listed(demo_catalog: Catalog) -> None:
    made = plan(
        demo_catalog,
        mode="monitor",
        statements={"allow": ["select", "show"]},
        where=[{"table": "orders", "columns": ["tenant_id"]}, {"table": "web_events"}],
        joins={"max_tables": 3, "cartesian": "deny"},
        limits={"rows": 77, "cost": 1e6},
        principals={"bi": {"match": {"client": "bi-*"}}},
    )
    said = "\n".join(made.not_enforced)
    for words in (
        "statements.allow (select, show)",
        "mode is monitor",
        "principals",
        "where (orders): that tenant_id must be held",
        "where (web_events): that a query must restrict",
        "joins.max_tables: 3",
        "joins.cartesian: deny",
        "rows 77",
        "cost 1e+06",
        "set_config, pg_sleep",
        "PostgreSQL's own catalogs",
        "a column that is added later",
    ):
        assert words in said
    text = render_sql(made)
    tail = text[text.index("-- What only the guard enforces:") :]
    assert all(line.startswith("-- ") for line in tail.splitlines())


def test_the_same_in_gives_the_same_bytes(demo_catalog: Catalog) -> None:
    sections: dict[str, Any] = {"columns": {"deny": {"*": ["ssn"]}}, "row_security": True}
    assert render_sql(plan(demo_catalog, **sections)) == render_sql(plan(demo_catalog, **sections))


def test_nothing_but_comments_and_statements_is_printed() -> None:
    # No name or text ends a comment: each line of a name's own would be outside of all.
    odd = "x\n; DROP ROLE y; --\r\u2028\v"
    catalog = replace(catalog_of(table(odd, odd)), database=odd, schemas=("app", odd))
    text = render_sql(plan(catalog, role=odd.strip(), metadata={"name": odd}, columns={"deny": {"*": ["z"]}}))
    assert "\r" not in text
    assert "\u2028" not in text
    assert not [line for line in text.split("\n") if line.startswith("; DROP")]


@pytest.mark.parametrize("role", ["", "pg_reader", "public", "none", "x" * 64, "a\0b"])
def test_names_that_no_role_can_have(demo_catalog: Catalog, role: str) -> None:
    with pytest.raises(UsageError):
        plan(demo_catalog, role=role)


def test_a_catalog_is_needed() -> None:
    with pytest.raises(UsageError, match="privileges need the names of a database"):
        plan_grants(Guard(Policy()), GrantOptions("reader"))
    with pytest.raises(UsageError, match="does not name its database"):
        plan(Catalog())


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")))
@example("$pg_guard$ $pg_guard1$")
def test_a_block_ends_where_it_should(text: str) -> None:
    made = block(text)
    tag = made[3 : made.index("$", 4) + 1]
    assert made.count(tag) == 2
    assert made.endswith(tag)


# -- on PostgreSQL -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
async def granted_dsn(server_dsn: str) -> str:
    """A sample database of these tests' own, with what makes names hard."""
    dsn = await load_sample_database(server_dsn, name="grants_unit")
    await apply(
        dsn,
        'CREATE SCHEMA "Odd"; CREATE TABLE "Odd"."a.b" ("c d" integer, ssn text);'
        'CREATE VIEW "Odd".v AS SELECT ssn AS n FROM "Odd"."a.b";'
        'CREATE VIEW "Odd".w AS SELECT n, count(*) FROM "Odd".v GROUP BY n;'
        "CREATE TABLE hr.child (more text) INHERITS (hr.departments)",
    )
    return dsn


@pytest.fixture(scope="module")
async def granted_catalog(granted_dsn: str) -> Catalog:
    return await Catalog.from_database(granted_dsn)


class Bench:
    """The database and its catalog; hypothesis prints arguments of a failed test, and a catalog is megabytes of them."""

    def __init__(self, dsn: str, catalog: Catalog) -> None:
        self.dsn = dsn
        self.catalog = catalog


@pytest.fixture(scope="module")
def bench(granted_dsn: str, granted_catalog: Catalog) -> Bench:
    return Bench(granted_dsn, granted_catalog)


async def test_literals_are_read_back(granted_dsn: str) -> None:
    connection = await asyncpg.connect(granted_dsn)
    try:
        for conforming in ("on", "off"):
            await connection.execute(f"SET standard_conforming_strings = {conforming}")
            for text in ("", "'", "\\", "\\'", "a\nb", "\u2028", "\U0001f600\u200d", "%I {0} :x $1", "é\x01"):
                assert await connection.fetchval(f"SELECT {literal(text)}") == text
                assert text == "" or await connection.fetchval(f"SELECT 1 AS {sql_name(text)}") == 1
    finally:
        await connection.close()


async def test_values_of_any_type_hold_rows(granted_dsn: str) -> None:
    values = {
        "int2": "7", "int8": "9007199254740993", "numeric": "1.50", "text": "o'clock\\", "varchar": "x y", "bpchar": "ab",
        "uuid": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "bool": "true", "date": "2026-01-31", "name": "n", '"char"': "c",
        "public.order_status": "paid", "public.email_address": "a@b", "timestamptz": "2026-01-31 12:00:00+00", "inet": "10.0.0.1",
        '"Odd"."En um"': "a b",
    }  # fmt: skip
    await apply(granted_dsn, """CREATE TYPE "Odd"."En um" AS ENUM ('a b', 'c'); CREATE SCHEMA many""")
    connection = await asyncpg.connect(granted_dsn)
    try:
        for number, (type_, value) in enumerate(values.items()):
            await connection.execute(f"CREATE TABLE many.t{number} (id integer, held {type_})")
            given = literal(value)
            await connection.execute(f"INSERT INTO many.t{number} VALUES (1, {given}), (2, NULL)")
        catalog = await Catalog.from_database(granted_dsn)
        where = [
            {"table": f"many.t{number}", "equals": {"held": f":t{number}" if number % 2 else value}}
            for number, value in enumerate(values.values())
        ]
        made = plan(catalog, role="typed", where=where, row_security=True)
        assert len(conditions(made)) == len(values)
        await apply(granted_dsn, render_sql(made))
        await connection.execute("SET ROLE typed")
        for number, value in enumerate(values.values()):
            if number % 2:
                assert await connection.fetch(f"SELECT id FROM many.t{number}") == []
                await connection.execute(f"SET pg_guard.t{number} = {literal(value)}")
            assert [row[0] for row in await connection.fetch(f"SELECT id FROM many.t{number}")] == [1], value
    finally:
        await connection.close()
        await apply(granted_dsn, 'DROP SCHEMA many CASCADE; DROP TYPE "Odd"."En um"')


_PRIVILEGES = """
SELECT n.nspname, c.relname, a.attname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
  AND has_schema_privilege('any_policy', n.oid, 'USAGE') AND has_column_privilege('any_policy', c.oid, a.attnum, 'SELECT')
"""

_tables = st.sampled_from(
    """* hr.* audit_* customers public.orders analytics.* analytics.team employees web_events Odd.* web_events_2026_01 "a.b"
    hr.departments hr.child public.* v order*""".split()  # noqa: SIM905 - a list would be three times as long
)
_columns = st.sampled_from(["id", "*_id", "ssn", "name", "*", "email", "c d", "more", "total", "price", "occurred_at"])
_some = st.lists(_tables, max_size=4, unique=True)
_policies = st.fixed_dictionaries(
    {
        "tables": st.fixed_dictionaries({"default": st.sampled_from(["allow", "deny"]), "allow": _some, "deny": _some}),
        "columns": st.fixed_dictionaries(
            {"deny": st.dictionaries(_tables, st.lists(_columns, min_size=1, max_size=3, unique=True), max_size=3)}
        ),
    }
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(document=_policies)
async def test_for_any_policy_the_role_reads_what_the_guard_shows(bench: Bench, document: dict[str, Any]) -> None:
    guard = Guard(Policy.model_validate(document), bench.catalog)
    made = plan_grants(guard, GrantOptions("any_policy"))
    await apply(bench.dsn, render_sql(made))
    connection = await asyncpg.connect(bench.dsn)
    try:
        held = {(Name(row[0], row[1]), row[2]) for row in await connection.fetch(_PRIVILEGES)}
    finally:
        await connection.close()
    withheld = {each.name for each in made.access.withheld}
    shown = {
        (relation.key, column.name)
        for relation in guard.visible_relations()
        for column in guard.visible_columns(relation)
        if relation.key not in withheld and relation.schema not in ("pg_catalog", "information_schema")
    }
    assert held == shown
    # What is held back is what the guard refuses, too.
    for each in made.access.withheld:
        relation = bench.catalog.relation_index[each.name]
        for column in guard.visible_columns(relation) or relation.columns:
            name = f"{sql_name(each.name.schema)}.{sql_name(each.name.name)}"
            assert not guard.check(f"SELECT {sql_name(column.name)} FROM {name}").allowed, (each, column.name)
