"""Tags of rules: every dotted tag has a form that `rules/README.md` explains, and rules of security say what they are about."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from pg_guard.policy.packs import shipped_packs
from pg_guard.policy.shipped import shipped_dir

if TYPE_CHECKING:
    from pg_guard.policy.rules import RuleFile

FORMS = {
    "cwe": r"[1-9][0-9]{0,3}",
    "attack": r"t[0-9]{4}(\.[0-9]{3})?",
    "owasp": r"llm(0[1-9]|10)",
    "pci": r"(1[0-2]|[1-9])(\.[0-9]{1,2}){1,3}",
    "gdpr": r"art[1-9][0-9]?",
    "hipaa": r"164\.[0-9]{3}",
    "soc2": r"(cc[1-9]|a1|c1|pi1|p[1-8])\.[0-9]{1,2}",
}
SECURITY = {"core", "pii", "multitenant", "compliance"}
RULES = [rule for pack in shipped_packs() for rule in pack.rules]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_tags_have_a_documented_form(rule: RuleFile) -> None:
    assert len(set(rule.tags)) == len(rule.tags)
    for tag in rule.tags:
        scheme, dot, rest = tag.partition(".")
        if dot:
            assert scheme in FORMS, tag
            assert re.fullmatch(FORMS[scheme], rest), tag


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.pack in SECURITY], ids=lambda rule: rule.id)
def test_rules_of_security_name_a_weakness_and_a_control_or_technique(rule: RuleFile) -> None:
    schemes = {tag.partition(".")[0] for tag in rule.tags}
    assert "cwe" in schemes or "owasp" in schemes
    assert schemes & {"attack", "owasp", "pci", "gdpr", "hipaa", "soc2"}


def test_the_readme_explains_every_scheme_and_pack() -> None:
    text = (shipped_dir("rules") / "README.md").read_text(encoding="utf-8")
    for scheme in FORMS:
        assert f"| `{scheme}." in text
    for pack in shipped_packs():
        assert f"| `{pack.name}` |" in text
