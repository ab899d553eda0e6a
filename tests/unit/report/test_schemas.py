"""The schemas of documents: they are schemas, they are closed, and every decision record fits."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from pg_guard.decision import Decision, Finding, Span
from pg_guard.guard import Guard
from pg_guard.report.schemas import DOCUMENTS, document_schema
from tests.corpus.loading import load_cases, policy_path

if TYPE_CHECKING:
    from pg_guard.catalog.model import Catalog


def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(document_schema(name))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_schema_is_one_and_is_closed(name: str) -> None:
    schema = document_schema(name)
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"urn:pg-guard:{name}:v1"
    assert schema["title"]
    assert schema["description"]
    assert list(schema["required"]) == list(schema["properties"])
    for part in objects(schema):
        assert part["additionalProperties"] is False or "properties" not in part


def objects(schema: Any) -> list[dict[str, Any]]:
    if isinstance(schema, list):
        return [found for item in schema for found in objects(item)]
    if not isinstance(schema, dict):
        return []
    inner = [found for value in schema.values() for found in objects(value)]
    return [schema, *inner] if schema.get("type") == "object" else inner


def test_the_schema_of_the_decision_has_the_keys_of_the_record() -> None:
    schema = document_schema("decision")
    assert list(schema["properties"]) == list(Decision("deny", None, ()).to_dict())
    finding = Finding("a/b", "low", "m", "r", Span(0, 1, 1, 1)).to_dict()
    assert set(schema["$defs"]["finding"]["properties"]) == set(finding)
    assert list(schema["$defs"]["span"]["properties"]) == list(finding["span"])


@pytest.mark.parametrize("kind", ["attacks", "benign"])
def test_every_record_of_the_corpus_fits(kind: Any, demo_catalog: Catalog) -> None:
    @cache
    def guard(policy: str) -> Guard:
        return Guard.load(policy_path(policy), catalog=demo_catalog)

    check = validator("decision")
    cases = load_cases(kind)
    assert len(cases) > 300
    wrong = []
    for case in cases:
        record = guard(case.policy).check(case.sql, principal=case.principal).to_dict()
        wrong += [f"{case.place}: {error.json_path}: {error.message}" for error in check.iter_errors(record)]
    assert wrong == []


@pytest.mark.parametrize(
    "sql",
    ["", "SELEC", "SELECT 1; SELECT 2", b"\xff", "SELECT '\ud800'", "SELECT 1\0", "(" * 5000, "SELECT '日本語' FROM x"],
)
def test_the_record_of_what_cannot_be_read_fits(sql: str | bytes) -> None:
    record = Guard.load(policy_path("demo")).check(sql).to_dict()
    assert list(validator("decision").iter_errors(record)) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("effect", "maybe"),
        ("allowed", "yes"),
        ("findings", [{"rule": "a/b"}]),
        ("sql", 5),
        ("digests", {"policy": "short"}),
        ("timings_us", {"total": -1}),
        ("surprise", 1),
    ],
)
def test_what_is_no_record_does_not_fit(key: str, value: Any) -> None:
    record = Guard.load(policy_path("demo")).check("SELECT 1").to_dict() | {key: value}
    assert list(validator("decision").iter_errors(record)) != []
