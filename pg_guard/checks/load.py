"""Load. In: sizes, lists, patterns and recursion that the text itself shows. Out: a finding for each beyond its limit.

What only the data decides (a slow join, a huge sort) is left to the statement time-out; this check refuses what is written
to be large, before the database sees it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from pg_guard.catalog import builtins
from pg_guard.checks.regexes import explosive
from pg_guard.checks.sizes import asked
from pg_guard.facts.predicates import Prover

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pg_guard.checks.base import Subject
    from pg_guard.decision import Finding
    from pg_guard.facts.model import FunctionUse, Recursion
    from pg_guard.facts.scopes import Level, Query, Source, SourceColumn

__all__ = ["LoadCheck"]

_JSON_PATH = re.compile(r"\s*(?:(?:lax|strict)\s+)?\$", re.IGNORECASE)

Equalities: TypeAlias = "list[tuple[tuple[SourceColumn, ...], tuple[SourceColumn, ...]]]"


@dataclass(frozen=True, slots=True)
class LoadCheck:
    """`limits.generated_rows`, `generated_bytes`, `in_list`, and what has no limit at all.

    Attributes:
        rows: Most rows that constants may ask a function for.
        size: Most bytes or elements that constants may ask a function for.
        in_list: Most items of an IN list.
    """

    rows: int
    size: int
    in_list: int

    def __call__(self, subject: Subject) -> Iterator[Finding]:
        """Yield a finding for each violation."""
        for use in subject.facts.functions:
            if not use.via and use.schema in (None, "pg_catalog"):
                yield from self._check_call(subject, use)
        for pattern, location in subject.facts.patterns:
            yield from self._check_pattern(subject, pattern, location)
        for text, location in subject.facts.wildcards:
            if _JSON_PATH.match(text) and text.count(".**") > 1:
                yield subject.finding(
                    "load/json-path",
                    "medium",
                    "The SQL/JSON path descends to all levels more than once, which takes time that no time-out ends.",
                    "Use .** once, and name the keys.",
                    location,
                )
        for length, location in subject.facts.lists:
            if length > self.in_list:
                yield subject.finding(
                    "limits/in-list",
                    "medium",
                    f"An IN list has {length} items; the limit is {self.in_list}.",
                    "Use fewer items, a range, or a join.",
                    location,
                )
        for recursion in subject.facts.recursions:
            if not _ends(recursion, subject.facts.equalities):
                yield subject.finding(
                    "load/unbounded-recursion",
                    "medium",
                    f'Nothing ends the recursion of "{recursion.cte.name}".',
                    "Add a condition to its second term, as in WHERE n < 100, or join it to a table.",
                    recursion.location,
                )

    def _check_call(self, subject: Subject, use: FunctionUse) -> Iterator[Finding]:
        literals = dict(use.literals)
        for bound in builtins.bounds(use.name):
            if bound.kind == "pattern":
                pattern = literals.get(bound.argument - 1)
                if pattern is not None:
                    yield from self._check_pattern(subject, pattern, use.location)
                continue
            unit, amount = asked(bound, literals)
            limit = self.rows if unit == "rows" else self.size
            if amount > limit:
                shown = f"{amount:,.0f}" if amount < 1e15 else "endlessly many"
                yield subject.finding(
                    "load/too-large",
                    "medium",
                    f'The call of "{use.name}" asks for {shown} {unit}; the limit is {limit:,}.',
                    "Ask for less.",
                    use.location,
                )

    @staticmethod
    def _check_pattern(subject: Subject, pattern: str, location: int) -> Iterator[Finding]:
        if why := explosive(pattern):
            yield subject.finding(
                "load/regular-expression",
                "medium",
                f"The regular expression may run without end: {why}.",
                "Write it without nested repetition, or use LIKE.",
                location,
            )


def _ends(recursion: Recursion, equalities: Equalities) -> bool:
    """Does something in the statement bound the recursion?

    A stored relation that every recursive term joins by an equality (its rows run out, unless the data is a cycle, which
    only the time-out can end); a condition on the recursive rows; or a LIMIT right above every use, which PostgreSQL
    stops at. A CYCLE clause alone ends nothing: a counter never meets a value twice.
    """
    cte = recursion.cte
    if cte.query is None or cte.query.right is None:
        return True
    terms = list(_levels(cte.query.right))
    recursive = [(level, source) for level in terms for source in level.sources if source.cte is cte]
    if not recursive:
        return True
    prover = Prover()
    if all(
        prover.restricted(level, source) or level.limited or _joins_stored(level, source, equalities)
        for level, source in recursive
    ):
        return True
    return bool(cte.uses) and all(
        source.level is not None
        and source.level.limited
        and not source.level.gathers
        and not source.level.has_aggregate
        and not source.level.windows
        for source in cte.uses
    )


def _levels(query: Query) -> Iterator[Level]:
    """Every SELECT level of a query expression, those of derived tables included."""
    if query.level is not None:
        yield query.level
        for source in query.level.sources:
            if source.query is not None:
                yield from _levels(source.query)
    for part in (query.left, query.right):
        if part is not None:
            yield from _levels(part)


def _joins_stored(level: Level, source: Source, equalities: Equalities) -> bool:
    """Does an equality link the recursive rows with something that a stored relation limits?"""
    others = {id(each) for each in level.sources if each is not source}
    linked = any(
        {id(column.source) for column in (*left, *right)} & others
        and any(column.source is source for column in (*left, *right))
        for left, right in equalities
    )
    return linked and _reads_stored(level)


def _reads_stored(level: Level) -> bool:
    return any(
        source.relation is not None
        or bool(source.relation_names)
        or (source.query is not None and any(_reads_stored(each) for each in _levels(source.query)))
        for source in level.sources
    )
