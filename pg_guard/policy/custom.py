"""Checks of one's own beside a policy's. In: a compiled policy and callables. Out: the policy with their checks in force."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pg_guard.checks.custom import CustomCheck
from pg_guard.checks.tables import SYSTEM_SCHEMAS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pg_guard.checks.custom import CheckFunction
    from pg_guard.policy.compile import Program

__all__ = ["check_names", "with_checks"]


def with_checks(program: Program, checks: Iterable[CheckFunction]) -> Program:
    """The program with more checks.

    Nobody knows what they will ask for, so every fact is found: how the statement is built, and scans inside of views.

    Raises:
        TypeError: One of them is not callable.
    """
    own = tuple(CustomCheck(check) for check in checks)
    if not own:
        return program
    catalog = program.names.catalog
    views = frozenset(
        relation.key
        for relation in (catalog.relations if catalog is not None else ())
        if relation.kind in ("view", "matview") and relation.schema not in SYSTEM_SCHEMAS
    )
    return replace(program, checks=(*program.checks, *own), expand=program.expand | views, detailed=True)


def check_names(program: Program) -> tuple[str, ...]:
    """The names of the checks of one's own, in their order."""
    return tuple(check.name for check in program.checks if isinstance(check, CustomCheck))
