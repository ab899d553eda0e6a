"""A table as a model reads it. In: a guard and a relation. Out: a few lines with what the policy permits to be seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pg_guard.catalog.spelling import quote_name, type_name

if TYPE_CHECKING:
    from collections.abc import Collection

    from pg_guard.catalog.model import Catalog, Column, ForeignKey, Name, Relation
    from pg_guard.guard import Guard

__all__ = ["TableText", "render_table"]

_MOST_COLUMNS = 120
_MOST_LABELS = 20
_MOST_COMMENT = 300


@dataclass(frozen=True, slots=True)
class TableText:
    """A table's text, and the words that it is found by."""

    name: str
    kind: str
    comment: str
    columns: tuple[str, ...]
    comments: tuple[str, ...]
    text: str

    @property
    def column_names(self) -> frozenset[str]:
        """Names of the columns that may be seen."""
        return frozenset(self.columns)


def render_table(guard: Guard, relation: Relation, seen: Collection[Name]) -> TableText:
    """Describe a relation that may be seen, as all of `seen` may: columns with types, keys, enums, comments, size, conditions."""
    assert guard.catalog is not None  # a relation comes from one
    columns = guard.visible_columns(relation)
    names = frozenset(column.name for column in columns)
    single = {key.columns[0]: key for key in relation.foreign_keys if len(key.columns) == 1}
    unique = {index[0] for index in relation.indexes if len(index) == 1}
    lines = [_head(guard, relation)]
    for column in columns[:_MOST_COLUMNS]:
        notes = [type_name(guard.catalog, column.type)]
        if relation.primary_key == (column.name,):
            notes.append("primary key")
        elif column.not_null:
            notes.append("not null")
        if column.name in unique and relation.primary_key != (column.name,):
            notes.append("indexed")
        if (key := single.get(column.name)) is not None and key.target in seen:
            notes.append(f"references {_name(guard, key.target)}({quote_name(key.target_columns[0])})")
        if labels := _labels(guard.catalog, column):
            notes.append("one of " + ", ".join(labels))
        lines.append(f"  {quote_name(column.name)} {' '.join(notes)}{_comment(column.comment)}")
    if len(columns) > _MOST_COLUMNS:
        lines.append(f"  … and {len(columns) - _MOST_COLUMNS} more columns")
    lines += _keys(guard, relation, names, seen)
    for held in guard.requirements(relation):
        what = f"held to constants by {', '.join(map(quote_name, held))}" if held else "narrowed by a condition"
        lines.append(f"  required: each use is {what}")
    return TableText(
        name=_name(guard, relation.key),
        kind=relation.kind,
        comment=_one_line(relation.comment),
        columns=tuple(column.name for column in columns),
        comments=tuple(column.comment for column in columns if column.comment),
        text="\n".join(lines),
    )


def _head(guard: Guard, relation: Relation) -> str:
    kind = {"view": "view", "matview": "view", "foreign": "table", "partitioned": "table"}.get(relation.kind, "table")
    rows = f", about {relation.rows:,.0f} rows" if relation.rows >= 0 and kind == "table" else ""
    return f"{kind} {_name(guard, relation.key)}{rows}{_comment(relation.comment)}"


def _keys(guard: Guard, relation: Relation, names: frozenset[str], seen: Collection[Name]) -> list[str]:
    """Keys of several columns, where all of them may be seen."""
    lines = []
    if len(relation.primary_key) > 1 and names.issuperset(relation.primary_key):
        lines.append(f"  primary key ({', '.join(map(quote_name, relation.primary_key))})")
    lines += [
        f"  ({', '.join(map(quote_name, key.columns))}) references {_target(guard, key)}"
        for key in relation.foreign_keys
        if len(key.columns) > 1 and names.issuperset(key.columns) and key.target in seen
    ]
    return lines


def _target(guard: Guard, key: ForeignKey) -> str:
    return f"{_name(guard, key.target)}({', '.join(map(quote_name, key.target_columns))})"


def _name(guard: Guard, name: Name) -> str:
    """As a statement may write it: without the schema where the search_path finds it."""
    if name.schema in guard.search_path:
        first = next((schema for schema in guard.search_path if _exists(guard, schema, name.name)), None)
        if first == name.schema:
            return quote_name(name.name)
    return f"{quote_name(name.schema)}.{quote_name(name.name)}"


def _exists(guard: Guard, schema: str, name: str) -> bool:
    from pg_guard.catalog.model import Name

    return guard.catalog is not None and Name(schema, name) in guard.catalog.relation_index


def _labels(catalog: Catalog, column: Column) -> list[str]:
    type_ = catalog.type_index.get(column.type)
    if type_ is None or not type_.labels:
        return []
    shown = ["'" + label.replace("'", "''") + "'" for label in type_.labels[:_MOST_LABELS]]
    return [*shown, "…"] if len(type_.labels) > _MOST_LABELS else shown


def _comment(text: str) -> str:
    line = _one_line(text)
    return f" -- {line}" if line else ""


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line[: _MOST_COMMENT - 1] + "…" if len(line) > _MOST_COMMENT else line
