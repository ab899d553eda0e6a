"""Every function of a real PostgreSQL 18 is classified, and the analyst's default separates honest from dangerous."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import asyncpg
import pytest
import yaml

from pg_guard.catalog import builtins
from pg_guard.catalog.capabilities import CAPABILITIES

ANALYST = frozenset({"pure", "aggregate", "window", "set-returning", "clock", "random", "session-info", "type-io"})

BY_HAND = yaml.safe_load((Path(__file__).parent / "functions_by_hand.yaml").read_text())
DANGEROUS: list[str] = BY_HAND["dangerous"].split()
HONEST: list[str] = BY_HAND["honest"].split()

# VOLATILE in pg_proc and reachable by the analyst's default: each of them reviewed.
REVIEWED_VOLATILE = {
    *("random", "random_normal", "array_sample", "array_shuffle", "gen_random_uuid", "uuidv4", "uuidv7"),  # random
    *("bernoulli", "system"),  # TABLESAMPLE; cannot be called
    *("clock_timestamp", "timeofday"),  # the time
    "current_query",  # the statement itself
    "pg_is_in_recovery",  # one bit on the server
}

# STABLE, reachable, and not about dates, text search, JSON or types' input and output: each of them reviewed.
REVIEWED_STABLE = {
    *("current_database", "current_schema", "current_schemas", "current_user", "session_user", "system_user"),
    *("getpgusername", "pg_backend_pid", "pg_client_encoding", "getdatabaseencoding", "version", "pg_my_temp_schema"),
    *("pg_current_snapshot", "pg_current_xact_id_if_assigned", "txid_current_if_assigned", "txid_current_snapshot"),
    *("pg_trigger_depth", "mxid_age", "pg_timezone_names", "pg_timezone_abbrevs_abbrevs", "pg_timezone_abbrevs_zone"),
    *("pg_typeof", "pg_collation_for", "pg_column_size", "pg_column_compression"),  # about their argument
    *(
        "pg_char_to_encoding",
        "pg_encoding_to_char",
        "pg_get_keywords",
        "pg_options_to_table",
        "aclexplode",
    ),  # constants
    *("enum_first", "enum_last", "enum_range"),  # labels of a type that stands in the statement
    *(
        "concat",
        "concat_ws",
        "format",
        "quote_literal",
        "quote_nullable",
        "textanycat",
        "anytextcat",
        "array_to_string",
    ),
    *("convert", "convert_from", "convert_to", "length"),  # encodings of the database
    *("to_char", "to_number", "money", "numeric"),  # locale
    *("generate_series", "in_range"),  # of timestamptz: time zone
    *("xml", "xml_is_well_formed"),  # the setting xmloption
}

# Reachable although an argument is an oid or of a reg* type: each of them reviewed.
REVIEWED_OID_ARGUMENTS = {
    *("int8", "max", "min", "nameconcatoid", "oidlarger", "oidsmaller"),  # the number itself
    *("btequalimage", "btvarstrequalimage"),  # constants
    *("ts_parse", "ts_token_type", "ts_lexize", "ts_debug", "ts_headline"),  # text search parsers and configurations
    *("to_tsvector", "to_tsquery", "plainto_tsquery", "phraseto_tsquery", "websearch_to_tsquery"),
    *("json_to_tsvector", "jsonb_to_tsvector"),
}


class Proc(NamedTuple):
    schema: str
    name: str
    kind: str
    volatility: str
    returns_set: bool
    variadic: bool
    args: tuple[str, ...]
    result: str


@pytest.fixture(scope="session")
async def procs(server_dsn: str) -> list[Proc]:
    connection = await asyncpg.connect(server_dsn)
    try:
        rows = await connection.fetch(
            """
            SELECT n.nspname::text, p.proname::text, p.prokind::text, p.provolatile::text, p.proretset,
                   p.provariadic <> 0,
                   ARRAY(SELECT t.typname::text FROM unnest(p.proargtypes) WITH ORDINALITY AS a (oid, position)
                         JOIN pg_type AS t ON t.oid = a.oid ORDER BY position),
                   r.typname::text
            FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace JOIN pg_type AS r ON r.oid = p.prorettype
            WHERE n.nspname IN ('pg_catalog', 'information_schema')
            """
        )
    finally:
        await connection.close()
    return [Proc(*row[:6], tuple(row[6]), row[7]) for row in rows]


def _capabilities(proc: Proc) -> frozenset[str]:
    capabilities = builtins.classify(proc.name, schema=proc.schema, args=proc.args)
    assert capabilities is not None, proc
    return capabilities


@pytest.fixture(scope="session")
def reachable(procs: list[Proc]) -> list[Proc]:
    """What the analyst's default lets through."""
    return [proc for proc in procs if _capabilities(proc) <= ANALYST]


def _allowed(name: str, *, extension: str = "") -> bool:
    capabilities = builtins.classify(name, extension=extension)
    assert capabilities is not None, f"{name} is not classified"
    return capabilities <= ANALYST


def test_every_function_of_the_server_is_classified(procs: list[Proc]) -> None:
    assert len(procs) > 3400
    known = {schema: builtins.names(schema) for schema in ("pg_catalog", "information_schema")}
    assert sorted(f"{p.schema}.{p.name}" for p in procs if p.name not in known[p.schema]) == []


def test_overloads_that_are_told_apart_are_exactly_those_of_the_server(procs: list[Proc]) -> None:
    overloads = defaultdict(set)
    for proc in procs:
        overloads[proc.name].add(proc.args)
    told_apart = {
        name: {entry.args for entry in entries}
        for name, entries in builtins.source("pg_catalog").functions.items()
        if entries[0].args is not None
    }
    assert set(told_apart) == {"age", "ts_rewrite"}
    assert {name: overloads[name] for name in told_apart} == told_apart
    assert not [proc for proc in procs if proc.name in told_apart and proc.variadic]


def test_listed_names_exist_or_say_in_which_versions_they_did(procs: list[Proc]) -> None:
    here = {proc.name for proc in procs if proc.schema == "pg_catalog"}
    versions = builtins.source("pg_catalog").versions
    assert builtins.names() - here == set(versions)
    assert {proc.name for proc in procs if proc.schema == "information_schema"} == builtins.names("information_schema")


def test_kinds_agree_with_the_server(procs: list[Proc], reachable: list[Proc]) -> None:
    assert [p.name for p in procs if p.kind == "a" and "aggregate" not in _capabilities(p)] == []
    assert [p.name for p in procs if p.kind == "w" and "window" not in _capabilities(p)] == []
    assert [p.name for p in reachable if p.returns_set != ("set-returning" in _capabilities(p))] == []
    set_returning = {p.name for p in procs if p.returns_set} | {"pg_timezone_abbrevs"}
    assert {n for n in builtins.names() if "set-returning" in (builtins.classify(n) or ())} <= set_returning
    kinds = {name: {p.kind for p in procs if p.name == name} for name in builtins.names()}
    assert [n for n, k in kinds.items() if "aggregate" in (builtins.classify(n) or ()) and "a" not in k] == []
    assert [n for n, k in kinds.items() if "window" in (builtins.classify(n) or ()) and "w" not in k] == []


def test_reachable_volatile_functions_are_reviewed(reachable: list[Proc]) -> None:
    assert {proc.name for proc in reachable if proc.volatility == "v"} == REVIEWED_VOLATILE


def test_reachable_stable_functions_are_reviewed(reachable: list[Proc]) -> None:
    families = (
        "date",
        "time",
        "interval",
        "age",
        "extract",
        "overlaps",
        "now",
        "statement_",
        "transaction_",
        "make_time",
    )
    families += (
        "json",
        "row_to_json",
        "array_to_json",
        "to_json",
        "ts_",
        "to_ts",
        "to_date",
        "to_time",
        "get_current_ts",
    )
    families += ("plainto_", "phraseto_", "websearch_")
    stable = {p.name for p in reachable if p.volatility == "s" and "type-io" not in _capabilities(p)}
    assert {name for name in stable if not name.startswith(families)} == REVIEWED_STABLE


def test_oids_and_reg_types_reach_only_reviewed_functions(reachable: list[Proc]) -> None:
    """A function that takes the number of an object can tell its name, or run it."""
    operators = ("bt", "hash", "oideq", "oidne", "oidlt", "oidle", "oidgt", "oidge", "oidvector")
    taking = {
        proc.name
        for proc in reachable
        if proc.schema == "pg_catalog"
        and any(arg in {"oid", "oidvector"} or arg.startswith("reg") for arg in proc.args)
        and "type-io" not in _capabilities(proc)
    }
    assert {n for n in taking if not n.startswith(operators)} | {"btequalimage", "btvarstrequalimage"} == (
        REVIEWED_OID_ARGUMENTS
    )
    giving = {p.name for p in reachable if p.result.startswith("reg") and "type-io" not in _capabilities(p)}
    # pg_typeof(x) is honest. That ARRAY[pg_typeof(1), 1248] turns a number into a name is the business of `casts_to`.
    assert giving == {"pg_typeof", "get_current_ts_config"}


def test_functions_that_nobody_can_call_say_so(procs: list[Proc]) -> None:
    handlers = {"index_am_handler", "table_am_handler", "tsm_handler", "language_handler", "fdw_handler", "internal"}
    for proc in procs:
        capabilities = _capabilities(proc)
        if "internal" in proc.args:
            assert capabilities in ({"support"}, {"type-io"}, {"random"}), proc
        elif proc.result == "trigger" and proc.args == ():
            assert capabilities == {"trigger"}, proc
        elif proc.result in handlers and proc.args == ():
            assert capabilities == {"support"}, proc


@pytest.mark.parametrize("name", DANGEROUS)
def test_dangerous_functions_are_out_of_reach(name: str) -> None:
    assert not _allowed(name)


@pytest.mark.parametrize("name", HONEST)
def test_honest_functions_are_in_reach(name: str) -> None:
    assert _allowed(name)


def test_the_lists_are_as_long_as_they_claim() -> None:
    assert len(set(DANGEROUS)) >= 80
    assert len(set(HONEST)) >= 200


async def test_what_is_kept_out_works_unguarded(server_dsn: str) -> None:
    """The classification of containers, output functions and reg* casts rests on these, on a real server."""
    connection = await asyncpg.connect(server_dsn)
    try:
        for sql, leaked in [
            ("SELECT regclassout(1262)::text", "pg_database"),
            ("SELECT (array_in('{pg_authid}', 2205, -1))::text", "{pg_authid}"),
            ("SELECT oidvectortypes('1248')", "pg_database"),
            ("SELECT pg_basetype(1248)::text", "pg_database"),
            ("SELECT t::text FROM unnest(ARRAY[pg_typeof(1), 1248]) AS t WHERE t <> 'int'::regtype", "pg_database"),
            ("SELECT pg_input_is_valid('pg_authid', 'regclass')::text", "true"),
            ("SELECT makeaclitem(10, 10, 'SELECT', false)::text LIKE '%=r/%'", True),
        ]:
            assert await connection.fetchval(sql) == leaked, sql
    finally:
        await connection.close()


def test_casts_that_read_catalogs_are_known() -> None:
    assert builtins.casts_to("regclass") == builtins.casts_to("_regtype") == {"catalog-read"}
    assert builtins.casts_to("regconfig") <= ANALYST
    assert builtins.casts_to("int4") == frozenset()
    assert builtins.casts_to("regtype", "Double precision") == {"type-io"}
    assert builtins.casts_to("regtype", "hr.payroll") == builtins.casts_to("regtype", "pg_class") == {"catalog-read"}
    assert builtins.casts_to("regclass", "integer") == {"catalog-read"}


def test_a_cast_through_a_container_is_harmless_and_a_direct_call_is_not() -> None:
    for name in ("array_in", "record_in", "range_in", "domain_in", "enum_in", "regtypeout"):
        assert not (builtins.classify(name) or frozenset()) <= ANALYST
        assert builtins.classify(name, through_cast=True) == {"type-io"}
    assert "catalog-read" in (builtins.classify("regclassin", through_cast=True) or ())


def test_overloads_are_told_apart_only_when_the_types_are_certain() -> None:
    classify = builtins.classify
    assert classify("ts_rewrite", args=("tsquery", "tsquery", "tsquery")) == {"pure"}
    assert classify("ts_rewrite", args=("unknown", "unknown", "unknown")) == {"pure"}
    assert classify("ts_rewrite", args=("tsquery", "text")) == {"dynamic-sql"}
    assert "dynamic-sql" in (classify("ts_rewrite", args=("tsquery", "varchar")) or ())
    assert "dynamic-sql" in (classify("ts_rewrite", args=("unknown", "unknown")) or ())
    assert "dynamic-sql" in (classify("ts_rewrite") or ())
    assert classify("age", args=("timestamptz", "timestamptz")) == {"pure"}
    assert (classify("age", args=("unknown",)) or {"?"}) <= ANALYST


def test_literals_make_some_calls_harmless() -> None:
    classify = builtins.classify
    assert classify("pg_input_is_valid", literals={1: "Double  Precision"}) == {"type-io"}
    assert classify("pg_input_is_valid", literals={1: "regclass"}) == classify("pg_input_is_valid")
    assert classify("pg_input_is_valid", literals={0: "integer"}) == classify("pg_input_is_valid")
    assert classify("current_setting", literals={0: "timezone"}) == {"session-info"}
    assert classify("current_setting", literals={0: "data_directory"}) == {"configuration-read"}
    assert classify("lower", literals={0: "timezone"}) == {"pure"}


async def test_literal_values_exist_on_the_server(server_dsn: str) -> None:
    rules = builtins.source("pg_catalog").literals
    connection = await asyncpg.connect(server_dsn)
    try:
        for setting in rules["current_setting"].values:
            assert await connection.fetchval("SELECT current_setting($1)", setting) is not None
        for type_name in rules["pg_input_is_valid"].values:
            resolved = await connection.fetchrow(
                "SELECT n.nspname, t.typtype FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace"
                " WHERE t.oid = to_regtype($1)",
                type_name,
            )
            assert resolved is not None, type_name
            assert resolved["nspname"] == "pg_catalog"
            assert not type_name.startswith("reg")
    finally:
        await connection.close()


def test_bounds_point_at_arguments_that_exist(procs: list[Proc]) -> None:
    longest = defaultdict(int)
    for proc in procs:
        longest[proc.name] = max(longest[proc.name], len(proc.args))
    for name, bounds in builtins.source("pg_catalog").bounds.items():
        for bound in bounds:
            assert 1 <= bound.argument <= longest[name], name
            assert max(bound.base, bound.step) <= longest[name], name
    assert [b.kind for b in builtins.bounds("repeat")] == ["times"]
    assert (builtins.bounds("generate_series")[0].base, builtins.bounds("generate_series")[0].argument) == (1, 2)
    assert builtins.bounds("normal_rand", extension="tablefunc")[0].kind == "rows"
    assert builtins.bounds("lower") == builtins.bounds("no_such_function") == ()


def test_syntax_calls_classified_functions_and_is_in_reach(procs: list[Proc]) -> None:
    here = {proc.name for proc in procs}
    constructs = builtins.source("pg_catalog").constructs
    assert len(constructs) > 50
    for name, construct in constructs.items():
        assert builtins.construct(name) is construct
        assert set(construct.calls) <= here, name
        assert construct.capabilities <= ANALYST, name
        assert all(_allowed(called) for called in construct.calls), name
    assert builtins.construct("no-such-syntax") is None


def test_every_capability_is_assigned_to_something() -> None:
    used: set[str] = set()
    for name in builtins.names():
        used |= builtins.classify(name) or set()
    assert CAPABILITIES - used <= {"network", "memory-heavy"}


def test_the_readme_for_auditors_explains_every_capability() -> None:
    readme = (Path(__file__).parents[3] / "rules" / "functions" / "README.md").read_text()
    assert {capability for capability in CAPABILITIES if f"`{capability}`" not in readme} == set()


def test_reasons_are_given() -> None:
    assert len(builtins.reasons("ts_rewrite")) == 2
    assert builtins.reasons("no_such_function") == ()


def test_unknown_names_and_places_are_unclassified() -> None:
    assert builtins.classify("no_such_function") is None
    assert builtins.classify("lower", schema="public") is None
    assert builtins.classify("LOWER") is None
    assert builtins.classify("lower", extension="no_such_extension") is None
    assert builtins.classify("lower", schema="public", extension="../pg_catalog_text") is None
    assert builtins.classify("_pg_expandarray", schema="information_schema") == {"pure", "set-returning"}
    assert builtins.classify("plpgsql_validator", extension="plpgsql") == {"catalog-read"}
