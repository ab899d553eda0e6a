"""The packs of security against the corpus and the classified functions: nothing dangerous passes core, nothing honest is denied.

The corpus is decided without a policy, on the catalog of the sample database, so that only packs have a say.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

import pytest

from pg_guard.catalog import builtins
from pg_guard.checks.matching import conditions
from pg_guard.facts.extract import statement_kind
from pg_guard.guard import Guard
from pg_guard.policy.packs import load_pack
from pg_guard.policy.shipped import shipped_dir
from pg_guard.testing.run import catalog_for_tests
from tests.corpus.loading import load_cases

if TYPE_CHECKING:
    from collections.abc import Callable

    from pg_guard.decision import Finding
    from tests.corpus.loading import Case

# What a reader of data never needs, of PostgreSQL's own functions.
NEEDLESS = frozenset({
    "backend-control", "catalog-write", "configuration-write", "dynamic-sql", "filesystem", "large-object",
    "lock", "network", "notify", "replication", "sequence-write", "sleep", "statistics-write", "wal",
    "xml-export",
})  # fmt: skip
# Families of attack that need neither a policy nor more than PostgreSQL itself: core alone refuses each of them.
FAMILIES = frozenset({
    "activity", "advisory-lock", "backend-control", "credential-catalog", "data-modifying-cte",
    "file-function", "file-function-spelling", "large-object", "large-object-write", "locking", "notify",
    "other-writes", "random-seed", "replication", "sequence-write", "server-configuration", "session-set",
    "sleep", "statistics-data", "stats-reset", "transaction-control", "wal",
})  # fmt: skip


@cache
def guard(*packs: str, catalog: str = "demo") -> Guard:
    return Guard.from_packs([load_pack(shipped_dir("rules") / name) for name in packs], catalog_for_tests(catalog))


def fired(sql: str, *packs: str, catalog: str = "demo") -> list[Finding]:
    findings = guard(*packs, catalog=catalog).check(sql).findings
    return [finding for finding in findings if finding.rule.startswith(tuple(f"{name}/" for name in packs))]


def needless_functions() -> list[str]:
    names = {name for name in builtins.names() if (builtins.classify(name) or frozenset()) & NEEDLESS}
    return sorted(name for name in names if not (builtins.classify(name) or frozenset()) & {"support", "trigger"})


def test_there_are_functions_that_no_reader_needs() -> None:
    assert len(needless_functions()) > 150
    assert {"pg_read_file", "query_to_xml", "pg_sleep", "nextval", "lo_export"} <= set(needless_functions())


@pytest.mark.parametrize("name", needless_functions())
def test_core_denies_every_function_that_no_reader_needs(name: str) -> None:
    assert [finding for finding in fired(f'SELECT "{name}"()', "core", catalog="none") if finding.effect == "deny"]


@pytest.mark.parametrize(
    "case", [case for case in load_cases("attacks") if case.group in FAMILIES], ids=lambda case: case.id
)
def test_core_alone_refuses_what_needs_no_policy(case: Case) -> None:
    decision = guard("core").check(case.sql)
    assert not decision.allowed
    # Several statements in one text are refused before any rule is asked.
    assert decision.kind == "unknown" or any(finding.rule.startswith("core/") for finding in decision.findings)


@pytest.mark.parametrize(
    "case", [case for case in load_cases("attacks") if case.group.startswith("scope-")], ids=lambda case: case.id
)
def test_multitenant_refuses_every_statement_that_sees_other_tenants(case: Case) -> None:
    rules = {finding.rule for finding in guard("multitenant").check(case.sql).findings if finding.effect == "deny"}
    # Two cases name views that only the corpus has.
    assert "sql/unknown-name" in rules or any(rule.startswith("multitenant/") for rule in rules)


# Statements of PostgreSQL's grammar that read, and nodes that no text can have at its top.
READING = {"SelectStmt", "ExplainStmt", "VariableShowStmt"}
INNER = {"RawStmt", "SetOperationStmt", "ReturnStmt", "PLAssignStmt", "ReplicaIdentityStmt"}


def other_statements() -> list[str]:
    # By name, because mypy cannot read the stub of this module.
    fields = import_module("postgast.pg_query_pb2").Node.DESCRIPTOR.fields
    names = {field.message_type.name for field in fields if field.message_type is not None}
    return sorted(name for name in names - READING - INNER if name.endswith("Stmt"))


def test_the_grammar_has_more_statements_than_those_that_read() -> None:
    assert len(other_statements()) > 100
    assert {"CopyStmt", "DoStmt", "AlterSystemStmt", "TruncateStmt"} <= set(other_statements())


@cache
def kind_conditions() -> list[Callable[[str], bool]]:
    rules = load_pack(shipped_dir("rules") / "core").rules
    return [
        condition.tests["kind"]
        for rule in rules
        if rule.id != "core/PG209"  # this one is about what EXPLAIN is asked for
        for condition in conditions(rule.compile())
        if condition.fact.name == "statement"
    ]


@pytest.mark.parametrize("node", other_statements())
def test_core_denies_every_statement_that_does_not_only_read(node: str) -> None:
    kind = statement_kind({node: {}})
    assert any(meets(kind) for meets in kind_conditions())


def honest_statements_of_one_tenant() -> list[Case]:
    return [case for case in load_cases("benign") if case.policy == "tenant"]


@pytest.mark.parametrize("case", honest_statements_of_one_tenant(), ids=lambda case: case.id)
def test_multitenant_denies_no_statement_that_holds_its_tenant(case: Case) -> None:
    assert not [finding for finding in fired(case.sql, "multitenant") if finding.effect == "deny"]


@pytest.mark.parametrize("case", load_cases("benign"), ids=lambda case: case.id)
def test_no_pack_denies_an_honest_statement(case: Case) -> None:
    findings = fired(case.sql, "core", "pii", "compliance")
    assert not [finding for finding in findings if finding.effect == "deny"]
    # core has no warnings: what it finds, it denies.
    assert not [finding for finding in findings if finding.rule.startswith("core/")]
