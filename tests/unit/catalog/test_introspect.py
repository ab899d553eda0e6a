"""The catalog of a real PostgreSQL 18, read and compared with what was created there."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import asyncpg
import pytest

from pg_guard.catalog.introspect import read_catalog
from pg_guard.catalog.model import Cast, Catalog, Column, ForeignKey, Function, Name, Relation
from pg_guard.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Iterable

INT4, INT8, TEXT = Name("pg_catalog", "int4"), Name("pg_catalog", "int8"), Name("pg_catalog", "text")
USERS = Name("hidden", "users")


def relation(catalog: Catalog, name: str, schema: str = "App") -> Relation:
    return catalog.relation_index[Name(schema, name)]


def function(catalog: Catalog, name: str, *args: Name) -> Function:
    (found,) = (f for f in catalog.function_index[name] if f.schema == "App" and (not args or f.args == args))
    return found


def reads(catalog: Catalog, view: str) -> set[tuple[str, str | None]]:
    return {(str(d.relation), d.column) for d in relation(catalog, view).depends_on}


def users(columns: Iterable[str | None]) -> set[tuple[str, str | None]]:
    return {("hidden.users", column) for column in columns}


def test_the_database_describes_itself(objects: Catalog) -> None:
    assert objects.database == "one_of_each"
    assert objects.server_version >= 180000
    assert objects.encoding == "UTF8"
    assert objects.search_path == ("public",)
    assert {"App", "hidden", "public", "pg_catalog", "information_schema", "pg_toast"} <= objects.schema_set
    settings = dict(objects.settings)
    assert settings["standard_conforming_strings"] == "on"
    assert settings["default_transaction_read_only"] == "off"
    assert {"row_security", "server_encoding", "lc_ctype"} <= settings.keys()


async def test_the_search_path_is_that_of_a_fresh_session_of_the_role(objects_dsn: str) -> None:
    # Left out: a schema that does not exist, and one that the role may not use.
    place = urlsplit(objects_dsn).netloc
    catalog = await read_catalog(objects_dsn.replace(place, "catalog_reader@", 1))
    assert catalog.search_path == ("App",)


async def test_the_users_own_schema_is_resolved(objects_dsn: str) -> None:
    connection = await asyncpg.connect(objects_dsn)
    try:
        await connection.execute("CREATE SCHEMA postgres")
        assert (await read_catalog(objects_dsn)).search_path == ("postgres", "public")
    finally:
        await connection.execute("DROP SCHEMA postgres")
        await connection.close()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Orders", "partitioned"),
        ("orders_old", "table"),
        ("emails", "view"),
        ("frozen", "matview"),
        ("counter", "sequence"),
        ("Orders_pkey", "index"),
    ],
)
def test_relations_of_every_kind(objects: Catalog, name: str, kind: str) -> None:
    assert relation(objects, name).kind == kind


def test_composite_and_toast_relations(objects: Catalog) -> None:
    assert relation(objects, "pair", "hidden").kind == "composite"
    toast = [r for r in objects.relations if r.schema == "pg_toast" and r.kind == "toast"]
    assert toast
    assert {c.name for c in toast[0].columns} == {"chunk_id", "chunk_seq", "chunk_data"}


def test_columns_in_order_without_dropped_ones(objects: Catalog) -> None:
    table = relation(objects, "users", "hidden")
    assert [c.name for c in table.columns] == ["id", "email", "secret", "code", "shout"]
    assert table.columns[0] == Column("id", INT4, not_null=True)
    assert table.columns[1] == Column("email", TEXT, not_null=True, comment="where")
    assert table.columns[3].type == Name("hidden", "code")
    assert table.columns[3].default == "'x'::text"
    assert (table.columns[4].generated, table.columns[4].default) == ("upper(email)", "")
    assert (table.comment, table.row_security, table.primary_key) == ("people", True, ("id",))


def test_indexes_name_key_columns_and_expressions(objects: Catalog) -> None:
    assert relation(objects, "users", "hidden").indexes == (("email", "id"), ("lower(email)", "id"), ("id",))


def test_foreign_keys_come_once_even_to_a_partitioned_table(objects: Catalog) -> None:
    orders = Name("App", "Orders")
    assert relation(objects, "Orders").foreign_keys == (ForeignKey(("user_id",), USERS, ("id",)),)
    assert relation(objects, "notes").foreign_keys == (ForeignKey(("at", "order_id"), orders, ("at", "id")),)
    assert relation(objects, "Orders").primary_key == ("at", "id")


def test_partitions_and_inheritance(objects: Catalog) -> None:
    orders = Name("App", "Orders")
    assert relation(objects, "orders_old").partition_of == orders
    assert relation(objects, "orders_old").parents == (orders,)
    assert relation(objects, "derived").parents == (Name("App", "base"),)
    assert relation(objects, "derived").partition_of is None
    assert objects.children_index[orders] == (Name("App", "orders_old"),)


def test_rules_other_than_a_views_own(objects: Catalog) -> None:
    assert relation(objects, "base").rules
    assert not relation(objects, "emails").rules


def test_row_estimates(objects: Catalog) -> None:
    assert relation(objects, "base").rows == -1.0
    assert relation(objects, "pg_proc", "pg_catalog").rows > 1000


def test_view_definitions_are_qualified(objects: Catalog) -> None:
    assert "hidden.users" in relation(objects, "emails").definition
    assert '"App".emails' in relation(objects, "nested").definition
    assert "hidden.users" in relation(objects, "frozen").definition
    assert not relation(objects, "base").definition


def test_views_name_the_columns_that_they_read(objects: Catalog) -> None:
    assert reads(objects, "emails") == users(["email"])
    assert reads(objects, "frozen") == users(["id"])
    assert reads(objects, "counted") == users([None])
    assert reads(objects, "system_column") == users(["ctid"])


def test_a_whole_row_reads_every_column(objects: Catalog) -> None:
    assert reads(objects, "whole") == users([None, "id", "email", "secret", "code", "shout"])


def test_nested_queries_count_and_strings_that_look_like_fields_do_not(objects: Catalog) -> None:
    # Inside of the view the CTE reads another view; 1247 is the oid of pg_type.
    assert reads(objects, "nested") == {("App.emails", "email"), *users(["secret"])}


def test_views_over_system_catalogs_are_followed(objects: Catalog) -> None:
    assert reads(objects, "roles") == {("pg_catalog.pg_authid", "rolpassword")}
    shadow = relation(objects, "pg_shadow", "pg_catalog").depends_on
    assert ("pg_authid", "rolpassword") in {(d.relation.name, d.column) for d in shadow}


def test_functions_with_every_kind_of_argument(objects: Catalog) -> None:
    plain = function(objects, "add", INT4, INT4)
    assert (plain.result, plain.defaults, plain.arg_names) == (INT4, 1, ("a", "b"))
    assert (plain.volatility, plain.language, plain.strict, plain.body) == ("immutable", "sql", True, "SELECT a + b")
    variadic = function(objects, "add", Name("pg_catalog", "_numeric"))
    assert (variadic.variadic, variadic.arg_names, variadic.definition) == (True, (), "RETURN 1.5")
    reader = function(objects, "reader")
    assert reader.args == (TEXT,)
    assert reader.arg_names == ("m",)
    assert reader.outputs == (("n", INT8), ("m", TEXT))
    assert reader.security_definer
    listing = function(objects, "listing")
    assert listing.outputs == (("x", INT4), ("y", TEXT))
    assert (listing.returns_set, listing.volatility, listing.language) == (True, "stable", "plpgsql")
    assert listing.body == "BEGIN RETURN; END"
    work = function(objects, "work")
    assert (work.kind, work.args, work.outputs) == ("procedure", (INT4,), (("b", INT4),))


def test_sql_standard_bodies_are_qualified(objects: Catalog) -> None:
    reader = function(objects, "reader")
    assert reader.body == ""
    assert "FROM hidden.users" in reader.definition


def test_aggregates_name_their_support_functions(objects: Catalog) -> None:
    total = function(objects, "total")
    assert (total.kind, total.support) == ("aggregate", (Name("pg_catalog", "int4pl"),))
    (window,) = objects.function_index["row_number"]
    assert window.kind == "window"
    assert not window.body


async def test_every_function_operator_and_cast_is_there(objects: Catalog, objects_dsn: str) -> None:
    connection = await asyncpg.connect(objects_dsn)
    counts = await connection.fetchrow(
        "SELECT (SELECT count(*) FROM pg_proc), (SELECT count(*) FROM pg_operator WHERE oprcode <> 0),"
        " (SELECT count(*) FROM pg_cast), (SELECT count(*) FROM pg_type), (SELECT count(*) FROM pg_class)"
    )
    await connection.close()
    assert tuple(counts) == tuple(
        len(part) for part in (objects.functions, objects.operators, objects.casts, objects.types, objects.relations)
    )


def test_types_of_every_kind(objects: Catalog) -> None:
    def hidden(name: str) -> tuple[object, ...]:
        t = objects.type_index[Name("hidden", name)]
        return t.kind, t.base or t.element or t.relation

    assert hidden("code") == ("domain", TEXT)
    assert hidden("_code") == ("array", Name("hidden", "code"))
    assert hidden("pair") == ("composite", Name("hidden", "pair"))
    assert hidden("users") == ("composite", USERS)
    assert hidden("span") == ("range", Name("pg_catalog", "float8"))
    assert hidden("spans") == ("multirange", Name("hidden", "span"))
    assert hidden("mood") == ("enum", None)
    assert objects.type_index[Name("hidden", "mood")].labels == ("sad", "ok", "a 'happy' one")
    assert len(objects.type_index[Name("hidden", "code")].checks) == 2
    assert "(VALUE <> ''::text)" in objects.type_index[Name("hidden", "code")].checks
    text = objects.type_index[TEXT]
    assert (text.category, text.preferred, text.input, text.output) == (
        "S",
        True,
        Name("pg_catalog", "textin"),
        Name("pg_catalog", "textout"),
    )
    assert objects.type_index[Name("pg_catalog", "record")].kind == "pseudo"
    assert objects.type_index[Name("pg_catalog", "name")].kind == "base"


def test_operators_and_casts(objects: Catalog) -> None:
    (plus,) = objects.operator_index["+#"]
    assert (plus.left, plus.right, plus.function) == (INT4, INT4, Name("App", "add"))
    (prefix,) = objects.operator_index["!!!"]
    assert (prefix.left, prefix.right) == (None, TEXT)
    assert Cast(INT4, Name("hidden", "mood"), Name("App", "to_mood"), "assignment") in objects.casts


def test_members_of_an_extension_say_so(objects: Catalog) -> None:
    assert "vector" in dict(objects.extensions)
    assert {f.extension for f in objects.function_index["cosine_distance"]} == {"vector"}
    assert {o.extension for o in objects.operator_index["<->"] if o.schema == "public"} == {"vector"}
    for name in ("vector", "_vector"):
        assert objects.type_index[Name("public", name)].extension == "vector"
    assert function(objects, "total").extension == ""


async def test_temporary_tables_of_other_sessions_do_not_appear(objects: Catalog, objects_dsn: str) -> None:
    connection = await asyncpg.connect(objects_dsn)
    await connection.execute("CREATE TEMP TABLE passing (a text)")
    try:
        assert await read_catalog(objects_dsn) == objects
    finally:
        await connection.close()


async def test_reading_twice_gives_equal_catalogs(objects: Catalog, objects_dsn: str) -> None:
    again = await read_catalog(objects_dsn)
    assert again == objects
    assert again.digest == objects.digest


async def test_reading_needs_no_privilege_but_connect(objects: Catalog, objects_dsn: str) -> None:
    catalog = await read_catalog(objects_dsn.replace(urlsplit(objects_dsn).netloc, "catalog_reader@", 1))
    assert catalog.relations == objects.relations
    assert catalog.functions == objects.functions


def test_the_sample_database_is_read(demo_catalog: Catalog) -> None:
    assert Name("hr", "payroll") in demo_catalog.relation_index
    team = demo_catalog.relation_index[Name("analytics", "team")]
    assert ("employees", "salary") in {(d.relation.name, d.column) for d in team.depends_on}


async def test_a_reading_that_waits_for_a_lock_ends_with_the_time_out(objects_dsn: str) -> None:
    connection = await asyncpg.connect(objects_dsn)
    try:
        async with connection.transaction():
            await connection.execute('LOCK TABLE "App".emails IN ACCESS EXCLUSIVE MODE')
            with pytest.raises(DatabaseError, match=r"not read within|cancelled"):
                await read_catalog(objects_dsn, timeout=1)
    finally:
        await connection.close()


async def test_a_cancelled_reading_leaves_no_connection(objects_dsn: str) -> None:
    task = asyncio.create_task(read_catalog(objects_dsn))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    connection = await asyncpg.connect(objects_dsn)
    try:
        for _ in range(200):
            count = (
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            if not await connection.fetchval(count):
                break
            await asyncio.sleep(0.05)
        else:
            pytest.fail("a backend is still there")
    finally:
        await connection.close()
