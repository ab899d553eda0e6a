"""Statement kinds. In: the kinds at every depth. Out: a finding for each that the policy does not allow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pg_guard.checks.base import Subject
    from pg_guard.decision import Finding

__all__ = ["StatementCheck"]

_WHY = {
    "locking": ("locks rows (FOR UPDATE or FOR SHARE)", "Remove the locking clause."),
    "select-into": ("creates a table (SELECT INTO)", "Remove INTO; a SELECT returns its rows."),
    "create-table-as": ("creates a table", "Send the SELECT alone."),
}


@dataclass(frozen=True, slots=True)
class StatementCheck:
    """`statements.allow`: kinds that may run. Data-modifying statements are found inside of CTEs too."""

    allow: frozenset[str]

    def __call__(self, subject: Subject) -> Iterator[Finding]:
        """Yield a finding for each violation."""
        for use in subject.facts.statements:
            if use.kind in self.allow:
                continue
            what, fix = _WHY.get(
                use.kind,
                (
                    f"is or contains {use.kind.upper().replace('-', ' ')}",
                    f"Only {', '.join(sorted(self.allow)).upper()} may run; write a query that reads.",
                ),
            )
            yield subject.finding(
                "statement/not-allowed",
                "critical",
                f"The statement {what}, which the policy does not allow.",
                fix,
                use.location,
            )
