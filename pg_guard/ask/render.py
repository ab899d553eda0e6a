"""A table as a model reads it. In: a guard and a relation. Out: lines with what the policy permits to be seen.

Whatever the database holds stays on its line: names, labels and comments cannot begin another one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple

from pg_guard.ask.spelling import words
from pg_guard.catalog.model import Name
from pg_guard.catalog.spelling import quote_name, type_name

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pg_guard.catalog.model import Catalog, Column, ForeignKey, Relation
    from pg_guard.guard import Guard

__all__ = ["ColumnText", "TableText", "estimate_tokens", "render_table"]

_MOST_LABELS: Final = 20
_MOST_LABEL: Final = 80
_MOST_COMMENT: Final = 300
_MOST_INDEXES: Final = 8
# What a table shows at least when it is cut: its keys and this many of its other columns.
_FIRST_COLUMNS: Final = 6
_MOST_PRUNED: Final = 24
_ASCII_PIECES = re.compile(r"[A-Za-z]+|[0-9]+|\n|[!-/:-@\[-`{-~]")


def estimate_tokens(text: str) -> int:
    """Tokens that a text has at most, about: more than the usual tokenizers make of names, so that a budget holds."""
    plain = text if text.isascii() else "".join(character for character in text if character.isascii())
    count = sum(
        -(-len(piece) // 4) if piece[0].isalpha() else -(-len(piece) // 2) for piece in _ASCII_PIECES.findall(plain)
    )
    return count + sum(1 if character < "\u0800" else 2 for character in text if not character.isascii())


class ColumnText(NamedTuple):
    """A column's line.

    Attributes:
        name: As stored.
        line: As it is told.
        key: It belongs to the primary key or to a foreign key.
        said: Stems of its name, its comment and the labels of its enum.
        tokens: Of the line, at most.
    """

    name: str
    line: str
    key: bool
    said: frozenset[str]
    tokens: int


@dataclass(frozen=True)
class TableText:
    """A table's lines, and the words that it is found by.

    Attributes:
        key: Schema and name, as stored.
        name: As SQL writes it.
        kind: As in the catalog.
        comment: On one line, cut.
        columns: Those that may be seen, in order.
        texts: Comments of the columns, and labels of their enums.
        head: The first line.
        tail: Lines after the columns: keys, indexes, what a query must carry.
    """

    key: Name
    name: str
    kind: str
    comment: str
    columns: tuple[ColumnText, ...]
    texts: tuple[str, ...]
    head: str
    tail: tuple[str, ...]

    @cached_property
    def text(self) -> str:
        """All of it."""
        return "\n".join((self.head, *(column.line for column in self.columns), *self.tail))

    @cached_property
    def tokens(self) -> int:
        """Of `text`, at most."""
        return self._frame + sum(column.tokens for column in self.columns)

    @cached_property
    def _frame(self) -> int:
        # Line breaks count: one for the head, one for each line of the tail, one for the empty line after the table.
        return estimate_tokens(self.head) + sum(estimate_tokens(line) + 1 for line in self.tail) + 2

    def speaking_of(self, known: Collection[str]) -> tuple[str, ...]:
        """Names of the columns that one of the stems stands in."""
        return tuple(column.name for column in self.columns if not column.said.isdisjoint(known))

    def pruned(self, known: Collection[str]) -> tuple[str, int]:
        """The table with its keys, the relevant columns and its first ones, and the tokens of that.

        Args:
            known: Stems that a question speaks of.
        """
        chosen = {column.name for column in self.columns if column.key}
        chosen.update(self.speaking_of(known)[:_MOST_PRUNED])
        others = [column.name for column in self.columns if column.name not in chosen]
        chosen.update(others[:_FIRST_COLUMNS])
        shown = [column for column in self.columns if column.name in chosen]
        left = len(self.columns) - len(shown)
        if not left:
            return self.text, self.tokens
        more = f"  … {left} more column{'s' if left > 1 else ''} not shown"
        lines = (self.head, *(column.line for column in shown), more, *self.tail)
        return "\n".join(lines), self._frame + sum(column.tokens for column in shown) + estimate_tokens(more) + 1


def render_table(guard: Guard, relation: Relation, seen: Mapping[Name, Sequence[Column]]) -> TableText:
    """Describe a relation: columns with types, keys, enums and comments; size, indexes, conditions that a query must carry.

    Args:
        guard: What may be seen.
        relation: One that may be.
        seen: All relations that may be seen, with the columns that may be; nothing else is named.
    """
    assert guard.catalog is not None  # a relation comes from one
    columns = seen[relation.key]
    names = frozenset(column.name for column in columns)
    keys = [key for key in sorted(relation.foreign_keys, key=_order) if _may_be_told(key, names, seen)]
    single = {key.columns[0]: key for key in reversed(keys) if len(key.columns) == 1}
    indexed = {index[0] for index in relation.indexes if len(index) == 1}
    in_keys = {*relation.primary_key, *(name for key in keys for name in key.columns)}
    shown = []
    for column in columns:
        notes = [_type(guard.catalog, column.type, seen)]
        if relation.primary_key == (column.name,):
            notes.append("primary key")
        else:
            notes += ["not null"] * column.not_null + ["indexed"] * (column.name in indexed)
        if (reference := single.get(column.name)) is not None:
            notes.append(f"references {_target(guard, reference)}")
        if labels := _labels(guard.catalog, column):
            notes.append("one of " + ", ".join(labels))
        line = f"  {_quoted(column.name)} {' '.join(notes)}{_comment(column.comment)}"
        told = (column.name, _one_line(column.comment), *_raw_labels(guard.catalog, column))
        said = frozenset(word for text in told for word in words(text))
        shown.append(ColumnText(column.name, line, column.name in in_keys, said, estimate_tokens(line) + 1))
    return TableText(
        key=relation.key,
        name=_name(guard, relation.key),
        kind=relation.kind,
        comment=_one_line(relation.comment),
        columns=tuple(shown),
        texts=tuple(
            text
            for column in columns
            for text in (_one_line(column.comment), *_raw_labels(guard.catalog, column))
            if text
        ),
        head=_head(guard, relation),
        tail=(
            *_keys(guard, relation, names, keys),
            *_indexes(relation, names),
            *_requirements(guard, relation, names),
        ),
    )


def _may_be_told(key: ForeignKey, names: Collection[str], seen: Mapping[Name, Sequence[Column]]) -> bool:
    """Are all columns of a foreign key visible, on both sides?"""
    target = {column.name for column in seen.get(key.target, ())}
    return set(key.columns) <= set(names) and set(key.target_columns) <= target


def _order(key: ForeignKey) -> tuple[tuple[str, ...], Name, tuple[str, ...]]:
    return key.columns, key.target, key.target_columns


def _head(guard: Guard, relation: Relation) -> str:
    kind = "view" if relation.kind in ("view", "matview") else "table"
    rows = f", about {relation.rows:,.0f} rows" if relation.rows >= 0 and relation.kind != "view" else ""
    return f"{kind} {_name(guard, relation.key)}{rows}{_comment(relation.comment)}"


def _keys(guard: Guard, relation: Relation, names: Collection[str], keys: Sequence[ForeignKey]) -> list[str]:
    """Keys of several columns, and second foreign keys of a column."""
    lines = []
    if len(relation.primary_key) > 1 and set(relation.primary_key) <= set(names):
        lines.append(f"  primary key ({_list(relation.primary_key)})")
    told: set[str] = set()
    for key in keys:
        if len(key.columns) == 1 and key.columns[0] not in told:
            told.add(key.columns[0])
        else:
            lines.append(f"  ({_list(key.columns)}) references {_target(guard, key)}")
    return lines


def _indexes(relation: Relation, names: Collection[str]) -> list[str]:
    """Indexes of several columns; the text of an expression might name what may not be seen, so such indexes are left out."""
    told = {
        index
        for index in relation.indexes
        if len(index) > 1 and set(index) <= set(names) and index != relation.primary_key
    }
    return [f"  index ({_list(index)})" for index in sorted(told)[:_MOST_INDEXES]]


def _requirements(guard: Guard, relation: Relation, names: Collection[str]) -> list[str]:
    lines = []
    for held in guard.requirements(relation):
        visible = [name for name in held if name in names]
        what = f"held to constants by {_list(visible)}" if visible else "narrowed by a condition"
        lines.append(f"  required: each use is {what}")
    return list(dict.fromkeys(lines))


def _target(guard: Guard, key: ForeignKey) -> str:
    return f"{_name(guard, key.target)}({_list(key.target_columns)})"


def _list(names: Sequence[str]) -> str:
    return ", ".join(map(_quoted, names))


def _name(guard: Guard, name: Name) -> str:
    """As a statement may write it: without the schema where the search_path finds it."""
    # PostgreSQL looks into pg_catalog first, unless the path names it.
    path = guard.search_path if "pg_catalog" in guard.search_path else ("pg_catalog", *guard.search_path)
    assert guard.catalog is not None
    if name.schema in path:
        first = next(schema for schema in path if Name(schema, name.name) in guard.catalog.relation_index)
        if first == name.schema:
            return _quoted(name.name)
    return f"{_quoted(name.schema)}.{_quoted(name.name)}"


def _quoted(name: str) -> str:
    """A name as SQL needs it, on one line: what cannot be printed is escaped."""
    if name.isprintable():
        return quote_name(name)
    return 'U&"' + "".join(_escaped(character) for character in name) + '"'


def _escaped(character: str) -> str:
    if not character.isprintable():
        return f"\\+{ord(character):06X}"
    return character * 2 if character in '\\"' else character


def _type(catalog: Catalog, name: Name, seen: Mapping[Name, Sequence[Column]]) -> str:
    """A column's type; the row type of a table that may not be seen would tell its name."""
    type_ = catalog.type_index.get(name)
    element = catalog.type_index.get(type_.element) if type_ is not None and type_.element is not None else type_
    if element is not None and element.relation is not None:
        relation = catalog.relation_index.get(element.relation)
        if relation is not None and relation.kind != "composite" and relation.key not in seen:
            return "record"
    told = type_name(catalog, name)
    return told if told.isprintable() else _one_line(told)


def _raw_labels(catalog: Catalog, column: Column) -> tuple[str, ...]:
    type_ = catalog.type_index.get(column.type)
    if type_ is not None and type_.element is not None:
        type_ = catalog.type_index.get(type_.element)
    return type_.labels if type_ is not None else ()


def _labels(catalog: Catalog, column: Column) -> list[str]:
    labels = _raw_labels(catalog, column)
    told = [label for label in labels if label.isprintable() and len(label) <= _MOST_LABEL][:_MOST_LABELS]
    shown = ["'" + label.replace("'", "''") + "'" for label in told]
    return [*shown, "…"] if len(labels) > len(told) else shown


def _comment(text: str) -> str:
    line = _one_line(text)
    return f" -- {line}" if line else ""


def _one_line(text: str) -> str:
    """Without line breaks and without characters that no one sees, cut."""
    line = " ".join(text.split())
    line = line if line.isprintable() else "".join(character for character in line if character.isprintable())
    return line[: _MOST_COMMENT - 1] + "…" if len(line) > _MOST_COMMENT else line
