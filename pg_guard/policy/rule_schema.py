"""The JSON Schemas of rule files and of ``pack.yaml``. In: the models and the vocabulary. Out: schemas of draft 2020-12.

``python -m pg_guard.policy.rule_schema`` writes them beside this module; a test keeps the written files current. The words
under ``match`` are those of `pg_guard.checks.vocabulary`, each with its description, so that an editor can offer them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pg_guard.checks.vocabulary import VOCABULARY
from pg_guard.policy.packs import PackManifest
from pg_guard.policy.rules import RuleFile

if TYPE_CHECKING:
    from pg_guard.checks.terms import Attribute, Fact

__all__ = ["PACK_SCHEMA_FILE", "RULE_SCHEMA_FILE", "pack_schema", "pack_schema_text", "rule_schema", "rule_schema_text"]

RULE_SCHEMA_FILE: Final = Path(__file__).with_name("rule-v1.schema.json")
PACK_SCHEMA_FILE: Final = Path(__file__).with_name("pack-v1.schema.json")

_PARAMETER: Final = {"type": "string", "pattern": r"^\$[A-Za-z_][A-Za-z0-9_]*$"}
_MATCH: Final = {"$ref": "#/$defs/match"}


def _one_or_many(form: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [form, {"type": "array", "items": form, "minItems": 1}]}


def _value(attribute: Attribute) -> dict[str, Any]:
    if attribute.kind == "flag":
        return {"anyOf": [{"type": "boolean"}, _PARAMETER]}
    if attribute.kind in ("over", "under"):
        return {"anyOf": [{"type": "number"}, _PARAMETER]}
    if attribute.words:
        return _one_or_many({"anyOf": [{"enum": list(attribute.words)}, _PARAMETER]})
    return _one_or_many({"type": "string", "minLength": 1} if attribute.kind == "symbol" else {"type": "string"})


def _condition(fact: Fact) -> dict[str, Any]:
    form: dict[str, Any] = {
        "description": fact.description,
        "type": "object",
        "properties": {
            attribute.name: {"description": attribute.description, **_value(attribute)} for attribute in fact.attributes
        },
        "additionalProperties": False,
    }
    needs = {attribute.name: [attribute.needs] for attribute in fact.attributes if attribute.needs}
    return form | ({"dependentRequired": needs} if needs else {})


def _match() -> dict[str, Any]:
    many = {"type": "array", "items": _MATCH, "minItems": 1}
    return {
        "description": "any: […], all: […], not: …, or one condition: a fact and its attributes, which one record must all have.",
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "properties": {
            "any": {"description": "At least one of these.", **many},
            "all": {"description": "Each of these, each on a record of its own.", **many},
            "not": {"description": "Not this.", **_MATCH},
            **{name: {"$ref": f"#/$defs/{name}"} for name in VOCABULARY},
        },
        "additionalProperties": False,
    }


def rule_schema() -> dict[str, Any]:
    """The JSON Schema of rule files, version 1."""
    schema: dict[str, Any] = RuleFile.model_json_schema(by_alias=True, mode="validation")
    described = schema["properties"]["match"]["description"]
    schema["properties"]["match"] = {"description": described, **_MATCH}
    schema["$defs"] |= {"match": _match()} | {name: _condition(fact) for name, fact in VOCABULARY.items()}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:pg-guard:rule:v1",
        **schema,
        "required": ["schema", *schema["required"]],
    }


def pack_schema() -> dict[str, Any]:
    """The JSON Schema of ``pack.yaml``, version 1."""
    schema: dict[str, Any] = PackManifest.model_json_schema(by_alias=True, mode="validation")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:pg-guard:pack:v1",
        **schema,
        "required": ["schema", *schema["required"]],
    }


def rule_schema_text() -> str:
    """The schema as it is written to `RULE_SCHEMA_FILE`."""
    return json.dumps(rule_schema(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def pack_schema_text() -> str:
    """The schema as it is written to `PACK_SCHEMA_FILE`."""
    return json.dumps(pack_schema(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    RULE_SCHEMA_FILE.write_text(rule_schema_text(), encoding="utf-8")
    PACK_SCHEMA_FILE.write_text(pack_schema_text(), encoding="utf-8")
