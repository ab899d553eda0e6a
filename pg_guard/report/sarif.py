"""Lint reports as SARIF 2.1.0. In: a `LintReport`. Out: a log that GitHub code scanning and editors take.

The standard: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html. Columns count UTF-16 code units
(``columnKind``), which is also what a reader assumes that does not look. The log names no machine and no time: the same
findings give the same bytes. A lifted finding stays in the log with its suppression, unless the reader is one that opens
an alert for it all the same, as GitHub code scanning does (https://github.com/github/codeql-action/issues/1230).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from pg_guard._version import __version__
from pg_guard.report.paths import uri_of
from pg_guard.report.rulebook import RuleInfo
from pg_guard.report.visible import visible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pg_guard.decision import Finding, Severity, Span
    from pg_guard.report.excerpt import Source
    from pg_guard.report.linted import FileReport, LintFinding, LintReport, Suppression

__all__ = ["BASE_ID", "to_sarif"]

SARIF_VERSION: Final = "2.1.0"
SARIF_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
BASE_ID: Final = "SRCROOT"

# The scores by which GitHub sorts security findings: above 9 critical, from 7 high, from 4 medium, below low.
_SCORES: Final[dict[Severity, str]] = {"critical": "9.5", "high": "8.0", "medium": "5.5", "low": "2.5", "info": "0.1"}
# ``[text](target)`` would be a link in a message; a backslash keeps its bracket what it is.
_LINK: Final = re.compile(r"\[(?=[^\]]*\]\()")
_PROBLEMS: Final = {"error": "error", "warning": "warning", "note": "recommendation"}


def to_sarif(report: LintReport, *, omit_suppressed: bool = False) -> dict[str, Any]:
    """The log as plain JSON values.

    Args:
        report: What was found.
        omit_suppressed: True leaves lifted findings out; the run's properties still count them.
    """
    entries = [(file, entry) for file in report.files for entry in file.findings if entry.active or not omit_suppressed]
    used = sorted({entry.finding.rule for _, entry in entries})
    index = {rule: number for number, rule in enumerate(used)}
    results = [_result(file, entry, index) for file, entry in entries]
    run = {
        "tool": {
            "driver": {
                "name": "pg-guard",
                "version": __version__,
                "semanticVersion": __version__,
                "shortDescription": {"text": "A declarative guard between language models and PostgreSQL"},
                "rules": [_rule(rule, report.rules.get(rule), _severity(report, rule)) for rule in used],
                "notifications": _NOTIFICATIONS,
            }
        },
        # GitHub takes what stands before the last slash for the category: two policies are two analyses.
        "automationDetails": {"id": f"pg-guard/{_plain(report.policy)}/"},
        "originalUriBaseIds": {BASE_ID: {"description": {"text": "The directory in which pg-guard lint was run"}}},
        "columnKind": "utf16CodeUnits",
        "invocations": [_invocation(report)],
        "results": results,
        "properties": {"counts": dict(report.counts)},
    }
    return {"$schema": SARIF_SCHEMA, "version": SARIF_VERSION, "runs": [run]}


# -- rules -----------------------------------------------------------------------------------------------------------


def _severity(report: LintReport, rule: str) -> Severity:
    return next(
        entry.finding.severity for file in report.files for entry in file.findings if entry.finding.rule == rule
    )


def _rule(rule: str, info: RuleInfo | None, severity: Severity) -> dict[str, Any]:
    if info is None:  # of a check that a deployment added to its guard
        text = f"The rule {rule}; each finding says what it is about."
        info = RuleInfo(rule, rule.replace("/", "-"), rule, text, severity)
    level = _level(info.effect, info.severity)
    properties: dict[str, Any] = {
        "tags": _tags(info),
        "precision": "very-high" if not info.false_positives else "high",
        "problem.severity": _PROBLEMS[level],
    }
    if info.security:
        properties["security-severity"] = _SCORES[severity]
    document: dict[str, Any] = {
        "id": info.id,
        "name": info.name,
        "shortDescription": {"text": visible(info.title)},
        "fullDescription": {"text": visible(info.description, keep="\n")},
        "help": {"text": _help_text(info), "markdown": _help_markdown(info)},
        "defaultConfiguration": {"level": level},
        "properties": properties,
    }
    page = next((page for page in info.references if page.startswith(("https://", "http://"))), None)
    if page:
        document["helpUri"] = page
    return document


def _tags(info: RuleInfo) -> list[str]:
    tags = ["security"] if info.security else ["maintainability"]
    for tag in info.tags:
        kind, _, value = tag.partition(".")
        # GitHub links tags of this form to their page.
        tags.append(f"external/cwe/cwe-{value.zfill(3)}" if kind == "cwe" and value.isdigit() else tag)
    return list(dict.fromkeys([*tags, "sql", "postgresql"]))


def _help_text(info: RuleInfo) -> str:
    parts = [info.description, info.rationale, info.remediation]
    return visible("\n\n".join(part for part in parts if part), keep="\n")


def _help_markdown(info: RuleInfo) -> str:
    parts = [f"## {info.title}", info.description]
    if info.rationale:
        parts += ["### Why", info.rationale]
    if info.remediation:
        parts += ["### What to do", info.remediation]
    if info.false_positives:
        parts += ["### Where it may be wrong", "\n".join(f"- {line}" for line in info.false_positives)]
    if info.references:
        parts += ["### Read more", "\n".join(f"- <{page}>" for page in info.references)]
    parts.append(f"To accept one statement, write above it: `-- pg-guard: allow {info.id} <reason>`")
    return visible("\n\n".join(parts), keep="\n")


# -- results ---------------------------------------------------------------------------------------------------------


def _result(file: FileReport, entry: LintFinding, index: Mapping[str, int]) -> dict[str, Any]:
    finding = entry.finding
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": index[finding.rule],
        "level": _level(finding.effect, finding.severity),
        "kind": "fail",
        "message": {"text": _message(finding)},
        "locations": [{"physicalLocation": _location(file, finding.span)}],
        # GitHub knows an alert again by the first; the second is for everybody else. Neither holds a line.
        "partialFingerprints": {
            "primaryLocationLineHash": f"{entry.fingerprint}:1",
            "pgGuardStatement/v1": entry.fingerprint,
        },
        "properties": {"severity": finding.severity, "effect": finding.effect},
    }
    if entry.suppression is not None:
        result["suppressions"] = [_suppression(file, entry.suppression)]
        if entry.suppression.kind == "baseline":
            result["baselineState"] = "unchanged"
    return result


def _level(effect: str, severity: Severity) -> str:
    if effect == "deny":
        return "error"
    return "note" if severity in ("info", "low") else "warning"


def _message(finding: Finding) -> str:
    text = visible(f"{finding.message} {finding.remediation}".strip(), keep="\n")
    return _LINK.sub(r"\\[", text)


def _location(file: FileReport, span: Span | None) -> dict[str, Any]:
    uri, relative = uri_of(file.path)
    artifact = {"uri": uri, "uriBaseId": BASE_ID} if relative else {"uri": uri}
    location: dict[str, Any] = {"artifactLocation": artifact}
    if span is not None:
        location["region"] = _region(file.source, span)
    return location


def _region(source: Source, span: Span) -> dict[str, int]:
    """Lines and columns from 1; the end column is the one behind the last character."""
    start = source.span(span.start, span.end)
    end = source.span(span.end, span.end)
    return {
        "startLine": start.line,
        "startColumn": _column(source, start),
        "endLine": end.line,
        "endColumn": _column(source, end),
    }


def _column(source: Source, place: Span) -> int:
    """The column in UTF-16 code units: a character outside of the basic plane, as most emoji, takes two."""
    line_start = place.start - (place.column - 1)
    return 1 + sum(2 if character > "\uffff" else 1 for character in source.text[line_start : place.start])


def _suppression(file: FileReport, suppression: Suppression) -> dict[str, Any]:
    # Without a status it is accepted. Written out it would be `status` to the errata's schema, `state` to the one before.
    if suppression.kind == "baseline":
        return {"kind": "external", "justification": "known to the baseline"}
    return {
        "kind": "inSource",
        "justification": visible(suppression.reason),
        "location": {"physicalLocation": _location(file, suppression.span)},
    }


# -- the run ---------------------------------------------------------------------------------------------------------

_NOTIFICATIONS: Final = [
    {"id": "unreadable", "shortDescription": {"text": "A file could not be read"}},
    {"id": "skipped", "shortDescription": {"text": "A place was not read"}},
    {"id": "stale", "shortDescription": {"text": "An entry of the baseline matches nothing"}},
]
_NOTIFICATION_INDEX: Final = {"unreadable": 0, "skipped": 1, "stale": 2}


def _invocation(report: LintReport) -> dict[str, Any]:
    notifications: list[dict[str, Any]] = []
    for file in report.files:
        if file.error is not None:
            notifications.append(_notification("unreadable", "error", file.error.message, _location(file, None)))
        notifications += [
            _notification("skipped", "note", f"Not read: {entry.reason}.", _location(file, entry.span))
            for entry in file.skipped
        ]
    notifications += [
        _notification("stale", "note", f"The baseline knows {entry.rule} in {entry.path}: {entry.statement}", None)
        for entry in report.stale
    ]
    return {
        "executionSuccessful": report.exit_code != 2,
        "exitCode": report.exit_code,
        "toolExecutionNotifications": notifications,
    }


def _notification(kind: str, level: str, text: str, location: Mapping[str, Any] | None) -> dict[str, Any]:
    locations: Sequence[dict[str, Any]] = [{"physicalLocation": dict(location)}] if location else []
    return {
        "descriptor": {"id": kind, "index": _NOTIFICATION_INDEX[kind]},
        "level": level,
        "message": {"text": visible(text)},
        "locations": list(locations),
    }


def _plain(name: str) -> str:
    """A policy's name as a part of an id: no slash, which separates its parts."""
    return visible(name).replace("/", "-")
