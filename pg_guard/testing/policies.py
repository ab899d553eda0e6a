"""The tests that a policy holds. In: a policy file. Out: a `Suite` with each test's outcome and, if asked for, coverage."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pg_guard.errors import PolicyError, UsageError
from pg_guard.guard import Guard
from pg_guard.policy.load import load_policy
from pg_guard.testing.clauses import find_clauses
from pg_guard.testing.model import Case, Result, Suite
from pg_guard.testing.places import read_places

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pg_guard.catalog.model import Catalog
    from pg_guard.decision import Decision
    from pg_guard.policy.load import LoadedPolicy
    from pg_guard.policy.model import Policy

__all__ = ["PolicyTests", "judge", "load_policy_tests", "run_policy"]


@dataclass(frozen=True, slots=True)
class PolicyTests:
    """A policy that can be used, with its tests.

    Attributes:
        loaded: The policy, its warnings and its sources.
        guard: The guard with it.
        cases: Its tests, in the order of the file.
    """

    loaded: LoadedPolicy
    guard: Guard
    cases: tuple[Case, ...]

    def run(self, case: Case) -> Result:
        """Decide one of the statements and compare."""
        return judge(case, self.guard.check(case.sql, principal=case.principal or None))


def load_policy_tests(
    path: str, catalog: Catalog | None = None, *, environ: Mapping[str, str] | None = None
) -> PolicyTests:
    """Load a policy with its tests; arguments as for `run_policy`.

    Raises:
        UsageError: The file cannot be read.
        PolicyError: It is not a valid policy; all problems are in it.
    """
    loaded = load_policy(path, environ=environ, catalog=catalog)
    return PolicyTests(loaded, Guard(loaded.policy, catalog, loaded.packs), _cases(path, loaded.policy))


def run_policy(
    path: str,
    catalog: Catalog | None = None,
    *,
    selected: Callable[[Case], bool] = lambda _: True,
    coverage: bool = False,
    environ: Mapping[str, str] | None = None,
) -> Suite:
    """Load a policy and run its tests.

    Args:
        path: The policy file.
        catalog: Where names are resolved; None takes them as written.
        selected: Which tests are run.
        coverage: Find out which clauses the tests exercise.
        environ: The environment to take the overlay from; the process's own when left out.

    Returns:
        The suite; what keeps the policy from being used is in it, and nothing is raised.
    """
    try:
        tests = load_policy_tests(path, catalog, environ=environ)
    except UsageError as error:
        return Suite(path, "policy", error=error)
    except PolicyError as error:
        return Suite(path, "policy", problems=error.problems)
    policy = tests.loaded.policy
    subject = f"{policy.metadata.name} {policy.metadata.version}"
    results = tuple(tests.run(case) for case in tests.cases if selected(case))
    clauses = find_clauses(path, tests.guard, results) if coverage else ()
    return Suite(
        path, "policy", subject, len(tests.cases), results, clauses, tests.loaded.problems, sources=tests.loaded.sources
    )


def judge(case: Case, decision: Decision) -> Result:
    """Compare a decision with what a test expects; under ``mode: monitor`` what would be denied counts as denied."""
    decided = "deny" if decision.would_deny else decision.effect
    result = Result(case, decided, decision.findings)
    missing = ", ".join(result.missing_rules)
    if decided != case.expect:
        return replace(result, failure=f"expected {case.expect}, got {decided}")
    if not missing:
        return result
    found = ", ".join(sorted({finding.rule for finding in decision.findings}))
    others = f"; it has {found}" if found else ""
    return replace(result, failure=f"expected {case.expect} with a finding of {missing}{others}")


def _cases(path: str, policy: Policy) -> tuple[Case, ...]:
    document = read_places(path)
    lines = [document.place(("tests", index))[0].line for index in range(len(policy.tests))] if document else []
    # The environment can replace the tests of the file; such ones have no line.
    stated = document.data.get("tests") if document else None
    known = isinstance(stated, list) and len(stated) == len(policy.tests)
    return tuple(
        Case(
            policy.metadata.name,
            test.name,
            test.sql,
            test.expect,
            test.rules,
            test.principal,
            file=path,
            line=lines[index] if known else 0,
        )
        for index, test in enumerate(policy.tests)
    )
