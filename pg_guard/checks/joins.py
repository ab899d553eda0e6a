"""Join limits. In: the relations that each SELECT level joins, and how. Out: a finding for each level or join that breaks one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pg_guard.checks.base import Subject
    from pg_guard.decision import Finding

__all__ = ["CartesianCheck", "JoinCheck"]


@dataclass(frozen=True, slots=True)
class JoinCheck:
    """`joins.max_tables`: most relations in one SELECT level."""

    max_tables: int

    def __call__(self, subject: Subject) -> Iterator[Finding]:
        """Yield a finding for each violation."""
        for level in subject.facts.joins:
            if level.tables > self.max_tables:
                yield subject.finding(
                    "joins/too-many",
                    "medium",
                    f"A SELECT joins {level.tables} tables; the limit is {self.max_tables}.",
                    "Join fewer tables, or aggregate some of them in a CTE first.",
                    level.location,
                )


@dataclass(frozen=True, slots=True)
class CartesianCheck:
    """`joins.cartesian`: stored relations that no condition links; not where one side gives a single row."""

    effect: Literal["deny", "warn"]

    def __call__(self, subject: Subject) -> Iterator[Finding]:
        """Yield a finding for each violation."""
        for join in subject.facts.linkages:
            if join.linked or join.single or join.lateral or not join.stored:
                continue
            finding = subject.finding(
                "joins/cartesian",
                "medium",
                "No condition links the relations of this join, so each row of one meets each row of the other.",
                "Join them by a condition that names a column of each.",
                join.location,
            )
            yield replace(finding, effect=self.effect)
