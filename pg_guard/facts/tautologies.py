"""Comparisons that are written to be always true. In: an operator and a constant. Out: whether it can narrow anything."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pg_guard.facts.scopes import Expr

__all__ = ["is_tautology", "is_wide", "matches_all"]

_ALL_PATTERN = re.compile(r"%*|\.\*|\^?(\.\*)?\$?")
_EARLY = re.compile(r"-infinity|epoch|(0|1[0-8]|190|19[0-6])\d*-|1970-01-01.*", re.IGNORECASE)
_LATE = re.compile(r"infinity|(2[1-9]\d\d|[3-9]\d{3}|\d{5,})-.*", re.IGNORECASE)


def is_tautology(operator: str, constant: Expr) -> bool:
    """Comparisons that are written to be always true: ``id > 0``, ``name LIKE '%'``, ``at > '1900-01-01'``."""
    value = constant.value
    if value is None:
        return False
    if operator in ("~~", "~~*", "~", "~*"):
        return matches_all(value)
    if operator in (">", ">="):
        return _number(value) <= 1 or _EARLY.match(value) is not None
    if operator in ("<", "<="):
        return _number(value, high=True) >= 1_000_000 or _LATE.match(value) is not None
    return False


def matches_all(pattern: str) -> bool:
    """``LIKE '%'`` and regular expressions like it."""
    return _ALL_PATTERN.fullmatch(pattern) is not None


def is_wide(bounds: tuple[Expr, ...]) -> bool:
    """``BETWEEN 0 AND 999999999``: bounds that take everything in."""
    if len(bounds) != 2:
        return True
    return is_tautology(">=", bounds[0]) and is_tautology("<=", bounds[1])


def _number(value: str, *, high: bool = False) -> float:
    try:
        return float(value.replace("+", ""))
    except ValueError:
        # No number: neither bound is a tautology by it.
        return float("-inf") if high else float("inf")
