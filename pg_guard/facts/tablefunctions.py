"""Functions in FROM. In: RangeFunction, XMLTABLE and JSON_TABLE nodes. Out: a source with the columns that they return."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pg_guard.catalog.model import Name
from pg_guard.facts import casts, expressions
from pg_guard.facts.resolution import PG, POLYMORPHIC, RECORD
from pg_guard.facts.scopes import Scope, Source, SourceColumn
from pg_guard.facts.subselects import has_sublink

if TYPE_CHECKING:
    from pg_guard.catalog.model import Function, Relation
    from pg_guard.facts.model import FunctionUse
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


def _source(reader: Reader, body: Node, columns: Columns, default: str, row_type: Name | None = RECORD) -> Source:
    from pg_guard.facts.relations import rename

    source = Source("function", (body.get("alias") or {}).get("aliasname", default))
    source.columns = None if columns is None else [SourceColumn(source, name, type_, ()) for name, type_ in columns]
    source.row_type = row_type
    return rename(reader, source, body)


def _read_functions(reader: Reader, body: Node, scope: Scope) -> Source:
    columns: Columns = []
    entries = [part for entry in body.get("functions", ()) for part in _split(entry)]
    name = _function_name(entries[0][0]) if entries else ""
    alias = (body.get("alias") or {}).get("aliasname") if len(entries) == 1 else None
    row_type: Name | None = RECORD
    given: set[int] = set()
    first = len(reader.facts.functions)
    for call, definitions in entries:
        before = len(reader.facts.functions)
        value = expressions.read(reader, call, scope, "from")
        defined = [part for each in definitions if each for part in each.get("List", {}).get("items", [])]
        defined += body.get("coldeflist", []) if len(entries) == 1 else []
        if defined:
            shape: Columns = [_read_definition(reader, each["ColumnDef"]) for each in defined]
        else:
            uses = [use for use in reader.facts.functions[before:] if use.name == _function_name(call)]
            candidates = uses[-1].candidates if uses else ()
            shape = _shape(reader, candidates, value.type, alias or _function_name(call), alias)
            if columns is not None and shape is not None and len(shape) == 1 and _lists_constants(uses, call):
                given.add(len(columns))
            if shape is not None and len(shape) == len(value.fields):
                shape = [(name_, type_) for (name_, _), type_ in zip(shape, value.fields, strict=True)]
            if len(entries) == 1 and not body.get("ordinality"):
                # A function that is declared to return record or several columns has rows of no named type.
                several = shape is None or len(shape) > 1
                row_type = RECORD if several and value.type is None else value.type
        columns = None if columns is None or shape is None else columns + shape
    if columns is not None and body.get("ordinality"):
        columns = [*columns, ("ordinality", Name(PG, "int8"))]
    source = _source(reader, body, columns, name, row_type)
    source.calls = reader.facts.functions[first:]
    source.given = frozenset(given)
    if len(entries) == 1 and not body.get("ordinality") and not value.items and not has_sublink(entries[0][0]):
        source.series = _series(reader, reader.facts.functions[before:])
    return source


def _series(reader: Reader, uses: list[FunctionUse]) -> FunctionUse | None:
    """PostgreSQL's own generate_series among the calls of one item of FROM."""
    for use in reversed(uses):
        if use.name == "generate_series" and use.schema in (None, PG):
            own = all(each.schema == PG for each in use.candidates)
            return use if own and (use.candidates or reader.names.catalog is None) else None
    return None


def _lists_constants(uses: list[FunctionUse], call: Node) -> bool:
    """Is it PostgreSQL's own unnest of an array that is written in the text, or of a parameter?"""
    if not uses or not uses[-1].candidates or len(call.get("FuncCall", {}).get("args", ())) != 1:
        return False
    own = all(each.schema == PG and each.name == "unnest" for each in uses[-1].candidates)
    return own and [index for index, _ in uses[-1].literals] == [0]


def _split(entry: Node) -> list[tuple[Node, list[Node]]]:
    """``unnest(a, b)`` in FROM stands for ROWS FROM (unnest(a), unnest(b)), as in transformRangeFunction."""
    call, *definitions = entry["List"]["items"]
    body = call.get("FuncCall", {})
    args = body.get("args", [])
    plain = not (body.get("agg_order") or body.get("agg_distinct") or body.get("func_variadic") or "over" in body)
    if len(args) > 1 and plain and [part["String"]["sval"] for part in body["funcname"]] == ["unnest"]:
        return [({"FuncCall": body | {"args": [arg]}}, definitions) for arg in args]
    return [(call, definitions)]


def _function_name(call: Node) -> str:
    kind, body = next(iter(call.items()))
    if kind == "FuncCall":
        return str(body["funcname"][-1]["String"]["sval"])
    return {"SQLValueFunction": "sqlvalue", "CoalesceExpr": "coalesce"}.get(kind, kind.lower())


def _read_definition(reader: Reader, body: Node) -> tuple[str, Name | None]:
    type_ = casts.read_type(reader, body["typeName"]) if body.get("typeName") else None
    return body.get("colname", ""), type_


def _shape(
    reader: Reader, candidates: tuple[Function, ...], result: Name | None, name: str, alias: str | None
) -> Columns:
    """The columns of a function's result; None when its shape is not known.

    Args:
        candidates: Overloads that the call may reach.
        result: The type of the call, where it can be told.
        name: What a single column is called that has no name of its own.
    """
    if not candidates:
        return [(name, result)] if reader.names.catalog is not None else None
    outputs = {each.outputs for each in candidates}
    if len(outputs) > 1:
        return None
    if declared := next(iter(outputs)):
        # The name of a single OUT parameter comes before the alias, as in chooseScalarFunctionAlias.
        return [
            (each or alias or f"column{number}", None if _polymorphic(type_) else type_)
            for number, (each, type_) in enumerate(declared, 1)
        ]
    if result is None:
        # A composite type may stand behind what is not known; a number does not turn into columns.
        scalar = all(_is_scalar(reader, each.result) for each in candidates)
        return [(name, None)] if scalar else None
    relation = _relation(reader, result)
    if relation is not None:
        return [(column.name, column.type) for column in relation.columns]
    return [(name, result)]


def _polymorphic(type_: Name) -> bool:
    return type_.schema == PG and type_.name in POLYMORPHIC


def _is_scalar(reader: Reader, type_: Name) -> bool:
    return type_ != RECORD and not _polymorphic(type_) and _relation(reader, type_) is None


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
        type_ = casts.read_type(reader, body["typeName"]) if body.get("typeName") else Name(PG, "int4")
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
        type_ = casts.read_type(reader, body["typeName"]) if body.get("typeName") else Name(PG, "int4")
        columns.append((body.get("name", ""), type_))
    return columns
