"""Rules of packs side by side: what is added, removed, widened, narrowed, switched off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pg_guard.compare.rules import compare_packs, compare_rules_in_force
from pg_guard.policy.model import Policy
from pg_guard.policy.packs import Pack, load_pack, write_manifest

if TYPE_CHECKING:
    from pathlib import Path

RULE = """\
schema: pg-guard/rule/v1
id: mine/PG100
name: read-of-orders
title: Read of orders
severity: high
description: It reads orders.
rationale: Because.
parameters: {tables: {default: [public.orders]}}
match: {relation: {name: $tables}}
effect: deny
message: "{relation} is read"
remediation: Do not.
tests:
  - {name: yes, sql: SELECT id FROM orders, expect: deny}
  - {name: no, sql: SELECT 1, expect: allow}
"""


def pack(directory: Path, *texts: str) -> Pack:
    directory.mkdir()
    (directory / "pack.yaml").write_text(
        "schema: pg-guard/pack/v1\nname: mine\nversion: 1.0.0\ntitle: Mine\nfiles: {}\n"
    )
    for number, text in enumerate(texts):
        (directory / f"PG{100 + number}_rule.yaml").write_text(
            text.replace("PG100", f"PG{100 + number}").replace("read-of", f"read-{number}-of")
        )
    write_manifest(directory)
    return load_pack(directory)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("deny", "warn", [("effect", "loosening"), ("tests", "neutral")]),
        ("[public.orders]", "[public.orders, public.customers]", [("match", "tightening")]),
        ("match: {relation: {name: $tables}}", "match: {relation: {name: [public.orders]}}", []),
        (
            "{relation: {name: $tables}}",
            "{all: [{relation: {name: $tables}}, {column: {star: true}}]}",
            [("match", "loosening")],
        ),
        ("{relation: {name: $tables}}", "{column: {star: true}}", [("match", "loosening")]),
        ("rationale: Because.", "rationale: Therefore.", [("rationale", "neutral")]),
        ("severity: high", "severity: low", [("severity", "neutral")]),
    ],
    ids=["effect", "wider", "same", "narrower", "other", "text", "severity"],
)
def test_a_changed_rule(old: str, new: str, expected: list[tuple[str, str]], tmp_path: Path) -> None:
    before = pack(tmp_path / "old", RULE)
    text = RULE.replace(old, new)
    if "$tables" not in text:
        text = text.replace("parameters: {tables: {default: [public.orders]}}\n", "")
    after = pack(tmp_path / "new", text)
    assert text != RULE
    changes = [(change.path, change.direction) for change in compare_packs(before, after)]
    assert changes == [(f"rules[mine/PG100].{key}", direction) for key, direction in expected]


def test_rules_that_come_and_go(tmp_path: Path) -> None:
    one = pack(tmp_path / "one", RULE)
    two = pack(tmp_path / "two", RULE, RULE)
    warn = pack(tmp_path / "warn", RULE, RULE.replace("deny", "warn"))
    for old, new, expected in (
        (one, two, ("added", "tightening")),
        (two, one, ("removed", "loosening")),
        (one, warn, ("added", "neutral")),
        (warn, one, ("removed", "neutral")),
    ):
        (change,) = compare_packs(old, new)
        assert (change.path, change.kind, change.direction) == ("rules[mine/PG101]", *expected)
    assert compare_packs(two, two) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({}, {"packs": [{"use": "mine"}]}, ["tightening"]),
        ({"packs": [{"use": "mine"}]}, {}, ["loosening"]),
        (
            {"packs": [{"use": "mine"}]},
            {"packs": [{"use": "mine"}], "rules": {"mine/PG100": {"effect": "off", "reason": "r"}}},
            ["loosening"],
        ),
        (
            {"packs": [{"use": "mine"}], "rules": {"mine/PG100": {"effect": "off", "reason": "r"}}},
            {"packs": [{"use": "mine"}], "rules": {"mine/PG100": {"effect": "warn", "reason": "r"}}},
            ["neutral"],
        ),
        (
            {"packs": [{"use": "mine"}]},
            {"packs": [{"use": "mine", "parameters": {"tables": ["public.orders", "public.stores"]}}]},
            ["tightening"],
        ),
        (
            {"packs": [{"use": "mine"}]},
            {"packs": [{"use": "mine", "parameters": {"tables": ["public.stores"]}}]},
            ["loosening"],
        ),
        (
            {"packs": [{"use": "mine"}]},
            {"packs": [{"use": "mine"}, {"use": "mine", "parameters": {"tables": ["public.stores"]}}]},
            ["tightening"],
        ),
    ],
)
def test_what_a_policy_says_of_a_pack(
    old: dict[str, Any], new: dict[str, Any], expected: list[str], tmp_path: Path
) -> None:
    mine = pack(tmp_path / "mine", RULE)
    before, after = (Policy.model_validate({"schema": "pg-guard/policy/v1", **each}) for each in (old, new))
    packs = [[mine] if side.packs else [] for side in (before, after)]
    changes = compare_rules_in_force(before, packs[0], after, packs[1])
    assert [change.direction for change in changes] == expected
