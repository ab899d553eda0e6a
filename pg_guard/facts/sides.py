"""The sides of operators. In: a node and what it was read as. Out: an `Operand`, and what the catalog tells of its column."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pg_guard.facts.shapes_model import Operand

if TYPE_CHECKING:
    from collections.abc import Collection

    from pg_guard.catalog.model import Name, Relation
    from pg_guard.facts.details import Details
    from pg_guard.facts.model import Facts
    from pg_guard.facts.names import Names
    from pg_guard.facts.scopes import Expr, Query, Source, SourceColumn
    from pg_guard.facts.shapes_model import OperandKind
    from pg_guard.sql.witness import Node

__all__ = ["Sizes", "cast_name", "describe", "is_nullable", "output_nullable", "strip_casts"]

_KINDS: dict[str, OperandKind] = {
    "ColumnRef": "column",
    "A_Const": "constant",
    "ParamRef": "parameter",
    "FuncCall": "function",
    "CoalesceExpr": "function",
    "MinMaxExpr": "function",
    "SQLValueFunction": "function",
    "SubLink": "subquery",
    "RowExpr": "row",
    "A_ArrayExpr": "array",
    "List": "array",
}
_NAMED = {"CoalesceExpr": "coalesce", "MinMaxExpr": "greatest"}
_DEEPEST = 20
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def strip_casts(node: Node) -> Node:
    """A node without the casts and collations around it."""
    while "TypeCast" in node or "CollateClause" in node:
        node = next(iter(node.values())).get("arg", {})
    return node


def cast_name(body: Node) -> str | None:
    """The bare name of the type that a TypeCast casts to."""
    names = [part["String"]["sval"] for part in body.get("typeName", {}).get("names", ()) if "String" in part]
    if not names:
        return None
    return f"{names[-1]}[]" if body["typeName"].get("arrayBounds") else str(names[-1])


def describe(details: Details, sizes: Sizes, node: Node) -> Operand:
    """What one side of an operator is."""
    outer: Node = next(iter(node.values()), {})
    cast = cast_name(outer) if "TypeCast" in node else None
    inner = strip_casts(node)
    kind: str = next(iter(inner), "")
    body: Node = inner.get(kind, {})
    value = details.expr(outer)
    known: OperandKind = _KINDS.get(kind, "expression")
    literal = value.value if value is not None and value.constant and known != "parameter" else None
    if kind == "A_Const" and body.get("isnull"):
        known = "null"
    elif known == "expression" and value is not None and value.constant:
        # -1 is a constant as 1 is.
        known = "constant"
    elif kind == "SubLink" and body.get("subLinkType") == "ARRAY_SUBLINK":
        known = "array"
    elif kind == "ColumnRef" and value is not None and value.row is not None and value.direct is None:
        known = "row"
    elif cast is not None and known in ("column", "function", "expression", "subquery"):
        known = "cast"
    function = _function(kind, body) if kind != "SubLink" else _only_call(body)
    column = _column(value) if known not in ("constant", "null", "parameter", "subquery", "array") else None
    operand = Operand(
        known,
        type=value.type if value is not None else None,
        function=function,
        function_on_column=function is not None and _on_column(body),
        cast=cast,
        literal=literal,
        date_only=literal is not None and _DATE.fullmatch(literal.strip()) is not None,
    )
    return operand if column is None else _with_column(operand, column, details, sizes)


def _function(kind: str, body: Node) -> str | None:
    if kind == "FuncCall":
        return str(body["funcname"][-1]["String"]["sval"])
    if kind == "SQLValueFunction":
        return str(body.get("op", "SVFOP_CURRENT_DATE")).removeprefix("SVFOP_").removesuffix("_N").lower()
    if kind == "MinMaxExpr" and body.get("op") == "IS_LEAST":
        return "least"
    return _NAMED.get(kind)


def _only_call(body: Node) -> str | None:
    """The function that is the one output of a scalar sub-query."""
    targets = body.get("subselect", {}).get("SelectStmt", {}).get("targetList", [])
    value = strip_casts(targets[0]["ResTarget"].get("val", {})) if len(targets) == 1 else {}
    return _function("FuncCall", value["FuncCall"]) if "FuncCall" in value else None


def _on_column(body: Node) -> bool:
    return any("ColumnRef" in strip_casts(arg) for arg in body.get("args", ()) if isinstance(arg, dict))


def _column(value: Expr | None) -> SourceColumn | None:
    """The one column that an expression reads."""
    if value is None:
        return None
    items = dict.fromkeys(value.items)
    column = next(iter(items), None) if len(items) == 1 else None
    while column is not None and len(column.merged) == 1:
        column = column.merged[0]
    return column


def _with_column(operand: Operand, column: SourceColumn, details: Details, sizes: Sizes) -> Operand:
    relation = column.source.relation
    names = column.source.relation_names
    operand = operand._replace(
        column=column.stored,
        relation=relation.key if relation is not None else names[0] if len(names) == 1 else None,
        column_type=column.type,
        nullable=is_nullable(column, details),
    )
    if relation is None:
        # Without a catalog nobody knows; a column of a CTE or a function leads no index.
        return operand if names else operand._replace(indexed=False, expression_indexed=False, primary_key=False)
    return operand._replace(
        indexed=any(keys[:1] == (column.stored,) for keys in relation.indexes),
        expression_indexed=any(
            column.stored in key and key != column.stored and "(" in key for keys in relation.indexes for key in keys
        ),
        primary_key=relation.primary_key == (column.stored,),
        rows=sizes.relation(relation),
    )


def is_nullable(
    column: SourceColumn, details: Details, strict: Collection[SourceColumn] = (), depth: int = 0
) -> bool | None:
    """May the column be NULL, by its declaration or by an outer join? None when nobody knows.

    Args:
        strict: Columns of which conditions let no NULL pass.
    """
    if column in strict:
        return False
    if column.merged:
        known = [is_nullable(part, details, strict, depth + 1) for part in column.merged]
        # USING gives the side that is there.
        return False if False in known else None if None in known or depth > _DEEPEST else True
    source = column.source
    if source in details.padded:
        return True
    if source.relation is not None:
        return _declared(source.relation, column.stored)
    query = source.query if source.cte is None else source.cte.query
    if query is None or depth > _DEEPEST or source.columns is None:
        return None
    index = next((index for index, each in enumerate(source.columns) if each is column), len(query.outputs))
    return output_nullable(query, index, details, strict, depth + 1)


def output_nullable(
    query: Query, index: int, details: Details, strict: Collection[SourceColumn] = (), depth: int = 0
) -> bool | None:
    """May this output of a query be NULL?"""
    if query.kind != "select" or index >= len(query.outputs):
        return None
    value = query.outputs[index].expr
    if value.constant:
        return value.value is None
    return is_nullable(value.direct, details, strict, depth + 1) if value.direct is not None else None


def _declared(relation: Relation, name: str) -> bool | None:
    if relation.kind in ("view", "matview", "foreign"):
        return None
    column = next((each for each in relation.columns if each.name == name), None)
    return None if column is None else not (column.not_null or name in relation.primary_key)


class Sizes:
    """Rows, by the planner's estimates of stored relations; no condition is weighed."""

    def __init__(self, names: Names, facts: Facts) -> None:
        self._names = names
        self._facts = facts
        self._queries: dict[Query, float | None] = {}
        self._stored: dict[Query, bool] = {}

    def relation(self, relation: Relation) -> float | None:
        """Rows of a stored relation and its partitions; None for a view and where none was ever counted."""
        catalog = self._names.catalog
        if relation.kind in ("view", "foreign") and relation.rows <= 0:
            return None
        keys: tuple[Name, ...] = (relation.key,)
        if relation.kind == "partitioned":
            # The parent's own number already is the sum, but only when it was analysed by itself.
            if relation.rows >= 0:
                return relation.rows
            keys = self._names.descendants(relation.key)
        known = [catalog.relation_index[key].rows for key in keys if catalog and key in catalog.relation_index]
        counted = [rows for rows in known if rows >= 0]
        return sum(counted) if counted else None

    def source(self, source: Source) -> float | None:
        """Rows of an item of FROM."""
        if source.relation is not None:
            return self.relation(source.relation)
        query = source.query if source.cte is None else source.cte.query
        if query is not None:
            return self.query(query)
        if source.kind == "function" and source.calls and not _returns_set(source):
            return 1.0
        return None

    def query(self, query: Query) -> float | None:
        """Rows of a query, as if its relations were joined by keys."""
        if query not in self._queries:
            # INVARIANT: each query is counted once; one that refers to itself finds that it is not known.
            self._queries[query] = None
            self._queries[query] = self._count(query)
        return self._queries[query]

    def _count(self, query: Query) -> float | None:
        if query.kind == "values":
            return float(query.size)
        level = query.level
        if level is None:
            left = self.query(query.left) if query.left is not None else None
            right = self.query(query.right) if query.right is not None else None
            if query.operation != "UNION":
                return left
            return None if left is None or right is None else left + right
        if (level.has_aggregate and level.group is None) or not level.sources:
            return 1.0
        rows: float | None = 1.0
        for source in level.sources:
            own = self.source(source)
            rows = None if own is None or rows is None else max(rows, own)
        known = self._facts.level_queries.get(level)
        if rows is not None and known is not None and (known.grouped or known.distinct or known.distinct_on):
            rows = rows**0.5
        if level.most is not None:
            return level.most if rows is None else min(rows, level.most)
        return rows

    def stored(self, source: Source) -> bool:
        """Does an item of FROM read a stored relation?"""
        if source.relation is not None or source.relation_names:
            return True
        query = source.query if source.cte is None else source.cte.query
        return query is not None and self._reads_stored(query)

    def _reads_stored(self, query: Query) -> bool:
        if query not in self._stored:
            self._stored[query] = False
            parts = [part for part in (query.left, query.right) if part is not None]
            sources = query.level.sources if query.level is not None else ()
            self._stored[query] = any(map(self.stored, sources)) or any(map(self._reads_stored, parts))
        return self._stored[query]


def _returns_set(source: Source) -> bool:
    return any(each.returns_set for call in source.calls for each in call.candidates)
