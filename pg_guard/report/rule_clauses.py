"""Which words of a rule fired. In: a finding of a pack's rule. Out: its condition in the rule's file, what the policy says.

The condition is found by asking parts of the rule alone: the branch of ``any`` and the entry of a list that give the same
finding at the same place.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from pg_guard.checks.pack import PackCheck
from pg_guard.checks.written import read_match
from pg_guard.errors import PgGuardError
from pg_guard.policy.document import format_path, read_document
from pg_guard.policy.opened import open_pack
from pg_guard.report.places import Clause, locate

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


class RuleClauses:
    """The clauses behind one finding of a rule."""

    def __init__(self, finding: Finding, explanation: Explanation, document: Document | None) -> None:
        self.finding = finding
        self.explanation = explanation
        self.document = document
        self._left = _MOST_PARTS

    def clauses(self) -> Iterator[Clause]:
        """The rule's own words first, then those of the policy."""
        rule_id = self.finding.rule
        for pack in self.explanation.packs:
            rule = pack.rule(rule_id)
            if rule is not None:
                yield self._condition(pack, rule)
                yield from self._policy(pack, rule)

    def _condition(self, pack: Pack, rule: RuleFile) -> Clause:
        path, data = self._fired(pack, rule)
        prefix = rule_id_prefix(rule.id)
        file = next((name for name in pack.files if name.startswith(prefix)), "")
        place = str(pack.path / file)
        try:
            raw = open_pack(pack.path, verify=False).files.get(file)
        except PgGuardError:  # it was moved since it was loaded
            raw = None
        document, _ = read_document(raw, place) if raw is not None else (None, ())
        value = data if isinstance(data, (str, int, float)) else None
        clause = locate(document, path, value, f"The rule fires here: {rule.title}.")
        return clause._replace(path=f"{rule.id} {format_path(path)}", file=place, stated=True)

    def _fired(self, pack: Pack, rule: RuleFile) -> tuple[KeyPath, Any]:
        """The smallest part of the rule that fires as the whole did, and its key path in the file."""
        trace = self.explanation.trace
        active = [
            each
            for check in self.explanation.program.checks
            if isinstance(check, PackCheck)
            for each in check.rules
            if each.id == rule.id
        ]
        whole: tuple[KeyPath, Any] = (("match",), None)
        if trace.subject is None or not active:
            return whole
        subject = trace.subject
        uses = [use.parameters for use in self.explanation.program.policy.packs if use.use == pack.name] or [{}]
        for parameters in uses:
            settings = rule.settings(parameters)
            if self._fires(subject, active[0], dict(rule.match), settings):
                return self._narrow(subject, active[0], dict(rule.match), settings, ("match",))
        return whole

    def _narrow(
        self, subject: Subject, active: ActiveRule, part: Any, settings: dict[str, Any], path: KeyPath
    ) -> tuple[KeyPath, Any]:
        ((word, inside),) = part.items() if isinstance(part, dict) and len(part) == 1 else (("", None),)
        if word == "any" and isinstance(inside, list):
            for index, branch in enumerate(inside):
                if self._fires(subject, active, branch, settings):
                    return self._narrow(subject, active, branch, settings, (*path, "any", index))
        elif isinstance(inside, dict) and word not in ("all", "not"):
            for attribute, listed in inside.items():
                for index, entry in enumerate(listed if isinstance(listed, list) else ()):
                    if self._fires(subject, active, {word: {**inside, attribute: entry}}, settings):
                        return (*path, word, attribute, index), entry
            if len(inside) == 1:
                ((attribute, value),) = inside.items()
                return (*path, word, attribute), value
        return path, None

    def _fires(self, subject: Subject, active: ActiveRule, part: Any, settings: dict[str, Any]) -> bool:
        if self._left <= 0:
            return False
        self._left -= 1
        match, faults = read_match(part, settings)
        if match is None or faults:
            return False
        return self.finding in PackCheck((replace(active, match=match),))(subject)

    def _policy(self, pack: Pack, rule: RuleFile) -> Iterator[Clause]:
        policy = self.explanation.program.policy
        for index, use in enumerate(policy.packs):
            if use.use == pack.name:
                yield locate(self.document, ("packs", index), use.use, f"The policy uses {pack.name} {pack.version}.")
        if (override := policy.rules.get(rule.id)) is not None:
            why = f"The policy sets its effect to {override.effect}: {override.reason}"
            yield locate(self.document, ("rules", rule.id), override.effect, why)
        for index, entry in enumerate(policy.exceptions):
            if f"exception {entry.id} until" in self.finding.message and rule.id in entry.rules:
                why = f"The exception lifts it until {entry.expires}: {entry.reason}"
                yield locate(self.document, ("exceptions", index), entry.id, why)


def rule_id_prefix(rule_id: str) -> str:
    """How the name of a rule's file begins: ``PG101_`` for ``core/PG101``."""
    return rule_id.partition("/")[2] + "_"
