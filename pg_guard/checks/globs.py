"""Wildcards of rules. In: ``pg_catalog.pg_read_*``, ``"odd.name".t``, ``%?token*``. Out: matchers in linear time.

The form is that of a policy's denials (`pg_guard.checks.patterns`): ``*`` stands for any characters and ``?`` for one,
letter case is ignored, text in double quotes is taken as it stands. No regular expression is asked to go back: a text
may be as long as a statement, and a pattern as odd as its author likes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pg_guard.checks.patterns import split_pattern

if TYPE_CHECKING:
    from pg_guard.catalog.model import Name

__all__ = ["Glob", "NameGlob"]


class Glob:
    """A pattern for one text.

    Args:
        text: The pattern; in double quotes it has no wildcards.
    """

    __slots__ = ("_pieces", "exact")

    def __init__(self, text: str) -> None:
        quoted = len(text) > 1 and text.startswith('"') and text.endswith('"')
        folded = (text[1:-1].replace('""', '"') if quoted else text).casefold()
        self._pieces = (_Piece(folded, plain=True),) if quoted else tuple(_Piece(piece) for piece in folded.split("*"))
        self.exact = folded if len(self._pieces) == 1 and self._pieces[0].plain else None
        """The one folded text that it matches, or None when it has wildcards."""

    def matches(self, text: str) -> bool:
        """Does the pattern match the whole text?"""
        text = text.casefold()
        if self.exact is not None:
            return text == self.exact
        first, last = self._pieces[0], self._pieces[-1]
        if len(self._pieces) == 1:
            return len(text) == first.length and first.at(text, 0)
        start, end = first.length, len(text) - last.length
        if start > end or not first.at(text, 0) or not last.at(text, end):
            return False
        # The leftmost place of each piece leaves the most room for the next, so none is ever tried twice.
        for piece in self._pieces[1:-1]:
            found = piece.find(text, start, end)
            if found < 0:
                return False
            start = found + piece.length
        return True


class _Piece:
    """What stands between two stars: text, in which ``?`` is one character."""

    __slots__ = ("_form", "_text", "length", "plain")

    def __init__(self, text: str, *, plain: bool = False) -> None:
        self.plain = plain or "?" not in text
        self.length = len(text)
        self._text = text
        # Of fixed length, without choices: the engine has nothing to go back to.
        self._form = None if self.plain else re.compile(re.escape(text).replace(r"\?", "."), re.DOTALL)

    def at(self, text: str, position: int) -> bool:
        if self._form is None:
            return text.startswith(self._text, position)
        return self._form.match(text, position) is not None

    def find(self, text: str, start: int, end: int) -> int:
        if self._form is None:
            return text.find(self._text, start, end)
        found = self._form.search(text, start, end)
        return found.start() if found is not None else -1


class NameGlob:
    """A pattern for a stored name: ``name`` in any schema, or ``schema.name``."""

    __slots__ = ("_name", "_schema")

    def __init__(self, text: str) -> None:
        schema, name = split_pattern(text)
        self._schema = None if schema is None else Glob(schema)
        self._name = Glob(name)

    def matches(self, name: Name) -> bool:
        """Does the pattern match this stored name?"""
        return self._name.matches(name.name) and (self._schema is None or self._schema.matches(name.schema))
