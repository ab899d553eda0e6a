"""Words of names and questions, and which of them mean the same. In: texts. Out: stems, and how alike two words are.

Names are written in many ways (``orderItems``, ``cust_addr``, ``Rechnungsposition``), questions in others. All of it is
plain string work: the same on every machine, without a model or a dictionary.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final

__all__ = ["abbreviates", "root", "trigrams", "words"]

_PIECES = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^\W\d_a-zA-Z]+")
_LETTERS: Final = str.maketrans({"ß": "ss", "æ": "ae", "Æ": "AE", "ø": "o", "Ø": "O", "œ": "oe", "ł": "l", "Ł": "L"})
_VOWELS: Final = frozenset("aeiou")
# Endings that make another word of the same root, the longest first, and how many letters must stay.
_ENDINGS: Final = (
    ("ation", 4), ("ition", 4), ("ement", 4), ("ment", 3), ("ance", 4), ("anc", 4), ("enc", 4), ("ings", 4), ("ing", 4),
    ("ion", 4), ("ity", 4), ("iti", 4), ("ung", 5), ("al", 5), ("ed", 4), ("er", 4), ("or", 4), ("i", 4), ("e", 3),
)  # fmt: skip


@lru_cache(maxsize=20_000)  # the same names of columns stand in thousands of tables
def words(text: str) -> tuple[str, ...]:
    """Stems of a text's words, in lower case and without accents: ``orderItems`` is order, item."""
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text.translate(_LETTERS))
        text = "".join(character for character in text if not unicodedata.combining(character))
    return tuple(_stem(piece.lower()) for piece in _PIECES.findall(text))


def _stem(word: str) -> str:
    """Without plural endings of English, German and French; ``ae`` is ``a``, since ``ä`` is written both ways."""
    if len(word) > 4 and word.endswith(("ches", "shes", "sses", "xes")):
        word = word[:-2]
    elif len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for digraph in ("ae", "oe", "ue"):
        word = word.replace(digraph, digraph[0])
    if len(word) > 5 and word.endswith("en"):
        return word[:-2]
    if len(word) > 4 and word.endswith("e"):
        return word[:-1]
    if len(word) > 3 and word.endswith("y"):
        return word[:-1] + "i"
    return word


def root(word: str) -> str:
    """What is left of a stem without the endings that make nouns of verbs: shipped and shipment are ship."""
    for ending, stay in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= stay:
            word = word[: -len(ending)]
            break
    return word[:-1] if len(word) > 4 and word[-1] == word[-2] else word


def trigrams(word: str) -> frozenset[str]:
    """Its runs of three letters, the borders included."""
    padded = f"  {word} "
    return frozenset(padded[index : index + 3] for index in range(len(padded) - 2))


def abbreviates(short: str, whole: str) -> float:
    """How well a word stands for a longer one, 0 to 1: ``cust`` for customer, ``acct`` for account, ``qty`` for quantity."""
    if len(short) < 2 or len(short) >= len(whole) or short[0] != whole[0]:
        return 0.0
    if len(short) > 2 and whole.startswith(short):
        return 0.5 + 0.4 * len(short) / len(whole)
    # Vowels go first when somebody shortens a word.
    if len(short) < 4 and not _VOWELS.isdisjoint(short[1:]):
        return 0.0
    rest = iter(whole)
    if not all(letter in rest for letter in short):
        return 0.0
    return 0.55 if len(short) > 2 else 0.35
