"""Which overload PostgreSQL would choose. In: candidates and argument types. Out: the choice, or all that remain possible.

The algorithm is PostgreSQL's own (documentation, sections 10.2, 10.3 and 10.5; func_select_candidate in
src/backend/parser/parse_func.c, select_common_type in parse_coerce.c). A type that is not known (None) rules nothing out:
then every candidate that could be meant is kept, and the checks look at all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TypeVar

from pg_guard.catalog.model import Catalog, Name, Type

__all__ = ["PG", "POLYMORPHIC", "RECORD", "UNKNOWN", "Types"]

PG = "pg_catalog"
UNKNOWN = Name(PG, "unknown")
RECORD = Name(PG, "record")
_TEXT = Name(PG, "text")
_ANY_ELEMENT = frozenset({"anyelement", "anynonarray", "anyenum"})
_ANY_COMPATIBLE = frozenset({"anycompatible", "anycompatiblenonarray"})
_ANY_ARRAY = frozenset({"anyarray", "anycompatiblearray"})
_ANY_RANGE = frozenset({"anyrange", "anycompatiblerange"})
_ANY_MULTIRANGE = frozenset({"anymultirange", "anycompatiblemultirange"})
POLYMORPHIC = _ANY_ELEMENT | _ANY_COMPATIBLE | _ANY_ARRAY | _ANY_RANGE | _ANY_MULTIRANGE

T = TypeVar("T")
Given = Sequence[Name | None]


class Types:
    """Type rules of one catalog."""

    def __init__(self, catalog: Catalog) -> None:
        self._index = catalog.type_index
        self._catalog = catalog
        # Only names of the catalog come in, so this is bounded.
        self._parts: dict[Name, frozenset[Name]] = {}
        self._nested: dict[Name, tuple[tuple[Name, str], ...]] = {}

    @cached_property
    def _implicit(self) -> frozenset[tuple[Name, Name]]:
        return frozenset((cast.source, cast.target) for cast in self._catalog.casts if cast.context == "implicit")

    @cached_property
    def _arrays(self) -> dict[Name, Name]:
        return {type_.element: type_.key for type_ in self._catalog.types if type_.kind == "array" and type_.element}

    @cached_property
    def user_casts(self) -> dict[Name, tuple[tuple[Name, Name, bool], ...]]:
        """Casts whose function is not PostgreSQL's, by target: (source, function, implicit)."""
        found: dict[Name, tuple[tuple[Name, Name, bool], ...]] = {}
        for cast in self._catalog.casts:
            own = cast.function is not None and (cast.function.schema != PG or cast.function in self._catalog.planted)
            if own and cast.function is not None:
                entry = (cast.source, cast.function, cast.context == "implicit")
                found[cast.target] = (*found.get(cast.target, ()), entry)
        return found

    def base(self, name: Name) -> Name:
        """The type below any domains."""
        found = self._index.get(name)
        while found is not None and found.kind == "domain" and found.base is not None:
            name = found.base
            found = self._index.get(name)
        return name

    def element(self, name: Name | None) -> Name | None:
        """The element type of an array type, or None."""
        found = self._index.get(self.base(name)) if name is not None else None
        return found.element if found is not None and found.kind == "array" else None

    def array_of(self, name: Name | None) -> Name | None:
        """The array type over an element type, or None."""
        return self._arrays.get(name) if name is not None else None

    def find(self, name: Name) -> Type | None:
        """The type of this name, or None."""
        return self._index.get(name)

    def parts(self, name: Name) -> frozenset[Name]:
        """The type and every type inside of it: a domain's base, an array's element, a row's columns, a range's bounds."""
        found = self._parts.get(name)
        if found is None:
            inside: set[Name] = set()
            queue = [name]
            while queue:
                current = queue.pop()
                if current not in inside:
                    inside.add(current)
                    queue.extend(self._directly_inside(current))
            found = self._parts[name] = frozenset(inside)
        return found

    def nested(self, name: Name) -> tuple[tuple[Name, str], ...]:
        """Columns of the row types inside of a type, as (relation, column): what reading a value of it shows."""
        found = self._nested.get(name)
        if found is None:
            rows = [self._index[part].relation for part in sorted(self.parts(name)) if part in self._index]
            relations = [self._catalog.relation_index.get(row) for row in rows if row is not None]
            found = tuple((each.key, column.name) for each in relations if each is not None for column in each.columns)
            self._nested[name] = found
        return found

    def _directly_inside(self, name: Name) -> list[Name]:
        type_ = self._index.get(name)
        if type_ is None:
            return []
        found = [each for each in (type_.base, type_.element) if each is not None]
        return [*found, *self.columns(name)]

    def columns(self, name: Name) -> tuple[Name, ...]:
        """The types of a composite type's columns."""
        type_ = self._index.get(name)
        if type_ is None or type_.relation is None:
            return ()
        relation = self._catalog.relation_index.get(type_.relation)
        return tuple(column.type for column in relation.columns) if relation is not None else ()

    def coerces(self, given: Name | None, wanted: Name) -> bool:
        """Could a value of type `given` be passed where `wanted` is declared, without an explicit cast?"""
        if given is None or given in (wanted, UNKNOWN):
            return True
        source, target = self.find(given), self.find(wanted)
        if source is None or target is None:
            return True
        if wanted.schema == PG:
            if wanted.name in ("any", "anyelement", "anycompatible"):
                return True
            if wanted.name in ("anynonarray", "anycompatiblenonarray"):
                return self._kind(given) != "array"
            if wanted.name in _ANY_ARRAY:
                return self._kind(given) == "array"
            if wanted.name == "anyenum":
                return self._kind(given) == "enum"
            if wanted.name in _ANY_RANGE:
                return self._kind(given) == "range"
            if wanted.name in _ANY_MULTIRANGE:
                return self._kind(given) == "multirange"
            if wanted.name == "record":
                return self._kind(given) == "composite" or given == RECORD
        given_base, wanted_base = self.base(given), self.base(wanted)
        if given_base == wanted_base or (given_base, wanted_base) in self._implicit:
            return True
        if given_base == RECORD and self._kind(wanted) == "composite":
            return True
        if source.kind == "composite" and target.kind == "composite":
            return self._inherits(source, target)
        one, other = self.element(given_base), self.element(wanted_base)
        return one is not None and other is not None and self.coerces(one, other)

    def _inherits(self, source: Type, target: Type) -> bool:
        if source.relation is None or target.relation is None:
            return False
        queue, seen = [source.relation], set()
        while queue:
            current = queue.pop()
            if current == target.relation:
                return True
            if current not in seen and (relation := self._catalog.relation_index.get(current)):
                seen.add(current)
                queue.extend(relation.parents)
        return False

    def _kind(self, name: Name) -> str:
        found = self.find(self.base(name))
        return found.kind if found is not None else "base"

    def _category(self, name: Name) -> str:
        found = self.find(self.base(name))
        return found.category if found is not None else "U"

    def _preferred(self, name: Name) -> bool:
        found = self.find(name)
        return found is not None and found.preferred

    # -- overloads ---------------------------------------------------------------------------------------------------

    def select(self, candidates: Sequence[T], wanted_by: Callable[[T], Sequence[Name]], given: Given) -> list[T]:
        """The candidates that a call with these argument types may reach, in the order of the search_path.

        One, where all types are known and PostgreSQL finds a best one; otherwise every candidate that fits. An empty list
        means that none fits: PostgreSQL will refuse the call.
        """
        count = len(given)
        rows = [(each, tuple(wanted_by(each))[:count]) for each in candidates]
        if None in given:
            return [each for each, wanted in rows if self._fits(wanted, given)]
        known = [name for name in given if name is not None]
        exact = [each for each, wanted in rows if wanted == tuple(known)]
        if exact:
            return exact[:1]
        rows = [row for row in rows if self._fits(row[1], known)]
        # The same arguments in two schemas: the earlier one hides the later.
        unique: dict[tuple[Name, ...], tuple[T, tuple[Name, ...]]] = {}
        for row in rows:
            unique.setdefault(row[1], row)
        rows = list(unique.values())
        if len(rows) > 1:
            rows = self._best(rows, known)
        return [each for each, _ in rows]

    def _fits(self, wanted: Sequence[Name], given: Given) -> bool:
        return all(self.coerces(one, other) for one, other in zip(given, wanted, strict=False)) and (
            sum(name.name in POLYMORPHIC and name.schema == PG for name in wanted) < 2 or self._agree(wanted, given)
        )

    def _agree(self, wanted: Sequence[Name], given: Given) -> bool:
        """Do polymorphic arguments fit each other? (check_generic_type_consistency)"""
        equal: set[Name] = set()
        compatible: list[Name] = []
        for declared, type_ in zip(wanted, given, strict=False):
            if type_ is None or type_ == UNKNOWN or declared.schema != PG or declared.name not in POLYMORPHIC:
                continue
            element = self._element_for(declared, type_)
            if element is not None:
                compatible.append(element) if "compatible" in declared.name else equal.add(element)
        return len(equal) < 2 and (len(set(compatible)) < 2 or self.common(compatible) is not None)

    def _element_for(self, declared: Name, given: Name) -> Name | None:
        """The element type that an argument of a polymorphic type stands for."""
        if declared.name in _ANY_ARRAY:
            return self.element(given)
        if declared.name in _ANY_RANGE | _ANY_MULTIRANGE:
            found = self.find(self.base(given))
            if found is not None and declared.name in _ANY_MULTIRANGE and found.base is not None:
                found = self.find(found.base)
            return found.base if found is not None else None
        return given

    def _best(self, rows: list[tuple[T, tuple[Name, ...]]], given: list[Name]) -> list[tuple[T, tuple[Name, ...]]]:
        bases = [name if name == UNKNOWN else self.base(name) for name in given]
        known = [index for index, name in enumerate(bases) if name != UNKNOWN]

        def keep_most(score: Callable[[tuple[Name, ...]], int]) -> list[tuple[T, tuple[Name, ...]]]:
            scores = [score(wanted) for _, wanted in rows]
            return [row for row, each in zip(rows, scores, strict=True) if each == max(scores)]

        rows = keep_most(lambda wanted: sum(wanted[index] == bases[index] for index in known))
        if len(rows) == 1:
            return rows

        def preferred(wanted: tuple[Name, ...]) -> int:
            return sum(
                wanted[index] == bases[index]
                or (self._preferred(wanted[index]) and self._category(wanted[index]) == self._category(bases[index]))
                for index in known
            )

        rows = keep_most(preferred)
        if len(rows) == 1 or len(known) == len(bases):
            return rows
        narrowed = self._by_category(rows, [index for index, name in enumerate(bases) if name == UNKNOWN])
        if narrowed:
            rows = narrowed
        if len(rows) > 1 and known and len({bases[index] for index in known}) == 1:
            # Unknown literals are taken to be of the type that all known arguments have.
            assumed = bases[known[0]]
            alike = [row for row in rows if all(self.coerces(assumed, wanted) for wanted in row[1])]
            if len(alike) == 1:
                return alike
        return rows

    def _by_category(
        self, rows: list[tuple[T, tuple[Name, ...]]], unknown: list[int]
    ) -> list[tuple[T, tuple[Name, ...]]]:
        """Keep candidates whose arguments at unknown literals are of the category that is meant; [] when unresolved."""
        wanted_category: dict[int, tuple[str, bool]] = {}
        for index in unknown:
            category, has_preferred, conflict = "", False, False
            for _, wanted in rows:
                own = self._category(wanted[index])
                is_preferred = self._preferred(wanted[index])
                if not category:
                    category, has_preferred = own, is_preferred
                elif own == category:
                    has_preferred = has_preferred or is_preferred
                elif own == "S":
                    category, has_preferred = own, is_preferred
                else:
                    # A string category may still be found among the rest, and always wins.
                    conflict = True
            if conflict and category != "S":
                return []
            wanted_category[index] = (category, has_preferred)
        return [
            row
            for row in rows
            if all(
                self._category(row[1][index]) == category and (not has_preferred or self._preferred(row[1][index]))
                for index, (category, has_preferred) in wanted_category.items()
            )
        ]

    # -- results -----------------------------------------------------------------------------------------------------

    def result(self, declared: Name, wanted: Sequence[Name], given: Given) -> Name | None:
        """The type of a call's result: polymorphic results follow the arguments; None when it cannot be told."""
        if declared.schema != PG or declared.name not in POLYMORPHIC:
            return None if declared == RECORD else declared
        elements: list[Name | None] = []
        compatible = "compatible" in declared.name
        for one, other in zip(wanted, given, strict=False):
            if one.schema != PG or one.name not in POLYMORPHIC or ("compatible" in one.name) != compatible:
                continue
            if one.name == declared.name and one.name in _ANY_RANGE | _ANY_MULTIRANGE:
                return self.base(other) if other is not None else None
            elements.append(other if other is None or other == UNKNOWN else self._element_for(one, other))
        known = [name for name in elements if name is not None and name != UNKNOWN]
        if not known:
            element = _TEXT if elements and None not in elements else None
        elif None in elements:
            element = None
        else:
            element = self.common(known) if compatible else known[0]
        if declared.name in _ANY_ARRAY:
            return self.array_of(element)
        return element if declared.name in _ANY_ELEMENT | _ANY_COMPATIBLE else None

    def common(self, given: Given) -> Name | None:
        """The type that CASE, COALESCE, ARRAY, VALUES and UNION give their parts; None when it cannot be told."""
        if None in given:
            return None
        known = [name for name in given if name is not None and name != UNKNOWN]
        if not known:
            return _TEXT
        if len(set(known)) == 1:
            # A domain survives only where every part is of it; next to an untyped literal it gives way to its base.
            return known[0] if len(known) == len(given) else self.base(known[0])
        chosen = self.base(known[0])
        for name in known[1:]:
            other = self.base(name)
            if other == chosen or self._preferred(chosen):
                continue
            if self._category(other) != self._category(chosen):
                return None
            if self.coerces(chosen, other) and not self.coerces(other, chosen):
                chosen = other
        return chosen
