"""String literals of Python. In: the source of a literal. Out: its value in pieces that know where they stand.

Covers what Python reads as one constant: literals that stand beside each other, raw ones, all escapes, line endings.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final, NamedTuple

from pg_guard.entry.cli.embedded.fragments import Fragment, FragmentBuilder

__all__ = ["LiteralPiece", "decode_literal", "with_parameters"]

_LITERAL = re.compile(
    r"(?P<prefix>[rRuU]?)(?P<quote>'''|\"\"\"|'|\")(?P<body>(?:\\.|(?!(?P=quote)).)*)(?P=quote)", re.DOTALL
)
_BETWEEN = re.compile(r"(?:\s|\\\r?\n|#[^\r\n]*)*")
_BODY = re.compile(
    r"(?P<escape>\\(?:\r\n|[0-7]{1,3}|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|N\{[^}]+\}|.))"
    r"|(?P<newline>\r\n?)|(?P<plain>[^\\\r]+)",
    re.DOTALL,
)
_SIMPLE: Final = {
    "\\": "\\",
    "'": "'",
    '"': '"',
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\n": "",
    "\r": "",
    "\r\n": "",
}

# What a driver fills in, outside of literals, quoted names and comments.
_PARAMETER = re.compile(
    r"(?P<other>'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)"
    r"|(?P<percent>%s|%\((?P<key>\w+)\)s)|(?P<escaped>%%)|(?<![:\w]):(?P<colon>[A-Za-z_]\w*)",
    re.DOTALL,
)


class LiteralPiece(NamedTuple):
    """A part of a value, and the characters of the file that it stands for."""

    text: str
    start: int
    end: int


def decode_literal(source: str, base: int) -> list[LiteralPiece] | None:
    """Decode one constant.

    Args:
        source: From its first prefix or quote to after its last quote.
        base: Where `source` stands in the file.

    Returns:
        The pieces in order, or None where it is no text constant.
    """
    pieces: list[LiteralPiece] = []
    position = 0
    while position < len(source):
        literal = _LITERAL.match(source, position)
        if literal is None:
            return None
        start = base + literal.start("body")
        if not _decode_body(literal["body"], start, literal["prefix"] in ("r", "R"), pieces):
            return None
        between = _BETWEEN.match(source, literal.end())
        position = between.end() if between else literal.end()
    return pieces


def _decode_body(body: str, start: int, raw: bool, pieces: list[LiteralPiece]) -> bool:
    for match in _BODY.finditer(body):
        here, there = start + match.start(), start + match.end()
        if match["plain"] is not None:
            pieces.append(LiteralPiece(match[0], here, there))
        elif match["newline"] is not None:
            pieces.append(LiteralPiece("\n", here, there))
        elif raw:
            # Python reads every line ending as one character, also behind the backslash of a raw literal.
            text = match[0].replace("\r\n", "\n").replace("\r", "\n")
            pieces.append(LiteralPiece(text, here, there))
        else:
            decoded = _escape(match[0])
            if decoded is None:
                return False
            if decoded:
                pieces.append(LiteralPiece(decoded, here, there))
    return True


def _escape(escape: str) -> str | None:
    rest = escape[1:]
    if rest in _SIMPLE:
        return _SIMPLE[rest]
    if rest[0] in "01234567":
        return chr(int(rest, 8))
    if rest[0] in "xuU" and len(rest) > 1:
        code = int(rest[1:], 16)
        return chr(code) if code <= 0x10FFFF else None
    if rest.startswith("N{"):
        try:
            return unicodedata.lookup(rest[2:-1])
        except KeyError:
            return None
    return escape  # Python keeps a backslash that begins no escape


def with_parameters(fragment: Fragment, *, percent: bool, colon: bool) -> Fragment:
    """Write a driver's parameters as PostgreSQL's own, ``$1``, ``$2``, each at its place.

    Args:
        fragment: The SQL as the program holds it.
        percent: ``%s`` and ``%(name)s`` are parameters, and ``%%`` is one percent sign.
        colon: ``:name`` is a parameter.
    """
    builder = FragmentBuilder()
    numbers: dict[str, int] = {}
    position = 0
    for match in _PARAMETER.finditer(fragment.text):
        if match["percent"] and percent:
            key = match["key"] or f"%{len(numbers)}"
        elif match["colon"] and colon:
            key = match["colon"]
        elif match["escaped"] and percent:
            key = ""
        else:
            continue
        fragment.copy(builder, position, match.start())
        text = f"${numbers.setdefault(key, len(numbers) + 1)}" if key else "%"
        builder.add(text, *fragment.place(match.start(), match.end()))
        position = match.end()
    if not position:
        return fragment
    fragment.copy(builder, position, len(fragment.text))
    return builder.build()
