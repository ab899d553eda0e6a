"""Keys of a format. In: a JSON Schema as pydantic writes it. Out: tables of keys, values, defaults and meanings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from pg_guard.catalog.capabilities import CAPABILITIES
from pg_guard.entry.reference.markdown import code, prose, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["key_table", "model_of"]

_WORDS: Final = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "object": "mapping",
    "null": "null",
}
_FORMATS: Final = {"password": "secret", "path": "path", "date": "day"}


def model_of(form: Mapping[str, Any], definitions: Mapping[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """How a value holds a model of its own, ``one``, ``list`` or ``map``, and that model; None where it holds none."""
    if reference := form.get("$ref"):
        model = definitions[str(reference).rpartition("/")[2]]
        return ("one", model) if "properties" in model and "maxProperties" not in model else None
    many = [("list", form.get("items")), ("map", form.get("additionalProperties"))]
    many += [("map", each) for each in form.get("patternProperties", {}).values()]
    for how, inner in many:
        if isinstance(inner, dict) and (found := model_of(inner, definitions)):
            return how, found[1]
    for each in form.get("anyOf", ()):
        if found := model_of(each, definitions):
            return found
    return None


def key_table(schema: Mapping[str, Any], definitions: Mapping[str, Any], *, required: bool = True) -> Iterator[str]:
    """A row for each key of an object's schema; `required` marks keys without a default."""
    needed = set(schema.get("required", ())) if required else set()
    rows = [
        (
            code(name),
            _value(form, definitions),
            "required" if name in needed else _default(form),
            prose(_description(form, definitions)),
        )
        for name, form in schema["properties"].items()
    ]
    yield from table(("key", "value", "default", "meaning"), rows)


def _description(form: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    if text := form.get("description"):
        return str(text)
    found = model_of(form, definitions)
    return str(found[1].get("description", "")) if found else ""


def _default(form: Mapping[str, Any]) -> str:
    default = form.get("default")
    if default in (None, "", [], {}) or isinstance(default, dict) or "$ref" in form:
        return ""
    if isinstance(default, list) and any(isinstance(item, dict) for item in default):
        words = [word for item in default if isinstance(item, dict) for word in item.get("capability", ())]
        return f"capabilities {', '.join(map(code, words))}"
    if isinstance(default, list):
        return ", ".join(code(str(item)) for item in default)
    if isinstance(default, float) and default.is_integer():
        default = int(default)
    return code(default if isinstance(default, str) else json.dumps(default))


def _value(form: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    if "$ref" in form:
        model = definitions[form["$ref"].rpartition("/")[2]]
        if model.get("title") == "CapabilityPattern":
            return "`{capability: …}`"
        return "mapping" if "properties" in model else _value(model, definitions)
    if "const" in form:
        return code(str(form["const"]))
    if words := form.get("enum"):
        return "a capability" if set(words) == CAPABILITIES else ", ".join(code(str(word)) for word in words)
    for key in ("anyOf", "oneOf"):
        if key in form:
            forms = [_value(each, definitions) for each in form[key] if each.get("type") != "null"]
            return " or ".join(dict.fromkeys(forms))
    if form.get("type") == "array":
        return f"list of {_plural(_value(form.get('items', {}), definitions))}"
    if form.get("type") == "object" and isinstance(form.get("additionalProperties"), dict):
        return f"by name, {_value(form['additionalProperties'], definitions)}"
    word = _FORMATS.get(str(form.get("format"))) or _WORDS.get(str(form.get("type")), "any value")
    return word + _range(form)


def _range(form: Mapping[str, Any]) -> str:
    low, high = form.get("minimum"), form.get("maximum")
    if form.get("exclusiveMinimum") == 0 and form.get("type") == "number":
        return " over 0"
    if low is not None and high is not None:
        return f", {low} to {high}"
    return f", {low} or more" if low else ""


def _plural(words: str) -> str:
    plurals = {"text": "texts", "mapping": "mappings", "secret": "secrets", "a capability": "capabilities"}
    return plurals.get(words, words)
