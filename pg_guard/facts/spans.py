"""What a function's result can be at all. In: a function's name, its constant arguments. Out: its least and its greatest value.

A condition that takes the whole of it in narrows nothing: ``extract(month FROM at) BETWEEN 1 AND 12``, ``id % 10 >= 0``. Of
lengths and counts the span is what columns hold in practice: hardly a text is empty or longer than a hundred characters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Span", "span_of", "takes_all"]

Span: TypeAlias = tuple[float, float]

_PARTS: Final[dict[str, Span]] = {
    "month": (1, 12), "day": (1, 31), "hour": (0, 23), "minute": (0, 59), "second": (0, 60), "dow": (0, 6), "isodow": (1, 7),
    "doy": (1, 366), "week": (1, 53), "quarter": (1, 4),
}  # fmt: skip
_LONG: Final = 100
_TEXTS: Final = frozenset({"length", "char_length", "character_length", "octet_length"})
_LISTS: Final = frozenset({"jsonb_array_length", "json_array_length", "cardinality"})
_PLACES: Final = frozenset({"position", "strpos"})
# More values than a list of constants is compared with.
_MOST_VALUES: Final = 400


def span_of(name: str, values: Sequence[str | None]) -> Span | None:
    """The span of a function's result; None where nothing is known of it.

    Args:
        name: The function's name; ``%`` for the operator.
        values: Its arguments, as far as they are constants.
    """
    if name in ("extract", "date_part"):
        return _PARTS.get((values[0] or "").lower()) if values else None
    if name in _TEXTS:
        return (1, _LONG)
    if name in _LISTS or name in _PLACES:
        return (0, _LONG)
    if name in ("%", "mod") and len(values) == 2:
        most = abs(_number(values[1]) or 1)
        return (0, most - 1)
    return None


def takes_all(span: Span, operator: str, values: Iterable[str | None]) -> bool:
    """Is ``function operator constants`` true of the whole span? Of constants that are not known nothing is said.

    Args:
        span: What the function can give.
        operator: A comparison, or ``BETWEEN`` with its two bounds; ``=`` with several constants is IN.
        values: The constants.
    """
    numbers = [_number(value) for value in values]
    known = [number for number in numbers if number is not None]
    if not known or len(known) < len(numbers):
        return False
    low, high = span
    match operator:
        case ">":
            return known[0] < low
        case ">=":
            return known[0] <= low
        case "<":
            return known[0] > high
        case "<=":
            return known[0] >= high
        case "BETWEEN":
            return min(known) <= low and max(known) >= high
        case "=":
            return high - low < _MOST_VALUES and set(range(int(low), int(high) + 1)) <= set(known)
    return False


def _number(value: str | None) -> float | None:
    try:
        return float(value) if value is not None else None
    except ValueError:
        return None
