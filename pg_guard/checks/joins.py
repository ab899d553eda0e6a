"""Join limits. In: how many relations each SELECT level joins. Out: a finding for each level over the limit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pg_guard.checks.base import Subject
    from pg_guard.decision import Finding

__all__ = ["JoinCheck"]


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
