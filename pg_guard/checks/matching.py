"""Conditions of rules, asked all at once. In: compiled conditions and a statement. Out: what fired, in three values.

A condition holds for *one* record of its fact: all of its attributes must hold on that record (Kleene's logic: what is
not known is neither true nor false). ``any``, ``all`` and ``not`` combine conditions, each about records of its own.

All conditions of all rules on one fact are asked together: a set of conditions is a whole number with a bit for each, an
attribute's value maps to the sets that it may meet and surely meets, and these answers are kept. So a hundred rules cost
little more than one, and an attribute is only asked for when a condition is left that wants it.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from operator import and_, or_
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from pg_guard.checks.terms import UNKNOWN, Possible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from pg_guard.checks.terms import Attribute, Fact, Value, View

__all__ = ["All", "AnyOf", "Condition", "Fired", "Index", "Match", "NotOf", "Truth", "conditions", "solve"]

Truth: TypeAlias = int
"""0 false, 1 unknown, 2 true: `all` is the least, `any` the greatest, `not` what remains of 2."""

FALSE: Final = 0
UNSURE: Final = 1
TRUE: Final = 2

Test: TypeAlias = "Callable[[Any], bool]"
"""Does one known value meet what the rule writes?"""

_MOST_KEPT: Final = 4096
_LONGEST_KEPT: Final = 256
_LARGEST_KEPT: Final = 4096
"""Answers are kept for texts of so many characters at most, and for sets of so many together: names, not whole statements."""


@dataclass(frozen=True, eq=False, slots=True)
class Condition:
    """``fact: {attribute: value, …}``; equality is identity."""

    fact: Fact
    tests: Mapping[str, Test]


@dataclass(frozen=True, eq=False, slots=True)
class AnyOf:
    """``any: […]``."""

    items: tuple[Match, ...]


@dataclass(frozen=True, eq=False, slots=True)
class All:
    """``all: […]``."""

    items: tuple[Match, ...]


@dataclass(frozen=True, eq=False, slots=True)
class NotOf:
    """``not: …``."""

    item: Match


Match: TypeAlias = Condition | AnyOf | All | NotOf


class Fired(NamedTuple):
    """A record that a rule fired on.

    Attributes:
        certain: False when something about it is not known.
        others: Records that other conditions of the same ``all`` fired on.
    """

    fact: Fact
    record: Any
    certain: bool
    others: tuple[Fired, ...] = ()


Hits: TypeAlias = "Mapping[Condition, list[Fired]]"


def conditions(match: Match) -> Iterator[Condition]:
    """All conditions in it."""
    if isinstance(match, Condition):
        yield match
    elif isinstance(match, NotOf):
        yield from conditions(match.item)
    else:
        for item in match.items:
            yield from conditions(item)


def solve(match: Match, hits: Hits) -> tuple[Truth, tuple[Fired, ...]]:
    """Whether a match holds, and the records that make it so; none where it holds by ``not`` alone."""
    if isinstance(match, Condition):
        found = hits.get(match, ())
        truth = TRUE if any(each.certain for each in found) else UNSURE if found else FALSE
        return truth, tuple(found)
    if isinstance(match, NotOf):
        return TRUE - solve(match.item, hits)[0], ()
    answers = [solve(item, hits) for item in match.items]
    if isinstance(match, AnyOf):
        return max(truth for truth, _ in answers), tuple(each for truth, found in answers if truth for each in found)
    truth = min(truth for truth, _ in answers)
    parts = [found for _, found in answers if found]
    if truth == FALSE or not parts:
        return truth, ()
    # The first condition that names records gives the place; the others say what else has a part in it.
    others = tuple(each for found in parts[1:] for each in found)
    if not others:
        return truth, parts[0]
    # Records share what has a part beside them, so that many of them do not hold many copies.
    joined: dict[int, tuple[Fired, ...]] = {id(()): others}
    for each in parts[0]:
        if id(each.others) not in joined:
            joined[id(each.others)] = (*each.others, *others)
    return truth, tuple(each._replace(others=joined[id(each.others)]) for each in parts[0])


def _is_small(value: Value) -> bool:
    if isinstance(value, str):
        return len(value) <= _LONGEST_KEPT
    if isinstance(value, frozenset):
        return sum(len(each) for each in value if isinstance(each, str)) <= _LARGEST_KEPT
    return True


class _Column:
    """One attribute of one fact, as conditions use it.

    Attributes:
        uses: The bits of the conditions that use it.
        kept: By value, the conditions that it may meet, and those that it surely meets.

    Args:
        attribute: The attribute.
        tests: What each of the conditions wants.
        everyone: The bits of all conditions on the fact.
    """

    __slots__ = ("_others", "_tests", "get", "kept", "uses")

    def __init__(self, attribute: Attribute, tests: tuple[tuple[int, Test], ...], everyone: int) -> None:
        self.get = attribute.broad or attribute.get
        self._tests = tests
        self.uses = sum(bit for bit, _ in tests)
        self._others = everyone & ~self.uses
        self.kept: dict[Any, tuple[int, int]] = {}

    def ask(self, value: Value) -> tuple[int, int]:
        """The conditions that a value may meet, and those that it surely meets; the answer is kept."""
        answer = self._answer(value)
        if _is_small(value):
            if len(self.kept) >= _MOST_KEPT:
                self.kept.clear()
            self.kept[value] = answer
        return answer

    def _answer(self, value: Value) -> tuple[int, int]:
        if value is None:
            return self._others, self._others
        if value is UNKNOWN:
            return self._others | self.uses, self._others
        if isinstance(value, frozenset):
            answers = [self._answer(each) for each in value]
            return (
                functools.reduce(or_, (may for may, _ in answers), self._others),
                functools.reduce(or_, (must for _, must in answers), self._others),
            )
        if isinstance(value, Possible):
            answers = [self._answer(each) for each in value.values]
            return functools.reduce(or_, (may for may, _ in answers)), functools.reduce(
                and_, (must for _, must in answers)
            )
        met = self._others | sum(bit for bit, test in self._tests if test(value))
        return met, met


class _Joint:
    """An attribute that is about another one of the same condition, so that each condition is asked by itself."""

    __slots__ = ("attribute", "tests", "uses")

    def __init__(self, attribute: Attribute, tests: tuple[tuple[int, Test, Test], ...]) -> None:
        self.attribute = attribute
        # The other test is asked of each name of a scan's columns at every decision.
        keep = functools.lru_cache(maxsize=_MOST_KEPT)
        self.tests = tuple((bit, test, keep(about)) for bit, test, about in tests)
        self.uses = sum(bit for bit, _, _ in tests)

    def ask(self, view: View, record: Any, may: int, must: int) -> tuple[int, int]:
        for bit, test, about in self.tests:
            if not may & bit:
                continue
            value = self.attribute.get(view, record, about)
            if value is UNKNOWN:
                must &= ~bit
            elif value is None or not test(value):
                may &= ~bit
                must &= ~bit
        return may, must


class _FactIndex:
    """All conditions on one fact."""

    def __init__(self, fact: Fact, wanted: list[Condition]) -> None:
        self.fact = fact
        self._by_bit = {1 << index: condition for index, condition in enumerate(wanted)}
        self._everyone = (1 << len(wanted)) - 1
        self._columns: list[_Column] = []
        self._joints: list[_Joint] = []
        for attribute in fact.attributes:
            name, needs = attribute.name, attribute.needs
            using = [(bit, each.tests) for bit, each in self._by_bit.items() if name in each.tests]
            if using and needs:
                self._joints.append(_Joint(attribute, tuple((bit, each[name], each[needs]) for bit, each in using)))
            elif using:
                tests = tuple((bit, each[name]) for bit, each in using)
                self._columns.append(_Column(attribute, tests, self._everyone))

    def ask(self, view: View, hits: dict[Condition, list[Fired]]) -> None:
        """Add the records that may meet a condition."""
        fact = self.fact
        for record in fact.draw(view):
            may = must = self._everyone
            for column in self._columns:
                if may & column.uses:
                    value = column.get(view, record)
                    one_may, one_must = column.kept.get(value) or column.ask(value)
                    may &= one_may
                    must &= one_must
                    if not may:
                        break
            else:
                for joint in self._joints:
                    if may & joint.uses:
                        may, must = joint.ask(view, record, may, must)
            if may:
                self._note(record, may, must if fact.certain(record) else 0, hits)

    def _note(self, record: Any, may: int, must: int, hits: dict[Condition, list[Fired]]) -> None:
        while may:
            bit = may & -may
            may ^= bit
            condition = self._by_bit[bit]
            hits.setdefault(condition, []).append(Fired(self.fact, record, bool(must & bit)))


class Index:
    """All conditions of all rules, by fact.

    Args:
        matches: What the rules match.
    """

    def __init__(self, matches: Iterable[Match]) -> None:
        by_fact: dict[str, list[Condition]] = {}
        for condition in dict.fromkeys(condition for match in matches for condition in conditions(match)):
            by_fact.setdefault(condition.fact.name, []).append(condition)
        self._facts = [_FactIndex(wanted[0].fact, wanted) for wanted in by_fact.values()]

    def ask(self, view: View) -> tuple[dict[Condition, list[Fired]], list[tuple[Fact, Exception]]]:
        """The records that each condition fires on, and the facts that could not be asked, with the reason."""
        hits: dict[Condition, list[Fired]] = {}
        failures: list[tuple[Fact, Exception]] = []
        for index in self._facts:
            try:
                index.ask(view, hits)
            except Exception as error:  # noqa: BLE001 - one failing fact must not hide what the others show
                failures.append((index.fact, error))
        return hits, failures
