"""Names of output columns. In: the expression of a target. Out: the name that PostgreSQL gives it without AS."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pg_guard.sql.witness import Node

__all__ = ["output_name"]

_UNNAMED = "?column?"
_BY_KIND = {
    "A_ArrayExpr": "array",
    "RowExpr": "row",
    "CoalesceExpr": "coalesce",
    "GroupingFunc": "grouping",
    "XmlSerialize": "xmlserialize",
    "JsonParseExpr": "json",
    "JsonScalarExpr": "json_scalar",
    "JsonSerializeExpr": "json_serialize",
    "JsonObjectConstructor": "json_object",
    "JsonArrayConstructor": "json_array",
    "JsonArrayQueryConstructor": "json_array",
    "JsonObjectAgg": "json_objectagg",
    "JsonArrayAgg": "json_arrayagg",
}
_SQL_VALUES = {
    "SVFOP_CURRENT_TIME_N": "current_time",
    "SVFOP_CURRENT_TIMESTAMP_N": "current_timestamp",
    "SVFOP_LOCALTIME_N": "localtime",
    "SVFOP_LOCALTIMESTAMP_N": "localtimestamp",
}
_XML = {
    "IS_XMLCONCAT": "xmlconcat", "IS_XMLELEMENT": "xmlelement", "IS_XMLFOREST": "xmlforest", "IS_XMLPARSE": "xmlparse",
    "IS_XMLPI": "xmlpi", "IS_XMLROOT": "xmlroot", "IS_XMLSERIALIZE": "xmlserialize",
}  # fmt: skip
_JSON = {"JSON_EXISTS_OP": "json_exists", "JSON_QUERY_OP": "json_query", "JSON_VALUE_OP": "json_value"}


def output_name(node: Node) -> str:
    """Source: FigureColnameInternal in src/backend/parser/parse_target.c."""
    return _name(node)[0]


def _name(node: Node) -> tuple[str, int]:
    """The name and how strong it is: 2 a name, 1 a type or keyword, 0 none."""
    if not node:
        return _UNNAMED, 0
    kind, body = next(iter(node.items()))
    if kind == "ColumnRef":
        names = [part["String"]["sval"] for part in body["fields"] if "String" in part]
        return (names[-1], 2) if names else (_UNNAMED, 0)
    if kind == "A_Indirection":
        names = [part["String"]["sval"] for part in body["indirection"] if "String" in part]
        return (names[-1], 2) if names else _name(body.get("arg", {}))
    if kind == "FuncCall":
        return body["funcname"][-1]["String"]["sval"], 2
    if kind == "A_Expr":
        return ("nullif", 2) if body.get("kind") == "AEXPR_NULLIF" else (_UNNAMED, 0)
    if kind == "TypeCast":
        name, strength = _name(body.get("arg", {}))
        if strength <= 1 and (names := body["typeName"].get("names")):
            return names[-1]["String"]["sval"], 1
        return name, strength
    if kind == "CollateClause":
        return _name(body.get("arg", {}))
    if kind == "CaseExpr":
        name, strength = _name(body.get("defresult", {}))
        return ("case", 1) if strength <= 1 else (name, strength)
    if kind == "SubLink":
        return _sublink(body)
    if kind == "MinMaxExpr":
        return ("least" if body.get("op") == "IS_LEAST" else "greatest"), 2
    if kind == "SQLValueFunction":
        operation = body.get("op", "")
        return _SQL_VALUES.get(operation, operation.removeprefix("SVFOP_").lower()), 2
    if kind == "XmlExpr" and body.get("op", "IS_XMLCONCAT") in _XML:
        return _XML[body.get("op", "IS_XMLCONCAT")], 2
    if kind == "JsonFuncExpr":
        return _JSON.get(body.get("op", ""), _UNNAMED), 2
    return (_BY_KIND[kind], 2) if kind in _BY_KIND else (_UNNAMED, 0)


def _sublink(body: Node) -> tuple[str, int]:
    kind = body.get("subLinkType", "EXISTS_SUBLINK")
    if kind == "EXISTS_SUBLINK":
        return "exists", 2
    if kind == "ARRAY_SUBLINK":
        return "array", 2
    if kind == "EXPR_SUBLINK":
        select = body.get("subselect", {}).get("SelectStmt", {})
        while "larg" in select:
            select = select["larg"]
        if select.get("targetList"):
            target = select["targetList"][0]["ResTarget"]
            return (target["name"], 2) if target.get("name") else _name(target.get("val", {}))
    return _UNNAMED, 0
