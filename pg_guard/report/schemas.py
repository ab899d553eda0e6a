"""JSON Schemas of what pg-guard writes. In: the name of a document. Out: its schema, of draft 2020-12.

A schema is closed: a key that it does not name is an error, so that a reader can rely on it and a test notices what is
added. New keys come with a new line here and in the changelog; the version of a document changes only when one goes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, get_args

from pg_guard.catalog.model import RelationKind
from pg_guard.report.schema_parts import (
    DIGEST,
    EFFECTS,
    Schema,
    closed,
    count,
    counts,
    finding_properties,
    finding_schema,
    flag,
    listed,
    or_null,
    problem_schema,
    ref,
    said,
    span_schema,
    text,
    texts,
    word,
)
from pg_guard.report.schemas_decision import audit_decision_schema, audit_outcome_schema, decision_schema

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DOCUMENTS", "document_schema"]

_CONFIG: Final = "pg-guard/config/v1"
_SETTINGS: Final = "pg-guard/settings/v1"
_GRANTS: Final = "pg-guard/grants/v1"
_LINT: Final = "pg-guard/lint/v1"
_TEST: Final = "pg-guard/test/v1"
_VALIDATION: Final = "pg-guard/policy-validation/v1"
_KINDS: Final = list(get_args(RelationKind))


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
        "$defs": {"finding": finding_schema(), "span": span_schema(), "problem": problem_schema()},
    }


def _test() -> Schema:
    result = closed(
        "One embedded test.",
        {
            "name": text(),
            "line": count("Line in the file, from 1; 0 when it has none."),
            "sql": text(),
            "expect": word(["allow", "rewrite", "deny", "warn"]),
            "rules": texts("Rule ids that must be among the findings."),
            "principal": {
                "description": "What is known of who asks.",
                "type": "object",
                "additionalProperties": {"type": ["string", "number", "boolean"]},
            },
            "passed": flag(),
            "decided": word(["allow", "rewrite", "deny", "warn"], "For a rule, by this rule alone."),
            "failure": or_null({"type": "string"}, "Why it failed, in one sentence."),
            "note": or_null({"type": "string"}, "What a reader should know although it passed."),
            "database": or_null(
                word(["passed", "failed", "not-run"]), "What PostgreSQL did; null unless works_on is there."
            ),
            "database_error": or_null({"type": "string"}),
            "findings": listed(ref("finding")),
        },
    )
    clause = closed(
        "A clause of a policy or a rule, and whether a test that passed exercises it.",
        {
            "path": text("The key path, or the rule's id."),
            "text": text("The clause as it is written, shortened."),
            "covered": flag(),
            "missing": or_null({"type": "string"}, "What no test shows."),
            "file": text(),
            "line": count(),
            "column": count(),
        },
    )
    suite = closed(
        "One policy or rule.",
        {
            "file": text(),
            "kind": word(["policy", "rule"]),
            "subject": or_null({"type": "string"}, "Name and version, or the rule's id."),
            "valid": flag(),
            "error": or_null({"type": "string"}, "Why the file cannot be read."),
            "problems": listed(ref("problem")),
            "tests": listed(result),
            "clauses": listed(clause, "Empty without --coverage."),
        },
    )
    coverage = closed(
        "How much is covered.",
        {
            "percent": {"type": "number", "minimum": 0, "maximum": 100},
            "required": or_null({"type": "number"}),
            "clauses": count(),
            "covered": count(),
        },
    )
    return {"title": "Test report"} | closed(
        "The output of `pg-guard test --format json`.",
        {
            "schema": {"const": _TEST},
            "suites": listed(suite),
            "coverage": or_null(coverage, "Null without --coverage."),
            "counts": counts("suites", "invalid", "errors", "tests", "failed", "works_on", "works_on_not_run"),
        },
    )


def _validation() -> Schema:
    test = closed(
        "One embedded test.",
        {
            "name": text(),
            "passed": flag(),
            "expect": word(EFFECTS),
            "effect": word(EFFECTS),
            "missing_rules": texts(),
            "findings": listed(ref("finding")),
        },
    )
    policy = closed(
        "One policy file.",
        {
            "path": text(),
            "valid": flag(),
            "error": or_null({"type": "string"}, "Why the file cannot be read."),
            "name": or_null({"type": "string"}),
            "version": or_null({"type": "string"}),
            "reviewed": texts("Views that tables.allow names although they show what the policy denies."),
            "problems": listed(ref("problem")),
            "tests": listed(test),
        },
    )
    return {"title": "Policy validation report"} | closed(
        "The output of `pg-guard policy validate --format json`.",
        {
            "schema": {"const": _VALIDATION},
            "policies": listed(policy),
            "counts": counts("policies", "invalid", "warnings", "tests", "failed"),
        },
    )


def _lint() -> Schema:
    lifted = closed(
        "Why a finding does not count.",
        {"by": text("comment or baseline."), "reason": text(), "span": or_null(ref("span"))},
    )
    finding = closed(
        "One finding in a file.",
        finding_properties() | {"fingerprint": text("The same as long as the statement is."), "suppressed": lifted},
        optional=("suppressed",),
    )
    statement = closed(
        "One statement of a file.",
        {
            "span": ref("span"),
            "kind": text(),
            "effect": word(EFFECTS),
            "would_deny": flag(),
            "findings": listed(finding),
            "suppressed": listed(finding),
        },
    )
    skipped = closed("A part that was not read.", {"span": ref("span"), "reason": text()})
    file = closed(
        "One file.",
        {
            "path": text(),
            "language": text(),
            "error": or_null({"type": "string"}),
            "statements": listed(statement),
            "skipped": listed(skipped),
            "findings": listed(finding, "What stands between statements."),
            "suppressed": listed(finding),
        },
    )
    stale = closed(
        "An entry of the baseline that nothing matches any more.",
        {name: text() for name in ("path", "rule", "statement", "fingerprint")},
    )
    names = ("files", "statements", "denied", "findings", "warnings", "suppressed", "baseline", "stale", "filtered")
    return {"title": "Lint report"} | closed(
        "The output of `pg-guard lint --format json`.",
        {
            "schema": {"const": _LINT},
            "policy": text("Name and version of the policy, or of the packs."),
            "fail_on": word(["deny", "warn"]),
            "embedded": texts(),
            "files": listed(file),
            "stale": listed(stale),
            "counts": counts(*names, "skipped", "errors"),
            "exit_code": count(),
        },
    )


def _grants() -> Schema:
    statement = closed(
        "One statement of the script, in the order in which they run.",
        {
            "section": text("The heading that it stands under."),
            "sql": text("Without a semicolon at its end."),
            "active": flag("False where the script holds it as a comment."),
        },
    )
    readable = closed(
        "A relation that the role reads.",
        {
            "schema": text(),
            "name": text(),
            "kind": word(_KINDS),
            "columns": texts("Those that it reads."),
            "whole": flag("The grant is on the relation, not on columns of it."),
        },
    )
    withheld = closed(
        "A relation that the policy permits by name and the role does not get.",
        {"schema": text(), "name": text(), "reason": text()},
    )
    return {"title": "Grants"} | closed(
        "The output of `pg-guard grants --format json`.",
        {
            "schema": {"const": _GRANTS},
            "policy": text("Name and version of the policy."),
            "policy_digest": said(DIGEST, "Of the policy."),
            "catalog_digest": said(DIGEST, "Of the catalog."),
            "database": text("The database that the script is for."),
            "role": text("The role that it makes."),
            "login": flag("The role may log in itself."),
            "row_security": flag("It writes row-security policies."),
            "revoke_public": flag("It takes from PUBLIC what every role has through it."),
            "statements": listed(statement),
            "readable": listed(readable),
            "withheld": listed(withheld),
            "functions": texts("Functions of users that the role may call, with the types of their arguments."),
            "not_enforced": texts("What only the guard enforces."),
        },
    )


def _config_show() -> Schema:
    return {"title": "Settings as they are"} | closed(
        "The output of `pg-guard config show --format json`.",
        {
            "schema": {"const": _SETTINGS},
            "settings": {
                "type": "object",
                "additionalProperties": True,
                "description": "Every setting, as in a settings file; secrets are asterisks.",
            },
            "sources": {
                "type": "object",
                "additionalProperties": text(),
                "description": "By key path, where a value comes from; what is not there is a default.",
            },
            "files": texts("Files that were read."),
            "container": or_null(text("How it was seen that this is a container.")),
        },
    )


def _config_validation() -> Schema:
    database = closed(
        "A database and its policy.",
        {
            "policy": text("Name of the policy."),
            "version": text("Its version."),
            "digest": said(DIGEST, "Of the policy."),
            "sources": texts("Files, variables and settings that it was made of."),
            "packs": {
                "type": "object",
                "additionalProperties": text(),
                "description": "By name, the version of each pack.",
            },
            "warnings": texts("What is doubtful in it."),
        },
    )
    return {"title": "Valid settings"} | closed(
        "The output of `pg-guard config validate --format json`, when all is valid.",
        {
            "schema": {"const": _CONFIG},
            "valid": flag(),
            "databases": {"type": "object", "additionalProperties": database},
        },
    )


DOCUMENTS: Final[dict[str, Callable[[], Schema]]] = {
    "audit-decision": audit_decision_schema,
    "audit-outcome": audit_outcome_schema,
    "config-show": _config_show,
    "config-validation": _config_validation,
    "decision": decision_schema,
    "grants": _grants,
    "lint": _lint,
    "policy-validation": _validation,
    "test": _test,
}
"""What pg-guard writes, by name."""
