"""pg-guard: a declarative guard between language models and PostgreSQL.

Use::

    from pg_guard import Guard, Catalog

    guard = Guard.load("policy.yaml", catalog=Catalog.from_json("catalog.json"))
    decision = guard.check("SELECT …")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from pg_guard._version import __version__
from pg_guard.errors import (
    CatalogError,
    DatabaseError,
    ExecutionError,
    InternalError,
    PgGuardError,
    PolicyError,
    UsageError,
)

if TYPE_CHECKING:
    from pg_guard.catalog.model import Catalog
    from pg_guard.checks.custom import UNKNOWN, Record, Statement
    from pg_guard.decision import Decision, Finding, Span
    from pg_guard.guard import Guard
    from pg_guard.policy.model import Policy

__all__ = [
    "UNKNOWN",
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
    "Record",
    "Span",
    "Statement",
    "UsageError",
    "__version__",
]

# Loaded on first use: the readers and pydantic take longer to import than `pg-guard --help` may.
_LAZY = {
    "Catalog": "pg_guard.catalog.model",
    "Decision": "pg_guard.decision",
    "Finding": "pg_guard.decision",
    "Guard": "pg_guard.guard",
    "Policy": "pg_guard.policy.model",
    "Record": "pg_guard.checks.custom",
    "Span": "pg_guard.decision",
    "Statement": "pg_guard.checks.custom",
    "UNKNOWN": "pg_guard.checks.custom",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
