"""The facts against PostgreSQL. In: one text, what PostgreSQL resolved and a catalog. Out: the differences.

A *miss* is something that PostgreSQL uses and the facts do not name: a leak. A *surplus* is the reverse, for what can
refuse an honest statement: columns that no one reads, and functions of users that nothing calls. A *note* refuses a
statement that PostgreSQL accepts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pg_guard.facts.extract import extract
from pg_guard.facts.names import PG, Names
from pg_guard.facts.reader import Reader
from pg_guard.facts.views import ViewShapes
from pg_guard.sql.text import Refusal, admit
from pg_guard.sql.witness import read_postgres

if TYPE_CHECKING:
    from pg_guard.catalog.model import Catalog, Name
    from pg_guard.facts.model import Facts
    from tests.differential.oracle import Resolved

__all__ = ["Comparer", "Difference"]

_SYSTEM = frozenset({PG, "information_schema"})


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs for one text."""

    misses: tuple[str, ...] = ()
    surplus: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Comparer:
    """Extracts facts as the guard does and compares them.

    Args:
        catalog: The database's catalog.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._names = Names(catalog, ("public",))
        self._shapes = ViewShapes()
        self._behind: dict[Name, frozenset[Name]] = {}

    def facts(self, sql: str, *, catalog: bool = True) -> Facts:
        names = self._names if catalog else Names(None, ("public",))
        reading = read_postgres(admit(sql, max_bytes=1_000_000))
        return extract(Reader(names, self._shapes, max_depth=1_000), reading.statements[0])

    def misses_without_catalog(self, sql: str, resolved: Resolved) -> list[str]:
        """What the facts lack that are read without a catalog; [] too for a text that they do not understand."""
        try:
            facts = self.facts(sql, catalog=False)
        except Refusal:
            return []
        if facts.notes:
            return []
        misses = [
            f"relation {name}" for name in resolved.relations - {each for use in facts.relations for each in use.names}
        ]
        columns = {(name, use.name) for use in facts.columns for name in use.relations}
        starred = {name for name, column in columns if column == "*"}
        misses += [
            f"column {relation}.{name}"
            for relation, name in resolved.columns - columns
            if relation in resolved.relations and relation not in starred
        ]
        named = {(use.schema, use.name) for use in facts.functions}
        for called in resolved.functions:
            name = called.function
            builtin = name.schema == PG
            if called.how == "call" and builtin and not named & {(None, name.name), (name.schema, name.name)}:
                misses.append(f"call of {name}")
        return misses

    def compare(self, sql: str, resolved: Resolved) -> Difference:
        try:
            facts = self.facts(sql)
        except Refusal as refusal:
            return Difference(notes=(refusal.finding.message,))
        notes = tuple(note.message for note in facts.notes)
        named = {name for use in facts.relations for name in use.names}
        misses = [f"relation {name}" for name in resolved.relations - named]
        for relation in resolved.relations:
            misses += [f"relation {name} behind {relation}" for name in self._reads(relation) - named]
        columns = {(name, use.name) for use in facts.columns for name in use.relations}
        # A function's composite result depends on the columns of its row type, of which it reads no data.
        results = {each.result for use in facts.functions for each in use.candidates}
        read = {each for each in resolved.columns if each[0] in resolved.relations and each[0] not in results}
        misses += [f"column {relation}.{name}" for relation, name in read - columns]
        misses += self._missed_functions(facts, resolved)
        misses += self._missed_types(facts, resolved)
        direct = {(name, use.name) for use in facts.columns if not use.via for name in use.relations}
        surplus = [f"column {relation}.{name}" for relation, name in direct - resolved.columns if not resolved.record]
        surplus += self._idle_functions(facts, resolved)
        return Difference(tuple(sorted(misses)), tuple(sorted(surplus)), notes)

    @staticmethod
    def _missed_functions(facts: Facts, resolved: Resolved) -> list[str]:
        candidates = {(each.key, each.args) for use in facts.functions for each in use.candidates}
        missed = []
        for called in resolved.functions:
            if (called.function, called.args) in candidates:
                continue
            # PostgreSQL's own operators, casts and sorting work on their arguments alone.
            if called.how == "call" or called.function.schema not in _SYSTEM:
                args = ", ".join(arg.name for arg in called.args)
                missed.append(f"{called.how} of {called.function}({args})")
        return missed

    @staticmethod
    def _missed_types(facts: Facts, resolved: Resolved) -> list[str]:
        named = {use.name.name.removeprefix("_") for use in facts.types}
        named |= {each.result.name for use in facts.functions for each in use.candidates}
        return [
            f"type {type_}"
            for type_ in resolved.types
            if type_.schema == PG
            and type_.name.removeprefix("_").startswith("reg")
            and type_.name.removeprefix("_") not in named
        ]

    @staticmethod
    def _idle_functions(facts: Facts, resolved: Resolved) -> list[str]:
        used = {(called.function, called.args) for called in resolved.functions}
        idle = []
        for use in facts.functions:
            if use.via or use.position in ("type", "domain", "sort"):
                # What input, checks and sorting call stands in no tree.
                continue
            own = [each for each in use.candidates if each.schema not in _SYSTEM]
            if own and not any((each.key, each.args) in used for each in own):
                idle.append(f"{use.position} of {own[0].key}")
        return idle

    def _reads(self, relation: Name) -> frozenset[Name]:
        """Everything that a view reads, at any depth, as pg_depend and the stored rules tell."""
        found = self._behind.get(relation)
        if found is None:
            known = self._catalog.relation_index.get(relation)
            direct = {each.relation for each in known.depends_on} if known is not None else set()
            if known is None or known.schema in _SYSTEM:
                direct = set()
            self._behind[relation] = frozenset()
            found = frozenset(direct.union(*(self._reads(each) for each in direct)))
            self._behind[relation] = found
        return found
