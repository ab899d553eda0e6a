from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import pg_guard
from pg_guard.errors import UsageError
from pg_guard.policy import shipped
from pg_guard.policy.document import read_document
from pg_guard.policy.load import load_policy
from pg_guard.policy.schema import SCHEMA_FILE, policy_schema, schema_text
from pg_guard.policy.shipped import shipped_dir

POLICIES = sorted(shipped_dir("policies").glob("*.yaml"))


def validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(policy_schema())


def test_the_policies_of_the_design_are_shipped() -> None:
    assert {path.stem for path in POLICIES} >= {"starter", "strict", "analyst", "multi_tenant", "demo"}


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_shipped_policies_load_without_warnings(path: Path) -> None:
    assert load_policy(path, environ={}).problems == ()


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_shipped_policies_agree_with_the_schema(path: Path) -> None:
    document, problems = read_document(path.read_bytes(), path.name)
    assert document is not None
    assert problems == ()
    assert [error.message for error in validator().iter_errors(document.data)] == []


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_shipped_policies_point_editors_at_the_schema(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# yaml-language-server: $schema=")
    assert (path.parent / first.partition("=")[2]).resolve() == SCHEMA_FILE


def test_the_written_schema_is_current() -> None:
    # After a change of the models: python -m pg_guard.policy.schema
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text()


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(policy_schema())
    assert json.loads(schema_text()) == policy_schema()


def test_every_key_is_described() -> None:
    schema = policy_schema()
    for definition in [schema, *schema["$defs"].values()]:
        assert definition["description"]
        for key, form in definition["properties"].items():
            target = schema["$defs"][form["$ref"].rpartition("/")[2]] if "$ref" in form else form
            described = form.get("description") or target.get("description")
            assert described or "const" in form, f"{definition['title']}.{key}"


@pytest.mark.parametrize(
    "policy",
    [
        {},
        {"schema": "pg-guard/policy/v2"},
        {"wher": []},
        {"tables": {"deny": "hr"}},
        {"where": [{"columns": ["a"]}]},
        {"where": [{"table": []}]},
        {"functions": {"allow": [{"capability": "magic"}]}},
        {"limits": {"rows": 0}},
        {"limits": {"statement_timeout": "30 sec"}},
        {"limits": {"result_bytes": "10mb"}},
    ],
)
def test_the_schema_refuses_wrong_policies(policy: dict[str, Any]) -> None:
    stated = policy if policy in ({}, {"schema": "pg-guard/policy/v2"}) else {"schema": "pg-guard/policy/v1", **policy}
    assert list(validator().iter_errors(stated))


@pytest.mark.parametrize(
    "policy",
    [
        {"where": [{"table": "a"}, {"table": ["a", "b"], "columns": ["c"]}]},
        {"functions": {"allow": ["f", {"capability": "pure"}, {"capability": ["pure", "clock"]}]}},
        {"limits": {"statement_timeout": "500ms", "result_bytes": "10 MiB"}},
        {"limits": {"statement_timeout": 1.5, "result_bytes": 10}},
        {"joins": {"max_tables": 3, "reason": "x"}},
    ],
)
def test_the_schema_accepts_each_form(policy: dict[str, Any]) -> None:
    assert [error.message for error in validator().iter_errors({"schema": "pg-guard/policy/v1", **policy})] == []


def test_an_unknown_kind_of_data_is_a_wrong_argument() -> None:
    with pytest.raises(UsageError, match="'secrets'"):
        shipped_dir("secrets")


def test_an_installed_package_finds_its_own_data_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "pg_guard"
    (package / "_shipped" / "rules").mkdir(parents=True)
    (tmp_path / "rules").mkdir()
    monkeypatch.setattr(shipped, "_PACKAGE", package)
    assert shipped_dir("rules") == package / "_shipped" / "rules"
    with pytest.raises(UsageError, match="no shipped policies"):
        shipped_dir("policies")


def test_a_checkout_finds_its_data_beside_the_package() -> None:
    assert shipped_dir("rules") == Path(pg_guard.__file__).resolve().parent.parent / "rules"
