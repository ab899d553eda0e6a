"""What every check gets. In: a text, its facts, a catalog. Out: findings with their places."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from pg_guard.decision import Finding, Named, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pg_guard.catalog.model import Name
    from pg_guard.facts.model import Facts
    from pg_guard.facts.names import Names
    from pg_guard.sql.text import SqlText

__all__ = ["Check", "Subject"]


@dataclass(frozen=True)
class Subject:
    """One statement under check; `principal` are the attributes of who asks."""

    sql: SqlText
    facts: Facts
    names: Names
    principal: Mapping[str, object] = field(default_factory=dict)

    def finding(
        self,
        rule: str,
        severity: Severity,
        message: str,
        remediation: str,
        location: int,
        about: Named | None = None,
    ) -> Finding:
        """A finding with its place in the text, and the hidden or missing name that it is about."""
        return Finding(rule, severity, message, remediation, self.sql.span(location), about=about)

    def show(self, names: tuple[Name, ...]) -> str:
        """A relation as a reader of the refusal knows it: without the schema when the search_path finds it."""
        first = names[0]
        return first.name if not first.schema or first.schema in self.names.search_path else str(first)


class Check(Protocol):
    """A clause of the policy, compiled."""

    def __call__(self, subject: Subject) -> Iterator[Finding]:
        """Yield a finding for each violation."""
