from __future__ import annotations

from pathlib import Path

import yaml

from pg_guard.checks.vocabulary import VOCABULARY
from pg_guard.checks.written import read_match
from pg_guard.policy.vocabulary_page import vocabulary_page

PAGE = Path(__file__).resolve().parents[3] / "docs" / "facts.md"


def test_the_page_is_current() -> None:
    # After a change of the vocabulary: python -m pg_guard.policy.vocabulary_page docs/facts.md
    assert PAGE.read_text(encoding="utf-8") == vocabulary_page()


def test_every_attribute_has_a_row_in_the_section_of_its_fact() -> None:
    sections = {part.partition("`")[0]: part for part in vocabulary_page().split("\n## `")[1:]}
    assert set(sections) == set(VOCABULARY)
    for name, fact in VOCABULARY.items():
        rows = [line for line in sections[name].splitlines() if line.startswith("| `")]
        assert [row.split("`")[1] for row in rows] == [attribute.name for attribute in fact.attributes]
        assert all(row.replace("\\|", "").count("|") == 4 for row in rows)


def test_the_example_of_the_page_is_a_match() -> None:
    example = vocabulary_page().partition("```yaml\n")[2].partition("```")[0]
    match, faults = read_match(yaml.safe_load(example)["match"], {})
    assert faults == ()
    assert match is not None
