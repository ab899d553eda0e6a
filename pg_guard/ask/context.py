"""The schema that a model sees. In: a guard and a question. Out: the permitted tables that matter, within a token budget.

Denied tables and columns are absent: what a model does not know it does not ask for, and a refusal tells no name. A table
is found by its names and comments and by those of its columns; tables that foreign keys tie to it, and tables that lie
between two that were found, come with it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from pg_guard.ask.ranking import Document, Ranking
from pg_guard.ask.render import estimate_tokens, render_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pg_guard.ask.ranking import Match
    from pg_guard.ask.render import TableText
    from pg_guard.guard import Guard

__all__ = ["ContextIndex", "Hit", "SchemaContext"]

# From how many of the best tables a score is passed on along foreign keys, and how much of it: to each neighbour; to a
# table that it refers to; to a table that ties two of the best together; to each of two tables that do so in a row.
_SEEDS, _REFERRING = 12, 40
_NEIGHBOUR, _PARENT, _BRIDGE, _LONG_BRIDGE = 0.25, 0.5, 0.7, 0.5
# A hub that everything refers to tells little about its neighbours.
_HUB: Final = 60
# What many tables refer to is more often needed than what stands at the edge.
_CENTRAL: Final = 0.06
# How much the schema of the best tables speaks for their neighbours in it.
_AT_HOME: Final = 0.5
# The share of the budget for tables with all of their columns; the rest shows more tables with their main columns.
_WHOLE: Final = 0.6
_WIDE: Final = 0.12
_READABLE: Final = ("table", "partitioned", "foreign", "view", "matview")


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
        pruned: True when tables or columns were left out.
        tokens: How many tokens the text has at most, about.
    """

    text: str
    tables: tuple[str, ...]
    pruned: bool
    tokens: int


class ContextIndex:
    """The permitted tables of a database, indexed. Build it once per guard.

    Args:
        tables: In any fixed order.
        links: Pairs of places in `tables`: one that a foreign key stands in, and the one that it refers to.
    """

    def __init__(self, tables: Sequence[TableText], links: Sequence[tuple[int, int]]) -> None:
        self._tables = tuple(tables)
        neighbours: dict[int, set[int]] = defaultdict(set)
        parents: dict[int, set[int]] = defaultdict(set)
        for one, other in links:
            parents[one].add(other)
            neighbours[one].add(other)
            neighbours[other].add(one)
        self._neighbours = {number: tuple(sorted(others)) for number, others in neighbours.items()}
        self._parents = {number: tuple(sorted(others)) for number, others in parents.items()}
        self._tokens = sum(table.tokens for table in tables)
        self.ranking = Ranking(
            [
                Document(
                    table.key.schema,
                    table.key.name,
                    table.comment,
                    tuple(each.name for each in table.columns),
                    table.texts,
                )
                for table in tables
            ]
        )
        self._central = [
            1 + _CENTRAL * math.log2(1 + min(_HUB, len(self._neighbours.get(number, ()))))
            for number in range(len(tables))
        ]
        # Without a word to go by: what foreign keys make important, copies last.
        self._usual = sorted(
            range(len(self._tables)),
            key=lambda number: (number in self.ranking.copies, -len(self._neighbours.get(number, ())), number),
        )

    @classmethod
    def build(cls, guard: Guard) -> ContextIndex:
        """Index what a guard permits to be seen; nothing without a catalog."""
        relations = [
            relation
            for relation in sorted(guard.visible_relations(), key=lambda relation: relation.key)
            if relation.kind in _READABLE
            and relation.partition_of is None
            and relation.schema not in ("pg_catalog", "information_schema")
        ]
        seen = {relation.key: guard.visible_columns(relation) for relation in relations}
        place = {relation.key: number for number, relation in enumerate(relations)}
        names = {key: frozenset(column.name for column in columns) for key, columns in seen.items()}
        links = [
            (number, place[key.target])
            for number, relation in enumerate(relations)
            for key in relation.foreign_keys
            if key.target in place and key.target != relation.key and names[relation.key].issuperset(key.columns)
        ]
        return cls([render_table(guard, relation, seen) for relation in relations], links)

    def context(self, question: str, *, token_budget: int) -> SchemaContext:
        """Describe the tables that a question is about.

        Args:
            question: In plain language.
            token_budget: How many tokens the text may have, estimated with a margin.
        """
        matches = self.ranking.matches(question)
        order = self._order(question, matches)
        if self._tokens <= token_budget:
            # Everything fits: the best first, then the rest.
            order = list(dict.fromkeys((*order, *self._usual)))
            return self._told(order, [self._tables[number].text for number in order], self._tokens, pruned=False)
        known = frozenset(word for match in matches for word, likeness in match.known.items() if likeness >= 0.4)
        left = token_budget - estimate_tokens(self._note(len(self._tables)))
        whole = left * _WHOLE
        chosen, texts, used = [], [], 0
        for number in order or self._usual:
            table = self._tables[number]
            text, tokens = table.text, table.tokens
            if tokens > token_budget * _WIDE or used + tokens > whole:
                text, tokens = table.pruned(known)
            if used + tokens <= left:
                chosen.append(number)
                texts.append(text)
                used += tokens
        if not chosen:
            return SchemaContext("", (), pruned=True, tokens=0)
        return self._told(chosen, [*texts, self._note(len(chosen))], token_budget - left + used, pruned=True)

    def search(self, text: str, limit: int = 20) -> tuple[Hit, ...]:
        """Tables whose names, columns or comments speak of a text, the best first.

        Args:
            text: Words, in any language that the schema speaks.
            limit: How many tables at most.
        """
        matches = self.ranking.matches(text)
        known = frozenset(word for match in matches for word, likeness in match.known.items() if likeness >= 0.5)
        scores = self.ranking.scores(text, matches)
        return tuple(
            Hit(
                table.name,
                table.kind,
                table.comment,
                table.speaking_of(known),
                round(scores[number], 3),
            )
            for number, table in ((number, self._tables[number]) for number in _best_first(scores)[:limit])
        )

    def _told(self, chosen: Sequence[int], texts: Sequence[str], tokens: int, *, pruned: bool) -> SchemaContext:
        names = tuple(self._tables[number].name for number in chosen)
        return SchemaContext("\n\n".join(texts), names, pruned, tokens)

    def _note(self, shown: int) -> str:
        return f"({shown:,} of {len(self._tables):,} tables are shown, the most relevant first)"

    def _order(self, question: str, matches: Sequence[Match]) -> list[int]:
        lexical = self.ranking.scores(question, matches)
        scores = {number: score * self._central[number] for number, score in lexical.items()}
        passed = self._passed_on(scores)
        whole = {number: scores.get(number, 0.0) + passed.get(number, 0.0) for number in scores.keys() | passed.keys()}
        # What the tables that have come in by others refer to.
        for number in _best_first(whole)[:_REFERRING]:
            for parent in self._parents.get(number, ()):
                whole[parent] = max(whole.get(parent, 0.0), _PARENT * whole[number])
        return _best_first(self._at_home(whole))

    def _at_home(self, scores: dict[int, float]) -> dict[int, float]:
        """The scores, raised in the schemas that the best tables stand in: a question is about one business, mostly."""
        best = _best_first(scores)[:_SEEDS]
        shares: dict[str, float] = defaultdict(float)
        for number in best:
            shares[self._tables[number].key.schema] += scores[number] / sum(scores[each] for each in best)
        return {
            number: score * (1 + _AT_HOME * shares.get(self._tables[number].key.schema, 0.0))
            for number, score in scores.items()
        }

    def _passed_on(self, scores: dict[int, float]) -> dict[int, float]:
        """What tables get from the best ones along foreign keys: the largest of what each way brings."""
        best = [number for number in _best_first(scores) if number not in self.ranking.copies]
        seeds = dict.fromkeys(best[:_SEEDS])
        passed: dict[int, float] = defaultdict(float)

        def give(number: int, score: float) -> None:
            # A hub is named when it is meant.
            passed[number] = max(passed[number], score / (1 + 0.03 * len(self._neighbours[number])))

        for number in best[:_REFERRING]:
            for parent in self._parents.get(number, ()):
                passed[parent] = max(passed[parent], _PARENT * scores[number])
                for further_up in self._parents.get(parent, ()):
                    passed[further_up] = max(passed[further_up], _PARENT**2 * scores[number])
        for seed in seeds:
            nearby = self._neighbours.get(seed, ())
            for near in nearby:
                # What ties several tables together is data; what hangs on one alone is notes and settings.
                ties = len(self._parents.get(near, ()))
                give(near, _NEIGHBOUR * (1.8 if ties > 1 else 0.6) * scores[seed] / (1 + 0.02 * len(nearby)))
                further = self._neighbours[near]
                if len(further) > _HUB or near in self.ranking.copies:
                    continue
                for far in further:
                    if far in seeds and far != seed:
                        give(near, _BRIDGE * min(scores[seed], scores[far]))
                    elif far != seed and len(beyond := self._neighbours[far]) <= _HUB:
                        ends = [scores[end] for end in beyond if end in seeds and end not in (seed, near)]
                        if ends:
                            strength = _LONG_BRIDGE * min(scores[seed], max(ends))
                            give(near, strength)
                            give(far, strength)
        return passed


def _best_first(scores: dict[int, float]) -> list[int]:
    """Places by score; equals in the order of the tables, which is that of their names."""
    return sorted(scores, key=lambda number: (-scores[number], number))
