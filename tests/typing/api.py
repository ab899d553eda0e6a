"""The public API as its users write it; mypy --strict checks this file, and nothing runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, assert_type

from pg_guard import (
    UNKNOWN,
    Catalog,
    CatalogError,
    DatabaseError,
    Decision,
    ExecutionError,
    Finding,
    Guard,
    InternalError,
    PgGuardError,
    Policy,
    PolicyError,
    Record,
    Span,
    Statement,
    UsageError,
    __version__,
)
from pg_guard.testing import assert_allowed, assert_denied

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


async def catalogs(dsn: str, path: Path) -> Catalog:
    catalog = await Catalog.from_database(dsn)
    assert_type(catalog, Catalog)
    assert_type(await Catalog.from_database(dsn, timeout=5.0), Catalog)
    assert_type(Catalog.from_json(path), Catalog)
    assert_type(Catalog.from_json(str(path)), Catalog)
    catalog.to_json(path)
    catalog.to_json(str(path))
    assert_type(catalog.digest, str)
    return catalog


def guards(path: Path, policy: Policy, catalog: Catalog | None) -> None:
    assert_type(Guard.load("policy.yaml"), Guard)
    assert_type(Guard.load(path, catalog=catalog), Guard)
    guard = Guard(policy, catalog)
    assert_type(Guard(policy), Guard)
    assert_type(guard.policy, Policy)
    assert_type(guard.catalog, Catalog | None)
    assert_type(guard.check("SELECT 1"), Decision)
    assert_type(guard.check(b"SELECT 1"), Decision)
    assert_type(guard.check("SELECT 1", principal={"tenant_id": 42}), Decision)
    assert_type(guard.check("SELECT 1", principal=None), Decision)
    assert_type(policy.metadata.name, str)
    assert_type(policy.to_dict(), dict[str, Any])


def check_of_my_own(statement: Statement) -> Iterator[Finding]:
    assert_type(statement.sql, str)
    assert_type(statement.kind, str)
    assert_type(statement.catalog, Catalog | None)
    for scan in statement.records("scan"):
        assert_type(scan, Record)
        assert_type(scan.span, Span | None)
        assert_type(scan.possible("relation"), frozenset[Any])
        if scan["limited"] is not UNKNOWN and scan.certain and not scan.about("held", "tenant_id"):
            yield statement.finding("house/limit", "No limit.", "Add one.", severity="low", effect="warn", at=scan)


def guards_with_checks(policy: Policy) -> None:
    assert_type(Guard(policy, checks=[check_of_my_own]), Guard)
    assert_type(Guard.load("policy.yaml", checks=[check_of_my_own]), Guard)
    assert_type(assert_allowed(Guard(policy), "SELECT 1"), Decision)
    assert_type(assert_denied(Guard(policy), "DELETE FROM x", ["statement/not-allowed"]), Decision)


def decisions(decision: Decision) -> str:
    assert_type(decision.allowed, bool)
    assert_type(decision.effect, Literal["allow", "rewrite", "deny"])
    assert_type(decision.sql, str | None)
    assert_type(decision.findings, tuple[Finding, ...])
    assert_type(decision.to_dict(), dict[str, Any])
    assert_type(decision.would_deny, bool)
    assert_type(decision.relations, tuple[str, ...])
    for finding in decision.findings:
        assert_type(finding.rule, str)
        assert_type(finding.severity, Literal["info", "low", "medium", "high", "critical"])
        assert_type(finding.message, str)
        assert_type(finding.remediation, str)
        assert_type(finding.effect, Literal["deny", "warn"])
        assert_type(finding.span, Span | None)
        if finding.span is not None:
            assert_type(finding.span.line, int)
    if decision.sql is None:
        return __version__
    return decision.sql


def values_are_frozen(decision: Decision, finding: Finding, catalog: Catalog) -> None:
    # Each ignore is the assertion: mypy reports an unused one as soon as the value can be assigned.
    decision.sql = "DROP TABLE x"  # type: ignore[misc]
    finding.rule = "x"  # type: ignore[misc]
    catalog.database = "x"  # type: ignore[misc]


def errors(error: PgGuardError) -> int:
    assert_type(error.message, str)
    assert_type(error.hint, str)
    assert_type(error.code, str)
    if isinstance(error, PolicyError):
        for problem in error.problems:
            assert_type(problem.line, int)
    elif isinstance(error, ExecutionError):
        assert_type(error.sqlstate, str)
        assert_type(error.position, int | None)
    kinds: tuple[type[PgGuardError], ...] = (UsageError, CatalogError, DatabaseError, InternalError)
    assert_type(kinds[0].exit_code, int)
    return error.exit_code
