"""Where conditions apply. In: conditions and levels. Out: those that hold for a row of a source, and what may be pushed down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pg_guard.facts.formula import Condition, Equal, Or, Restricts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pg_guard.catalog.model import Name
    from pg_guard.facts.scopes import Expr, Level, Output, Source, SourceColumn

__all__ = ["columns_of", "concerns_groups", "exact_column", "keep_values", "pushes_down", "valid_conditions"]

_LOSSY = frozenset({"float4", "float8"})
_EXACT = frozenset({"int8", "numeric"})
_WHOLE = frozenset({"int2", "int4", "int8", "text"})


def valid_conditions(level: Level, target: Source | None, pushed: Iterable[Condition]) -> list[Condition]:
    """The conditions that hold for every row of a level to which `target` contributes a row of its own.

    A condition that is never true of NULL shows that a source has a row of its own there; then the conditions hold, too,
    that outer joins made depend on that (reduce_outer_joins in src/backend/optimizer/prep/prepjointree.c).
    """
    found = [condition for condition, valid in level.conditions if valid is None]
    found += pushed
    waiting = [(condition, valid) for condition, valid in level.conditions if valid]
    present = {id(source) for condition in found for source in _rejects_null(condition)}
    if target is not None:
        present.add(id(target))
    changed = True
    while changed and waiting:
        changed = False
        for entry in list(waiting):
            condition, valid = entry
            if not present.isdisjoint(valid):
                waiting.remove(entry)
                found.append(condition)
                present |= {id(source) for source in _rejects_null(condition)}
                changed = True
    return found


def _rejects_null(condition: Condition) -> set[Source]:
    """Sources of which the condition is only true when they have a row of their own."""
    if isinstance(condition, Or):
        branches = [{source for each in branch for source in _rejects_null(each)} for branch in condition.branches]
        return set.intersection(*branches) if branches else set()
    if isinstance(condition, Equal):
        columns: tuple[SourceColumn, ...] = (condition.left, condition.right)
    elif isinstance(condition, Restricts) and not condition.strict:
        return set()
    else:
        columns = (condition.column,)
    # A column that FULL JOIN … USING merges comes from either side.
    return {column.source for column in columns if not column.merged}


def keep_values(*types: Name | None) -> bool:
    """Are values that ``=`` calls equal the same? int8 and numeric are rounded to be compared with a float8."""
    names = [each.name for each in types if each is not None]
    return _LOSSY.isdisjoint(names) or _EXACT.isdisjoint(names)


def concerns_groups(condition: Condition, level: Level) -> bool:
    """Does a condition of HAVING speak of nothing but columns that every grouping has, and of levels around?"""
    groups = {id(each.direct) for each in level.group or () if each.direct is not None and exact_column(each)}
    return all(id(column) in groups for column in columns_of([condition]) if column.source.level is level)


def exact_column(expr: Expr) -> SourceColumn | None:
    """The column that an expression is, unless it is cast to a type whose modifier may cut it, as numeric(5, -1) does."""
    column = expr.direct
    if column is None or expr.type is None or expr.type == column.type or expr.type.name in _WHOLE:
        return column
    return None


def pushes_down(level: Level, output: Output, *, exact: bool) -> bool:
    """Could PostgreSQL push a condition on this output below the level's own operations?

    Source: subquery_is_pushdown_safe in src/backend/optimizer/path/allpaths.c.
    """
    if level.limited or output.expr.set_returning:
        return False

    def among(exprs: list[Expr]) -> bool:
        if exact:
            return any(each.direct is output.expr.direct for each in exprs if exact_column(each) is not None)
        return any(each.probe is not None and each.probe is output.expr.probe for each in exprs)

    if (level.group is not None or level.has_aggregate) and not among(level.group or []):
        return False
    if not all(among(window) for window in level.windows):
        return False
    return level.distinct_on is None or among(level.distinct_on)


def columns_of(conditions: Iterable[Condition]) -> set[SourceColumn]:
    """The columns that conditions speak of."""
    found: set[SourceColumn] = set()
    for condition in conditions:
        if isinstance(condition, Equal):
            found |= {condition.left, condition.right}
        elif isinstance(condition, Or):
            for branch in condition.branches:
                found |= columns_of(branch)
        else:
            found.add(condition.column)
    return found
