"""What an audit says. In: nothing. Out: `AuditFinding` and `AuditReport`, plain values that every form of report shows."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from pg_guard.advise.quoting import some
from pg_guard.decision import SEVERITIES, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["AUDIT_SCHEMA", "AuditFinding", "AuditReport", "listed"]

AUDIT_SCHEMA: Final = "pg-guard/audit/v1"

RemedyForm: TypeAlias = Literal["sql", "yaml", "text"]


def listed(names: Iterable[str]) -> str:
    """As many names as a message of a report takes; printable."""
    return some(names, 5)


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """One thing that weakens a policy on its database.

    Attributes:
        id: Stable id, as in ``audit/role-superuser``.
        severity: How bad it is.
        object: What it is about, as in ``role reader`` or ``view app.team``; printable.
        message: What was found, in one or two sentences; printable.
        remedy: What to do: SQL to run, YAML to write, or a sentence.
        form: Which of these the remedy is.
        objects: All names that the message sums up, in full.
    """

    id: str
    severity: Severity
    object: str
    message: str
    remedy: str
    form: RemedyForm = "text"
    objects: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        return {
            "id": self.id,
            "severity": self.severity,
            "object": self.object,
            "message": self.message,
            "remediation": {"form": self.form, "text": self.remedy},
            "objects": list(self.objects),
        }


@dataclass(frozen=True, slots=True)
class AuditReport:
    """The outcome of an audit.

    Attributes:
        policy: Name and version of the policy.
        mode: The policy's mode.
        policy_digest: SHA-256 of the effective policy.
        database: Name of the database.
        server: The server's version, as in ``18``.
        role: The role that the audit ran as.
        findings: Most severe first, then by id and object.
    """

    policy: str
    mode: str
    policy_digest: str
    database: str
    server: str
    role: str
    findings: tuple[AuditFinding, ...]

    @property
    def counts(self) -> dict[Severity, int]:
        """How many findings there are of each severity, most severe first, zeros included."""
        counted = Counter(finding.severity for finding in self.findings)
        return {severity: counted[severity] for severity in reversed(SEVERITIES)}

    def fails(self, level: str) -> bool:
        """Is there a finding at or over a severity? Never for ``none``."""
        if level == "none":
            return False
        least = SEVERITIES.index(level)
        return any(SEVERITIES.index(finding.severity) >= least for finding in self.findings)

    def to_dict(self, fail_on: str) -> dict[str, Any]:
        """The report as plain JSON values."""
        return {
            "schema": AUDIT_SCHEMA,
            "policy": self.policy,
            "mode": self.mode,
            "policy_digest": self.policy_digest,
            "database": self.database,
            "server": self.server,
            "role": self.role,
            "fail_on": fail_on,
            "failed": self.fails(fail_on),
            "counts": dict(self.counts),
            "findings": [finding.to_dict() for finding in self.findings],
        }
