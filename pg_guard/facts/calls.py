"""Whatever calls a function. In: calls, operators, windows, types. Out: `FunctionUse` facts under PostgreSQL's own names.

SQL syntax that calls functions (EXTRACT, AT TIME ZONE, SUBSTRING … FROM, OVERLAPS, SIMILAR TO) needs nothing here: the
grammar itself writes it as a call to a function of pg_catalog.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pg_guard.catalog.model import Name
from pg_guard.facts import expressions, implicit, references
from pg_guard.facts.model import FunctionUse, Use
from pg_guard.facts.names import PG, UNKNOWN, declared_arguments
from pg_guard.facts.resolution import POLYMORPHIC, RECORD
from pg_guard.facts.scopes import Expr, Scope

if TYPE_CHECKING:
    from pg_guard.facts.reader import Reader
    from pg_guard.sql.witness import Node

__all__ = [
    "SQL_VALUE_FUNCTIONS",
    "apply_operator",
    "read_call",
    "read_operator",
    "read_window",
    "result_type",
    "use_operator",
]

# SQLValueFunction operations: the function that answers the same, and the type.
SQL_VALUE_FUNCTIONS = {
    "SVFOP_CURRENT_DATE": ("now", "date"),
    "SVFOP_CURRENT_TIME": ("now", "timetz"),
    "SVFOP_CURRENT_TIME_N": ("now", "timetz"),
    "SVFOP_CURRENT_TIMESTAMP": ("now", "timestamptz"),
    "SVFOP_CURRENT_TIMESTAMP_N": ("now", "timestamptz"),
    "SVFOP_LOCALTIME": ("now", "time"),
    "SVFOP_LOCALTIME_N": ("now", "time"),
    "SVFOP_LOCALTIMESTAMP": ("now", "timestamp"),
    "SVFOP_LOCALTIMESTAMP_N": ("now", "timestamp"),
    "SVFOP_CURRENT_ROLE": ("current_user", "name"),
    "SVFOP_CURRENT_USER": ("current_user", "name"),
    "SVFOP_USER": ("current_user", "name"),
    "SVFOP_SESSION_USER": ("session_user", "name"),
    "SVFOP_CURRENT_CATALOG": ("current_database", "name"),
    "SVFOP_CURRENT_SCHEMA": ("current_schema", "name"),
}

# Functions whose result follows their one non-constant argument closely enough that a condition on it narrows a scan.
_FOLLOWING = frozenset(
    {
        "date_trunc", "date_part", "extract", "date_bin", "date", "timezone", "to_char", "lower", "upper", "btrim", "ltrim",
        "rtrim", "substr", "substring", "left", "right", "jsonb_extract_path_text", "jsonb_extract_path", "host",
    }
)  # fmt: skip
_FOLLOWING_OPERATORS = frozenset({"->", "->>", "#>", "#>>", "+", "-", "||"})
_COMPARISONS = frozenset(
    {
        "=", "<>", "!=", "<", ">", "<=", ">=", "~~", "!~~", "~~*", "!~~*", "~", "!~", "~*", "!~*", "@>", "<@", "&&",
        "@@", "?", "?|", "?&", "@?"
    }
)  # fmt: skip
_BOOL = Name(PG, "bool")
_REGEX_OPERATORS = frozenset({"~", "!~", "~*", "!~*"})


def read_call(reader: Reader, node: Node, scope: Scope, use: Use) -> Expr:
    """Read a FuncCall node: its arguments, its order, filter and window, and the function itself."""
    body = node["FuncCall"]
    location = body.get("location", -1)
    names = [part["String"]["sval"] for part in body["funcname"]]
    if len(names) == 3:
        # database.schema.function; the database can only be this one.
        names = names[1:]
    if len(names) > 2:
        reader.unsupported("A function name of more than three parts", location)
        return Expr()
    schema, name = (names[0] if len(names) == 2 else None), names[-1]
    raw_args = body.get("args", [])
    if schema is None and len(raw_args) == 1 and (field := _functional_notation(reader, name, raw_args[0], scope, use)):
        return field
    args = expressions.read_all(reader, raw_args, scope, use)
    order = expressions.read_all(reader, body.get("agg_order"), scope, "order")
    if body.get("agg_within_group"):
        args = (*args, *order)
    expressions.read(reader, body.get("agg_filter"), scope, "filter")
    if "over" in body:
        _read_over(reader, body["over"], scope)
    # WITHIN GROUP hands its order to the aggregate, which sorts by it.
    implicit.use_comparison(reader, (*order, *(args if body.get("agg_distinct") else ())), location)
    named = tuple(arg.get("NamedArgExpr", {}).get("name") for arg in raw_args)
    named = named if any(named) else ()
    is_syntax = body.get("funcformat") == "COERCE_SQL_SYNTAX"
    variadic = bool(body.get("func_variadic"))
    call = reader.use_function(
        schema, name, "syntax" if is_syntax else "call", location, args, named=named, variadic=variadic
    )
    if len(args) == 1 and not named:
        _use_cast_like_call(reader, schema, name, args[0], location)
    if call.literals and scope.level is not None and schema in (None, PG):
        scope.level.calls.append(call)
    kinds = {each.kind for each in call.candidates}
    aggregate = (
        bool(body.get("agg_star") or body.get("agg_within_group")) or "aggregate" in kinds or not call.candidates
    )
    varying = [arg for arg in args if not arg.constant]
    probe = varying[0].probe if len(varying) == 1 and name in _FOLLOWING else None
    return Expr(
        result_type(reader, call, args, variadic=variadic),
        tuple(item for arg in args for item in arg.items),
        fields=_result_fields(reader, call, args, variadic=variadic),
        probe=probe,
        set_returning=any(arg.set_returning for arg in args) or any(each.returns_set for each in call.candidates),
        aggregate=any(arg.aggregate for arg in args) or (aggregate and "over" not in body),
    )


def _result_fields(
    reader: Reader, call: FunctionUse, args: tuple[Expr, ...], *, variadic: bool
) -> tuple[Name | None, ...]:
    """Types of the OUT columns of the one overload that is meant."""
    types = reader.names.types
    if types is None or len(call.candidates) != 1 or not call.candidates[0].outputs:
        return ()
    declared = declared_arguments(types, call.candidates[0], len(args), variadic=variadic)
    given = tuple(arg.type for arg in args)
    return tuple(types.result(type_, declared, given) for _, type_ in call.candidates[0].outputs)


def _functional_notation(reader: Reader, name: str, arg: Node, scope: Scope, use: Use) -> Expr | None:
    """``name(alias)`` is alias.name where no such function takes the row and the row has such a column."""
    source = references.row_named(arg, scope)
    if source is None or source.columns is None or source.column(name) is None:
        return None
    if reader.names.fitting_functions(None, name, (source.row_type,)):
        return None
    reference = arg["ColumnRef"]
    if reader.fixed_location is None:
        reader.facts.raw_columns.append(references.field_names(reference["fields"]))
    return reader.qualified_column(source, name, use, reference.get("location", -1))


def result_type(reader: Reader, call: FunctionUse, args: tuple[Expr, ...], *, variadic: bool) -> Name | None:
    """The type that a call gives; None when its candidates disagree or it follows unknown arguments."""
    types = reader.names.types
    if types is None or not call.candidates:
        return None
    given = tuple(arg.type for arg in args)
    results = {
        types.result(each.result, declared_arguments(types, each, len(args), variadic=variadic), given)
        for each in call.candidates
    }
    return results.pop() if len(results) == 1 else None


def _use_cast_like_call(reader: Reader, schema: str | None, name: str, arg: Expr, location: int) -> None:
    """``typename(x)`` may be a cast in the form of a call (documentation, section 4.2.9)."""
    found = reader.names.type(schema, name)
    if found is not None and found.schema != PG:
        implicit.use_type(reader, found, location)
        reader.coerce(arg.type, found.key, location, explicit=True)


def _read_over(reader: Reader, body: Node, scope: Scope) -> None:
    """The window of a call: a condition is pushed below it only where its PARTITION BY allows that."""
    partition = read_window(reader, body, scope)
    # A name alone stands for a window of the WINDOW clause, which is read there.
    if scope.level is not None and not body.get("name"):
        scope.level.windows.append(partition)


def read_window(reader: Reader, body: Node, scope: Scope) -> list[Expr]:
    """Read a window definition; returns its PARTITION BY expressions."""
    partition = list(expressions.read_all(reader, body.get("partitionClause"), scope, "window"))
    order = expressions.read_all(reader, body.get("orderClause"), scope, "window")
    implicit.use_comparison(reader, (*partition, *order), body.get("location", -1))
    for field in ("startOffset", "endOffset"):
        expressions.read(reader, body.get(field), scope, "window")
    return partition


# -- operators -------------------------------------------------------------------------------------------------------


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
        value = combine(reader, body, value._replace(items=()) if body.get("lexpr") else None, right._replace(items=()))
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


def combine(reader: Reader, body: Node, left: Expr | None, right: Expr) -> Expr:
    """What is known of ``left op right``, after recording the functions behind a user-defined operator."""
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
        return merged._replace(type=_nullif_type(reader, body, left, right))
    if kind != "AEXPR_OP":
        return merged._replace(type=_BOOL)
    if left is None:
        # -1 is a constant as 1 is.
        signed = right.constant and operator in ("+", "-")
        value = f"{operator}{right.value}" if signed and right.value else None
        return merged._replace(type=result, constant=signed, value=value)
    varying = [each for each in parts if not each.constant]
    probe = varying[0].probe if len(varying) == 1 and operator in _FOLLOWING_OPERATORS else None
    value = _fold(operator, left, right) if not varying else None
    return merged._replace(type=result, probe=probe, constant=value is not None, value=value)


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
