"""SQL/JSON and XML. In: their nodes, which the grammar keeps apart from calls. Out: facts of their parts, and the type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pg_guard.catalog.model import Name
from pg_guard.facts import expressions, implicit
from pg_guard.facts.names import PG
from pg_guard.facts.subselects import has_sublink

if TYPE_CHECKING:
    from pg_guard.facts.model import Use
    from pg_guard.facts.reader import Reader
    from pg_guard.facts.scopes import Expr, Scope
    from pg_guard.sql.witness import Node

__all__ = ["read_json", "read_json_query", "read_xml"]

_BOOL = Name(PG, "bool")
_TEXT = Name(PG, "text")
_AGGREGATES = frozenset({"JsonObjectAgg", "JsonArrayAgg"})

_JSON_TYPES = {
    "JSON_EXISTS_OP": _BOOL,
    "JSON_QUERY_OP": Name(PG, "jsonb"),
    "JSON_VALUE_OP": _TEXT,
    "JsonObjectConstructor": Name(PG, "json"),
    "JsonArrayConstructor": Name(PG, "json"),
    "JsonArrayQueryConstructor": Name(PG, "json"),
    "JsonObjectAgg": Name(PG, "json"),
    "JsonArrayAgg": Name(PG, "json"),
    "JsonParseExpr": Name(PG, "json"),
    "JsonScalarExpr": Name(PG, "json"),
    "JsonSerializeExpr": _TEXT,
}


def read_json(reader: Reader, node: Node, scope: Scope, use: Use) -> Expr:
    """SQL/JSON: pure on its arguments; RETURNING sets the type, and casts to it."""
    kind, body = next(iter(node.items()))
    parts: list[Expr] = []
    expressions.read_fields(reader, body, scope, use, parts)
    implicit.use_json_casts(reader, parts)
    if kind in _AGGREGATES and scope.level is not None:
        scope.level.note_aggregate((item for part in parts for item in part.items), hidden=has_sublink(node))
    output = body.get("output") or body.get("constructor", {}).get("output") or {}
    returned = output.get("typeName") or body.get("returning", {}).get("typeName")
    type_ = _type_name(reader, returned) if returned else _JSON_TYPES.get(body.get("op", kind), _JSON_TYPES.get(kind))
    return expressions.merge(tuple(parts), type_, aggregate=kind in _AGGREGATES)


def read_json_query(reader: Reader, node: Node, scope: Scope, _use: Use) -> Expr:
    """``JSON_ARRAY(SELECT …)``."""
    from pg_guard.facts import queries

    body = node["JsonArrayQueryConstructor"]
    query = queries.read_query(reader, body["query"], scope)
    if body.get("output"):
        expressions.read_fields(reader, {"output": body["output"]}, scope, "output", [])
    return expressions.merge(tuple(output.expr for output in query.outputs))


def read_xml(reader: Reader, node: Node, scope: Scope, use: Use) -> Expr:
    """XMLELEMENT, XMLSERIALIZE and their kin, IS DOCUMENT."""
    kind, body = next(iter(node.items()))
    parts: list[Expr] = []
    expressions.read_fields(reader, body, scope, use, parts)
    if kind == "XmlSerialize":
        return expressions.merge(tuple(parts), _type_name(reader, body.get("typeName", {})))
    return expressions.merge(tuple(parts), _BOOL if body.get("op") == "IS_DOCUMENT" else Name(PG, "xml"))


def _type_name(reader: Reader, body: Node) -> Name | None:
    """The type that a TypeName means, without recording it."""
    names = [part["String"]["sval"] for part in body.get("names", ()) if "String" in part]
    found = reader.names.type(names[-2] if len(names) > 1 else None, names[-1]) if names else None
    types = reader.names.types
    if found is not None and types is not None and body.get("arrayBounds"):
        return types.array_of(found.key)
    return found.key if found is not None else None
