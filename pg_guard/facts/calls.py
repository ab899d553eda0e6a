"""Whatever calls a function. In: calls, operators, windows, types. Out: `FunctionUse` facts under PostgreSQL's own names.

SQL syntax that calls functions (EXTRACT, AT TIME ZONE, SUBSTRING … FROM, OVERLAPS, SIMILAR TO) needs nothing here: the
grammar itself writes it as a call to a function of pg_catalog.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pg_guard.facts import expressions, implicit, references
from pg_guard.facts.names import PG, declared_arguments
from pg_guard.facts.scopes import Expr, Scope
from pg_guard.facts.spans import span_of
from pg_guard.facts.subselects import has_sublink
from pg_guard.facts.tautologies import follows, range_text

if TYPE_CHECKING:
    from pg_guard.catalog.model import Name
    from pg_guard.facts.model import FunctionUse, Use
    from pg_guard.facts.reader import Reader
    from pg_guard.sql.witness import Node

__all__ = [
    "SQL_VALUE_FUNCTIONS",
    "read_call",
    "read_over",
    "read_window",
    "result_type",
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
        "rtrim", "substr", "substring", "left", "right", "jsonb_extract_path_text", "jsonb_extract_path", "host", "split_part",
        "age", "length", "char_length", "character_length", "octet_length", "jsonb_array_length", "json_array_length",
        "cardinality", "position", "strpos", "mod", "md5", "hashtext", "hashtextextended", "abs", "round", "floor", "ceil",
        "ceiling", "network", "set_masklen",
    }
)  # fmt: skip


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
    condition = expressions.read(reader, body.get("agg_filter"), scope, "filter")
    if "over" in body:
        read_over(reader, body["over"], scope)
    # WITHIN GROUP hands its order to the aggregate, which sorts by it.
    implicit.use_comparison(reader, (*order, *(args if body.get("agg_distinct") else ())), location)
    named = tuple(arg.get("NamedArgExpr", {}).get("name") for arg in raw_args)
    named = named if any(named) else ()
    is_syntax = body.get("funcformat") == "COERCE_SQL_SYNTAX"
    variadic = bool(body.get("func_variadic"))
    call = reader.use_function(
        schema, name, "syntax" if is_syntax else "call", location, args, named=named, variadic=variadic, use=use
    )
    if len(args) == 1 and not named:
        _use_cast_like_call(reader, schema, name, args[0], location)
    if call.literals and scope.level is not None and schema in (None, PG):
        scope.level.calls.append(call)
    kinds = {each.kind for each in call.candidates}
    aggregate = (
        bool(body.get("agg_star") or body.get("agg_within_group")) or "aggregate" in kinds or not call.candidates
    )
    if aggregate and "over" not in body and scope.level is not None:
        read_by = tuple(item for each in (*args, *order, condition) for item in each.items)
        inside = [*raw_args, *body.get("agg_order", ()), body.get("agg_filter", {})]
        scope.level.note_aggregate(read_by, hidden=any(map(has_sublink, inside)))
    # What reads no row, such as now(), is one value for all of them; a sub-select may read the row around it.
    varying = [
        arg for arg, raw in zip(args, raw_args, strict=False) if not arg.constant and (arg.items or has_sublink(raw))
    ]
    values = [arg.value if arg.constant else None for arg in args]
    follows_one = (
        len(varying) == 1
        and name in _FOLLOWING
        and not varying[0].lax
        and all(each.schema == PG for each in call.candidates)
        and follows(name, values)
    )
    return Expr(
        result_type(reader, call, args, variadic=variadic),
        tuple(item for arg in args for item in arg.items),
        fields=_result_fields(reader, call, args, variadic=variadic),
        probe=varying[0].probe if follows_one else None,
        value=range_text(name, args),
        span=span_of(name, values) if follows_one else None,
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


def read_over(reader: Reader, body: Node, scope: Scope) -> None:
    """The window of a call: a condition is pushed below it only where its PARTITION BY allows that."""
    partition = read_window(reader, body, scope)
    # The partition of a window that is named here is that of the WINDOW clause, which is read there.
    if scope.level is not None and not (body.get("name") or body.get("refname")):
        scope.level.windows.append(partition)


def read_window(reader: Reader, body: Node, scope: Scope) -> list[Expr]:
    """Read a window definition; returns its PARTITION BY expressions."""
    partition = list(expressions.read_all(reader, body.get("partitionClause"), scope, "window"))
    order = expressions.read_all(reader, body.get("orderClause"), scope, "window")
    implicit.use_comparison(reader, (*partition, *order), body.get("location", -1))
    for field in ("startOffset", "endOffset"):
        expressions.read(reader, body.get(field), scope, "window")
    return partition
