"""Decisions before and after, counted. In: pairs of judgements, one by one. Out: counts, and groups with a few examples.

What counts is the judgement (`would_deny`), so that a policy in monitor mode is compared by what it would refuse. Memory
does not grow with the number of statements: groups and examples are bounded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from pg_guard.decision import Decision

__all__ = ["Judgement", "Outcome", "Shifts"]

Outcome: TypeAlias = Literal["same", "newly_allowed", "newly_denied"]

_MOST_GROUPS: Final = 200
_MOST_EXAMPLES: Final = 5
_MOST_CHARACTERS: Final = 2_000
_OTHERS: Final = "(other rules)"


class Judgement(NamedTuple):
    """What a decision comes down to: is it a refusal, and by which rules?"""

    denied: bool
    rules: tuple[str, ...] = ()

    @classmethod
    def of(cls, decision: Decision) -> Judgement:
        """The judgement of a decision; under monitor, the one that it would be."""
        rules = {finding.rule for finding in decision.findings if finding.effect == "deny"}
        return cls(decision.would_deny or not decision.allowed, tuple(sorted(rules)))


@dataclass(slots=True)
class _Group:
    count: int = 0
    examples: list[dict[str, Any]] = field(default_factory=list)


class Shifts:
    """Counts in the making.

    Attributes:
        counts: How many statements have each outcome; ``same_allowed`` and ``same_denied`` apart.
        rules_changed: How many stay denied, by other rules than before.
    """

    def __init__(self) -> None:
        self.counts = {"same_allowed": 0, "same_denied": 0, "newly_allowed": 0, "newly_denied": 0}
        self.rules_changed = 0
        self._groups: dict[tuple[Outcome, tuple[str, ...]], _Group] = {}

    def add(self, before: Judgement, after: Judgement, statement: str, origin: str) -> Outcome:
        """Count one statement.

        Args:
            before: The old judgement.
            after: The new one.
            statement: Its text, for examples.
            origin: Where it stands, for examples.
        """
        if before.denied == after.denied:
            self.counts["same_denied" if after.denied else "same_allowed"] += 1
            self.rules_changed += after.denied and before.rules != after.rules
            return "same"
        outcome: Outcome = "newly_denied" if after.denied else "newly_allowed"
        self.counts[outcome] += 1
        # The rules that decide are those of the side that refuses.
        key = (outcome, after.rules if after.denied else before.rules)
        if key not in self._groups and len(self._groups) >= _MOST_GROUPS:
            key = (outcome, (_OTHERS,))
        group = self._groups.setdefault(key, _Group())
        group.count += 1
        if len(group.examples) < _MOST_EXAMPLES:
            cut = statement[:_MOST_CHARACTERS]
            group.examples.append({"origin": origin, "statement": cut, "cut": len(statement) > len(cut)})
        return outcome

    @property
    def statements(self) -> int:
        """How many statements were counted."""
        return sum(self.counts.values())

    @property
    def loosened(self) -> bool:
        """Is any statement newly allowed?"""
        return bool(self.counts["newly_allowed"])

    @property
    def changed(self) -> bool:
        """Is any statement newly allowed or newly denied?"""
        return bool(self.counts["newly_allowed"] or self.counts["newly_denied"])

    def to_dict(self) -> dict[str, Any]:
        """Counts and groups as plain JSON values, larger groups first."""
        groups = sorted(self._groups.items(), key=lambda entry: (entry[0][0], -entry[1].count, entry[0][1]))
        return {
            "statements": self.statements,
            **self.counts,
            "rules_changed": self.rules_changed,
            "groups": [
                {"outcome": outcome, "rules": list(rules), "count": group.count, "examples": group.examples}
                for (outcome, rules), group in groups
            ],
        }
