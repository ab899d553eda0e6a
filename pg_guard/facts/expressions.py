"""Expressions. In: a node of PostgreSQL's raw tree and a scope. Out: facts recorded, and what is known of the value.

Every kind of node that can stand in an expression has a reader in `_readers`; a kind that has none becomes a
`sql/unsupported` note. Kinds in `_PLAIN` only hold other nodes: all their fields are read.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from pg_guard.catalog.model import Name
from pg_guard.facts import calls, casts, implicit, operators, references, sqljson
from pg_guard.facts.names import PG, UNKNOWN
from pg_guard.facts.resolution import RECORD
from pg_guard.facts.scopes import Expr, Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pg_guard.facts.model import Use
    from pg_guard.facts.reader import Reader
    from pg_guard.sql.witness import Node

__all__ = ["merge", "read", "read_all", "read_fields"]

_BOOL = Name(PG, "bool")
_TEXT = Name(PG, "text")
_NOTHING = Expr()

_INT4 = Name(PG, "int4")
_BIT = Name(PG, "bit")

# Nodes that call no function of their own and hold only other nodes, with the type of their value where it is fixed.
_PLAIN: dict[str, Name | None] = {
    "BoolExpr": _BOOL,
    "NullTest": _BOOL,
    "BooleanTest": _BOOL,
    "A_Indices": None,
    "List": None,
    "GroupingFunc": Name(PG, "int4"),
    "GroupingSet": None,
    "SortBy": None,
    "ResTarget": None,
    "JsonAggConstructor": None,
    "JsonKeyValue": None,
    "JsonValueExpr": None,
    "JsonFormat": None,
    "JsonReturning": None,
    "JsonOutput": None,
    "JsonBehavior": None,
    "JsonIsPredicate": _BOOL,
    "JsonArgument": None,
    "JsonTablePathSpec": None,
}
_AGGREGATES = frozenset({"JsonObjectAgg", "JsonArrayAgg"})
# Scalars that libpg_query writes as nodes.
_LEAVES = frozenset({"String", "Integer", "Float", "Boolean", "BitString", "SetToDefault"})
_FLAT = frozenset({"A_Const", "ColumnRef", "ParamRef"})
# Fields whose value is a node without its kind around it.
_TYPED_FIELDS = {"typeName": "TypeName", "over": "WindowDef"}


def read(reader: Reader, node: Node | None, scope: Scope, use: Use) -> Expr:
    """Read one expression.

    Raises:
        TooDeep: The depth budget is used up.
    """
    if not node:
        return _NOTHING
    kind, body = next(iter(node.items()))
    special = _readers().get(kind)
    if special is None:
        if kind in _LEAVES:
            return _NOTHING
        if kind not in _PLAIN:
            reader.unsupported(f"The construct {kind}", body.get("location", -1) if isinstance(body, dict) else -1)
            return _NOTHING
        special = _read_plain
    elif kind in _FLAT:
        # Nothing is nested in these, and they are most of all nodes.
        value = special(reader, node, scope, use)
        if reader.details is not None:
            reader.details.keep(body, value)
        return value
    reader.enter(body.get("location", -1))
    try:
        value = special(reader, node, scope, use)
    finally:
        reader.leave()
    if reader.details is not None:
        reader.details.keep(body, value)
    return value


def read_all(reader: Reader, nodes: Sequence[Node | None] | None, scope: Scope, use: Use) -> tuple[Expr, ...]:
    """Read several expressions, in order."""
    return tuple(read(reader, node, scope, use) for node in nodes or ())


def merge(exprs: tuple[Expr, ...], type_: Name | None = None, *, aggregate: bool = False) -> Expr:
    """What is known of an expression made of others; it is of their one type unless `type_` tells."""
    items = tuple(item for each in exprs for item in each.items)
    if type_ is None and exprs and all(each.type == exprs[0].type for each in exprs):
        type_ = exprs[0].type
    return Expr(
        type_,
        items,
        constant=False,
        set_returning=any(each.set_returning for each in exprs),
        aggregate=aggregate or any(each.aggregate for each in exprs),
        fields=tuple(name for each in exprs for name in each.fields),
    )


def _read_row(reader: Reader, node: Node, scope: Scope, use: Use) -> Expr:
    """``ROW(a, b)`` and ``(a, b)``."""
    parts = read_all(reader, node["RowExpr"].get("args"), scope, use)
    merged = merge(parts, RECORD)
    return merged._replace(fields=(*merged.fields, *(part.type for part in parts if part.type != RECORD)))


def _read_plain(reader: Reader, node: Node, scope: Scope, use: Use) -> Expr:
    kind, body = next(iter(node.items()))
    parts: list[Expr] = []
    read_fields(reader, body, scope, use, parts)
    return merge(tuple(parts), _PLAIN[kind], aggregate=kind in _AGGREGATES)


def _read_common(reader: Reader, node: Node, scope: Scope, use: Use) -> Expr:
    """COALESCE, GREATEST, LEAST and ARRAY[…]: their parts become one type."""
    kind, body = next(iter(node.items()))
    parts = read_all(reader, body.get("args") or body.get("elements"), scope, use)
    type_ = reader.common(parts, body.get("location", -1))
    if kind == "A_ArrayExpr":
        types = reader.names.types
        nested = types is not None and types.element(type_) is not None
        type_ = type_ if nested else types.array_of(type_) if types is not None else None
    elif kind == "MinMaxExpr" and parts:
        for part in parts[1:]:
            operators.apply_operator(reader, None, "<", parts[0], part, body.get("location", -1))
        implicit.use_comparison(reader, (Expr(type_, parts[0].items),), body.get("location", -1))
    if kind == "A_ArrayExpr" and parts and all(part.constant and part.value is not None for part in parts):
        # Written out for those who ask for sizes or constants; `'{…}'` would say the same.
        listed = ",".join(str(part.value) for part in parts)
        return merge(parts, type_)._replace(constant=True, value="{" + listed + "}")
    if kind == "CoalesceExpr" and len(parts) > 1 and all(part.constant for part in parts[1:]):
        return merge(parts, type_)._replace(probe=parts[0].probe, span=parts[0].span, lax=True)
    return merge(parts, type_)


def _read_case(reader: Reader, node: Node, scope: Scope, use: Use) -> Expr:
    """Both forms: ``CASE WHEN condition`` and ``CASE x WHEN value``, which compares by ``=``."""
    body = node["CaseExpr"]
    location = body.get("location", -1)
    subject = read(reader, body["arg"], scope, use) if body.get("arg") else None
    parts, results = [subject] if subject is not None else [], []
    for entry in body.get("args", ()):
        when = entry["CaseWhen"]
        test = read(reader, when.get("expr"), scope, use)
        if subject is not None:
            operators.apply_operator(reader, None, "=", subject, test, location)
        results.append(read(reader, when.get("result"), scope, use))
        parts.append(test)
    # The type of ELSE weighs first, a missing ELSE as an untyped NULL (transformCaseExpr).
    default = read(reader, body["defresult"], scope, use) if body.get("defresult") else Expr(UNKNOWN)
    return merge((*parts, *results, default), reader.common((default, *results), location))


def read_fields(reader: Reader, body: Node, scope: Scope, use: Use, parts: list[Expr]) -> None:
    """Read every node in the fields of another, in order, into `parts`."""
    for field, value in body.items():
        if isinstance(value, list):
            parts.extend(read(reader, item, scope, use) for item in value if isinstance(item, dict) and item)
        elif isinstance(value, dict) and value:
            typed = _TYPED_FIELDS.get(field)
            if typed == "TypeName":
                casts.read_type(reader, value)
            elif typed == "WindowDef":
                calls.read_over(reader, value, scope)
            elif next(iter(value))[0].isupper():
                parts.append(read(reader, value, scope, use))
            else:
                read_fields(reader, value, scope, use, parts)


def _read_const(reader: Reader, node: Node, _scope: Scope, _use: Use) -> Expr:
    body = node["A_Const"]
    # libpg_query leaves out fields that are zero, false or empty.
    if "ival" in body:
        return Expr(_INT4, constant=True, value=str(body["ival"].get("ival", 0)), exact=True)
    if "sval" in body:
        text = body["sval"].get("sval", "")
        if "**" in text:
            reader.facts.wildcards.append((text, reader.at(body.get("location", -1))))
        return Expr(UNKNOWN, constant=True, value=text, exact=True)
    if "fval" in body:
        digits = body["fval"].get("fval", "")
        return Expr(_number_type(digits), constant=True, value=digits, exact=True)
    if "boolval" in body:
        return Expr(_BOOL, constant=True, value=str(body["boolval"].get("boolval", "")), exact=True)
    if "bsval" in body:
        return Expr(_BIT, constant=True, value=body["bsval"].get("bsval", ""))
    return Expr(UNKNOWN if body.get("isnull") else None, constant=True)


def _number_type(digits: str) -> Name:
    """PostgreSQL reads an integer that does not fit int4 as int8, and one that does not fit int8 as numeric."""
    try:
        return Name(PG, "int8" if int(digits, 0) < 2**63 else "numeric")
    except ValueError:
        return Name(PG, "numeric")


def _read_param(reader: Reader, node: Node, _scope: Scope, _use: Use) -> Expr:
    reader.facts.parameters.append(reader.at(node["ParamRef"].get("location", -1)))
    # A parameter takes its type from where it stands, as an untyped literal does.
    return Expr(UNKNOWN, constant=True, value="$")


def _read_named(reader: Reader, node: Node, scope: Scope, use: Use) -> Expr:
    """``name => value``."""
    return read(reader, node["NamedArgExpr"].get("arg"), scope, use)


def _read_collate(reader: Reader, node: Node, scope: Scope, use: Use) -> Expr:
    body = node["CollateClause"]
    reader.facts.raw_fields.extend(part["String"]["sval"] for part in body.get("collname", ()) if "String" in part)
    value = read(reader, body.get("arg"), scope, use)
    names = [part["String"]["sval"] for part in body.get("collname", ()) if "String" in part]
    # A collation of somebody's own may be nondeterministic: then equal values are not the same value.
    return value if names and names[-1] in _DETERMINISTIC else value._replace(direct=None)


_DETERMINISTIC = frozenset({"C", "POSIX", "default", "ucs_basic", "unicode", "pg_c_utf8", "pg_unicode_fast"})


def _read_sublink(reader: Reader, node: Node, scope: Scope, use: Use) -> Expr:
    from pg_guard.facts import queries

    body = node["SubLink"]
    test_node = body.get("testexpr") or {}
    if "RowExpr" in test_node:
        tests = read_all(reader, test_node["RowExpr"].get("args"), scope, use)
    else:
        tests = (read(reader, test_node, scope, use),) if test_node else ()
    query = queries.read_query(reader, body["subselect"], scope)
    kind = body.get("subLinkType", "EXISTS_SUBLINK")
    outputs = tuple(output.expr for output in query.outputs)
    names = body.get("operName") or [{"String": {"sval": "="}}]
    for test, output in zip(tests, outputs, strict=False):
        operators.use_operator(reader, names, test, output, body.get("location", -1))
    test, inner = merge(tests), merge(outputs)
    if kind in ("EXISTS_SUBLINK", "ANY_SUBLINK", "ALL_SUBLINK"):
        return Expr(_BOOL, (*test.items, *inner.items))
    first = query.outputs[0].expr if query.outputs else _NOTHING
    types = reader.names.types
    type_ = first.type if kind == "EXPR_SUBLINK" else types.array_of(first.type) if types is not None else None
    if kind != "EXPR_SUBLINK":
        return Expr(type_, inner.items)
    return Expr(type_, inner.items, row=first.row, query=query)


def _read_sql_value(reader: Reader, node: Node, _scope: Scope, use: Use) -> Expr:
    body = node["SQLValueFunction"]
    name, type_ = calls.SQL_VALUE_FUNCTIONS.get(body.get("op", "SVFOP_CURRENT_DATE"), ("", None))
    if not name:
        reader.unsupported(str(body.get("op")), body.get("location", -1))
        return _NOTHING
    reader.facts.raw_fields.append(body.get("op", "").removeprefix("SVFOP_").lower())
    reader.use_function(PG, name, "syntax", body.get("location", -1), use=use)
    return Expr(Name(PG, type_) if type_ else None)


@cache
def _readers() -> dict[str, Callable[[Reader, Any, Scope, Use], Expr]]:
    # Built on first use: calls and references read expressions in turn.
    return {
        "A_Const": _read_const,
        "ParamRef": _read_param,
        "ColumnRef": references.read_column,
        "A_Indirection": references.read_indirection,
        "A_Star": lambda _reader, _node, _scope, _use: _NOTHING,
        "FuncCall": calls.read_call,
        "A_Expr": operators.read_operator,
        "TypeCast": casts.read_cast,
        "CollateClause": _read_collate,
        "SubLink": _read_sublink,
        "SQLValueFunction": _read_sql_value,
        "CaseExpr": _read_case,
        "RowExpr": _read_row,
        "CoalesceExpr": _read_common,
        "MinMaxExpr": _read_common,
        "A_ArrayExpr": _read_common,
        "XmlExpr": sqljson.read_xml,
        "XmlSerialize": sqljson.read_xml,
        "JsonArrayQueryConstructor": sqljson.read_json_query,
        "NamedArgExpr": _read_named,
    } | dict.fromkeys(
        (
            "JsonObjectConstructor",
            "JsonArrayConstructor",
            "JsonObjectAgg",
            "JsonArrayAgg",
            "JsonFuncExpr",
            "JsonParseExpr",
            "JsonScalarExpr",
            "JsonSerializeExpr",
        ),
        sqljson.read_json,
    )
