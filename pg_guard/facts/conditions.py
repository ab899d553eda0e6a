"""Conditions. In: the node of a WHERE or an ON. Out: facts recorded once, and the conditions that the prover works on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pg_guard.facts import calls, expressions
from pg_guard.facts.predicates import Condition, Equal, Held, InQuery, Or, Restricts, query_is_narrow

if TYPE_CHECKING:
    from pg_guard.facts.model import Use
    from pg_guard.facts.reader import Reader
    from pg_guard.facts.scopes import Expr, Scope
    from pg_guard.sql.witness import Node

__all__ = ["read_condition"]

_NARROWING = frozenset({"=", "<", ">", "<=", ">=", "~~", "~~*", "~", "~*", "@>", "<@", "&&", "@@", "?", "?|", "?&", "@?", "^@", "<<", ">>", "<<=", ">>="})  # fmt: skip
_FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
_ALL_PATTERN = re.compile(r"%*|\.\*|\^?(\.\*)?\$?")
_EARLY = re.compile(r"-infinity|epoch|(0|1[0-8]|190|19[0-6])\d*-|1970-01-01.*", re.IGNORECASE)
_LATE = re.compile(r"infinity|(2[1-9]\d\d|[3-9]\d{3}|\d{5,})-.*", re.IGNORECASE)


def read_condition(reader: Reader, node: Node | None, scope: Scope, use: Use) -> list[Condition]:
    """Read a boolean expression; the result holds for every row that it accepts.

    Raises:
        TooDeep: The depth budget is used up.
    """
    if not node:
        return []
    kind, body = next(iter(node.items()))
    if kind == "BoolExpr" and body.get("boolop", "AND_EXPR") in ("AND_EXPR", "OR_EXPR"):
        reader.enter(body.get("location", -1))
        try:
            branches = [read_condition(reader, arg, scope, use) for arg in body.get("args", ())]
        finally:
            reader.leave()
        if body.get("boolop", "AND_EXPR") == "AND_EXPR":
            return [condition for branch in branches for condition in branch]
        return [Or(tuple(tuple(branch) for branch in branches))]
    if kind == "A_Expr":
        return _read_comparison(reader, body, node, scope, use)
    if kind == "SubLink":
        return _read_sublink(reader, body, node, scope, use)
    value = expressions.read(reader, node, scope, use)
    if (
        kind == "NullTest"
        and body.get("nulltesttype", "IS_NULL") == "IS_NULL"
        and value.items
        and len(value.items) == 1
    ):
        return [Restricts(value.items[0])]
    if kind == "ColumnRef" and value.direct is not None:
        return [Restricts(value.direct)]
    negated = body.get("args", [{}])[0] if kind == "BoolExpr" else {}
    if "ColumnRef" in negated and len(value.items) == 1:
        return [Restricts(value.items[0])]
    return []


def _read_comparison(reader: Reader, body: Node, node: Node, scope: Scope, use: Use) -> list[Condition]:
    kind = body.get("kind", "AEXPR_OP")
    if kind not in ("AEXPR_OP", "AEXPR_IN", "AEXPR_OP_ANY", "AEXPR_NOT_DISTINCT", "AEXPR_BETWEEN", "AEXPR_BETWEEN_SYM", "AEXPR_LIKE", "AEXPR_ILIKE"):  # fmt: skip
        expressions.read(reader, node, scope, use)
        return []
    left_node, right_node = body.get("lexpr"), body.get("rexpr")
    if left_node and right_node and "RowExpr" in left_node and "RowExpr" in right_node:
        return _read_rows(reader, body, scope, use)
    left = expressions.read(reader, left_node, scope, use) if left_node else None
    parts: tuple[Expr, ...]
    if right_node and "List" in right_node:
        parts = expressions.read_all(reader, right_node["List"].get("items"), scope, use)
        reader.facts.lists.append((len(parts), reader.at(body.get("location", -1))))
    else:
        parts = (expressions.read(reader, right_node, scope, use),)
    right = (
        parts[0]
        if len(parts) == 1
        else expressions.merge(parts)._replace(constant=all(part.constant for part in parts))
    )
    if "BETWEEN" in kind or kind in ("AEXPR_OP_ANY",):
        calls.combine(reader, body, left, right)
        operator = body.get("name", [{}])[-1].get("String", {}).get("sval", "")
    else:
        for part in parts:
            operator, _ = calls.use_operator(reader, body.get("name", []), left, part, body.get("location", -1))
    if left is None:
        return []
    names = [{"String": {"sval": "<="}}] if "BETWEEN" in kind else body.get("name", [])
    if not all(calls.is_builtin(reader, names, left, _compared(reader, kind, part)) for part in parts):
        return []
    return _conclude(kind, operator, left, right, parts, right_node or {})


def _compared(reader: Reader, kind: str, right: Expr) -> Expr:
    """What ``=`` sees of the right side: an element, where ANY goes through an array."""
    return right._replace(type=calls.element_type(reader, right.type)) if kind == "AEXPR_OP_ANY" else right


def _conclude(
    kind: str, operator: str, left: Expr, right: Expr, parts: tuple[Expr, ...], right_node: Node
) -> list[Condition]:
    found: list[Condition] = []
    equality = operator == "=" and kind in ("AEXPR_OP", "AEXPR_IN", "AEXPR_OP_ANY", "AEXPR_NOT_DISTINCT")
    if equality:
        if kind == "AEXPR_OP" and left.direct and right.direct and left.direct is not right.direct:
            found.append(Equal(left.direct, right.direct))
        array = kind == "AEXPR_OP_ANY"
        for one, other, node in ((left, right, right_node), (right, left, {})):
            if one.direct is None:
                continue
            constant = _constant_array(other, node) if array else other.constant and other.value is not None
            if constant and (kind != "AEXPR_IN" or all(part.constant for part in parts)):
                found.append(Held(one.direct))
            if array or kind == "AEXPR_IN":
                break
    if kind in ("AEXPR_BETWEEN", "AEXPR_BETWEEN_SYM"):
        if left.probe is not None and all(not part.items for part in parts) and not _is_wide(parts):
            found.append(Restricts(left.probe))
        return found
    if operator not in _NARROWING:
        return found
    for one, other, flipped in ((left, right, False), (right, left, True)):
        if one.probe is None or other.items:
            continue
        seen_as = _FLIPPED.get(operator, operator) if flipped else operator
        if not _is_tautology(seen_as, other):
            found.append(Restricts(one.probe))
    return found


def _constant_array(value: Expr, node: Node) -> bool:
    """``'{1,2}'`` or ``$1`` (cast or not), or ``ARRAY[1, 2]`` of constants."""
    if value.constant and value.value is not None:
        return True
    inner = node
    while "TypeCast" in inner:
        inner = inner["TypeCast"].get("arg", {})
    if "A_ArrayExpr" not in inner:
        return False
    elements = inner["A_ArrayExpr"].get("elements", [])
    return bool(elements) and all("A_Const" in each or "ParamRef" in each for each in elements)


def _is_tautology(operator: str, constant: Expr) -> bool:
    """Comparisons that are written to be always true: ``id > 0``, ``name LIKE '%'``, ``at > '1900-01-01'``."""
    value = constant.value
    if value is None:
        return False
    if operator in ("~~", "~~*", "~", "~*"):
        return _ALL_PATTERN.fullmatch(value) is not None
    if operator in (">", ">="):
        return _number(value) <= 1 or _EARLY.match(value) is not None
    if operator in ("<", "<="):
        return _number(value, high=True) >= 1_000_000 or _LATE.match(value) is not None
    return False


def _is_wide(bounds: tuple[Expr, ...]) -> bool:
    if len(bounds) != 2:
        return True
    return _is_tautology(">=", bounds[0]) and _is_tautology("<=", bounds[1])


def _number(value: str, *, high: bool = False) -> float:
    try:
        return float(value.replace("+", ""))
    except ValueError:
        # No number: neither bound is a tautology by it.
        return float("-inf") if high else float("inf")


def _read_rows(reader: Reader, body: Node, scope: Scope, use: Use) -> list[Condition]:
    """``(a, b) = (1, 2)`` is a conjunction of its pairs."""
    lefts = body["lexpr"]["RowExpr"].get("args", [])
    rights = body["rexpr"]["RowExpr"].get("args", [])
    one = expressions.read_all(reader, lefts, scope, use)
    other = expressions.read_all(reader, rights, scope, use)
    names = body.get("name", [])
    found: list[Condition] = []
    for left, right in zip(one, other, strict=False):
        operator, _ = calls.use_operator(reader, names, left, right, body.get("location", -1))
        if (
            operator == "="
            and body.get("kind", "AEXPR_OP") == "AEXPR_OP"
            and calls.is_builtin(reader, names, left, right)
        ):
            found += _conclude("AEXPR_OP", "=", left, right, (right,), {})
    return found


def _read_sublink(reader: Reader, body: Node, node: Node, scope: Scope, use: Use) -> list[Condition]:
    from pg_guard.facts import queries

    kind = body.get("subLinkType", "EXISTS_SUBLINK")
    if kind not in ("ANY_SUBLINK", "EXISTS_SUBLINK") or (kind == "ANY_SUBLINK" and body.get("operName")):
        expressions.read(reader, node, scope, use)
        return []
    reader.enter(body.get("location", -1))
    try:
        test_node = body.get("testexpr")
        if test_node and "RowExpr" in test_node:
            tests = expressions.read_all(reader, test_node["RowExpr"].get("args"), scope, use)
        else:
            tests = (expressions.read(reader, test_node, scope, use),) if test_node else ()
        query = queries.read_query(reader, body["subselect"], scope)
    finally:
        reader.leave()
    found: list[Condition] = []
    for index, test in enumerate(tests):
        if index < len(query.outputs):
            equals = [{"String": {"sval": "="}}]
            calls.use_operator(reader, equals, test, query.outputs[index].expr, body.get("location", -1))
        if test.direct is not None:
            found.append(InQuery(test.direct, query, index))
    if kind == "EXISTS_SUBLINK" and query.level is not None and query_is_narrow(query):
        # A correlated EXISTS over a narrowed query narrows the outer scan that it is correlated with.
        inside = set(map(id, query.level.sources))
        for condition, _ in query.level.conditions:
            if isinstance(condition, Equal):
                for one, other in ((condition.left, condition.right), (condition.right, condition.left)):
                    if id(one.source) not in inside and id(other.source) in inside:
                        found.append(Restricts(one))
    return found
