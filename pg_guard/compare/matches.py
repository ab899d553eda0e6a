"""Whether a rule fires wherever another does. In: what stands under ``match``, parameters filled in. Out: True when shown.

Each step keeps the order false < unknown < true, so it also holds for what is not known, which fires.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pg_guard.compare.patterns import covers_name

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["fill_in", "implies"]

_NOT_MONOTONE: Final = frozenset({"has_column", "held"})
"""Whether a scan is held is asked of the columns that are named beside it: more columns may fire less."""


def fill_in(match: Any, settings: Mapping[str, Any]) -> Any:
    """A match with the value of each parameter in place of ``$name``."""
    if isinstance(match, str) and match.startswith("$") and match[1:] in settings:
        value = settings[match[1:]]
        return list(value) if isinstance(value, tuple) else value
    if isinstance(match, dict):
        return {key: fill_in(value, settings) for key, value in match.items()}
    if isinstance(match, (list, tuple)):
        filled: list[Any] = []
        for each in match:
            value = fill_in(each, settings)
            # A parameter that is a list, inside of a list, stands for its entries.
            filled += value if isinstance(value, list) and isinstance(each, str) else [value]
        return filled
    return match


def implies(special: Any, general: Any) -> bool:
    """True when `general` fires on every statement that `special` fires on, by its form alone."""
    if special == general:
        return True
    if not isinstance(special, dict) or not isinstance(general, dict):
        return False
    if "any" in special:
        return all(implies(each, general) for each in special["any"])
    if "all" in general:
        return all(implies(special, each) for each in general["all"])
    if "any" in general and any(implies(special, each) for each in general["any"]):
        return True
    if "all" in special and any(implies(each, general) for each in special["all"]):
        return True
    if "not" in special and "not" in general:
        return implies(general["not"], special["not"])
    return _same_fact(special, general)


def _same_fact(special: dict[str, Any], general: dict[str, Any]) -> bool:
    if len(special) != 1 or special.keys() != general.keys() or special.keys() & {"any", "all", "not"}:
        return False
    ((_, narrow),), ((_, wide),) = special.items(), general.items()
    if not isinstance(narrow, dict) or not isinstance(wide, dict):
        return False
    return all(key in narrow and _attribute(key, narrow[key], value) for key, value in wide.items()) and not (
        # What is asked beside a column list that is left out may answer otherwise.
        (narrow.keys() ^ wide.keys()) & _NOT_MONOTONE
    )


def _attribute(key: str, narrow: Any, wide: Any) -> bool:
    if narrow == wide:
        return True
    if isinstance(narrow, bool) or isinstance(wide, bool) or key in _NOT_MONOTONE:
        return False
    if isinstance(narrow, (int, float)) and isinstance(wide, (int, float)):
        return (key.endswith("_over") and narrow >= wide) or (key.endswith("_under") and narrow <= wide)
    listed, allowed = _texts(narrow), _texts(wide)
    return bool(listed) and all(any(_covers(entry, each) for entry in allowed) for each in listed)


def _covers(general: str, special: str) -> bool:
    # Only a star at the end of a pattern without a dot is sure to mean the same in every attribute.
    if general == special:
        return True
    return general.endswith("*") and general.count("*") == 1 and "." not in general and covers_name(general, special)


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, (list, tuple)) else [value]
    return [each for each in values if isinstance(each, str)] if all(isinstance(each, str) for each in values) else []
