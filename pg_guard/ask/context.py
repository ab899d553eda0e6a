"""The schema that a model sees. In: a guard and a question. Out: the permitted tables that matter, within a token budget.

Denied tables and columns are absent: what a model does not know it does not ask for, and a refusal tells no name. A table
is found by its names and comments and by those of its columns; tables that foreign keys tie to it come with it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pg_guard.ask.ranking import Ranking, words
from pg_guard.ask.render import render_table

if TYPE_CHECKING:
    from pg_guard.ask.render import TableText
    from pg_guard.guard import Guard

__all__ = ["ContextIndex", "Hit", "SchemaContext"]

_NAME, _COLUMN, _COMMENT = 6.0, 1.5, 1.0
# How much of a table's score its neighbours by foreign keys get, and from how many tables it is passed on.
_NEIGHBOUR = 0.25
_PASSING_ON = 30
_CHARACTERS_PER_TOKEN = 3.5
_READABLE = ("table", "partitioned", "foreign", "view", "matview")


class Hit(NamedTuple):
    """A table that a search found, with the columns that match."""

    table: str
    kind: str
    comment: str
    columns: tuple[str, ...]
    score: float


@dataclass(frozen=True, slots=True)
class SchemaContext:
    """What a model is told of a database.

    Attributes:
        text: The tables, one after the other.
        tables: Their names, the most relevant first.
        pruned: True when tables were left out.
    """

    text: str
    tables: tuple[str, ...]
    pruned: bool


class ContextIndex:
    """The permitted tables of a database, indexed. Build it once per guard."""

    def __init__(self, tables: list[TableText], links: list[tuple[int, int]]) -> None:
        self._tables = tables
        self._neighbours: dict[int, list[int]] = defaultdict(list)
        for one, other in links:
            self._neighbours[one].append(other)
            self._neighbours[other].append(one)
        self._ranking = Ranking([_document(table) for table in tables])

    @classmethod
    def build(cls, guard: Guard) -> ContextIndex:
        """Index what a guard permits to be seen; nothing without a catalog."""
        relations = [
            relation
            for relation in guard.visible_relations()
            if relation.kind in _READABLE
            and relation.partition_of is None
            and relation.schema not in ("pg_catalog", "information_schema")
        ]
        place = {relation.key: number for number, relation in enumerate(relations)}
        tables = [render_table(guard, relation, place.keys()) for relation in relations]
        links = [
            (number, place[key.target])
            for number, relation in enumerate(relations)
            for key in relation.foreign_keys
            if key.target in place and set(key.columns) <= tables[number].column_names and key.target != relation.key
        ]
        return cls(tables, links)

    def context(self, question: str, *, token_budget: int) -> SchemaContext:
        """Describe the tables that a question is about.

        Args:
            question: In plain language.
            token_budget: About how many tokens the text may have; one table is shown whatever its size.
        """
        budget = token_budget * _CHARACTERS_PER_TOKEN
        order = self._order(question)
        chosen: list[int] = []
        for number in order:
            size = len(self._tables[number].text) + 2
            if size <= budget or not chosen:
                chosen.append(number)
                budget -= size
        return SchemaContext(
            text="\n\n".join(self._tables[number].text for number in chosen),
            tables=tuple(self._tables[number].name for number in chosen),
            pruned=len(chosen) < len(self._tables),
        )

    def search(self, text: str, limit: int = 20) -> tuple[Hit, ...]:
        """Tables whose names, columns or comments speak of a text, the best first."""
        scores = self._ranking.scores(text)
        asked = set(words(text))
        best = sorted(scores, key=lambda number: (-scores[number], self._tables[number].name))[:limit]
        return tuple(
            Hit(
                table.name,
                table.kind,
                table.comment,
                tuple(name for name in table.columns if asked & set(words(name))),
                round(scores[number], 3),
            )
            for number, table in ((number, self._tables[number]) for number in best)
        )

    def _order(self, question: str) -> list[int]:
        scores = self._ranking.scores(question)
        best = sorted(scores, key=lambda number: (-scores[number], self._tables[number].name))
        passed: dict[int, float] = defaultdict(float)
        for number in best[:_PASSING_ON]:
            neighbours = self._neighbours[number]
            for neighbour in neighbours:
                # A hub that everything refers to tells little about each of its neighbours.
                passed[neighbour] += _NEIGHBOUR * scores[number] / (1 + 0.1 * len(neighbours))
        whole = {number: scores.get(number, 0.0) + passed.get(number, 0.0) for number in range(len(self._tables))}
        return sorted(whole, key=lambda number: (-whole[number], self._tables[number].name))


def _document(table: TableText) -> dict[str, float]:
    found: dict[str, float] = defaultdict(float)
    for word in words(table.name):
        found[word] += _NAME
    for text in table.columns:
        for word in set(words(text)):
            found[word] += _COLUMN
    for text in (table.comment, *table.comments):
        for word in set(words(text)):
            found[word] += _COMMENT
    return dict(found)
