"""Rules in force on real statements: what fires, what is said, what an exception lifts. The names are the sample database's."""

from __future__ import annotations

import datetime
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from pg_guard.catalog.model import Catalog, Column, ColumnDependency, Name, Relation
from pg_guard.checks.pack import MOST_FINDINGS, Lift, PackCheck, Template
from pg_guard.checks.patterns import NameSet
from pg_guard.demo.snapshot import snapshot_file
from pg_guard.guard import Guard
from pg_guard.policy.packs import Pack
from pg_guard.policy.rules import RuleFile, parse_rule
from pg_guard.policy.using import active_rules, open_policy

if TYPE_CHECKING:
    from pg_guard.decision import Decision, Finding

TODAY = datetime.date(2026, 6, 1)
UNSURE = "Without a catalog it cannot be ruled out: "


@cache
def demo() -> Catalog:
    return Catalog.from_json(snapshot_file())


def rule(match: Any, number: int = 100, **keys: Any) -> RuleFile:
    data = {
        "schema": "pg-guard/rule/v1",
        "id": f"core/PG{number}",
        "name": f"rule-{number}",
        "title": "A rule",
        "severity": "high",
        "description": "It is described.",
        "rationale": "It is bad.",
        "match": match,
        "effect": "deny",
        "message": "fired",
        "remediation": "Write something else.",
        **keys,
    }
    return parse_rule(yaml.safe_dump(data))


def guard(*rules: RuleFile, catalog: Catalog | None = None) -> Guard:
    return Guard.from_packs([Pack("core", "1", "", "", snapshot_file().parent, rules, {})], catalog)


def decide(sql: str, match: Any, *, named: bool = True, **keys: Any) -> Decision:
    return guard(rule(match, **keys), catalog=demo() if named else None).check(sql)


def said(sql: str, match: Any, *, named: bool = True, **keys: Any) -> list[str]:
    return [each.message for each in decide(sql, match, named=named, **keys).findings if each.rule == "core/PG100"]


def fires(sql: str, match: Any, *, named: bool = True, **keys: Any) -> bool:
    return bool(said(sql, match, named=named, **keys))


# -- a rule cannot be passed by spelling or by what is not known -----------------------------------------------------

AUTHID = {"relation": {"name": "pg_catalog.pg_authid"}}


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 FROM pg_authid",
        "SELECT 1 FROM PG_AUTHID",
        'SELECT 1 FROM "pg_authid"',
        'SELECT 1 FROM U&"\\0070g_authid"',
        "SELECT 1 FROM pg_catalog.pg_authid AS harmless",
        "SELECT (SELECT 1 FROM pg_authid)",
        "WITH a AS (SELECT 1 FROM pg_authid) SELECT 1 FROM a",
        "SELECT 1 UNION SELECT 1 FROM pg_authid",
        "TABLE pg_authid",
        "EXPLAIN SELECT 1 FROM pg_authid",
        "SELECT 1 FROM public.orders WHERE EXISTS (TABLE pg_authid)",
    ],
)
def test_a_relation_is_found_however_it_is_spelled(sql: str, named: bool) -> None:
    assert fires(sql, AUTHID, named=named)


def test_a_relation_behind_a_view_is_found() -> None:
    assert fires("SELECT 1 FROM pg_shadow", AUTHID)
    assert not fires("SELECT 1 FROM orders", AUTHID)


def test_a_cte_of_the_same_name_is_not_the_relation() -> None:
    assert not fires("WITH pg_authid AS (SELECT 1) SELECT 1 FROM pg_authid", AUTHID)


def test_without_a_catalog_a_name_that_may_be_meant_fires() -> None:
    hidden = {"relation": {"name": "public.orders"}}
    assert fires("SELECT 1 FROM orders", hidden, named=False)
    assert not fires("SELECT 1 FROM hr.orders", hidden, named=False)


def test_without_a_catalog_a_star_may_show_any_column() -> None:
    assert fires("SELECT * FROM users", {"column": {"name": "ssn"}}, named=False)
    assert not fires("SELECT * FROM orders", {"column": {"name": "ssn"}})
    assert fires("SELECT * FROM customers", {"column": {"name": "ssn"}})
    assert fires("SELECT c FROM customers c", {"column": {"name": "ssn"}})


def test_a_column_is_found_under_another_name() -> None:
    token = {"column": {"name": "card_token"}}
    assert fires("SELECT x.t FROM (SELECT card_token AS t FROM customers) x", token)
    assert fires("SELECT token FROM analytics.customer_export", token)
    assert not fires("SELECT id FROM analytics.customer_export", token)


@pytest.mark.parametrize("read", ["web_events", "web_events_2026_01"])
@pytest.mark.parametrize("named", ["web_events", "web_events_2026_01"])
def test_a_partition_and_its_parent_share_columns_and_scans(read: str, named: str) -> None:
    sql = f"SELECT client_ip FROM {read}"
    assert said(sql, {"column": {"relation": named, "name": "client_ip"}}, message="{relation}") == [read]
    assert said(sql, {"scan": {"relation": named, "restricted": False}}, message="{relation}") == [read]
    assert said(sql, {"relation": {"name": named}})
    assert not fires(sql, {"column": {"relation": "orders"}})


def test_an_unknown_type_fires_and_a_warning_may_pass_it_over() -> None:
    inet = {"column": {"type": "inet"}}
    assert fires("SELECT kind FROM web_events", inet, named=False)
    assert not fires("SELECT kind FROM web_events", inet, named=False, effect="warn", unresolved="skip")
    assert fires("SELECT client_ip FROM web_events", inet, effect="warn", unresolved="skip")


def test_not_of_what_is_unknown_is_unknown() -> None:
    stable = {"all": [{"relation": {"name": "t"}}, {"not": {"relation": {"kind": "table"}}}]}
    assert fires("SELECT 1 FROM t", stable, named=False)
    assert not fires("SELECT 1 FROM t", stable, named=False, effect="warn", unresolved="skip")
    assert not fires("SELECT 1 FROM orders", {"not": {"relation": {"kind": "table"}}})
    assert fires("SELECT 1", {"not": {"relation": {"kind": "table"}}})


def test_a_function_is_found_wherever_it_is_called() -> None:
    sleep = {"function": {"capability": "sleep"}}
    for sql in (
        "SELECT pg_sleep(1)",
        "SELECT 1 FROM pg_sleep(1)",
        "SELECT 1 FROM orders ORDER BY pg_catalog.pg_sleep(1)::text",
        "SELECT count(*) FILTER (WHERE pg_sleep(1) IS NULL) FROM orders",
        'SELECT "pg_sleep"(1)',
    ):
        assert fires(sql, sleep), sql
        assert fires(sql, sleep, named=False), sql
    assert not fires("SELECT lower('x')", sleep)


def test_functions_of_the_deployment_are_unclassified() -> None:
    own = {"function": {"capability": "unclassified"}}
    assert fires("SELECT net_price(10)", own)
    assert fires("SELECT some_function(10)", own, named=False)
    assert not fires("SELECT net_price(10)", {"function": {"capability": ["filesystem", "network"]}})
    assert fires("SELECT net_price(10)", {"function": {"user_defined": True}})
    assert not fires("SELECT lower('x')", {"function": {"user_defined": True}})


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("SELECT set_config('role', 'x', true)", True),
        ("SELECT set_config('ROLE', 'x', true)", True),
        ("SELECT set_config('ro' || 'le', 'x', true)", True),
        ("SELECT set_config(note, 'x', true) FROM orders", True),
        ("SELECT set_config($1, 'x', true)", True),
        ("SELECT set_config('work_mem', '1MB', true)", False),
        ("SELECT lower('role')", False),
    ],
)
def test_an_argument_that_is_computed_may_come_to_any_text(sql: str, found: bool) -> None:
    assert fires(sql, {"function": {"name": "set_config", "literal": "role"}}) is found


def test_a_text_that_is_computed_may_be_cast_from_any() -> None:
    match = {"type": {"name": "regclass", "constant": "hr.*"}}
    assert fires("SELECT 'hr.payroll'::regclass", match)
    assert fires("SELECT ('hr.' || 'payroll')::regclass", match)
    assert fires("SELECT $1::regclass", match)
    assert not fires("SELECT 'orders'::regclass", match)


def test_letter_case_of_a_pattern_does_not_matter() -> None:
    assert fires("SELECT ssn FROM customers", {"column": {"name": "*SSN*"}})
    assert fires('SELECT "Value" FROM "Secret Stuff"', {"relation": {"name": "secret stuff"}})


# -- scans -----------------------------------------------------------------------------------------------------------

UNHELD = {"scan": {"has_column": ["tenant_id", "org_id"], "held": False}}


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("SELECT id FROM orders", True),
        ("SELECT id FROM orders WHERE tenant_id = 1", False),
        ("SELECT id FROM orders WHERE tenant_id = 1 OR true", True),
        ("SELECT id FROM regions", False),
        ("SELECT 1 FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.tenant_id = 1", True),
        ("SELECT 1 FROM orders o JOIN customers c USING (tenant_id) WHERE o.tenant_id = 1", False),
        ("SELECT token FROM analytics.customer_export", True),
        ("SELECT (SELECT max(id) FROM orders)", True),
    ],
)
def test_a_scan_must_be_held_by_one_of_the_columns_also_inside_of_views(sql: str, found: bool) -> None:
    assert fires(sql, UNHELD) is found


def test_a_scan_of_a_partition_inside_of_a_view_is_a_scan_of_its_parent() -> None:
    partition = Name("public", "web_events_2026_01")
    column = Column("kind", Name("pg_catalog", "text"))
    view = Relation(
        "public",
        "january",
        "view",
        (column,),
        definition="SELECT kind FROM public.web_events_2026_01",
        depends_on=(ColumnDependency(partition, "kind"),),
    )
    with_view = replace(demo(), relations=(*demo().relations, view))
    one = guard(
        rule({"scan": {"relation": "web_events", "restricted": False}}, message="{relation}"), catalog=with_view
    )
    found = [each.message for each in one.check("SELECT kind FROM january").findings if each.rule == "core/PG100"]
    assert found == ["web_events_2026_01"]


def test_without_a_catalog_every_relation_may_have_the_column() -> None:
    assert fires("SELECT id FROM anything", UNHELD, named=False)
    assert not fires("SELECT id FROM anything WHERE tenant_id = 1", UNHELD, named=False)


# -- what is said ----------------------------------------------------------------------------------------------------


def test_a_message_shows_what_the_rule_fired_on_and_where() -> None:
    match = {"any": [{"relation": {"name": "hr.*"}}, {"function": {"name": "pg_sleep"}}]}
    found = decide("SELECT 1 FROM hr.payroll, pg_sleep(1)", match, message="{relation} and {function}: {name}").findings
    assert {each.message for each in found if each.rule == "core/PG100"} == {
        "hr.payroll and hr.payroll: hr.payroll",
        "pg_catalog.pg_sleep and pg_catalog.pg_sleep: pg_catalog.pg_sleep",
    }
    places = {each.span.column for each in found if each.span is not None and each.rule == "core/PG100"}
    assert places == {15, 27}


def test_a_message_takes_from_other_records_what_its_own_does_not_have() -> None:
    match = {"all": [{"column": {"name": "ssn"}}, {"function": {"name": "md5"}}]}
    assert said("SELECT md5(ssn) FROM customers", match, message="{column} of {relation} through {function}") == [
        "ssn of customers through pg_catalog.md5"
    ]


def test_a_message_on_a_star_of_unknown_columns_says_star() -> None:
    match = {"column": {"name": "ssn"}}
    assert said("SELECT * FROM t", match, named=False, message="{column} of {relation}") == [f"{UNSURE}* of t"]
    assert said("SELECT * FROM customers", match, message="{column} of {relation}") == ["ssn of customers"]


def test_a_message_never_evaluates_and_keeps_braces() -> None:
    assert Template("{a} {{b}} {c.__class__} {").fill(str.upper) == "A {b} {c.__class__} {"
    assert Template("{a}{{x}}{b}").fields == ("a", "b")


def test_one_finding_for_each_place_and_no_flood() -> None:
    many = "SELECT " + ", ".join(f"c.ssn AS s{n}" for n in range(200)) + " FROM customers c"
    assert len(said(many, {"column": {"name": "ssn"}})) == MOST_FINDINGS
    assert len(said("SELECT * FROM customers", {"column": {"name": "*"}}, message="{relation}")) == 1


def test_a_rule_of_two_rules_that_share_nothing_is_told_by_its_own_id() -> None:
    both = guard(rule({"column": {"name": "ssn"}}), rule({"column": {"name": "email"}}, 101), catalog=demo())
    assert {each.rule for each in both.check("SELECT email FROM customers").findings} == {"core/PG101"}


def test_a_warning_lets_the_statement_run() -> None:
    decision = decide("SELECT ssn FROM customers", {"column": {"name": "ssn"}}, effect="warn")
    assert decision.allowed
    assert [(each.rule, each.effect) for each in decision.findings] == [("core/PG100", "warn")]


# -- failures --------------------------------------------------------------------------------------------------------


def test_a_rule_that_fails_refuses_and_the_others_are_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> Any:
        raise RuntimeError("boom")

    broken_guard = guard(rule({"scan": {"restricted": False}}), rule({"column": {"name": "ssn"}}, 101), catalog=demo())
    assert broken_guard.check("SELECT id FROM orders WHERE id = 1").allowed
    monkeypatch.setattr("pg_guard.facts.predicates.Prover.restricted", broken)
    decision = broken_guard.check("SELECT ssn FROM customers")
    assert not decision.allowed
    assert {each.rule for each in decision.findings} == {"internal/error", "core/PG101"}


def test_a_message_that_fails_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> Any:
        raise RuntimeError("boom")

    warning = guard(rule({"column": {"name": "ssn"}}, effect="warn", message="{column}"), catalog=demo())
    monkeypatch.setattr("pg_guard.checks.pack._show", broken)
    decision = warning.check("SELECT ssn FROM customers")
    assert [(each.rule, each.effect) for each in decision.findings] == [("internal/error", "deny")]


# -- exceptions ------------------------------------------------------------------------------------------------------


def lifted(sql: str, match: Any, *tables: str, today: datetime.date = TODAY, catalog: bool = True) -> list[Finding]:
    """Findings under an exception for these tables (none: for all), the last day of which is `TODAY`."""
    one = guard(rule(match), catalog=demo() if catalog else None)
    (active,) = active_rules(open_policy(), one.packs)
    lift = Lift("EX-1", NameSet(tables, fold=False) if tables else None, TODAY)
    check = PackCheck((replace(active, lifts=(lift,)),), today=lambda: today)
    one._program = replace(
        one._program, checks=tuple(check if isinstance(each, PackCheck) else each for each in one._program.checks)
    )
    return [each for each in one.check(sql).findings if each.rule == "core/PG100"]


SSN = {"column": {"name": ["ssn", "card_token"]}}


def effects(findings: list[Finding]) -> list[str]:
    return [each.effect for each in findings]


def test_an_exception_turns_a_finding_into_a_warning_that_names_it() -> None:
    (found,) = lifted("SELECT ssn FROM customers", SSN, "customers")
    assert found.effect == "warn"
    assert found.message == "fired (lifted by the exception EX-1 until 2026-06-01)"


def test_an_exception_ends_with_its_last_day_also_while_a_guard_lives() -> None:
    next_day = TODAY + datetime.timedelta(days=1)
    assert effects(lifted("SELECT ssn FROM customers", SSN, "customers", today=next_day)) == ["deny"]
    assert effects(lifted("SELECT ssn FROM customers", SSN, today=next_day)) == ["deny"]
    assert effects(lifted("SELECT ssn FROM customers", SSN)) == ["warn"]


@pytest.mark.parametrize("table", ["orders", "hr.customers", "CUSTOMERS", "customer"])
def test_an_exception_for_other_tables_lifts_nothing(table: str) -> None:
    assert effects(lifted("SELECT ssn FROM customers", SSN, table)) == ["deny"]


def test_an_exception_lifts_what_it_covers_and_nothing_beside_it() -> None:
    match = {"column": {"name": ["ssn", "national_id"]}}
    found = lifted("SELECT c.ssn, e.national_id FROM customers c, hr.employees e", match, "customers")
    assert sorted(effects(found)) == ["deny", "warn"]


def test_an_exception_must_cover_everything_that_has_a_part() -> None:
    match = {"all": [{"column": {"name": "ssn"}}, {"relation": {"name": "hr.*"}}]}
    sql = "SELECT c.ssn FROM customers c, hr.employees e"
    assert effects(lifted(sql, match, "customers")) == ["deny"]
    assert effects(lifted(sql, match, "hr.employees")) == ["deny"]
    assert effects(lifted(sql, match, "customers", "hr.*")) == ["warn"]


def test_a_record_without_relations_is_about_all_that_the_statement_reads() -> None:
    sleep = {"function": {"name": "pg_sleep"}}
    assert effects(lifted("SELECT pg_sleep(1) FROM customers", sleep, "customers")) == ["warn"]
    assert effects(lifted("SELECT pg_sleep(1) FROM customers, orders", sleep, "customers")) == ["deny"]
    assert effects(lifted("SELECT pg_sleep(1)", sleep, "customers")) == ["deny"]
    assert effects(lifted("SELECT pg_sleep(1)", sleep)) == ["warn"]
    assert effects(lifted("SELECT 1 FROM customers", {"not": sleep}, "customers")) == ["warn"]
    assert effects(lifted("SELECT 1 FROM orders", {"not": sleep}, "customers")) == ["deny"]


def test_an_exception_for_a_view_lifts_what_is_read_through_it_only() -> None:
    through = "SELECT token FROM analytics.customer_export"
    assert set(effects(lifted(through, SSN, "analytics.customer_export"))) == {"warn"}
    both = "SELECT token, ssn FROM analytics.customer_export, customers"
    assert "deny" in effects(lifted(both, SSN, "analytics.customer_export"))


def test_without_a_catalog_every_relation_that_may_be_meant_must_be_covered() -> None:
    sql = "SELECT ssn FROM customers c, other o"
    assert "deny" in effects(lifted(sql, SSN, "customers", catalog=False))
    assert set(effects(lifted(sql, SSN, "customers", "other", catalog=False))) == {"warn"}


def test_a_name_that_may_be_in_several_schemas_must_be_covered_in_each() -> None:
    names = (Name("public", "customers"), Name("private", "customers"))
    for tables, covered in ((["public.customers"], False), (["customers"], True), (["p*.customers"], True)):
        assert Lift("EX-1", NameSet(tables, fold=False), TODAY).covers(names, ()) is covered
    assert not Lift("EX-1", NameSet(["customers"], fold=False), TODAY).covers((), ())


def test_what_is_lifted_does_not_crowd_out_what_is_not() -> None:
    columns = ", ".join(f"c.ssn AS s{n}" for n in range(3 * MOST_FINDINGS))
    match = {"column": {"name": ["ssn", "national_id"]}}
    found = lifted(f"SELECT {columns}, e.national_id FROM customers c, hr.employees e", match, "customers")
    assert effects(found).count("warn") == MOST_FINDINGS
    assert effects(found).count("deny") == 1
