"""The tests that a rule holds. In: a rule file. Out: a `Suite` with each test's outcome: does this rule alone fire?

``expect: deny`` and ``expect: warn`` both say that the rule fires, with its own effect; ``expect: allow`` says that it
does not, whatever else would refuse the statement. A statement that cannot be read proves nothing and fails its test.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pg_guard.errors import PolicyError, UsageError
from pg_guard.guard import Guard
from pg_guard.policy.document import MAX_BYTES
from pg_guard.policy.inputs import read_regular
from pg_guard.policy.packs import Pack
from pg_guard.policy.rules import RuleFile, parse_rule
from pg_guard.testing.model import Case, Clause, Result, Suite
from pg_guard.testing.places import read_places

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pg_guard.catalog.model import Catalog
    from pg_guard.decision import Decision

__all__ = ["RuleTests", "cover_rule", "judge_rule", "load_rule_tests", "run_rule"]


@dataclass(frozen=True, slots=True)
class RuleTests:
    """A rule that can be used, with its tests.

    Attributes:
        rule: The rule.
        guards: By the word in a test, ``demo`` or ``none``, a guard with this rule alone.
        cases: Its tests, in the order of the file.
    """

    rule: RuleFile
    guards: Mapping[str, Guard]
    cases: tuple[Case, ...]

    def run(self, case: Case) -> Result:
        """Decide one of the statements and compare."""
        return judge_rule(case, self.rule.effect, self.guards[case.catalog].check(case.sql))


def load_rule_tests(path: str, catalog: Callable[[str], Catalog | None]) -> RuleTests:
    """Load a rule with its tests; arguments as for `run_rule`.

    Raises:
        UsageError: The file cannot be read.
        PolicyError: It is not a valid rule; all problems are in it.
    """
    try:
        raw = read_regular(Path(path), MAX_BYTES)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise UsageError(f"cannot read the rule {path}: {reason}", hint="give the path of a rule file") from None
    rule = parse_rule(raw, path)
    cases = _cases(path, rule)
    # A pack of this rule alone: the others of its pack have no say in its tests.
    pack = (Pack(rule.pack, "0", rule.title, "", Path(path).parent, (rule,), {}),)
    words = dict.fromkeys(case.catalog for case in cases)
    return RuleTests(rule, {word: Guard.from_packs(pack, catalog(word)) for word in words}, cases)


def run_rule(
    path: str,
    catalog: Callable[[str], Catalog | None],
    *,
    selected: Callable[[Case], bool] = lambda _: True,
    coverage: bool = False,
) -> Suite:
    """Load a rule and run its tests.

    Args:
        path: The rule file.
        catalog: From the word in a test, ``demo`` or ``none``, to the catalog under which its names are resolved.
        selected: Which tests are run.
        coverage: Find out whether tests show the rule firing and not firing.

    Returns:
        The suite; what keeps the rule from being used is in it, and nothing is raised.
    """
    try:
        tests = load_rule_tests(path, catalog)
    except UsageError as error:
        return Suite(path, "rule", error=error)
    except PolicyError as error:
        return Suite(path, "rule", problems=error.problems)
    rule = tests.rule
    results = tuple(tests.run(case) for case in tests.cases if selected(case))
    clauses = (cover_rule(rule.id, rule.title, path, results),) if coverage else ()
    return Suite(path, "rule", rule.id, len(tests.cases), results, clauses, sources=(path,))


def judge_rule(case: Case, effect: str, decision: Decision) -> Result:
    """Compare what a rule did with what its test expects.

    Args:
        case: The test; its subject is the rule's id.
        effect: What the rule does when it fires, ``deny`` or ``warn``.
        decision: What the guard decided with this rule.
    """
    fired = tuple(finding for finding in decision.findings if finding.rule == case.subject)
    decided = effect if fired else "allow"
    others = tuple(finding for finding in decision.findings if finding.rule != case.subject)
    if decision.kind == "unknown":
        why = f" ({others[0].rule}: {others[0].message})" if others else ""
        return Result(case, decided, decision.findings, f"the statement cannot be read, so it shows nothing{why}")
    failure = note = ""
    if case.expect == "allow" and fired:
        failure = "expected the rule not to fire, but it does"
    elif case.expect != "allow" and not fired:
        failure = f"expected the rule to fire ({case.expect}), but it does not"
    elif case.expect not in ("allow", effect):
        failure = f"expected {case.expect}, but the rule's effect is {effect}"
    elif unknown := [finding for finding in others if finding.rule in ("sql/unknown-name", "functions/unknown")]:
        note = f"the statement names what its catalog lacks: {unknown[0].message}"
    return Result(case, decided, fired, failure, note)


def cover_rule(rule: str, title: str, file: str, results: tuple[Result, ...]) -> Clause:
    """A rule is covered by a test in which it fires and one in which it does not; both must pass."""
    passed = [result for result in results if result.passed]
    missing = []
    if not any(result.case.expect != "allow" for result in passed):
        missing.append("no passing test in which it fires")
    if not any(result.case.expect == "allow" for result in passed):
        missing.append("no passing test in which it does not fire")
    return Clause(rule, title, "; ".join(missing), file, 1, 1)


def _cases(path: str, rule: RuleFile) -> tuple[Case, ...]:
    document = read_places(path)
    return tuple(
        Case(
            rule.id,
            test.name,
            test.sql,
            test.expect,
            catalog=test.catalog,
            works_on=test.works_on,
            file=path,
            line=document.place(("tests", index))[0].line if document is not None else 0,
        )
        for index, test in enumerate(rule.tests)
    )
