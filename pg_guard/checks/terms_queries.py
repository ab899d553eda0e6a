"""Facts on how a statement is built. In: its scans, joins, SELECT levels, sub-selects. Out: their attributes for rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pg_guard.checks.terms import UNKNOWN, Attribute, Fact, Value, View, amounts, one_of, spellings

if TYPE_CHECKING:
    from collections.abc import Callable

    from pg_guard.facts.model import ScanUse
    from pg_guard.facts.scopes import SourceColumn

__all__ = ["FACTS"]

_CATALOGS: Final = ("pg_catalog", "information_schema")


# -- scan ------------------------------------------------------------------------------------------------------------


def _scan_columns(_view: View, scan: ScanUse) -> Value:
    """The stored names of the relation's columns."""
    columns = scan.source.columns
    if columns is None:
        # What is written with a schema of PostgreSQL's is no table of a deployment, even without a catalog.
        return None if all(name.schema in _CATALOGS for name in scan.relation.names) else UNKNOWN
    return frozenset().union(*(spellings(column.stored) for column in columns)) or None


def _held(view: View, scan: ScanUse, wanted: Callable[[Any], bool]) -> Value:
    source = scan.source
    columns: list[SourceColumn] = list(source.named.values()) if source.columns is None else source.columns
    return any(any(map(wanted, spellings(column.stored))) and view.held(scan, column) for column in columns)


def _level_depth(_view: View, scan: ScanUse) -> Value:
    depth, level = 0, scan.level.outer
    while level is not None:
        depth, level = depth + 1, level.outer
    return depth


_SCAN = Fact(
    "scan",
    "One scan of a stored relation; a relation that is named twice is scanned twice. Views are looked into.",
    lambda view: view.facts.scans,
    (
        Attribute(
            "relation",
            "name",
            "The relation, or a parent, partition or child of it.",
            lambda _view, scan: one_of(scan.relation.names),
            broad=lambda view, scan: view.family(scan.relation.names),
        ),
        Attribute(
            "has_column",
            "text",
            "A column of the relation, by its stored name; unknown without a catalog.",
            _scan_columns,
        ),
        *amounts("rows", "The planner's estimate of its rows", lambda view, scan: view.rows(scan.relation.names[0])),
        Attribute("limited", "flag", "Its SELECT has a LIMIT.", lambda _view, scan: scan.level.bounded),
        Attribute("aggregated", "flag", "Its SELECT aggregates.", lambda _view, scan: scan.level.has_aggregate),
        Attribute("grouped", "flag", "Its SELECT has a GROUP BY.", lambda _view, scan: scan.level.group is not None),
        *amounts("level_depth", "How many SELECTs stand around it", _level_depth),
        Attribute("via", "name", "A view on the way to it.", lambda _view, scan: frozenset(scan.via)),
        Attribute(
            "restricted",
            "flag",
            "Some condition really narrows it.",
            lambda view, scan: view.prover.restricted(scan.level, scan.source),
        ),
        Attribute(
            "held",
            "flag",
            "A column that `has_column` names is held to constants or parameters in every row of the scan that matters.",
            _held,
            needs="has_column",
        ),
    ),
    shown="relation",
    relations=lambda _view, scan: scan.relation.names,
)


FACTS: Final[tuple[Fact, ...]] = (_SCAN,)
