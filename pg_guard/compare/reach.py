"""What of a database can be read. In: two guards on one catalog. Out: relations and columns that change sides, all of them.

Nothing is estimated: for each relation and column the statement that reads it alone is decided by both guards. A relation of
which only a condition is demanded (`where`) is readable; which columns the condition must hold is compared, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from pg_guard.catalog.model import Catalog, Relation
    from pg_guard.guard import Guard

__all__ = ["Access", "Reach", "compare_reach", "readable"]

_KINDS: Final = frozenset({"table", "partitioned", "foreign", "view", "matview", "sequence"})
_CONDITION: Final = "where/"
_WHOLE: Final = frozenset({"tables/denied", "tables/system"})


class Access(NamedTuple):
    """What one guard permits of one relation.

    Attributes:
        columns: The columns that can be read.
        rows: Can its rows be counted, without any column?
        demanded: For each condition that is demanded of a use, the columns that it must hold.
        rules: The rules that keep the other columns, or the rows, hidden.
    """

    columns: frozenset[str]
    rows: bool
    demanded: frozenset[tuple[str, ...]]
    rules: tuple[str, ...] = ()


class Move(NamedTuple):
    """One relation or column that changes sides.

    Attributes:
        relation: ``schema.name``.
        column: The column; None for the rows of the relation.
        direction: ``readable`` or ``unreadable``; ``condition-less`` and ``condition-more`` where what is demanded changes.
        rules: The rules that hide it on the side where it is hidden.
    """

    relation: str
    column: str | None
    direction: Literal["readable", "unreadable", "condition-less", "condition-more"]
    rules: tuple[str, ...]


@dataclass(frozen=True)
class Reach:
    """The comparison of all relations and columns of a catalog."""

    relations: int
    columns: int
    moves: tuple[Move, ...]

    @property
    def loosened(self) -> bool:
        """Can anything be read that could not be read, or under a lesser condition?"""
        return any(move.direction in ("readable", "condition-less") for move in self.moves)

    def to_dict(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        moves = [move._asdict() | {"rules": list(move.rules)} for move in self.moves]
        return {
            "relations": self.relations,
            "columns": self.columns,
            "readable": [move for move in moves if move["direction"] in ("readable", "condition-less")],
            "unreadable": [move for move in moves if move["direction"] in ("unreadable", "condition-more")],
        }


def readable(guard: Guard, relation: Relation) -> Access:
    """What a guard permits of a relation, by deciding the statements that read it."""
    names = tuple(column.name for column in relation.columns)
    hidden: set[str] = set()
    rows = _open(guard, relation, "1", hidden)
    if hidden & _WHOLE:
        columns: frozenset[str] = frozenset()  # the relation itself is hidden, and with it each column
    elif names and _open(guard, relation, ", ".join(map(_quoted, names)), set()):
        # A statement with all columns is refused where one of them is.
        columns = frozenset(names)
    else:
        columns = frozenset(name for name in names if _open(guard, relation, _quoted(name), hidden))
    return Access(columns, rows, frozenset(guard.requirements(relation)), tuple(sorted(hidden)))


def _open(guard: Guard, relation: Relation, outputs: str, hidden: set[str]) -> bool:
    table = f"{_quoted(relation.schema)}.{_quoted(relation.name)}"
    decision = guard.check(f"SELECT {outputs} FROM {table}")  # noqa: S608 - it is decided, and never run
    rules = {
        finding.rule
        for finding in decision.findings
        if finding.effect == "deny" and not finding.rule.startswith(_CONDITION)
    }
    hidden |= rules
    return not rules


def _quoted(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'


def compare_reach(old: Guard, new: Guard, catalog: Catalog, *, progress: Callable[[int], None] | None = None) -> Reach:
    """Compare what two guards permit of each relation and column of their catalog.

    Args:
        old: The guard before, on the catalog.
        new: The guard after, on the same catalog.
        catalog: The catalog.
        progress: Called with the number of relations so far, after each.
    """
    moves: list[Move] = []
    relations = [relation for relation in catalog.relations if relation.kind in _KINDS]
    for number, relation in enumerate(relations, 1):
        before, after = readable(old, relation), readable(new, relation)
        moves += _compare(relation, before, after)
        if progress is not None:
            progress(number)
    return Reach(len(relations), sum(len(relation.columns) for relation in relations), tuple(moves))


def _compare(relation: Relation, before: Access, after: Access) -> list[Move]:
    name = str(relation.key)
    moves = []
    if before.rows != after.rows:
        moves.append(
            Move(name, None, "readable", before.rules) if after.rows else Move(name, None, "unreadable", after.rules)
        )
    for column in relation.columns:
        was, now = column.name in before.columns, column.name in after.columns
        if was != now:
            rules = before.rules if now else after.rules
            moves.append(Move(name, column.name, "readable" if now else "unreadable", rules))
    if before.demanded != after.demanded and (before.rows or before.columns) and (after.rows or after.columns):
        rules = tuple(", ".join(each) or "any condition" for each in sorted(before.demanded ^ after.demanded))
        # Only where every old condition is still demanded is nothing loosened.
        moves.append(Move(name, None, "condition-more" if _demands(after, before) else "condition-less", rules))
    return moves


def _demands(side: Access, other: Access) -> bool:
    """Is all that the other side demands demanded on this side?"""
    return all(
        any(set(columns) <= set(each) and bool(columns) == bool(each) for each in side.demanded)
        for columns in other.demanded
    )
