"""What a client may be shown. In: a compiled policy. Out: the relations, columns and conditions that it permits to see.

A statement is judged by the checks; these answer before there is one, for prompts, listings and grants.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from pg_guard.checks.where import WhereCheck

if TYPE_CHECKING:
    from pg_guard.catalog.model import Column, Relation
    from pg_guard.facts.views import ViewShapes
    from pg_guard.policy.compile import Program

__all__ = ["Visibility"]

_SHOWN = frozenset({"table", "partitioned", "foreign", "view", "matview"})
_VIEWS = frozenset({"view", "matview"})


class Visibility:
    """What of the database a policy lets a client see.

    Args:
        program: The compiled policy.
        shapes: What is known of views, shared with the guard that reads statements.
    """

    def __init__(self, program: Program, shapes: ViewShapes) -> None:
        self._program = program
        self._shapes = shapes

    @cached_property
    def relations(self) -> tuple[Relation, ...]:
        """Relations that the policy permits, in the order of the catalog; empty without a catalog."""
        # Nothing of it changes, so that threads that find it at the same time find the same.
        catalog = self._program.names.catalog
        return tuple(
            relation
            for relation in (catalog.relations if catalog is not None else ())
            if relation.kind in _SHOWN
            and self._program.tables.permitted(relation.key)
            and not self._leads_to_hidden(relation)
        )

    def columns(self, relation: Relation) -> tuple[Column, ...]:
        """Columns of a relation that the policy permits, in order; through views by what flows into them."""
        columns, names = self._program.columns, self._program.names
        if self._program.tables.reviewed(relation.key):
            flows = {}
        elif relation.kind in _VIEWS:
            flows = self._shapes.shape(names, relation).columns
        else:
            flows = self._shapes.generated(names, relation)
        return tuple(
            column
            for column in relation.columns
            if not columns.hidden(relation.key, column.name)
            and not any(columns.hidden(base.relation, base.column) for base in flows.get(column.name, ()))
        )

    def reviewed(self) -> tuple[Relation, ...]:
        """Views that `tables.allow` names exactly although they read what the policy denies: declared exceptions."""
        catalog, tables = self._program.names.catalog, self._program.tables
        return tuple(
            relation
            for relation in (catalog.relations if catalog is not None else ())
            if relation.kind in _VIEWS
            and tables.reviewed(relation.key)
            and not tables.denied(relation.key)
            and (self._reads_hidden(relation) or self._shows_hidden(relation))
        )

    def requirements(self, relation: Relation) -> tuple[tuple[str, ...], ...]:
        """Conditions that each use of a relation must carry: the columns to hold, or () for any restriction."""
        clauses = [check.clauses for check in self._program.checks if isinstance(check, WhereCheck)]
        return tuple(
            tuple(dict.fromkeys((*clause.columns, *(column for column, _ in clause.equals))))
            for group in clauses
            for clause in group
            if clause.concerns((relation.key,), self._program.names)
        )

    def _leads_to_hidden(self, relation: Relation) -> bool:
        tables, names = self._program.tables, self._program.names
        if tables.reviewed(relation.key):
            return False
        if any(tables.denied(parent) for parent in names.ancestors(relation)):
            return True
        return relation.kind in _VIEWS and self._reads_hidden(relation)

    def _reads_hidden(self, relation: Relation) -> bool:
        """Does a view read a denied relation, or choose its rows by a denied column?"""
        tables, names = self._program.tables, self._program.names
        shape = self._shapes.shape(names, relation)
        if any(self._program.columns.hidden(base.relation, base.column) for base in shape.conditions):
            return True
        return any(
            tables.denied(name) and not any(tables.reviewed(step) for step in use.via)
            for use in shape.relations
            for name in use.names
        )

    def _shows_hidden(self, relation: Relation) -> bool:
        """Does a denied column flow into a column of the view?"""
        flows = self._shapes.shape(self._program.names, relation).columns
        hidden = self._program.columns.hidden
        return any(hidden(base.relation, base.column) for bases in flows.values() for base in bases)
