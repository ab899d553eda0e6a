"""Columns. In: every column that the statement reads, in any position. Out: a finding for each hidden one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from pg_guard.checks.patterns import NamePattern
from pg_guard.decision import Named

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pg_guard.catalog.model import Name, Relation
    from pg_guard.checks.base import Subject
    from pg_guard.checks.tables import TableAccess
    from pg_guard.decision import Finding
    from pg_guard.facts.model import ColumnUse
    from pg_guard.facts.names import Names

__all__ = ["ColumnAccess", "ColumnCheck"]


class ColumnAccess:
    """`columns.deny`: which columns are hidden.

    A column of a parent is the same column in its partitions and children, and the other way round: a pattern for one
    of them holds for all.

    Args:
        deny: Column patterns by relation pattern.
        names: Look-ups on the catalog.
    """

    def __init__(self, deny: Mapping[str, tuple[str, ...]], names: Names) -> None:
        self._deny = tuple(
            (NamePattern(table, fold=True), tuple(NamePattern(_quote(column), fold=True) for column in columns))
            for table, columns in deny.items()
        )
        self._names = names
        self._patterns = lru_cache(maxsize=4096)(self._find_patterns)

    def __bool__(self) -> bool:
        return bool(self._deny)

    def _find_patterns(self, name: Name) -> tuple[NamePattern, ...]:
        family = [name]
        catalog = self._names.catalog
        if catalog is not None and (relation := catalog.relation_index.get(name)):
            family += [*self._names.ancestors(relation), *self._names.descendants(name)]
        return tuple(
            column for table, columns in self._deny for column in columns if any(table.matches(each) for each in family)
        )

    def guarded(self, name: Name) -> bool:
        """Has the relation a hidden column, or may it have one?"""
        return bool(self._patterns(name))

    def hidden(self, name: Name, column: str) -> bool:
        """Is this column hidden by a pattern?"""
        return any(pattern.name.fullmatch(column) for pattern in self._patterns(name))

    def visible(self, relation: Relation) -> tuple[str, ...]:
        """Columns that may be read, in order."""
        return tuple(column.name for column in relation.columns if not self.hidden(relation.key, column.name))


def _quote(column: str) -> str:
    # A column pattern has no schema part: a dot in it belongs to the name.
    return column.replace(".", "?") if not column.startswith('"') else column


@dataclass(frozen=True)
class ColumnCheck:
    """Refuses hidden columns wherever they are read: an output, a condition, a whole row, a view's column."""

    access: ColumnAccess
    tables: TableAccess

    def __call__(self, subject: Subject) -> Iterator[Finding]:
        """Yield a finding for each violation."""
        # One finding per relation and place: a star over ten hidden columns is one mistake.
        found: dict[tuple[tuple[Name, ...], int, bool], list[ColumnUse]] = {}
        for use in subject.facts.columns:
            if not any(self._is_hidden(name, use) for name in use.relations):
                continue
            if any(self.tables.reviewed(step) for step in use.via):
                continue
            first = use.via[:1] or use.relations
            found.setdefault((first, use.location, use.star or use.whole_row), []).append(use)
        for (relation, location, whole), uses in found.items():
            yield self._finding(subject, relation, location, whole, uses)

    def _is_hidden(self, name: Name, use: ColumnUse) -> bool:
        if use.name == "*":
            return self.access.guarded(name)
        return self.access.hidden(name, use.name)

    def _finding(
        self, subject: Subject, relation: tuple[Name, ...], location: int, whole: bool, uses: list[ColumnUse]
    ) -> Finding:
        table = subject.show(relation)
        permitted = self._permitted(subject, relation[0], uses)
        if whole:
            how = "A star" if uses[0].star else "The whole row"
            if uses[0].use == "join":
                how = "A NATURAL JOIN"
            return subject.finding(
                "columns/denied",
                "high",
                f'{how} over "{table}" reads columns that the policy does not permit.',
                f"Name the columns that you need; permitted are {permitted}."
                if permitted
                else "Name the columns that you need.",
                location,
            )
        # Behind a view its own name is another one, and hidden.
        about = Named("column", "" if uses[0].via else uses[0].name)
        if uses[0].via:
            message = f'A column of "{table}" shows data that the policy does not permit.'
        else:
            names = ", ".join(dict.fromkeys(f'"{use.name}"' for use in uses))
            message = f'The policy does not permit reading {names} of "{table}".'
        fix = (
            f"Leave it out, also from conditions and sorting; permitted are {permitted}."
            if permitted
            else "Leave it out."
        )
        return subject.finding("columns/denied", "high", message, fix, location, about)

    def _permitted(self, subject: Subject, name: Name, uses: list[ColumnUse]) -> str:
        catalog = subject.names.catalog
        relation = catalog.relation_index.get(name) if catalog else None
        if relation is None:
            return ""
        if uses[0].via:
            # Only a view's own columns can be told here, and which of them are clean is found by asking for them.
            return ""
        return ", ".join(self.access.visible(relation))
