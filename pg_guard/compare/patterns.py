"""Whether a pattern that denies says no more than another. In: patterns of a policy. Out: True when all is covered.

For patterns that allow, `pg_guard.policy.coverage` answers. Here letter case does not matter, and a wildcard covers a name
without one. The answer is about text and errs towards False.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pg_guard.policy.values import split_name

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["covers_name", "covers_pattern"]


def covers_pattern(general: Iterable[str], special: str) -> bool:
    """True when some pattern of `general` matches every relation that `special` matches."""
    schema, name = _parts(special)
    return any(
        covers_name(general_schema, schema) and covers_name(general_name, name)
        for general_schema, general_name in map(_parts, general)
    )


def _parts(pattern: str) -> tuple[str, str]:
    parts = split_name(pattern)
    return (parts[-2], parts[-1]) if len(parts) > 1 else ("*", parts[0])


def covers_name(general: str, special: str) -> bool:
    """The same for one part of a name, or for a column."""
    if general == special or (general and not general.strip("*")):
        return True
    if '"' in general or '"' in special:
        return False  # in quotes, stars and question marks are characters
    # Wildcards of the special pattern stand as characters: only a star of the general one can take a star.
    form = "".join(".*" if each == "*" else "[^*]" if each == "?" else re.escape(each) for each in general)
    return re.fullmatch(form, special, re.DOTALL | re.IGNORECASE) is not None
