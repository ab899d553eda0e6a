"""Who can see which column. In: what FROM brings in. Out: the columns that a reference means, level by level.

The names follow PostgreSQL's parse analysis (src/backend/parser/parse_relation.c): a *source* is a range-table entry, a
*scope* the namespace of one query level, chained to the levels around it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from pg_guard.facts.resolution import RECORD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pg_guard.catalog.model import Name, Relation
    from pg_guard.facts.formula import Condition
    from pg_guard.facts.model import FunctionUse
    from pg_guard.facts.spans import Span

__all__ = ["Base", "Cte", "Expr", "FromItem", "Level", "Output", "Query", "Scope", "Source", "SourceColumn"]


class Base(NamedTuple):
    """A column of a stored relation."""

    relation: Name
    column: str


class Expr(NamedTuple):
    """What is known of an expression.

    Attributes:
        type: Its type, or None when unknown.
        items: Columns of sources that it reads, those of sub-selects included.
        direct: The column that it *is*, when it is nothing but a reference.
        constant: True for literals, parameters and casts of them.
        probe: The one column whose value decides its own, through casts, date parts and the like; None where its value
            may not depend on any row.
        row: The source whose whole row it is, when it is one.
        value: The literal's text when it is one.
        exact: True when `value` is the value itself: nothing but one plain cast stands around the literal.
        set_returning: True when a set-returning function stands in it.
        aggregate: True when an aggregate stands in it.
        fields: Types of the fields of rows without a named type that stand in it.
        query: The scalar sub-select that it is, when it is nothing else.
        span: The least and the greatest value that it can have, whatever the row.
        lax: It may have a value where `probe` is NULL; no function keeps the probe of such a one.
    """

    type: Name | None = None
    items: tuple[SourceColumn, ...] = ()
    direct: SourceColumn | None = None
    constant: bool = False
    probe: SourceColumn | None = None
    row: Source | None = None
    value: str | None = None
    set_returning: bool = False
    aggregate: bool = False
    fields: tuple[Name | None, ...] = ()
    query: Query | None = None
    exact: bool = False
    span: Span | None = None
    lax: bool = False

    @property
    def held(self) -> tuple[Name | None, ...]:
        """Types of the fields of the row that it is, where that has no named type."""
        if self.row is None or self.type != RECORD:
            return self.fields
        columns = self.row.columns or ()
        return (*self.fields, *(name for column in columns for name in (column.type, *column.fields)))


class SourceColumn:
    """A column of one source; equality is identity.

    `name` is what the statement calls it, `stored` what the relation does (an alias list may rename it); `base` are the
    stored columns that flow into it, `flows` those that flow into the output of a query that it is; `merged` are the
    columns that USING or an aliased join makes it of; `fields` are types of the fields of a row without a named type that it
    holds.
    """

    __slots__ = ("base", "fields", "flows", "merged", "name", "source", "stored", "type")

    def __init__(self, source: Source, name: str, type_: Name | None, base: tuple[Base, ...], stored: str = "") -> None:
        self.source = source
        self.name = name
        # The name in the catalog.
        self.stored = stored or name
        self.type = type_
        self.base = base
        self.flows: tuple[Base, ...] = ()
        self.merged: tuple[SourceColumn, ...] = ()
        self.fields: tuple[Name | None, ...] = ()


class Source:
    """A range-table entry.

    `columns` is None when they are unknown: for a stored relation without a catalog (`relation_names` is set then), or
    for a function whose result shape is unknown. `row_type` is the type of its whole row; `opened` are the sources of
    unknown columns inside of an aliased join.
    """

    __slots__ = (
        "alias",
        "calls",
        "columns",
        "cte",
        "given",
        "kind",
        "level",
        "named",
        "opened",
        "query",
        "relation",
        "relation_names",
        "row_type",
        "schema",
        "series",
        "via",
    )

    def __init__(self, kind: Literal["relation", "query", "cte", "function", "join"], alias: str) -> None:
        self.kind = kind
        self.alias = alias
        self.schema: str | None = None
        self.columns: list[SourceColumn] | None = []
        self.relation: Relation | None = None
        self.row_type: Name | None = RECORD
        self.relation_names: tuple[Name, ...] = ()
        self.level: Level | None = None
        self.query: Query | None = None
        self.cte: Cte | None = None
        # Columns by name, where `columns` is None: the same name is the same column.
        # For a function in FROM: what it calls, with constant arguments.
        self.calls: list[FunctionUse] = []
        # PostgreSQL's own generate_series in FROM, of which no row decides the ends.
        self.series: FunctionUse | None = None
        # Positions of its columns that hold nothing but constants of the text: unnest('{1,2}').
        self.given: frozenset[int] = frozenset()
        self.named: dict[str, SourceColumn] = {}
        self.via: tuple[Name, ...] = ()
        self.opened: list[Source] = []

    def column(self, name: str) -> SourceColumn | None:
        """The column that the statement calls so, or None."""
        for column in self.columns or ():
            if column.name == name:
                return column
        return None


class FromItem(NamedTuple):
    """What one item of FROM adds to a scope: sources that can be named, and columns in the order of ``*``."""

    rels: list[Source]
    columns: list[SourceColumn]
    opened: list[Source]


class Cte:
    """A WITH query. While its own body is read, `query` is None and `columns` are those of its first term.

    Under RECURSIVE a name may be used before it is defined: `pending` then reads it on first use.
    """

    __slots__ = ("columns", "name", "pending", "query", "reading", "recursive_uses", "uses")

    def __init__(self, name: str) -> None:
        self.name = name
        self.query: Query | None = None
        self.columns: list[tuple[str, Output]] | None = None
        self.pending: Callable[[], None] | None = None
        self.reading = False
        self.uses: list[Source] = []
        self.recursive_uses: list[Source] = []


class Output(NamedTuple):
    """An output column of a query: its name, what it is, and the stored columns that flow into it."""

    name: str
    expr: Expr
    base: tuple[Base, ...]


Kind: TypeAlias = Literal["select", "setop", "values"]


class Level:
    """One SELECT: its sources and the conditions that its rows are known to meet."""

    __slots__ = (
        "bounded", "calls", "conditions", "cut", "distinct_on", "gathers", "group", "has_aggregate", "limited", "location",
        "may_aggregate", "most", "outer", "outputs", "owner", "sources", "windows",
    )  # fmt: skip

    def __init__(self, outer: Level | None) -> None:
        self.outer = outer
        self.owner: Query | None = None
        self.sources: list[Source] = []
        # Each condition with the sources that it holds for; None means for every row that the level produces.
        self.conditions: list[tuple[Condition, frozenset[int] | None]] = []
        self.outputs: list[Output] = []
        # True with LIMIT or OFFSET, whatever it says: no condition is pushed below it.
        self.limited = False
        # True when a LIMIT that is not NULL or ALL ends it.
        self.bounded = False
        # True when a LIMIT of few rows stands at its end.
        self.cut = False
        # True when all rows are needed before the first comes out (sorting, grouping).
        self.gathers = False
        self.has_aggregate = False
        # True already when an aggregate anywhere in it could be of this level.
        self.may_aggregate = False
        self.group: list[Expr] | None = None
        self.windows: list[list[Expr]] = []
        self.distinct_on: list[Expr] | None = None
        # For the estimate of its work: calls with constant arguments, a constant LIMIT, its place.
        self.calls: list[FunctionUse] = []
        self.most: float | None = None
        self.location = -1

    @property
    def answers_alone(self) -> bool:
        """May it give a row where FROM and WHERE give none, as ``SELECT count(*)`` and ``GROUP BY ()`` do?"""
        return not self.group if self.group is not None else self.may_aggregate

    def note_aggregate(self, columns: Iterable[SourceColumn], *, hidden: bool = False) -> None:
        """An aggregate of these columns stands in this level: it is computed by the innermost level that has one of them.

        Args:
            columns: Columns of its arguments.
            hidden: Its arguments may read other columns, too (in sub-selects).
        """
        owners = {id(column.source.level) for column in columns}
        level: Level | None = self
        while level is not None:
            level.may_aggregate = True
            if not hidden and (not owners or id(level) in owners):
                return
            level = level.outer


class Query:
    """A query expression: a SELECT level, VALUES, or a set operation over two of them."""

    __slots__ = ("cut", "kind", "left", "level", "limited", "opened", "operation", "outputs", "right", "size", "user")

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.level: Level | None = None
        self.left: Query | None = None
        self.right: Query | None = None
        self.operation = ""
        self.limited = False
        self.cut = False
        # How many rows a VALUES has.
        self.size = 1
        self.outputs: list[Output] = []
        # True when more columns come out than `outputs` tells (a star over something of unknown shape).
        self.opened = False
        # What reads it: the source that it is the body of, or the set operation above it.
        self.user: Source | Query | Cte | None = None


class Scope:
    """The namespace of one level, chained to the outer ones."""

    __slots__ = ("columns", "ctes", "lateral", "level", "opened", "outer", "rels")

    def __init__(self, outer: Scope | None, level: Level | None = None) -> None:
        self.outer = outer
        self.level: Level | None = level if level is not None else (outer.level if outer else None)
        self.rels: list[Source] = []
        self.columns: list[SourceColumn] = []
        self.opened: list[Source] = []
        self.ctes: dict[str, Cte] = {}

    def add(self, items: Iterable[FromItem]) -> None:
        """Add what items of FROM bring in."""
        for item in items:
            self.rels.extend(item.rels)
            self.columns.extend(item.columns)
            self.opened.extend(item.opened)

    def chain(self) -> Iterator[Scope]:
        """This scope and those around it, innermost first."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.outer

    def cte(self, name: str) -> Cte | None:
        """The WITH query that a name means, or None."""
        for scope in self.chain():
            if found := scope.ctes.get(name):
                return found
        return None

    def source(self, name: str, schema: str | None = None) -> Source | None:
        """The source that a qualifier means: the innermost level that has one wins, as in refnameNamespaceItem."""
        for scope in self.chain():
            for source in scope.rels:
                if source.alias == name and (schema is None or source.schema == schema):
                    return source
        return None
