"""Scalar sub-selects. In: the node of an expression and the scope around it. Out: whether its value depends on a row there."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pg_guard.facts.reader import Reader
    from pg_guard.facts.scopes import Scope
    from pg_guard.sql.witness import Node

__all__ = ["closed", "has_sublink", "independent"]


def has_sublink(node: Node) -> bool:
    """Does a sub-select stand in the expression?"""
    if "A_Const" in node or "ColumnRef" in node or "ParamRef" in node:
        return False
    return any(kind == "SubLink" for kind, _ in _nodes(node))


def _nodes(value: object) -> Iterator[tuple[str, Node]]:
    """Every node below a value of PostgreSQL's raw tree, with its kind."""
    stack = [value]
    while stack:
        current = stack.pop()
        if isinstance(current, list):
            stack.extend(current)
        elif isinstance(current, dict):
            for key, inner in current.items():
                if isinstance(inner, dict) and key[:1].isupper():
                    yield key, inner
                stack.append(inner)


def independent(reader: Reader, node: Node, scope: Scope) -> bool:
    """Does no name inside of the sub-selects of an expression mean a column of this level or one around it?

    A name counts as one of theirs when it could be; only in a sub-select over tables alone are its own columns told apart.
    """
    for kind, body in _nodes(node):
        if kind == "SubLink" and not closed(reader, body["subselect"], scope):
            return False
    inside = {id(each) for kind, body in _nodes(node) if kind == "SubLink" for _, each in _nodes(body)}
    return not any(kind == "ColumnRef" and id(body) not in inside for kind, body in _nodes(node))


def closed(reader: Reader, select: Node, scope: Scope) -> bool:
    """Does no name inside of a sub-select mean a column of this level or one around it?"""
    body = select.get("SelectStmt", {})
    if not body.get("fromClause"):
        return False
    flat = not any(kind in ("SelectStmt", "RangeFunction") for kind, _ in _nodes(body))
    own = _own_names(reader, body["fromClause"], scope) if flat else None
    for kind, reference in _nodes(body):
        if kind != "ColumnRef":
            continue
        parts = [part["String"]["sval"] for part in reference["fields"] if "String" in part]
        if not parts or (own is not None and parts[0] in own):
            continue
        for each in scope.chain():
            named = any(source.alias == parts[0] for source in each.rels)
            if named or each.opened or any(column.name == parts[0] for column in each.columns):
                return False
    return True


def _own_names(reader: Reader, nodes: list[Node], scope: Scope) -> set[str] | None:
    """Names of the relations in a FROM and of their columns; None when it has anything else."""
    found: set[str] = set()
    for node in nodes:
        kind, body = next(iter(node.items()))
        if kind == "JoinExpr":
            inner = _own_names(reader, [body["larg"], body["rarg"]], scope)
            if inner is None or body.get("alias"):
                return None
            found |= inner
            continue
        alias = body.get("alias", {})
        if kind != "RangeVar" or alias.get("colnames"):
            return None
        found.add(alias.get("aliasname", body["relname"]))
        cte = scope.cte(body["relname"]) if "schemaname" not in body else None
        if cte is not None:
            found |= {name for name, _ in cte.columns or ()}
        elif (relation := reader.names.relation(body.get("schemaname"), body["relname"])) is not None:
            found |= {column.name for column in relation.columns}
    return found
