"""What a view shows. In: its definition, as the catalog holds it. Out: per column, the stored columns that flow into it.

A view is read by the same code as a statement, once for a catalog. A column that only flows into an output counts where
that output is read; a column that the view compares, groups or sorts by decides which rows there are, so it counts
whenever the view is read.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pg_guard.facts import expressions, queries
from pg_guard.facts.names import Names
from pg_guard.facts.reader import Reader, TooDeep
from pg_guard.facts.scopes import Base, Query, Scope, Source, SourceColumn
from pg_guard.sql.text import Refusal, admit
from pg_guard.sql.witness import read_postgres

if TYPE_CHECKING:
    from pg_guard.catalog.model import Name, Relation
    from pg_guard.facts.model import FunctionUse, RelationUse

__all__ = ["Shape", "ViewShapes"]

_DEFINITION_BYTES = 2_000_000
_DEFINITION_DEPTH = 250
_SYSTEM = ("pg_catalog", "information_schema")


@dataclass(frozen=True, slots=True)
class Shape:
    """What one view shows.

    Attributes:
        columns: By output column, what flows into it.
        conditions: Stored columns that decide which rows there are.
        relations: Every relation that it reads, views on the way included.
        functions: Functions outside of pg_catalog that it calls.
        problem: Why it could not be followed, or ''.
    """

    columns: dict[str, tuple[Base, ...]] = field(default_factory=dict)
    conditions: tuple[Base, ...] = ()
    relations: tuple[RelationUse, ...] = ()
    functions: tuple[FunctionUse, ...] = ()
    problem: str = ""


class ViewShapes:
    """The shapes of a catalog's views, each read at most once and shared by all readers of a guard."""

    def __init__(self) -> None:
        self._shapes: dict[Name, Shape] = {}
        self._reading: set[Name] = set()
        self._lock = threading.RLock()
        self._generated: dict[Name, dict[str, tuple[Base, ...]]] = {}
        self._names: Names | None = None

    def _bare(self, names: Names) -> Names:
        """Look-ups under an empty search_path, kept with their answers."""
        if self._names is None or self._names.catalog is not names.catalog:
            self._names = Names(names.catalog, ())
        return self._names

    def shape(self, names: Names, relation: Relation) -> Shape:
        """What a view shows; read on first use."""
        key = relation.key
        found = self._shapes.get(key)
        if found is not None:
            return found
        # INVARIANT: only whole shapes are stored. Other threads wait here; the same thread comes again when a view
        # contains itself, which a damaged snapshot can make it do.
        with self._lock:
            if key in self._shapes:
                return self._shapes[key]
            if key in self._reading:
                return Shape(problem="it refers to itself.")
            self._reading.add(key)
            try:
                self._shapes[key] = self._read(names, relation)
            finally:
                self._reading.discard(key)
        return self._shapes[key]

    def _read(self, names: Names, relation: Relation) -> Shape:
        # Definitions are read from the catalog under an empty search_path, so they are resolved under one.
        reader = Reader(self._bare(names), self, max_depth=_DEFINITION_DEPTH)
        reader.fixed_location = -1
        reader.location = -1
        query, problem = self._query(reader, relation)
        facts = reader.facts
        if query is None:
            return Shape(problem=problem)
        if facts.notes:
            problem = facts.notes[0].message
        columns = {column.name: output.base for column, output in zip(relation.columns, query.outputs, strict=False)}
        if query.opened or len(query.outputs) < len(relation.columns):
            problem = problem or "its columns could not be told."
        # PostgreSQL's own views were bound when the database was made: no cast or operator of a user is in them.
        functions = (
            ()
            if relation.schema in _SYSTEM
            else tuple(
                use
                for use in facts.functions
                if any(not names.ships(each.key) and not each.extension for each in use.candidates) or not use.known
            )
        )
        conditions = {
            Base(name, use.name): None for use in facts.columns if use.use != "output" for name in use.relations
        }
        return Shape(columns, tuple(conditions), tuple(facts.relations), functions, problem)

    @staticmethod
    def _query(reader: Reader, relation: Relation) -> tuple[Query | None, str]:
        try:
            text = admit(relation.definition.strip().rstrip(";"), max_bytes=_DEFINITION_BYTES)
            reading = read_postgres(text)
            if len(reading.statements) != 1 or "SelectStmt" not in reading.statements[0]:
                return None, "its definition is not known."
            return queries.read_query(reader, reading.statements[0], None), ""
        except Refusal as refusal:
            return None, refusal.finding.message
        except TooDeep:
            return None, "its definition is nested too deeply."

    def read_in_place(self, reader: Reader, relation: Relation, place: int) -> Query | None:
        """Read a view as if its definition stood in the statement, so that conditions reach the scans inside."""
        inner = Reader(self._bare(reader.names), self, max_depth=_DEFINITION_DEPTH, expand=reader.expand)
        inner.fixed_location = place
        inner.via = (*reader.via, relation.key)
        query, _problem = self._query(inner, relation)
        # Relations and columns come from the view's shape; the scans are what this reading is for.
        reader.facts.scans.extend(inner.facts.scans)
        return query

    def generated(self, names: Names, relation: Relation) -> dict[str, tuple[Base, ...]]:
        """For each column of a table, itself and, for a generated one, the columns that it is computed from."""
        key = relation.key
        found = self._generated.get(key)
        if found is None:
            own = {column.name: (Base(key, column.name),) for column in relation.columns}
            found = dict[str, tuple[Base, ...]](own)
            source = Source("relation", relation.name)
            source.columns = [SourceColumn(source, name, None, base) for name, base in own.items()]
            for column, read in zip(relation.columns, source.columns, strict=True):
                read.type = column.type
                if column.generated:
                    found[column.name] = (*own[column.name], *self._bases(names, source, column.generated))
            self._generated[key] = found
        return found

    def _bases(self, names: Names, source: Source, expression: str) -> tuple[Base, ...]:
        reader = Reader(self._bare(names), self, max_depth=_DEFINITION_DEPTH)
        scope = Scope(None)
        scope.rels, scope.columns = [source], list(source.columns or ())
        reader.fixed_location = -1
        try:
            reading = read_postgres(admit(f"SELECT {expression}", max_bytes=_DEFINITION_BYTES))
            value = expressions.read(
                reader, reading.statements[0]["SelectStmt"]["targetList"][0]["ResTarget"]["val"], scope, "output"
            )
        except (Refusal, TooDeep, KeyError, IndexError):
            # What cannot be read may derive from every column.
            return tuple(base for column in source.columns or () for base in column.base)
        return tuple(base for item in value.items for base in item.base)

    def use_expression(self, reader: Reader, expression: str, owner: Name, location: int) -> None:
        """Record the functions that a domain's CHECK calls."""
        text = expression.strip()
        if text.upper().startswith("CHECK"):
            text = text[5:]
        inner = Reader(self._bare(reader.names), self, max_depth=_DEFINITION_DEPTH)
        inner.fixed_location = reader.at(location)
        inner.via = (*reader.via, owner)
        scope = Scope(None)
        value = Source("function", "value")
        value.columns = [SourceColumn(value, "value", None, ())]
        scope.rels, scope.columns = [value], list(value.columns)
        try:
            reading = read_postgres(admit(f"SELECT {text}", max_bytes=_DEFINITION_BYTES))
            target = reading.statements[0]["SelectStmt"]["targetList"][0]["ResTarget"]["val"]
            expressions.read(inner, target, scope, "argument")
        except (Refusal, TooDeep, KeyError, IndexError):
            reader.unsupported(f'The check of the domain "{owner}"', location)
            return
        reader.facts.functions.extend(inner.facts.functions)
        reader.facts.notes.extend(inner.facts.notes)
