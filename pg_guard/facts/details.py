"""What a detailed reading keeps. In: nodes and what they were read as. Out: look-ups for `shapes`, by node.

Nodes are plain dicts without a hash, so they are found by identity; each is kept together with its value, so that no other
node can take its place in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pg_guard.facts.scopes import Cte, Expr, Query, Source, SourceColumn
    from pg_guard.sql.witness import Node

__all__ = ["Details", "Sides"]


class Sides(NamedTuple):
    """What a join of FROM joins; `merged` are the columns of USING or NATURAL."""

    left: list[Source]
    right: list[Source]
    merged: list[tuple[SourceColumn, SourceColumn]]


class Details:
    """The memory of one reading.

    Attributes:
        padded: Sources of which an outer join may make rows of NULLs.
    """

    __slots__ = ("_ctes", "_exprs", "_items", "_joins", "_queries", "padded")

    def __init__(self) -> None:
        self._exprs: dict[int, tuple[Node, Expr]] = {}
        self._queries: dict[int, tuple[Node, Query]] = {}
        self._ctes: dict[int, tuple[Node, Cte]] = {}
        self._joins: dict[int, tuple[Node, Sides]] = {}
        self._items: dict[int, tuple[Node, list[Source]]] = {}
        self.padded: set[Source] = set()

    def keep(self, node: Node, value: Expr) -> None:
        """Remember what an expression was read as."""
        self._exprs[id(node)] = (node, value)

    def keep_query(self, body: Node, query: Query) -> None:
        """Remember the query of the body of a SelectStmt."""
        self._queries[id(body)] = (body, query)

    def keep_cte(self, body: Node, cte: Cte) -> None:
        """Remember the CTE of the body of a CommonTableExpr."""
        self._ctes[id(body)] = (body, cte)

    def keep_item(self, node: Node, sources: list[Source]) -> None:
        """Remember the sources of an item of FROM."""
        self._items[id(node)] = (node, sources)

    def keep_join(self, body: Node, sides: Sides) -> None:
        """Remember the two sides of the body of a JoinExpr, and which of them its outer join pads with NULLs."""
        self._joins[id(body)] = (body, sides)
        kind = body.get("jointype", "JOIN_INNER")
        if kind in ("JOIN_LEFT", "JOIN_FULL"):
            self.padded.update(sides.right)
        if kind in ("JOIN_RIGHT", "JOIN_FULL"):
            self.padded.update(sides.left)

    def expr(self, node: Node) -> Expr | None:
        """What an expression was read as, or None."""
        found = self._exprs.get(id(node))
        return found[1] if found is not None else None

    def query(self, body: Node) -> Query | None:
        """The query of the body of a SelectStmt, or None."""
        found = self._queries.get(id(body))
        return found[1] if found is not None else None

    def cte(self, body: Node) -> Cte | None:
        """The CTE of the body of a CommonTableExpr, or None."""
        found = self._ctes.get(id(body))
        return found[1] if found is not None else None

    def sides(self, body: Node) -> Sides | None:
        """The two sides of the body of a JoinExpr, or None."""
        found = self._joins.get(id(body))
        return found[1] if found is not None else None

    def sources(self, node: Node) -> list[Source]:
        """The sources of an item of FROM; none when it was not read."""
        found = self._items.get(id(node))
        return found[1] if found is not None else []
