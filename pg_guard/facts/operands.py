"""Operands of a comparison. In: an expression and its node. Out: whether it is a constant, and what it is compared with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pg_guard.facts.names import PG
from pg_guard.facts.scopes import Expr

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pg_guard.facts.scopes import Query, Source
    from pg_guard.sql.witness import Node

__all__ = [
    "as_regex",
    "collated",
    "constant_array",
    "constant_cells",
    "elements",
    "given",
    "is_constant",
    "literal",
    "rows",
    "same_constants",
    "texts",
]

_TIMES = frozenset({"date", "timestamp", "timestamptz"})
_DAYS = 4_000


def as_regex(similar: str | None) -> str | None:
    """A pattern of SIMILAR TO as a regular expression, near enough to see whether it asks for anything."""
    if similar is None:
        return None
    return re.sub(r"[.^$]", r"\\\g<0>", similar).replace("%", ".*").replace("_", ".")


def literal(node: Node) -> str | None:
    """The text of a string literal, cast or not."""
    while "TypeCast" in node:
        node = node["TypeCast"].get("arg", {})
    text = node.get("A_Const", {}).get("sval")
    return str(text.get("sval", "")) if text is not None else None


def texts(parts: Iterable[Expr]) -> frozenset[str] | None:
    """The values of constants as their texts tell them; None where one of them may be something else."""
    found = {part.value if part.exact else None for part in parts}
    return frozenset(text for text in found if text is not None) if None not in found else None


def same_constants(node: Node) -> bool:
    """``BETWEEN 1 AND 1``, also of one parameter."""
    items = [dict(item) for item in node.get("List", {}).get("items", [])]
    values = [(kind, {**body, "location": 0}) for item in items for kind, body in item.items()]
    return len(values) == 2 and values[0] == values[1] and values[0][0] in ("A_Const", "ParamRef")


def elements(array: Expr, node: Node) -> tuple[Expr, ...]:
    """What ``ANY`` compares with, one by one: the elements of a constant array, else the array as a whole."""
    while "TypeCast" in node:
        node = node["TypeCast"].get("arg", {})
    if "A_ArrayExpr" in node:
        return tuple(array._replace(value=_number_or_text(each)) for each in node["A_ArrayExpr"].get("elements", ()))
    if array.value is None or not array.value.startswith("{"):
        return (array,)
    return tuple(array._replace(value=each.strip(' "')) for each in array.value.strip("{}").split(","))


def _number_or_text(node: Node) -> str | None:
    number = node.get("A_Const", {}).get("ival")
    return str(number.get("ival", 0)) if number is not None else literal(node)


def given(value: Expr, operator: str = "=") -> tuple[Expr, ...]:
    """What a column is compared with, if no other column of a stored row decides it: a constant, now(), a CTE of bounds, a series.

    Args:
        value: The other side of the comparison.
        operator: The comparison, seen from the column.

    Returns:
        The value; of a series the end, or for equality both ends, that the comparison rests on. Nothing where rows decide it.
    """
    if not value.items:
        return (value,)
    column = value.direct or (value.probe if value.type is not None and value.type.name in _TIMES else None)
    if column is None or column.merged or any(item is not column for item in value.items):
        return ()
    source = column.source
    if source.kind == "function":
        ends = _ends(source, operator)
    else:
        query = source.query if source.cte is None else source.cte.query
        if query is None or source.relation is not None:
            return ()
        index = next((index for index, each in enumerate(source.columns or ()) if each is column), len(query.outputs))
        if index >= len(query.outputs):
            return ()
        output = query.outputs[index].expr
        if _single_row(query):
            ends = (output,)
        elif query.level is not None and all(each.kind == "function" for each in query.level.sources):
            ends = given(output, operator)
        else:
            ends = ()
    if value.direct is not None:
        return ends
    # now() + 1 is as unknown as now(), and so is what is reckoned from an end; of a long series it may be anything.
    return () if _is_long(source) else tuple(end._replace(value=None) for end in ends)


def _is_long(source: Source) -> bool:
    """Has a series of whole numbers more of them than a calendar has days?"""
    ends = dict(source.series.literals) if source.series is not None else {}
    try:
        return int(ends.get(1, "0")) - int(ends.get(0, "0")) > _DAYS
    except ValueError:
        return False


def _ends(source: Source, operator: str) -> tuple[Expr, ...]:
    """The ends of ``generate_series(a, b)`` that a comparison rests on."""
    if source.series is None:
        return ()
    ends = dict(source.series.literals)
    start, stop = (Expr(value=ends.get(index)) for index in (0, 1))
    return (stop,) if operator in ("<", "<=") else (start,) if operator in (">", ">=") else (start, stop)


def _single_row(query: Query) -> bool:
    """Has the query one row, or nothing but constants, so that to compare with it is to compare with a value?"""
    if query.kind == "values":
        return all(not output.expr.items for output in query.outputs)
    level = query.level
    return level is not None and (not level.sources or (level.has_aggregate and level.group is None))


def collated(node: Node | None) -> bool:
    """Does COLLATE or a cast that cuts (varchar(1), numeric(3, -1)) stand around the operand?"""
    while node:
        kind, body = next(iter(node.items()))
        if kind == "CollateClause":
            names = [part["String"]["sval"] for part in body.get("collname", ())]
            if names[-1] not in ("C", "POSIX", "default", "ucs_basic", "pg_c_utf8") and names[:-1] != [PG]:
                return True
        elif kind != "TypeCast":
            return False
        elif body["typeName"].get("typmods") and not is_constant(body.get("arg", {})):
            return True
        node = body.get("arg")
    return False


def constant_array(value: Expr, node: Node) -> bool:
    """``'{1,2}'`` or ``$1`` (cast or not), or ``ARRAY[1, 2]`` of constants."""
    if value.constant and value.value is not None:
        return True
    inner = node
    while "TypeCast" in inner:
        inner = inner["TypeCast"].get("arg", {})
    if "A_ArrayExpr" not in inner:
        return False
    elements = inner["A_ArrayExpr"].get("elements", [])
    return bool(elements) and all(map(is_constant, elements))


def rows(node: Node) -> list[Node]:
    """The rows on the right of a row comparison or of IN; [] where something else stands there."""
    rows = node["List"].get("items", []) if "List" in node else [node]
    return rows if rows and all("RowExpr" in row for row in rows) else []


def constant_cells(select: Node, index: int) -> bool:
    """Is every cell of this column of a VALUES a constant?"""
    rows = [row["List"].get("items", []) for row in select.get("SelectStmt", {}).get("valuesLists", ())]
    return bool(rows) and all(index < len(row) and is_constant(row[index]) for row in rows)


def is_constant(node: Node) -> bool:
    """A literal or a parameter, cast or not."""
    while "TypeCast" in node:
        node = node["TypeCast"].get("arg", {})
    return "A_Const" in node or "ParamRef" in node
