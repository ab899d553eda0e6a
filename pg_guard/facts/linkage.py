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

# In longer lists nobody asks whether a key is held: each answer weighs all conditions.
_MOST_ASKED = 50
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
        joins: Those behind commas have the first item on their left; what stands between is added here.
        links: Sources that some condition links, and `equal` those that an equality does.
        strict: Columns of which WHERE lets no NULL pass.
    """
    dropped = {column.source for column in strict}
    known = _Known(sizes, level, links, equal)
    before: _Side | None = None
    for each in joins:
        if each.syntax == "comma":
            left = before = before or _Side(known, each.left)
        else:
            left = _Side(known, each.left)
        right = _Side(known, each.right)
        linked = bool(each.merged) or not left.roots.isdisjoint(right.roots)
        first = each.right[0] if len(each.right) == 1 else None
        padded = {"left": [each.right], "right": [each.left], "full": [each.left, each.right]}.get(each.type, [])
        facts.linkages.append(
            JoinUse(
                each.type,
                each.syntax,
                first_location(each.node),
                lateral="RangeSubselect" in each.node and bool(each.node["RangeSubselect"].get("lateral")),
                linked=linked,
                equality=linked and (bool(each.merged) or not left.equal_roots.isdisjoint(right.equal_roots)),
                constant_condition=each.quals and not each.reads,
                uses_or=each.uses_or,
                single=not linked and (right.single or left.single),
                stored=left.stored and right.stored,
                made_inner=any(source in dropped for side in padded for source in side),
                rows=None if left.rows is None or right.rows is None else left.rows * right.rows,
                left_rows=left.rows,
                right_rows=right.rows,
                relation=first.relation.key if first is not None and first.relation is not None else None,
                alias=first.alias if first is not None else "",
            )
        )
        if left is before:
            before.add(each.right)


class _Known(NamedTuple):
    """What the sides of all joins of a level share."""

    sizes: Sizes
    level: Level
    links: Groups
    equal: Groups


class _Side:
    """One side of a join; a list of items behind commas grows, so that each is looked at once."""

    __slots__ = ("_checked", "_groups", "_known", "_single", "_sources", "equal_roots", "roots", "rows", "stored")

    def __init__(self, known: _Known, sources: list[Source]) -> None:
        self._known = known
        self._sources: list[Source] = []
        self._groups: dict[Source, float] = {}
        self._checked, self._single = 0, True
        self.roots: set[Source] = set()
        self.equal_roots: set[Source] = set()
        self.rows: float | None = 1.0
        self.stored = False
        self.add(sources)

    def add(self, sources: list[Source]) -> None:
        """Let it have more sources: linked ones count as joined by keys, others multiply its rows."""
        for source in sources:
            self._sources.append(source)
            root = self._known.links.find(source)
            self.roots.add(root)
            self.equal_roots.add(self._known.equal.find(source))
            self.stored = self.stored or self._known.sizes.stored(source)
            own = self._known.sizes.source(source)
            if own is None or self.rows is None:
                self.rows = None
                continue
            before = self._groups.get(root, 1.0)
            self._groups[root] = max(before, own)
            self.rows *= self._groups[root] / before

    @property
    def single(self) -> bool:
        """Gives each of its sources one row at most?"""
        while self._single and self._checked < len(self._sources):
            self._single = _is_single(self._known.level, self._sources[self._checked])
            self._checked += 1
        return self._single and bool(self._sources)


def _is_single(level: Level, source: Source) -> bool:
    """Gives the source one row at most?"""
    if source.relation is not None:
        keys = source.relation.primary_key
        if not keys or len(level.sources) > _MOST_ASKED:
            return False
        held = [column for column in source.columns or () if column.stored in keys]
        prover = Prover()
        return len(held) == len(keys) and all(prover.held(level, source, column) for column in held)
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
