"""Joins as written. In: FROM of one SELECT, and which columns its conditions speak of. Out: a `JoinUse` per join."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pg_guard.facts.predicates import Prover
from pg_guard.facts.shapes_model import JoinUse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pg_guard.facts.model import Facts
    from pg_guard.facts.scopes import Level, Query, Source, SourceColumn
    from pg_guard.facts.sides import Sizes
    from pg_guard.sql.witness import Node

__all__ = ["Groups", "Joining", "conclude_joins", "first_location"]

_TYPES = {"JOIN_LEFT": "left", "JOIN_RIGHT": "right", "JOIN_FULL": "full"}


class Groups:
    """Sources that conditions link, directly or by way of others."""

    def __init__(self) -> None:
        self._parent: dict[Source, Source] = {}

    def find(self, source: Source) -> Source:
        """The representative of the source's group."""
        root = source
        while (up := self._parent.get(root, root)) is not root:
            root = up
        self._parent[source] = root
        return root

    def join(self, sources: Iterable[Source]) -> None:
        """All of these are linked."""
        first: Source | None = None
        for source in sources:
            root = self.find(source)
            if first is None:
                first = root
            elif root is not first:
                self._parent[root] = first

    def linked(self, left: Iterable[Source], right: Iterable[Source]) -> bool:
        """Is one of the left linked with one of the right?"""
        roots = {self.find(source) for source in left}
        return any(self.find(source) in roots for source in right)


class Joining(NamedTuple):
    """A join whose conditions are all read.

    Attributes:
        node: The item on the right side, for its place.
        quals: It has an ON.
        reads: What its ON reads.
        uses_or: See `JoinUse`.
    """

    node: Node
    left: list[Source]
    right: list[Source]
    type: str
    syntax: str
    merged: int = 0
    quals: bool = False
    reads: frozenset[Source] = frozenset()
    uses_or: bool = False


def join_type(body: Node) -> tuple[str, str]:
    """Type and syntax of the body of a JoinExpr."""
    natural, using, on = body.get("isNatural"), body.get("usingClause"), body.get("quals")
    syntax = "natural" if natural else "using" if using else "on" if on else "cross"
    return _TYPES.get(body.get("jointype", ""), "cross" if syntax == "cross" else "inner"), syntax


def conclude_joins(
    facts: Facts,
    sizes: Sizes,
    level: Level,
    joins: list[Joining],
    links: Groups,
    equal: Groups,
    strict: set[SourceColumn],
) -> None:
    """Record the joins of one level, when everything that its conditions link is known.

    Args:
        links: Sources that some condition links, and `equal` those that an equality does.
        strict: Columns of which WHERE lets no NULL pass.
    """
    dropped = {column.source for column in strict}
    for each in joins:
        linked = bool(each.merged) or links.linked(each.left, each.right)
        left, right = _rows(sizes, each.left, links), _rows(sizes, each.right, links)
        first = each.right[0] if len(each.right) == 1 else None
        padded = {"left": each.right, "right": each.left, "full": each.left + each.right}.get(each.type, [])
        facts.linkages.append(
            JoinUse(
                each.type,
                each.syntax,
                first_location(each.node),
                lateral="RangeSubselect" in each.node and bool(each.node["RangeSubselect"].get("lateral")),
                linked=linked,
                equality=linked and (bool(each.merged) or equal.linked(each.left, each.right)),
                constant_condition=each.quals and not each.reads,
                uses_or=each.uses_or,
                single=not linked and (_all_single(level, each.left) or _all_single(level, each.right)),
                stored=any(map(_is_stored, each.left)) and any(map(_is_stored, each.right)),
                made_inner=any(source in dropped for source in padded),
                rows=None if left is None or right is None else left * right,
                left_rows=left,
                right_rows=right,
                relation=first.relation.key if first is not None and first.relation is not None else None,
                alias=first.alias if first is not None else "",
            )
        )


def _rows(sizes: Sizes, sources: list[Source], links: Groups) -> float | None:
    """Rows of one side: linked sources as joined by keys, others multiplied."""
    groups: dict[Source, float] = {}
    for source in sources:
        rows = sizes.source(source)
        if rows is None:
            return None
        root = links.find(source)
        groups[root] = max(groups.get(root, 1.0), rows)
    product = 1.0
    for rows in groups.values():
        product *= rows
    return product


def _all_single(level: Level, sources: list[Source]) -> bool:
    return bool(sources) and all(_is_single(level, source) for source in sources)


def _is_single(level: Level, source: Source) -> bool:
    """Gives the source one row at most?"""
    if source.relation is not None:
        keys = source.relation.primary_key
        held = [column for column in source.columns or () if column.stored in keys]
        prover = Prover()
        return bool(keys) and len(held) == len(keys) and all(prover.held(level, source, column) for column in held)
    query = source.query if source.cte is None else source.cte.query
    if query is not None:
        return is_single(query)
    return (
        source.kind == "function"
        and bool(source.calls)
        and not any(each.returns_set for call in source.calls for each in call.candidates)
    )


def is_single(query: Query) -> bool:
    """Gives the query one row at most?"""
    if query.kind == "values":
        return query.size == 1
    level = query.level
    if level is None:
        return False
    if level.most is not None and level.most <= 1:
        return True
    if level.has_aggregate and level.group is None:
        return True
    return not level.sources and not any(output.expr.set_returning for output in query.outputs)


def _is_stored(source: Source, depth: int = 0) -> bool:
    """Does it read a stored relation?"""
    if source.relation is not None or source.relation_names:
        return True
    query = source.query if source.cte is None else source.cte.query
    return query is not None and depth < 20 and _reads_stored(query, depth)


def _reads_stored(query: Query, depth: int) -> bool:
    if query.level is not None:
        return any(_is_stored(each, depth + 1) for each in query.level.sources)
    parts = [part for part in (query.left, query.right) if part is not None]
    return any(_reads_stored(part, depth + 1) for part in parts)


def first_location(node: object) -> int:
    """The first place that a part of the tree names, or -1."""
    stack = [node]
    while stack:
        current = stack.pop()
        if isinstance(current, dict):
            location = current.get("location", -1)
            if isinstance(location, int) and location >= 0:
                return location
            stack.extend(reversed(list(current.values())))
        elif isinstance(current, list):
            stack.extend(reversed(current))
    return -1
