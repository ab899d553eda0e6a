"""Directions of changes; and that what is called no loosening allows no statement of the corpus that was denied."""

from __future__ import annotations

import datetime
import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pg_guard.compare.behaviour import compare_behaviour
from pg_guard.compare.reach import compare_reach
from pg_guard.compare.structure import compare_policies
from pg_guard.entry.cli.statements import corpus_statements, find_corpus_files
from pg_guard.guard import Guard
from pg_guard.policy.load import load_policy, parse_policy
from pg_guard.policy.model import Policy

if TYPE_CHECKING:
    from pg_guard.catalog.model import Catalog
    from pg_guard.compare.statements import Statement

ROOT = Path(__file__).resolve().parents[3]


def policy(text: str) -> Policy:
    return parse_policy(f"schema: pg-guard/policy/v1\n{text}").policy


def directions(old: str, new: str) -> list[tuple[str, str, str]]:
    return [(change.path, change.kind, change.direction) for change in compare_policies(policy(old), policy(new))]


@pytest.mark.parametrize(
    ("loose", "strict", "path"),
    [
        ("mode: monitor", "mode: enforce", "mode"),
        ("statements: {allow: [select, show]}", "statements: {allow: [select]}", "statements.allow"),
        ("tables: {default: allow}", 'tables: {default: deny, allow: ["a*"]}', "tables.default"),
        ("tables: {deny: [a]}", "tables: {deny: [a, b]}", "tables.deny"),
        ("tables: {default: deny, allow: [a, b]}", "tables: {default: deny, allow: [a]}", "tables.allow"),
        ("tables: {allow: [pg_catalog.pg_class]}", "", "tables.allow"),
        ("tables: {deny: [a], allow: [reviewed]}", "tables: {deny: [a]}", "tables.allow"),
        ("columns: {deny: {t: [a]}}", "columns: {deny: {t: [a, b]}}", "columns.deny"),
        ("columns: {deny: {t: [a]}}", 'columns: {deny: {"*": [a]}}', "columns.deny"),
        ("where: [{table: t}]", "where: [{table: [t, u]}]", "where"),
        ("where: [{table: t, columns: [a]}]", "where: [{table: t, columns: [a, b]}]", "where"),
        ("joins: {max_tables: 5}", "joins: {max_tables: 4}", "joins.max_tables"),
        ("", "joins: {max_tables: 4}", "joins.max_tables"),
        ("functions: {mode: denylist, deny: [a]}", "functions: {mode: denylist, deny: [a, b]}", "functions.deny"),
        ("functions: {mode: denylist, deny: [a]}", "functions: {deny: [a]}", "functions.mode"),
        (
            "functions: {allow: [{capability: [pure, random]}]}",
            "functions: {allow: [{capability: pure}]}",
            "functions.allow",
        ),
        ("functions: {allow: [f, g]}", "functions: {allow: [f]}", "functions.allow"),
        ("functions: {user_defined: allow_listed}", "", "functions.user_defined"),
        ("limits: {rows: 10}", "limits: {rows: 9}", "limits.rows"),
        ("limits: {statement_timeout: 2min}", "limits: {statement_timeout: 90s}", "limits.statement_timeout"),
        ("search_path: [a, b]", "search_path: [b]", "search_path"),
    ],
)
def test_each_clause_has_a_direction(loose: str, strict: str, path: str) -> None:
    tightening, loosening = directions(loose, strict), directions(strict, loose)
    assert any(entry[0] == path and entry[2] == "tightening" for entry in tightening), tightening
    assert {entry[2] for entry in tightening} <= {"tightening", "neutral"}
    assert any(entry[0] == path and entry[2] == "loosening" for entry in loosening), loosening


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("tables: {deny: [hr.payroll]}", 'tables: {deny: [hr.payroll, "hr.*"]}'),
        ("columns: {deny: {t: [ssn]}}", 'columns: {deny: {t: ["*ssn", ssn]}}'),
    ],
)
def test_to_remove_what_other_entries_say_is_neutral(old: str, new: str) -> None:
    wide = new.replace("hr.payroll, ", "").replace(", ssn]", "]")
    assert {entry[2] for entry in directions(new, wide)} == {"neutral"}
    assert {entry[2] for entry in directions(old, wide)} == {"neutral", "tightening"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("metadata: {version: '1'}", "metadata: {version: '2'}"),
        ("", "tests: [{name: a, sql: SELECT 1, expect: allow}]"),
        ("limits: {statement_timeout: 60s}", "limits: {statement_timeout: 1min}"),
        ("tables: {deny: [a, b]}", "tables: {deny: [b, a]}"),
        ("where: [{table: [a, b]}]", "where: [{table: a}, {table: b}]"),
        (
            "functions: {allow: [{capability: [pure, random]}]}",
            "functions: {allow: [{capability: random}, {capability: pure}]}",
        ),
        (
            "functions: {mode: denylist, deny: [x]}",
            "functions: {mode: denylist, deny: [x], allow: [{capability: random}]}",
        ),
        ("tables: {}", 'tables: {allow: ["public.*"]}'),
    ],
)
def test_what_decides_nothing_is_neutral(old: str, new: str) -> None:
    for one, other in ((old, new), (new, old)):
        assert {entry[2] for entry in directions(one, other)} <= {"neutral"}


def test_two_equal_policies_have_no_changes() -> None:
    for path in sorted((ROOT / "policies").glob("*.yaml")):
        loaded = load_policy(path, environ={}).policy
        assert compare_policies(loaded, loaded) == []


EXCEPTION = "{id: EX, rules: [x/PG100], tables: [t], reason: r, approved_by: a, expires: 2098-01-01}"


def with_exceptions(*entries: str) -> Policy:
    data: Any = [dict(entry) for entry in policy("").to_dict()["exceptions"]]
    for entry in entries:
        body = dict(part.split(": ", 1) for part in entry.strip("{}").split(", "))
        data.append(body | {"rules": body["rules"].strip("[]").split(";"), "tables": [body["tables"].strip("[]")]})
    return Policy.model_validate({"schema": "pg-guard/policy/v1", "exceptions": data})


@pytest.mark.parametrize(
    ("old", "new", "direction"),
    [
        ([], [EXCEPTION], "loosening"),
        ([EXCEPTION], [], "tightening"),
        ([EXCEPTION], [EXCEPTION.replace("2098", "2099")], "loosening"),
        ([EXCEPTION], [EXCEPTION.replace("2098", "2097")], "tightening"),
        ([EXCEPTION], [EXCEPTION.replace("[x/PG100]", "[x/PG100;x/PG101]")], "loosening"),
        ([EXCEPTION], [EXCEPTION.replace("reason: r", "reason: s")], "neutral"),
        ([EXCEPTION.replace("2098", "2001")], [], "neutral"),
        ([EXCEPTION.replace("2098", "2001")], [EXCEPTION.replace("2098", "2050")], "loosening"),
    ],
)
def test_exceptions_have_directions(old: list[str], new: list[str], direction: str) -> None:
    changes = compare_policies(with_exceptions(*old), with_exceptions(*new), today=datetime.date(2026, 1, 1))
    assert [change.direction for change in changes] == [direction]


def test_a_name_that_may_be_a_view_is_reviewed_only_where_it_can_be_one(demo_catalog: Catalog) -> None:
    old = policy("")
    for name, with_catalog in (("customers", "neutral"), ("analytics.customer_export", "loosening")):
        new = policy(f"tables: {{default: deny, allow: [{name}]}}")
        (known,) = [each for each in compare_policies(old, new, catalog=demo_catalog) if each.path == "tables.allow"]
        (unknown,) = [each for each in compare_policies(old, new) if each.path == "tables.allow"]
        assert (known.direction, unknown.direction) == (with_catalog, "loosening")


VARIANTS = [
    "tables: {deny: [hr.*]}",
    'tables: {deny: [hr.payroll, "*.audit*"]}',
    "tables: {deny: [orders], allow: [analytics.customer_export]}",
    "tables: {default: deny, allow: [orders, customers]}",
    "columns: {deny: {customers: [ssn]}}",
    'columns: {deny: {"*": [ssn, "*_hash"]}}',
    "where: [{table: orders}]",
    "where: [{table: orders, columns: [customer_id]}]",
    "joins: {max_tables: 2}",
    "functions: {mode: denylist, deny: [{capability: random}]}",
    "functions: {allow: [{capability: [pure, aggregate]}]}",
    "statements: {allow: [select, explain, show]}",
    "limits: {sql_bytes: 60}",
    "search_path: [hr, public]",
    "mode: monitor",
    "",
]


@pytest.fixture(scope="module")
def statements() -> list[Statement]:
    corpus = ROOT / "tests" / "corpus"
    names = ["benign/everyday-analysis.yaml", "attacks/tables.yaml", "attacks/functions.yaml", "attacks/columns.yaml"]
    files = find_corpus_files(str(path) for name in names if (path := corpus / name).exists())
    every = list(corpus_statements(files))
    assert len(every) > 100
    return every[::4]


def test_what_is_called_no_loosening_allows_nothing_new(demo_catalog: Catalog, statements: list[Statement]) -> None:
    """Soundness, on every pair of variants: behaviour may only loosen where the structure says so."""
    policies = [policy(text) for text in VARIANTS]
    guards = [Guard(each, demo_catalog) for each in policies]
    claims = 0
    for left, right in itertools.permutations(range(len(VARIANTS)), 2):
        changes = compare_policies(policies[left], policies[right], catalog=demo_catalog)
        if any(change.direction == "loosening" for change in changes):
            continue
        claims += 1
        shifts = compare_behaviour(guards[left], guards[right], statements)
        assert shifts.counts["newly_allowed"] == 0, (VARIANTS[left], VARIANTS[right], shifts.to_dict()["groups"])
        reach = compare_reach(guards[left], guards[right], demo_catalog)
        assert not reach.loosened, (VARIANTS[left], VARIANTS[right])
    assert claims >= len(VARIANTS)


# One policy that states something for each key; each key is then left out by itself.
FULL: dict[str, Any] = {
    "metadata": {"name": "n", "version": "2", "owner": "o", "description": "d"},
    "mode": "monitor",
    "packs": [{"use": "core"}],
    "statements": {"allow": ["select", "show"], "reason": "r"},
    "search_path": ["a"],
    "tables": {"default": "deny", "allow": ["a*"], "deny": ["b"], "reason": "r"},
    "columns": {"deny": {"t": ["c"]}, "on_star": "omit", "mask": {"t": {"c": "m"}}, "reason": "r"},
    "where": [{"table": "t"}],
    "row_filters": [{"table": "t", "using": "a = 1"}],
    "joins": {"max_tables": 3, "cartesian": "deny", "reason": "r"},
    "functions": {
        "mode": "denylist",
        "allow": ["f"],
        "deny": ["g"],
        "user_defined": "allow_listed",
        "reason": "r",
    },
    "limits": {
        name: "r" if name == "reason" else 7
        for name in Policy.model_fields["limits"].annotation.model_fields  # type: ignore[union-attr] # a section
    },
    "principals": {"p": {"match": {"client": "x"}}},
    "exceptions": [
        {"id": "E", "rules": ["x/PG100"], "reason": "r", "approved_by": "a", "expires": "2098-01-01"},
    ],
    "tests": [{"name": "t", "sql": "SELECT 1", "expect": "allow"}],
}
LEAVES = [(key, inner) for key, value in FULL.items() for inner in (value if isinstance(value, dict) else ("",))]
# What rules of packs do is compared rule by rule.
BY_RULE = {"schema", "extends", "rules"}


def test_the_full_policy_states_every_key() -> None:
    """A new key of the format must be compared, too: add it here, and see it fail below."""
    assert set(FULL) == {field.alias or name for name, field in Policy.model_fields.items()} - BY_RULE
    for name in ("metadata", "statements", "tables", "columns", "joins", "functions", "limits"):
        section: Any = Policy.model_fields[name].annotation
        assert set(FULL[name]) == set(section.model_fields), name


@pytest.mark.parametrize(("key", "inner"), LEAVES, ids=lambda value: value)
def test_every_key_of_a_policy_is_compared(key: str, inner: str) -> None:
    without = {name: dict(value) if isinstance(value, dict) else value for name, value in FULL.items()}
    if inner:
        del without[key][inner]
    else:
        del without[key]
    full, less = Policy.model_validate({"schema": "pg-guard/policy/v1", **FULL}), Policy.model_validate(without)
    for old, new in ((full, less), (less, full)):
        assert [change.path for change in compare_policies(old, new)], (key, inner)


def test_principals_matter_where_a_condition_names_an_attribute() -> None:
    named = {"where": [{"table": "t", "equals": {"a": ":tenant"}}]}
    one = {"principals": {"p": {"match": {"client": "x"}, "attributes": {"tenant": 1}}}}
    for extra, direction in ((named, "loosening"), ({}, "neutral")):
        old = Policy.model_validate(extra)
        new = Policy.model_validate({**extra, **one})
        for before, after in ((old, new), (new, old)):
            assert [change.direction for change in compare_policies(before, after)] == [direction]
