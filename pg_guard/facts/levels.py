"""One SELECT as a whole. In: its node and its `Query`. Out: a `QueryUse`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pg_guard.facts.linkage import is_single
from pg_guard.facts.scopes import Cte
from pg_guard.facts.shapes_model import QueryUse
from pg_guard.facts.sides import strip_casts

if TYPE_CHECKING:
    from pg_guard.facts.scopes import Level, Query, Source
    from pg_guard.facts.shapes_model import QueryRole
    from pg_guard.facts.sides import Sizes
    from pg_guard.sql.witness import Node

__all__ = ["describe_level", "describe_set", "read_limit"]

_DEEPEST = 200


def describe_level(body: Node, query: Query, role: QueryRole, depth: int, place: int, sizes: Sizes) -> QueryUse:
    """What a SELECT is; CTEs and HAVING are told by the walk that reads them."""
    level = query.level
    assert level is not None  # a SELECT has one
    targets = [entry["ResTarget"] for entry in body.get("targetList", ())]
    star, stored = _stars(targets, level)
    distinct = "distinctClause" in body
    limited, limit, offset, offset_rows = read_limit(body)
    known = [sizes.relation(source.relation) for source in level.sources if source.relation is not None]
    counted = [rows for rows in known if rows is not None]
    return QueryUse(
        place,
        role,
        depth,
        star=star,
        star_stored=stored,
        distinct=distinct and not any(body["distinctClause"]),
        distinct_on=distinct and any(body["distinctClause"]),
        distinct_needless=distinct and not any(body["distinctClause"]) and _all_different(body, query, level),
        ordered="sortClause" in body,
        limited=limited,
        limit=limit,
        offset=offset,
        offset_rows=offset_rows,
        grouped="groupClause" in body,
        aggregated=level.has_aggregate,
        single=is_single(query),
        has_where="whereClause" in body,
        having="havingClause" in body,
        tables=sum(source.kind in ("relation", "query", "cte") for source in level.sources),
        stored=any(map(_is_table, level.sources)),
        rows=max(counted) if counted else None,
        recursive=isinstance(query.user, Cte) and bool(query.user.recursive_uses),
        duplicate_outputs=_duplicates(targets),
    )


def describe_set(body: Node, query: Query, role: QueryRole, depth: int, place: int) -> QueryUse:
    """What a set operation is."""
    name = body["op"].removeprefix("SETOP_").lower()
    limited, limit, offset, offset_rows = read_limit(body)
    return QueryUse(
        place,
        role,
        depth,
        set_operation=f"{name}_all" if body.get("all") else name,
        disjoint=_disjoint(query),
        ordered="sortClause" in body,
        limited=limited,
        limit=limit,
        offset=offset,
        offset_rows=offset_rows,
        recursive=isinstance(query.user, Cte) and bool(query.user.recursive_uses),
    )


def read_limit(body: Node) -> tuple[bool, float | None, bool, float | None]:
    """(limited, limit, offset, offset_rows); LIMIT NULL, LIMIT ALL and OFFSET 0 are none."""
    limit, offset = body.get("limitCount") or {}, body.get("limitOffset") or {}
    limited = bool(limit) and not limit.get("A_Const", {}).get("isnull")
    rows = _number(offset)
    shifted = bool(offset) and not offset.get("A_Const", {}).get("isnull") and rows != 0
    return limited, _number(limit), shifted, rows if shifted else None


def _number(node: Node) -> float | None:
    """The number that is written, also as ``'1000'``, ``1e3`` or with a cast."""
    constant = strip_casts(node).get("A_Const", {})
    if "ival" in constant:
        return float(constant["ival"].get("ival", 0))
    text = constant.get("fval", {}).get("fval") or constant.get("sval", {}).get("sval")
    try:
        return float(text) if text else None
    except ValueError:
        return None


def _stars(targets: list[Node], level: Level) -> tuple[bool, bool]:
    """(star, star_stored)."""
    star = stored = False
    tables = {source.alias for source in level.sources if _is_table(source)}
    for target in targets:
        fields = target.get("val", {}).get("ColumnRef", {}).get("fields", [])
        if not fields or "A_Star" not in fields[-1]:
            continue
        star = True
        stored |= bool(tables) if len(fields) < 2 else fields[-2]["String"]["sval"] in tables
    return star, stored


def _is_table(source: Source) -> bool:
    return source.kind == "relation"


def _all_different(body: Node, query: Query, level: Level) -> bool:
    """Are the rows different already, by GROUP BY or by a primary key?"""
    shown = {id(output.expr.direct) for output in query.outputs if output.expr.direct is not None}
    if level.group:
        whole = {id(output.expr) for output in query.outputs}
        plain = not any("GroupingSet" in node for node in body.get("groupClause", ()))
        return plain and all(id(each) in whole or id(each.direct) in shown for each in level.group)
    if len(level.sources) != 1 or level.has_aggregate or level.sources[0].relation is None:
        return False
    source = level.sources[0]
    keys = source.relation.primary_key if source.relation is not None else ()
    columns = {id(column) for column in source.columns or () if column.stored in keys}
    returns_sets = any(output.expr.set_returning for output in query.outputs)
    return bool(keys) and columns <= shown and not returns_sets


def _disjoint(query: Query) -> bool:
    """Does an output hold different constants in both branches?"""
    if query.left is None or query.right is None:
        return False
    for index in range(min(len(query.left.outputs), len(query.right.outputs))):
        left, right = _constants(query.left, index, 0), _constants(query.right, index, 0)
        if left and right and left.isdisjoint(right):
            return True
    return False


def _constants(query: Query, index: int, depth: int) -> frozenset[str]:
    """The constants that an output holds; none when it may hold anything else."""
    if query.kind == "setop":
        if query.left is None or query.right is None or depth > _DEEPEST:
            return frozenset()
        left, right = _constants(query.left, index, depth + 1), _constants(query.right, index, depth + 1)
        return left | right if left and right else frozenset()
    if query.kind == "values" or index >= len(query.outputs):
        return frozenset()
    value = query.outputs[index].expr
    return frozenset({value.value}) if value.constant and value.value not in (None, "$") else frozenset()


def _duplicates(targets: list[Node]) -> tuple[str, ...]:
    names: dict[str, int] = {}
    for target in targets:
        value = target.get("val", {})
        fields = value.get("ColumnRef", {}).get("fields", [{}])
        name = target.get("name") or (fields[-1].get("String", {}).get("sval") if "ColumnRef" in value else None)
        if name is not None:
            names[name] = names.get(name, 0) + 1
    return tuple(name for name, count in names.items() if count > 1)
