"""Rules of packs. In: the rules that a policy puts in force, and a statement. Out: findings of those that fire.

A rule fires when its match is true, or cannot be told (`ActiveRule.skip_unknown` changes that for warnings). A rule that
fails refuses the statement: no rule is ever passed over in silence.
"""

from __future__ import annotations

import datetime
import functools
import operator
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from pg_guard.catalog.model import Name
from pg_guard.checks.matching import FALSE, TRUE, Index, conditions, solve
from pg_guard.checks.terms import UNKNOWN, Possible, View
from pg_guard.checks.vocabulary import DETAILED
from pg_guard.decision import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pg_guard.checks.base import Subject
    from pg_guard.checks.matching import Condition, Fired, Match
    from pg_guard.checks.patterns import NameSet
    from pg_guard.decision import Severity

__all__ = ["ActiveRule", "Lift", "PackCheck", "Template", "utc_today"]

MOST_FINDINGS: Final = 20
"""Findings of one rule on one statement; more of them tell nothing new."""
_LONGEST_FIELD: Final = 80


def utc_today() -> datetime.date:
    """The day in UTC."""
    return datetime.datetime.now(datetime.UTC).date()


class Template:
    """A message with fields, as in ``{relation} exposes password hashes``; ``{{`` and ``}}`` are braces.

    Fields are names only: nothing of them is ever evaluated.
    """

    __slots__ = ("_parts", "fields")

    def __init__(self, text: str) -> None:
        pieces = re.split(r"(\{\{|\}\}|\{\w+\})", text)
        self._parts = tuple(
            (piece[1:-1], True)
            if len(piece) > 2 and piece[0] == "{"
            else ({"{{": "{", "}}": "}"}.get(piece, piece), False)
            for piece in pieces
            if piece
        )
        self.fields = tuple(part for part, is_field in self._parts if is_field)

    def fill(self, value: Callable[[str], str]) -> str:
        """The text with each field replaced."""
        return "".join(value(part) if is_field else part for part, is_field in self._parts)


@dataclass(frozen=True, slots=True)
class Lift:
    """An exception of the policy, for one rule.

    Attributes:
        tables: Relations that it holds for; None for all.
        expires: Its last day, in UTC.
    """

    id: str
    tables: NameSet | None
    expires: datetime.date

    def covers(self, names: tuple[Name, ...], via: tuple[Name, ...]) -> bool:
        """Does it hold for what may be any of these relations, or was reached through others?"""
        tables = self.tables
        if tables is None:
            return True
        return (bool(names) and all(name in tables for name in names)) or any(step in tables for step in via)


@dataclass(frozen=True, slots=True)
class ActiveRule:
    """A rule as a policy puts it in force.

    Attributes:
        skip_unknown: Do not fire where the match cannot be told; for warnings only.
        lifts: Exceptions of the policy that name this rule.
    """

    id: str
    severity: Severity
    effect: Literal["deny", "warn"]
    match: Match
    message: Template
    remediation: Template
    skip_unknown: bool = False
    lifts: tuple[Lift, ...] = ()


@dataclass(frozen=True)
class PackCheck:
    """All rules of all packs.

    Args:
        rules: The rules.
        today: The day in UTC, asked for at each decision: an exception ends while a server runs.
    """

    rules: tuple[ActiveRule, ...]
    today: Callable[[], datetime.date] = utc_today
    _index: Index = field(init=False)
    _by_condition: dict[Condition, tuple[int, ...]] = field(init=False)
    _always: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        by_condition: dict[Condition, list[int]] = {}
        for number, rule in enumerate(self.rules):
            for condition in conditions(rule.match):
                by_condition.setdefault(condition, []).append(number)
        object.__setattr__(self, "_index", Index(rule.match for rule in self.rules))
        object.__setattr__(self, "_by_condition", {each: tuple(found) for each, found in by_condition.items()})
        # Rules that hold where nothing is found, by `not`; all others need a condition that something meets.
        always = (number for number, rule in enumerate(self.rules) if solve(rule.match, {})[0] != FALSE)
        object.__setattr__(self, "_always", tuple(always))

    @property
    def detailed(self) -> bool:
        """Does a rule ask for facts that only a detailed reading finds?"""
        return any(condition.fact.name in DETAILED for condition in self._by_condition)

    def conditions(self, fact: str) -> tuple[Condition, ...]:
        """The conditions of all rules on one fact."""
        return tuple(condition for condition in self._by_condition if condition.fact.name == fact)

    def __call__(self, subject: Subject) -> Iterator[Finding]:
        """Yield a finding for each record that a rule fires on."""
        view = View(subject)
        hits, failures = self._index.ask(view)
        for fact, error in failures:
            yield _failed(f"what it knows of {fact.name}", error)
        wanted = set(self._always).union(*(self._by_condition[condition] for condition in hits))
        for number in sorted(wanted):
            rule = self.rules[number]
            try:
                truth, fired = solve(rule.match, hits)
                least = TRUE if rule.skip_unknown else TRUE - 1
                if truth >= least:
                    yield from self._findings(view, rule, fired, sure=truth == TRUE)
            except Exception as error:  # noqa: BLE001 - a rule that fails refuses, and the others are still heard
                yield _failed(f"the rule {rule.id}", error)

    def _findings(self, view: View, rule: ActiveRule, fired: tuple[Fired, ...], *, sure: bool) -> list[Finding]:
        if rule.skip_unknown:
            fired = tuple(each for each in fired if each.certain) or fired[:1]
        found: dict[tuple[int, str], Finding] = {}
        counts = {"deny": 0, "warn": 0}
        lifting = _Lifting(view, rule.lifts, self.today()) if rule.lifts else None
        for each in fired or (None,):
            lift = lifting.of(each) if lifting is not None else None
            effect = "warn" if lift is not None else rule.effect
            # INVARIANT: what is lifted never crowds out what is not.
            if counts[effect] >= MOST_FINDINGS:
                continue
            place = each.fact.place(each.record) if each is not None else -1
            show = functools.partial(_show, view, each)
            message, remediation = rule.message.fill(show), rule.remediation.fill(show)
            if not sure or (each is not None and not each.certain):
                message, remediation = _unsure(view, each, message, remediation)
            if lift is not None:
                message += f" (lifted by the exception {lift.id} until {lift.expires})"
            if (place, message) in found:
                continue
            counts[effect] += 1
            span = view.subject.sql.span(place)
            found[place, message] = Finding(rule.id, rule.severity, message, remediation, span, effect)
        return list(found.values())


class _Lifting:
    """Which exception lifts a finding: one that covers every relation which has a part in it.

    A record is about its own relations, else about all that the statement reads; where other conditions of the same
    ``all`` have a part, so have their records.
    """

    def __init__(self, view: View, lifts: tuple[Lift, ...], today: datetime.date) -> None:
        self._view = view
        self._lifts = tuple(lift for lift in lifts if today <= lift.expires)
        # Bit by bit the lifts that cover everything, and those that cover a tuple of other records.
        self._everything: int | None = None
        self._of_others: dict[int, int] = {}

    def of(self, fired: Fired | None) -> Lift | None:
        """The first exception that covers it, or None."""
        covering = self._all() if fired is None else self._covering(fired)
        return next((lift for index, lift in enumerate(self._lifts) if covering >> index & 1), None)

    def _covering(self, fired: Fired) -> int:
        names = fired.fact.relations(self._view, fired.record)
        covering = self._ask(names, getattr(fired.record, "via", ())) if names else self._all()
        if covering and fired.others:
            key = id(fired.others)
            if key not in self._of_others:
                self._of_others[key] = _common(self._covering(other) for other in fired.others)
            covering &= self._of_others[key]
        return covering

    def _ask(self, names: tuple[Name, ...], via: tuple[Name, ...]) -> int:
        return sum(1 << index for index, lift in enumerate(self._lifts) if lift.covers(names, via))

    def _all(self) -> int:
        if self._everything is None:
            unlimited = sum(1 << index for index, lift in enumerate(self._lifts) if lift.tables is None)
            covering = _common(self._ask((name,), ()) for name in self._view.relations)
            self._everything = covering if self._view.relations else unlimited
        return self._everything


def _common(sets: Iterable[int]) -> int:
    return functools.reduce(operator.and_, sets, -1)


def _show(view: View, fired: Fired | None, name: str) -> str:
    """The text of a message's field: of the record, else of another that has a part in it, else of the record's own name."""
    if fired is None:
        return "the statement"
    for each in (fired, *fired.others):
        fact = each.fact
        attribute = fact.attribute(name) or fact.attribute(f"{name}_over")
        if attribute is None and name == fact.name:
            attribute = fact.attribute(fact.shown)
        if attribute is not None and not attribute.needs:
            value = attribute.get(view, each.record)
            if value is UNKNOWN and getattr(each.record, "name", "") == "*":
                return "*"  # a star, of which nobody knows the columns
            return _text(view, value)
    shown = fired.fact.attribute(fired.fact.shown)
    return _text(view, shown.get(view, fired.record)) if shown is not None else fired.fact.name


def _unsure(view: View, fired: Fired | None, message: str, remediation: str) -> tuple[str, str]:
    """Say that a rule fired because something is not known, and what would tell."""
    names = fired.fact.relations(view, fired.record) if fired is not None else ()
    if names and names[0].schema == "pg_catalog" and names[0].name.startswith("pg_"):
        return message, remediation  # pg_catalog is searched first, and has what is named like this
    if view.catalog is not None:
        return f"It cannot be ruled out: {message}", remediation
    if fired is not None and getattr(fired.record, "name", "") == "*":
        remediation = "Name the columns instead of a star or a whole row."
    remediation += " Given a catalog of the database (--catalog), the guard can tell."
    return f"Without a catalog it cannot be ruled out: {message}", remediation


def _text(view: View, value: Any) -> str:
    if value is None:
        return "nothing"
    if value is UNKNOWN:
        return "something that is not known"
    if isinstance(value, Possible):
        first = value.values[0]
        if all(isinstance(each, Name) and each.name == first.name for each in value.values):
            return str(first.name)  # in a schema that nobody knows
        return _text(view, first)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return f"{value:,.0f}"
    if isinstance(value, frozenset):
        return ", ".join(sorted(_text(view, each) for each in value if each is not UNKNOWN))[:_LONGEST_FIELD]
    if isinstance(value, tuple):
        return view.subject.show((value,)) if len(value) == 2 else str(value)  # type: ignore[arg-type] # a Name
    text = str(value)
    return text if len(text) <= _LONGEST_FIELD else text[: _LONGEST_FIELD - 1] + "…"


def _failed(what: str, error: Exception) -> Finding:
    return Finding(
        "internal/error",
        "high",
        f"The guard failed on {what} ({type(error).__name__}), so the statement is refused.",
        "Report the statement as a defect of pg-guard or of the rule pack; meanwhile write it in another way.",
    )
