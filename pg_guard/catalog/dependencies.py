"""What views read. In: rows of pg_depend and the stored trees of view rules. Out: `ColumnDependency` values per view.

pg_depend alone is not enough for a guard: PostgreSQL records no dependency on the system's own catalogs (a view over
pg_authid looks as if it read nothing), and a whole row (``to_jsonb(u)``) vanishes as soon as one column of the same
relation is named as well. The rule's tree holds both: each relation's oid, and the set of columns that the owner must
be allowed to read (`selectedCols`). The union of the two sources counts.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

from pg_guard.catalog.model import ColumnDependency, Name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Numbered", "dependencies", "tree_reads"]

# (oid of a relation, number of a column): column 0 is the relation as a whole, numbers below 0 are system columns.
Numbered: TypeAlias = tuple[int, int]

# White space in stored strings is escaped by PostgreSQL's outToken, so no alias or constant can look like a field. A
# false match could only add a dependency.
_FIELD = re.compile(r":relid (\d+)|:selectedCols \(b([ \d]*)\)")

# FirstLowInvalidHeapAttributeNumber of PostgreSQL 12 and newer: bit 7 is the whole row, bit 8 the first column.
_LOWEST_ATTRIBUTE = -7

_SYSTEM_COLUMNS = {-1: "ctid", -2: "xmin", -3: "cmin", -4: "xmax", -5: "cmax", -6: "tableoid"}
_WHOLE_ROW = 0


def tree_reads(tree: str) -> set[Numbered]:
    """The relations of a stored rule and the columns that it reads of each.

    Args:
        tree: ``pg_rewrite.ev_action`` as text, of PostgreSQL 14 to 18.

    Returns:
        (relation, 0) for each relation, (relation, n) for each column, (relation, `WHOLE`) for a whole row.
    """
    reads: set[Numbered] = set()
    relation = 0
    for match in _FIELD.finditer(tree):
        oid, bits = match.groups()
        if oid is not None:
            relation = int(oid)
            reads.add((relation, _WHOLE_ROW))
            continue
        for bit in bits.split():
            number = int(bit) + _LOWEST_ATTRIBUTE
            reads.add((relation, number if number != _WHOLE_ROW else WHOLE))
    reads.discard((0, _WHOLE_ROW))
    return reads


# No column has this number: it marks a whole row, as against a relation of which only the rows count.
WHOLE = -1000


def dependencies(
    view: int,
    recorded: Iterable[Numbered],
    tree: str,
    names: Mapping[int, Name],
    columns: Mapping[int, Mapping[int, str]],
) -> tuple[ColumnDependency, ...]:
    """Put names to what a view reads.

    Args:
        view: Oid of the view itself, which its own rule mentions and which does not count.
        recorded: Rows of pg_depend as (relation, column number).
        tree: The rule's stored tree.
        names: Relations' names by oid.
        columns: Columns' names by relation and number.

    Returns:
        Sorted. A relation of which no single column is read (``count(*)``) comes as (relation, None); a whole row comes
        as (relation, None) and every one of its columns.
    """
    found: set[tuple[Name, str | None]] = set()
    reads = {*recorded, *tree_reads(tree)}
    with_columns = {relation for relation, number in reads if number != _WHOLE_ROW}
    for relation, number in reads:
        if relation == view or relation not in names:
            continue
        name = names[relation]
        of_relation = columns.get(relation, {})
        if number == WHOLE:
            found.update((name, column) for column in of_relation.values())
        if number == WHOLE or (number == _WHOLE_ROW and relation not in with_columns):
            found.add((name, None))
        elif number != _WHOLE_ROW:
            found.add((name, of_relation.get(number) or _SYSTEM_COLUMNS.get(number)))
    return tuple(
        ColumnDependency(relation, column)
        for relation, column in sorted(found, key=lambda item: (item[0], item[1] is not None, item[1] or ""))
    )
