"""Sizes that constants ask for. In: a call's literals and what `rules/functions` says bounds it. Out: rows or bytes."""

from __future__ import annotations

import datetime
import math
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pg_guard.catalog.builtins_file import Bound

__all__ = ["asked"]

_INTERVAL = re.compile(
    r"([+-]?\d+(?:\.\d+)?)\s*(microsecond|millisecond|second|sec|s|minute|min|m|hour|h|day|d|week|w|month|mon|year|y)s?\b",
    re.IGNORECASE,
)
_SECONDS = {
    "microsecond": 1e-6, "millisecond": 1e-3, "second": 1, "sec": 1, "s": 1, "minute": 60, "min": 60, "m": 60, "hour": 3600,
    "h": 3600, "day": 86_400, "d": 86_400, "week": 604_800, "w": 604_800, "month": 2_592_000, "mon": 2_592_000,
    "year": 31_536_000, "y": 31_536_000,
}  # fmt: skip
_CLOCK = re.compile(r"(\d+):(\d\d)(?::(\d\d(?:\.\d+)?))?")
_TYPICAL_BYTES = 8
_DIGIT_WORK = 500
_WIDTH = re.compile(r"%-?(\d{4,})")


def asked(bound: Bound, literals: Mapping[int, str]) -> tuple[str, float]:
    """What a call asks for: ("rows" or "bytes", amount); amount 0 where its arguments are not constants."""
    size = literals.get(bound.argument - 1)
    if size is None:
        return "rows", 0.0
    if bound.kind == "rows":
        if not bound.base:
            return "rows", _number(size)
        return "rows", _series(literals.get(bound.base - 1), size, literals.get(bound.step - 1) if bound.step else None)
    if bound.kind == "times":
        repeated = literals.get(bound.base - 1)
        return "bytes", _number(size) * (max(1, len(repeated)) if repeated is not None else _TYPICAL_BYTES)
    if bound.kind == "elements":
        sizes = [_number(part) for part in size.strip("{}").split(",")]
        return "bytes", math.prod(sizes) * _TYPICAL_BYTES
    if bound.kind == "magnitude":
        # The work grows faster than the digits: factorial(30000) takes seconds.
        return "bytes", _number(size) * _DIGIT_WORK
    if bound.kind in ("length", "bytes"):
        return "bytes", _number(size)
    if bound.kind == "format-width":
        return "bytes", max((float(width) for width in _WIDTH.findall(size)), default=0.0)
    return "bytes", 0.0


def _number(text: str) -> float:
    try:
        return abs(float(text.replace("_", "").lstrip("+")))
    except ValueError:
        return 0.0


def _series(first: str | None, last: str, step: str | None) -> float:
    if first is None:
        return 0.0
    width = _seconds(step) if step is not None else 1.0
    try:
        distance = float(last) - float(first)
        width = float(step) if step is not None else 1.0
    except ValueError:
        start, end = _moment(first), _moment(last)
        if start is None or end is None:
            return 0.0
        distance = end - start
    if not width:
        return 0.0
    return max(0.0, distance / width + 1)


def _moment(text: str) -> float | None:
    if text.strip().lower() == "infinity":
        return float("inf")
    try:
        moment = datetime.datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return moment.replace(tzinfo=datetime.UTC).timestamp()


def _seconds(text: str) -> float:
    total = sum(float(amount) * _SECONDS[unit.lower()] for amount, unit in _INTERVAL.findall(text))
    if clock := _CLOCK.search(text):
        total += int(clock[1]) * 3600 + int(clock[2]) * 60 + float(clock[3] or 0)
    return total
