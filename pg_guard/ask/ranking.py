"""Which documents speak of a question. In: documents of weighted words. Out: scores by BM25, with words that nearly match.

Source of the formula: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), with
weighted fields as in BM25F. No model and no network: the same question gives the same ranking on every machine.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import defaultdict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["Ranking", "words"]

_K1: Final = 1.2
_B: Final = 0.5
# Near words count less than the word itself, and only where they share most of their letters.
_LEAST_ALIKE: Final = 0.5
_MOST_NEAR: Final = 4
_PIECES = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^\W\d_a-zA-Z]+")
# Words of questions that name nothing in a database.
_IDLE_WORDS: Final = (
    "a an and any are as at be been but by can could did do does each every for from get give had has have how i in is it its",
    "last list many me most much my no not of on or our per please show since so some tell than that the their them then there",
    "these they this those to top total was we were what when where which who whom whose why will with within without would",
    "you your between during over under more less all average number amount count sum latest first find",
)
_IDLE: Final = frozenset(" ".join(_IDLE_WORDS).split())


def words(text: str) -> list[str]:
    """Words of a text or a name, in lower case, without accents, plural endings taken off: ``orderItems`` is order, item."""
    plain = unicodedata.normalize("NFKD", text)
    plain = "".join(character for character in plain if not unicodedata.combining(character))
    return [_stem(piece.lower()) for piece in _PIECES.findall(plain)]


def _stem(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("ches", "shes", "sses", "xes")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def _trigrams(word: str) -> frozenset[str]:
    padded = f"  {word} "
    return frozenset(padded[index : index + 3] for index in range(len(padded) - 2))


class Ranking:
    """An index of documents.

    Args:
        documents: For each document its words with their weights, a word that stands in two fields with the sum of both.
    """

    def __init__(self, documents: Sequence[Mapping[str, float]]) -> None:
        self._lengths = [sum(document.values()) for document in documents]
        self._mean = (sum(self._lengths) / len(documents)) if documents else 1.0
        self._postings: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for number, document in enumerate(documents):
            for word, weight in document.items():
                self._postings[word].append((number, weight))
        self._near: dict[str, list[str]] = defaultdict(list)
        for word in self._postings:
            for trigram in _trigrams(word):
                self._near[trigram].append(word)

    def scores(self, text: str) -> dict[int, float]:
        """Documents that share a word with a text, or one nearly like it, with their scores."""
        found: dict[int, float] = defaultdict(float)
        asked = dict.fromkeys(words(text))
        for word in [each for each in asked if each not in _IDLE] or list(asked):
            for known, likeness in self._candidates(word):
                postings = self._postings[known]
                rarity = math.log(1 + (len(self._lengths) - len(postings) + 0.5) / (len(postings) + 0.5))
                for number, weight in postings:
                    length = 1 - _B + _B * self._lengths[number] / self._mean
                    found[number] += likeness * rarity * weight * (_K1 + 1) / (weight + _K1 * length)
        return dict(found)

    def _candidates(self, word: str) -> Iterable[tuple[str, float]]:
        if word in self._postings:
            yield word, 1.0
        if len(word) < 4:
            return
        mine = _trigrams(word)
        shared: dict[str, int] = defaultdict(int)
        for trigram in mine:
            for known in self._near.get(trigram, ()):
                shared[known] += 1
        alike = [
            (2 * count / (len(mine) + len(_trigrams(known))), known) for known, count in shared.items() if known != word
        ]
        near = sorted(
            ((likeness, known) for likeness, known in alike if likeness >= _LEAST_ALIKE),
            key=lambda each: (-each[0], each[1]),
        )
        for likeness, known in near[:_MOST_NEAR]:
            yield known, 0.5 * likeness
