"""The JSON Schema of policy files, for editors and for other tools. In: the models. Out: a schema of draft 2020-12.

``python -m pg_guard.policy.schema`` writes it beside this module; a test keeps the written file current. The schema
knows the format's shape; what it cannot say (the form of patterns, what may extend what) is checked at load.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pg_guard.policy.model import Policy
from pg_guard.policy.supported import NOT_YET

__all__ = ["SCHEMA_FILE", "policy_schema", "schema_text"]

SCHEMA_FILE = Path(__file__).with_name("policy-v1.schema.json")
_QUANTITY = {
    "statement_timeout": r"^\s*[0-9]+(\.[0-9]+)?\s*(ms|s|min|h)\s*$",
    "generated_bytes": r"^\s*[0-9]+(\.[0-9]+)?\s*(B|kB|KB|MB|GB|KiB|MiB|GiB)\s*$",
    "result_bytes": r"^\s*[0-9]+(\.[0-9]+)?\s*(B|kB|KB|MB|GB|KiB|MiB|GiB)\s*$",
}


def policy_schema() -> dict[str, Any]:
    """The JSON Schema of policy files, version 1."""
    schema: dict[str, Any] = Policy.model_json_schema(by_alias=True, mode="validation")
    limits = schema["$defs"]["Limits"]["properties"]
    for key, pattern in _QUANTITY.items():
        for form in limits[key]["anyOf"]:
            if form["type"] == "string":
                form["pattern"] = pattern
    not_yet = ", ".join(f"`{path}`" for path, _ in NOT_YET)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:pg-guard:policy:v1",
        **schema,
        "description": f"{schema['description']} Not supported yet, and refused: {not_yet}.",
        "required": ["schema"],
    }


def schema_text() -> str:
    """The schema as it is written to `SCHEMA_FILE`."""
    return json.dumps(policy_schema(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    SCHEMA_FILE.write_text(schema_text(), encoding="utf-8")
