"""Conditions that scans must carry. In: the scans of guarded relations. Out: a finding for each that is not held."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pg_guard.facts.predicates import Prover

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pg_guard.catalog.model import Name
    from pg_guard.checks.base import Subject
    from pg_guard.checks.patterns import NameSet
    from pg_guard.decision import Finding
    from pg_guard.facts.model import ScanUse
    from pg_guard.facts.names import Names

__all__ = ["WhereCheck", "WhereClause"]


@dataclass(frozen=True)
class WhereClause:
    """One entry of `where`: for the tables, columns to be held, or any restriction when there are none."""

    tables: NameSet
    columns: tuple[str, ...]

    def concerns(self, names: tuple[Name, ...], lookup: Names) -> bool:
        """Is it about one of these relations, a parent or a child of theirs?"""
        family = list(names)
        catalog = lookup.catalog
        for name in names:
            if catalog is not None and (relation := catalog.relation_index.get(name)):
                family += [*lookup.ancestors(relation), *lookup.descendants(name)]
        return any(name in self.tables for name in family)


@dataclass(frozen=True)
class WhereCheck:
    """`where`: proved per scan by `pg_guard.facts.predicates`."""

    clauses: tuple[WhereClause, ...]

    def __call__(self, subject: Subject) -> Iterator[Finding]:
        """Yield a finding for each violation."""
        prover = Prover()
        for scan in subject.facts.scans:
            for clause in self.clauses:
                if clause.concerns(scan.relation.names, subject.names):
                    yield from self._check(subject, prover, scan, clause)

    def _check(self, subject: Subject, prover: Prover, scan: ScanUse, clause: WhereClause) -> Iterator[Finding]:
        table = subject.show(scan.via[:1] or scan.relation.names)
        if not clause.columns:
            if not prover.restricted(scan.level, scan.source):
                yield subject.finding(
                    "where/missing",
                    "medium",
                    f'The policy demands a condition that restricts "{table}".',
                    f'Add a WHERE on a column of "{table}" with a constant, such as a date range or an id.',
                    scan.location,
                )
            return
        missing = [column for column in clause.columns if not self._held(prover, scan, column)]
        if missing:
            alias = scan.source.alias or table
            example = " AND ".join(f"{alias}.{column} = …" for column in missing)
            yield subject.finding(
                "where/missing",
                "high",
                f'The policy demands that each use of "{table}" is held to constants by {", ".join(missing)}.',
                f"Add {example} to the WHERE of the query that reads it, joined by AND.",
                scan.location,
            )

    @staticmethod
    def _held(prover: Prover, scan: ScanUse, name: str) -> bool:
        source = scan.source
        if source.columns is None:
            column = source.named.get(name)
            return column is not None and column.stored == name and prover.held(scan.level, source, column)
        return any(column.stored == name and prover.held(scan.level, source, column) for column in source.columns)
