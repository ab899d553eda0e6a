"""The select list. In: its items and the scope that they see. Out: the outputs of a `Query`, stars written out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pg_guard.facts import expressions
from pg_guard.facts.model import ColumnUse
from pg_guard.facts.names import SYSTEM_COLUMNS
from pg_guard.facts.outputs import output_name
from pg_guard.facts.references import composite, field_names, find_qualifier
from pg_guard.facts.scopes import Base, Expr, Output, Query, Scope, SourceColumn

if TYPE_CHECKING:
    from pg_guard.facts.reader import Reader
    from pg_guard.sql.witness import Node

__all__ = ["bases", "read_targets"]


def read_targets(reader: Reader, nodes: list[Node], scope: Scope, query: Query) -> None:
    """Read the items of a select list into the outputs of `query`, and mark it as opened where they cannot be told."""
    for node in nodes:
        body = node["ResTarget"]
        value = body.get("val") or {}
        if "ColumnRef" in value and "A_Star" in value["ColumnRef"]["fields"][-1]:
            _read_star(reader, value["ColumnRef"], scope, query)
            continue
        expr = expressions.read(reader, value, scope, "output")
        if "A_Indirection" in value and "A_Star" in value["A_Indirection"]["indirection"][-1]:
            _expand_composite(reader, expr, query)
            continue
        name = body.get("name") or output_name(value)
        query.outputs.append(Output(name, expr, bases(expr)))


def _expand_composite(reader: Reader, expr: Expr, query: Query) -> None:
    """``(value).*``: the columns of a row that is known, or columns that nobody can name."""
    if expr.row is not None and expr.row.columns is not None:
        for column in expr.row.columns:
            single = Expr(column.type, (column,), column, probe=column)
            query.outputs.append(Output(column.name, single, bases(single)))
        return
    relation = composite(reader, expr.type)
    if relation is None:
        query.opened = True
        return
    for attribute in relation.columns:
        query.outputs.append(Output(attribute.name, Expr(attribute.type, expr.items), bases(expr)))


def _read_star(reader: Reader, body: Node, scope: Scope, query: Query) -> None:
    location = body.get("location", -1)
    parts = field_names(body["fields"])
    if reader.fixed_location is None:
        reader.facts.raw_columns.append(parts)
    columns: list[SourceColumn] = []
    if len(parts) == 1:
        columns = scope.columns
        opened = scope.opened
    else:
        source = find_qualifier(reader, scope, parts[:-1], location)
        if source is None:
            query.opened = True
            return
        columns = source.columns or []
        opened = [source] if source.columns is None else source.opened
    reader.spend(len(columns))
    for column in columns:
        if column.stored in SYSTEM_COLUMNS and column.source.kind == "relation":
            continue
        expr = reader.use_column(column, "output", location, star=True)
        query.outputs.append(Output(column.name, expr, bases(expr)))
    for source in opened:
        query.opened = True
        if source.relation_names:
            reader.facts.columns.append(
                ColumnUse(source.relation_names, "*", "output", reader.at(location), star=True, via=reader.via)
            )


def bases(expr: Expr) -> tuple[Base, ...]:
    """The stored columns that flow into an expression."""
    if len(expr.items) == 1 and not expr.items[0].merged:
        return expr.items[0].base or expr.items[0].flows
    found: dict[Base, None] = {}
    stack = list(expr.items)
    seen: set[int] = set()
    while stack:
        column = stack.pop()
        if id(column) not in seen:
            seen.add(id(column))
            found.update(dict.fromkeys(column.base or column.flows))
            stack.extend(column.merged)
    return tuple(found)
