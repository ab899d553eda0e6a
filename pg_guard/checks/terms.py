"""What the words of rules are made of. In: nothing. Out: `Fact`, `Attribute` and the values that attributes have.

A *fact* is a kind of record that a statement is seen to hold, an *attribute* something that is known of each record. An
attribute's value is one of

- a plain value: a `Name`, a text, True or False, a number;
- None, when the record has no such thing: it meets no condition;
- a frozenset, when it has several at once: it meets a condition that one of them meets; with `UNKNOWN` among them there
  may be others;
- `Possible`, when it is one of several and nobody knows which: a condition that only some of them meet is unknown;
- `UNKNOWN`: every condition on it is unknown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

from pg_guard.facts.predicates import Prover

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pg_guard.catalog.model import Catalog, Column, Name, Relation
    from pg_guard.checks.base import Subject
    from pg_guard.facts.model import Facts, ScanUse
    from pg_guard.facts.names import Names
    from pg_guard.facts.scopes import SourceColumn

__all__ = ["UNKNOWN", "Attribute", "Fact", "Kind", "Possible", "Value", "View", "amounts", "one_of", "spellings"]

# Between the words of accessToken, of HTTPHeader and of "Access Token".
_WORDS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^\w$]+")


class _Unknown:
    """The type of `UNKNOWN`."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = _Unknown()


class Possible(NamedTuple):
    """One of these, and nobody knows which; never empty."""

    values: tuple[Any, ...]


Value: TypeAlias = Any
"""A value as the module's docstring tells; `Any`, since each kind of attribute has its own."""

Kind: TypeAlias = Literal["name", "text", "symbol", "flag", "over", "under"]
"""What a condition on an attribute is written as: a pattern for ``schema.name`` or ``name``; a pattern for a text; a text
that is taken as it stands; true or false; a number that the value must be over or under."""


class View:
    """One statement, as rules look at it; what is costly is found once, when it is first asked for."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.facts: Facts = subject.facts
        self.names: Names = subject.names
        self.catalog: Catalog | None = subject.names.catalog
        self._held: dict[SourceColumn, bool] = {}

    @cached_property
    def prover(self) -> Prover:
        """Answers what holds for scans."""
        return Prover()

    def held(self, scan: ScanUse, column: SourceColumn) -> bool:
        """Is a column of a scan held to constants? Each is proved once, however many rules ask."""
        known = self._held.get(column)
        if known is None:
            known = self._held[column] = self.prover.held(scan.level, scan.source, column)
        return known

    @cached_property
    def relations(self) -> tuple[Name, ...]:
        """Every stored relation that the statement may read."""
        return tuple(dict.fromkeys(name for use in self.facts.relations for name in use.names))

    def relation(self, name: Name) -> Relation | None:
        """The catalog's relation of this name."""
        return self.catalog.relation_index.get(name) if self.catalog is not None else None

    def family(self, names: tuple[Name, ...]) -> Value:
        """A relation together with its parents and children, whose rows and columns it shares."""
        relation = self.relation(names[0])
        if relation is None or self.catalog is None:
            return one_of(names)
        if not relation.parents and names[0] not in self.catalog.children_index:
            return names[0]
        return frozenset({names[0], *self.names.ancestors(relation), *self.names.descendants(names[0])})

    def column(self, relation: Name, name: str) -> Column | None:
        """The catalog's column of this name."""
        found = self.relation(relation)
        if found is None:
            return None
        return next((column for column in found.columns if column.name == name), None)

    def rows(self, name: Name) -> Value:
        """The planner's estimate of a relation's rows, its partitions and children counted."""
        relation = self.relation(name)
        if relation is None or self.catalog is None:
            return UNKNOWN
        if relation.kind == "partitioned" and relation.rows >= 0:
            return relation.rows  # already the sum over its partitions
        below = map(self.relation, self.names.descendants(name))
        family = [relation, *(each for each in below if each is not None and each.kind != "partitioned")]
        counted = [each.rows for each in family if each.rows >= 0]
        return sum(counted) if counted else UNKNOWN


@dataclass(frozen=True, slots=True)
class Attribute:
    """Something that is known of each record of a fact.

    Attributes:
        get: Its value for a record; with `needs`, for a record and the test of that other attribute.
        words: All values that it can have, where they are few; a rule that writes another is refused.
        needs: Another attribute that a condition must name together with this one, because it is about that.
        broad: What conditions are asked of instead of `get`, where more than its own value must meet them.
    """

    name: str
    kind: Kind
    description: str
    get: Callable[..., Value]
    words: tuple[str, ...] = ()
    needs: str = ""
    broad: Callable[..., Value] | None = None


def _no_relations(view: View, record: Any) -> tuple[Name, ...]:  # noqa: ARG001 - the form of all of them
    return ()


def _always(record: Any) -> bool:  # noqa: ARG001 - the form of all of them
    return True


@dataclass(frozen=True, slots=True)
class Fact:
    """A kind of record.

    Attributes:
        draw: The records of a statement.
        attributes: In the order in which they are asked for: what is cheap and tells much comes first.
        shown: The attribute that names the record in messages.
        place: Where a record stands, as a byte offset or -1.
        relations: Stored relations that a record is about, all that it may be; empty when it is about none in particular.
        certain: False for a record that may not be there at all, because a name could mean something else.
    """

    name: str
    description: str
    draw: Callable[[View], Iterable[Any]]
    attributes: tuple[Attribute, ...]
    shown: str = "name"
    place: Callable[[Any], int] = field(default=attrgetter("location"))
    relations: Callable[[View, Any], tuple[Name, ...]] = _no_relations
    certain: Callable[[Any], bool] = _always

    def attribute(self, name: str) -> Attribute | None:
        """The attribute of this name."""
        return next((each for each in self.attributes if each.name == name), None)


def one_of(values: Iterable[Any]) -> Value:
    """The value that is one of these: UNKNOWN when there are none."""
    found = tuple(dict.fromkeys(values))
    if not found:
        return UNKNOWN
    return found[0] if len(found) == 1 else Possible(found)


@lru_cache(maxsize=4096)
def spellings(name: str) -> frozenset[str]:
    """A column's name, and the same with underscores where accessToken and "Access Token" begin a word.

    Rules write the names of columns as most people do; the tables that a library makes are spelled otherwise.
    """
    return frozenset({name, _WORDS.sub("_", name)})


def amounts(name: str, what: str, get: Callable[[View, Any], Value]) -> tuple[Attribute, Attribute]:
    """The two attributes ``name_over`` and ``name_under`` of an amount."""
    return (
        Attribute(f"{name}_over", "over", f"{what}: more than this.", get),
        Attribute(f"{name}_under", "under", f"{what}: less than this.", get),
    )
