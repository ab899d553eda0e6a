from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from pg_guard.checks.vocabulary import VOCABULARY
from pg_guard.policy.document import read_document
from pg_guard.policy.rule_schema import (
    PACK_SCHEMA_FILE,
    RULE_SCHEMA_FILE,
    pack_schema,
    pack_schema_text,
    rule_schema,
    rule_schema_text,
)
from pg_guard.policy.shipped import shipped_dir

if TYPE_CHECKING:
    from pathlib import Path

RULES = sorted(shipped_dir("rules").glob("*/PG*.yaml"))
PACKS = sorted(shipped_dir("rules").glob("*/pack.yaml"))


def faults(schema: dict[str, Any], data: Any) -> list[str]:
    return [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(data)]


def test_the_written_schemas_are_current() -> None:
    # After a change of the models or of the vocabulary: python -m pg_guard.policy.rule_schema
    assert RULE_SCHEMA_FILE.read_text(encoding="utf-8") == rule_schema_text()
    assert PACK_SCHEMA_FILE.read_text(encoding="utf-8") == pack_schema_text()


def test_the_schemas_are_schemas() -> None:
    for schema in (rule_schema(), pack_schema()):
        jsonschema.Draft202012Validator.check_schema(schema)
        assert json.loads(json.dumps(schema)) == schema


@pytest.mark.parametrize("path", [*RULES, *PACKS], ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_what_is_shipped_agrees_with_its_schema(path: Path) -> None:
    document, problems = read_document(path.read_bytes(), path.name)
    assert document is not None
    assert problems == ()
    assert faults(pack_schema() if path.name == "pack.yaml" else rule_schema(), document.data) == []


def test_every_word_of_the_vocabulary_is_described() -> None:
    forms = rule_schema()["$defs"]
    for fact in VOCABULARY.values():
        assert fact.description.endswith("."), fact.name
        assert forms[fact.name]["description"] == fact.description
        assert set(forms[fact.name]["properties"]) == {attribute.name for attribute in fact.attributes}
        for attribute in fact.attributes:
            assert attribute.description.endswith("."), f"{fact.name}.{attribute.name}"


RULE = {
    "schema": "pg-guard/rule/v1",
    "id": "acme/PG101",
    "name": "a-rule",
    "title": "t",
    "severity": "low",
    "description": "d",
    "rationale": "r",
    "effect": "deny",
    "message": "m",
    "remediation": "r",
}


@pytest.mark.parametrize(
    "match",
    [
        {"relation": {"name": "a"}},
        {"relation": {"name": ["a", "b"], "known": True, "rows_over": 5}},
        {"any": [{"not": {"relation": {}}}, {"all": [{"scan": {"has_column": "$names", "held": False}}]}]},
        {"operator": {"name": "~~*", "left_indexed": "$flag", "items_over": "$many"}},
    ],
)
def test_the_schema_accepts_each_form(match: dict[str, Any]) -> None:
    assert faults(rule_schema(), RULE | {"match": match}) == []


@pytest.mark.parametrize(
    "match",
    [
        {},
        [],
        {"relatoin": {}},
        {"relation": {"nam": "a"}},
        {"relation": {"name": []}},
        {"relation": {"name": 5}},
        {"relation": {"how": "vew"}},
        {"relation": {"known": "yes"}},
        {"relation": {"name": "a"}, "column": {"name": "b"}},
        {"any": []},
        {"any": {"relation": {}}},
        {"not": [{"relation": {}}]},
        {"scan": {"held": False}},
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(match: Any) -> None:
    assert faults(rule_schema(), RULE | {"match": match})
