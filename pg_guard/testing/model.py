"""What a run of embedded tests says. In: cases with their outcome. Out: suites, counts, an exit code, a JSON document."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pg_guard.decision import Finding
    from pg_guard.errors import PgGuardError, Problem

__all__ = ["TEST_SCHEMA", "Case", "Clause", "Kind", "Ran", "Report", "Result", "Suite"]

TEST_SCHEMA: Final = "pg-guard/test/v1"

Kind: TypeAlias = Literal["policy", "rule"]


@dataclass(frozen=True, slots=True)
class Case:
    """A test as its author wrote it.

    Attributes:
        subject: The policy's name, or the rule's id.
        name: The test's own name.
        sql: The statement.
        expect: ``allow``, ``rewrite``, ``deny`` or ``warn``.
        rules: Rule ids that must be among the findings.
        principal: What is known of who asks.
        catalog: ``demo``, ``none``, or empty for the catalog that the run was given.
        works_on: The version of PostgreSQL on which the statement runs, or None when nothing is said of it.
        file: The file as the user named it.
        line: Line of the test in its file, from 1.
    """

    subject: str
    name: str
    sql: str
    expect: str
    rules: tuple[str, ...] = ()
    principal: Mapping[str, str | int | float | bool] = field(default_factory=dict, hash=False)
    catalog: str = ""
    works_on: int | None = None
    file: str = ""
    line: int = 0

    @property
    def place(self) -> str:
        """``file:line``."""
        return f"{self.file}:{self.line}" if self.line else self.file

    @property
    def id(self) -> str:
        """The subject and the name, as in ``core/PG101::direct read``; what ``-k`` looks at."""
        return f"{self.subject}::{self.name}"


@dataclass(frozen=True, slots=True)
class Ran:
    """What PostgreSQL did with a statement that is said to work; `error` is empty when it ran."""

    error: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """One test and what came of it.

    Attributes:
        case: The test.
        decided: What was decided: ``allow``, ``rewrite``, ``deny`` or ``warn``; for a rule, by this rule alone.
        findings: The findings that speak of it.
        failure: What is wrong, in one sentence; empty when the decision is the expected one.
        note: What a reader should know although the test passed.
        ran: What PostgreSQL did with the statement; None when it was not asked.
    """

    case: Case
    decided: str
    findings: tuple[Finding, ...] = ()
    failure: str = ""
    note: str = ""
    ran: Ran | None = None

    @property
    def missing_rules(self) -> tuple[str, ...]:
        """Rules that the test names and no finding has."""
        found = {finding.rule for finding in self.findings}
        return tuple(rule for rule in self.case.rules if rule not in found)

    @property
    def passed(self) -> bool:
        """True when the decision is the expected one and PostgreSQL, if asked, ran the statement."""
        return not self.failure and (self.ran is None or not self.ran.error)

    def to_dict(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        case = self.case
        database = None
        if case.works_on is not None:
            database = "not-run" if self.ran is None else "failed" if self.ran.error else "passed"
        return {
            "name": case.name,
            "line": case.line,
            "sql": case.sql,
            "expect": case.expect,
            "rules": list(case.rules),
            "principal": dict(case.principal),
            "passed": self.passed,
            "decided": self.decided,
            "failure": self.failure or None,
            "note": self.note or None,
            "database": database,
            "database_error": self.ran.error if self.ran is not None and self.ran.error else None,
            "findings": [finding.to_dict() for finding in self.findings],
        }


@dataclass(frozen=True, slots=True)
class Clause:
    """A clause of a policy, or a rule, and whether a test that passed exercises it.

    Attributes:
        path: The key path, as in ``tables.deny[0]``, or the rule's id.
        text: The clause as it is written, shortened.
        missing: What no test shows; empty when it is covered.
    """

    path: str
    text: str
    missing: str
    file: str
    line: int
    column: int = 0

    @property
    def covered(self) -> bool:
        """True when a test that passed exercises it."""
        return not self.missing

    def to_dict(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        return {
            "path": self.path,
            "text": self.text,
            "covered": self.covered,
            "missing": self.missing or None,
            "file": self.file,
            "line": self.line,
            "column": self.column,
        }


@dataclass(frozen=True, slots=True)
class Suite:
    """One policy or rule: its tests, its clauses when coverage was asked for, or why it cannot be used.

    Attributes:
        file: The file as the user named it.
        kind: ``policy`` or ``rule``.
        subject: The policy's name and version, or the rule's id; empty when it cannot be read.
        tests: How many tests the file holds, whether they ran or were left out.
        results: What came of those that ran.
        problems: Why it cannot be used.
        error: Why its file cannot be read.
        sources: Files that it is made of, so that a change of one of them is a change of it.
    """

    file: str
    kind: Kind
    subject: str = ""
    tests: int = 0
    results: tuple[Result, ...] = ()
    clauses: tuple[Clause, ...] = ()
    problems: tuple[Problem, ...] = ()
    error: PgGuardError | None = None
    sources: tuple[str, ...] = ()

    @property
    def valid(self) -> bool:
        """True when the policy or rule can be used."""
        return self.error is None and not any(problem.level == "error" for problem in self.problems)

    def to_dict(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        from dataclasses import asdict

        return {
            "file": self.file,
            "kind": self.kind,
            "subject": self.subject or None,
            "valid": self.valid,
            "error": self.error.message if self.error is not None else None,
            "problems": [asdict(problem) for problem in self.problems],
            "tests": [result.to_dict() for result in self.results],
            "clauses": [clause.to_dict() for clause in self.clauses],
        }


@dataclass(frozen=True, slots=True)
class Report:
    """All suites of a run.

    Attributes:
        suites: In the order in which they were found.
        coverage: Whether clauses were looked at.
        required: The percentage of clauses that must be covered; None when nothing is demanded.
    """

    suites: tuple[Suite, ...] = field(default=())
    coverage: bool = False
    required: float | None = None

    @property
    def results(self) -> tuple[Result, ...]:
        """All tests of all suites."""
        return tuple(result for suite in self.suites for result in suite.results)

    @property
    def clauses(self) -> tuple[Clause, ...]:
        """All clauses and rules of all suites; empty unless coverage was asked for."""
        return tuple(clause for suite in self.suites for clause in suite.clauses)

    @property
    def percent(self) -> float:
        """How much is covered, from 0 to 100; 100 when there is nothing to cover."""
        clauses = self.clauses
        return 100.0 * sum(clause.covered for clause in clauses) / len(clauses) if clauses else 100.0

    @property
    def counts(self) -> dict[str, int]:
        """How many suites, tests, failures, invalid and unreadable files, and statements that PostgreSQL was given."""
        results = self.results
        works = [result for result in results if result.case.works_on is not None]
        return {
            "suites": len(self.suites),
            "invalid": sum(not suite.valid and suite.error is None for suite in self.suites),
            "errors": sum(suite.error is not None for suite in self.suites),
            "tests": len(results),
            "failed": sum(not result.passed for result in results),
            "works_on": len(works),
            "works_on_not_run": sum(result.ran is None for result in works),
        }

    @property
    def short_of_coverage(self) -> bool:
        """True when less is covered than is demanded."""
        return self.required is not None and self.percent < self.required

    @property
    def exit_code(self) -> int:
        """3 when a file is invalid, else 2 when one cannot be read, else 1 when a test failed or too little is covered."""
        counts = self.counts
        if counts["invalid"]:
            return 3
        if counts["errors"]:
            return 2
        return 1 if counts["failed"] or self.short_of_coverage else 0

    def to_dict(self) -> dict[str, Any]:
        """The test document, version 1, as plain JSON values."""
        clauses = self.clauses
        coverage = None
        if self.coverage:
            coverage = {
                "percent": round(self.percent, 2),
                "required": self.required,
                "clauses": len(clauses),
                "covered": sum(clause.covered for clause in clauses),
            }
        return {
            "schema": TEST_SCHEMA,
            "suites": [suite.to_dict() for suite in self.suites],
            "coverage": coverage,
            "counts": self.counts,
        }
