"""Names to objects, as PostgreSQL looks them up. In: a catalog and a search_path. Out: relations, functions, types.

The implicit order is PostgreSQL's: pg_catalog is searched first unless the search_path names it (documentation, section
5.10.5). Temporary schemas are left out: the executor hands out clean connections and its transactions are read-only.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

from pg_guard.catalog.model import Catalog, Function, Name, Operator, Relation, Type
from pg_guard.facts.resolution import PG, UNKNOWN, Types

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PG", "SYSTEM_COLUMNS", "UNKNOWN", "Names", "declared_arguments"]

SYSTEM_COLUMNS = frozenset({"ctid", "xmin", "cmin", "xmax", "cmax", "tableoid"})
_Found = TypeVar("_Found", Relation, Type)


class Names:
    """Look-ups against one catalog under one search_path; without a catalog, names stay as written.

    Args:
        catalog: The database's catalog, or None.
        search_path: Schemas as the executor will set them.
    """

    def __init__(self, catalog: Catalog | None, search_path: tuple[str, ...]) -> None:
        self.catalog = catalog
        self.search_path = search_path
        self.path = search_path if PG in search_path else (PG, *search_path)
        self.types = Types(catalog) if catalog is not None else None
        # Bounded: keys are names and types of the catalog, but names may also be made up.
        self._resolve_function = lru_cache(maxsize=8192)(self._find_function)
        self._resolve_operator = lru_cache(maxsize=8192)(self._find_operator)

    def relation(self, schema: str | None, name: str) -> Relation | None:
        """The relation that PostgreSQL would find, or None; always None without a catalog."""
        return self._first(self.catalog.relation_index, schema, name) if self.catalog is not None else None

    def written(self, schema: str | None, name: str) -> tuple[Name, ...]:
        """Every relation that a name could mean when there is no catalog to ask."""
        if schema is not None:
            return (Name(schema, name),)
        if name.startswith("pg_"):
            return (Name(PG, name), *(Name(each, name) for each in self.search_path))
        return tuple(Name(each, name) for each in self.search_path) or (Name("", name),)

    def functions(self, schema: str | None, name: str) -> tuple[Function, ...]:
        """Every overload that a call by this name could reach."""
        if self.catalog is None:
            return ()
        overloads = self.catalog.function_index.get(name, ())
        if schema is not None:
            return tuple(each for each in overloads if each.schema == schema)
        return tuple(each for each in overloads if each.schema in self.path)

    def ships(self, function: Name) -> bool:
        """Is a function of this name PostgreSQL's own, and nobody else's?"""
        return function.schema == PG and (self.catalog is None or function not in self.catalog.planted)

    def operators(self, schema: str | None, name: str) -> tuple[Operator, ...]:
        """Every operator of this name that an expression could reach."""
        if self.catalog is None:
            return ()
        found = self.catalog.operator_index.get(name, ())
        if schema is not None:
            return tuple(each for each in found if each.schema == schema)
        return tuple(each for each in found if each.schema in self.path)

    def type(self, schema: str | None, name: str) -> Type | None:
        """The type that PostgreSQL would find, or None."""
        return self._first(self.catalog.type_index, schema, name) if self.catalog is not None else None

    def _first(self, index: Mapping[Name, _Found], schema: str | None, name: str) -> _Found | None:
        """What stands in the schema that is named, or in the first of the path that has one."""
        if schema is not None:
            return index.get(Name(schema, name))
        for candidate in self.path:
            if found := index.get(Name(candidate, name)):
                return found
        return None

    def resolve_function(
        self, schema: str | None, name: str, given: tuple[Name | None, ...], *, variadic: bool = False
    ) -> tuple[Function, ...]:
        """The overloads that a call may reach; those of any arguments when none fits, so that nothing is missed.

        Args:
            given: Types of the arguments; None where one is not known.
            variadic: The call is written with VARIADIC, so its last argument is the array itself.
        """
        return self._resolve_function(schema, name, given, variadic) or tuple(
            each for each in self.functions(schema, name) if _takes(each, len(given), variadic=variadic)
        )

    def fitting_functions(self, schema: str | None, name: str, given: tuple[Name | None, ...]) -> tuple[Function, ...]:
        """The same, but none when none fits."""
        return self._resolve_function(schema, name, given, False)

    def _find_function(
        self, schema: str | None, name: str, given: tuple[Name | None, ...], variadic: bool
    ) -> tuple[Function, ...]:
        overloads = [each for each in self.functions(schema, name) if _takes(each, len(given), variadic=variadic)]
        if self.types is None or not overloads:
            return tuple(overloads)
        # Of two that take the same arguments, the earlier schema's wins, then the one without VARIADIC or defaults.
        overloads.sort(
            key=lambda each: (
                self.path.index(each.schema) if each.schema in self.path else 0,
                each.variadic and not variadic,
                len(each.args),
            )
        )
        types = self.types

        def wanted(function: Function) -> tuple[Name, ...]:
            return declared_arguments(types, function, len(given), variadic=variadic)

        return tuple(types.select(overloads, wanted, given))

    def named_overloads(
        self, overloads: tuple[Function, ...], given: tuple[Name | None, ...], named: tuple[str | None, ...]
    ) -> tuple[Function, ...]:
        """Overloads that a call in named or mixed notation may reach (documentation, section 4.3)."""
        found = []
        for function in overloads:
            positions = [
                index if name is None else (function.arg_names.index(name) if name in function.arg_names else -1)
                for index, name in enumerate(named)
            ]
            fits = all(
                0 <= position < len(function.args)
                and (self.types is None or self.types.coerces(type_, function.args[position]))
                for position, type_ in zip(positions, given, strict=False)
            )
            if fits:
                found.append(function)
        return tuple(found)

    def resolve_operator(
        self, schema: str | None, name: str, left: Name | None, right: Name | None, *, prefix: bool
    ) -> tuple[Operator, ...]:
        """The operators that ``left name right`` may be; empty when none fits."""
        return self._resolve_operator(schema, name, left, right, prefix)

    def _find_operator(
        self, schema: str | None, name: str, left: Name | None, right: Name | None, prefix: bool
    ) -> tuple[Operator, ...]:
        candidates = [each for each in self.operators(schema, name) if (each.left is None) == prefix]
        if self.types is None or not candidates:
            return tuple(candidates)
        candidates.sort(key=lambda each: self.path.index(each.schema) if each.schema in self.path else 0)
        types = self.types
        if prefix:
            return tuple(types.select(candidates, lambda each: (each.right,), (right,)))
        given = (left, right)
        if None not in given:
            # One unknown literal is first taken to be of the other side's type, domains as what they are based on.
            assumed = (right, right) if left == UNKNOWN else (left, left) if right == UNKNOWN else given
            for pair in (assumed, tuple(types.base(each) for each in assumed if each is not None)):
                exact = [each for each in candidates if (each.left, each.right) == pair]
                if exact and UNKNOWN not in pair:
                    return tuple(exact[:1])
        return tuple(types.select(candidates, lambda each: (each.left or UNKNOWN, each.right), given))

    def ancestors(self, relation: Relation) -> tuple[Name, ...]:
        """Parents by inheritance or partitioning, transitively."""
        assert self.catalog is not None
        found: list[Name] = []
        queue = list(relation.parents)
        while queue:
            parent = queue.pop()
            if parent not in found:
                found.append(parent)
                if known := self.catalog.relation_index.get(parent):
                    queue.extend(known.parents)
        return tuple(found)

    def descendants(self, key: Name) -> tuple[Name, ...]:
        """Children by inheritance or partitioning, transitively."""
        assert self.catalog is not None
        found: list[Name] = []
        queue = list(self.catalog.children_index.get(key, ()))
        while queue:
            child = queue.pop()
            if child not in found:
                found.append(child)
                queue.extend(self.catalog.children_index.get(child, ()))
        return tuple(found)


def _takes(function: Function, count: int, *, variadic: bool) -> bool:
    """Can the function be called with so many arguments?"""
    least = len(function.args) - function.defaults
    if function.variadic and not variadic:
        return count >= least - 1
    return least <= count <= len(function.args)


def declared_arguments(types: Types, function: Function, count: int, *, variadic: bool = False) -> tuple[Name, ...]:
    """The declared types of the first `count` arguments, the variadic one repeated as often as needed."""
    if not function.variadic or variadic or not function.args:
        return function.args[:count]
    last = function.args[-1]
    element = last if last.name == "any" else types.element(last) or _POLYMORPHIC_ELEMENT.get(last.name, last)
    fixed = function.args[:-1]
    return (*fixed, *([element] * max(0, count - len(fixed))))[:count]


_POLYMORPHIC_ELEMENT = {
    "anyarray": Name(PG, "anyelement"),
    "anycompatiblearray": Name(PG, "anycompatible"),
}
