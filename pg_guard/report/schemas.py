"""JSON Schemas of what pg-guard writes. In: the name of a document. Out: its schema, of draft 2020-12.

A schema is closed: a key that it does not name is an error, so that a reader can rely on it and a test notices what is
added. New keys come with a new line here and in the changelog; the version of a document changes only when one goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias, get_args

from pg_guard.decision import RECORD_SCHEMA, SEVERITIES, Effect
from pg_guard.observe.audit_lines import LINE_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DOCUMENTS", "document_schema"]

Schema: TypeAlias = dict[str, Any]

_LINT: Final = "pg-guard/lint/v1"
_TEST: Final = "pg-guard/test/v1"
_VALIDATION: Final = "pg-guard/policy-validation/v1"
_EFFECTS: Final = list(get_args(Effect))


def document_schema(name: str) -> Schema:
    """The schema of a document that pg-guard writes.

    Args:
        name: One of `DOCUMENTS`.

    Raises:
        KeyError: There is no such document.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:pg-guard:{name}:v1",
        **DOCUMENTS[name](),
        "$defs": {"finding": _finding(), "span": _span(), "problem": _problem()},
    }


def _object(description: str, properties: dict[str, Schema], *, optional: tuple[str, ...] = ()) -> Schema:
    return {
        "description": description,
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def _text(description: str = "") -> Schema:
    return _said({"type": "string"}, description)


def _texts(description: str = "") -> Schema:
    return _said({"type": "array", "items": {"type": "string"}}, description)


def _flag(description: str = "") -> Schema:
    return _said({"type": "boolean"}, description)


def _count(description: str = "") -> Schema:
    return _said({"type": "integer", "minimum": 0}, description)


def _word(words: list[str], description: str = "") -> Schema:
    return _said({"enum": words}, description)


def _list(items: Schema, description: str = "") -> Schema:
    return _said({"type": "array", "items": items}, description)


def _or_null(schema: Schema, description: str = "") -> Schema:
    return _said({"anyOf": [schema, {"type": "null"}]}, description)


def _said(schema: Schema, description: str) -> Schema:
    return schema | ({"description": description} if description else {})


def _ref(name: str, description: str = "") -> Schema:
    return _said({"$ref": f"#/$defs/{name}"}, description)


def _counts(*names: str) -> Schema:
    return _object("How many there are of each.", {name: _count() for name in names})


# -- parts -------------------------------------------------------------------------------------------------------------


def _span() -> Schema:
    return _object(
        "A place in a text. Offsets count characters from 0, lines and columns from 1.",
        {
            "start": _count("Offset of the first character."),
            "end": _count("Offset after the last character."),
            "line": {"type": "integer", "minimum": 1},
            "column": {"type": "integer", "minimum": 1},
        },
    )


def _finding_properties() -> dict[str, Schema]:
    return {
        "rule": _text("Stable id of the clause or rule, as in tables/denied or core/PG101."),
        "severity": _word(list(SEVERITIES)),
        "effect": _word(["deny", "warn"], "deny refuses the statement; warn is reported only."),
        "message": _text("What was found, in one sentence."),
        "remediation": _text("What to write instead, in one sentence."),
        "span": _or_null(_ref("span"), "The place in the text; null when it concerns the whole."),
    }


def _finding() -> Schema:
    return _object("One reason, with a way to repair the statement.", _finding_properties())


def _problem() -> Schema:
    return _object(
        "One problem in a policy, a rule or a pack.",
        {
            "message": _text(),
            "file": _text("The file as the user named it."),
            "line": _count("From 1; 0 when it has none."),
            "column": _count("From 1; 0 when it has none."),
            "path": _text("The key path, as in joins.max_tables."),
            "hint": _text("What to write instead."),
            "level": _word(["error", "warning"]),
        },
    )


# -- documents ---------------------------------------------------------------------------------------------------------


def _decision() -> Schema:
    digests = {"type": "object", "additionalProperties": {"type": "string", "pattern": "^[0-9a-f]{64}$"}}
    timings = {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}}
    return {"title": "Decision record"} | _object(
        "What the guard decided on one statement: the output of `pg-guard check --format json`.",
        {
            "schema": {"const": RECORD_SCHEMA},
            "effect": _word(_EFFECTS, "What happens to the statement."),
            "allowed": _flag("True when the effect is allow or rewrite."),
            "mode": _word(["enforce", "monitor"], "Under monitor nothing is refused, and would_deny tells."),
            "would_deny": _flag("True when a finding would refuse the statement under enforce."),
            "kind": _text("Kind of the outermost statement, as in select; unknown when it could not be read."),
            "statement": _text("The text as it was given, undecodable characters replaced."),
            "sql": _or_null({"type": "string"}, "The text to run; null when it is denied."),
            "findings": _list(_ref("finding"), "All findings, most severe first, then by place."),
            "relations": _texts("Relations that the statement reads, as schema.name, sorted."),
            "functions": _texts("Functions that it calls, as schema.name or name, sorted."),
            "policy": _text("Name and version of the policy."),
            "digests": _said(digests, "SHA-256, in hexadecimal, of the statement, the policy and what else decided."),
            "timings_us": _said(timings, "Microseconds by stage."),
        },
    )


def _audit_frame() -> dict[str, Schema]:
    return {
        "schema": {"const": LINE_SCHEMA},
        "chain": {"type": "string", "pattern": "^[0-9a-f]{16}$", "description": "Random name of the hash chain."},
        "seq": {"type": "integer", "minimum": 1, "description": "Number of the line in its chain."},
    }


def _audit_hashes() -> dict[str, Schema]:
    pattern = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
    return {
        "prev": _said(pattern, "The hash of the line before; zeros for the first."),
        "hash": _said(pattern, "SHA-256 of the line without this key, byte for byte."),
    }


def _audit_decision() -> Schema:
    principal = _object(
        "Who asked.",
        {
            "client": _or_null({}, "As the transport knows it, as in the name of a token."),
            "subject": _or_null({}, "Whom the client acts for."),
            "attributes": _said(
                {"type": "object", "additionalProperties": True}, "What else is known, as policies match it."
            ),
        },
    )
    masking = _object(
        "How the statement is masked.",
        {"kind": _word(["literals", "statement"]), "key": _text("Which key the digests have.")},
    )
    return {"title": "Audit line of a decision"} | _object(
        "A line of the audit log, written before the statement runs.",
        _audit_frame()
        | {
            "event": {"const": "decision"},
            "time": {"type": "string", "format": "date-time", "description": "In UTC."},
            "decision_id": {"type": "string", "format": "uuid"},
            "operation": _word(["run", "explain", "check"], "What was to be done with the statement, if allowed."),
            "database": _text("As the settings call it."),
            "principal": _or_null(principal),
            "question_id": _or_null({"type": "string", "format": "uuid"}, "The question that it was to answer."),
            "masking": _or_null(masking),
            "decision": _decision(),
        }
        | _audit_hashes(),
    )


def _audit_outcome() -> Schema:
    return {"title": "Audit line of an outcome"} | _object(
        "A line of the audit log, on what came of a statement that was allowed.",
        _audit_frame()
        | {
            "event": {"const": "outcome"},
            "time": {"type": "string", "format": "date-time", "description": "In UTC."},
            "decision_id": {"type": "string", "format": "uuid"},
            "status": _word(["ok", "error", "cancelled"]),
            "duration_ms": {"type": "number", "minimum": 0},
            "rows": _or_null(_count(), "Rows that were handed out; null where there are none to count."),
            "truncated": _flag("There were more rows."),
            "error": _or_null({"type": "string"}, "The code of the error."),
            "sqlstate": _or_null({"type": "string"}, "PostgreSQL's code."),
        }
        | _audit_hashes(),
    )


def _test() -> Schema:
    result = _object(
        "One embedded test.",
        {
            "name": _text(),
            "line": _count("Line in the file, from 1; 0 when it has none."),
            "sql": _text(),
            "expect": _word(["allow", "rewrite", "deny", "warn"]),
            "rules": _texts("Rule ids that must be among the findings."),
            "principal": {
                "description": "What is known of who asks.",
                "type": "object",
                "additionalProperties": {"type": ["string", "number", "boolean"]},
            },
            "passed": _flag(),
            "decided": _word(["allow", "rewrite", "deny", "warn"], "For a rule, by this rule alone."),
            "failure": _or_null({"type": "string"}, "Why it failed, in one sentence."),
            "note": _or_null({"type": "string"}, "What a reader should know although it passed."),
            "database": _or_null(
                _word(["passed", "failed", "not-run"]), "What PostgreSQL did; null unless works_on is there."
            ),
            "database_error": _or_null({"type": "string"}),
            "findings": _list(_ref("finding")),
        },
    )
    clause = _object(
        "A clause of a policy or a rule, and whether a test that passed exercises it.",
        {
            "path": _text("The key path, or the rule's id."),
            "text": _text("The clause as it is written, shortened."),
            "covered": _flag(),
            "missing": _or_null({"type": "string"}, "What no test shows."),
            "file": _text(),
            "line": _count(),
            "column": _count(),
        },
    )
    suite = _object(
        "One policy or rule.",
        {
            "file": _text(),
            "kind": _word(["policy", "rule"]),
            "subject": _or_null({"type": "string"}, "Name and version, or the rule's id."),
            "valid": _flag(),
            "error": _or_null({"type": "string"}, "Why the file cannot be read."),
            "problems": _list(_ref("problem")),
            "tests": _list(result),
            "clauses": _list(clause, "Empty without --coverage."),
        },
    )
    coverage = _object(
        "How much is covered.",
        {
            "percent": {"type": "number", "minimum": 0, "maximum": 100},
            "required": _or_null({"type": "number"}),
            "clauses": _count(),
            "covered": _count(),
        },
    )
    return {"title": "Test report"} | _object(
        "The output of `pg-guard test --format json`.",
        {
            "schema": {"const": _TEST},
            "suites": _list(suite),
            "coverage": _or_null(coverage, "Null without --coverage."),
            "counts": _counts("suites", "invalid", "errors", "tests", "failed", "works_on", "works_on_not_run"),
        },
    )


def _validation() -> Schema:
    test = _object(
        "One embedded test.",
        {
            "name": _text(),
            "passed": _flag(),
            "expect": _word(_EFFECTS),
            "effect": _word(_EFFECTS),
            "missing_rules": _texts(),
            "findings": _list(_ref("finding")),
        },
    )
    policy = _object(
        "One policy file.",
        {
            "path": _text(),
            "valid": _flag(),
            "error": _or_null({"type": "string"}, "Why the file cannot be read."),
            "name": _or_null({"type": "string"}),
            "version": _or_null({"type": "string"}),
            "reviewed": _texts("Views that tables.allow names although they show what the policy denies."),
            "problems": _list(_ref("problem")),
            "tests": _list(test),
        },
    )
    return {"title": "Policy validation report"} | _object(
        "The output of `pg-guard policy validate --format json`.",
        {
            "schema": {"const": _VALIDATION},
            "policies": _list(policy),
            "counts": _counts("policies", "invalid", "warnings", "tests", "failed"),
        },
    )


def _lint() -> Schema:
    lifted = _object(
        "Why a finding does not count.",
        {"by": _text("comment or baseline."), "reason": _text(), "span": _or_null(_ref("span"))},
    )
    finding = _object(
        "One finding in a file.",
        _finding_properties() | {"fingerprint": _text("The same as long as the statement is."), "suppressed": lifted},
        optional=("suppressed",),
    )
    statement = _object(
        "One statement of a file.",
        {
            "span": _ref("span"),
            "kind": _text(),
            "effect": _word(_EFFECTS),
            "would_deny": _flag(),
            "findings": _list(finding),
            "suppressed": _list(finding),
        },
    )
    skipped = _object("A part that was not read.", {"span": _ref("span"), "reason": _text()})
    file = _object(
        "One file.",
        {
            "path": _text(),
            "language": _text(),
            "error": _or_null({"type": "string"}),
            "statements": _list(statement),
            "skipped": _list(skipped),
            "findings": _list(finding, "What stands between statements."),
            "suppressed": _list(finding),
        },
    )
    stale = _object(
        "An entry of the baseline that nothing matches any more.",
        {name: _text() for name in ("path", "rule", "statement", "fingerprint")},
    )
    names = ("files", "statements", "denied", "findings", "warnings", "suppressed", "baseline", "stale", "filtered")
    return {"title": "Lint report"} | _object(
        "The output of `pg-guard lint --format json`.",
        {
            "schema": {"const": _LINT},
            "policy": _text("Name and version of the policy, or of the packs."),
            "fail_on": _word(["deny", "warn"]),
            "embedded": _texts(),
            "files": _list(file),
            "stale": _list(stale),
            "counts": _counts(*names, "skipped", "errors"),
            "exit_code": _count(),
        },
    )


DOCUMENTS: Final[dict[str, Callable[[], Schema]]] = {
    "audit-decision": _audit_decision,
    "audit-outcome": _audit_outcome,
    "decision": _decision,
    "lint": _lint,
    "policy-validation": _validation,
    "test": _test,
}
"""What pg-guard writes, by name."""
