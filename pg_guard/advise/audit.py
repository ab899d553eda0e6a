"""An audit: a policy against a live database. In: a policy and an estate. Out: an `AuditReport` with every finding.

The checks are a visible tuple of pure functions; their order never matters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pg_guard.advise.audit_functions import audit_functions
from pg_guard.advise.audit_patterns import audit_patterns
from pg_guard.advise.audit_reach import audit_families, audit_keys, audit_publications, audit_system, audit_views
from pg_guard.advise.audit_role import audit_role
from pg_guard.advise.audit_server import audit_extensions, audit_search_path, audit_settings
from pg_guard.advise.audit_tenants import audit_tenants
from pg_guard.advise.finding import AuditFinding, AuditReport
from pg_guard.advise.quoting import printable
from pg_guard.advise.subject import AuditSubject
from pg_guard.decision import SEVERITIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pg_guard.advise.surroundings import Estate
    from pg_guard.policy.model import Policy

__all__ = ["CHECKS", "audit"]

CHECKS: Final[tuple[Callable[[AuditSubject], Iterator[AuditFinding]], ...]] = (
    audit_patterns,
    audit_views,
    audit_functions,
    audit_families,
    audit_keys,
    audit_system,
    audit_publications,
    audit_role,
    audit_settings,
    audit_search_path,
    audit_extensions,
    audit_tenants,
)


def audit(policy: Policy, estate: Estate) -> AuditReport:
    """Run every check.

    Args:
        policy: The policy that the guard will enforce.
        estate: The database, read as the role that the guard will use.
    """
    subject = AuditSubject(policy, estate)
    findings = {finding for check in CHECKS for finding in check(subject)}
    metadata = policy.metadata
    return AuditReport(
        policy=printable(f"{metadata.name} {metadata.version}"),
        mode=policy.mode,
        policy_digest=policy.digest,
        database=printable(estate.catalog.database),
        server=str(estate.catalog.server_version // 10000),
        role=printable(estate.around.role.name),
        findings=tuple(
            sorted(findings, key=lambda each: (-SEVERITIES.index(each.severity), each.id, each.object, each.message))
        ),
    )
