"""Checks of one's own: what they see, what they can do, and that a failing one refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pg_guard import UNKNOWN, Finding, Guard, Policy, Record, Statement
from pg_guard.checks.custom import MOST_FINDINGS, UnknownError
from pg_guard.checks.vocabulary import VOCABULARY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pg_guard.catalog.model import Catalog

POLICY = Policy.model_validate({"tables": {"deny": ["hr.payroll"]}})


def rules(guard: Guard, sql: str) -> list[str]:
    return [finding.rule for finding in guard.check(sql).findings]


def no_orders(statement: Statement) -> Iterator[Finding]:
    for relation in statement.records("relation"):
        if "public.orders" in relation.possible("name"):
            yield statement.finding("house/orders", "No orders today.", "Ask tomorrow.", at=relation)


def test_a_check_refuses_with_a_place(demo_catalog: Catalog) -> None:
    guard = Guard(POLICY, demo_catalog, checks=[no_orders])
    decision = guard.check("SELECT id\nFROM orders")
    assert not decision.allowed
    (finding,) = decision.findings
    assert (finding.rule, finding.severity, finding.effect) == ("house/orders", "medium", "deny")
    assert finding.span is not None
    assert (finding.span.line, finding.span.column) == (2, 6)
    assert guard.check("SELECT id FROM products").allowed


def test_a_check_adds_to_the_policy_and_takes_nothing_away(demo_catalog: Catalog) -> None:
    guard = Guard(POLICY, demo_catalog, checks=[no_orders, lambda _: []])
    assert rules(guard, "SELECT * FROM orders, hr.payroll") == ["tables/denied", "house/orders"]


def test_a_warning_refuses_nothing() -> None:
    guard = Guard(POLICY, checks=[lambda statement: [statement.finding("house/note", "Hm.", effect="warn")]])
    decision = guard.check("SELECT 1")
    assert decision.allowed
    assert [finding.effect for finding in decision.findings] == ["warn"]


def raises(_: Statement) -> list[Finding]:
    raise RuntimeError("secret word")


def raises_late(statement: Statement) -> Iterator[Finding]:
    yield statement.finding("house/first", "One.")
    raise KeyError("x")


def gives_nonsense(_: Statement) -> Any:
    return ["nonsense"]


def gives_nothing(_: Statement) -> Any:
    return None


def leaves(_: Statement) -> Any:
    raise SystemExit(0)


@pytest.mark.parametrize("check", [raises, raises_late, gives_nonsense, gives_nothing, leaves])
def test_a_check_that_fails_refuses_and_the_others_are_heard(check: Any) -> None:
    decision = Guard(POLICY, checks=[check, no_orders]).check("SELECT id FROM public.orders")
    assert not decision.allowed
    found = {finding.rule: finding for finding in decision.findings}
    assert set(found) >= {"check/failed", "house/orders"}
    assert check.__qualname__ in found["check/failed"].message
    assert "secret word" not in found["check/failed"].message


def test_what_a_check_found_before_it_failed_is_kept() -> None:
    assert set(rules(Guard(POLICY, checks=[raises_late]), "SELECT 1")) == {"house/first", "check/failed"}


def test_a_check_without_end_is_cut() -> None:
    def endless(statement: Statement) -> Iterator[Finding]:
        number = 0
        while True:
            yield statement.finding("house/endless", f"Finding {number}.")
            number += 1

    assert len(rules(Guard(POLICY, checks=[endless]), "SELECT 1")) == MOST_FINDINGS


def test_what_is_no_check_is_an_error_at_once() -> None:
    with pytest.raises(TypeError, match="a check is a callable"):
        Guard(POLICY, checks=["no check"])  # type: ignore[list-item]


def test_an_unreadable_statement_is_refused_before_a_check_is_asked() -> None:
    asked: list[str] = []

    def remember(statement: Statement) -> list[Finding]:
        asked.append(statement.sql)
        return []

    guard = Guard(POLICY, checks=[remember])
    assert not guard.check("SELEC 1").allowed
    assert asked == []
    assert guard.check("SELECT 1").allowed
    assert asked == ["SELECT 1"]


def seen(guard_catalog: Catalog | None, sql: str) -> Statement:
    found: list[Statement] = []

    def remember(statement: Statement) -> list[Finding]:
        found.append(statement)
        return []

    Guard(POLICY, guard_catalog, checks=[remember]).check(sql)
    (statement,) = found
    return statement


def test_a_statement_tells_what_it_is(demo_catalog: Catalog) -> None:
    statement = seen(demo_catalog, "EXPLAIN SELECT 1")
    assert (statement.sql, statement.kind) == ("EXPLAIN SELECT 1", "explain")
    assert statement.catalog is demo_catalog
    assert statement.search_path == demo_catalog.search_path


def test_a_check_sees_who_asks_and_cannot_change_it() -> None:
    def only_seven(statement: Statement) -> Iterator[Finding]:
        if statement.principal.get("tenant_id") != 7:
            yield statement.finding("house/tenant", "Only seven may ask.")
        statement.principal["tenant_id"] = 7  # type: ignore[index] # the test's point

    guard = Guard(POLICY, checks=[only_seven])
    assert [f.rule for f in guard.check("SELECT 1", principal={"tenant_id": 7}).findings] == ["check/failed"]
    assert set(rules(guard, "SELECT 1")) == {"house/tenant", "check/failed"}


def test_every_fact_and_attribute_can_be_read(demo_catalog: Catalog) -> None:
    sql = (
        "SELECT DISTINCT o.status, lower(c.name), (SELECT max(id) FROM products) FROM orders o "
        "LEFT JOIN customers c ON c.id = o.customer_id WHERE o.id > $1 AND c.name LIKE 'a%' ORDER BY 1 LIMIT 5"
    )
    for catalog in (demo_catalog, None):
        statement = seen(catalog, sql)
        for fact in VOCABULARY:
            for record in statement.records(fact):
                assert record.fact == fact
                assert dict(record).keys() == set(record)
                assert len(record) == len(dict(record))
                assert not any(name.endswith(("_over", "_under")) for name in record)
    assert all(seen(demo_catalog, sql).records(fact) for fact in VOCABULARY if fact not in ("type", "recursion"))


def test_values_are_plain(demo_catalog: Catalog) -> None:
    statement = seen(demo_catalog, "SELECT count(*) FROM orders AS o WHERE o.id = 5")
    (relation,) = statement.records("relation")
    assert (relation["name"], relation["kind"], relation["known"]) == ("public.orders", "table", True)
    assert relation["rows"] > 0
    (function,) = statement.records("function")
    assert function["name"] == "pg_catalog.count"
    (scan,) = statement.records("scan")
    assert scan.about("held", "id") is True
    assert scan.about("held", "status") is False
    with pytest.raises(KeyError, match="ask for it with about"):
        _ = scan["held"]
    with pytest.raises(KeyError, match="has no attribute 'nmae'; it has name, "):
        _ = relation["nmae"]
    with pytest.raises(KeyError, match="there is no fact 'relations'; there are statement, "):
        statement.records("relations")


def test_scans_inside_of_views_are_seen(demo_catalog: Catalog) -> None:
    statement = seen(demo_catalog, "SELECT * FROM analytics.team")
    assert "hr.employees" in {scan["relation"] for scan in statement.records("scan")}


def test_what_is_not_known_cannot_be_mistaken() -> None:
    (relation,) = seen(None, "SELECT id FROM orders").records("relation")
    assert relation["rows"] is UNKNOWN
    assert relation.possible("name") == {"public.orders"}
    with pytest.raises(UnknownError):
        bool(relation["rows"])
    with pytest.raises(UnknownError):
        _ = relation["rows"] > 5
    with pytest.raises(UnknownError):
        _ = relation["rows"] == 5
    with pytest.raises(UnknownError):
        _ = 5 in relation["rows"]
    with pytest.raises(UnknownError):
        relation.possible("rows")


def test_a_check_that_forgets_the_unknown_refuses() -> None:
    def large(statement: Statement) -> Iterator[Finding]:
        for scan in statement.records("scan"):
            if scan["rows"] > 1000:
                yield statement.finding("house/large", "Large.", at=scan)

    assert rules(Guard(POLICY, checks=[large]), "SELECT id FROM orders") == ["check/failed"]


def test_a_name_that_may_be_one_of_several_is_unknown() -> None:
    policy = Policy.model_validate({"search_path": ["app", "public"]})
    found: list[Record] = []

    def remember(statement: Statement) -> list[Finding]:
        found.extend(statement.records("relation"))
        return []

    Guard(policy, checks=[remember]).check("SELECT id FROM orders")
    assert found[0]["name"] is UNKNOWN
    assert found[0].possible("name") == {"app.orders", "public.orders"}


def test_the_digests_tell_of_checks() -> None:
    plain, checked = Guard(POLICY).check("SELECT 1"), Guard(POLICY, checks=[no_orders]).check("SELECT 1")
    assert "checks" not in plain.digests
    assert len(checked.digests["checks"]) == 64
