"""pg-guard: a declarative guard between language models and PostgreSQL.

    from pg_guard import Guard, Catalog

    guard = Guard.load("policy.yaml", catalog=Catalog.from_json("catalog.json"))
    decision = guard.check("SELECT …")
"""

from pg_guard._version import __version__
from pg_guard.catalog.model import Catalog
from pg_guard.decision import Decision, Finding, Span
from pg_guard.errors import (
    CatalogError,
    DatabaseError,
    ExecutionError,
    InternalError,
    PgGuardError,
    PolicyError,
    UsageError,
)
from pg_guard.guard import Guard
from pg_guard.policy.model import Policy

__all__ = [
    "Catalog",
    "CatalogError",
    "DatabaseError",
    "Decision",
    "ExecutionError",
    "Finding",
    "Guard",
    "InternalError",
    "PgGuardError",
    "Policy",
    "PolicyError",
    "Span",
    "UsageError",
    "__version__",
]
