"""`functions`: by name, wildcard, signature and capability, in both modes; what does not come with PostgreSQL; reg* casts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pg_guard.catalog.model import Function, Name
from pg_guard.checks.functions import Signature

if TYPE_CHECKING:
    from collections.abc import Callable

    from pg_guard.decision import Decision

    Decide = Callable[[str, str], Decision]

PURE = "{capability: [pure, aggregate, type-io]}"


def functions(allow: str = PURE, deny: str = "", more: str = "") -> str:
    return f"functions: {{allow: [{allow}], deny: [{deny}]{', ' + more if more else ''}}}"


def denylist(deny: str, more: str = "") -> str:
    return f"functions: {{mode: denylist, deny: [{deny}]{', ' + more if more else ''}}}"


USER = "user_defined: allow_listed"

CASES = [
    # The default allows what computes and reads nothing.
    ("", "SELECT upper('a'), count(*), now(), random()", True),
    ("", "SELECT pg_read_file('a')", False),
    ("", "SELECT pg_sleep(1)", False),
    ("", "SELECT set_config('a.b', 'c', false)", False),
    ("", "SELECT * FROM generate_series(1, 3)", True),
    ("", "SELECT net_price(1)", False),
    ("", "SELECT badge(1)", False),
    # Allowlist: by capability.
    (functions(), "SELECT upper('a'), count(*)", True),
    (functions(), "SELECT now()", False),
    (functions(), "SELECT current_timestamp", False),
    (functions(), "SELECT row_number() OVER ()", False),
    (functions("{capability: pure}"), "SELECT count(*)", False),
    (functions("{capability: pure}"), "SELECT 1 + 1, 'a' || 'b'", True),
    (functions("{capability: pure}"), "SELECT 1::text", False),
    # … by name, wildcard and schema; exactly.
    (functions(f"{PURE}, now"), "SELECT now()", True),
    (functions(f"{PURE}, pg_catalog.now"), "SELECT NOW()", True),
    (functions(f"{PURE}, NOW"), "SELECT now()", False),
    (functions(f"{PURE}, public.now"), "SELECT now()", False),
    (functions(f"{PURE}, 'no?'"), "SELECT now()", True),
    (functions(f"{PURE}, 'clock_*'"), "SELECT clock_timestamp()", True),
    (functions(f"{PURE}, pg_sleep"), "SELECT pg_sleep(0)", True),
    # … by signature.
    (functions(f"{PURE}, 'pg_sleep(double precision)'"), "SELECT pg_sleep(0)", True),
    (functions(f"{PURE}, 'pg_sleep(text)'"), "SELECT pg_sleep(0)", False),
    (functions(f"{PURE}, 'random()'"), "SELECT random()", True),
    (functions(f"{PURE}, 'random()'"), "SELECT random(1, 6)", False),
    (functions(f"{PURE}, 'random(integer, integer)'"), "SELECT random(1, 6)", True),
    (functions(f"{PURE}, 'random(int, int4)'"), "SELECT random()", False),
    # Deny wins, ignores case, and holds behind operators, casts and syntax.
    (functions(deny="upper"), "SELECT upper('a')", False),
    (functions(deny="UPPER"), "SELECT upper('a')", False),
    (functions(deny="upper"), "SELECT \"upper\"('a')", False),
    (functions(deny="upper"), "SELECT pg_catalog . upper('a')", False),
    (functions(deny="upper"), "SELECT lower('a')", True),
    (functions(deny="upper"), "SELECT 1 FROM customers c ORDER BY upper(c.name)", False),
    (functions(deny="upper"), "SELECT c.name FROM customers c WHERE upper(c.name) = 'A'", False),
    (functions(deny="public.upper"), "SELECT upper('a')", True),
    (functions(deny="'upp*'"), "SELECT upper('a')", False),
    (functions(deny="'upper(text)'"), "SELECT upper('a'::text)", False),
    (functions(deny="'upper(anyrange)'"), "SELECT upper('a'::text)", True),
    (functions(deny="'upper(anyrange)'"), "SELECT upper(available) FROM products", False),
    (functions(deny="'upper(text)'"), "SELECT upper(available) FROM products", True),
    (functions(deny="textcat"), "SELECT name || 'a' FROM stores", False),
    (functions(deny="int4pl"), "SELECT 1 + 1", False),
    (functions(deny="int4pl"), "SELECT 1 - 1", True),
    (functions(deny="int4eq"), "SELECT name FROM stores WHERE id = 1", False),
    (functions(deny="int4eq"), "SELECT name FROM stores WHERE id > 1", True),
    (functions(deny="int4pl"), "SELECT 1.0 + 1", True),
    (functions(deny="'count()'"), "SELECT count(*)", False),
    (functions(deny="'count()'"), "SELECT count(1)", True),
    (functions(deny="{capability: aggregate}"), "SELECT sum(1)", False),
    (functions(deny="{capability: aggregate}"), "SELECT upper('a')", True),
    # Denylist: what comes with PostgreSQL and is not denied.
    (denylist("upper"), "SELECT now(), random(), lower('a')", True),
    (denylist("upper"), "SELECT upper('a')", False),
    (denylist("{capability: filesystem}"), "SELECT pg_read_file('a')", False),
    (denylist("'pg_read_*'"), "SELECT pg_read_file('a')", False),
    (denylist("'pg_read_*'"), "SELECT pg_sleep(0)", True),
    (denylist("'pg_sleep(double precision)'"), "SELECT pg_sleep(1)", False),
    (denylist("upper"), "SELECT net_price(1)", False),
    # What does not come with PostgreSQL must be named and permitted as such.
    (functions(f"{PURE}, net_price"), "SELECT net_price(1)", False),
    (functions(f"{PURE}, net_price", more=USER), "SELECT net_price(1), net_price(1, 0.2)", True),
    (functions(f"{PURE}", more=USER), "SELECT net_price(1)", False),
    (functions(f"{PURE}, 'net_*'", more=USER), "SELECT net_price(1)", True),
    (functions(f"{PURE}, public.net_price", more=USER), "SELECT public.net_price(1)", True),
    (functions(f"{PURE}, 'net_price(numeric, numeric)'", more=USER), "SELECT net_price(1)", True),
    (functions(f"{PURE}, 'net_price(numeric)'", more=USER), "SELECT net_price(1)", False),
    (functions(f"{PURE}, net_price", deny="'public.*'", more=USER), "SELECT net_price(1)", False),
    (functions(f"{PURE}, '*'", more=USER), "SELECT badge(1)", True),
    (functions(f"{PURE}, '*'", deny="badge", more=USER), "SELECT badge(1)", False),
    (denylist("upper", "allow: [net_price], " + USER), "SELECT net_price(1)", True),
    (denylist("net_price", "allow: [net_price], " + USER), "SELECT net_price(1)", False),
    # Casts to types that look names up; a name that may be read tells nothing.
    ("", "SELECT 'orders'::regclass", True),
    ("", "SELECT 'public.orders'::regclass", True),
    ("", "SELECT 'nothing_there'::regclass", False),
    ("tables: {deny: [orders]}", "SELECT 'orders'::regclass", False),
    ("tables: {deny: ['hr.*']}", "SELECT 'hr.payroll'::regclass", False),
    ("", "SELECT c.name::regclass FROM customers c", False),
    ("", "SELECT 'upper(text)'::regprocedure", False),
    ("", "SELECT 'postgres'::regrole", False),
    ("", "SELECT 'paid'::order_status, '1'::int, '{}'::jsonb", True),
]


@pytest.mark.parametrize(("policy", "sql", "allowed"), CASES)
def test_functions(decide: Decide, policy: str, sql: str, allowed: bool) -> None:
    decision = decide(policy, sql)
    assert decision.allowed is allowed, decision.findings
    if not allowed:
        assert {finding.rule for finding in decision.findings} <= {"functions/denied", "functions/unknown"}


@pytest.mark.parametrize(
    "sql",
    ["SELECT no_such_function(1)", "SELECT nowhere.upper('a')", "SELECT public.upper('a')", "SELECT * FROM no_rows()"],
)
def test_unknown_functions(decide: Decide, sql: str) -> None:
    decision = decide("", sql)
    assert [finding.rule for finding in decision.findings] == ["functions/unknown"]


def test_a_finding_underlines_the_call(decide: Decide) -> None:
    sql = "SELECT 'größe', pg_catalog . pg_read_file('x')"
    [finding] = decide("", sql).findings
    assert finding.span is not None
    assert sql[finding.span.start :].startswith("pg_catalog . pg_read_file")
    assert "pg_read_file" in finding.message


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("public.f(int, text)", True),
        ("f( integer ,  text )", True),
        ("f(int4,pg_catalog.text)", True),
        ("f(bigint, text)", False),
        ("f(int)", False),
        ("f()", False),
        ("g(int, text)", False),
        ("app.f(int, text)", False),
        ("f(int[], text)", False),
    ],
)
def test_signatures(text: str, matches: bool) -> None:
    pg = "pg_catalog"
    function = Function("public", "f", (Name(pg, "int4"), Name(pg, "text")), Name(pg, "text"))
    assert Signature.parse(text, fold=False).matches(function) is matches


def test_a_signature_may_hold_arrays_and_long_names() -> None:
    pg = "pg_catalog"
    args = (Name(pg, "_int4"), Name(pg, "timestamptz"), Name(pg, "float8"))
    function = Function("public", "f", args, Name(pg, "text"))
    assert Signature.parse("F(INTEGER[], timestamp  with time zone, double precision)", fold=True).matches(function)
