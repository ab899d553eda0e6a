"""The vocabulary that checks and rules see. In: nothing. Out: immutable values, one per fact.

Every fact carries `location`, a byte offset in the text (as libpg_query gives it) or -1, so that a finding can show its
place; facts that were reached through a view, a partition or a type carry `via`, the objects on the way.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from pg_guard.catalog.model import Function, Name
    from pg_guard.decision import Named
    from pg_guard.facts.scopes import Cte, Level, Source, SourceColumn
    from pg_guard.facts.shapes_model import JoinUse, LiteralUse, OperatorUse, QueryUse, SortUse, SubqueryUse

__all__ = [
    "ColumnUse",
    "Facts",
    "FunctionUse",
    "JoinLevel",
    "Note",
    "Recursion",
    "RelationUse",
    "ScanUse",
    "StatementUse",
    "TypeUse",
    "Use",
]

Use: TypeAlias = Literal[
    "output", "where", "join", "group", "order", "having", "window", "distinct", "limit", "from", "filter", "argument"
]


class StatementUse(NamedTuple):
    """A statement or a part that behaves like one: `kind` is `select`, `insert`, `locking`, `select-into` …

    `setting` is what SHOW names, ``all`` for SHOW ALL.
    """

    kind: str
    depth: int
    location: int
    setting: str | None = None


class RelationUse(NamedTuple):
    """A stored relation that the statement reads.

    `names` has more than one entry only without a catalog, where an unqualified name may be in any schema of the
    search_path; `known` is False when the catalog has no such relation. `via` names what led here (views, a parent).
    """

    names: tuple[Name, ...]
    kind: str
    known: bool
    alias: str
    location: int
    via: tuple[Name, ...] = ()
    how: Literal["scan", "view", "partition", "inheritance", "type"] = "scan"


class ColumnUse(NamedTuple):
    """A column of a stored relation that the statement reads, in any position.

    `star` and `whole_row` say that no one named it: it came with ``*``, ``t.*`` or a reference to the whole row.
    `certain` is False where, without a catalog, the name may belong to another relation in scope.
    """

    relations: tuple[Name, ...]
    name: str
    use: Use
    location: int
    star: bool = False
    whole_row: bool = False
    via: tuple[Name, ...] = ()
    certain: bool = True


class FunctionUse(NamedTuple):
    """A function that the statement may call.

    `schema` and `name` are PostgreSQL's own spelling; `candidates` are the overloads that the catalog allows there
    (empty without a catalog, and when it has none: then `known` is False). `use` is the clause of a call, an
    SQL-syntax call and one in attribute notation; calls that PostgreSQL adds by itself carry ``output``. `literals` are
    constant arguments by position; `literals_only` says that there are no others. `arguments` is how many there are at
    least.
    """

    schema: str | None
    name: str
    candidates: tuple[Function, ...]
    known: bool
    position: Literal["call", "syntax", "operator", "cast", "attribute", "domain", "sample", "type", "sort"]
    location: int
    literals: tuple[tuple[int, str], ...] = ()
    via: tuple[Name, ...] = ()
    use: Use = "output"
    literals_only: bool = False
    arguments: int = 0


class TypeUse(NamedTuple):
    """A type that the statement names; `constant` is the text when a literal is cast to it."""

    name: Name
    known: bool
    location: int
    constant: str | None = None
    source: Name | None = None
    system_column: bool = False


class JoinLevel(NamedTuple):
    """How many relations one SELECT level joins (tables, views, CTEs and derived tables)."""

    tables: int
    location: int


class ScanUse(NamedTuple):
    """One scan of a stored relation, for requirements that hold per scan."""

    source: Source
    level: Level
    relation: RelationUse
    location: int
    via: tuple[Name, ...] = ()


class Recursion(NamedTuple):
    """A recursive CTE; `cycle` tells whether it has a CYCLE clause."""

    cte: Cte
    cycle: bool
    location: int


class Note(NamedTuple):
    """Something that could not be understood or resolved: the statement is refused with it."""

    rule: str
    message: str
    remediation: str
    location: int
    about: Named | None = None


@dataclass(slots=True)
class Facts:
    """All facts of one statement, in the order in which they were met."""

    kind: str = "unknown"
    statements: list[StatementUse] = field(default_factory=list)
    relations: list[RelationUse] = field(default_factory=list)
    columns: list[ColumnUse] = field(default_factory=list)
    functions: list[FunctionUse] = field(default_factory=list)
    types: list[TypeUse] = field(default_factory=list)
    joins: list[JoinLevel] = field(default_factory=list)
    scans: list[ScanUse] = field(default_factory=list)
    operators: list[tuple[Name, int]] = field(default_factory=list)
    """Functions behind operators, PostgreSQL's own included, with their places."""
    patterns: list[tuple[str, int]] = field(default_factory=list)
    """Constant regular expressions, with their places."""
    wildcards: list[tuple[str, int]] = field(default_factory=list)
    """Texts with ``**``, which may be SQL/JSON paths, with their places."""
    lists: list[tuple[int, int]] = field(default_factory=list)
    """Lengths of IN lists, with their places."""
    levels: list[Level] = field(default_factory=list)
    equalities: list[tuple[tuple[SourceColumn, ...], tuple[SourceColumn, ...]]] = field(default_factory=list)
    """Columns on both sides of each ``=``."""
    parameters: list[int] = field(default_factory=list)
    """Places of $1, $2 …"""
    recursions: list[Recursion] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    # How the statement is built; only filled by a detailed reading.
    detailed: bool = False
    queries: list[QueryUse] = field(default_factory=list)
    operations: list[OperatorUse] = field(default_factory=list)
    """Operators as written; `operators` has the functions behind them."""
    linkages: list[JoinUse] = field(default_factory=list)
    """Joins as written; `joins` counts the relations of each level."""
    subqueries: list[SubqueryUse] = field(default_factory=list)
    sorts: list[SortUse] = field(default_factory=list)
    literals: list[LiteralUse] = field(default_factory=list)
    level_queries: dict[Level, QueryUse] = field(default_factory=dict)
    """The query of each level, so that a scan can tell what is done with its rows: `level_queries.get(scan.level)`."""
    # What PostgreSQL's grammar saw, for the comparison with the other reading.
    raw_relations: list[tuple[str, ...]] = field(default_factory=list)
    raw_columns: list[tuple[str, ...]] = field(default_factory=list)
    raw_fields: list[str] = field(default_factory=list)
    raw_kinds: list[str] = field(default_factory=list)
