"""Operators. In: ``a op b`` in all its forms. Out: the functions behind user-defined ones, and what is known of the value."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from pg_guard.catalog.model import Name
from pg_guard.facts import expressions, implicit
from pg_guard.facts.model import FunctionUse, Use
from pg_guard.facts.names import PG, UNKNOWN
from pg_guard.facts.resolution import POLYMORPHIC, RECORD
from pg_guard.facts.scopes import Expr, Scope
from pg_guard.facts.spans import span_of

if TYPE_CHECKING:
    from pg_guard.facts.reader import Reader
    from pg_guard.sql.witness import Node

__all__ = [
    "apply_operator",
    "combine",
    "element_type",
    "is_builtin",
    "operator_name",
    "read_operator",
    "use_operator",
]

# The operator that USING and NATURAL mean, as a node names it.
EQUALS: Final[list[Node]] = [{"String": {"sval": "="}}]
_FOLLOWING_OPERATORS = frozenset({"->", "->>", "#>", "#>>", "+", "-", "%", "/"})
_COMPARISONS = frozenset(
    {
        "=", "<>", "!=", "<", ">", "<=", ">=", "~~", "!~~", "~~*", "!~~*", "~", "!~", "~*", "!~*", "@>", "<@", "&&",
        "@@", "?", "?|", "?&", "@?",
    }
)  # fmt: skip
_REGEX_OPERATORS = frozenset({"~", "!~", "~*", "!~*"})


_BOOL = Name(PG, "bool")


def read_operator(reader: Reader, node: Node, scope: Scope, use: Use) -> Expr:
    """``a op b``; a chain of the same level is read in a loop, because PostgreSQL sets no limit on its length."""
    spine: list[Node] = []
    current = node
    while "A_Expr" in current:
        spine.append(current["A_Expr"])
        left = current["A_Expr"].get("lexpr")
        if not left:
            current = {}
            break
        current = left
    if "RowExpr" in current and _rows(spine[-1]):
        value = _compare_rows(reader, spine.pop(), scope, use)
        if not spine:
            return value
    else:
        value = expressions.read(reader, current, scope, use) if current else Expr()
    if len(spine) == 1:
        left_side = value if spine[0].get("lexpr") else None
        return combine(reader, spine[0], left_side, _read_right(reader, spine[0], value, scope, use))
    items = list(value.items)
    for body in reversed(spine):
        right = _read_right(reader, body, value, scope, use)
        # Items are gathered once for the whole chain: copied at each step they would cost its length squared.
        items.extend(right.items)
        left = value._replace(items=()) if body.get("lexpr") else None
        value = combine(reader, body, left, right._replace(items=()), chained=True)
        if reader.details is not None:
            reader.details.keep(body, value)
    return value._replace(items=tuple(items))


def _rows(body: Node) -> list[Node]:
    """The rows that ``(a, b) op (c, d)``, IN and BETWEEN compare with; [] where the right side is something else."""
    right = body.get("rexpr") or {}
    rows = right["List"].get("items", []) if "List" in right else [right]
    return rows if rows and all("RowExpr" in row for row in rows) else []


def _compare_rows(reader: Reader, body: Node, scope: Scope, use: Use) -> Expr:
    """Rows are compared field by field, each pair by the operator of its own types (make_row_comparison)."""
    location = body.get("location", -1)
    left = expressions.read_all(reader, body["lexpr"]["RowExpr"].get("args"), scope, use)
    kind = body.get("kind", "AEXPR_OP")
    names = _bounds(kind) if "BETWEEN" in kind else (operator_name(body.get("name", []))[1],)
    schema = operator_name(body.get("name", []))[0]
    values = [*left]
    for row in _rows(body):
        right = expressions.read_all(reader, row["RowExpr"].get("args"), scope, use)
        values += right
        for one, other in zip(left, right, strict=False):
            for name in names:
                apply_operator(reader, schema, name, one, other, location)
    implicit.use_comparison(reader, values, location)
    return expressions.merge(tuple(values), _BOOL)._replace(fields=())


def _read_right(reader: Reader, body: Node, left: Expr, scope: Scope, use: Use) -> Expr:
    right = body.get("rexpr")
    if not right:
        return Expr()
    if "List" in right:
        parts = expressions.read_all(reader, right["List"].get("items"), scope, use)
        reader.facts.lists.append((len(parts), reader.at(body.get("location", -1))))
        merged = expressions.merge(parts)
        constant = bool(parts) and all(part.constant for part in parts)
        # BETWEEN and IN compare with each item, or IN with all at once under their common type.
        if len({part.type for part in parts}) > 1:
            kind = body.get("kind", "AEXPR_OP")
            schema, operator = operator_name(body.get("name", []))
            for name in _bounds(kind) if "BETWEEN" in kind else (operator,):
                for part in parts:
                    apply_operator(
                        reader, None if "BETWEEN" in kind else schema, name, left, part, body.get("location", -1)
                    )
        known = {part.type for part in parts if part.type != UNKNOWN}
        type_ = known.pop() if len(known) == 1 else UNKNOWN if parts and not known else reader.common(parts)
        return merged._replace(constant=constant, type=type_)
    return expressions.read(reader, right, scope, use)


def combine(reader: Reader, body: Node, left: Expr | None, right: Expr, *, chained: bool = False) -> Expr:
    """What is known of ``left op right``, after recording the functions behind a user-defined operator.

    Args:
        chained: It stands in a chain of operators, whose sides do not tell what they read.
    """
    kind = body.get("kind", "AEXPR_OP")
    location = body.get("location", -1)
    if kind in ("AEXPR_BETWEEN", "AEXPR_NOT_BETWEEN", "AEXPR_BETWEEN_SYM", "AEXPR_NOT_BETWEEN_SYM"):
        for name in _bounds(kind):
            apply_operator(reader, None, name, left, right, location)
        operator = "BETWEEN"
        result: Name | None = _BOOL
    else:
        if kind in ("AEXPR_OP_ANY", "AEXPR_OP_ALL"):
            right = right._replace(type=element_type(reader, right.type))
        operator, result = use_operator(reader, body.get("name", []), left, right, location)
    parts = (left, right) if left is not None else (right,)
    merged = expressions.merge(parts)
    if kind == "AEXPR_NULLIF":
        # It is NULL where its first argument is.
        probe = left.probe if left is not None and right.constant and not left.lax else None
        return merged._replace(type=_nullif_type(reader, body, left, right), probe=probe)
    if kind != "AEXPR_OP":
        return merged._replace(type=_BOOL)
    if left is None:
        # -1 is a constant as 1 is.
        signed = right.constant and operator in ("+", "-")
        value = f"{operator}{right.value}" if signed and right.value else None
        return merged._replace(type=result, constant=signed, value=value)
    varying = [each for each in parts if not each.constant]
    # now() - at follows the column as at + 1 does; a sub-select may read the row around it. In a chain nobody can tell.
    reading = varying if chained else [each for each in varying if each.items or each.query is not None]
    one = reading[0] if len(reading) == 1 and operator in _FOLLOWING_OPERATORS and not reading[0].lax else None
    if one is not None and one.probe is not None and not is_builtin(reader, body.get("name", []), left, right):
        one = None
    probe = one.probe if one is not None else None
    span = span_of(operator, [None, right.value if right.constant else None]) if operator == "%" else None
    whole = result is None or result.name not in ("numeric", "float8", "interval")
    if span == (0, 0) or (operator in ("%", "/") and one is not left) or (operator == "/" and whole):
        # Of whole numbers a division leaves little: id / 1000000000 = 0.
        probe = None
    value = _fold(operator, left, right) if not varying else None
    return merged._replace(type=result, probe=probe, constant=value is not None, value=value, span=span)


def _fold(operator: str, left: Expr, right: Expr) -> str | None:
    """The value of arithmetic on two number literals, so that a size cannot hide in ``1000 * 1000``."""
    if left.value is None or right.value is None or len(left.value) > 30 or len(right.value) > 30:
        return None
    if operator == "||":
        return left.value + right.value
    try:
        one, other = float(left.value), float(right.value)
        result = {"+": one + other, "-": one - other, "*": one * other, "/": one / (other or 1.0)}.get(operator)
        if operator == "^":
            result = one**other
    except (ValueError, OverflowError, ZeroDivisionError):
        return None
    if not isinstance(result, float) or not math.isfinite(result):
        return None
    return str(int(result)) if result.is_integer() else str(result)


def _bounds(kind: str) -> tuple[str, str]:
    """The operators that BETWEEN and NOT BETWEEN stand for."""
    return ("<", ">") if "NOT" in kind else ("<=", ">=")


def _nullif_type(reader: Reader, body: Node, left: Expr | None, right: Expr) -> Name | None:
    """NULLIF is of its first argument's type, after the conversion that the comparison asks for."""
    types = reader.names.types
    if left is None or types is None:
        return None
    schema, operator = operator_name(body.get("name", []))
    found = reader.names.resolve_operator(schema, operator, left.type, right.type, prefix=False)
    if len(found) != 1 or found[0].left is None:
        return None
    return types.result(found[0].left, (found[0].left, found[0].right), (left.type, right.type))


def element_type(reader: Reader, type_: Name | None) -> Name | None:
    """The element type of an array type; an unknown literal stays one."""
    if type_ is None or type_ == UNKNOWN or reader.names.types is None:
        return type_
    return reader.names.types.element(type_)


def use_operator(
    reader: Reader, names: list[Node], left: Expr | None, right: Expr, location: int
) -> tuple[str, Name | None]:
    """Record the functions of a user-defined operator; returns the operator's name and the type of its result."""
    schema, operator = operator_name(names)
    return operator, apply_operator(reader, schema, operator, left, right, location) if operator else None


def operator_name(names: list[Node]) -> tuple[str | None, str]:
    """Schema and name of ``OPERATOR(schema.name)``."""
    parts = [part["String"]["sval"] for part in names if "String" in part]
    return (parts[-2] if len(parts) > 1 else None), (parts[-1] if parts else "")


def is_builtin(reader: Reader, names: list[Node], left: Expr, right: Expr) -> bool:
    """Is the operator PostgreSQL's own, so that its meaning is known?"""
    schema, operator = operator_name(names)
    if reader.names.catalog is None:
        return schema in (None, PG)
    found = reader.names.resolve_operator(schema, operator, left.type, right.type, prefix=False)
    return bool(found) and all(each.schema == PG for each in found)


def apply_operator(
    reader: Reader, schema: str | None, operator: str, left: Expr | None, right: Expr, location: int
) -> Name | None:
    """The same for a name. Operators of pg_catalog work on their arguments alone, so they record nothing."""
    if operator in _REGEX_OPERATORS and right.constant and right.value is not None:
        reader.facts.patterns.append((right.value, reader.at(location)))
    if operator == "=" and left is not None and left.items and right.items:
        reader.facts.equalities.append((left.items, right.items))
    catalog = reader.names.catalog
    if catalog is None:
        if schema not in (None, PG):
            reader.note(
                "sql/unknown-name",
                f"The operator {schema}.{operator} is not known.",
                "Use an operator of PostgreSQL.",
                location,
            )
        return _BOOL if operator in _COMPARISONS else None
    found = reader.names.resolve_operator(
        schema, operator, left.type if left is not None else None, right.type, prefix=left is None
    )
    if not found:
        if not reader.names.operators(schema, operator):
            reader.note(
                "sql/unknown-name", f"There is no operator {operator}.", "Use an operator of PostgreSQL.", location
            )
        return _BOOL if operator in _COMPARISONS else None
    reader.facts.operators.extend((each.function, reader.at(location)) for each in found)
    for each in found:
        if not reader.names.ships(each.function):
            args = tuple(name for name in (each.left, each.right) if name is not None)
            overloads = tuple(
                function
                for function in reader.names.functions(each.function.schema, each.function.name)
                if function.args == args
            )
            reader.facts.functions.append(
                FunctionUse(
                    each.function.schema,
                    each.function.name,
                    overloads,
                    True,
                    "operator",
                    reader.at(location),
                    (),
                    reader.via,
                )
            )
    results = {each.result for each in found}
    if len(found) == 1 and reader.names.types is not None:
        chosen = found[0]
        declared = (chosen.right,) if left is None or chosen.left is None else (chosen.left, chosen.right)
        given = (right.type,) if left is None else (left.type, right.type)
        for one, other in zip(given, declared, strict=False):
            reader.coerce(one, other, location)
        if any(wanted.name in POLYMORPHIC or wanted == RECORD for wanted in declared):
            values = (right,) if left is None else (left, right)
            for function in reader.names.functions(chosen.function.schema, chosen.function.name):
                implicit.pass_arguments(reader, function, declared, values, location)
        return reader.names.types.result(chosen.result, declared, given)
    result = results.pop() if len(results) == 1 else None
    return result if result is not None and result.name not in POLYMORPHIC else None
