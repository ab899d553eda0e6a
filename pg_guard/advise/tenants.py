"""Columns that tell tenants apart. In: relations and a vocabulary. Out: candidates with their evidence, best first.

The evidence is a table that others refer to by a column of one name, and a name that speaks of tenants. Without the
name, every dimension table would be a tenant; without the keys, every column called ``account`` would be.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pg_guard.advise.sensitive import Vocabulary
    from pg_guard.catalog.model import ForeignKey, Name, Relation

__all__ = ["TenantColumn", "find_tenants", "is_indexed", "unheld"]

_FEWEST_REFERRING = 2
_FEWEST_WITHOUT_KEYS = 3


@dataclass(frozen=True, slots=True)
class TenantColumn:
    """A column that seems to tell tenants apart.

    Attributes:
        column: Its name.
        target: The tenants' own table, when foreign keys lead to one.
        target_column: The column of it that they refer to.
        referring: Relations with such a foreign key, sorted.
        others: Relations with a column of this name and no such key, sorted.
        sure: Name and keys agree.
    """

    column: str
    target: Name | None
    target_column: str
    referring: tuple[Name, ...]
    others: tuple[Name, ...]
    sure: bool

    @property
    def holders(self) -> tuple[Name, ...]:
        """All relations that have the column."""
        return tuple(sorted((*self.referring, *self.others)))


def find_tenants(relations: Iterable[Relation], vocabulary: Vocabulary) -> tuple[TenantColumn, ...]:
    """Candidates, the best first; partitions are taken for part of their parent."""
    tables = [each for each in relations if each.kind in ("table", "partitioned", "foreign") and not each.parents]
    holders: dict[str, set[Name]] = defaultdict(set)
    referring: dict[tuple[str, Name, str], set[Name]] = defaultdict(set)
    for table in tables:
        for each in table.columns:
            holders[each.name].add(table.key)
        for key in table.foreign_keys:
            if len(key.columns) == 1 and key.target != table.key:
                referring[key.columns[0], key.target, key.target_columns[0]].add(table.key)
    found = []
    for (column, target, target_column), names in referring.items():
        spoken = vocabulary.tenant(column) or vocabulary.tenant(target.name)
        if spoken and len(names) >= _FEWEST_REFERRING:
            others = holders[column] - names - {target}
            found.append(
                TenantColumn(
                    column, target, target_column, tuple(sorted(names)), tuple(sorted(others)), spoken == "sure"
                )
            )
    with_keys = {each.column for each in found}
    for name, tables_with in holders.items():
        if name not in with_keys and len(tables_with) >= _FEWEST_WITHOUT_KEYS and vocabulary.tenant(name) == "sure":
            found.append(TenantColumn(name, None, "", (), tuple(sorted(tables_with)), sure=False))
    return tuple(
        sorted(
            found,
            key=lambda each: (not each.sure, -len(each.referring), -len(each.others), each.column, each.target or ()),
        )
    )


def is_indexed(relation: Relation, column: str) -> bool:
    """Does the column lead an index?"""
    return any(index[:1] == (column,) for index in relation.indexes)


def unheld(
    relations: Iterable[Relation], held: Iterable[Name], columns: Iterable[str]
) -> tuple[tuple[Name, ForeignKey], ...]:
    """Tables without a tenant column that refer to a table that has one, at any distance, with the key that leads there."""
    tables = [each for each in relations if each.kind in ("table", "partitioned", "foreign") and not each.parents]
    reached = set(held)
    wanted = set(columns)
    found: dict[Name, ForeignKey] = {}
    changed = True
    while changed:
        changed = False
        for table in tables:
            if table.key in reached or wanted & {column.name for column in table.columns}:
                continue
            key = next((key for key in table.foreign_keys if key.target in reached), None)
            if key is not None:
                found[table.key] = key
                reached.add(table.key)
                changed = True
    return tuple(sorted(found.items()))
