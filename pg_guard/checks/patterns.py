"""Name patterns of a policy. In: ``hr.*``, ``audit_*``, ``Secret Stuff``, ``"odd.name".t``. Out: matchers for stored names.

A pattern has a name or a schema and a name; without a schema it matches in any schema. ``*`` matches any characters and
``?`` one. Patterns that deny ignore case, so that ``HR.*`` cannot miss ``hr``; patterns that allow match exactly.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pg_guard.catalog.model import Name

__all__ = ["NamePattern", "NameSet", "split_pattern"]


def split_pattern(text: str) -> tuple[str | None, str]:
    """The schema part (None when there is none) and the name part, quotes kept."""
    parts, quoted = [""], False
    for character in text:
        if character == '"':
            quoted = not quoted
        if character == "." and not quoted:
            parts.append("")
        else:
            parts[-1] += character
    return (parts[-2], parts[-1]) if len(parts) > 1 else (None, parts[0])


def _compile(part: str, *, fold: bool) -> re.Pattern[str]:
    literal = part.startswith('"') and part.endswith('"') and len(part) > 1
    if literal:
        source = re.escape(part[1:-1].replace('""', '"'))
    else:
        source = "".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in part)
    return re.compile(source, re.DOTALL | (re.IGNORECASE if fold else 0))


class NamePattern:
    """One pattern.

    Args:
        text: The pattern as written in the policy.
        fold: Ignore case; for patterns that deny.
    """

    __slots__ = ("exact", "name", "schema", "text")

    def __init__(self, text: str, *, fold: bool) -> None:
        schema, name = split_pattern(text)
        self.text = text
        self.exact = not any(character in text for character in "*?")
        self.schema = None if schema is None else _compile(schema, fold=fold)
        self.name = _compile(name, fold=fold)

    def matches(self, name: Name) -> bool:
        """Does the pattern match this stored name?"""
        if self.schema is not None and self.schema.fullmatch(name.schema) is None:
            return False
        return self.name.fullmatch(name.name) is not None


class NameSet:
    """A list of patterns, with the answers for recent names kept."""

    def __init__(self, patterns: Iterable[str], *, fold: bool) -> None:
        self.patterns = tuple(NamePattern(text, fold=fold) for text in patterns)
        # Bounded: a statement may hold any number of names that nobody has seen before.
        self.first = lru_cache(maxsize=4096)(self._first)

    def _first(self, name: Name) -> NamePattern | None:
        return next((pattern for pattern in self.patterns if pattern.matches(name)), None)

    def __contains__(self, name: Name) -> bool:
        return bool(self.patterns) and self.first(name) is not None

    def __bool__(self) -> bool:
        return bool(self.patterns)
