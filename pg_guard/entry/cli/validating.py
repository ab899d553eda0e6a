"""Validate policy files. In: paths and perhaps a catalog. Out: all problems, and what the policy's tests gave."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from pg_guard.errors import PolicyError, UsageError

if TYPE_CHECKING:
    from pg_guard.catalog.model import Catalog
    from pg_guard.errors import Problem
    from pg_guard.policy.model import Policy
    from pg_guard.testing.model import Result

__all__ = ["VALIDATE_SCHEMA", "PolicyReport", "exit_code", "to_document", "validate_policy"]

VALIDATE_SCHEMA: Final = "pg-guard/policy-validation/v1"


@dataclass(frozen=True, slots=True)
class PolicyReport:
    """One policy file: the policy when it can be used, all problems, and its tests; or why it could not be read.

    `reviewed` names the declared exceptions: views that `tables.allow` names exactly although they show what is denied.
    """

    path: str
    policy: Policy | None = None
    problems: tuple[Problem, ...] = ()
    tests: tuple[Result, ...] = ()
    error: UsageError | None = None
    reviewed: tuple[str, ...] = ()

    @property
    def valid(self) -> bool:
        """True when the policy can be used."""
        return self.policy is not None

    @property
    def failed(self) -> tuple[Result, ...]:
        """The tests that failed."""
        return tuple(result for result in self.tests if not result.passed)


def validate_policy(path: str, catalog: Catalog | None) -> PolicyReport:
    """Load a policy and run the tests that it holds; problems are returned, not raised."""
    from pg_guard.testing.policies import load_policy_tests

    try:
        tests = load_policy_tests(path, catalog)
    except UsageError as error:
        return PolicyReport(path, error=error)
    except PolicyError as error:
        return PolicyReport(path, problems=error.problems)
    return PolicyReport(
        path,
        tests.guard.policy,
        tests.loaded.problems,
        tuple(tests.run(case) for case in tests.cases),
        reviewed=tuple(str(relation.key) for relation in tests.guard.reviewed_relations()),
    )


def exit_code(reports: tuple[PolicyReport, ...]) -> int:
    """3 when a policy is invalid, else 2 when a file cannot be read, else 1 when a test failed, else 0."""
    if any(not report.valid and report.error is None for report in reports):
        return 3
    if any(report.error for report in reports):
        return 2
    return 1 if any(report.failed for report in reports) else 0


def to_document(reports: tuple[PolicyReport, ...]) -> dict[str, Any]:
    """The reports as plain JSON values."""
    return {
        "schema": VALIDATE_SCHEMA,
        "policies": [
            {
                "path": report.path,
                "valid": report.valid,
                "error": report.error.message if report.error else None,
                "name": report.policy.metadata.name if report.policy else None,
                "version": report.policy.metadata.version if report.policy else None,
                "reviewed": list(report.reviewed),
                "problems": [asdict(problem) for problem in report.problems],
                "tests": [
                    {
                        "name": result.case.name,
                        "passed": result.passed,
                        "expect": result.case.expect,
                        "effect": result.decided,
                        "missing_rules": list(result.missing_rules),
                        "findings": [finding.to_dict() for finding in result.findings],
                    }
                    for result in report.tests
                ],
            }
            for report in reports
        ],
        "counts": {
            "policies": len(reports),
            "invalid": sum(not report.valid for report in reports),
            "warnings": sum(problem.level == "warning" for report in reports for problem in report.problems),
            "tests": sum(len(report.tests) for report in reports),
            "failed": sum(len(report.failed) for report in reports),
        },
    }
