"""All tests that a policy brings along. In: a loaded policy and a guard with it. Out: the tests that fail, as problems with places."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from pg_guard.errors import Problem
from pg_guard.guard import Guard
from pg_guard.policy.packs import Pack
from pg_guard.policy.shipped import shipped_dir
from pg_guard.testing.model import Case
from pg_guard.testing.policies import judge
from pg_guard.testing.rules import judge_rule
from pg_guard.testing.run import catalog_for_tests

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from pg_guard.policy.load import LoadedPolicy
    from pg_guard.testing.model import Result

__all__ = ["TestsTooSlow", "failing_tests"]


class TestsTooSlow(Exception):  # noqa: N818 - not a failure of a test
    """The time for tests was over; `done` of them had passed or failed by then."""

    __test__ = False

    def __init__(self, done: int) -> None:
        super().__init__(f"{done} tests in the time that there is")
        self.done = done


def failing_tests(
    loaded: LoadedPolicy,
    guard: Guard,
    *,
    seconds: float,
    known_packs: Collection[str] = (),
    progress: Callable[[int], None] = lambda _: None,
) -> list[Problem]:
    """Run the tests of a policy, and those of its packs which neither come with pg-guard nor are known.

    Args:
        loaded: The policy.
        guard: A guard with it, on the catalog that its own tests are about; rules' tests say theirs themselves.
        seconds: Time for all of them.
        known_packs: Digests of packs whose tests need not run again.
        progress: Told after each test how many have run.

    Raises:
        TestsTooSlow: The time is over.
    """
    problems: list[Problem] = []
    deadline = time.monotonic() + seconds
    for done, (result, problem) in enumerate(_results(loaded, guard, known_packs)):
        if time.monotonic() > deadline:
            raise TestsTooSlow(done)
        if result.failure:
            problems.append(problem(f"the test {result.case.name!r} fails: {result.failure}"))
        progress(done + 1)
    return problems


def _results(
    loaded: LoadedPolicy, guard: Guard, known: Collection[str]
) -> Iterator[tuple[Result, Callable[[str], Problem]]]:
    policy = loaded.policy
    for index, test in enumerate(policy.tests):
        case = Case(policy.metadata.name, test.name, test.sql, test.expect, test.rules, test.principal)
        result = judge(case, guard.check(test.sql, principal=test.principal or None))
        yield result, partial(_in_policy, loaded, index)
    shipped = shipped_dir("rules").resolve()
    for pack in loaded.packs:
        if pack.digest in known or pack.path.resolve().is_relative_to(shipped):
            continue
        for rule in pack.rules:
            # The others of its pack have no say in its tests.
            alone = (Pack(rule.pack, "0", rule.title, "", pack.path, (rule,), {}),)
            guards: dict[str, Guard] = {}
            for rule_test in rule.tests:
                word = rule_test.catalog
                if word not in guards:
                    guards[word] = Guard.from_packs(alone, catalog_for_tests(word))
                case = Case(rule.id, rule_test.name, rule_test.sql, rule_test.expect, catalog=word)
                result = judge_rule(case, rule.effect, guards[word].check(rule_test.sql))
                yield result, partial(_in_rule, str(pack.path), rule.id)


def _in_rule(pack: str, rule: str, message: str) -> Problem:
    return Problem(message, pack, path=rule)


def _in_policy(loaded: LoadedPolicy, index: int, message: str) -> Problem:
    if loaded.document is None:
        return Problem(message, loaded.files[-1] if loaded.files else "", path=f"tests[{index}]")
    return loaded.document.problem(("tests", index), message)
