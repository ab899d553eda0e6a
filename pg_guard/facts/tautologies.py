"""Conditions that are written to be always true. In: operators, constants, patterns. Out: whether they can narrow anything."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pg_guard.facts.formula import Restricts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pg_guard.facts.formula import Condition
    from pg_guard.facts.scopes import Expr, Source

__all__ = ["covered", "follows", "is_tautology", "is_wide", "matches_all", "range_text"]

_EARLY = re.compile(r"-infinity|epoch|(0|1[0-8]|190|19[0-6])\d*-|1970-01-01.*", re.IGNORECASE)
_LATE = re.compile(r"infinity|(2[1-9]\d\d|[3-9]\d{3}|\d{5,})-.*", re.IGNORECASE)
# Texts that sort before, or after, all that people write.
_FIRST = re.compile(r"[\x01-!]*")
_LAST = re.compile(r"[zZ~{-\uffff]+")
_RANGE = re.compile(r'[\[(]\s*"?([^",]*)"?\s*,\s*"?([^",]*)"?\s*[\])]')
_RANGES = frozenset({"int4range", "int8range", "numrange", "daterange", "tsrange", "tstzrange"})
# Lengths of time that no time before now falls short of, and that hardly one exceeds.
_NO_TIME = re.compile(r"-.*|0+(\.0*)?\s*[a-z]*|0+(:0+)*", re.IGNORECASE)
_AGES = re.compile(r"\d{2,}\s*(y|years?|yrs?)|\d+\s*(dec|cent|c\b|mil).*", re.IGNORECASE)
_EVERY_ADDRESS = re.compile(r"[0-9a-f.:]+/0", re.IGNORECASE)
_NOTHING_ASKED = frozenset({"{}", "[]", "empty", '""'})
_COUNTED = re.compile(r"\{(\d+)(,(\d*))?\}")
# Letters that make a format of to_char follow the value; what stands in double quotes does not.
_FORMAT = re.compile(r"[A-Za-z09#]")
_COARSE: Final = frozenset(
    {"millennium", "millenium", "millennia", "mil", "mils", "century", "centuries", "cent", "c", "era"}
)


def is_tautology(operator: str, constant: Expr) -> bool:
    """Is ``column operator constant`` always true as written: ``id > 0``, ``name LIKE '%'``, ``at > '1900-01-01'``?"""
    value = constant.value
    if value is None:
        return False
    match operator:
        case "~~" | "~~*":
            return "%" in value and not value.strip("%_")
        case "~" | "~*":
            return matches_all(value)
        case "^@":
            return not value
        case ">" | ">=":
            early = _EARLY.match(value) or _FIRST.fullmatch(value) or _NO_TIME.fullmatch(value.strip())
            return _number(value) <= 1 or bool(early)
        case "<" | "<=":
            late = _LATE.match(value) or _LAST.fullmatch(value) or _AGES.match(value.strip())
            return _number(value, high=True) >= 1_000_000 or bool(late)
        case "@>" | "?&":
            return value.strip() in _NOTHING_ASKED
        case "<@" | "&&":
            return _is_wide_range(value.strip())
        case "<<=" | "<<":
            return _EVERY_ADDRESS.fullmatch(value.strip()) is not None
        case "@?":
            return value.replace("lax", "").strip() == "$"
    return False


def _is_wide_range(text: str) -> bool:
    found = _RANGE.fullmatch(text)
    if found is None:
        return False
    low, high = (bound.strip() for bound in found.groups())
    # A bound that is left out takes in all there is on its side.
    return (not low or bool(_EARLY.match(low)) or _number(low) <= 1) and (
        not high or bool(_LATE.match(high)) or _number(high, high=True) >= 1_000_000
    )


def range_text(name: str, args: Sequence[Expr]) -> str | None:
    """``tstzrange(NULL, '2026-02-01')`` of constants as its text; None for anything else."""
    if name not in _RANGES or len(args) < 2 or not all(arg.constant for arg in args):
        return None
    # A parameter may be anything, so it counts as a bound that asks for something.
    low, high = ("2000-01-01" if arg.value == "$" else arg.value or "" for arg in args[:2])
    return f"[{low},{high})"


def is_wide(bounds: tuple[Expr, ...]) -> bool:
    """``BETWEEN 0 AND 999999999``: bounds that take everything in."""
    if len(bounds) != 2:
        return True
    return is_tautology(">=", bounds[0]) and is_tautology("<=", bounds[1])


def follows(name: str, values: Sequence[str | None]) -> bool:
    """Does the result of a function follow its column, given its constant arguments (None for the others)?

    ``left(kind, 0)``, ``to_char(at, '"x"')`` and ``date_trunc('millennium', at)`` hardly do.
    """
    if name in ("left", "right", "substr", "substring"):
        return _number(values[-1] or "1") > 0
    if name == "set_masklen":
        return len(values) > 1 and values[1] != "0"
    if name in ("split_part", "strpos", "position"):
        # Of a part that is left out, or a text that is sought for everywhere, the result is one for all.
        return len(values) > 1 and values[1] != ""
    if name == "to_char":
        return values[-1] is None or _FORMAT.search(re.sub(r'"[^"]*"?', "", values[-1])) is not None
    if name in ("date_trunc", "date_part", "extract"):
        return not values or (values[0] or "").lower() not in _COARSE
    return True


def _number(value: str, *, high: bool = False) -> float:
    try:
        return float(value.replace("+", ""))
    except ValueError:
        # No number: neither bound is a tautology by it.
        return float("-inf") if high else float("inf")


# -- disjunctions --------------------------------------------------------------------------------------------------------


def covered(branches: Iterable[tuple[Condition, ...]]) -> set[Source]:
    """Sources of which a disjunction takes all rows: ``id < 5 OR id >= 5``.

    Bounds that cannot be compared, and anything between them, count as covering.
    """
    sides: dict[object, dict[str, list[str | None]]] = {}
    owners: dict[object, Source] = {}
    for branch in branches:
        if len(branch) != 1 or not isinstance(branch[0], Restricts):
            continue
        only = branch[0]
        owners[only.column] = only.column.source
        sides.setdefault(only.column, {}).setdefault(only.side, []).append(only.bound)
    return {
        owners[column]
        for column, found in sides.items()
        if "<" in found and ">" in found
        if "" in found or not all(_apart(high, low) for high in found["<"] for low in found[">"])
    }


def _apart(high: str | None, low: str | None) -> bool:
    """Is there room between ``< high`` and ``> low``?"""
    if high is None or low is None:
        return False
    above, below = _number(low), _number(high, high=True)
    if above != float("inf") and below != float("-inf"):
        return below < above
    return high[:1].isdigit() == low[:1].isdigit() and high < low


# -- patterns ------------------------------------------------------------------------------------------------------------


def matches_all(pattern: str) -> bool:
    """Does a regular expression ask for nothing but the presence of characters: ``.*``, ``x*``, ``a|``, ``[^q]?``, ``\\S``?"""
    pattern = re.sub(r"^(\*\*\*:)?(\(\?[a-z]+\))?", "", pattern)
    wide, end = _alternatives(pattern, 0)
    return wide and end >= len(pattern)


def _alternatives(pattern: str, at: int) -> tuple[bool, int]:
    """Whether one of the branches from here asks for nothing, and where they end."""
    any_wide, wide = False, True
    while at < len(pattern) and pattern[at] != ")":
        if pattern[at] == "|":
            any_wide, wide = any_wide or wide, True
            at += 1
            continue
        asks_nothing, at = _atom(pattern, at)
        optional, at = _optional(pattern, at)
        wide = wide and (asks_nothing or optional)
    return any_wide or wide, at


def _atom(pattern: str, at: int) -> tuple[bool, int]:
    character = pattern[at]
    if character == "(":
        if pattern[at + 1 : at + 2] == "?":
            # (?:…) is a group as any other; what looks ahead or behind counts as asking for something.
            plain = pattern[at + 2 : at + 3] == ":"
            wide, end = _alternatives(pattern, at + 3)
            return wide and plain, end + 1
        wide, end = _alternatives(pattern, at + 1)
        return wide, end + 1
    if character == "[":
        end = pattern.find("]", at + 2)
        while pattern[end - 1 : end] in (":", ".", "=") and end >= 0:
            end = pattern.find("]", end + 1)
        return pattern[at + 1 : at + 2] == "^", (end if end >= 0 else len(pattern)) + 1
    if character == "\\":
        return pattern[at + 1 : at + 2] in ("S", "w", "D", "W", "A", "Z", "y", "Y", "m", "M"), at + 2
    return character in ".^$", at + 1


def _optional(pattern: str, at: int) -> tuple[bool, int]:
    """Whether a quantifier here lets its atom be left out, and what follows it."""
    found = False
    while at < len(pattern) and (pattern[at] in "*+?" or (pattern[at] == "{" and _COUNTED.match(pattern, at))):
        counted = _COUNTED.match(pattern, at)
        found = found or pattern[at] in "*?" or (counted is not None and int(counted[1]) == 0)
        at = counted.end() if counted else at + 1
    return found, at
