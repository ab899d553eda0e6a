"""Which words of a rule fired. In: a finding of a pack's rule. Out: its condition in the rule's file, what the policy says.

The condition is found by asking parts of the rule alone: the branch of ``any`` and the entry of a list that give the same
finding at the same place.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pg_guard.checks.pack import PackCheck
from pg_guard.checks.written import read_match
from pg_guard.errors import PgGuardError
from pg_guard.policy.document import format_path, read_document
from pg_guard.policy.opened import open_pack
from pg_guard.report.places import Clause, Locator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pg_guard.checks.base import Subject
    from pg_guard.checks.pack import ActiveRule
    from pg_guard.decision import Finding
    from pg_guard.explanation import Explanation
    from pg_guard.policy.document import Document, KeyPath
    from pg_guard.policy.packs import Pack
    from pg_guard.policy.rules import RuleFile

__all__ = ["RuleClauses"]

_MOST_PARTS: Final = 300
"""Parts of a rule that are tried alone."""


class _Asking(NamedTuple):
    """Which finding is asked about, and what it takes to ask a part of its rule."""

    finding: Finding
    subject: Subject
    active: ActiveRule
    settings: dict[str, Any]


class RuleClauses:
    """Finds the clauses behind findings of rules.

    Args:
        explanation: What `Guard.explain` gave.
        locator: Places in the policy.
    """

    def __init__(self, explanation: Explanation, locator: Locator) -> None:
        self._explanation = explanation
        self._locator = locator
        self._left = _MOST_PARTS
        # INVARIANT: one rule reads its file once, and asks for one part of itself once, whatever the number of findings.
        self._files: dict[str, Locator] = {}
        self._asked: dict[tuple[str, str], frozenset[Finding]] = {}

    def find(self, finding: Finding) -> Iterator[Clause]:
        """The rule's own words first, then those of the policy."""
        for pack in self._explanation.packs:
            rule = pack.rule(finding.rule)
            if rule is not None:
                yield self._condition(finding, pack, rule)
                yield from self._policy(finding, pack, rule)

    def _condition(self, finding: Finding, pack: Pack, rule: RuleFile) -> Clause:
        path, data = self._fired(finding, pack, rule)
        prefix = rule_id_prefix(rule.id)
        file = next((name for name in pack.files if name.startswith(prefix)), "")
        place = str(pack.path / file)
        if place not in self._files:
            self._files[place] = Locator(_read(pack, file, place))
        value = data if isinstance(data, (str, int, float)) else None
        clause = self._files[place].clause(path, value, f"The rule fires here: {rule.title}.")
        return clause._replace(path=f"{rule.id} {format_path(path)}", file=place, stated=True)

    def _fired(self, finding: Finding, pack: Pack, rule: RuleFile) -> tuple[KeyPath, Any]:
        """The smallest part of the rule that fires as the whole did, and its key path in the file."""
        subject = self._explanation.trace.subject
        active = [
            each
            for check in self._explanation.program.checks
            if isinstance(check, PackCheck)
            for each in check.rules
            if each.id == rule.id
        ]
        whole: tuple[KeyPath, Any] = (("match",), None)
        if subject is None or not active:
            return whole
        uses = [use.parameters for use in self._explanation.program.policy.packs if use.use == pack.name] or [{}]
        for parameters in uses:
            asking = _Asking(finding, subject, active[0], rule.settings(parameters))
            if self._fires(asking, dict(rule.match)):
                return self._narrow(asking, dict(rule.match), ("match",))
        return whole

    def _narrow(self, asking: _Asking, part: Any, path: KeyPath) -> tuple[KeyPath, Any]:
        ((word, inside),) = part.items() if isinstance(part, dict) and len(part) == 1 else (("", None),)
        if word == "any" and isinstance(inside, list):
            for index, branch in enumerate(inside):
                if self._fires(asking, branch):
                    return self._narrow(asking, branch, (*path, "any", index))
        elif isinstance(inside, dict) and word not in ("all", "not"):
            for attribute, listed in inside.items():
                for index, entry in enumerate(listed if isinstance(listed, list) else ()):
                    if self._fires(asking, {word: {**inside, attribute: entry}}):
                        return (*path, word, attribute, index), entry
            if len(inside) == 1:
                ((attribute, value),) = inside.items()
                return (*path, word, attribute), value
        return path, None

    def _fires(self, asking: _Asking, part: Any) -> bool:
        key = (asking.active.id, repr((part, asking.settings)))
        if key not in self._asked:
            if self._left <= 0:
                return False
            self._left -= 1
            match, faults = read_match(part, asking.settings)
            usable = match is not None and not faults
            check = PackCheck((replace(asking.active, match=match),)) if match is not None and usable else None
            self._asked[key] = frozenset(check(asking.subject)) if check is not None else frozenset()
        return asking.finding in self._asked[key]

    def _policy(self, finding: Finding, pack: Pack, rule: RuleFile) -> Iterator[Clause]:
        policy = self._explanation.program.policy
        locate = self._locator.clause
        for index, use in enumerate(policy.packs):
            if use.use == pack.name:
                yield locate(("packs", index), use.use, f"The policy uses {pack.name} {pack.version}.")
        if (override := policy.rules.get(rule.id)) is not None:
            why = f"The policy sets its effect to {override.effect}: {override.reason}"
            yield locate(("rules", rule.id), override.effect, why)
        for index, entry in enumerate(policy.exceptions):
            if f"exception {entry.id} until" in finding.message and rule.id in entry.rules:
                why = f"The exception lifts it until {entry.expires}: {entry.reason}"
                yield locate(("exceptions", index), entry.id, why)


def rule_id_prefix(rule_id: str) -> str:
    """How the name of a rule's file begins: ``PG101_`` for ``core/PG101``."""
    return rule_id.partition("/")[2] + "_"


def _read(pack: Pack, file: str, place: str) -> Document | None:
    """A rule's file with its places, also out of a bundle."""
    try:
        raw = open_pack(pack.path, verify=False).files.get(file)
    except PgGuardError:  # it was moved since it was loaded
        return None
    return read_document(raw, place)[0] if raw is not None else None
