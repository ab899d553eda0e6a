"""What a check says and what the guard decides. In: findings. Out: a `Decision` and its record, version 1."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias

__all__ = ["SEVERITIES", "Decision", "Effect", "Finding", "Named", "Severity", "Span"]

Severity: TypeAlias = Literal["info", "low", "medium", "high", "critical"]
Effect: TypeAlias = Literal["allow", "rewrite", "deny"]

SEVERITIES: tuple[Severity, ...] = ("info", "low", "medium", "high", "critical")

RECORD_SCHEMA = "pg-guard/decision/v1"


@dataclass(frozen=True, slots=True)
class Span:
    """A place in the statement's text.

    Attributes:
        start: Character offset of the first character, from 0.
        end: Character offset after the last character.
        line: Line of the first character, from 1.
        column: Column of the first character, from 1, in characters.
    """

    start: int
    end: int
    line: int
    column: int

    def to_dict(self) -> dict[str, int]:
        """The same as plain JSON values."""
        return {"start": self.start, "end": self.end, "line": self.line, "column": self.column}

    @classmethod
    def of(cls, text: str, start: int, end: int) -> Span:
        """The span of ``text[start:end]``; offsets outside of the text are moved to its edge."""
        start = max(0, min(start, len(text)))
        end = max(start, min(end, len(text)))
        last_newline = text.rfind("\n", 0, start)
        return cls(start, end, text.count("\n", 0, start) + 1, start - last_newline)


class Named(NamedTuple):
    """What a finding is about where that is a name that does not exist, or that the policy hides.

    Attributes:
        kind: What the name would have to be.
        name: As a reader of the refusal knows it.
    """

    kind: Literal["relation", "type", "function", "column"]
    name: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason, with a way to repair the statement.

    Attributes:
        rule: Stable id of the policy clause or rule, as in ``tables/denied`` or ``core/PG101``.
        severity: How bad it is.
        message: What was found, in one sentence.
        remediation: What to write instead, in one sentence.
        span: The place in the text, or None when it concerns the whole.
        effect: ``deny`` refuses the statement; ``warn`` is reported only.
        about: The hidden or missing name that it is about, for `pg_guard.report.told`; not part of the record.
    """

    rule: str
    severity: Severity
    message: str
    remediation: str
    span: Span | None = None
    effect: Literal["deny", "warn"] = "deny"
    about: Named | None = field(default=None, compare=False, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        return {
            "rule": self.rule,
            "severity": self.severity,
            "effect": self.effect,
            "message": self.message,
            "remediation": self.remediation,
            "span": self.span.to_dict() if self.span else None,
        }


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome of `Guard.check` for one text.

    Attributes:
        effect: ``allow``, ``rewrite`` or ``deny``.
        sql: The text to run; None when denied.
        findings: All findings, most severe first, then by place.
        statement: The text as it was given (undecodable characters replaced).
        kind: Kind of the outermost statement, as in ``select``; ``unknown`` when it could not be read.
        mode: ``enforce`` or ``monitor``; under ``monitor`` nothing is refused and `would_deny` tells.
        would_deny: True when a finding would refuse the statement under ``enforce``.
        relations: Relations that the statement reads, as ``schema.name``, sorted.
        functions: Functions that it calls, as ``schema.name`` or ``name``, sorted.
        policy: Name and version of the policy.
        digests: SHA-256 digests of policy, catalog and statement.
        timings_us: Microseconds by stage.
    """

    effect: Effect
    sql: str | None
    findings: tuple[Finding, ...]
    statement: str = ""
    kind: str = "unknown"
    mode: Literal["enforce", "monitor"] = "enforce"
    would_deny: bool = False
    relations: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    policy: str = ""
    digests: dict[str, str] = field(default_factory=dict)
    timings_us: dict[str, int] = field(default_factory=dict)

    @property
    def allowed(self) -> bool:
        """True when the effect is ``allow`` or ``rewrite``."""
        return self.effect in ("allow", "rewrite")

    def to_dict(self) -> dict[str, Any]:
        """The decision record, version 1, as plain JSON values."""
        return {
            "schema": RECORD_SCHEMA,
            "effect": self.effect,
            "allowed": self.allowed,
            "mode": self.mode,
            "would_deny": self.would_deny,
            "kind": self.kind,
            "statement": self.statement,
            "sql": self.sql,
            "findings": [finding.to_dict() for finding in self.findings],
            "relations": list(self.relations),
            "functions": list(self.functions),
            "policy": self.policy,
            "digests": dict(self.digests),
            "timings_us": dict(self.timings_us),
        }
