"""Statements for log lines. In: a statement. Out: its text without literals and comments, or nothing, or the whole of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import postgast

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Shown", "shown_statement", "without_literals"]

Shown: TypeAlias = Literal["none", "masked", "full"]

_MOST_CHARACTERS: Final = 2_000
_UNREADABLE: Final = "(not readable)"

# Through the package: the stub of the module itself is not valid Python.
_Token: Final = postgast.pg_query_pb2.Token
_LITERALS: Final = frozenset(
    {_Token.SCONST, _Token.USCONST, _Token.BCONST, _Token.XCONST, _Token.ICONST, _Token.FCONST}
)
_COMMENTS: Final = frozenset({_Token.SQL_COMMENT, _Token.C_COMMENT})


def shown_statement(how: Shown) -> Callable[[str], str | None]:
    """What log lines tell of a statement: None for nothing."""
    if how == "none":
        return lambda _: None
    return _shortened if how == "full" else without_literals


def without_literals(text: str) -> str:
    """The statement with ``?`` for each literal and without comments; no part of one that cannot be read."""
    # libpg_query reads a C string: what stands behind a NUL it would not see.
    if "\0" in text or len(text) > _MOST_CHARACTERS * 10:
        return _UNREADABLE
    try:
        data = text.encode("utf-8")
        tokens = postgast.scan(text).tokens
    except (UnicodeError, postgast.PgQueryError):
        return _UNREADABLE
    parts: list[bytes] = []
    position = 0
    for token in tokens:
        if token.token in _LITERALS or token.token in _COMMENTS:
            parts += [data[position : token.start], b"?" if token.token in _LITERALS else b""]
            position = token.end
    parts.append(data[position:])
    return _shortened(b"".join(parts).decode("utf-8", "replace"))


def _shortened(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}…"
