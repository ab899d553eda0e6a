"""The settings file, for editors. Out: its JSON Schema, closed, with the `…_file` keys of secrets."""

from __future__ import annotations

from typing import Any

from pg_guard.settings.tree import Settings

__all__ = ["settings_schema"]


def settings_schema() -> dict[str, Any]:
    """The JSON Schema of a settings file, of draft 2020-12."""
    schema = Settings.model_json_schema()
    schema["additionalProperties"] = False
    for model in (schema, *schema["$defs"].values()):
        secrets = [name for name, form in model.get("properties", {}).items() if _is_secret(form)]
        for name in secrets:
            # The audit log has a field of that name.
            model["properties"].setdefault(
                f"{name}_file", {"type": "string", "description": f"File that holds the value of `{name}`."}
            )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:pg-guard:settings:v1",
        **schema,
        "title": "Settings",
        "description": "The settings file of `pg-guard serve`.",
    }


def _is_secret(form: dict[str, Any]) -> bool:
    return any(each.get("format") == "password" for each in (form, *form.get("anyOf", ())))
