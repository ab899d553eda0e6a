"""Conditions that scans must carry. In: the scans of guarded relations. Out: a finding for each that is not held."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

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

Scalar: TypeAlias = "str | int | float | bool"


class _Demand(NamedTuple):
    """A column and the value that it must be held to; `value` is None where the principal has no such attribute."""

    column: str
    value: object
    attribute: str


@dataclass(frozen=True)
class WhereClause:
    """One entry of `where`: for the tables, columns to be held, or any restriction when there are none.

    `equals` are columns with the only value that they may be held to; a text that begins with a colon is the name of an
    attribute of the principal.
    """

    tables: NameSet
    columns: tuple[str, ...]
    equals: tuple[tuple[str, Scalar], ...] = ()

    def concerns(self, names: tuple[Name, ...], lookup: Names) -> bool:
        """Is it about one of these relations, a parent or a child of theirs?"""
        family = list(names)
        catalog = lookup.catalog
        for name in names:
            if catalog is not None and (relation := catalog.relation_index.get(name)):
                family += [*lookup.ancestors(relation), *lookup.descendants(name)]
        return any(name in self.tables for name in family)

    def demands(self, subject: Subject) -> Iterator[_Demand]:
        """`equals`, with the values of this principal."""
        for column, value in self.equals:
            attribute = value[1:] if isinstance(value, str) and value.startswith(":") else ""
            yield _Demand(column, subject.principal.get(attribute) if attribute else value, attribute)


@dataclass(frozen=True)
class WhereCheck:
    """`where`: proved per scan by `pg_guard.facts.predicates`."""

    clauses: tuple[WhereClause, ...]

    def __call__(self, subject: Subject) -> Iterator[Finding]:
        """Yield a finding for each violation."""
        # One prover for constants of any kind, and one for each value that a column must have.
        provers: dict[frozenset[str] | None, Prover] = {}
        for scan in subject.facts.scans:
            for clause in self.clauses:
                if clause.concerns(scan.relation.names, subject.names):
                    yield from _check(subject, provers, scan, clause)


def _check(
    subject: Subject, provers: dict[frozenset[str] | None, Prover], scan: ScanUse, clause: WhereClause
) -> Iterator[Finding]:
    table = subject.show(scan.via[:1] or scan.relation.names)
    prover = provers.setdefault(None, Prover())
    if not clause.columns and not clause.equals:
        if not prover.restricted(scan.level, scan.source):
            yield subject.finding(
                "where/missing",
                "medium",
                f'The policy demands a condition that restricts "{table}".',
                f'Add a WHERE on a column of "{table}" with a constant, such as a date range or an id.',
                scan.location,
            )
        return
    alias = scan.source.alias or table
    missing = [column for column in clause.columns if not _held(prover, scan, column)]
    if missing:
        example = " AND ".join(f"{alias}.{column} = …" for column in missing)
        yield subject.finding(
            "where/missing",
            "high",
            f'The policy demands that each use of "{table}" is held to constants by {", ".join(missing)}.',
            f"Add {example} to the WHERE of the query that reads it, joined by AND.",
            scan.location,
        )
    for demand in clause.demands(subject):
        if demand.value is None:
            yield subject.finding(
                "where/no-principal",
                "high",
                f'Rows of "{table}" are open to a principal with the attribute "{demand.attribute}" only; this one has none.',
                "Ask with credentials that carry the attribute; no change of the statement helps.",
                scan.location,
            )
            continue
        only = _texts(demand.value)
        if not _held(provers.setdefault(only, Prover(only)), scan, demand.column):
            yield subject.finding(
                "where/other-value",
                "high",
                f'The policy demands that each use of "{table}" is held by {demand.column} to {_shown(demand.value)} alone.',
                f"Add {alias}.{demand.column} = {_shown(demand.value)} to the WHERE of the query that reads it, joined by AND.",
                scan.location,
            )


def _texts(value: object) -> frozenset[str]:
    """How a literal of this value may be written."""
    if isinstance(value, bool):
        return frozenset({str(value), str(value).lower()})
    if isinstance(value, float) and value.is_integer():
        return frozenset({str(int(value)), str(value)})
    return frozenset({str(value)})


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (int, float)) else "'" + str(value).replace("'", "''") + "'"


def _held(prover: Prover, scan: ScanUse, name: str) -> bool:
    source = scan.source
    if source.columns is None:
        column = source.named.get(name)
        return column is not None and column.stored == name and prover.held(scan.level, source, column)
    return any(column.stored == name and prover.held(scan.level, source, column) for column in source.columns)
