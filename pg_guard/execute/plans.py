"""Plans that may be shown. In: EXPLAIN's JSON, the decision and the guard. Out: the plan without what the policy hides.

A plan names what stands behind a view, and the conditions of views and of row-level security with their constants. So
names of relations that the client may not see are left out, and conditions are shown only where all of them are the
statement's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pg_guard.catalog.model import Name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pg_guard.decision import Decision
    from pg_guard.guard import Guard

__all__ = ["Plan", "permitted_plan"]

HIDDEN: Final = "(hidden)"
_SHAPE = (
    "Node Type", "Strategy", "Partial Mode", "Parent Relationship", "Join Type", "Scan Direction", "Command", "Startup Cost",
    "Total Cost", "Plan Rows", "Plan Width", "Workers Planned", "Parallel Aware", "Async Capable", "Inner Unique",
)  # fmt: skip
_CONDITIONS = (
    "Index Cond", "Recheck Cond", "Filter", "Join Filter", "Hash Cond", "Merge Cond", "Sort Key", "Group Key", "Presorted Key",
    "One-Time Filter", "TID Cond",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan as far as it may be shown.

    Attributes:
        cost: The planner's estimate for the whole, in its own units.
        rows: Rows that it expects.
        tree: Nodes as EXPLAIN (FORMAT JSON) names their fields, with children under ``Plans``.
        text: The same, a line per node.
        complete: False when names or conditions were left out.
    """

    cost: float
    rows: float
    tree: dict[str, Any]
    text: str
    complete: bool


def permitted_plan(plan: dict[str, Any], decision: Decision, guard: Guard) -> Plan:
    """What a client may see of a plan.

    Args:
        plan: What EXPLAIN (FORMAT JSON, VERBOSE) gave: ``{"Plan": {…}}``.
        decision: The decision on the statement.
        guard: The guard that made it.
    """
    root = plan["Plan"]
    visible = {relation.key: relation for relation in guard.visible_relations()}
    scanned = [_relation(node) for node in _nodes(root)]
    known = [visible.get(name) for name in scanned if name is not None]
    plain = all(each is not None and not each.row_security for each in known)
    behind_views = any(
        relation.kind in ("view", "matview") and str(relation.key) in decision.relations
        for relation in visible.values()
    )
    conditions = plain and not behind_views
    tree = _show(root, visible.keys(), conditions=conditions)
    return Plan(
        cost=float(root["Total Cost"]),
        rows=float(root["Plan Rows"]),
        tree=tree,
        text="\n".join(_lines(tree, 0)),
        complete=conditions,
    )


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


def _relation(node: dict[str, Any]) -> Name | None:
    return Name(str(node.get("Schema", "")), str(node["Relation Name"])) if "Relation Name" in node else None


def _show(node: dict[str, Any], visible: Any, *, conditions: bool) -> dict[str, Any]:
    shown = {key: node[key] for key in _SHAPE if key in node}
    name = _relation(node)
    if name is not None and name in visible:
        shown |= {key: node[key] for key in ("Schema", "Relation Name", "Alias", "Index Name") if key in node}
    elif name is not None:
        shown["Relation Name"] = HIDDEN
    if conditions:
        shown |= {key: node[key] for key in _CONDITIONS if key in node}
    if "Plans" in node:
        shown["Plans"] = [_show(child, visible, conditions=conditions) for child in node["Plans"]]
    return shown


def _lines(node: dict[str, Any], depth: int) -> Iterator[str]:
    kind = node["Node Type"]
    if node.get("Join Type", "Inner") != "Inner":
        kind = f"{kind} ({node['Join Type'].lower()})"
    on = ""
    if "Relation Name" in node:
        relation = node["Relation Name"]
        alias = node.get("Alias", relation)
        using = f" using {node['Index Name']}" if "Index Name" in node else ""
        on = f"{using} on {relation}" + (f" {alias}" if alias != relation and relation != HIDDEN else "")
    indent = "  " * depth + ("-> " if depth else "")
    cost = f"cost={node['Startup Cost']:.2f}..{node['Total Cost']:.2f} rows={node['Plan Rows']}"
    yield f"{indent}{kind}{on}  ({cost})"
    for key in _CONDITIONS:
        if key in node:
            value = node[key]
            yield "  " * (depth + 2) + f"{key}: {', '.join(value) if isinstance(value, list) else value}"
    for child in node.get("Plans", ()):
        yield from _lines(child, depth + 1)
