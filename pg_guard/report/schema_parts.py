"""Parts of JSON Schemas. In: names, descriptions and other parts. Out: schemas of values, and of what several documents hold."""

from __future__ import annotations

from typing import Any, Final, TypeAlias, get_args

from pg_guard.decision import SEVERITIES, Effect

__all__ = [
    "DIGEST",
    "EFFECTS",
    "Schema",
    "closed",
    "count",
    "counts",
    "finding_properties",
    "finding_schema",
    "flag",
    "listed",
    "or_null",
    "problem_schema",
    "ref",
    "said",
    "span_schema",
    "text",
    "texts",
    "word",
]

Schema: TypeAlias = dict[str, Any]

EFFECTS: Final = list(get_args(Effect))
DIGEST: Final[Schema] = {"type": "string", "pattern": "^[0-9a-f]{64}$"}


def closed(description: str, properties: dict[str, Schema], *, optional: tuple[str, ...] = ()) -> Schema:
    """An object that has these keys and no other; it may lack those of `optional`."""
    return {
        "description": description,
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def text(description: str = "") -> Schema:
    """A string."""
    return said({"type": "string"}, description)


def texts(description: str = "") -> Schema:
    """A list of strings."""
    return said({"type": "array", "items": {"type": "string"}}, description)


def flag(description: str = "") -> Schema:
    """True or false."""
    return said({"type": "boolean"}, description)


def count(description: str = "") -> Schema:
    """A whole number from 0."""
    return said({"type": "integer", "minimum": 0}, description)


def word(words: list[str], description: str = "") -> Schema:
    """One of these strings."""
    return said({"enum": words}, description)


def listed(items: Schema, description: str = "") -> Schema:
    """A list of such items."""
    return said({"type": "array", "items": items}, description)


def or_null(schema: Schema, description: str = "") -> Schema:
    """Such a value, or null."""
    return said({"anyOf": [schema, {"type": "null"}]}, description)


def said(schema: Schema, description: str) -> Schema:
    """The schema with a description, unless that is empty."""
    return schema | ({"description": description} if description else {})


def ref(name: str, description: str = "") -> Schema:
    """A part that the document has under ``$defs``."""
    return said({"$ref": f"#/$defs/{name}"}, description)


def counts(*names: str) -> Schema:
    """An object of whole numbers."""
    return closed("How many there are of each.", {name: count() for name in names})


def span_schema() -> Schema:
    """A place in a text, as `Span.to_dict` gives it."""
    return closed(
        "A place in a text. Offsets count characters from 0, lines and columns from 1.",
        {
            "start": count("Offset of the first character."),
            "end": count("Offset after the last character."),
            "line": {"type": "integer", "minimum": 1},
            "column": {"type": "integer", "minimum": 1},
        },
    )


def finding_properties() -> dict[str, Schema]:
    """The keys of a finding, for those that have more."""
    return {
        "rule": text("Stable id of the clause or rule, as in tables/denied or core/PG101."),
        "severity": word(list(SEVERITIES)),
        "effect": word(["deny", "warn"], "deny refuses the statement; warn is reported only."),
        "message": text("What was found, in one sentence."),
        "remediation": text("What to write instead, in one sentence."),
        "span": or_null(ref("span"), "The place in the text; null when it concerns the whole."),
    }


def finding_schema() -> Schema:
    """A finding, as `Finding.to_dict` gives it."""
    return closed("One reason, with a way to repair the statement.", finding_properties())


def problem_schema() -> Schema:
    """A problem, as `Problem.to_dict` gives it."""
    return closed(
        "One problem in a policy, a rule or a pack.",
        {
            "message": text(),
            "file": text("The file as the user named it."),
            "line": count("From 1; 0 when it has none."),
            "column": count("From 1; 0 when it has none."),
            "path": text("The key path, as in joins.max_tables."),
            "hint": text("What to write instead."),
            "level": word(["error", "warning"]),
        },
    )
