"""Queries. In: a SelectStmt (SELECT, VALUES, TABLE, WITH, set operations). Out: a `Query`, with the facts of its parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pg_guard.catalog.model import Name
from pg_guard.facts import calls, expressions, implicit, relations
from pg_guard.facts.conditions import read_condition
from pg_guard.facts.model import JoinLevel, Recursion, StatementUse
from pg_guard.facts.names import PG
from pg_guard.facts.scopes import Cte, Expr, Level, Output, Query, Scope
from pg_guard.facts.selectlist import bases, read_targets
from pg_guard.facts.sorting import read_group, read_sort
from pg_guard.facts.validity import concerns_groups

if TYPE_CHECKING:
    from pg_guard.facts.reader import Reader
    from pg_guard.sql.witness import Node

__all__ = ["KINDS", "read_query"]

KINDS = {
    "SelectStmt": "select",
    "InsertStmt": "insert",
    "UpdateStmt": "update",
    "DeleteStmt": "delete",
    "MergeStmt": "merge",
}
# A LIMIT of more rows narrows nothing.
_FEW_ROWS = 100_000
_KNOWN = frozenset(
    {
        "targetList", "fromClause", "whereClause", "groupClause", "groupDistinct", "havingClause", "windowClause", "valuesLists",
        "sortClause", "limitOffset", "limitCount", "limitOption", "lockingClause", "withClause", "intoClause", "distinctClause",
        "op", "all", "larg", "rarg",
    }
)  # fmt: skip


def read_query(reader: Reader, node: Node, outer: Scope | None) -> Query:
    """Read a query expression or, below a CTE, a data-modifying statement.

    Raises:
        TooDeep: The depth budget is used up.
    """
    kind, body = next(iter(node.items()))
    reader.facts.raw_kinds.append(KINDS.get(kind, kind))
    if kind != "SelectStmt":
        reader.facts.statements.append(StatementUse(KINDS.get(kind, kind), reader.depth, reader.at(-1)))
        query = Query("values")
        query.opened = True
        return query
    return _read_select(reader, body, outer)


def _read_select(reader: Reader, body: Node, outer: Scope | None, cte: Cte | None = None) -> Query:
    reader.enter()
    try:
        for field in body:
            if field not in _KNOWN:
                reader.unsupported(f"The clause {field}")
        if "withClause" in body:
            around = Scope(outer)
            _read_with(reader, body["withClause"], around)
        else:
            around = outer if outer is not None else Scope(None)
        _read_side_effects(reader, body)
        if body.get("op", "SETOP_NONE") != "SETOP_NONE":
            return _read_set_operation(reader, body, around, cte)
        if "valuesLists" in body:
            return _read_values(reader, body, around)
        return _read_level(reader, body, around)
    finally:
        reader.leave()


def _read_side_effects(reader: Reader, body: Node) -> None:
    """Parts of a SELECT that do more than read."""
    if "lockingClause" in body:
        reader.facts.statements.append(StatementUse("locking", reader.depth, reader.at(-1)))
    if "intoClause" in body:
        location = body["intoClause"].get("rel", {}).get("location", -1)
        reader.facts.statements.append(StatementUse("select-into", reader.depth, reader.at(location)))


# -- WITH --------------------------------------------------------------------------------------------------------------


def _read_with(reader: Reader, clause: Node, scope: Scope) -> None:
    entries = [entry["CommonTableExpr"] for entry in clause.get("ctes", ())]
    if not clause.get("recursive"):
        for body in entries:
            # A name is visible to later siblings only: its own body still sees the table of that name.
            cte = Cte(body["ctename"])
            _read_cte_body(reader, body, cte, scope, recursive=False)
            scope.ctes[cte.name] = cte
        return
    ctes = []
    for body in entries:
        cte = Cte(body["ctename"])
        scope.ctes[cte.name] = cte
        ctes.append(cte)

        def pending(body: Node = body, cte: Cte = cte) -> None:
            _read_cte_body(reader, body, cte, scope, recursive=True)

        cte.pending = pending
    for cte in ctes:
        if cte.query is None:
            assert cte.pending is not None
            cte.pending()


def _read_cte_body(reader: Reader, body: Node, cte: Cte, scope: Scope, *, recursive: bool) -> None:
    cte.reading = True
    if reader.details is not None:
        reader.details.keep_cte(body, cte)
    names = [part["String"]["sval"] for part in body.get("aliascolnames", ())]
    extra = _added_columns(reader, body, scope)
    kind, statement = next(iter(body["ctequery"].items()))
    if kind == "SelectStmt" and recursive:
        reader.facts.raw_kinds.append("select")
        # The first term of the UNION gives the columns that the second may use.
        cte.columns = None
        query = _read_recursive(reader, statement, scope, cte, names, extra)
    else:
        query = read_query(reader, body["ctequery"], scope)
    cte.query = query
    own = _named(query, names)
    if cte.recursive_uses:
        # Each turn may move values to another column, so in the end each may hold what flowed into any.
        all_bases = tuple(dict.fromkeys(base for _, output in own for base in output.base))
        own = [(name, output._replace(base=all_bases)) for name, output in own]
    cte.columns = own + _tracked(reader, body, own, extra)
    cte.reading = False
    query.user = cte
    if cte.recursive_uses:
        reader.facts.recursions.append(Recursion(cte, "cycle_clause" in body, reader.at(body.get("location", -1))))


def _added_columns(reader: Reader, body: Node, scope: Scope) -> list[tuple[str, Output]]:
    """Columns that SEARCH and CYCLE add."""
    extra: list[tuple[str, Output]] = []
    if search := body.get("search_clause"):
        extra.append(_plain_output(search["search_seq_column"], None))
    if cycle := body.get("cycle_clause"):
        marks = expressions.read_all(
            reader, [cycle.get("cycle_mark_value"), cycle.get("cycle_mark_default")], scope, "output"
        )
        extra.append(_plain_output(cycle["cycle_mark_column"], reader.common(marks)))
        extra.append(_plain_output(cycle["cycle_path_column"], Name(PG, "_record")))
    return extra


def _tracked(
    reader: Reader, body: Node, own: list[tuple[str, Output]], extra: list[tuple[str, Output]]
) -> list[tuple[str, Output]]:
    """CYCLE compares rows of the columns that it lists; both clauses add columns that hold such rows."""
    clauses = [
        body.get("search_clause", {}).get("search_col_list", ()),
        body.get("cycle_clause", {}).get("cycle_col_list", ()),
    ]
    listed = [{part["String"]["sval"] for part in clause} for clause in clauses]
    implicit.use_comparison(reader, [output.expr for name, output in own if name in listed[1]])
    fields = tuple(
        type_
        for name, output in own
        if name in listed[0] | listed[1]
        for type_ in (output.expr.type, *output.expr.held)
    )
    return [(name, output._replace(expr=output.expr._replace(fields=fields))) for name, output in extra]


def _plain_output(name: str, type_: Name | None) -> tuple[str, Output]:
    return name, Output(name, Expr(type_), ())


def _read_recursive(
    reader: Reader, body: Node, scope: Scope, cte: Cte, names: list[str], extra: list[tuple[str, Output]]
) -> Query:
    if body.get("op") != "SETOP_UNION":
        return _read_select(reader, body, scope)
    seeded = _Seed(cte, names, extra)
    reader.enter()
    try:
        around = Scope(scope)
        if "withClause" in body:
            _read_with(reader, body["withClause"], around)
        _read_side_effects(reader, body)
        return _read_set_operation(reader, body, around, seeded)
    finally:
        reader.leave()


class _Seed(Cte):
    """Gives a recursive CTE its columns as soon as the first term is read."""

    __slots__ = ("extra", "names", "target")

    def __init__(self, target: Cte, names: list[str], extra: list[tuple[str, Output]]) -> None:
        super().__init__(target.name)
        self.target, self.names, self.extra = target, names, extra


def _named(query: Query, names: list[str]) -> list[tuple[str, Output]]:
    given = names + [output.name for output in query.outputs[len(names) :]]
    return list(zip(given, query.outputs, strict=False))


# -- set operations and VALUES -------------------------------------------------------------------------------------------


def _read_set_operation(reader: Reader, body: Node, scope: Scope, cte: Cte | None) -> Query:
    query = Query("setop")
    if reader.details is not None:
        reader.details.keep_query(body, query)
    query.operation = {"SETOP_UNION": "UNION", "SETOP_INTERSECT": "INTERSECT"}.get(body["op"], "EXCEPT")
    query.limited = "limitCount" in body or "limitOffset" in body
    query.cut = _cuts(body.get("limitCount"))
    query.left = _read_select(reader, body["larg"], scope)
    if isinstance(cte, _Seed):
        cte.target.columns = _named(query.left, cte.names) + cte.extra
    query.right = _read_select(reader, body["rarg"], scope)
    query.left.user = query.right.user = query
    query.opened = query.left.opened
    query.outputs = [
        Output(
            left.name,
            expressions.merge((left.expr, right.expr), reader.common((left.expr, right.expr)))._replace(
                probe=left.expr.probe or right.expr.probe
            ),
            tuple(dict.fromkeys((*left.base, *right.base))),
        )
        for left, right in zip(query.left.outputs, query.right.outputs, strict=False)
    ]
    if query.operation != "UNION" or not body.get("all"):
        implicit.use_comparison(reader, [side.expr for side in (*query.left.outputs, *query.right.outputs)])
    # ORDER BY of a set operation can only name its outputs.
    own = Scope(scope)
    source = relations.query_source(query, "")
    query.user = None
    own.columns = list(source.columns or [])
    own.opened = [source] if source.columns is None else []
    read_sort(reader, body.get("sortClause"), own, query.outputs, "order")
    for field in ("limitOffset", "limitCount"):
        expressions.read(reader, body.get(field), scope, "limit")
    return query


def _read_values(reader: Reader, body: Node, scope: Scope) -> Query:
    query = Query("values")
    query.size = len(body["valuesLists"])
    if reader.details is not None:
        reader.details.keep_query(body, query)
    rows = [expressions.read_all(reader, row["List"].get("items"), scope, "output") for row in body["valuesLists"]]
    for index, first in enumerate(rows[0] if rows else ()):
        cells = tuple(row[index] for row in rows if index < len(row))
        merged = first if len(cells) == 1 else expressions.merge(cells, reader.common(cells))
        if len(cells) > 1 and all(cell.constant and cell.value is not None for cell in cells):
            # One of several constants: it holds what is joined to it as an IN list does.
            merged = merged._replace(constant=True, value="(" + ", ".join(str(cell.value) for cell in cells) + ")")
        query.outputs.append(Output(f"column{index + 1}", merged, bases(merged)))
    read_sort(reader, body.get("sortClause"), scope, query.outputs, "order")
    for field in ("limitOffset", "limitCount"):
        expressions.read(reader, body.get(field), scope, "limit")
    return query


# -- one SELECT ----------------------------------------------------------------------------------------------------------


def _read_level(reader: Reader, body: Node, outer: Scope) -> Query:
    query = Query("select")
    if reader.details is not None:
        reader.details.keep_query(body, query)
    level = Level(outer.level)
    query.level, level.owner = level, query
    level.location = reader.at(_first_location(body.get("fromClause", [])))
    reader.facts.levels.append(level)
    scope = Scope(outer, level)
    # Lateral items look through `outer`, so names of WITH are reached by the chain.
    tables = relations.read_from(reader, body.get("fromClause", []), scope, level)
    if tables > 0:
        reader.facts.joins.append(JoinLevel(tables, reader.at(_first_location(body.get("fromClause", [])))))
    level.conditions.extend((each, None) for each in read_condition(reader, body.get("whereClause"), scope, "where"))
    read_targets(reader, body.get("targetList", []), scope, query)
    level.outputs = query.outputs
    if "groupClause" in body:
        level.group = read_group(reader, body["groupClause"], scope, query.outputs)
    if "havingClause" in body:
        level.has_aggregate = level.may_aggregate = True
        having = read_condition(reader, body["havingClause"], scope, "having")
        # What a group is grouped by is the same in all of its rows, so a condition on it is one on them.
        level.conditions.extend((each, None) for each in having if concerns_groups(each, level))
    level.has_aggregate = level.has_aggregate or any(output.expr.aggregate for output in query.outputs)
    for entry in body.get("windowClause", ()):
        partition = calls.read_window(reader, entry["WindowDef"], scope)
        if not entry["WindowDef"].get("refname"):
            level.windows.append(partition)
    read_sort(reader, body.get("sortClause"), scope, query.outputs, "order")
    distinct = [entry for entry in body.get("distinctClause", ()) if entry]
    if "distinctClause" in body and not distinct:
        implicit.use_comparison(reader, [output.expr for output in query.outputs])
    if distinct:
        level.distinct_on = read_sort(reader, distinct, scope, query.outputs, "distinct")
    for field in ("limitOffset", "limitCount"):
        expressions.read(reader, body.get(field), scope, "limit")
    level.limited = "limitCount" in body or "limitOffset" in body
    level.bounded = "limitCount" in body and not body["limitCount"].get("A_Const", {}).get("isnull")
    level.most = _constant(body.get("limitCount"))
    level.cut = _cuts(body.get("limitCount"))
    level.gathers = any(field in body for field in ("sortClause", "distinctClause", "groupClause", "windowClause"))
    return query


def _cuts(node: Node | None) -> bool:
    """Does a LIMIT leave few rows, as far as its text tells?"""
    most = _constant(node)
    return "ParamRef" in (node or {}) or (most is not None and most <= _FEW_ROWS)


def _constant(node: Node | None) -> float | None:
    """The number that a LIMIT is, when it is written as one."""
    constant = (node or {}).get("A_Const", {})
    return float(constant["ival"].get("ival", 0)) if "ival" in constant else None


def _first_location(nodes: list[Node]) -> int:
    current = nodes[0] if nodes else {}
    while current:
        kind, body = next(iter(current.items()))
        if kind != "JoinExpr":
            return int(body.get("location", -1))
        current = body.get("larg", {})
    return -1
