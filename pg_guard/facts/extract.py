"""The entry to facts. In: PostgreSQL's reading of a text. Out: `Facts` of its one statement."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pg_guard.facts import queries
from pg_guard.facts.model import Facts, StatementUse
from pg_guard.facts.shapes import gather_shapes

if TYPE_CHECKING:
    from pg_guard.facts.reader import Reader
    from pg_guard.sql.witness import Node

__all__ = ["EXPLAIN_OPTIONS", "extract", "statement_kind"]

# Options of EXPLAIN that only change what is shown. ANALYZE runs the statement, which is itself gated.
EXPLAIN_OPTIONS = frozenset(
    {
        "analyze",
        "verbose",
        "costs",
        "generic_plan",
        "buffers",
        "wal",
        "timing",
        "summary",
        "memory",
        "serialize",
        "settings",
        "format",
    }
)
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SPECIAL = {
    "VariableShowStmt": "show",
    "VariableSetStmt": "set",
    "CreateTableAsStmt": "create-table-as",
    "TransactionStmt": "transaction",
}


def statement_kind(node: Node) -> str:
    """The kind of a statement node, as in ``select``, ``insert``, ``create-table-as``, ``copy``."""
    name = next(iter(node), "")
    known = queries.KINDS.get(name) or _SPECIAL.get(name)
    return known or _WORD.sub("-", name.removesuffix("Stmt")).lower() or "unknown"


def extract(reader: Reader, node: Node) -> Facts:
    """Fill `reader.facts` from one statement.

    Raises:
        TooDeep: The depth budget is used up.
    """
    facts = reader.facts
    kind = statement_kind(node)
    facts.kind = kind
    body: Node = next(iter(node.values()), {})
    facts.statements.append(StatementUse(kind, 0, reader.at(-1), body.get("name") if kind == "show" else None))
    if kind == "select":
        queries.read_query(reader, node, None)
        gather_shapes(reader, node)
    elif kind == "explain":
        facts.raw_kinds.append("explain")
        for option in body.get("options", ()):
            name = option["DefElem"]["defname"]
            if name not in EXPLAIN_OPTIONS:
                reader.unsupported(f"The EXPLAIN option {name.upper()}", option["DefElem"].get("location", -1))
        inner = body.get("query", {})
        inner_kind = statement_kind(inner)
        facts.statements.append(StatementUse(inner_kind, 1, reader.at(-1)))
        if inner_kind == "select":
            queries.read_query(reader, inner, None)
            gather_shapes(reader, inner)
    else:
        facts.raw_kinds.append(kind)
    return facts
