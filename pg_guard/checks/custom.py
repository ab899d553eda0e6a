"""Checks of one's own, in Python. In: a callable. Out: a check that asks it about each statement, and refuses if it fails.

A check is a callable that takes a `Statement` and returns findings::

    def no_payroll_at_night(statement: Statement) -> Iterator[Finding]:
        for scan in statement.records("scan"):
            if scan["relation"] == "hr.payroll" and not 6 <= datetime.now().hour < 20:
                yield statement.finding("house/night", "The payroll is closed at night.", "Ask by day.", at=scan)

    guard = Guard(policy, catalog, checks=[no_payroll_at_night])

What it sees is what rules of packs see: the facts and attributes of `pg_guard.checks.vocabulary`, under the same names. It
is called for every statement that could be read, from several threads at once, and must neither block nor keep state. A
check that raises refuses the statement (rule ``check/failed``); the other checks are still heard.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn, TypeAlias

from pg_guard.catalog.model import Name
from pg_guard.checks.terms import UNKNOWN as NOT_KNOWN
from pg_guard.checks.terms import Attribute, Fact, Possible, View
from pg_guard.checks.vocabulary import VOCABULARY
from pg_guard.decision import Finding, Severity, Span

if TYPE_CHECKING:
    from pg_guard.catalog.model import Catalog
    from pg_guard.checks.base import Subject

__all__ = ["UNKNOWN", "CheckFunction", "CustomCheck", "Record", "Statement", "UnknownError"]

MOST_FINDINGS: Final = 100
"""Findings of one check on one statement: a check that never ends must not keep the decision from being made."""


class UnknownError(Exception):
    """A check went on as if it knew what is not known."""


class _Unknown:
    """The type of `UNKNOWN`: whoever compares it or takes it for true or false raises `UnknownError`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "UNKNOWN"

    def _refuse(self, *_: object) -> NoReturn:
        raise UnknownError("the value is not known; compare it with `is UNKNOWN` first")

    __bool__ = __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __iter__ = __len__ = _refuse
    __hash__ = object.__hash__


UNKNOWN: Final = _Unknown()
"""The value of an attribute that cannot be known, for want of a catalog or of statistics. It can only be tested by
``is UNKNOWN``; any other use raises, so that a check which forgets it refuses the statement."""


class Record(Mapping[str, Any]):
    """One record of a fact: its attributes by name.

    A value is a text, a truth value, a number, None when the record has no such thing, a frozenset when it has several,
    or `UNKNOWN`. Names of stored objects are texts, as in ``public.orders``. Attributes that rules compare with
    ``_over`` and ``_under`` have one name here, without the ending.

    Attributes:
        fact: The fact, as in ``scan``.
        certain: False for a record that may not be there at all, because a name could mean something else.
        span: Its place in the text, or None.
    """

    __slots__ = ("_fact", "_record", "_view")

    def __init__(self, view: View, fact: Fact, record: Any) -> None:
        self._view = view
        self._fact = fact
        self._record = record

    @property
    def fact(self) -> str:
        """The fact that it is a record of."""
        return self._fact.name

    @property
    def certain(self) -> bool:
        """False for a record that may not be there at all."""
        return self._fact.certain(self._record)

    @property
    def span(self) -> Span | None:
        """Its place in the text."""
        return self._view.subject.sql.span(self._fact.place(self._record))

    def __getitem__(self, name: str) -> Any:
        attribute = self._attribute(name)
        if attribute.needs:
            raise KeyError(f"{name} is about one {attribute.needs}: ask for it with about()")
        return _plain(attribute.get(self._view, self._record))

    def possible(self, name: str) -> frozenset[Any]:
        """All values of which the attribute has one or, where it can have several at once, has some.

        Raises:
            KeyError: The fact has no such attribute.
            UnknownError: Nothing is known of it.
        """
        value = self._attribute(name).get(self._view, self._record)
        if value is NOT_KNOWN or (isinstance(value, frozenset) and NOT_KNOWN in value):
            raise UnknownError(f"{name} is not known")
        if isinstance(value, Possible):
            return frozenset(map(_plain, value.values))
        if isinstance(value, frozenset):
            return frozenset(map(_plain, value))
        return frozenset() if value is None else frozenset({_plain(value)})

    def about(self, name: str, value: str) -> Any:
        """An attribute that is about one value of another, as in ``scan.about("held", "tenant_id")``.

        Raises:
            KeyError: The fact has no such attribute, or it is not about another.
        """
        attribute = self._attribute(name)
        if not attribute.needs:
            raise KeyError(f"{name} is not about another attribute: ask for it by its name")
        return _plain(attribute.get(self._view, self._record, value.__eq__))

    def __iter__(self) -> Iterator[str]:
        names = (_short(attribute) for attribute in self._fact.attributes if not attribute.needs)
        return iter(dict.fromkeys(names))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"Record({self.fact}: {dict(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Record) and other._record is self._record

    def __hash__(self) -> int:
        return id(self._record)

    def _attribute(self, name: str) -> Attribute:
        for attribute in self._fact.attributes:
            if _short(attribute) == name:
                return attribute
        known = ", ".join(dict.fromkeys(_short(attribute) for attribute in self._fact.attributes))
        raise KeyError(f"the fact {self.fact} has no attribute {name!r}; it has {known}")


class Statement:
    """One statement, as checks of one's own see it.

    Attributes:
        sql: The text.
        kind: Kind of the outermost statement, as in ``select``.
        catalog: The catalog under which names were resolved, or None.
        search_path: The schemas in which names without a schema were looked up.
        principal: What is known of who asks, attributes of the policy's `principals` included; it cannot be changed.
    """

    def __init__(self, subject: Subject) -> None:
        self._view = View(subject)
        self.sql = subject.sql.text
        self.kind = subject.facts.kind
        self.catalog: Catalog | None = subject.names.catalog
        self.search_path: tuple[str, ...] = tuple(subject.names.search_path)
        self.principal: Mapping[str, object] = MappingProxyType(dict(subject.principal))

    def records(self, fact: str) -> tuple[Record, ...]:
        """All records of a fact: ``relation``, ``column``, ``function``, ``scan``, ``join`` …

        Raises:
            KeyError: There is no such fact.
        """
        if fact not in VOCABULARY:
            raise KeyError(f"there is no fact {fact!r}; there are {', '.join(VOCABULARY)}")
        found = VOCABULARY[fact]
        return tuple(Record(self._view, found, record) for record in found.draw(self._view))

    def finding(
        self,
        rule: str,
        message: str,
        remediation: str = "",
        *,
        severity: Severity = "medium",
        effect: Literal["deny", "warn"] = "deny",
        at: Record | None = None,
    ) -> Finding:
        """A finding.

        Args:
            rule: A stable id, as in ``house/night``.
            message: What was found, in one sentence.
            remediation: What to write instead, in one sentence.
            severity: How bad it is.
            effect: ``deny`` refuses the statement, ``warn`` is reported only.
            at: The record whose place is shown; None for the whole statement.
        """
        return Finding(rule, severity, message, remediation, at.span if at is not None else None, effect)


CheckFunction: TypeAlias = Callable[[Statement], Iterable[Finding]]
"""A check of one's own."""


class CustomCheck:
    """A check of one's own among the others.

    Args:
        check: The callable.
    """

    def __init__(self, check: CheckFunction) -> None:
        if not callable(check):
            raise TypeError(f"a check is a callable that takes a Statement, not {type(check).__name__}")
        self._check = check
        module = getattr(check, "__module__", type(check).__module__)
        self.name = f"{module}.{getattr(check, '__qualname__', type(check).__qualname__)}"

    def __call__(self, subject: Subject) -> Iterator[Finding]:
        """Yield what the check finds, or a finding that it failed."""
        findings: list[Finding] = []
        try:
            for finding in itertools.islice(self._check(Statement(subject)), MOST_FINDINGS):
                if not isinstance(finding, Finding):
                    raise TypeError(f"a check gives findings, not {type(finding).__name__}")
                findings.append(finding)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - a check that fails refuses, whatever it was
            findings.append(
                Finding(
                    "check/failed",
                    "high",
                    f"The check {self.name} failed on this statement ({type(error).__name__}), so it is refused.",
                    "Write the statement in another way, or have the check repaired.",
                )
            )
        return iter(findings)


def _short(attribute: Attribute) -> str:
    return (
        attribute.name.removesuffix("_over").removesuffix("_under")
        if attribute.kind in ("over", "under")
        else attribute.name
    )


def _plain(value: Any) -> Any:
    if value is NOT_KNOWN or isinstance(value, Possible) or (isinstance(value, frozenset) and NOT_KNOWN in value):
        return UNKNOWN
    if isinstance(value, Name):
        return str(value)
    if isinstance(value, frozenset):
        return frozenset(map(_plain, value))
    return value
