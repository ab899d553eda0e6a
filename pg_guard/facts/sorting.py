"""GROUP BY, ORDER BY and DISTINCT ON. In: their items and a level's outputs. Out: facts, and the expressions that are meant.

A position or a name may stand for an output column: findTargetlistEntrySQL92 in src/backend/parser/parse_clause.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pg_guard.catalog.model import Name
from pg_guard.facts import expressions, implicit, operators
from pg_guard.facts.names import PG
from pg_guard.facts.references import field_names
from pg_guard.facts.scopes import Expr, Output, Scope

if TYPE_CHECKING:
    from pg_guard.facts.model import Use
    from pg_guard.facts.reader import Reader
    from pg_guard.sql.witness import Node

__all__ = ["read_group", "read_sort"]


def read_group(reader: Reader, nodes: list[Node], scope: Scope, outputs: list[Output]) -> list[Expr]:
    """Read GROUP BY; returns what is grouped by, without what stands in grouping sets."""
    found: list[Expr] = []
    for node in nodes:
        kind, body = next(iter(node.items()))
        if kind == "GroupingSet":
            # Rows of several groupings are mixed, so no column holds for all of them.
            read_group(reader, body.get("content", []), scope, outputs)
            continue
        if kind == "RowExpr":
            found += read_group(reader, body.get("args", []), scope, outputs)
            continue
        if kind == "List":
            found += read_group(reader, body.get("items", []), scope, outputs)
            continue
        position = _position(node, outputs)
        if position is not None:
            found.append(position)
            continue
        name = _bare_name(node)
        # A bare name is a column of FROM first, an output second: the reverse of ORDER BY.
        if name is not None and not _visible(scope, name) and (output := _output(outputs, name)):
            reader.facts.raw_columns.append((name,))
            found.append(output.expr)
            continue
        found.append(expressions.read(reader, node, scope, "group"))
    implicit.use_comparison(reader, found)
    return found


def read_sort(reader: Reader, nodes: list[Node] | None, scope: Scope, outputs: list[Output], use: Use) -> list[Expr]:
    """Read ORDER BY or DISTINCT ON; returns what is sorted by."""
    found: list[Expr] = []
    for entry in nodes or ():
        node = entry["SortBy"]["node"] if "SortBy" in entry else entry
        position = _position(node, outputs)
        name = _bare_name(node)
        if position is not None:
            found.append(position)
        elif name is not None and (output := _output(outputs, name)):
            if reader.fixed_location is None:
                reader.facts.raw_columns.append((name,))
            found.append(output.expr)
        else:
            found.append(expressions.read(reader, node, scope, use))
        if "SortBy" in entry and entry["SortBy"].get("useOp"):
            sort = entry["SortBy"]
            operators.use_operator(reader, sort["useOp"], found[-1], found[-1], sort.get("location", -1))
    implicit.use_comparison(reader, found)
    return found


def _position(node: Node, outputs: list[Output]) -> Expr | None:
    """``ORDER BY 2``: the output at that place."""
    constant = node.get("A_Const")
    if constant is None or "ival" not in constant:
        return None
    index = int(constant["ival"].get("ival", 0)) - 1
    return outputs[index].expr if 0 <= index < len(outputs) else Expr(Name(PG, "int4"))


def _bare_name(node: Node) -> str | None:
    if "ColumnRef" not in node:
        return None
    parts = field_names(node["ColumnRef"]["fields"])
    return parts[0] if len(parts) == 1 and parts[0] != "*" else None


def _output(outputs: list[Output], name: str) -> Output | None:
    return next((output for output in outputs if output.name == name), None)


def _visible(scope: Scope, name: str) -> bool:
    return bool(scope.opened) or any(column.name == name for column in scope.columns)
