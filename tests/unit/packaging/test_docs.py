"""The pages and the words for rules, and the scaffold of a new one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from pg_guard.errors import PolicyError, UsageError
from pg_guard.guard import Guard
from pg_guard.packaging.describe import match_tree, pack_lines, rule_lines
from pg_guard.packaging.docs import page_name, render_docs
from pg_guard.packaging.format import format_text
from pg_guard.packaging.scaffold import new_rule
from pg_guard.policy.packs import load_pack, write_manifest
from pg_guard.policy.rules import parse_rule
from pg_guard.policy.shipped import shipped_dir

if TYPE_CHECKING:
    from pathlib import Path

HEADINGS = [
    "What it does",
    "Why it matters",
    "Examples refused",
    "Examples allowed",
    "False positives",
    "How to repair",
    "References",
    "Tags",
]


def test_each_rule_has_a_page_with_fixed_headings(pack: Path) -> None:
    loaded = load_pack(pack)
    pages = render_docs(loaded)
    assert set(pages) == {"index.md", "PG101_salaries.md", "PG102_payroll.md"}
    page = pages["PG101_salaries.md"]
    assert re.findall("^## (.*)$", page, re.MULTILINE) == HEADINGS
    refused = page.partition("## Examples refused")[2].partition("\n## ")[0]
    assert "```sql\nSELECT * FROM salaries\n```" in refused
    assert "SELECT 1" not in refused
    assert "<https://example.com/why>" in page
    assert render_docs(load_pack(pack)) == pages


@pytest.mark.parametrize(
    "manifest", sorted(shipped_dir("rules").glob("*/pack.yaml")), ids=lambda path: path.parent.name
)
def test_the_pages_of_shipped_packs_link_each_other_and_hold_no_html(manifest: Path) -> None:
    shipped = load_pack(manifest, verify=False)
    pages = render_docs(shipped)
    assert set(re.findall(r"\]\((\S+\.md)\)", pages["index.md"])) == {page_name(rule) for rule in shipped.rules}
    for page in pages.values():
        text = re.sub(r"(?s)(`+)[^`].*?\1", "", page)
        assert re.findall("<(?!https?://)", text) == []
        assert page.endswith("\n")
        assert not page.endswith("\n\n")


def test_what_authors_write_is_text_and_no_markup(pack: Path) -> None:
    path = pack / "PG101_salaries.yaml"
    text = path.read_text()
    text = text.replace(
        "description: The statement reads salaries.", "description: <script>x</script> [a](javascript:b) *"
    )
    text = text.replace("title: Read of salaries", "title: '# <b> | pipe'").replace(
        "SELECT * FROM salaries", '"SELECT 1 -- ``` <i>"'
    )
    path.write_text(text)
    write_manifest(pack)
    pages = render_docs(load_pack(pack))
    page = pages["PG101_salaries.md"]
    outside = re.sub(r"(?s)(`{3,})sql\n.*?\n\1", "", page)
    assert "<script" not in outside
    assert "](javascript" not in outside
    assert "<i>" not in outside
    assert "````sql\nSELECT 1 -- ``` <i>\n````" in page
    assert "&lt;b> \\| pipe" in pages["index.md"]


def test_the_match_is_told_as_a_tree() -> None:
    match = {"any": [{"relation": {"name": ["a", "b"], "rows_over": 1000}}, {"not": {"query": {"star": True}}}]}
    assert list(match_tree(match)) == [
        (0, "any of:"),
        (1, "relation, where name is one of a, b and rows_over 1,000"),
        (1, "not:"),
        (2, "query, where star is true"),
    ]


def test_a_rule_is_shown_with_all_its_fields(pack: Path) -> None:
    rule = load_pack(pack).rules[0]
    text = "\n".join(rule_lines(rule, 80))
    for expected in (rule.description, rule.rationale, rule.message, rule.remediation, *rule.references, *rule.tags):
        assert expected in text
    for test in rule.tests:
        assert test.name in text
        assert test.sql in text
    assert max(len(line) for line in pack_lines(load_pack(pack), 80)) <= 90


# -- the scaffold ----------------------------------------------------------------------------------------------------


def test_a_scaffold_loads_and_its_tests_fail_until_they_are_written(pack: Path) -> None:
    file = new_rule(pack, "hash-read")
    assert file == pack / "PG103_hash_read.yaml"
    text = file.read_text()
    rule = parse_rule(text, str(file))
    assert (rule.id, rule.name) == ("acme/PG103", "hash-read")
    assert text.startswith("# yaml-language-server: $schema=")
    assert format_text(text, "x") == text
    write_manifest(pack)
    guard = Guard.from_packs([load_pack(pack)])
    assert {test.expect for test in rule.tests} == {"deny", "allow"}
    for test in rule.tests:
        fires = rule.id in {finding.rule for finding in guard.check(test.sql).findings}
        assert fires != (test.expect == "deny")


def test_a_number_is_never_used_twice(pack: Path) -> None:
    assert new_rule(pack, "one").name == "PG103_one.yaml"
    (pack / "PG103_one.yaml").rename(pack / "PG120_one.yaml")  # the id inside is still 103
    assert new_rule(pack, "two").name == "PG121_two.yaml"
    (pack / "PG102_payroll.yaml").unlink()
    (pack / "pack.yaml").write_text((pack / "pack.yaml").read_text() + "  PG400_gone.yaml: sha256:" + "0" * 64 + "\n")
    assert new_rule(pack, "three").name == "PG401_three.yaml"


@pytest.mark.parametrize("name", ["", "Upper", "a_b", "../x", "a/b", "-a", "a-", "x" * 81, "ü", "a b"])
def test_what_cannot_be_a_name_is_refused(pack: Path, name: str) -> None:
    with pytest.raises(UsageError):
        new_rule(pack, name)


def test_a_scaffold_overwrites_nothing(pack: Path) -> None:
    before = {path.name: path.read_bytes() for path in pack.iterdir()}
    with pytest.raises(UsageError, match="a rule has this name already"):
        new_rule(pack, "salaries")
    (pack / "pack.yaml").write_text("schema: pg-guard/pack/v1\n")
    with pytest.raises(PolicyError, match="the pack has no name"):
        new_rule(pack, "other")
    (pack / "pack.yaml").write_bytes(before["pack.yaml"])
    assert {path.name: path.read_bytes() for path in pack.iterdir()} == before
