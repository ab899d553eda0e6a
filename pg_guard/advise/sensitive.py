"""What a name, a type or a comment says of the data. In: columns and relations of a catalog. Out: a `Hint` with its evidence.

The words stand in ``sensitive.yaml``. Nothing here decides what is denied: a hint says what was seen, in which language,
and whether it is sure; `survey` makes a policy of it.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import yaml

from pg_guard.advise.quoting import comment as shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pg_guard.catalog.model import Column

__all__ = ["Hint", "Vocabulary", "load_vocabulary", "words"]

_DATA: Final = Path(__file__).with_name("sensitive.yaml")
_WORD: Final = re.compile(r"[^\W\d_]+|\d+")
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
# Types whose values are about a thing (when, whether) and never the thing; `birth` takes dates for what they are.
_NO_CONTENT: Final = frozenset({"bool", "interval"})
_MOMENTS: Final = frozenset({"date", "timestamp", "timestamptz", "time", "timetz"})
_NUMBERS: Final = frozenset({"int2", "int4", "int8", "uuid", "oid", "serial"})


class Hint(NamedTuple):
    """Why something is taken for sensitive.

    Attributes:
        category: Id of the category, as in ``payment``.
        why: Evidence for a comment, as in ``name: payment card or bank account (de)``.
        sure: False for what is only worth a look.
    """

    category: str
    why: str
    sure: bool


class _Term(NamedTuple):
    form: str
    open_start: bool
    open_end: bool
    language: str

    def matches(self, run: str) -> bool:
        if run == self.form:
            return True
        # Two letters of a term could begin any word.
        return len(self.form) > 2 and (
            (self.open_end and run.startswith(self.form)) or (self.open_start and run.endswith(self.form))
        )


class _Hit(NamedTuple):
    """A term's place among all: sure ones first, then in the order of the file."""

    unsure: bool
    order: int
    category: _Category
    term: _Term


class _Index:
    """Terms by form, so that the cost of a name does not grow with the number of terms."""

    def __init__(self, hits: Iterable[_Hit]) -> None:
        self._exact: dict[str, list[_Hit]] = {}
        self._open: list[_Hit] = []
        for hit in hits:
            self._exact.setdefault(hit.term.form, []).append(hit)
            if hit.term.open_start or hit.term.open_end:
                self._open.append(hit)

    def find(self, tokens: tuple[str, ...]) -> list[tuple[_Hit, int]]:
        """Every term among the words of a name, best first, with the number of the first word after it."""
        found = []
        for _, end, run in _runs(tokens):
            found += [(hit, end) for hit in self._exact.get(run, ())]
            found += [(hit, end) for hit in self._open if hit.term.form != run and hit.term.matches(run)]
        return sorted(found, key=lambda pair: (pair[0].unsure, pair[0].order))


@dataclass(frozen=True, slots=True)
class _Category:
    id: str
    title: str
    terms: tuple[_Term, ...]
    maybe: tuple[_Term, ...]
    types: frozenset[str]
    maybe_types: frozenset[str]
    dates: bool


def _fold(text: str) -> str:
    """Lower case, without accents; ä, ö, ü become a, o, u, and ß ss."""
    decomposed = unicodedata.normalize("NFKD", text.replace("ß", "ss").replace("ẞ", "SS"))
    # Marks of Japanese kana tell sounds apart and stay.
    return "".join(each for each in decomposed if not "\u0300" <= each <= "\u036f").lower().replace("ł", "l")


def words(name: str) -> tuple[str, ...]:
    """The words of a name: split at separators, digits and humps; folded."""
    return tuple(_WORD.findall(_fold(_CAMEL.sub(" ", unicodedata.normalize("NFC", name)))))


def _spellings(term: str) -> set[str]:
    """A term without separators, folded; with umlauts also in their two-letter spelling."""
    spelled = term.lower()
    for letter, pair in (("ä", "ae"), ("ö", "oe"), ("ü", "ue")):
        spelled = spelled.replace(letter, pair)
    return {"".join(_WORD.findall(_fold(each))) for each in (term, spelled)}


def _terms(by_language: Mapping[str, Iterable[str]]) -> tuple[_Term, ...]:
    found = [
        _Term(form, term.startswith("*"), term.endswith("*"), language)
        for language, terms in by_language.items()
        for term in terms
        for form in sorted(_spellings(term.strip("*")))
    ]
    return tuple(dict.fromkeys(found))


class Vocabulary:
    """The words of ``sensitive.yaml``, ready for look-ups; immutable.

    Args:
        data: The file's content.
    """

    def __init__(self, data: Mapping[str, Any]) -> None:
        self._columns = tuple(_category(each) for each in data["columns"])
        self._column_terms = _index(self._columns)
        self._relation_terms = _index([_category(each) for each in data["relations"]])
        self._about = frozenset(data["about"])
        self._asks = frozenset(data["asks"])
        self._counts = frozenset(data["counts"])
        self._comments = _terms(data["comments"])
        self._tenants = frozenset(form for term in data["tenants"]["sure"] for form in _spellings(term))
        self._maybe_tenants = frozenset(form for term in data["tenants"]["maybe"] for form in _spellings(term))

    def column(self, column: Column, base_type: str = "") -> Hint | None:
        """What a column seems to hold, or None.

        Args:
            column: The column.
            base_type: Name of the type below its domain, when it has one.
        """
        types = {column.type.name.removeprefix("_"), base_type.removeprefix("_")} - {""}
        if (hint := self._by_comment(column.comment)) is not None:
            return hint
        if not types & _NO_CONTENT:
            by_name = self._by_name(column.name, types)
            if by_name is not None and by_name.sure:
                return by_name
            return self._by_type(types) or by_name
        return None

    def relation(self, name: str, comment: str = "") -> Hint | None:
        """What a relation or a schema seems to hold as a whole, or None."""
        for hit, _ in self._relation_terms.find(words(name)):
            return _by_name(hit)
        hint = self._by_comment(comment)
        # A table's comment is about its purpose; it is rarely a reason to hide the whole of it.
        return hint._replace(sure=False) if hint is not None else None

    def tenant(self, name: str) -> str:
        """``sure`` or ``maybe`` when a name is one for tenants (``tenant_id``, ``mandanten``), else ''."""
        tokens = [
            each for each in words(name) if each not in ("id", "ids", "key", "nr", "no", "uuid", "fk", "code", "ref")
        ]
        joined = "".join(tokens)
        if joined in self._tenants or (len(tokens) > 1 and tokens[-1] in {"tenant", "mandant"}):
            return "sure"
        return "maybe" if joined in self._maybe_tenants else ""

    def _by_comment(self, text: str) -> Hint | None:
        tokens = words(text)
        if any(term.matches(run) for _, _, run in _runs(tokens) for term in self._comments):
            return Hint("comment", f'comment: "{shown(text, 50)}"', sure=True)
        return None

    def _by_name(self, name: str, types: set[str]) -> Hint | None:
        tokens = words(name)
        if not tokens or tokens[0] in self._asks or (tokens[0] in self._counts and types & _NUMBERS):
            return None
        for hit, end in self._column_terms.find(tokens):
            if types & _MOMENTS and not hit.category.dates:
                continue
            if not self._is_about(tokens[end:], types):
                return _by_name(hit)
        return None

    def _is_about(self, rest: tuple[str, ...], types: set[str]) -> bool:
        """Do the words after the term say that it is only a reference to it or a statement about it?"""
        if not rest:
            return False
        if any(each in self._about for each in rest):
            return True
        return rest[-1] in ("id", "ids", "fk", "ref") and bool(types & _NUMBERS)

    def _by_type(self, types: set[str]) -> Hint | None:
        for category in self._columns:
            for sure, names in ((True, category.types), (False, category.maybe_types)):
                if hit := sorted(types & names):
                    return Hint(category.id, f"type {hit[0]}: {category.title}", sure)
        return None


def _category(data: Mapping[str, Any]) -> _Category:
    return _Category(
        data["id"],
        data["title"],
        _terms(data["terms"]),
        _terms(data.get("maybe", {})),
        frozenset(data.get("types", ())),
        frozenset(data.get("maybe_types", ())),
        bool(data.get("dates")),
    )


def _index(categories: Iterable[_Category]) -> _Index:
    hits: list[_Hit] = []
    for category in categories:
        for unsure, terms in ((False, category.terms), (True, category.maybe)):
            hits += [_Hit(unsure, len(hits) + number, category, term) for number, term in enumerate(terms)]
    return _Index(hits)


def _by_name(hit: _Hit) -> Hint:
    return Hint(hit.category.id, f"name: {hit.category.title} ({hit.term.language})", not hit.unsure)


def _runs(tokens: tuple[str, ...]) -> Iterator[tuple[int, int, str]]:
    """Contiguous words put together, longest first, so that `email address` is met before `email`."""
    for length in range(min(len(tokens), 6), 0, -1):
        for start in range(len(tokens) - length + 1):
            yield start, start + length, "".join(tokens[start : start + length])


@lru_cache(maxsize=1)
def load_vocabulary() -> Vocabulary:
    """The vocabulary that comes with pg-guard."""
    return Vocabulary(yaml.safe_load(_DATA.read_text(encoding="utf-8")))
