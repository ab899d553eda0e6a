"""Lint SQL files. In: files and a guard. Out: what each statement was decided, with places in the file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from pg_guard.entry.cli.files import read_sql
from pg_guard.entry.cli.psql import read_script
from pg_guard.errors import UsageError
from pg_guard.report.excerpt import Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pg_guard.decision import Decision, Finding, Span
    from pg_guard.guard import Guard

__all__ = ["LINT_SCHEMA", "CheckedStatement", "FileReport", "LintReport", "lint_file", "lint_files"]

LINT_SCHEMA: Final = "pg-guard/lint/v1"


@dataclass(frozen=True, slots=True)
class CheckedStatement:
    """A statement's place in its file, what the guard decided, and the findings with their places in the file."""

    span: Span
    decision: Decision
    findings: tuple[Finding, ...]

    @property
    def denied(self) -> bool:
        """True when the statement would be refused; a policy in monitor mode counts as one that enforces."""
        return not self.decision.allowed or self.decision.would_deny


@dataclass(frozen=True)
class FileReport:
    """One file: its statements, what stands between them, or the error that kept it from being read."""

    path: str
    source: Source
    statements: tuple[CheckedStatement, ...] = ()
    other_findings: tuple[Finding, ...] = ()
    error: UsageError | None = None

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """All findings, by their place."""
        every = [*self.other_findings, *(finding for statement in self.statements for finding in statement.findings)]
        return tuple(sorted(every, key=lambda finding: finding.span.start if finding.span else 0))


@dataclass(frozen=True)
class LintReport:
    """All files, in the order in which they were found."""

    policy: str
    files: tuple[FileReport, ...]

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many files, statements, denied statements, findings, warnings and unreadable files there are."""
        findings = [finding for file in self.files for finding in file.findings]
        refusals = sum(finding.effect == "deny" for finding in findings)
        return {
            "files": len(self.files),
            "statements": sum(len(file.statements) for file in self.files),
            "denied": sum(statement.denied for file in self.files for statement in file.statements),
            "findings": refusals,
            "warnings": len(findings) - refusals,
            "errors": sum(file.error is not None for file in self.files),
        }

    @property
    def exit_code(self) -> int:
        """2 when a file could not be read, 1 when a statement is denied or was not checked, else 0."""
        if self.counts["errors"]:
            return 2
        return 1 if self.counts["findings"] or self.counts["denied"] else 0

    def to_dict(self) -> dict[str, Any]:
        """The lint document, version 1, as plain JSON values; offsets count characters of the file from 0."""
        return {
            "schema": LINT_SCHEMA,
            "policy": self.policy,
            "files": [_file_document(file) for file in self.files],
            "counts": dict(self.counts),
        }


def lint_files(paths: Iterable[str], guard: Guard, principal: Mapping[str, Any] | None = None) -> LintReport:
    """Check every statement of every file; a file that cannot be read is reported and does not stop the others."""
    metadata = guard.policy.metadata
    return LintReport(f"{metadata.name} {metadata.version}", tuple(lint_file(path, guard, principal) for path in paths))


def lint_file(path: str, guard: Guard, principal: Mapping[str, Any] | None = None) -> FileReport:
    """Check every statement of a file; `principal` as for `Guard.check`."""
    try:
        source = Source(read_sql(path))
    except UsageError as error:
        return FileReport(path, Source(""), error=error)
    script = read_script(source)
    statements = []
    for start, end in script.statements:
        decision = guard.check(script.text[start:end], principal=principal)
        findings = tuple(_in_file(finding, source, start, end) for finding in decision.findings)
        statements.append(CheckedStatement(source.span(start, end), decision, findings))
    return FileReport(path, source, tuple(statements), script.findings)


def _in_file(finding: Finding, source: Source, start: int, end: int) -> Finding:
    """The finding with its place in the file; without a place, it points at the statement's first line."""
    if finding.span is not None:
        return replace(finding, span=source.span(start + finding.span.start, start + finding.span.end))
    newline = source.text.find("\n", start, end)
    return replace(finding, span=source.span(start, end if newline < 0 else newline))


def _file_document(file: FileReport) -> dict[str, Any]:
    return {
        "path": file.path,
        "error": file.error.message if file.error else None,
        "statements": [
            {
                "span": statement.span.to_dict(),
                "kind": statement.decision.kind,
                "effect": statement.decision.effect,
                "would_deny": statement.denied,
                "findings": [finding.to_dict() for finding in statement.findings],
            }
            for statement in file.statements
        ],
        "findings": [finding.to_dict() for finding in file.other_findings],
    }
