"""Sub-selects that narrow. In: a query below IN, EXISTS or FROM. Out: whether it gives fewer rows than its tables have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pg_guard.facts.formula import Equal, Held, InQuery, Or, Restricts
from pg_guard.facts.tautologies import covered

if TYPE_CHECKING:
    from pg_guard.facts.formula import Condition
    from pg_guard.facts.scopes import Level, Query

__all__ = ["query_is_narrow"]


def query_is_narrow(query: Query, *, limits: bool = True) -> bool:
    """Has every branch of the query a condition that narrows it, a LIMIT, or constants only?

    Args:
        limits: A LIMIT counts; it does not where the query is asked anew for each row around it.
    """
    if query.kind == "values" or (limits and query.cut):
        return True
    if query.kind == "setop":
        parts = [part for part in (query.left, query.right) if part is not None]
        narrow = [query_is_narrow(part, limits=limits) for part in parts]
        return (
            narrow[0] if query.operation == "EXCEPT" else any(narrow) if query.operation == "INTERSECT" else all(narrow)
        )
    level = query.level
    if level is None:
        return False
    if limits and level.cut:
        return True
    if not level.sources:
        # SELECT generate_series(1, 1000000) has no table, and yet every id.
        return not any(call.name == "generate_series" for call in level.calls)
    if any(valid is None and _narrows(condition, level, limits=limits) for condition, valid in level.conditions):
        return True
    return all(source.query is not None and query_is_narrow(source.query, limits=limits) for source in level.sources)


def _narrows(condition: Condition, level: Level, *, limits: bool) -> bool:
    if isinstance(condition, (Held, Restricts)):
        return True
    if isinstance(condition, InQuery):
        return query_is_narrow(condition.query, limits=condition.alone and limits)
    if isinstance(condition, Equal):
        sources = {condition.left.source, condition.right.source} & set(level.sources)
        return len(sources) > 1 and any(
            source.query is not None and query_is_narrow(source.query, limits=limits) for source in sources
        )
    if isinstance(condition, Or):
        every = all(any(_narrows(each, level, limits=limits) for each in branch) for branch in condition.branches)
        return every and bool(condition.branches) and not covered(condition.branches)
    return False
