"""Whatever calls a function. In: calls, operators, windows, types. Out: `FunctionUse` facts under PostgreSQL's own names.

SQL syntax that calls functions (EXTRACT, AT TIME ZONE, SUBSTRING … FROM, OVERLAPS, SIMILAR TO) needs nothing here: the
grammar itself writes it as a call to a function of pg_catalog.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pg_guard.catalog.model import Name
from pg_guard.facts import expressions
from pg_guard.facts.model import RelationUse, Use
from pg_guard.facts.names import PG, UNKNOWN
from pg_guard.facts.scopes import Expr, Scope

if TYPE_CHECKING:
    from pg_guard.catalog.model import Type
    from pg_guard.facts.reader import Reader
    from pg_guard.sql.witness import Node

__all__ = ["SQL_VALUE_FUNCTIONS", "read_call", "read_operator", "read_window", "use_operator", "use_type"]

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
_COMPARISONS = frozenset({"=", "<>", "!=", "<", ">", "<=", ">=", "~~", "!~~", "~~*", "!~~*", "~", "!~", "~*", "!~*", "@>", "<@", "&&", "@@", "?", "?|", "?&", "@?"})  # fmt: skip
_ARITHMETIC = frozenset({"+", "-", "*", "/", "%"})


def read_call(reader: Reader, node: Node, scope: Scope, use: Use) -> Expr:
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
    args = expressions.read_all(reader, raw_args, scope, use)
    order = expressions.read_all(reader, body.get("agg_order"), scope, "order")
    if body.get("agg_within_group"):
        args = (*args, *order)
    expressions.read(reader, body.get("agg_filter"), scope, "filter")
    if "over" in body:
        read_window(reader, body["over"], scope)
    named = any("NamedArgExpr" in arg for arg in raw_args)
    is_syntax = body.get("funcformat") == "COERCE_SQL_SYNTAX"
    plain = not (order or body.get("agg_star") or body.get("agg_distinct") or "over" in body)
    if plain and schema is None and len(args) == 1 and args[0].row is not None and not reader.names.functions(None, name):
        # Functional notation: `name(alias)` is alias.name when no such function exists.
        row = args[0].row
        if row.columns is None or row.column(name) is not None:
            found = reader.qualified_column(row, name, use, location)
            if found is not None and row.columns is not None:
                return found
    call = reader.use_function(schema, name, "syntax" if is_syntax else "call", location, args, named=named)
    results = {each.result for each in call.candidates}
    result = results.pop() if len(results) == 1 else None
    kinds = {each.kind for each in call.candidates}
    aggregate = bool(body.get("agg_star") or body.get("agg_within_group")) or "aggregate" in kinds or not call.candidates
    varying = [arg for arg in args if not arg.constant]
    probe = varying[0].probe if len(varying) == 1 and name in _FOLLOWING else None
    return Expr(
        result if result is not None and not _is_polymorphic(result) else None,
        tuple(item for arg in args for item in arg.items),
        probe=probe,
        set_returning=any(arg.set_returning for arg in args) or any(each.returns_set for each in call.candidates),
        aggregate=any(arg.aggregate for arg in args) or (aggregate and "over" not in body),
    )


def _is_polymorphic(type_: Name) -> bool:
    return type_.schema == PG and (type_.name.startswith("any") or type_.name == "record")


def read_window(reader: Reader, body: Node, scope: Scope) -> list[Expr]:
    """Read a window definition; returns its PARTITION BY expressions."""
    partition = list(expressions.read_all(reader, body.get("partitionClause"), scope, "window"))
    expressions.read_all(reader, body.get("orderClause"), scope, "window")
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
    value = expressions.read(reader, current, scope, use) if current else Expr()
    if len(spine) == 1:
        return combine(reader, spine[0], value if spine[0].get("lexpr") else None, _read_right(reader, spine[0], scope, use))
    items = list(value.items)
    for body in reversed(spine):
        right = _read_right(reader, body, scope, use)
        # Items are gathered once for the whole chain: copied at each step they would cost its length squared.
        items.extend(right.items)
        value = combine(reader, body, value._replace(items=()) if body.get("lexpr") else None, right._replace(items=()))
    return value._replace(items=tuple(items))


def _read_right(reader: Reader, body: Node, scope: Scope, use: Use) -> Expr:
    right = body.get("rexpr")
    if not right:
        return Expr()
    if "List" in right:
        parts = expressions.read_all(reader, right["List"].get("items"), scope, use)
        merged = expressions.merge(parts)
        constant = bool(parts) and all(part.constant for part in parts)
        types = {part.type for part in parts}
        return merged._replace(constant=constant, type=types.pop() if len(types) == 1 else None)
    return expressions.read(reader, right, scope, use)


def combine(reader: Reader, body: Node, left: Expr | None, right: Expr) -> Expr:
    """What is known of ``left op right``, after recording the functions behind a user-defined operator."""
    kind = body.get("kind", "AEXPR_OP")
    names = body.get("name", [])
    operator = use_operator(reader, names, left, right, body.get("location", -1))
    parts = (left, right) if left is not None else (right,)
    merged = expressions.merge(parts)
    if kind in ("AEXPR_NULLIF",):
        return merged._replace(type=left.type if left else None)
    if kind != "AEXPR_OP" or operator in _COMPARISONS:
        return merged._replace(type=Name(PG, "bool"))
    if left is None:
        # -1 is a constant as 1 is; the sign does not matter to those who ask.
        return merged._replace(
            type=right.type, constant=right.constant and operator in "+-", value=f"{operator}{right.value}" if right.value else None
        )
    varying = [each for each in parts if not each.constant]
    probe = varying[0].probe if len(varying) == 1 and operator in _FOLLOWING_OPERATORS else None
    return merged._replace(type=_operator_type(operator, left.type, right.type), probe=probe)


def _operator_type(operator: str, left: Name | None, right: Name | None) -> Name | None:
    if operator == "->>" or operator == "#>>":
        return Name(PG, "text")
    if operator in ("->", "#>"):
        return left
    if operator in _ARITHMETIC and left == right and left is not None and left.name in ("int4", "int8", "numeric", "float8"):
        return left
    return None


def use_operator(reader: Reader, names: list[Node], left: Expr | None, right: Expr, location: int) -> str:
    """Record the functions of a user-defined operator; returns the operator's name.

    Operators of pg_catalog are made of functions that work on their arguments alone, so they record nothing.
    """
    parts = [part["String"]["sval"] for part in names if "String" in part]
    if not parts:
        return ""
    operator: str = parts[-1]
    schema = parts[-2] if len(parts) > 1 else None
    if schema == PG:
        return operator
    if operator in reader.names.user_operator_names:
        for each in reader.names.operators(schema, operator):
            if each.schema == PG or (each.left is None) != (left is None):
                continue
            if reader.names.accepts(each.right, right.type) and (
                left is None or each.left is None or reader.names.accepts(each.left, left.type)
            ):
                reader.use_function(
                    each.function.schema, each.function.name, "operator", location, (left, right) if left else (right,)
                )
    elif schema is not None:
        reader.note("sql/unknown-name", f"There is no operator {'.'.join(parts)}.", "Use an existing operator.", location)
    return operator


# -- types -----------------------------------------------------------------------------------------------------------


def use_type(reader: Reader, type_: Type | None, location: int, seen: frozenset[Any] = frozenset()) -> None:
    """Record what a value of this type calls when it is made from text: domain checks and foreign input functions."""
    if type_ is None or type_.key in seen:
        return
    seen = seen | {type_.key}
    catalog = reader.names.catalog
    if catalog is None:
        return
    if type_.kind == "composite" and type_.relation is not None:
        relation = catalog.relation_index.get(type_.relation)
        if relation is not None and relation.kind != "composite":
            # A row type tells the columns of its relation; nothing of the data.
            reader.facts.relations.append(
                RelationUse((relation.key,), relation.kind, True, "", reader.at(location), reader.via, "type")
            )
        for column in relation.columns if relation is not None else ():
            use_type(reader, catalog.type_index.get(column.type), location, seen)
        return
    if type_.kind == "domain":
        for check in type_.checks:
            reader.shapes.use_expression(reader, check, type_.key, location)
        use_type(reader, catalog.type_index.get(type_.base) if type_.base else None, location, seen)
    elif type_.kind == "array":
        use_type(reader, catalog.type_index.get(type_.element) if type_.element else None, location, seen)
    elif type_.kind == "base" and type_.schema != PG:
        for function in (type_.input, type_.output):
            if function is not None and function.schema != PG:
                reader.use_function(function.schema, function.name, "type", location, (Expr(UNKNOWN),))
