"""Which findings a lint run looks at. In: rule patterns and a least severity. Out: whether a finding is looked at."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from pg_guard.decision import SEVERITIES
from pg_guard.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pg_guard.decision import Finding, Severity
    from pg_guard.report.rulebook import RuleInfo

__all__ = ["Filters"]


@dataclass(frozen=True, slots=True)
class Filters:
    """Patterns are rule ids or names with ``*``; ``performance`` alone means ``performance/*``.

    Attributes:
        select: Only these; empty means all.
        ignore: Never these.
        min_severity: The least severity.
    """

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    min_severity: Severity = "info"

    @classmethod
    def of(
        cls, select: Iterable[str], ignore: Iterable[str], min_severity: Severity, rules: Mapping[str, RuleInfo]
    ) -> Filters:
        """Make filters of what the user gave: patterns may also be joined by commas.

        Raises:
            UsageError: A pattern matches no rule that this run knows.
        """
        selected, ignored = _split(select), _split(ignore)
        for option, patterns in (("--select", selected), ("--ignore", ignored)):
            for pattern in patterns:
                if not any(_matches(pattern, rule.id, rule.name) for rule in rules.values()):
                    raise UsageError(
                        f"{option} {pattern}: no rule of this run has this id or name",
                        hint="rule ids are in docs/reference.md and in the packs",
                    )
        return cls(selected, ignored, min_severity)

    def keeps(self, finding: Finding, rules: Mapping[str, RuleInfo]) -> bool:
        """True when the finding is looked at."""
        enough = SEVERITIES.index(finding.severity) >= SEVERITIES.index(self.min_severity)
        return enough and self.names(finding.rule, rules)

    def names(self, rule: str, rules: Mapping[str, RuleInfo]) -> bool:
        """True when findings of a rule are looked at, as far as its id and name tell."""
        info = rules.get(rule)
        name = info.name if info else ""
        chosen = not self.select or any(_matches(pattern, rule, name) for pattern in self.select)
        return chosen and not any(_matches(pattern, rule, name) for pattern in self.ignore)


def _split(patterns: Iterable[str]) -> tuple[str, ...]:
    return tuple(word.strip() for pattern in patterns for word in pattern.split(",") if word.strip())


def _matches(pattern: str, rule: str, name: str) -> bool:
    return fnmatchcase(rule, pattern) or fnmatchcase(name, pattern) or fnmatchcase(rule, f"{pattern}/*")
