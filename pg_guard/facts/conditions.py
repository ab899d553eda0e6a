"""Conditions. In: the node of a WHERE or an ON. Out: facts recorded once, and the conditions that the prover works on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pg_guard.facts import expressions, implicit, operands, operators
from pg_guard.facts.formula import Condition, Equal, Held, InQuery, Matches, Or, Restricts
from pg_guard.facts.names import PG
from pg_guard.facts.narrowing import query_is_narrow
from pg_guard.facts.scopes import Expr
from pg_guard.facts.spans import Span, takes_all
from pg_guard.facts.subselects import closed, has_sublink, independent
from pg_guard.facts.tautologies import is_tautology, is_wide
from pg_guard.facts.validity import keep_values

if TYPE_CHECKING:
    from pg_guard.facts.model import Use
    from pg_guard.facts.reader import Reader
    from pg_guard.facts.scopes import Query, Scope, SourceColumn
    from pg_guard.sql.witness import Node

__all__ = ["read_condition"]

_NARROWING = frozenset(
    {
        "=", "<", ">", "<=", ">=", "~~", "~~*", "~", "~*", "@>", "<@", "&&", "@@", "?", "?|", "?&", "@?", "^@", "<<", ">>",
        "<<=", ">>=",
    }
)  # fmt: skip
# Functions that are true or false of their first argument, as an operator would be.
_TESTS = {
    "starts_with": "^@", "regexp_like": "~", "overlaps": "", "jsonb_path_exists": "@?", "jsonb_path_exists_tz": "@?",
    "jsonb_path_match": "@@", "jsonb_exists": "?", "jsonb_exists_any": "?|", "jsonb_exists_all": "?&", "jsonb_contains": "@>",
    "ts_match_vq": "@@",
}  # fmt: skip
_KINDS = frozenset(
    {
        "AEXPR_OP", "AEXPR_IN", "AEXPR_OP_ANY", "AEXPR_NOT_DISTINCT", "AEXPR_BETWEEN", "AEXPR_BETWEEN_SYM", "AEXPR_LIKE",
        "AEXPR_ILIKE", "AEXPR_SIMILAR",
    }
)  # fmt: skip
_FLIPPED = {
    "<": ">", ">": "<", "<=": ">=", ">=": "<=", "@>": "<@", "<@": "@>", "<<": ">>", ">>": "<<", "<<=": ">>=", ">>=": "<<=",
}  # fmt: skip
_SIDES = {"<": "<", "<=": "<", ">": ">", ">=": ">"}


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
    if kind == "BooleanTest" and body.get("booltesttype", "IS_TRUE") == "IS_TRUE":
        reader.enter(body.get("location", -1))
        try:
            return read_condition(reader, body.get("arg"), scope, use)
        finally:
            reader.leave()
    if kind == "NullTest" and body.get("nulltesttype") == "IS_NOT_NULL" and _looks_into(body.get("arg", {})):
        # As ``payload ? 'sku'``: hardly any key stands in every row.
        part = expressions.read(reader, body["arg"], scope, use)
        return [Restricts(part.probe)] if part.probe is not None else []
    value = expressions.read(reader, node, scope, use)
    if (
        kind == "NullTest"
        and body.get("nulltesttype", "IS_NULL") == "IS_NULL"
        and value.items
        and len(value.items) == 1
    ):
        return [Restricts(value.items[0], strict=False)]
    if kind == "FuncCall":
        return _conclude_test(body, value)
    if kind == "TypeCast" and value.probe is not None and _looks_into(body.get("arg", {})):
        return [Restricts(value.probe)]
    if kind == "ColumnRef" and value.direct is not None:
        return [Restricts(value.direct)]
    negated = body.get("args", [{}])[0] if kind == "BoolExpr" else {}
    if "ColumnRef" in negated and len(value.items) == 1:
        return [Restricts(value.items[0])]
    return []


def _looks_into(node: Node) -> bool:
    """``payload ->> 'sku'`` and the like: a part of a document, by constant keys."""
    body = node.get("A_Expr", {})
    operator = operators.operator_name(body.get("name", []))[1] if body.get("name") else ""
    return operator in ("->", "->>", "#>", "#>>") and operands.is_constant(body.get("rexpr", {}))


def _conclude_test(body: Node, value: Expr) -> list[Condition]:
    """``starts_with(path, '/shop')`` and the like, with nothing but constants beside one column."""
    names = [part["String"]["sval"] for part in body["funcname"]]
    columns = dict.fromkeys(value.items)
    if names[-1] not in _TESTS or (len(names) > 1 and names[-2] != PG):
        return []
    if len({column.source for column in columns}) != 1 or "ColumnRef" not in body["args"][0]:
        return []
    if len(columns) > 1 and names[-1] != "overlaps":
        return []
    pattern = operands.literal(body["args"][1]) if len(body["args"]) > 1 else None
    operator = _TESTS[names[-1]]
    if pattern is not None and is_tautology(operator, Expr(value=pattern)):
        return []
    return [Restricts(next(iter(columns)), strict=False)]


def _read_comparison(reader: Reader, body: Node, node: Node, scope: Scope, use: Use) -> list[Condition]:
    kind = body.get("kind", "AEXPR_OP")
    if kind not in _KINDS:
        expressions.read(reader, node, scope, use)
        return []
    left_node, right_node = body.get("lexpr"), body.get("rexpr") or {}
    if left_node and "RowExpr" in left_node and (rows := operands.rows(right_node)):
        return _read_rows(reader, body, rows, scope, use)
    left = expressions.read(reader, left_node, scope, use) if left_node else None
    parts: tuple[Expr, ...]
    if "List" in right_node:
        parts = expressions.read_all(reader, right_node["List"].get("items"), scope, use)
        reader.facts.lists.append((len(parts), reader.at(body.get("location", -1))))
    else:
        parts = (expressions.read(reader, right_node, scope, use),)
    right = parts[0] if len(parts) == 1 else expressions.merge(parts)
    if "BETWEEN" in kind:
        # Each bound is compared by its own type.
        for name in ("<=", ">="):
            for part in parts:
                operators.apply_operator(reader, None, name, left, part, body.get("location", -1))
        operator = "BETWEEN"
    elif kind == "AEXPR_OP_ANY":
        operators.combine(reader, body, left, right)
        operator = operators.operator_name(body.get("name", []))[1]
    else:
        for part in parts:
            operator, _ = operators.use_operator(reader, body.get("name", []), left, part, body.get("location", -1))
    if left is None:
        return []
    names = [{"String": {"sval": "<="}}] if "BETWEEN" in kind else body.get("name", [])
    if not all(operators.is_builtin(reader, names, left, _compared(reader, kind, part)) for part in parts):
        return []
    if kind == "AEXPR_SIMILAR":
        pattern = right_node["FuncCall"]["args"][0] if "FuncCall" in right_node else {}
        parts = (right._replace(value=operands.as_regex(operands.literal(pattern))),)
    else:
        columns = (*left.items, *(item for part in parts for item in part.items))
        left = _settle(reader, left_node, left, columns, scope)
        items = right_node["List"].get("items", []) if "List" in right_node else [right_node]
        parts = tuple(_settle(reader, each, part, columns, scope) for each, part in zip(items, parts, strict=True))
    equal = (
        operator in ("=", "BETWEEN")
        and keep_values(left.type, *(part.type for part in parts))
        and not (operands.collated(left_node) or operands.collated(right_node))
    )
    return _conclude(kind, operator, left, parts, right_node, equal=equal)


def _settle(reader: Reader, node: Node | None, value: Expr, columns: tuple[SourceColumn, ...], scope: Scope) -> Expr:
    """Tell scalar sub-selects apart: one that reads nothing of this level is a single value, any other depends on the row.

    Args:
        columns: What stands for the columns that such a one may read.
    """
    if not node or not has_sublink(node):
        return value
    return value._replace(items=() if independent(reader, node, scope) else columns)


def _compared(reader: Reader, kind: str, right: Expr) -> Expr:
    """What ``=`` sees of the right side: an element, where ANY goes through an array."""
    return right._replace(type=operators.element_type(reader, right.type)) if kind == "AEXPR_OP_ANY" else right


def _conclude(
    kind: str, operator: str, left: Expr, parts: tuple[Expr, ...], right_node: Node, *, equal: bool
) -> list[Condition]:
    """What ``left operator parts`` shows.

    Args:
        parts: The right side; the items of a list, the bounds of BETWEEN.
        equal: The operator is equality, and equal values are the same value.
    """
    if kind in ("AEXPR_BETWEEN", "AEXPR_BETWEEN_SYM"):
        if left.direct is not None and equal and operands.same_constants(right_node):
            return [Held(left.direct, operands.texts(parts))]
        if left.probe is None or not all(operands.given(part, "BETWEEN") for part in parts) or is_wide(parts):
            return []
        whole = left.span is not None and takes_all(left.span, "BETWEEN", [part.value for part in parts])
        return [] if whole else [Restricts(left.probe, strict=not left.lax)]
    found: list[Condition] = []
    single = parts[0] if len(parts) == 1 and kind != "AEXPR_OP_ANY" else None
    if equal:
        if left.direct is not None and _all_constant(kind, parts, right_node):
            several = kind == "AEXPR_OP_ANY"
            found.append(Held(left.direct, None if several else operands.texts(parts)))
        elif single is not None and kind != "AEXPR_NOT_DISTINCT" and single.direct is not None:
            if left.constant and left.value is not None:
                found.append(Held(single.direct, operands.texts((left,))))
            elif left.query is not None:
                found.append(InQuery(single.direct, left.query, 0))
            elif left.direct is not None and left.direct is not single.direct:
                found.append(Equal(left.direct, single.direct))
        elif (
            single is not None and kind != "AEXPR_NOT_DISTINCT" and single.query is not None and left.direct is not None
        ):
            found.append(InQuery(left.direct, single.query, 0))
    if operator not in _NARROWING or (single is None and kind not in ("AEXPR_IN", "AEXPR_OP_ANY")):
        return found
    strict = kind != "AEXPR_NOT_DISTINCT"
    if single is None:
        bounds = parts if kind == "AEXPR_IN" else operands.elements(parts[0], right_node)
        if left.probe is not None and not any(part.items or is_tautology(operator, part) for part in bounds):
            whole = left.span is not None and _any_takes_all(left.span, kind, operator, [part.value for part in bounds])
            found += [] if whole else [Restricts(left.probe, strict=not left.lax)]
        return found
    for one, other, flipped in ((left, single, False), (single, left, True)):
        seen_as = _FLIPPED.get(operator, operator) if flipped else operator
        bounds = operands.given(other, seen_as)
        if one.probe is not None and bounds and not _takes_all(one, seen_as, bounds):
            found.append(Restricts(one.probe, strict and not one.lax, _SIDES.get(seen_as, ""), bounds[0].value))
    return found


def _any_takes_all(span: Span, kind: str, operator: str, values: list[str | None]) -> bool:
    """Is IN, or a comparison with ``ANY``, true of the whole span? An array that is computed may hold all of it."""
    if kind == "AEXPR_OP_ANY" and values == [None]:
        return True
    return takes_all(span, operator, values) or any(takes_all(span, operator, [value]) for value in values)


def _takes_all(one: Expr, operator: str, bounds: tuple[Expr, ...]) -> bool:
    """Is ``one operator bound`` always true, as far as its text tells? Of two bounds, between which it lies, both count."""
    if len(bounds) == 2:
        return is_tautology(">=", bounds[0]) and is_tautology("<=", bounds[1])
    (bound,) = bounds
    if one.span is not None and bound.value is not None:
        return takes_all(one.span, operator, [bound.value])
    # What a function cuts out of a text may be nothing in every row.
    return is_tautology(operator, bound) or (bound.value == "" and one.direct is None)


def _all_constant(kind: str, parts: tuple[Expr, ...], right_node: Node) -> bool:
    if kind == "AEXPR_OP_ANY":
        return operands.constant_array(parts[0], right_node)
    if kind == "AEXPR_NOT_DISTINCT":
        # A parameter may be NULL, and NULL is what an outer join puts where other rows did not match.
        return parts[0].constant and parts[0].value not in (None, "$")
    return all(part.constant for part in parts) and any(part.value is not None for part in parts)


def _read_rows(reader: Reader, body: Node, rows: list[Node], scope: Scope, use: Use) -> list[Condition]:
    """``(a, b) = (1, 2)`` is a conjunction of its pairs, ``IN`` a disjunction of rows; of an order the first pair counts."""
    kind, names, location = body.get("kind", "AEXPR_OP"), body.get("name", []), body.get("location", -1)
    lefts = expressions.read_all(reader, body["lexpr"]["RowExpr"].get("args"), scope, use)
    rights = [expressions.read_all(reader, row["RowExpr"].get("args"), scope, use) for row in rows]
    operator = operators.operator_name(names)[1]
    if "List" in (body.get("rexpr") or {}):
        reader.facts.lists.append((len(rows), reader.at(location)))
    found: list[Condition] = []
    for index, left in enumerate(lefts):
        parts = tuple(row[index] for row in rights if index < len(row))
        compared = (("<=", ">=") if "BETWEEN" in kind else (operator,)) if parts else ()
        for name in compared:
            for part in parts:
                operators.apply_operator(reader, operators.operator_name(names)[0], name, left, part, location)
        builtin = (
            all(operators.is_builtin(reader, names, left, part) for part in parts) if "BETWEEN" not in kind else False
        )
        if not builtin or kind not in ("AEXPR_OP", "AEXPR_IN"):
            continue
        if operator == "=":
            nodes = [row["RowExpr"]["args"][index] for row in rows if index < len(row["RowExpr"].get("args", ()))]
            plain = not any(map(operands.collated, [body["lexpr"]["RowExpr"]["args"][index], *nodes]))
            found += _conclude(
                kind, "=", left, parts, {}, equal=plain and keep_values(left.type, *(part.type for part in parts))
            )
        elif index == 0 and kind == "AEXPR_OP":
            found += _conclude(kind, operator, left, parts, {}, equal=False)
    implicit.use_comparison(reader, [*lefts, *(value for row in rights for value in row)], location)
    return found


def _read_sublink(reader: Reader, body: Node, node: Node, scope: Scope, use: Use) -> list[Condition]:
    from pg_guard.facts import queries

    kind = body.get("subLinkType", "EXISTS_SUBLINK")
    # IN is written without an operator; `= ANY` is the same, unless the operator is somebody else's.
    equals = body.get("operName") or operators.EQUALS
    if kind not in ("ANY_SUBLINK", "EXISTS_SUBLINK") or operators.operator_name(equals)[1] != "=":
        expressions.read(reader, node, scope, use)
        return []
    reader.enter(body.get("location", -1))
    try:
        test_node = body.get("testexpr")
        test_nodes = [test_node] if test_node else []
        if test_node and "RowExpr" in test_node:
            test_nodes = test_node["RowExpr"].get("args", [])
        tests = expressions.read_all(reader, test_nodes, scope, use)
        query = queries.read_query(reader, body["subselect"], scope)
    finally:
        reader.leave()
    if kind == "EXISTS_SUBLINK":
        return _conclude_exists(query)
    found: list[Condition] = []
    cut = query.cut or (query.level is not None and query.level.cut)
    for index, test in enumerate(tests):
        if index >= len(query.outputs):
            continue
        output = query.outputs[index].expr
        operators.use_operator(reader, equals, test, output, body.get("location", -1))
        if test.direct is None or not operators.is_builtin(reader, equals, test, output):
            continue
        if not keep_values(test.type, output.type) or operands.collated(test_nodes[index]):
            found.append(Restricts(test.direct))
        elif operands.constant_cells(body["subselect"], index):
            found.append(Held(test.direct))
        else:
            found.append(InQuery(test.direct, query, index, not cut or closed(reader, body["subselect"], scope)))
    return found + _conclude_exists(query)


def _conclude_exists(query: Query) -> list[Condition]:
    """What a row below EXISTS shows of the columns that it is correlated with."""
    level = query.level
    if level is None or level.answers_alone:
        return []
    found: list[Condition] = []
    inside = set(map(id, level.sources))
    # Of a LIMIT in there every row around has its share.
    narrow = query_is_narrow(query, limits=False)
    for condition, valid in level.conditions:
        if valid is None and isinstance(condition, Held) and id(condition.column.source) not in inside:
            found.append(condition)
        if not isinstance(condition, Equal) or valid is not None:
            continue
        for one, other in ((condition.left, condition.right), (condition.right, condition.left)):
            if id(one.source) not in inside and id(other.source) in inside:
                found.append(Matches(one, level, other))
                if narrow:
                    found.append(Restricts(one))
    return found
