"""Names to objects, as PostgreSQL looks them up. In: a catalog and a search_path. Out: relations, functions, types.

The implicit order is PostgreSQL's: pg_catalog is searched first unless the search_path names it (documentation, section
5.10.5). Temporary schemas are left out: the executor hands out clean connections and its transactions are read-only.
"""

from __future__ import annotations

from functools import cached_property

from pg_guard.catalog.model import Catalog, Function, Name, Operator, Relation, Type

__all__ = ["ANY_TYPES", "Names", "PG", "UNKNOWN"]

PG = "pg_catalog"
UNKNOWN = Name(PG, "unknown")
ANY_TYPES = frozenset(
    {
        "any", "anyelement", "anyarray", "anynonarray", "anyenum", "anyrange", "anymultirange", "anycompatible",
        "anycompatiblearray", "anycompatiblenonarray", "anycompatiblerange", "anycompatiblemultirange", "record", "_record",
    }
)  # fmt: skip
SYSTEM_COLUMNS = frozenset({"ctid", "xmin", "cmin", "xmax", "cmax", "tableoid"})


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

    @cached_property
    def user_operator_names(self) -> frozenset[str]:
        """Names of operators outside of pg_catalog: only these need a look at their functions."""
        if self.catalog is None:
            return frozenset()
        return frozenset(operator.name for operator in self.catalog.operators if operator.schema != PG)

    @cached_property
    def user_casts(self) -> dict[Name, tuple[Name, ...]]:
        """Functions of casts outside of pg_catalog by the type cast to."""
        found: dict[Name, tuple[Name, ...]] = {}
        if self.catalog is not None:
            for cast in self.catalog.casts:
                if cast.function is not None and cast.function.schema != PG:
                    found[cast.target] = (*found.get(cast.target, ()), cast.function)
        return found

    def relation(self, schema: str | None, name: str) -> Relation | None:
        """The relation that PostgreSQL would find, or None."""
        assert self.catalog is not None
        index = self.catalog.relation_index
        if schema is not None:
            return index.get(Name(schema, name))
        for candidate in self.path:
            if found := index.get(Name(candidate, name)):
                return found
        return None

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

    def operators(self, schema: str | None, name: str) -> tuple[Operator, ...]:
        if self.catalog is None:
            return ()
        found = self.catalog.operator_index.get(name, ())
        if schema is not None:
            return tuple(each for each in found if each.schema == schema)
        return tuple(each for each in found if each.schema in self.path)

    def type(self, schema: str | None, name: str) -> Type | None:
        if self.catalog is None:
            return None
        index = self.catalog.type_index
        if schema is not None:
            return index.get(Name(schema, name))
        for candidate in self.path:
            if found := index.get(Name(candidate, name)):
                return found
        return None

    def accepts(self, wanted: Name, given: Name | None) -> bool:
        """Could an argument of type `given` be passed where `wanted` is declared? True whenever in doubt."""
        if given is None or given == wanted or given == UNKNOWN or self.catalog is None:
            return True
        if wanted.schema == PG and wanted.name in ANY_TYPES:
            return True
        source = self.catalog.type_index.get(given)
        target = self.catalog.type_index.get(wanted)
        if source is None or target is None:
            return True
        if source.kind == "domain" and source.base is not None:
            return self.accepts(wanted, source.base)
        if source.kind == "array" and target.kind == "array":
            return source.element is None or target.element is None or self.accepts(target.element, source.element)
        if source.kind == "composite" or target.kind in ("domain", "composite"):
            return True
        return (given, wanted) in self._implicit

    @cached_property
    def _implicit(self) -> frozenset[tuple[Name, Name]]:
        assert self.catalog is not None
        return frozenset((cast.source, cast.target) for cast in self.catalog.casts if cast.context == "implicit")

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
