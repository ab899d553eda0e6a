"""Schemas of what is told of one statement: the decision on it, and the lines that the audit log keeps of it."""

from __future__ import annotations

from pg_guard.decision import RECORD_SCHEMA
from pg_guard.observe.audit_lines import LINE_SCHEMA
from pg_guard.report.schema_parts import (
    DIGEST,
    EFFECTS,
    Schema,
    closed,
    count,
    flag,
    listed,
    or_null,
    ref,
    said,
    text,
    texts,
    word,
)

__all__ = ["audit_decision_schema", "audit_outcome_schema", "decision_schema"]


def decision_schema() -> Schema:
    """The decision record."""
    digests = {"type": "object", "additionalProperties": DIGEST}
    timings = {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}}
    return {"title": "Decision record"} | closed(
        "What the guard decided on one statement: the output of `pg-guard check --format json`.",
        {
            "schema": {"const": RECORD_SCHEMA},
            "effect": word(EFFECTS, "What happens to the statement."),
            "allowed": flag("True when the effect is allow or rewrite."),
            "mode": word(["enforce", "monitor"], "Under monitor nothing is refused, and would_deny tells."),
            "would_deny": flag("True when a finding would refuse the statement under enforce."),
            "kind": text("Kind of the outermost statement, as in select; unknown when it could not be read."),
            "statement": text("The text as it was given, undecodable characters replaced."),
            "sql": or_null({"type": "string"}, "The text to run; null when it is denied."),
            "findings": listed(ref("finding"), "All findings, most severe first, then by place."),
            "relations": texts("Relations that the statement reads, as schema.name, sorted."),
            "functions": texts("Functions that it calls, as schema.name or name, sorted."),
            "policy": text("Name and version of the policy."),
            "digests": said(digests, "SHA-256, in hexadecimal, of the statement, the policy and what else decided."),
            "timings_us": said(timings, "Microseconds by stage."),
        },
    )


def _audit_frame() -> dict[str, Schema]:
    return {
        "schema": {"const": LINE_SCHEMA},
        "chain": {"type": "string", "pattern": "^[0-9a-f]{16}$", "description": "Random name of the hash chain."},
        "seq": {"type": "integer", "minimum": 1, "description": "Number of the line in its chain."},
    }


def _audit_hashes() -> dict[str, Schema]:
    return {
        "prev": said(DIGEST, "The hash of the line before; zeros for the first."),
        "hash": said(DIGEST, "SHA-256 of the line without this key, byte for byte."),
    }


def audit_decision_schema() -> Schema:
    """The line that is written before a statement runs."""
    principal = closed(
        "Who asked.",
        {
            "client": or_null({}, "As the transport knows it, as in the name of a token."),
            "subject": or_null({}, "Whom the client acts for."),
            "attributes": said(
                {"type": "object", "additionalProperties": True}, "What else is known, as policies match it."
            ),
        },
    )
    masking = closed(
        "How the statement is masked.",
        {"kind": word(["literals", "statement"]), "key": text("Which key the digests have.")},
    )
    return {"title": "Audit line of a decision"} | closed(
        "A line of the audit log, written before the statement runs.",
        _audit_frame()
        | {
            "event": {"const": "decision"},
            "time": {"type": "string", "format": "date-time", "description": "In UTC."},
            "decision_id": {"type": "string", "format": "uuid"},
            "operation": word(["run", "explain", "check"], "What was to be done with the statement, if allowed."),
            "database": text("As the settings call it."),
            "principal": or_null(principal),
            "question_id": or_null({"type": "string", "format": "uuid"}, "The question that it was to answer."),
            "masking": or_null(masking),
            "decision": decision_schema(),
        }
        | _audit_hashes(),
    )


def audit_outcome_schema() -> Schema:
    """The line that is written after it."""
    return {"title": "Audit line of an outcome"} | closed(
        "A line of the audit log, on what came of a statement that was allowed.",
        _audit_frame()
        | {
            "event": {"const": "outcome"},
            "time": {"type": "string", "format": "date-time", "description": "In UTC."},
            "decision_id": {"type": "string", "format": "uuid"},
            "status": word(["ok", "error", "cancelled"]),
            "duration_ms": {"type": "number", "minimum": 0},
            "rows": or_null(count(), "Rows that were handed out; null where there are none to count."),
            "truncated": flag("There were more rows."),
            "error": or_null({"type": "string"}, "The code of the error."),
            "sqlstate": or_null({"type": "string"}, "PostgreSQL's code."),
        }
        | _audit_hashes(),
    )
