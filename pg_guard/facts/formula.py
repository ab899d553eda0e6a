"""Conditions as values. In: what WHERE and ON say. Out: normalised conditions, and classes of columns that are equal."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from pg_guard.facts.scopes import Level, Query, Source, SourceColumn

__all__ = ["Closure", "Condition", "Equal", "Held", "InQuery", "Matches", "Or", "Restricts"]


class Held(NamedTuple):
    """The column equals one of some constants, none of which is NULL; `values` are their texts, None where one is not known."""

    column: SourceColumn
    values: frozenset[str] | None = None


class Equal(NamedTuple):
    """Two columns are equal."""

    left: SourceColumn
    right: SourceColumn


class InQuery(NamedTuple):
    """The column is one of the values of a sub-select's output; `alone`: which reads nothing of the row around it."""

    column: SourceColumn
    query: Query
    output: int
    alone: bool = True


class Matches(NamedTuple):
    """A row of a level (below EXISTS) has the column's value in its column `inner`."""

    column: SourceColumn
    level: Level
    inner: SourceColumn


class Restricts(NamedTuple):
    """A condition narrows the column's values, by more than a known tautology.

    `strict`: it is never true of NULL. `side` is ``<`` or ``>`` where the condition is one bound, and `bound` its text when
    that is a literal.
    """

    column: SourceColumn
    strict: bool = True
    side: str = ""
    bound: str | None = None


class Or(NamedTuple):
    """At least one of the branches holds; each is a conjunction."""

    branches: tuple[tuple[Condition, ...], ...]


Condition: TypeAlias = Held | Equal | InQuery | Matches | Restricts | Or


class Closure:
    """Equality classes of columns, with the classes that are held and the sources that are restricted."""

    def __init__(self) -> None:
        self.parent: dict[SourceColumn, SourceColumn] = {}
        self.held_roots: set[SourceColumn] = set()
        self.restricted: set[Source] = set()

    def find(self, column: SourceColumn) -> SourceColumn:
        """The representative of the column's class."""
        root = column
        while (up := self.parent.get(root, root)) is not root:
            root = up
        self.parent[column] = root
        return root

    def join(self, left: SourceColumn, right: SourceColumn) -> None:
        """Two columns are equal."""
        a, b = self.find(left), self.find(right)
        if a is not b:
            self.parent[a] = b
            if a in self.held_roots:
                self.held_roots.add(b)

    def hold(self, column: SourceColumn) -> None:
        """The column, and all that equal it, are held to constants."""
        for part in column.merged:
            self.hold(part)
        self.held_roots.add(self.find(column))
        self.restricted.add(column.source)

    def holds(self, column: SourceColumn) -> bool:
        """Is the column held?"""
        return self.find(column) in self.held_roots
