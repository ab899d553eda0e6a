"""Each type on a real PostgreSQL 18; the expected values follow from its documentation, chapter 8 and the types' own."""

from __future__ import annotations

import datetime
import json
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from pg_guard.execute.values import parse_array

if TYPE_CHECKING:
    from pg_guard.execute.executor import Executor

VALUES: list[tuple[str, Any, str]] = [
    # numbers
    ("1::smallint", 1, "smallint"),
    ("(-2147483648)::integer", -2147483648, "integer"),
    ("9223372036854775807::bigint", 9223372036854775807, "bigint"),
    ("1.50::numeric(10,2)", "1.50", "numeric"),
    (
        "12345678901234567890.123456789012345678901234567890",
        "12345678901234567890.123456789012345678901234567890",
        "numeric",
    ),
    ("'NaN'::numeric", "NaN", "numeric"),
    ("'-Infinity'::numeric", "-Infinity", "numeric"),
    ("1e-20::numeric", "0.00000000000000000001", "numeric"),
    ("1.1::real", 1.1, "real"),
    ("0.1::float8 + 0.2::float8", 0.30000000000000004, "double precision"),
    ("'NaN'::float8", "NaN", "double precision"),
    ("'Infinity'::real", "Infinity", "real"),
    ("'-Infinity'::float8", "-Infinity", "double precision"),
    ("4294967295::oid", 4294967295, "oid"),
    ("'pg_class'::regclass", "pg_class", "regclass"),
    ("'integer'::regtype", "integer", "regtype"),
    # text
    ("'häßlich €'::text", "häßlich €", "text"),
    ("''::varchar(5)", "", "character varying"),
    ("'ab'::char(4)", "ab  ", "character"),
    ("'x'::\"char\"", "x", '"char"'),
    ("'n'::name", "n", "name"),
    ("'a'::cstring", "a", "cstring"),
    ("'u'", "u", "text"),
    ("E'tab\\tline\\n'", "tab\tline\n", "text"),
    # truth
    ("true", True, "boolean"),
    ("false", False, "boolean"),
    ("NULL::boolean", None, "boolean"),
    # time
    ("'2026-01-31'::date", "2026-01-31", "date"),
    ("'infinity'::date", "infinity", "date"),
    ("'5874897-12-31'::date", "5874897-12-31", "date"),
    ("'0044-03-15 BC'::date", "0044-03-15 BC", "date"),
    ("'04:05:06.789'::time", "04:05:06.789", "time without time zone"),
    ("'24:00'::time", "24:00:00", "time without time zone"),
    ("'04:05+02'::timetz", "04:05:00+02:00", "time with time zone"),
    ("'04:05+05:30'::timetz", "04:05:00+05:30", "time with time zone"),
    ("'2026-01-02 03:04:05.6'::timestamp", "2026-01-02T03:04:05.6", "timestamp without time zone"),
    ("'2026-01-02 03:04:05+02'::timestamptz", "2026-01-02T01:04:05+00:00", "timestamp with time zone"),
    ("'-infinity'::timestamptz", "-infinity", "timestamp with time zone"),
    ("'294276-12-31 23:59:59'::timestamptz", "294276-12-31T23:59:59+00:00", "timestamp with time zone"),
    ("'4713-01-01 00:00:00 BC'::timestamp", "4713-01-01T00:00:00 BC", "timestamp without time zone"),
    ("interval '1 year 2 mons 3 days 04:05:06.7'", "P1Y2M3DT4H5M6.7S", "interval"),
    ("interval '-1 day'", "P-1D", "interval"),
    ("interval '0'", "PT0S", "interval"),
    # bytes and bits
    ("'\\x00ff10'::bytea", "\\x00ff10", "bytea"),
    ("B'0101'", "0101", "bit"),
    ("B'1'::varbit", "1", "bit varying"),
    # json
    ('\'{"a": [1, 2.5, null, true, "x"]}\'::json', {"a": [1, 2.5, None, True, "x"]}, "json"),
    ("'12345678901234567890'::jsonb", 12345678901234567890, "jsonb"),
    ("'[1.10]'::json", [1.1], "json"),
    ("'[0.1234567890123456789, 1e400]'::json", ["0.1234567890123456789", "1e400"], "json"),
    ('\'{"a": 1, "a": 2}\'::json', {"a": 2}, "json"),
    ("'null'::jsonb", None, "jsonb"),
    ("'\"\\ud83d\\ude00\"'::json", "\U0001f600", "json"),
    ("'\"\\ud83d\"'::json", '"\\ud83d"', "json"),
    ("repeat('9', 5000)::json", "9" * 5000, "json"),
    # net, identifiers, documents
    ("'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "uuid"),
    ("'192.168.0.1/24'::inet", "192.168.0.1/24", "inet"),
    ("'::1'::inet", "::1", "inet"),
    ("'10.0.0.0/8'::cidr", "10.0.0.0/8", "cidr"),
    ("'08002b010203'::macaddr", "08:00:2b:01:02:03", "macaddr"),
    ("'08002b0102030405'::macaddr8", "08:00:2b:01:02:03:04:05", "macaddr8"),
    ("'16/B374D848'::pg_lsn", "16/B374D848", "pg_lsn"),
    ("'12.5'::money", "$12.50", "money"),
    ("'$.a'::jsonpath", '$."a"', "jsonpath"),
    # geometry and search
    ("'(1,2.5)'::point", "(1,2.5)", "point"),
    ("'((0,0),(1,1))'::box", "(1,1),(0,0)", "box"),
    ("'<(0,0),1>'::circle", "<(0,0),1>", "circle"),
    ("to_tsvector('simple', 'b a b')", "'a':2 'b':1,3", "tsvector"),
    ("'a & b'::tsquery", "'a' & 'b'", "tsquery"),
    # ranges
    ("int4range(1, 4)", "[1,4)", "int4range"),
    ("'empty'::daterange", "empty", "daterange"),
    ("tstzrange('2026-01-01 00:00+00', NULL)", '["2026-01-01 00:00:00+00",)', "tstzrange"),
    ("'{[1,3),[5,7)}'::int4multirange", "{[1,3),[5,7)}", "int4multirange"),
    ("span('10:00', '11:00')", "[10:00:00,11:00:00)", "span"),
    # arrays
    ("ARRAY[1, NULL, 3]", [1, None, 3], "integer[]"),
    ("ARRAY[[1,2],[3,4]]", [[1, 2], [3, 4]], "integer[]"),
    ("'{}'::integer[]", [], "integer[]"),
    (
        "ARRAY['a,b', '\"', E'\\\\', 'NULL', NULL, '', '{}', ' x ']",
        ["a,b", '"', "\\", "NULL", None, "", "{}", " x "],
        "text[]",
    ),
    ("ARRAY[1.50, 'NaN'::numeric]", ["1.50", "NaN"], "numeric[]"),
    ("ARRAY[true, false]", [True, False], "boolean[]"),
    ('ARRAY[\'{"a": "b"}\'::jsonb]', [{"a": "b"}], "jsonb[]"),
    ("ARRAY['2026-01-02 03:04:05+00'::timestamptz]", ["2026-01-02T03:04:05+00:00"], "timestamp with time zone[]"),
    ("ARRAY['((0,0),(1,1))'::box, '((0,0),(2,2))'::box]", ["(1,1),(0,0)", "(2,2),(0,0)"], "box[]"),
    ("'[0:1]={1,2}'::integer[]", "[0:1]={1,2}", "integer[]"),
    ("'1 2'::int2vector", "1 2", "int2vector"),
    ("ARRAY[ROW(1, 'x')::pair]", ["(1,x)"], "pair[]"),
    ("ARRAY[]::aclitem[]", [], "aclitem[]"),
    # composites, enums, domains, extensions
    ("ROW(1, 'a b', NULL)", '(1,"a b",)', "record"),
    ("ROW(1, 'x')::pair", "(1,x)", "pair"),
    ("'it''s ok'::mood", "it's ok", "mood"),
    ("ARRAY['sad']::mood[]", ["sad"], "mood[]"),
    ("5::positive", 5, "integer"),
    ("ARRAY[5::positive]", [5], "positive[]"),
    ("'{1,2}'::many", [1, 2], "integer[]"),
    ("'[1,2.5,3]'::vector", "[1,2.5,3]", "vector"),
    ("ARRAY['[1]'::vector]", ["[1]"], "vector[]"),
    ("pg_sleep(0)", "", "void"),
]


@pytest.mark.parametrize(("expression", "expected", "type_name"), VALUES, ids=[v[0][:60] for v in VALUES])
async def test_a_value_is_lossless_json(executor: Executor, expression: str, expected: Any, type_name: str) -> None:
    result = await executor.run(f"SELECT {expression}")
    ((value,),) = result.rows
    assert value == expected
    assert type(value) is type(expected)
    assert result.columns[0].type == type_name
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()


@pytest.mark.parametrize("type_name", ["timestamp", "timestamptz"])
@pytest.mark.parametrize(
    "text", ["2026-07-01 12:00:00.000001", "0001-01-01 00:00:00 BC", "12026-01-01 00:00", "infinity"]
)
async def test_timestamps_read_as_in_postgresqls_own_json(executor: Executor, type_name: str, text: str) -> None:
    result = await executor.run(f"SELECT x, to_json(x) FROM (SELECT '{text}'::{type_name} AS x) AS t")
    ((value, own),) = result.rows
    assert value == own


async def test_the_zone_of_the_session_does_not_lose_the_instant(executor: Executor) -> None:
    sql = "SELECT '2026-07-01 00:00+00'::timestamptz FROM set_config('TimeZone', $1, true)"
    for zone, expected in (("Asia/Kolkata", "2026-07-01T05:30:00+05:30"), ("UTC", "2026-07-01T00:00:00+00:00")):
        assert (await executor.run(sql, zone)).rows == [[expected]]


async def test_statistics_of_any_type_are_readable(executor: Executor) -> None:
    result = await executor.run("SELECT most_common_vals, histogram_bounds FROM pg_stats LIMIT 5")
    assert [column.type for column in result.columns] == ["anyarray", "anyarray"]
    assert result.row_count == 5


async def test_whole_catalogs_are_readable(executor: Executor) -> None:
    for name in (
        "pg_class",
        "pg_proc",
        "pg_type",
        "pg_statistic",
        "pg_rewrite",
        "pg_statistic_ext_data",
        "pg_settings",
    ):
        result = await executor.run(f"SELECT * FROM pg_catalog.{name}")
        json.dumps(result.rows, allow_nan=False)


async def test_deep_json_comes_as_text(executor: Executor) -> None:
    result = await executor.run("SELECT (repeat('[', 5000) || repeat(']', 5000))::json")
    assert result.rows == [["[" * 5000 + "]" * 5000]]


@pytest.mark.parametrize(
    ("cast", "argument", "expected"),
    [
        ("int", 5, 5),
        ("int", "5", 5),
        ("int", None, None),
        ("bool", True, True),
        ("numeric", Decimal("1.10"), "1.10"),
        ("float8", 1.5, 1.5),
        ("text", "x'; --", "x'; --"),
        ("bytea", b"\x00\xff", "\\x00ff"),
        ("int[]", [1, None, [2][0]], [1, None, 2]),
        ("text[]", ["a,b", '"', "\\", "NULL", None, ""], ["a,b", '"', "\\", "NULL", None, ""]),
        ("int[]", [[1, 2], [3, 4]], [[1, 2], [3, 4]]),
        ("jsonb", {"a": [1, "ü"]}, {"a": [1, "ü"]}),
        ("jsonb", [1, {"b": None}], [1, {"b": None}]),
        ("jsonb", '{"t": 1}', {"t": 1}),
        ("json", True, True),
        ("uuid", uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ("date", datetime.date(2026, 1, 2), "2026-01-02"),
        ("timestamptz", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05+00:00"),
        ("interval", "P1D", "P1D"),
        ("mood", "sad", "sad"),
        ("vector", "[1,2]", "[1,2]"),
    ],
)
async def test_parameters_arrive(executor: Executor, cast: str, argument: Any, expected: Any) -> None:
    assert (await executor.run(f"SELECT $1::{cast}", argument)).rows == [[expected]]


async def test_what_comes_out_goes_in_again(executor: Executor) -> None:
    for expression, value, type_name in VALUES:
        if type_name in {"void", "cstring", "record", "json", "jsonb", "jsonb[]", "character", "bit"}:
            continue
        result = await executor.run(f"SELECT $1::{type_name}", value)
        assert result.rows == [[value]], expression


@pytest.mark.parametrize("text", ["", "{", "}", "{1}}", "x", "{1}{2}", '{"a}', "1,2", "{}x"])
def test_what_is_no_array_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no array"):
        parse_array(text, str)
