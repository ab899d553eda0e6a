"""What the guard knows of a database. In: rows read by `introspect` or a JSON snapshot. Out: immutable, indexed values.

A type is named by its schema and its name in pg_type, so ``integer[]`` is ``pg_catalog._int4``. Relations, types,
functions and operators of *all* schemas are held, pg_catalog and information_schema included: PostgreSQL resolves names
against all of them.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

__all__ = [
    "Cast",
    "Catalog",
    "Column",
    "ColumnDependency",
    "Comparison",
    "ForeignKey",
    "Function",
    "Name",
    "Operator",
    "Relation",
    "RelationKind",
    "Type",
]

RelationKind: TypeAlias = Literal[
    "table", "partitioned", "foreign", "view", "matview", "sequence", "composite", "toast", "index"
]


class Name(NamedTuple):
    """A schema and a name inside it, exactly as stored (case matters)."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its type is `Name`d as in pg_type; `generated` holds the expression of a generated column, or ''."""

    name: str
    type: Name
    not_null: bool = False
    generated: str = ""
    default: str = ""
    comment: str = ""


@dataclass(frozen=True, slots=True)
class ColumnDependency:
    """What a view's rule reads, from pg_depend: a relation, and a column or None for the relation as a whole."""

    relation: Name
    column: str | None


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A foreign key from `columns` of the relation that holds it to `target_columns` of `target`."""

    columns: tuple[str, ...]
    target: Name
    target_columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation of any kind.

    Attributes:
        definition: For views and materialized views, pg_get_viewdef read under an empty search_path, so that every
            name outside of pg_catalog is qualified; otherwise ''.
        depends_on: For views and materialized views, what their rules read, the system's catalogs included. A whole
            row stands as (relation, None) and all of its columns; `count(*)` as (relation, None) alone.
        indexes: Key columns of each valid index; the text of an expression where there is one.
        parents: Direct parents by inheritance or partitioning.
        partition_of: The partitioned parent when this is a partition, else None.
        rows: The planner's row estimate (reltuples), -1 when never analysed.
        rules: True when a rewrite rule other than a view's own exists.
    """

    schema: str
    name: str
    kind: RelationKind
    columns: tuple[Column, ...] = ()
    owner: str = ""
    comment: str = ""
    definition: str = ""
    depends_on: tuple[ColumnDependency, ...] = ()
    parents: tuple[Name, ...] = ()
    partition_of: Name | None = None
    primary_key: tuple[str, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    indexes: tuple[tuple[str, ...], ...] = ()
    rows: float = -1.0
    row_security: bool = False
    rules: bool = False

    @property
    def key(self) -> Name:
        """Schema and name."""
        return Name(self.schema, self.name)


@dataclass(frozen=True, slots=True)
class Function:
    """One overload of a function, procedure, aggregate or window function.

    Attributes:
        args: Types of the input arguments (IN, INOUT, VARIADIC), in order.
        defaults: How many of the last arguments have a default.
        variadic: Element type's array is the last argument.
        outputs: (name, type) of OUT, INOUT and TABLE columns.
        arg_names: Names of the input arguments, aligned with `args` ('' for none), or () when none has a name.
        body: Source text (prosrc) for languages sql and plpgsql, else ''.
        definition: The body of an SQL-standard function (RETURN, BEGIN ATOMIC), names qualified as in a view; else ''.
        support: For an aggregate, the functions that it is made of.
        extension: Name of the extension that owns it, or ''.
        planted: True when somebody put it into pg_catalog or information_schema, whose functions are PostgreSQL's own.
    """

    schema: str
    name: str
    args: tuple[Name, ...]
    result: Name
    kind: Literal["function", "procedure", "aggregate", "window"] = "function"
    volatility: Literal["immutable", "stable", "volatile"] = "volatile"
    language: str = "internal"
    owner: str = ""
    security_definer: bool = False
    returns_set: bool = False
    strict: bool = False
    variadic: bool = False
    defaults: int = 0
    arg_names: tuple[str, ...] = ()
    outputs: tuple[tuple[str, Name], ...] = ()
    body: str = ""
    definition: str = ""
    support: tuple[Name, ...] = ()
    extension: str = ""
    planted: bool = False

    @property
    def key(self) -> Name:
        """Schema and name."""
        return Name(self.schema, self.name)


@dataclass(frozen=True, slots=True)
class Type:
    """A type: `relation` for row types, `element` for arrays.

    `base` is what a domain restricts, a range's subtype, or a multirange's range. `checks` are a domain's, in order of
    evaluation.
    """

    schema: str
    name: str
    kind: Literal["base", "composite", "domain", "enum", "range", "multirange", "pseudo", "array"] = "base"
    category: str = "U"
    preferred: bool = False
    relation: Name | None = None
    element: Name | None = None
    base: Name | None = None
    input: Name | None = None
    output: Name | None = None
    labels: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    extension: str = ""

    @property
    def key(self) -> Name:
        """Schema and name."""
        return Name(self.schema, self.name)


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator and the functions behind it; `left` is None for a prefix operator."""

    schema: str
    name: str
    left: Name | None
    right: Name
    result: Name
    function: Name
    extension: str = ""


@dataclass(frozen=True, slots=True)
class Cast:
    """A row of pg_cast; `function` is None for binary-coercible and input/output casts."""

    source: Name
    target: Name
    function: Name | None
    context: Literal["implicit", "assignment", "explicit"]
    method: Literal["function", "inout", "binary"] = "function"


@dataclass(frozen=True, slots=True)
class Comparison:
    """What sorting, grouping and hashing values of a type call, as far as it is not PostgreSQL's own.

    The functions are those of the default btree and hash operator classes; for a range type those of its subtype's
    class, and its canonical and difference functions.
    """

    type: Name
    functions: tuple[Name, ...]


@dataclass(frozen=True)
class Catalog:
    """A database's names, immutable; every index is built at most once.

    Build one with `from_database` or `from_json`.
    """

    database: str = ""
    server_version: int = 0
    encoding: str = "UTF8"
    search_path: tuple[str, ...] = ("public",)
    schemas: tuple[str, ...] = ()
    relations: tuple[Relation, ...] = ()
    functions: tuple[Function, ...] = ()
    types: tuple[Type, ...] = ()
    operators: tuple[Operator, ...] = ()
    casts: tuple[Cast, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    extensions: tuple[tuple[str, str], ...] = ()
    settings: tuple[tuple[str, str], ...] = field(default=())

    @classmethod
    async def from_database(cls, dsn: str, *, timeout: float = 30.0) -> Catalog:  # noqa: ASYNC109 - covers connect and read, documented below
        """Read the catalog of a live database.

        Args:
            dsn: PostgreSQL connection URI.
            timeout: Seconds for the connection and for the whole reading.

        Raises:
            DatabaseError: The database cannot be reached or refuses the role.
            CatalogError: A catalog query failed.
        """
        from pg_guard.catalog.introspect import read_catalog

        return await read_catalog(dsn, timeout=timeout)

    @classmethod
    def from_json(cls, path: str | Path) -> Catalog:
        """Read a snapshot that `to_json` wrote.

        Raises:
            CatalogError: The file is missing, is not a snapshot, or is of an unknown version.
        """
        from pg_guard.catalog.snapshot import read_snapshot

        return read_snapshot(Path(path))

    def to_json(self, path: str | Path) -> None:
        """Write a snapshot, deterministic to the byte, replacing the file atomically."""
        from pg_guard.catalog.snapshot import write_snapshot

        write_snapshot(self, Path(path))

    @cached_property
    def relation_index(self) -> dict[Name, Relation]:
        """Relations of every kind by name."""
        return {relation.key: relation for relation in self.relations}

    @cached_property
    def function_index(self) -> dict[str, tuple[Function, ...]]:
        """Overloads in all schemas by bare name."""
        index: dict[str, list[Function]] = {}
        for function in self.functions:
            index.setdefault(function.name, []).append(function)
        return {name: tuple(overloads) for name, overloads in index.items()}

    @cached_property
    def type_index(self) -> dict[Name, Type]:
        """Types by name."""
        return {type_.key: type_ for type_ in self.types}

    @cached_property
    def operator_index(self) -> dict[str, tuple[Operator, ...]]:
        """Operators in all schemas by bare name."""
        index: dict[str, list[Operator]] = {}
        for operator in self.operators:
            index.setdefault(operator.name, []).append(operator)
        return {name: tuple(candidates) for name, candidates in index.items()}

    @cached_property
    def comparison_index(self) -> dict[Name, tuple[Name, ...]]:
        """What comparing two values calls, by type."""
        return {comparison.type: comparison.functions for comparison in self.comparisons}

    @cached_property
    def planted(self) -> frozenset[Name]:
        """Names of functions in pg_catalog that PostgreSQL did not bring; an overload of its own may share one."""
        return frozenset(function.key for function in self.functions if function.planted)

    @cached_property
    def children_index(self) -> dict[Name, tuple[Name, ...]]:
        """Direct children by inheritance or partitioning."""
        index: dict[Name, list[Name]] = {}
        for relation in self.relations:
            for parent in relation.parents:
                index.setdefault(parent, []).append(relation.key)
        return {parent: tuple(children) for parent, children in index.items()}

    @cached_property
    def schema_set(self) -> frozenset[str]:
        """`schemas`, for membership tests."""
        return frozenset(self.schemas)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the snapshot's canonical JSON."""
        from pg_guard.catalog.snapshot import to_document

        canonical: Any = to_document(self)
        text = json.dumps(canonical, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()
