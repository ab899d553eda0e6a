"""Which clauses of a policy its tests exercise. In: a policy and the outcome of its tests. Out: each clause, covered or not.

A clause is covered when it makes a difference to a test that passed: the policy is compiled with this clause alone in its
list and with none at all, and the findings are compared. A clause that refuses must bring a finding to a statement that is
expected to be denied; a clause that permits must spare a finding to one that is expected to be allowed. So of two patterns
that both match both are covered, and a pattern that only looks right is not.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from pg_guard.guard import Guard
from pg_guard.policy.document import Document, KeyPath, format_path
from pg_guard.policy.model import Policy
from pg_guard.testing.model import Clause
from pg_guard.testing.places import read_effective

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pg_guard.catalog.model import Catalog
    from pg_guard.decision import Finding
    from pg_guard.policy.packs import Pack
    from pg_guard.testing.model import Case, Result

__all__ = ["find_clauses"]

_TEXT_LIMIT: Final = 60
# These refuse by a rule of their own before anything else is looked at, so the finding alone tells.
_BY_RULE: Final[dict[KeyPath, str]] = {
    ("statements", "allow"): "statement/not-allowed",
    ("limits", "sql_bytes"): "limits/sql-bytes",
    ("limits", "tokens"): "limits/tokens",
    ("limits", "depth"): "limits/depth",
    ("limits", "in_list"): "limits/in-list",
}
# A test of such a limit is a text of that size: nobody is asked to write one.
_LENGTHS: Final = (("limits", "sql_bytes"), ("limits", "tokens"), ("limits", "depth"), ("limits", "in_list"))
_LISTS: Final[tuple[tuple[str, Literal["refuses", "permits"]], ...]] = (("deny", "refuses"), ("allow", "permits"))
# By section, how the ids of the rules begin by which it refuses.
_RULES: Final = {
    "tables": "tables/",
    "columns": "columns/",
    "where": "where/",
    "functions": "functions/",
    "joins": "joins/",
    "limits": "load/",
}
_AMOUNTS: Final = ("generated_rows", "generated_bytes", "product_rows")
_MOST: Final = 2**31 - 1
"""More than any statement asks for that is not refused anyway: the limit is as good as gone."""

_NO_COLUMN: Final = "no column has this name"

_Data = dict[str, Any]


class _Variant:
    """A policy with more or fewer clauses, and what it says of statements."""

    def __init__(self, data: _Data, catalog: Catalog | None, packs: tuple[Pack, ...] = ()) -> None:
        self.data = data
        self._catalog = catalog
        self._packs = packs
        self._guard: Guard | None = None
        self._findings: dict[Case, frozenset[Finding]] = {}

    def check(self, case: Case) -> frozenset[Finding]:
        if case not in self._findings:
            if self._guard is None:
                self._guard = Guard(Policy.model_validate(self.data), self._catalog, self._packs)
            decision = self._guard.check(case.sql, principal=case.principal or None)
            self._findings[case] = frozenset(decision.findings)
        return self._findings[case]

    def but(self, section: str, value: Any) -> _Variant:
        return _Variant(self.data | {section: value}, self._catalog, self._packs)

    def set(self, section: str, key: str, value: Any) -> _Variant:
        return self.but(section, self.data[section] | {key: value})


class _Probe(NamedTuple):
    """A clause, and policies that tell what it does.

    Attributes:
        path: Where it stands.
        effect: Whether it refuses or permits.
        none: The policy without any clause of its list.
        alone: The policy with this clause only.
        without: The policy with all the others; looked at for what permits only.
        words: Words of the clause that a statement which shows it is likely to hold.
    """

    path: KeyPath
    effect: Literal["refuses", "permits"]
    none: _Variant
    alone: _Variant
    without: _Variant
    words: frozenset[str] = frozenset()


def find_clauses(file: str, guard: Guard, results: tuple[Result, ...]) -> tuple[Clause, ...]:
    """Every clause that the file itself states; those of a policy that it extends belong to that one's tests.

    Limits of the run (``rows``, ``result_bytes``, ``statement_timeout``, ``cost``) refuse no statement before it runs,
    so no test can exercise them and they are not counted. Limits of size (``sql_bytes``, ``tokens``, ``depth``,
    ``in_list``) count when a test exercises them.

    Args:
        file: The policy file.
        guard: The guard with its policy, under which the tests ran.
        results: The outcome of its tests.
    """
    document = read_effective(file)
    passed = tuple(result for result in results if result.passed)
    policy, catalog = guard.policy, guard.catalog
    judge = _Judge(passed)
    missing: dict[KeyPath, str] = {}
    for path, rule in _BY_RULE.items():
        hit = any(finding.rule == rule for result in passed for finding in result.findings)
        if hit or path not in _LENGTHS:
            missing[path] = "" if hit else "no test is refused by it"
    # Rules of packs neither refuse nor permit for a pattern, and only take time here.
    plain = _Variant(policy.to_dict() | {"packs": [], "rules": {}, "exceptions": [], "tests": []}, catalog)
    missing |= {probe.path: judge.missing(plain, probe) for probe in _probes(plain)}
    whole = _Variant(policy.to_dict(), catalog, guard.packs)
    missing |= {path: judge.missing_difference(whole, without) for path, without in _overrides(whole)}
    clauses = (_clause(document, path, why) for path, why in missing.items() if _states(document, path))
    return tuple(sorted(clauses, key=lambda clause: (clause.line, clause.column, clause.path)))


class _Judge:
    """Compares what policies say of the statements of tests that passed.

    Most clauses are shown by the first statement that is tried: those that hold a word of the clause come first.
    """

    def __init__(self, passed: tuple[Result, ...]) -> None:
        self._refused = tuple(result for result in passed if result.case.expect == "deny")
        self._allowed = tuple(result.case for result in passed if result.case.expect != "deny")

    def missing(self, whole: _Variant, probe: _Probe) -> str:
        """What the tests do not show of a clause, or an empty string."""
        if probe.effect == "refuses":
            # What it refuses together with others it refuses alone, with a finding of the rules of its section.
            rules = _RULES[str(probe.path[0])]
            refused = [
                result.case
                for result in self._refused
                if any(finding.rule.startswith(rules) for finding in result.findings)
            ]
            hit = any(self._brings(probe.alone, probe.none, case) for case in _likely_first(refused, probe.words))
            return "" if hit else "no test is refused by it"
        allowed = _likely_first(self._allowed, probe.words)
        # Two that permit can be needed together: then neither is enough alone, and neither can be spared.
        hit = any(self._brings(probe.none, probe.alone, case) for case in allowed) or any(
            self._brings(probe.without, whole, case) for case in allowed
        )
        return "" if hit else "no allowed test needs it"

    def missing_difference(self, whole: _Variant, without: _Variant) -> str:
        """The same for what does neither: the findings of some statement must change when it is taken away."""
        every = (*(result.case for result in self._refused), *self._allowed)
        hit = any(self._brings(whole, without, case) or self._brings(without, whole, case) for case in every)
        return "" if hit else "no test shows a difference"

    def _brings(self, more: _Variant, less: _Variant, case: Case) -> bool:
        """Has the statement a finding under the first policy that it has not under the second?"""
        return bool(more.check(case) - less.check(case))


def _words(entry: Any) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", entry.lower())) if isinstance(entry, str) else frozenset()


def _likely_first(cases: Iterable[Case], words: frozenset[str]) -> list[Case]:
    return sorted(cases, key=lambda case: not any(word in case.sql.lower() for word in words))


def _probes(whole: _Variant) -> Iterator[_Probe]:
    for section in ("tables", "functions"):
        for key, effect in _LISTS:
            entries = whole.data[section][key]
            none = whole.set(section, key, [])
            for index, entry in enumerate(entries):
                alone = whole.set(section, key, [entry])
                without = whole.set(section, key, _rest(entries, index))
                yield _Probe((section, key, index), effect, none, alone, without, _words(entry))
    yield from _modes(whole)
    yield from _columns(whole)
    yield from _where(whole)
    for key in _AMOUNTS:
        yield _switch(whole, ("limits", key), _MOST)


def _rest(entries: list[Any], index: int) -> list[Any]:
    return entries[:index] + entries[index + 1 :]


def _switch(whole: _Variant, path: tuple[str, str], off: Any) -> _Probe:
    """A setting that stands for itself: on as it is, or off."""
    without = whole.set(*path, off)
    return _Probe(path, "refuses", without, whole, without)


def _modes(whole: _Variant) -> Iterator[_Probe]:
    if whole.data["tables"]["default"] == "deny":
        yield _switch(whole, ("tables", "default"), "allow")
    if whole.data["functions"]["mode"] == "allowlist":
        yield _switch(whole, ("functions", "mode"), "denylist")
    for key in ("max_tables", "cartesian"):
        if whole.data["joins"][key] not in (None, "allow"):
            yield _switch(whole, ("joins", key), None)


def _columns(whole: _Variant) -> Iterator[_Probe]:
    # Without a catalog any pattern for a relation refuses a star over it. So a clause is not taken away but replaced by
    # a name that no column has: only what the pattern itself matches can then make a difference.
    for table, patterns in whole.data["columns"]["deny"].items():
        none = whole.set("columns", "deny", {table: [_NO_COLUMN]})
        for index, pattern in enumerate(patterns):
            alone = whole.set("columns", "deny", {table: [pattern]})
            yield _Probe(("columns", "deny", table, index), "refuses", none, alone, none, _words(pattern))


def _where(whole: _Variant) -> Iterator[_Probe]:
    none = whole.but("where", [])
    for index, entry in enumerate(whole.data["where"]):
        for place, table in enumerate(entry["table"]):
            alone = whole.but("where", [entry | {"table": [table]}])
            yield _Probe(("where", index, "table", place), "refuses", none, alone, none, _words(table))


def _overrides(whole: _Variant) -> Iterator[tuple[KeyPath, _Variant]]:
    for section in ("rules", "principals"):
        entries = whole.data[section]
        for key in entries:
            yield (section, key), whole.but(section, {name: entry for name, entry in entries.items() if name != key})
    exceptions = whole.data["exceptions"]
    for index in range(len(exceptions)):
        yield ("exceptions", index), whole.but("exceptions", _rest(exceptions, index))


def _states(document: Document | None, path: KeyPath) -> bool:
    """Does the file state it, rather than a default, a base or the environment?"""
    if document is None:
        return False
    value: Any = document.data
    for step in path:
        if isinstance(value, str) and step == 0:
            return True  # a single string stands for a list of one
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return False
    return document.place(path)[0].file == document.file


def _clause(document: Document | None, path: KeyPath, missing: str) -> Clause:
    assert document is not None  # what states nothing was left out
    value: Any = document.data
    for step in path:
        if isinstance(value, str):
            path = path[:-1]  # a single string stands for a list of one
        else:
            value = value[step]
    # A setting's key says what it is; an entry of a list is its value.
    place = document.place(path, key=isinstance(path[-1], str))[0]
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = text if len(text) <= _TEXT_LIMIT else text[: _TEXT_LIMIT - 1] + "…"
    return Clause(format_path(_own_path(document, path)), text, missing, place.file, place.line, place.column)


def _own_path(document: Document, path: KeyPath) -> KeyPath:
    """The path in the file that states it: entries of a base stand before its own in a merged list."""
    for length in range(len(path), 0, -1):
        if (origin := document.origins.get(path[:length])) is not None:
            source, start = origin
            return _own_path(source, (*start, *path[length:]))
    return path
