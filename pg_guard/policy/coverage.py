"""Whether a pattern says no more than others. In: entries of allow lists. Out: True when all that it names is covered.

The answer is about the text of patterns, without a catalog, and errs towards False: a narrowing that cannot be shown to
be one counts as a loosening, which needs a reason.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pg_guard.policy.values import split_name

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["covers_function", "covers_table", "is_exact"]


def _covers_part(general: str, special: str) -> bool:
    if general == special or (general and not general.strip("*")):
        return True
    if '"' in general or '"' in special:
        return False  # a quoted name and a pattern may differ in case and in what a star means
    # A star of the special pattern is matched as a character, so only a star of the general one can take it.
    form = ".*".join(re.escape(piece) for piece in general.split("*"))
    return re.fullmatch(form, special, re.DOTALL) is not None


def _parts(pattern: str) -> tuple[str, str]:
    parts = split_name(pattern)
    return (parts[0], parts[1]) if len(parts) == 2 else ("*", parts[0])


def _covers_name(general: str, special: str) -> bool:
    (general_schema, general_name), (schema, name) = _parts(general), _parts(special)
    return _covers_part(general_schema, schema) and _covers_part(general_name, name)


def is_exact(pattern: str) -> bool:
    """True for a relation's name without wildcards: under ``tables.allow`` it also marks a view as reviewed."""
    return "*" not in pattern and "?" not in pattern


def _names_system(schema: str) -> bool:
    """Whether a schema part may open a system schema, which no wildcard does by itself."""
    return schema.strip('"').startswith(("pg_", "information_schema")) or "?" in schema


def covers_table(general: Iterable[str], special: str) -> bool:
    """True when some pattern of ``general`` opens all that ``special`` opens under ``tables.allow``.

    A name without wildcards is covered by such names only, because it marks a view as reviewed; and a pattern that
    names a system schema is covered only by one that names the same.
    """
    schema = _parts(special)[0]
    return any(
        _covers_name(pattern, special)
        and (is_exact(pattern) or not is_exact(special))
        and (_parts(pattern)[0] == schema or not _names_system(schema))
        for pattern in general
    )


def _capabilities(entry: Any) -> set[str]:
    if not isinstance(entry, dict):
        return set()
    words = entry["capability"]
    return {words} if isinstance(words, str) else set(words)


def covers_function(general: Iterable[Any], special: Any) -> bool:
    """The same for entries of ``functions.allow``, as the file has them.

    A name is not covered by a capability: which functions have it is not known here. A name with argument types is
    covered by itself and by a pattern without types.
    """
    general = list(general)
    if isinstance(special, dict):
        return _capabilities(special) <= set().union(*map(_capabilities, general))
    name, has_types, _ = special.partition("(")
    for entry in general:
        if entry == special:
            return True
        if isinstance(entry, str) and "(" not in entry and _covers_name(entry, name.rstrip() if has_types else name):
            return True
    return False
