"""Rules of packs, side by side. In: two packs, or the rules that two policies put in force. Out: changes with directions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

from pg_guard.compare.changes import Change, Direction
from pg_guard.compare.matches import fill_in, implies

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pg_guard.policy.model import Policy
    from pg_guard.policy.packs import Pack
    from pg_guard.policy.rules import RuleFile

__all__ = ["compare_packs", "compare_rules_in_force"]

Effect: TypeAlias = Literal["deny", "warn", "off"]

_RANK: Final[dict[str, int]] = {"off": 0, "warn": 0, "deny": 1}
"""A warning refuses nothing, so to turn it off loosens nothing."""
_TEXTS: Final = (
    "name", "title", "status", "severity", "description", "rationale", "references", "tags", "false_positives", "message",
    "remediation", "documentation", "tests",
)  # fmt: skip


class InForce(NamedTuple):
    """A rule as it decides: its effect, and what it matches with its parameters filled in."""

    effect: Effect
    match: Any
    unresolved: str


def compare_packs(old: Pack, new: Pack) -> list[Change]:
    """All changes from one pack to another, by rule id."""
    changes = []
    for key in ("name", "version", "title", "description", "owner", "licence", "requires"):
        before, after = getattr(old, key), getattr(new, key)
        if before != after:
            changes.append(Change(key, "changed", "neutral", before, after, "It describes the pack."))
    before_rules, after_rules = _by_id(old), _by_id(new)
    for rule_id in sorted(before_rules.keys() | after_rules.keys()):
        before_rule, after_rule = before_rules.get(rule_id), after_rules.get(rule_id)
        changes += _compare_rule(
            rule_id, _as_shipped(before_rule) if before_rule else None, _as_shipped(after_rule) if after_rule else None
        )
        if before_rule is not None and after_rule is not None:
            changes += _compare_texts(before_rule, after_rule)
    return changes


def compare_rules_in_force(
    old: Policy, old_packs: Iterable[Pack], new: Policy, new_packs: Iterable[Pack]
) -> list[Change]:
    """Changes of the rules that two policies put in force, whether by their packs, parameters or overrides."""
    before, after = _in_force(old, old_packs), _in_force(new, new_packs)
    changes = []
    for rule_id in sorted(before.keys() | after.keys()):
        changes += _compare_rule(rule_id, before.get(rule_id), after.get(rule_id))
    return changes


def _by_id(pack: Pack) -> dict[str, RuleFile]:
    return {rule.id: rule for rule in pack.rules}


def _as_shipped(rule: RuleFile) -> InForce:
    return InForce(rule.effect, fill_in(dict(rule.match), rule.settings()), rule.unresolved)


def _in_force(policy: Policy, packs: Iterable[Pack]) -> dict[str, InForce]:
    by_name = {pack.name: pack for pack in packs}
    found: dict[str, InForce] = {}
    for use in policy.packs:
        pack = by_name.get(use.use)
        for rule in pack.rules if pack is not None else ():
            override = policy.rules.get(rule.id)
            effect: Effect = override.effect if override is not None else rule.effect
            match = fill_in(dict(rule.match), rule.settings(use.parameters))
            if rule.id in found:  # the pack is used twice, with other parameters
                match = {"any": [found[rule.id].match, match]}
            found[rule.id] = InForce(effect, match, rule.unresolved)
    return found


def _compare_rule(rule_id: str, old: InForce | None, new: InForce | None) -> list[Change]:
    path = f"rules[{rule_id}]"
    if old is None and new is not None:
        direction: Direction = "tightening" if _RANK[new.effect] else "neutral"
        return [
            Change(path, "added", direction, None, new.effect, f"A rule that is {_does(new.effect)} is in force now.")
        ]
    if new is None and old is not None:
        direction = "loosening" if _RANK[old.effect] else "neutral"
        return [Change(path, "removed", direction, old.effect, None, f"A rule that {_did(old.effect)} is gone.")]
    if old is None or new is None or old == new:
        return []
    changes = []
    if old.effect != new.effect:
        rise = _RANK[new.effect] - _RANK[old.effect]
        direction = "tightening" if rise > 0 else "loosening" if rise < 0 else "neutral"
        why = (
            "It refuses now." if rise > 0 else "It refuses no longer." if rise < 0 else "It refuses nothing either way."
        )
        changes.append(Change(f"{path}.effect", "changed", direction, old.effect, new.effect, why))
    if old.match != new.match:
        direction, why = _compare_match(old, new)
        changes.append(Change(f"{path}.match", "changed", direction, old.match, new.match, why))
    if old.unresolved != new.unresolved:
        denies = _RANK[new.effect] and _RANK[old.effect]
        direction = "neutral" if not denies else "loosening" if new.unresolved == "skip" else "tightening"
        why = "What is not known fires." if new.unresolved == "fire" else "What is not known is passed over."
        changes.append(Change(f"{path}.unresolved", "changed", direction, old.unresolved, new.unresolved, why))
    return changes


def _compare_match(old: InForce, new: InForce) -> tuple[Direction, str]:
    if not _RANK[old.effect] or not _RANK[new.effect]:
        return "neutral", "The change of its effect says all." if old.effect != new.effect else "It only warns."
    wider, narrower = implies(old.match, new.match), implies(new.match, old.match)
    if wider and narrower:
        return "neutral", "Both forms match the same."
    if wider:
        return "tightening", "It matches all that it did, and more."
    if narrower:
        return "loosening", "It matches less than it did."
    return "loosening", "That it still matches all that it did cannot be shown from its form."


def _compare_texts(old: RuleFile, new: RuleFile) -> list[Change]:
    changes = []
    for key in _TEXTS:
        before, after = _plain(getattr(old, key)), _plain(getattr(new, key))
        if before != after:
            path = f"rules[{new.id}].{key}"
            changes.append(Change(path, "changed", "neutral", before, after, "It changes no decision."))
    return changes


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    dumped: Mapping[str, Any] | None = value.model_dump(mode="json") if hasattr(value, "model_dump") else None
    return value if dumped is None else dict(dumped)


def _does(effect: str) -> str:
    return {"deny": "refusing statements", "warn": "only warning"}.get(effect, "switched off")


def _did(effect: str) -> str:
    return {"deny": "refused statements", "warn": "only warned"}.get(effect, "was switched off")
