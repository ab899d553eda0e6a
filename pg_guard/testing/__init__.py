"""Tests of policies and rules, for their authors. In: policies, rules, a guard. Out: outcomes, coverage, assertions.

Stable, as `pg_guard` itself: what `__all__` lists. The pytest plugin (`pg_guard.testing.plugin`) comes with the
installation; its options begin with ``--pg-guard``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pg_guard.testing.assertions import assert_allowed, assert_denied
    from pg_guard.testing.discover import find_targets
    from pg_guard.testing.model import Case, Clause, Report, Result, Suite
    from pg_guard.testing.run import Settings, run_targets

__all__ = [
    "Case",
    "Clause",
    "Report",
    "Result",
    "Settings",
    "Suite",
    "assert_allowed",
    "assert_denied",
    "find_targets",
    "run_targets",
]

# Loaded on first use: pytest imports this package, as that of a plugin, in every run.
_LAZY = {
    "Case": "model",
    "Clause": "model",
    "Report": "model",
    "Result": "model",
    "Settings": "run",
    "Suite": "model",
    "assert_allowed": "assertions",
    "assert_denied": "assertions",
    "find_targets": "discover",
    "run_targets": "run",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
