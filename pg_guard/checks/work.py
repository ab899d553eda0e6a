"""Work that multiplies. In: the levels of a statement and the catalog's row estimates. Out: findings for what explodes.

An estimate from above would refuse honest joins, so only what is plain is counted: relations that no equality links
(a cartesian product), series with constant bounds, values that constants make large for every row. Everything else is
left to the time-out of the statement.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pg_guard.catalog import builtins
from pg_guard.checks.sizes import asked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pg_guard.checks.base import Subject
    from pg_guard.decision import Finding
    from pg_guard.facts.model import FunctionUse
    from pg_guard.facts.names import Names
    from pg_guard.facts.scopes import Level, Query, Source

__all__ = ["WorkCheck"]

_UNKNOWN_ROWS = 1000.0
_LARGE_VALUE = 1000.0
"""Smaller values than this many bytes are what queries are made of."""
_DEEPEST = 40


@dataclass(frozen=True, slots=True)
class WorkCheck:
    """`limits.product_rows` and, for all rows together, twice `limits.generated_bytes`.

    Attributes:
        rows: Most rows of a product of relations that nothing links.
        size: Most bytes that constants may make a level's calls produce, over all its rows.
    """

    rows: int
    size: int

    def __call__(self, subject: Subject) -> Iterator[Finding]:
        """Yield a finding for each violation."""
        estimate = _Estimate(subject)
        for level in subject.facts.levels:
            product = estimate.product(level)
            if product > self.rows:
                yield subject.finding(
                    "load/product",
                    "medium",
                    f"Relations that no equality links make a product of about {product:,.0f} rows; the limit is {self.rows:,}.",
                    "Join them by an equality of columns, or restrict them first.",
                    level.location,
                )
            volume = estimate.volume(level)
            if volume > self.size:
                yield subject.finding(
                    "load/too-large",
                    "medium",
                    f"Calls with constant sizes make about {volume:,.0f} bytes over all rows; the limit is {self.size:,}.",
                    "Ask for shorter values or for fewer rows.",
                    level.location,
                )


class _Estimate:
    """Row estimates of one statement; each level is estimated once."""

    def __init__(self, subject: Subject) -> None:
        self._names: Names = subject.names
        self._equalities = subject.facts.equalities
        self._rows: dict[Level, float] = {}
        self._products: dict[Level, float] = {}
        self._depth = 0

    def product(self, level: Level) -> float:
        """Rows of the level's product where at least two of its parts are not linked; 0 otherwise."""
        self.rows(level)
        return self._products.get(level, 0.0)

    def volume(self, level: Level) -> float:
        """Bytes that the level's calls make over all its rows."""
        in_from = {id(call) for source in level.sources for call in source.calls}
        sizes = (self._asked(call, "bytes") for call in level.calls if id(call) not in in_from)
        per_row = sum(size for size in sizes if size >= _LARGE_VALUE)
        return per_row * self._joined(level) if per_row else 0.0

    def rows(self, level: Level) -> float:
        """Rows that the level gives."""
        if level in self._rows:
            return self._rows[level]
        if self._depth > _DEEPEST:
            return 1.0
        self._depth += 1
        # INVARIANT: a level that refers to itself (recursion) sees one row.
        self._rows[level] = 1.0
        try:
            rows = self._joined(level)
        finally:
            self._depth -= 1
        if level.group:
            rows = rows**0.5
        elif level.group is not None or level.has_aggregate:
            rows = 1.0
        if level.most is not None:
            rows = min(rows, level.most)
        self._rows[level] = rows
        return rows

    def _joined(self, level: Level) -> float:
        groups = self._link(level.sources)
        rows, parts = 1.0, 0
        for group in groups:
            most = max(self._source(source) for source in group)
            parts += most > 1
            rows *= max(1.0, most)
        series = [self._asked(call, "rows") for call in level.calls if self._is_series(call, level)]
        for amount in series:
            rows *= max(1.0, amount)
            parts += amount > 1
        if parts > 1:
            self._products[level] = rows
        return rows

    @staticmethod
    def _is_series(call: FunctionUse, level: Level) -> bool:
        return any(each.returns_set for each in call.candidates) and not any(
            call is other for source in level.sources for other in source.calls
        )

    def _link(self, sources: Iterable[Source]) -> list[list[Source]]:
        """Sources in groups that equalities link."""
        groups: list[list[Source]] = [[source] for source in sources]
        for left, right in self._equalities:
            ends = {id(column.source) for column in (*left, *right)}
            touched = [group for group in groups if any(id(source) in ends for source in group)]
            if len(touched) > 1:
                groups = [group for group in groups if group not in touched]
                groups.append([source for group in touched for source in group])
        return groups

    def _source(self, source: Source) -> float:
        if source.query is not None:
            return self._query(source.query)
        if source.cte is not None:
            return self._query(source.cte.query) if source.cte.query is not None else 1.0
        if source.relation is not None:
            return self._relation(source)
        if source.relation_names:
            return 1.0
        return max((self._asked(call, "rows") for call in source.calls), default=1.0)

    def _relation(self, source: Source) -> float:
        assert source.relation is not None
        catalog = self._names.catalog
        keys = (source.relation.key, *self._names.descendants(source.relation.key))
        known = [
            catalog.relation_index[key].rows for key in keys if catalog is not None and key in catalog.relation_index
        ]
        if source.relation.kind in ("view", "matview") and source.relation.rows <= 0:
            return _UNKNOWN_ROWS
        return max(1.0, sum(rows for rows in known if rows > 0))

    def _query(self, query: Query) -> float:
        if query.kind == "values":
            return float(query.size)
        if query.level is not None:
            return self.rows(query.level)
        if query.left is None or query.right is None:
            return 1.0
        left, right = self._query(query.left), self._query(query.right)
        if query.operation == "UNION":
            return left + right
        return min(left, right) if query.operation == "INTERSECT" else left

    @staticmethod
    def _asked(call: FunctionUse, unit: str) -> float:
        if call.schema not in (None, "pg_catalog"):
            return 0.0
        amounts = [asked(bound, dict(call.literals)) for bound in builtins.bounds(call.name) if bound.kind != "pattern"]
        return max((amount for given, amount in amounts if given == unit), default=0.0)
