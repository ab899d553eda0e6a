"""Findings that a test database cannot show by itself: an estate is read, and then changed by hand."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pg_guard.advise.audit import CHECKS, audit
from pg_guard.advise.finding import AuditFinding, AuditReport
from pg_guard.advise.reach import Reach
from pg_guard.advise.reports import render_html, render_markdown, render_text
from pg_guard.advise.subject import load_dangers
from pg_guard.catalog.introspect import read_catalog_with
from pg_guard.catalog.model import Name
from pg_guard.decision import SEVERITIES
from pg_guard.policy.load import parse_policy

if TYPE_CHECKING:
    import asyncpg

    from pg_guard.advise.surroundings import Estate, Role
    from pg_guard.policy.model import Policy

ROOT = Path(__file__).resolve().parents[3]


def policy(text: str = "") -> Policy:
    return parse_policy(f"schema: pg-guard/policy/v1\n{text}").policy


def ids(report: AuditReport) -> dict[str, str]:
    return {finding.id.removeprefix("audit/"): finding.severity for finding in report.findings}


def as_role(estate: Estate, **changes: object) -> Estate:
    role: Role = replace(estate.around.role, **changes)  # type: ignore[arg-type]  # names of fields are given below
    return replace(estate, around=replace(estate.around, role=role))


def with_settings(estate: Estate, **changes: str) -> Estate:
    return replace(estate, around=replace(estate.around, settings={**estate.around.settings, **changes}))


@pytest.mark.parametrize(
    ("attribute", "id_", "severity"),
    [
        ("bypass_rls", "role-bypasses-row-security", "high"),
        ("create_role", "role-creates-roles", "high"),
        ("create_database", "role-creates-databases", "low"),
        ("replication", "role-replicates", "high"),
        ("create_in_database", "role-creates-in-database", "medium"),
    ],
)
def test_attributes_of_the_role(odd_estate: Estate, attribute: str, id_: str, severity: str) -> None:
    assert id_ not in ids(audit(policy(), odd_estate))
    assert ids(audit(policy(), as_role(odd_estate, **{attribute: True})))[id_] == severity


def test_a_superuser_is_one_finding_and_not_a_hundred(demo_estate: Estate) -> None:
    found = ids(audit(policy("tables: {deny: ['hr.*']}"), demo_estate))
    assert found["role-superuser"] == "critical"
    assert not {"role-writes", "role-owns", "role-membership", "role-reads-protected", "role-connects"} & found.keys()


@pytest.mark.parametrize("name", sorted(load_dangers()["memberships"]))
def test_memberships(odd_estate: Estate, name: str) -> None:
    report = audit(policy(), as_role(odd_estate, memberships=frozenset({name, "colleagues"})))
    (finding,) = [each for each in report.findings if each.id == "audit/role-membership"]
    assert name in finding.message
    assert finding.remedy == f"REVOKE {name} FROM odd_unit_reader;"


def test_an_owner_is_told_so(odd_estate: Estate) -> None:
    key = Name("app", "orders")
    around = odd_estate.around
    owned = {**around.relations, key: around.relations[key]._replace(owned=True)}
    report = audit(policy(), replace(odd_estate, around=replace(around, relations=owned)))
    (finding,) = [each for each in report.findings if each.id == "audit/role-owns"]
    assert finding.objects == ("app.orders",)
    assert "role-writes" in ids(report)  # in reference, not said twice for app


@pytest.mark.parametrize(
    ("name", "weak", "strong", "id_"),
    [
        ("default_transaction_read_only", "off", "on", "setting-read-only"),
        ("statement_timeout", "0", "30000", "setting-statement-timeout"),
        ("idle_in_transaction_session_timeout", "0", "60000", "setting-idle-timeout"),
        ("row_security", "off", "on", "setting-row-security"),
        ("standard_conforming_strings", "off", "on", "setting-strings"),
        ("password_encryption", "md5", "scram-sha-256", "setting-passwords"),
        ("log_statement", "none", "all", "setting-logging"),
        ("session_preload_libraries", "evil", "", "setting-preload"),
    ],
)
def test_settings(odd_estate: Estate, name: str, weak: str, strong: str, id_: str) -> None:
    assert id_ in ids(audit(policy(), with_settings(odd_estate, **{name: weak})))
    assert id_ not in ids(audit(policy(), with_settings(odd_estate, **{name: strong})))


def test_a_connection_over_the_network_must_be_encrypted(odd_estate: Estate) -> None:
    assert "setting-encryption" not in ids(audit(policy(), odd_estate))  # a unix socket
    away = as_role(odd_estate, local=False)
    assert ids(audit(policy(), away))["setting-encryption"] == "medium"
    encrypted = with_settings(as_role(odd_estate, local=False, encrypted=True), ssl="on")
    assert "setting-encryption" not in ids(audit(policy(), encrypted))


def test_extensions_and_languages(odd_estate: Estate) -> None:
    catalog = replace(odd_estate.catalog, extensions=(("dblink", "1.2"), ("hstore", "1.8"), ("plsh", "2")))
    around = replace(odd_estate.around, untrusted_languages=("plpython3u",))
    report = audit(policy(), replace(odd_estate, catalog=catalog, around=around))
    extensions = {each.object: each.severity for each in report.findings if each.id == "audit/extension-dangerous"}
    assert extensions == {"extension dblink 1.2": "high", "extension plsh 2": "critical"}
    assert ids(report)["language-untrusted"] == "medium"
    functions = tuple(
        replace(each, language="plpython3u") if each.key == Name("app", "net") else each for each in catalog.functions
    )
    used = replace(odd_estate, catalog=replace(catalog, functions=functions), around=around)
    assert ids(audit(policy(), used))["language-untrusted"] == "high"


def test_partitions_of_which_one_side_is_denied(demo_estate: Estate) -> None:
    parent = audit(policy("tables: {deny: [web_events_2026_01]}"), demo_estate)
    assert ("audit/parent-shows-protected", "table public.web_events") in {(e.id, e.object) for e in parent.findings}
    child = audit(policy("tables: {deny: [public.web_events]}"), demo_estate)
    objects = {each.object for each in child.findings if each.id == "audit/child-of-protected"}
    assert "table public.web_events_2026_01" in objects
    assert len(objects) == 4
    reviewed = audit(policy("tables: {allow: [public.web_events], deny: [web_events_2026_01]}"), demo_estate)
    (finding,) = [each for each in reviewed.findings if each.id == "audit/parent-shows-protected"]
    assert finding.severity == "high"


def test_a_policy_that_watches_only(demo_estate: Estate) -> None:
    assert ids(audit(policy("mode: monitor"), demo_estate))["mode-monitor"] == "high"
    assert "mode-monitor" not in ids(audit(policy(), demo_estate))


def test_functions_that_are_named_and_refused_all_the_same(demo_estate: Estate) -> None:
    text = "functions: {allow: ['public.net_price(numeric, numeric)', lower], user_defined: deny}"
    findings = [each for each in audit(policy(text), demo_estate).findings if each.id == "audit/function-unmatched"]
    assert [each.object for each in findings] == ["functions.allow public.net_price(numeric, numeric)"]
    assert findings[0].remedy == "functions: {user_defined: allow_listed}"


def test_what_functions_read(odd_estate: Estate) -> None:
    reach = Reach(policy("columns: {deny: {app.kunden: [Benutzerpasswort]}}"), odd_estate.catalog)
    reads = {each.name: reach.function(each) for each in odd_estate.catalog.functions if each.schema == "app"}
    assert reads["net"].relations == frozenset()
    assert reads["tenant_total"].relations == {Name("app", "orders")}
    assert reads["reveal"].columns >= {(Name("personalwesen", "angestellte"), "gehalt")}
    assert (Name("app", "kunden"), "Benutzerpasswort") in reads["reveal_slowly"].columns
    assert (reads["anything"].dynamic, reads["reveal_slowly"].dynamic) == (True, False)
    assert reach.protected_reads(reads["reveal_slowly"]) == ("app.kunden.Benutzerpasswort",)
    assert reach.protected_reads(reads["reveal"]) == ()


async def test_everything_is_read_in_a_read_only_transaction(odd_unit: object) -> None:
    async def look(connection: asyncpg.Connection[object]) -> tuple[str, str, str]:
        row = await connection.fetchrow(
            "SELECT pg_catalog.current_setting('transaction_read_only'), pg_catalog.current_setting('search_path'), "
            "pg_catalog.current_setting('transaction_isolation')"
        )
        assert row is not None
        return tuple(row)

    _, seen = await read_catalog_with(odd_unit.owner, look)  # type: ignore[attr-defined]  # an OddDatabase
    assert seen == ("on", '""', "repeatable read")


def test_the_worst_comes_first_and_nothing_twice(odd_estate: Estate) -> None:
    findings = audit(policy("tables: {deny: ['personalwesen.*']}"), odd_estate).findings
    ranks = [SEVERITIES.index(each.severity) for each in findings]
    assert ranks == sorted(ranks, reverse=True)
    assert len(findings) == len(set(findings))


def test_every_id_has_one_place_in_the_code_of_a_check() -> None:
    """So that a report's id leads to the check, and no two checks mean different things by one id."""
    modules = sorted((ROOT / "pg_guard" / "advise").glob("audit_*.py"))
    places: dict[str, set[str]] = {}
    for path in modules:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and re.fullmatch(r"audit/[a-z-]+", node.value)
            ):
                places.setdefault(node.value, set()).add(path.name)
    assert len(places) > 45
    assert [id_ for id_, files in places.items() if len(files) > 1] == []
    assert len(CHECKS) == len(set(CHECKS))


def test_a_report_without_findings_says_so() -> None:
    report = AuditReport("p 1", "enforce", "d" * 64, "shop", "18", "reader", ())
    assert render_text(report, width=60) == (
        "audit of policy p 1 on database shop (PostgreSQL 18) as\n  role reader\nno findings\n"
    )
    assert "No findings." in render_markdown(report)
    assert "No findings." in render_html(report)
    assert not report.fails("low")


def test_a_remedy_cannot_end_its_fence() -> None:
    finding = AuditFinding("audit/x", "low", "o", "m", "a ```\nb", "sql")
    text = render_markdown(AuditReport("p", "enforce", "d", "s", "18", "r", (finding,)))
    assert "````sql\na ```\nb\n````" in text


@pytest.mark.parametrize(
    ("requirement", "about_tenants"),
    [
        ('{table: orders, equals: {tenant_id: ":tenant_id"}}', True),
        # Whatever its name: it is the asker's own.
        ('{table: orders, equals: {currency: ":currency"}}', True),
        ("{table: orders, columns: [tenant_id]}", True),
        # A range of days that every query must name makes nobody a tenant; nor does a fixed value.
        ("{table: orders, columns: [ordered_at]}", False),
        ("{table: orders, equals: {status: paid}}", False),
        ("{table: orders}", False),
    ],
)
def test_which_columns_count_as_tenants(demo_estate: Estate, requirement: str, about_tenants: bool) -> None:
    found = {each for each in ids(audit(policy(f"where: [{requirement}]"), demo_estate)) if each.startswith("tenant-")}
    assert bool(found) is about_tenants, found
