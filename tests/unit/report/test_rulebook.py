"""What reports say of each rule."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pg_guard.policy.packs import shipped_packs
from pg_guard.report.rulebook import BUILT_IN, RuleInfo, rulebook

ROOT = Path(__file__).resolve().parents[3]


def test_every_rule_of_the_reference_is_described() -> None:
    table = (ROOT / "docs" / "reference.md").read_text().partition("## Rule ids")[2].partition("\n## ")[0]
    documented = set(re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE))
    # What `pg-guard audit` finds is about a database; no statement has such a finding.
    assert {rule.id for rule in BUILT_IN} == {rule for rule in documented if not rule.startswith("audit/")}


@pytest.mark.parametrize("rule", BUILT_IN, ids=lambda rule: rule.id)
def test_a_description_is_whole(rule: RuleInfo) -> None:
    assert rule.title
    assert not rule.title.endswith(".")
    assert rule.description.endswith(".")
    assert re.fullmatch(r"https://www\.postgresql\.org/docs/current/[\w-]+\.html(#[\w-]+)?", rule.references[0])
    assert all(re.fullmatch(r"cwe\.\d+", tag) for tag in rule.tags)


def test_rules_of_packs_describe_themselves() -> None:
    (core,) = [pack for pack in shipped_packs() if pack.name == "core"]
    book = rulebook([core])
    assert len(book) == len(BUILT_IN) + len(core.rules)
    info = book["core/PG101"]
    assert (info.name, info.group, info.security, info.effect) == ("credential-catalog-read", "core", True, "deny")
    assert info.references
    assert info.rationale
