"""Functions in FROM. In: RangeFunction, XMLTABLE and JSON_TABLE nodes. Out: a source with the columns that they return."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pg_guard.catalog.model import Name
from pg_guard.facts import expressions
from pg_guard.facts.names import PG
from pg_guard.facts.scopes import Expr, Scope, Source, SourceColumn

if TYPE_CHECKING:
    from pg_guard.catalog.model import Relation
    from pg_guard.facts.reader import Reader
    from pg_guard.sql.witness import Node

__all__ = ["read"]

Columns = list[tuple[str, Name | None]] | None


def read(reader: Reader, node: Node, scope: Scope) -> Source | None:
    """Read a table function of any kind; None when `node` is none."""
    kind, body = next(iter(node.items()))
    if kind == "RangeFunction":
        return _read_functions(reader, body, scope)
    if kind == "RangeTableFunc":
        for field in ("docexpr", "rowexpr"):
            expressions.read(reader, body.get(field), scope, "from")
        expressions.read_all(reader, body.get("namespaces"), scope, "from")
        columns = _read_xml_columns(reader, body.get("columns", []), scope)
        return _source(reader, body, columns, "xmltable")
    if kind == "JsonTable":
        for field in ("context_item", "on_error"):
            if body.get(field):
                expressions.read(
                    reader, {"JsonValueExpr" if field == "context_item" else "JsonBehavior": body[field]}, scope, "from"
                )
        expressions.read_all(reader, body.get("passing"), scope, "from")
        return _source(reader, body, _read_json_columns(reader, body.get("columns", []), scope), "json_table")
    return None


def _source(reader: Reader, body: Node, columns: Columns, default: str) -> Source:
    from pg_guard.facts.relations import rename

    source = Source("function", (body.get("alias") or {}).get("aliasname", default))
    source.columns = None if columns is None else [SourceColumn(source, name, type_, ()) for name, type_ in columns]
    return rename(reader, source, body)


def _read_functions(reader: Reader, body: Node, scope: Scope) -> Source:
    columns: Columns = []
    name = ""
    functions = body.get("functions", [])
    for entry in functions:
        call, *definitions = entry["List"]["items"]
        before = len(reader.facts.functions)
        value = expressions.read(reader, call, scope, "from")
        name = name or _function_name(call)
        defined = [part for each in definitions if each for part in each.get("List", {}).get("items", [])]
        defined += body.get("coldeflist", []) if len(functions) == 1 else []
        if defined:
            shape: Columns = [_read_definition(reader, each["ColumnDef"]) for each in defined]
        else:
            args = call.get("FuncCall", {}).get("args", [])
            shape = _shape(reader, before, call, value, args, scope, (body.get("alias") or {}).get("aliasname"))
        columns = None if columns is None or shape is None else columns + shape
    if columns is not None and body.get("ordinality"):
        columns = [*columns, ("ordinality", Name(PG, "int8"))]
    return _source(reader, body, columns, name)


def _function_name(call: Node) -> str:
    kind, body = next(iter(call.items()))
    if kind == "FuncCall":
        return str(body["funcname"][-1]["String"]["sval"])
    return {"SQLValueFunction": "sqlvalue", "CoalesceExpr": "coalesce"}.get(kind, kind.lower())


def _read_definition(reader: Reader, body: Node) -> tuple[str, Name | None]:
    type_ = expressions.read_type(reader, body["typeName"]) if body.get("typeName") else None
    return body.get("colname", ""), type_


def _shape(
    reader: Reader, before: int, call: Node, value: Expr, args: list[Node], scope: Scope, alias: str | None
) -> Columns:
    """The columns of a function's result; None when its shape is not known."""
    uses = [use for use in reader.facts.functions[before:] if use.name == _function_name(call)]
    candidates = uses[-1].candidates if uses else ()
    name = alias or _function_name(call)
    if not candidates:
        return [(name, value.type)] if reader.names.catalog is not None or "FuncCall" not in call else None
    outputs = {each.outputs for each in candidates}
    if len(outputs) > 1:
        return None
    if declared := next(iter(outputs)):
        # A single OUT parameter of a scalar function does not name the column when the call has an alias.
        if len(declared) == 1 and candidates[0].result.name != "record":
            return [(alias or declared[0][0] or name, declared[0][1])]
        return [(each, type_) for each, type_ in declared]
    result = candidates[0].result if len({each.result for each in candidates}) == 1 else None
    if (
        result is not None
        and result.schema == PG
        and result.name in ("anyelement", "anycompatible", "record", "anyarray")
    ):
        if not args or result.name == "anyarray":
            return None if result.name == "record" else [(name, None)]
        given = _argument_type(reader, args[0], value)
        if given is None:
            return None
        result = given
        if candidates[0].name == "unnest":
            catalog = reader.names.catalog
            array = catalog.type_index.get(given) if catalog else None
            result = array.element if array is not None else None
            if result is None:
                return None
    relation = _relation(reader, result)
    if relation is not None:
        return [(column.name, column.type) for column in relation.columns]
    return [(name, result)]


def _argument_type(reader: Reader, arg: Node, value: Expr) -> Name | None:
    """The type of a polymorphic function's first argument, where it is plain to see."""
    if "TypeCast" in arg:
        names = [part["String"]["sval"] for part in arg["TypeCast"]["typeName"].get("names", ())]
        found = reader.names.type(names[-2] if len(names) > 1 else None, names[-1]) if names else None
        key = found.key if found else None
        return Name(key.schema, f"_{key.name}") if key and arg["TypeCast"]["typeName"].get("arrayBounds") else key
    if "ColumnRef" in arg and len(value.items) == 1:
        return value.items[0].type
    if "A_ArrayExpr" in arg:
        elements = arg["A_ArrayExpr"].get("elements", [])
        if elements and "A_Const" in elements[0]:
            return Name(PG, "_int4" if "ival" in elements[0]["A_Const"] else "_text")
    return None


def _relation(reader: Reader, type_: Name | None) -> Relation | None:
    catalog = reader.names.catalog
    if catalog is None or type_ is None:
        return None
    found = catalog.type_index.get(type_)
    while found is not None and found.kind == "domain" and found.base is not None:
        found = catalog.type_index.get(found.base)
    return catalog.relation_index.get(found.relation) if found is not None and found.relation is not None else None


def _read_xml_columns(reader: Reader, nodes: list[Node], scope: Scope) -> Columns:
    columns: list[tuple[str, Name | None]] = []
    for node in nodes:
        body = node["RangeTableFuncCol"]
        type_ = expressions.read_type(reader, body["typeName"]) if body.get("typeName") else Name(PG, "int4")
        for field in ("colexpr", "coldefexpr"):
            expressions.read(reader, body.get(field), scope, "from")
        columns.append((body.get("colname", ""), type_))
    return columns


def _read_json_columns(reader: Reader, nodes: list[Node], scope: Scope) -> list[tuple[str, Name | None]]:
    columns: list[tuple[str, Name | None]] = []
    for node in nodes:
        body = node["JsonTableColumn"]
        for field in ("on_empty", "on_error"):
            if body.get(field):
                expressions.read(reader, {"JsonBehavior": body[field]}, scope, "from")
        if body.get("coltype") == "JTC_NESTED":
            columns += _read_json_columns(reader, body.get("columns", []), scope)
            continue
        type_ = expressions.read_type(reader, body["typeName"]) if body.get("typeName") else Name(PG, "int4")
        columns.append((body.get("name", ""), type_))
    return columns
