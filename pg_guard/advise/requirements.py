"""Requirements that keep tenants apart. In: permitted relations. Out: entries for `where`, and what no entry can hold.

At most one column is proposed in earnest: the one on which name and foreign keys agree, in most tables. Every other
candidate becomes a comment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pg_guard.advise.plan import Line, Requirement
from pg_guard.advise.quoting import is_plain, pattern, printable, some
from pg_guard.advise.tenants import TenantColumn, find_tenants, is_indexed, unheld

if TYPE_CHECKING:
    from pg_guard.advise.reach import Reach
    from pg_guard.advise.sensitive import Vocabulary
    from pg_guard.catalog.model import Catalog, Relation

__all__ = ["TenantPlan", "require_tenants"]


class TenantPlan(NamedTuple):
    """Entries for `where`; tables that none of them can hold, to deny; sentences on views that no condition reaches."""

    where: tuple[Requirement, ...] = ()
    deny: tuple[Line, ...] = ()
    notes: tuple[str, ...] = ()


def require_tenants(permitted: list[Relation], words: Vocabulary, reach: Reach, *, strict: bool) -> TenantPlan:
    """Propose requirements.

    Args:
        permitted: Relations that the policy permits.
        words: Names that speak of tenants.
        reach: What views read.
        strict: Take a column for granted that no foreign key explains, and deny what cannot be held.
    """
    requirements: list[Requirement] = []
    chosen: TenantColumn | None = None
    for candidate in find_tenants(permitted, words):
        usable = all(map(is_plain, (candidate.column, candidate.target_column or "x")))
        active = chosen is None and usable and (candidate.sure or (strict and candidate.target is None))
        if active:
            chosen = candidate
        requirements += _entries(candidate, reach.catalog, active=active)
    if chosen is None:
        return TenantPlan(tuple(requirements))
    held = {*chosen.holders, *([chosen.target] if chosen.target else [])}
    deny = [
        Line(
            pattern(name),
            printable(f"no {chosen.column}, and belongs to tenants by {', '.join(key.columns)} → {key.target}"),
            strict,
        )
        for name, key in unheld(permitted, held, [chosen.column])
    ]
    notes = []
    for view in permitted:
        if view.kind not in ("view", "matview") or any(each.name == chosen.column for each in view.columns):
            continue
        read = sorted({name for use in reach.shape(view).relations for name in use.names} & held)
        if read:
            notes.append(
                f"{printable(str(view.key))} reads {some(map(str, read))} and does not show {printable(chosen.column)}: "
                "a query of it is refused unless its definition holds the column"
            )
    return TenantPlan(tuple(requirements), tuple(deny), tuple(notes))


def _entries(candidate: TenantColumn, catalog: Catalog, *, active: bool) -> list[Requirement]:
    column = printable(candidate.column)
    if candidate.target is not None:
        target = printable(f"{candidate.target}({candidate.target_column})")
        evidence = [f"{column}: {len(candidate.referring)} tables refer by it to {target}"]
    else:
        evidence = [f"{column}: {len(candidate.others)} tables have it; no foreign key says what it means"]
    if not active:
        evidence.append("If it tells tenants apart, remove the # of these lines:")
    lines = []
    for name in candidate.holders:
        relation = catalog.relation_index[name]
        why = ["foreign key" if name in candidate.referring else "no foreign key"]
        if not next(each for each in relation.columns if each.name == candidate.column).not_null:
            why.append("may be null")
        if not is_indexed(relation, candidate.column):
            why.append("no index")
        lines.append(Line(pattern(name), ", ".join(why)))
    found = [Requirement((candidate.column,), tuple(lines), tuple(evidence), active)]
    # Not where the name is in doubt: customers themselves are what an analyst counts.
    if candidate.target is not None and candidate.sure:
        line = Line(pattern(candidate.target), "what the keys refer to")
        found.append(Requirement((candidate.target_column,), (line,), ("The tenants themselves.",), active))
    return found
