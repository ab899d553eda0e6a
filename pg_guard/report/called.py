"""What is called at one place, and which denials meet it. In: facts on functions, `functions` of a policy. Out: entries and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pg_guard.catalog import builtins
from pg_guard.catalog.model import Name
from pg_guard.checks.functions import Signature
from pg_guard.checks.patterns import NamePattern
from pg_guard.policy.model import CapabilityPattern

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pg_guard.facts.model import FunctionUse, TypeUse
    from pg_guard.policy.model import Functions

__all__ = ["Called", "DeniedFunctions", "capabilities_of"]


class Called(NamedTuple):
    """Everything at one place of a statement that may call a function."""

    functions: list[FunctionUse]
    types: list[TypeUse]
    operators: list[Name]

    @property
    def names(self) -> set[Name]:
        """The functions behind it, by name."""
        return {key for use in self.functions for key in _names(use)} | set(self.operators)

    @property
    def capabilities(self) -> set[str]:
        """What it can do, as far as anybody has judged it."""
        found = {each for use in self.functions for each in (capabilities_of(use) or ())}
        return found | {each for use in self.types for each in builtins.casts_to(use.name.name, use.constant)}

    @property
    def is_own(self) -> bool:
        """Is one of the functions the deployment's own?"""
        return any(_is_own(use) for use in self.functions)


def _names(use: FunctionUse) -> set[Name]:
    return {Name(use.schema or "pg_catalog", use.name), *(each.key for each in use.candidates)}


def _is_own(use: FunctionUse) -> bool:
    if use.candidates:
        return any(each.schema not in ("pg_catalog", "information_schema") for each in use.candidates)
    return builtins.classify(use.name) is None


def capabilities_of(use: FunctionUse) -> frozenset[str] | None:
    """What a function can do, over all overloads that the call may reach; None where nobody has judged one of them."""
    literals = dict(use.literals)
    if not use.candidates:
        return builtins.classify(use.name, literals=literals) if use.schema in (None, "pg_catalog") else None
    found: frozenset[str] = frozenset()
    for each in use.candidates:
        args = tuple(arg.name for arg in each.args)
        own = builtins.classify(each.name, schema=each.schema, extension=each.extension, args=args, literals=literals)
        if own is None or each.planted:
            return None
        found |= own
    return found


class DeniedFunctions:
    """`functions.deny`, entry by entry.

    Attributes:
        allowed: The capabilities that `functions.allow` lists.
    """

    def __init__(self, functions: Functions) -> None:
        self._capabilities: list[tuple[int, frozenset[str]]] = []
        self._signatures: list[tuple[int, str, Signature]] = []
        self._patterns: list[tuple[int, str, NamePattern]] = []
        for index, entry in enumerate(functions.deny):
            if isinstance(entry, CapabilityPattern):
                self._capabilities.append((index, frozenset(entry.capability)))
            elif "(" in entry:
                self._signatures.append((index, entry, Signature.parse(entry, fold=True)))
            else:
                self._patterns.append((index, entry, NamePattern(entry, fold=True)))
        self.allowed = {
            word for entry in functions.allow if isinstance(entry, CapabilityPattern) for word in entry.capability
        }

    def find(self, called: Called) -> Iterator[tuple[int, str, str]]:
        """The entries that meet what is called: index, how it is written, and why."""
        capabilities, names = called.capabilities, called.names
        for index, words in self._capabilities:
            if hit := capabilities & words:
                yield index, ", ".join(sorted(words)), f"The function has the capability {', '.join(sorted(hit))}."
        for index, entry, signature in self._signatures:
            if any(_reaches(use, signature) for use in called.functions):
                yield index, entry, f"The call may reach {entry}."
        for index, entry, pattern in self._patterns:
            if met := sorted(str(name) for name in names if pattern.matches(name)):
                yield index, entry, f"{met[0]} matches {entry}."


def _reaches(use: FunctionUse, signature: Signature) -> bool:
    if use.candidates:
        return any(signature.matches(each) for each in use.candidates)
    return any(name in signature.names for name in _names(use))
