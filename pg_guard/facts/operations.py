"""Operators as written. In: the body of an A_Expr. Out: an `OperatorUse`, and the columns that it lets no NULL pass of."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pg_guard.facts.repeats import same
from pg_guard.facts.shapes_model import Operand, OperatorUse
from pg_guard.facts.sides import Sizes, describe, strip_casts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pg_guard.facts.details import Details
    from pg_guard.facts.model import Use
    from pg_guard.facts.scopes import Level, SourceColumn
    from pg_guard.sql.witness import Node

__all__ = ["describe_operation", "is_equality", "looks_up", "rejects_null"]

# Comparisons that are never true of NULL.
_STRICT = frozenset(
    {"=", "<>", "!=", "<", ">", "<=", ">=", "~~", "~~*", "~", "~*", "!~~", "!~~*", "!~", "!~*", "BETWEEN"}
)
_STRICT_KINDS = frozenset(
    {"AEXPR_OP", "AEXPR_IN", "AEXPR_LIKE", "AEXPR_ILIKE", "AEXPR_BETWEEN", "AEXPR_OP_ANY", "AEXPR_SIMILAR"}
)
_KIND_NAMES = {
    "AEXPR_OP": "operator", "AEXPR_OP_ANY": "any", "AEXPR_OP_ALL": "all", "AEXPR_DISTINCT": "distinct",
    "AEXPR_NOT_DISTINCT": "distinct", "AEXPR_NULLIF": "nullif", "AEXPR_IN": "in", "AEXPR_LIKE": "like", "AEXPR_ILIKE": "like",
    "AEXPR_SIMILAR": "similar", "AEXPR_BETWEEN": "between", "AEXPR_NOT_BETWEEN": "between", "AEXPR_BETWEEN_SYM": "between",
    "AEXPR_NOT_BETWEEN_SYM": "between",
}  # fmt: skip


def describe_operation(details: Details, sizes: Sizes, body: Node, use: Use, *, negated: bool) -> OperatorUse:
    """What the body of an A_Expr is; its place is that of the node.

    Args:
        use: The clause that it stands in.
        negated: NOT stands right before it.
    """
    names = body.get("name", [])
    name = names[-1]["String"]["sval"] if names else ""
    written = body.get("kind", "AEXPR_OP")
    kind = _KIND_NAMES.get(written, "operator")
    left_node, right_node = body.get("lexpr"), body.get("rexpr") or {}
    inverse = "NOT_BETWEEN" in written or (kind == "distinct" and written == "AEXPR_NOT_DISTINCT")
    items, null_item = 1, False
    low: Operand | None = None
    if kind == "in":
        inverse, name = name == "<>", "="
        listed = right_node.get("List", {}).get("items", [])
        items, null_item = len(listed), any(strip_casts(each).get("A_Const", {}).get("isnull") for each in listed)
    elif kind in ("like", "similar") or name in ("!~", "!~*"):
        inverse, name = name.startswith("!"), name.removeprefix("!")
    elif kind == "between":
        name = "between"
        bounds = right_node.get("List", {}).get("items", [])
        low = describe(details, sizes, bounds[0]) if len(bounds) == 2 else None
        right_node = bounds[1] if len(bounds) == 2 else right_node
    elif kind == "distinct":
        name = "distinct"
    if kind == "similar":
        # The grammar writes its pattern as a call.
        name, args = "similar", right_node.get("FuncCall", {}).get("args", [])
        right_node = args[0] if args else right_node
    left = describe(details, sizes, left_node) if left_node else None
    right = describe(details, sizes, right_node) if right_node else Operand("expression")
    return OperatorUse(
        name,
        kind,
        inverse != negated,
        left,
        right,
        use,
        body.get("location", -1),
        low,
        items,
        null_item,
        low is not None and "SYM" not in written and _above(low.literal, right.literal),
        _has_wildcard(right.literal) if kind == "like" else None,
        _is_anchored(name, right.literal),
        bool(left_node) and kind != "in" and same(left_node or {}, right_node),
    )


def _has_wildcard(pattern: str | None) -> bool | None:
    return None if pattern is None else "%" in pattern or "_" in pattern


_FIXED_START = {
    "~~": re.compile(r"[^%_]"),
    "~~*": re.compile(r"[^%_]"),
    "similar": re.compile(r"[^%_(\[|*+?{]"),
    "~": re.compile(r"\^[^.(\[|*+?{\\$^][^|]*$"),
    "~*": re.compile(r"\^[^.(\[|*+?{\\$^][^|]*$"),
}


def _is_anchored(name: str, pattern: str | None) -> bool | None:
    """Does a constant pattern begin with plain text?"""
    start = _FIXED_START.get(name)
    return None if start is None or pattern is None else not pattern or start.match(pattern) is not None


_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def _above(low: str | None, high: str | None) -> bool:
    """Is one bound above the other, as far as numbers and dates written alike can tell?"""
    if low is None or high is None:
        return False
    if _DATE.match(low) and _DATE.match(high):
        return low[:10] > high[:10]
    try:
        return float(low) > float(high)
    except ValueError:
        return False


def rejects_null(details: Details, node: Node) -> Iterator[SourceColumn]:
    """Columns of which a condition is never true when they are NULL."""
    operands: list[Node] = []
    if "A_Expr" in node:
        body = node["A_Expr"]
        name = body["name"][-1]["String"]["sval"] if body.get("name") else ""
        if body.get("kind", "AEXPR_OP") in _STRICT_KINDS and name in _STRICT:
            operands = [body.get("lexpr", {}), body.get("rexpr", {})]
    elif "NullTest" in node and node["NullTest"].get("nulltesttype") == "IS_NOT_NULL":
        operands = [node["NullTest"].get("arg", {})]
    elif "SubLink" in node and node["SubLink"].get("subLinkType") == "ANY_SUBLINK":
        operands = [node["SubLink"].get("testexpr", {})]
    for operand in operands:
        value = details.expr(operand["ColumnRef"]) if "ColumnRef" in operand else None
        if value is not None and value.direct is not None:
            column = value.direct
            while len(column.merged) == 1:
                column = column.merged[0]
            yield column


def is_equality(node: Node) -> bool:
    """Is it ``a = b``?"""
    body = node.get("A_Expr", {})
    names = body.get("name", [])
    return body.get("kind") == "AEXPR_OP" and bool(names) and names[-1]["String"]["sval"] == "="


def looks_up(details: Details, node: Node, level: Level) -> bool:
    """Is a side of ``a = b`` a column of this level that leads an index?"""
    for side in ("lexpr", "rexpr"):
        operand = node["A_Expr"].get(side, {})
        value = details.expr(operand["ColumnRef"]) if "ColumnRef" in operand else None
        column = value.direct if value is not None else None
        if column is None or column.source.level is not level or column.source.relation is None:
            continue
        if any(keys[:1] == (column.stored,) for keys in column.source.relation.indexes):
            return True
    return False
