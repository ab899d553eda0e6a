"""Which tables speak of a question. In: what is written about each table. Out: scores by field-weighted TF-IDF.

A word of the question also finds words that stand for it: of the same root, abbreviated, part of a compound, misspelt.
Source of the weights' form: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009),
section 3.6 on fields. What a word is worth to a table does not depend on the question, so it is computed once.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from pg_guard.ask.spelling import abbreviates, root, trigrams, words
from pg_guard.ask.synonyms import synonyms

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = ["Document", "Ranking"]

_SCHEMA, _NAME, _COMMENT, _COLUMN, _TEXT = 2.0, 6.0, 3.0, 2.0, 1.5
_MENTIONED: Final = 100.0
# A copy of a table is hardly ever meant, unless the question says so.
_OF_A_COPY: Final = 0.4
_LEAST_ALIKE: Final = 0.5
_SYNONYM: Final = 0.7
_MOST_CANDIDATES: Final = 12
_IDENTIFIER = re.compile(r"\w+(?:\.\w+)*")
_COPY_WORDS: Final = frozenset(
    words("arch archive archived bak backup copy deleted hist history old snapshot staging stg temp test tmp zz")
)
# Words of questions that name nothing in a database.
_IDLE: Final = frozenset(
    words(
        "a about after all also an and any are as at average be been before but by can could count did do does during each"
        " every few find first for from get give given had has have having her his how i in is it its last latest least less list"
        " many me more most much my no not number of on one or our out over per please show since so some sum tell than that the"
        " their them then there these they this those to top total two under until up us was we were what when where which while"
        " who whom whose why will with within without would you your"
        " der die das den dem des ein eine einer eines einem einen und oder wie viele welche welcher welches wer ist sind war im"
        " in am an auf von vom zu zum zur mit nach pro je alle unsere fur hat haben es"
        " le la les des un une et ou combien quel quelle quels quelles qui est sont du de dans par pour avec sur nos"
    )
)


class Document(NamedTuple):
    """What is written about a table.

    Attributes:
        schema: Its schema.
        name: Its name.
        comment: What it is.
        columns: Names of its columns.
        texts: What is said of the columns: comments, and labels of enums.
    """

    schema: str
    name: str
    comment: str = ""
    columns: Sequence[str] = ()
    texts: Sequence[str] = ()


class Match(NamedTuple):
    """A word of a question: the words of the index that stand for it, with how alike they are, 0 to 1."""

    word: str
    known: Mapping[str, float]


class Ranking:
    """An index of tables.

    Args:
        documents: The tables; scores name them by their places here.
    """

    def __init__(self, documents: Sequence[Document]) -> None:
        self._postings = _weigh(documents)
        self._vocabulary = sorted(self._postings)
        self._by_root: dict[str, list[str]] = defaultdict(list)
        self._by_letter: dict[str, list[str]] = defaultdict(list)
        # Letters in another order: the misspelling that shares the fewest trigrams with the word.
        self._by_letters: dict[str, list[str]] = defaultdict(list)
        self._by_trigram: dict[str, list[str]] = defaultdict(list)
        for word in self._vocabulary:
            self._by_root[root(word)].append(word)
            self._by_letter[word[0]].append(word)
            self._by_letters["".join(sorted(word))].append(word)
            for trigram in trigrams(word):
                self._by_trigram[trigram].append(word)
        names = [words(document.name) for document in documents]
        known = frozenset(names)
        self.copies = {number: marks for number, name in enumerate(names) if (marks := _marks_of_copy(name, known))}
        self._mentions: dict[str, list[int]] = defaultdict(list)
        for number, document in enumerate(documents):
            self._mentions[document.name.lower()].append(number)
            self._mentions[f"{document.schema}.{document.name}".lower()].append(number)

    def matches(self, text: str) -> list[Match]:
        """The words of a question that mean something here."""
        asked = list(dict.fromkeys(words(text)))
        telling = [word for word in asked if word not in _IDLE] or asked
        # What a question writes as two words a name may write as one.
        joined = [one + other for one, other in pairwise(telling) if one + other in self._postings]
        found = (Match(word, dict(self._candidates(word))) for word in (*telling, *joined))
        return [match for match in found if match.known]

    def scores(self, text: str, matches: Iterable[Match] | None = None) -> dict[int, float]:
        """The tables that speak of a question, with their scores.

        Args:
            text: The question.
            matches: What `matches` gave for it, when that is at hand.
        """
        matches = list(self.matches(text) if matches is None else matches)
        found: dict[int, float] = defaultdict(float)
        for match in matches:
            best: dict[int, float] = {}
            for known, likeness in match.known.items():
                for number, weight in self._postings[known]:
                    worth = likeness * weight
                    if worth > best.get(number, 0.0):
                        best[number] = worth
            for number, worth in best.items():
                found[number] += worth
        said = {known for match in matches for known, likeness in match.known.items() if likeness >= 0.8}
        for number in found.keys() & self.copies.keys():
            if said.isdisjoint(self.copies[number]):
                found[number] *= _OF_A_COPY
        for identifier in _IDENTIFIER.findall(text):
            # A plain word is judged like any other; what is written as a name means that table.
            if not identifier.isalpha():
                for number in self._mentions.get(identifier.lower(), ()):
                    found[number] += _MENTIONED
        return dict(found)

    def postings_visited(self, text: str) -> int:
        """How many entries of the index `scores` reads for a question."""
        return sum(len(self._postings[known]) for match in self.matches(text) for known in match.known)

    def _candidates(self, word: str) -> list[tuple[str, float]]:
        """Words of the index that stand for a word of a question, the best first."""
        found: dict[str, float] = {}
        for known, likeness in self._related(word):
            found[known] = max(likeness, found.get(known, 0.0))
        if word in self._postings:
            # The word itself is there: others may still help, but only a little.
            found = {known: 0.6 * likeness for known, likeness in found.items()}
            found[word] = 1.0
        best = sorted(found.items(), key=lambda each: (-each[1], each[0]))
        return best[:_MOST_CANDIDATES]

    def _related(self, word: str) -> Iterator[tuple[str, float]]:
        if word.isdigit():
            return
        for known in self._by_root.get(root(word), ()):
            yield known, 0.85
        for known in synonyms(word):
            if known in self._postings:
                yield known, _SYNONYM
        for known in self._by_letter.get(word[0], ()):
            if likeness := abbreviates(known, word):
                yield known, likeness
        if len(word) > 2 and word not in self._postings:
            yield from (
                (known, likeness)
                for known in self._by_letter.get(word[0], ())
                if (likeness := abbreviates(word, known))
            )
        if len(word) < 4:
            return
        for known in self._vocabulary:
            # Compounds: Rechnungsposition for Position, purchaseorder for order, and the other way round.
            if word in known:
                yield known, _part(word, known)
            elif known in word and len(known) > 3:
                yield known, _part(known, word)
        if word not in self._postings:
            yield from self._misspelt(word)

    def _misspelt(self, word: str) -> Iterator[tuple[str, float]]:
        for known in self._by_letters.get("".join(sorted(word)), ()):
            yield known, 0.8
        mine = trigrams(word)
        shared: dict[str, int] = defaultdict(int)
        for trigram in mine:
            for known in self._by_trigram.get(trigram, ()):
                shared[known] += 1
        for known, count in shared.items():
            likeness = 2 * count / (len(mine) + len(known) + 1)
            if likeness >= _LEAST_ALIKE:
                yield known, 0.9 * likeness


def _part(short: str, whole: str) -> float:
    """How well a part stands for a compound; its ends tell more than its middle."""
    if whole.startswith(short) or whole.endswith(short):
        return 0.4 + 0.4 * len(short) / len(whole)
    return 0.3 if len(short) > 4 else 0.0


def _weigh(documents: Sequence[Document]) -> dict[str, list[tuple[int, float]]]:
    """By word, the tables that it stands in with what it is worth there: rare words are worth more."""
    weights = [_worth(document) for document in documents]
    count: dict[str, int] = defaultdict(int)
    for each in weights:
        for word in each:
            count[word] += 1
    rarity = {word: math.log(1 + (len(documents) - much + 0.5) / (much + 0.5)) for word, much in count.items()}
    postings: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for number, each in enumerate(weights):
        for word, weight in each.items():
            postings[word].append((number, weight * rarity[word]))
    return dict(postings)


def _worth(document: Document) -> dict[str, float]:
    worth: dict[str, float] = defaultdict(float)

    def add(texts: Iterable[str], weight: float, usual: int) -> None:
        found: dict[str, int] = defaultdict(int)
        for text in texts:
            for word in words(text):
                found[word] += 1
        # Longer than usual means that each word tells less; the second time a word tells less than the first.
        length = 0.5 + 0.5 * max(1.0, sum(found.values()) / usual)
        for word, times in found.items():
            worth[word] += weight * times / (times + 1) * 2 / (1 + length) * 2

    add([document.schema], _SCHEMA / 2, 1)
    add([document.name], _NAME / 2, 1)
    add([document.comment], _COMMENT / 2, 8)
    add(document.columns, _COLUMN / 2, 20)
    add(document.texts, _TEXT / 2, 40)
    return worth


def _marks_of_copy(name: tuple[str, ...], known: frozenset[tuple[str, ...]]) -> frozenset[str]:
    """The words that tell that a table is a copy of another one, as in ``orders_bak_2023`` beside ``orders``."""
    marks = frozenset(name) & _COPY_WORDS
    if not marks:
        return marks
    rest = tuple(word for word in name if word not in marks and not word.isdigit())
    return marks if rest in known else frozenset()
