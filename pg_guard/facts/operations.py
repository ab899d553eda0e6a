"""Operators as written. In: the body of an A_Expr. Out: an `OperatorUse`, and the columns that it lets no NULL pass of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pg_guard.facts.repeats import same
from pg_guard.facts.shapes_model import Operand, OperatorUse
from pg_guard.facts.sides import Sizes, describe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pg_guard.facts.details import Details
    from pg_guard.facts.model import Use
    from pg_guard.facts.scopes import SourceColumn
    from pg_guard.sql.witness import Node

__all__ = ["describe_operation", "is_equality", "rejects_null"]

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
    items = 1
    low: Operand | None = None
    if kind == "in":
        inverse, name = name == "<>", "="
        items = len(right_node.get("List", {}).get("items", ()))
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
    return OperatorUse(
        name,
        kind,
        inverse != negated,
        left,
        describe(details, sizes, right_node) if right_node else Operand("expression"),
        use,
        body.get("location", -1),
        low,
        items,
        bool(left_node) and kind != "in" and same(left_node or {}, right_node),
    )


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
