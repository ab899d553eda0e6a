"""Relations. In: every relation that the statement reads, directly or not. Out: a finding for each hidden one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pg_guard.decision import Named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pg_guard.catalog.model import Name
    from pg_guard.checks.base import Subject
    from pg_guard.checks.patterns import NameSet
    from pg_guard.decision import Finding
    from pg_guard.facts.model import RelationUse

__all__ = ["SYSTEM_SCHEMAS", "TableAccess", "TableCheck"]

SYSTEM_SCHEMAS = frozenset({"pg_catalog", "information_schema", "pg_toast"})


@dataclass(frozen=True)
class TableAccess:
    """`tables`: which relations may be read.

    System schemas describe hidden objects and hold samples of hidden data, so they are never part of a default or of a
    wildcard: only a pattern of `allow` that names the schema in full opens them. A view that `allow` names exactly,
    without a wildcard, is *reviewed*: what it reads is its author's decision.
    """

    default_allow: bool
    allow: NameSet
    deny: NameSet

    def denied(self, name: Name) -> bool:
        """Hidden by a pattern of `deny`."""
        return name in self.deny

    def permitted(self, name: Name) -> bool:
        """May be read directly."""
        if self.denied(name):
            return False
        if name.schema in SYSTEM_SCHEMAS or name.schema.startswith(("pg_toast", "pg_temp")):
            return any(
                pattern.schema is not None and "*" not in pattern.text.split(".")[0] and pattern.matches(name)
                for pattern in self.allow.patterns
            )
        return self.default_allow or name in self.allow

    def reviewed(self, name: Name) -> bool:
        """Does ``allow`` name it exactly, so that its author's choices are accepted?"""
        pattern = self.allow.first(name)
        if pattern is not None and pattern.exact:
            return True
        return any(pattern.exact and pattern.matches(name) for pattern in self.allow.patterns)


@dataclass(frozen=True)
class TableCheck:
    """Refuses hidden relations: named, or reached through views, partitions and inheritance."""

    access: TableAccess

    def __call__(self, subject: Subject) -> Iterator[Finding]:
        """Yield a finding for each violation."""
        seen: set[tuple[tuple[Name, ...], int]] = set()
        for use in subject.facts.relations:
            if (use.names, use.location) in seen:
                continue
            seen.add((use.names, use.location))
            if use.via and use.how != "type":
                yield from self._reached(subject, use)
            elif not all(self.access.permitted(name) for name in use.names):
                if self._system(use.names[0]) and not self.access.denied(use.names[0]):
                    yield subject.finding(
                        "tables/system",
                        "high",
                        f'The system relation "{use.names[0]}" is not permitted.',
                        "Use list_tables and describe_table to learn what there is; query tables of the application only.",
                        use.location,
                    )
                else:
                    yield subject.finding(
                        "tables/denied",
                        "high",
                        f'The policy does not permit reading "{subject.show(use.names)}".',
                        "Leave it out; list_tables shows what may be read.",
                        use.location,
                        Named("relation", subject.show(use.names)),
                    )
            elif not use.known:
                yield subject.finding(
                    "sql/unknown-name",
                    "low",
                    f'There is no relation "{subject.show(use.names)}".',
                    "Use a table that exists; list_tables shows them. Qualify it by its schema if it is not in the search_path.",
                    use.location,
                    Named("relation", subject.show(use.names)),
                )

        for type_use in subject.facts.types:
            # A type of a hidden schema tells its labels and fields; pg_catalog's are judged by what their input does.
            if type_use.name.schema != "pg_catalog" and self.access.denied(type_use.name):
                yield subject.finding(
                    "tables/denied",
                    "high",
                    f'The policy does not permit using the type "{type_use.name}".',
                    "Leave the cast out.",
                    type_use.location,
                    Named("type", subject.show((type_use.name,))),
                )

    @staticmethod
    def _system(name: Name) -> bool:
        return name.schema in SYSTEM_SCHEMAS or name.schema.startswith("pg_toast")

    def _reached(self, subject: Subject, use: RelationUse) -> Iterator[Finding]:
        if any(self.access.reviewed(step) for step in use.via):
            return
        if not any(self.access.denied(name) for name in use.names):
            return
        way = use.via[0]
        how = {"view": "reads", "partition": "belongs to", "inheritance": "shares rows with"}.get(use.how, "reads")
        yield subject.finding(
            "tables/denied",
            "high",
            f'"{subject.show((way,))}" {how} a relation that the policy does not permit.',
            "Leave it out; list_tables shows what may be read.",
            use.location,
            Named("relation", subject.show((way,))),
        )
