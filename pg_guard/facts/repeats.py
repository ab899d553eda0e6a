"""Expressions that are written twice. In: nodes. Out: whether they say the same, wherever in the text they stand."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pg_guard.sql.witness import Node

__all__ = ["conjuncts", "repeated", "same"]

# Larger expressions than this many nodes are not compared: nobody repeats those by mistake.
_MOST_NODES = 60
_PLACES = frozenset({"location", "rexpr_list_start", "rexpr_list_end", "list_start", "list_end"})


def conjuncts(node: Node | None) -> Iterator[Node]:
    """The parts of a condition that AND joins."""
    stack = [node] if node else []
    while stack:
        current = stack.pop()
        if current.get("BoolExpr", {}).get("boolop") == "AND_EXPR":
            stack.extend(reversed(current["BoolExpr"].get("args", [])))
        else:
            yield current


def same(left: Node, right: Node) -> bool:
    """Are both the same expression of some column?"""
    if next(iter(left), "") != next(iter(right), "") or "A_Const" in left or "SubLink" in left:
        return False
    if "ColumnRef" in left and left["ColumnRef"].get("fields") != right["ColumnRef"].get("fields"):
        return False
    one = _text(left)
    return one is not None and "ColumnRef" in one and "FuncCall" not in one and one == _text(right)


def repeated(nodes: list[Node]) -> frozenset[int]:
    """Positions of those that stand earlier in the list already."""
    seen: set[str] = set()
    found = []
    alike = Counter(_hint(node) for node in nodes)
    for index, node in enumerate(nodes):
        if alike[_hint(node)] < 2:
            continue
        text = _text(node) if "A_Expr" in node or "NullTest" in node else None
        if text is None or "FuncCall" in text:
            # A volatile function may answer differently each time.
            continue
        if text in seen:
            found.append(index)
        seen.add(text)
    return frozenset(found)


def _hint(node: Node) -> object:
    """Something cheap that is the same for equal conditions."""
    kind = next(iter(node), "")
    body: Node = node.get("A_Expr") or node.get("NullTest") or {}
    operand: Node = body.get("lexpr") or body.get("arg") or {}
    fields: list[Node] = operand.get("ColumnRef", {}).get("fields") or [{}]
    names: list[Node] = body.get("name") or [{}]
    return (
        kind,
        body.get("kind"),
        names[-1].get("String", {}).get("sval"),
        next(iter(operand), ""),
        fields[-1].get("String", {}).get("sval"),
    )


def _text(node: Node) -> str | None:
    """A node written out without its places; None when it is large."""
    parts: list[str] = []
    stack: list[object] = [node]
    while stack:
        if len(parts) > _MOST_NODES * 4:
            return None
        current = stack.pop()
        if isinstance(current, dict):
            parts.append("{")
            for key, value in current.items():
                if key not in _PLACES:
                    stack += [value, key]
            stack.append("}")
        elif isinstance(current, list):
            parts.append(f"[{len(current)}")
            stack += current
        else:
            parts.append(repr(current))
    return "".join(parts)
