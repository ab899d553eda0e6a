"""What a client may know of the database. In: a guard. Out: its visible tables, one table, or what its policy permits.

Everything starts from what the guard calls visible, so a hidden table and a missing one cannot be told apart.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pg_guard.catalog.spelling import quote_name, type_name
from pg_guard.entry.mcp.answers import (
    ColumnInfo,
    ForeignKeyInfo,
    PolicyAnswer,
    Requirement,
    TableAnswer,
    TableInfo,
    TablesAnswer,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pg_guard.catalog.model import Catalog, Column, Name, Relation
    from pg_guard.guard import Guard

__all__ = ["count_tables", "describe_policy", "describe_table", "describe_tables", "list_tables"]

MAX_TABLES = 500
NOT_FOUND = "no such table or not permitted"
READABLE = ("table", "partitioned", "foreign", "view", "matview")
SYSTEM_SCHEMAS = ("pg_catalog", "information_schema", "pg_toast")


def list_tables(guard: Guard, schema: str | None = None) -> TablesAnswer:
    """The relations that may be read, in one schema or in all but the system's; partitions go by their parent."""
    shown = _listed(guard, schema)
    return TablesAnswer(
        tables=tuple(
            TableInfo(
                table=_sql_name(relation),
                kind=relation.kind,
                columns=len(guard.visible_columns(relation)),
                rows=_rows(relation),
                comment=relation.comment,
            )
            for relation in shown[:MAX_TABLES]
        ),
        truncated=len(shown) > MAX_TABLES,
    )


def _listed(guard: Guard, schema: str | None = None) -> list[Relation]:
    shown = [
        relation
        for relation in guard.visible_relations()
        if relation.kind in READABLE
        and relation.partition_of is None
        and (relation.schema == schema if schema else relation.schema not in SYSTEM_SCHEMAS)
    ]
    return sorted(shown, key=lambda relation: relation.key)


def count_tables(guard: Guard) -> int:
    """How many relations `list_tables` would name without its limit."""
    return len(_listed(guard))


def describe_tables(guard: Guard) -> tuple[TableAnswer, ...]:
    """The relations that `list_tables` names, each with its columns and keys."""
    visible = {relation.key: relation for relation in guard.visible_relations()}
    return tuple(_described(guard, relation, visible) for relation in _listed(guard)[:MAX_TABLES])


def describe_table(guard: Guard, table: str) -> TableAnswer:
    """The columns and keys of a relation that may be read; otherwise an answer that does not tell why not."""
    relation = _find(guard, table)
    if relation is None:
        return TableAnswer(found=False, message=NOT_FOUND)
    return _described(guard, relation, {each.key: each for each in guard.visible_relations()})


def _described(guard: Guard, relation: Relation, visible: Mapping[Name, Relation]) -> TableAnswer:
    assert guard.catalog is not None  # a relation comes from one
    columns = guard.visible_columns(relation)
    names = {column.name for column in columns}
    notes = []
    if len(columns) < len(relation.columns):
        notes.append("Name the columns: SELECT * and whole-row references to this table are refused.")
    notes += [_requirement_note(held) for held in guard.requirements(relation)]
    return TableAnswer(
        found=True,
        table=_sql_name(relation),
        kind=relation.kind,
        comment=relation.comment,
        columns=tuple(_column_info(guard.catalog, column) for column in columns),
        primary_key=_quoted(relation.primary_key) if names.issuperset(relation.primary_key) else (),
        foreign_keys=_foreign_keys(guard, relation, names, visible),
        indexes=tuple(_quoted(index) for index in relation.indexes if index and names.issuperset(index)),
        rows=_rows(relation),
        notes=tuple(notes),
    )


def describe_policy(guard: Guard) -> PolicyAnswer:
    """What the policy permits, without the names of what it hides."""
    policy = guard.policy
    allowed: list[str] = []
    if policy.functions.mode == "allowlist":
        for pattern in policy.functions.allow:
            allowed += [pattern] if isinstance(pattern, str) else [f"capability: {name}" for name in pattern.capability]
    return PolicyAnswer(
        name=policy.metadata.name,
        version=policy.metadata.version,
        mode=policy.mode,
        statements=policy.statements.allow,
        search_path=guard.search_path,
        tables=count_tables(guard),
        max_cost=policy.limits.cost,
        requirements=_all_requirements(guard),
        max_tables_per_select=policy.joins.max_tables,
        functions=tuple(allowed),
        max_sql_bytes=policy.limits.sql_bytes,
        max_rows=policy.limits.rows,
        statement_timeout_seconds=policy.limits.statement_timeout,
    )


def _find(guard: Guard, table: str) -> Relation | None:
    visible = {relation.key: relation for relation in guard.visible_relations() if relation.kind in READABLE}
    for parts in (_split(table), table.split(".")):
        if len(parts) == 2:
            for key, relation in visible.items():
                if key == (parts[0], parts[1]):
                    return relation
        if len(parts) == 1:
            matching = {key.schema: relation for key, relation in visible.items() if key.name == parts[0]}
            for schema in guard.search_path:
                if schema in matching:
                    return matching[schema]
            if len(matching) == 1:
                return next(iter(matching.values()))
    return None


def _split(table: str) -> list[str]:
    """The parts of a name as PostgreSQL reads it: folded to lower case unless quoted."""
    parts = re.findall(r'"((?:[^"]|"")*)"|([^."]+)', table.strip())
    return [quoted.replace('""', '"') if quoted else plain.strip().lower() for quoted, plain in parts]


def _quoted(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(quote_name(name) for name in names)


def _sql_name(relation: Relation) -> str:
    return f"{quote_name(relation.schema)}.{quote_name(relation.name)}"


def _rows(relation: Relation) -> int | None:
    return None if relation.rows < 0 else round(relation.rows)


def _column_info(catalog: Catalog, column: Column) -> ColumnInfo:
    type_ = catalog.type_index.get(column.type)
    return ColumnInfo(
        column=quote_name(column.name),
        type=type_name(catalog, column.type),
        nullable=not column.not_null,
        values=type_.labels if type_ else (),
        comment=column.comment,
    )


def _foreign_keys(
    guard: Guard, relation: Relation, names: set[str], visible: Mapping[Name, Relation]
) -> tuple[ForeignKeyInfo, ...]:
    shown = []
    for key in relation.foreign_keys:
        target = visible.get(key.target)
        if target is None or not names.issuperset(key.columns):
            continue
        if {column.name for column in guard.visible_columns(target)}.issuperset(key.target_columns):
            shown.append(
                ForeignKeyInfo(
                    columns=_quoted(key.columns),
                    references=_sql_name(target),
                    referenced_columns=_quoted(key.target_columns),
                )
            )
    return tuple(shown)


def _requirement_note(columns: tuple[str, ...]) -> str:
    if not columns:
        return "Each use of this table needs a WHERE condition that restricts its rows."
    names = " and ".join(_quoted(columns))
    return f"Each use of this table must be held to constants by {names}, as in WHERE {quote_name(columns[0])} = 42."


def _all_requirements(guard: Guard) -> tuple[Requirement, ...]:
    """The requirements with the tables that may be read; patterns of the policy could tell hidden names."""
    if not guard.policy.where:
        return ()
    tables: dict[tuple[str, ...], list[str]] = {}
    for relation in sorted(guard.visible_relations(), key=lambda each: each.key):
        if relation.partition_of is None:
            for columns in guard.requirements(relation):
                tables.setdefault(columns, []).append(_sql_name(relation))
    return tuple(Requirement(tables=tuple(names), columns=columns) for columns, names in tables.items())
