"""What the official schema of SARIF 2.1.0 demands of the parts that pg-guard writes. In: a log. Out: what is wrong with it.

Written by hand from the standard and the schema of its errata 01: required properties, enumerations, patterns, bounds, and that
objects have no property beyond the listed ones. Only what GitHub code scanning asks for on top stands in `GITHUB`.
"""

from __future__ import annotations

from typing import Any

import jsonschema

LEVELS = ["none", "note", "warning", "error"]
KINDS = ["notApplicable", "pass", "fail", "review", "open", "informational"]


def closed(properties: dict[str, Any], required: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
        **more,
    }


def listed(items: dict[str, Any], *, unique: bool = False, at_least: int = 0) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": at_least, "uniqueItems": unique}


TEXT = {"type": "string"}
POSITIVE = {"type": "integer", "minimum": 1}
INDEX = {"type": "integer", "minimum": -1}
BAG = {"type": "object", "properties": {"tags": listed(TEXT, unique=True)}}
BOTH = closed({"text": TEXT, "markdown": TEXT, "properties": BAG}, ("text",))
MESSAGE = closed(
    {"text": TEXT, "markdown": TEXT, "id": TEXT, "arguments": listed(TEXT)},
    anyOf=[{"required": ["text"]}, {"required": ["id"]}],
)
ARTIFACT = closed(
    {
        "uri": {"type": "string", "format": "uri-reference"},
        "uriBaseId": TEXT,
        "index": INDEX,
        "description": MESSAGE,
    }
)
REGION = closed(
    {
        "startLine": POSITIVE,
        "startColumn": POSITIVE,
        "endLine": POSITIVE,
        "endColumn": POSITIVE,
        "charOffset": INDEX,
        "charLength": {"type": "integer", "minimum": 0},
        "snippet": {"type": "object"},
    },
    anyOf=[{"required": ["startLine"]}, {"required": ["charOffset"]}, {"required": ["byteOffset"]}],
)
PHYSICAL = closed(
    {"artifactLocation": ARTIFACT, "region": REGION, "contextRegion": REGION},
    anyOf=[{"required": ["address"]}, {"required": ["artifactLocation"]}],
)
LOCATION = closed({"id": INDEX, "physicalLocation": PHYSICAL, "message": MESSAGE})
DESCRIPTOR = closed(
    {
        "id": TEXT,
        "name": TEXT,
        "shortDescription": BOTH,
        "fullDescription": BOTH,
        "help": BOTH,
        "helpUri": {"type": "string", "format": "uri"},
        "defaultConfiguration": closed(
            {"enabled": {"type": "boolean"}, "level": {"enum": LEVELS}, "rank": {"type": "number"}, "properties": BAG}
        ),
        "properties": BAG,
    },
    ("id",),
)
SUPPRESSION = closed(
    {"kind": {"enum": ["inSource", "external"]}, "justification": TEXT, "location": LOCATION, "properties": BAG},
    ("kind",),
)
RESULT = closed(
    {
        "ruleId": TEXT,
        "ruleIndex": INDEX,
        "kind": {"enum": KINDS},
        "level": {"enum": LEVELS},
        "message": MESSAGE,
        "locations": listed(LOCATION),
        "partialFingerprints": {"type": "object", "additionalProperties": TEXT},
        "suppressions": listed(SUPPRESSION, unique=True),
        "baselineState": {"enum": ["new", "unchanged", "updated", "absent"]},
        "properties": BAG,
    },
    ("message",),
)
NOTIFICATION = closed(
    {
        "descriptor": closed({"id": TEXT, "index": INDEX}, anyOf=[{"required": ["index"]}, {"required": ["id"]}]),
        "level": {"enum": LEVELS},
        "message": MESSAGE,
        "locations": listed(LOCATION, unique=True),
    },
    ("message",),
)
INVOCATION = closed(
    {
        "executionSuccessful": {"type": "boolean"},
        "exitCode": {"type": "integer"},
        "toolExecutionNotifications": listed(NOTIFICATION),
    },
    ("executionSuccessful",),
)
DRIVER = closed(
    {
        "name": TEXT,
        "version": TEXT,
        "semanticVersion": TEXT,
        "shortDescription": BOTH,
        "informationUri": {"type": "string", "format": "uri"},
        "rules": listed(DESCRIPTOR, unique=True),
        "notifications": listed(DESCRIPTOR, unique=True),
    },
    ("name",),
)
RUN = closed(
    {
        "tool": closed({"driver": DRIVER}, ("driver",)),
        "automationDetails": closed({"id": TEXT, "description": MESSAGE}),
        "originalUriBaseIds": {"type": "object", "additionalProperties": ARTIFACT},
        "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
        "invocations": listed(INVOCATION),
        "results": listed(RESULT),
        "properties": BAG,
    },
    ("tool",),
)
SARIF = closed(
    {"$schema": {"type": "string", "format": "uri"}, "version": {"enum": ["2.1.0"]}, "runs": listed(RUN)},
    ("version", "runs"),
)

GITHUB: dict[str, Any] = {
    "properties": {
        "runs": {
            "items": {
                "required": ["tool", "results"],
                "properties": {
                    "tool": {
                        "properties": {
                            "driver": {
                                "required": ["name", "rules"],
                                "properties": {
                                    "rules": {
                                        "items": {
                                            "required": ["id", "shortDescription", "fullDescription", "help"],
                                            "properties": {
                                                "id": {"maxLength": 255},
                                                "name": {"maxLength": 255},
                                                "shortDescription": {"properties": {"text": {"maxLength": 1024}}},
                                                "fullDescription": {"properties": {"text": {"maxLength": 1024}}},
                                                "help": {"required": ["text", "markdown"]},
                                                "properties": {
                                                    "properties": {
                                                        "tags": {"maxItems": 20},
                                                        "precision": {"enum": ["very-high", "high", "medium", "low"]},
                                                        "problem.severity": {
                                                            "enum": ["error", "warning", "recommendation"]
                                                        },
                                                        "security-severity": {
                                                            "type": "string",
                                                            "pattern": r"^(10\.0|[0-9]\.[0-9])$",
                                                        },
                                                    }
                                                },
                                            },
                                        }
                                    }
                                },
                            }
                        }
                    },
                    "results": {
                        "maxItems": 25_000,
                        "items": {
                            "required": ["ruleId", "message", "locations", "partialFingerprints"],
                            "properties": {
                                "message": {"required": ["text"], "properties": {"text": {"minLength": 1}}},
                                "partialFingerprints": {
                                    "required": ["primaryLocationLineHash"],
                                    "properties": {"primaryLocationLineHash": {"pattern": "^[0-9a-f]+:[0-9]+$"}},
                                },
                                "locations": {
                                    "minItems": 1,
                                    "items": {
                                        "properties": {
                                            "physicalLocation": {
                                                "required": ["artifactLocation", "region"],
                                                "properties": {
                                                    "artifactLocation": {"required": ["uri"]},
                                                    "region": {
                                                        "required": ["startLine", "startColumn", "endLine", "endColumn"]
                                                    },
                                                },
                                            }
                                        }
                                    },
                                },
                            },
                        },
                    },
                },
            }
        }
    }
}


def problems(log: object) -> list[str]:
    """What is wrong with a log; empty when nothing is."""
    found = []
    for schema in (SARIF, GITHUB):
        validator = jsonschema.Draft7Validator(schema, format_checker=jsonschema.Draft7Validator.FORMAT_CHECKER)
        found += [f"{list(error.absolute_path)}: {error.message}" for error in validator.iter_errors(log)]
    return found
