"""What a lint run found. In: statements with their findings, file by file. Out: counts, an exit code, a JSON document.

A finding is *active*, or it is lifted: by a comment in the source that gives a reason, or because a baseline knows it.
Lifted findings are counted and listed; only active ones fail a run. Nothing is left out silently: what a filter hides,
what a template or a program keeps from being read, and stale entries of a baseline have counts of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pg_guard.decision import Decision, Finding, Span
    from pg_guard.errors import UsageError
    from pg_guard.report.excerpt import Source
    from pg_guard.report.rulebook import RuleInfo

__all__ = [
    "LINT_SCHEMA",
    "CheckedStatement",
    "FailOn",
    "FileReport",
    "Language",
    "LintFinding",
    "LintReport",
    "Skipped",
    "StaleEntry",
    "Suppression",
]

LINT_SCHEMA: Final = "pg-guard/lint/v1"

FailOn: TypeAlias = Literal["deny", "warn"]
Language: TypeAlias = Literal["sql", "python", "markdown", "jinja"]


@dataclass(frozen=True, slots=True)
class Suppression:
    """Why a finding does not count.

    Attributes:
        kind: ``comment`` for an allow comment in the source, ``baseline`` for an entry of the baseline.
        reason: The reason that the comment gives; empty for a baseline.
        span: The comment's place in the file; None for a baseline.
    """

    kind: Literal["comment", "baseline"]
    reason: str = ""
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class LintFinding:
    """A finding in a file.

    Attributes:
        finding: What was found; its span is a place in the file.
        fingerprint: The same for the same rule in the same statement, wherever the statement stands in the file.
        statement: The statement, normalised; what the fingerprint was made of.
        suppression: Why it does not count, or None when it is active.
    """

    finding: Finding
    fingerprint: str
    statement: str
    suppression: Suppression | None = None

    @property
    def active(self) -> bool:
        """True when nothing lifts it."""
        return self.suppression is None

    def fails(self, fail_on: FailOn) -> bool:
        """True when it makes the run fail."""
        return self.active and (self.finding.effect == "deny" or fail_on == "warn")

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values; a lifted one says by what."""
        document = self.finding.to_dict() | {"fingerprint": self.fingerprint}
        if self.suppression is not None:
            comment = self.suppression.span
            document["suppressed"] = {
                "by": self.suppression.kind,
                "reason": self.suppression.reason,
                "span": comment.to_dict() if comment else None,
            }
        return document


@dataclass(frozen=True, slots=True)
class Skipped:
    """A place that was not read, and why."""

    span: Span
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {"span": self.span.to_dict(), "reason": self.reason}


@dataclass(frozen=True, slots=True)
class CheckedStatement:
    """A statement's place in its file, what the guard decided, and the findings with their places in the file.

    Attributes:
        span: From the statement's first character to after its last.
        decision: What `Guard.check` said of the statement alone, before any comment or baseline.
        findings: What is left of its findings after the filters, lifted ones included.
        filtered: How many findings the filters hide.
        repeated: True when some of its findings stand at another statement of the file already: the branches of a
            template share what is around them.
    """

    span: Span
    decision: Decision
    findings: tuple[LintFinding, ...]
    filtered: int = 0
    repeated: bool = False

    @property
    def would_deny(self) -> bool:
        """True when the guard refuses the statement; a policy in monitor mode counts as one that enforces."""
        return not self.decision.allowed or self.decision.would_deny

    @property
    def denied(self) -> bool:
        """True when it is refused and neither comments, a baseline nor filters account for all of the reasons."""
        if not self.would_deny:
            return False
        active = any(entry.active and entry.finding.effect == "deny" for entry in self.findings)
        return active or (not self.findings and not self.filtered and not self.repeated)


@dataclass(frozen=True)
class FileReport:
    """One file: its statements, what stands between them, what was not read, or the error that stopped the reading."""

    path: str
    source: Source
    language: Language = "sql"
    statements: tuple[CheckedStatement, ...] = ()
    others: tuple[LintFinding, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    filtered: int = 0
    error: UsageError | None = None

    @cached_property
    def findings(self) -> tuple[LintFinding, ...]:
        """All findings after the filters, by their place; lifted ones included."""
        every = [*self.others, *(finding for statement in self.statements for finding in statement.findings)]
        return tuple(sorted(every, key=lambda entry: entry.finding.span.start if entry.finding.span else 0))

    @property
    def active(self) -> Iterator[LintFinding]:
        """The findings that nothing lifts."""
        return (finding for finding in self.findings if finding.active)


@dataclass(frozen=True, slots=True)
class StaleEntry:
    """Entries of a baseline that no finding matches any more: what they knew is repaired, or the file is gone."""

    path: str
    rule: str
    statement: str
    fingerprint: str

    def to_dict(self) -> dict[str, str]:
        """As plain JSON values."""
        return {
            "path": self.path,
            "rule": self.rule,
            "statement": self.statement,
            "fingerprint": self.fingerprint,
        }


@dataclass(frozen=True)
class LintReport:
    """All files, in the order in which they were found.

    Attributes:
        policy: Name and version of the policy, or of the packs.
        files: One report each.
        rules: What is known of each rule that may appear, by id.
        fail_on: The least effect that fails the run.
        stale: Entries of the baseline that match nothing.
        embedded: Kinds of files in which SQL was looked for besides plain SQL files.
    """

    policy: str
    files: tuple[FileReport, ...]
    rules: Mapping[str, RuleInfo]
    fail_on: FailOn = "deny"
    stale: tuple[StaleEntry, ...] = ()
    embedded: tuple[str, ...] = ()

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many there are of each: see the reference for the names."""
        findings = [finding for file in self.files for finding in file.findings]
        statements = [statement for file in self.files for statement in file.statements]
        active = [finding for finding in findings if finding.active]
        refusals = sum(entry.finding.effect == "deny" for entry in active)
        by_comment = sum(entry.suppression is not None and entry.suppression.kind == "comment" for entry in findings)
        return {
            "files": len(self.files),
            "statements": len(statements),
            "denied": sum(statement.denied for statement in statements),
            "findings": refusals,
            "warnings": len(active) - refusals,
            "suppressed": by_comment,
            "baseline": len(findings) - len(active) - by_comment,
            "stale": len(self.stale),
            "filtered": sum(file.filtered for file in self.files) + sum(statement.filtered for statement in statements),
            "skipped": sum(len(file.skipped) for file in self.files),
            "errors": sum(file.error is not None for file in self.files),
        }

    @property
    def exit_code(self) -> int:
        """2 when a file could not be read, 1 when something fails the run, else 0."""
        counts = self.counts
        if counts["errors"]:
            return 2
        warned = counts["warnings"] if self.fail_on == "warn" else 0
        return 1 if counts["findings"] or counts["denied"] or warned else 0

    def to_dict(self) -> dict[str, Any]:
        """The lint document, version 1, as plain JSON values; offsets count characters of the file from 0."""
        return {
            "schema": LINT_SCHEMA,
            "policy": self.policy,
            "fail_on": self.fail_on,
            "embedded": list(self.embedded),
            "files": [_file_document(file) for file in self.files],
            "stale": [entry.to_dict() for entry in self.stale],
            "counts": dict(self.counts),
            "exit_code": self.exit_code,
        }


def _file_document(file: FileReport) -> dict[str, Any]:
    return {
        "path": file.path,
        "language": file.language,
        "error": file.error.message if file.error else None,
        "statements": [
            {
                "span": statement.span.to_dict(),
                "kind": statement.decision.kind,
                "effect": statement.decision.effect,
                "would_deny": statement.would_deny,
                **_split(statement.findings),
            }
            for statement in file.statements
        ],
        **_split(file.others),
        "skipped": [entry.to_dict() for entry in file.skipped],
    }


def _split(findings: tuple[LintFinding, ...]) -> dict[str, list[dict[str, Any]]]:
    return {
        "findings": [entry.to_dict() for entry in findings if entry.active],
        "suppressed": [entry.to_dict() for entry in findings if not entry.active],
    }
