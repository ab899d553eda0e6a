"""ORDER BY, GROUP BY and their kin as written. In: one item of them. Out: a `SortUse` per expression in it."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from pg_guard.facts.linkage import first_location
from pg_guard.facts.shapes_model import SortUse
from pg_guard.facts.sides import strip_casts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pg_guard.sql.witness import Node

__all__ = ["Targets", "describe_sort"]


class Targets:
    """A select list: functions by position and by name, found once."""

    def __init__(self, nodes: list[Node]) -> None:
        self._nodes = nodes

    def at(self, index: int) -> Node:
        """The expression at a position, from 0; {} when there is none."""
        return self._nodes[index]["ResTarget"].get("val", {}) if 0 <= index < len(self._nodes) else {}

    @cached_property
    def functions(self) -> dict[str, str | None]:
        """By the name that AS gives, the function that the expression is a call of."""
        named = ((each["ResTarget"].get("name"), each["ResTarget"].get("val", {})) for each in self._nodes)
        return {name: _named(value)[1] for name, value in named if name is not None}


def describe_sort(entry: Node, use: str, targets: Targets, *, limited: bool) -> Iterator[tuple[Node, SortUse]]:
    """What an item sorts or groups by, with the node of each expression.

    Args:
        use: See `SortUse`.
        targets: The select list, which positions and names may stand for.
        limited: The SELECT has a LIMIT.
    """
    kind, body = next(iter(entry.items()))
    if kind in ("GroupingSet", "RowExpr", "List"):
        for inner in body.get("content") or body.get("args") or body.get("items") or ():
            yield from describe_sort(inner, use, targets, limited=limited)
        return
    node = body.get("node", {}) if kind == "SortBy" else entry
    constant = strip_casts(node).get("A_Const")
    by, column, function = "expression", None, None
    if constant is not None:
        positional = use in ("order", "group", "distinct") and "ival" in constant and "A_Const" in node
        by = "position" if positional else "constant"
        if positional:
            index = int(constant["ival"].get("ival", 0)) - 1
            column, function = _named(targets.at(index))
    elif "ColumnRef" in node:
        by = "column"
        column = _named(node)[0]
        function = targets.functions.get(column) if column is not None else None
    else:
        function = _named(node)[1]
    descending = kind == "SortBy" and body.get("sortby_dir") == "SORTBY_DESC"
    yield node, SortUse(by, use, first_location(node), function, column, descending, limited)


def _named(node: Node) -> tuple[str | None, str | None]:
    """Column and function that an expression is, each when it is one."""
    if "ColumnRef" in node:
        last = node["ColumnRef"]["fields"][-1]
        return (last["String"]["sval"] if "String" in last else None), None
    if "FuncCall" in node:
        return None, node["FuncCall"]["funcname"][-1]["String"]["sval"]
    return None, None
