"""Everything that a rule can ask about. In: nothing. Out: `VOCABULARY`, the facts by name, with a description of each word.

Documentation and the JSON Schema of rules are made from it; `pg_guard.checks.terms` tells what it is made of.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from pg_guard.checks import terms_calls, terms_names, terms_queries, terms_shapes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pg_guard.checks.terms import Fact

__all__ = ["DETAILED", "VOCABULARY"]

VOCABULARY: Final[Mapping[str, Fact]] = MappingProxyType(
    {fact.name: fact for fact in (*terms_names.FACTS, *terms_calls.FACTS, *terms_queries.FACTS, *terms_shapes.FACTS)}
)

DETAILED: Final[frozenset[str]] = frozenset(fact.name for fact in terms_shapes.FACTS)
"""Facts that only a detailed reading finds."""
