"""The second reading. In: a `SqlText`. Out: sqlglot's tree, reduced to the names and kinds that both readings must share."""

from __future__ import annotations

import bisect
import contextlib
import logging
import re
import threading
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from sqlglot import Dialect, Token, TokenType, exp
from sqlglot.errors import SqlglotError

from pg_guard.decision import Finding
from pg_guard.sql.text import Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pg_guard.sql.text import SqlText

__all__ = ["SqlglotReading", "fold", "read_sqlglot", "tokenize"]

_NAME_BYTES = 63
_TOUCHING = re.compile(r"\$[0-9]+[^\s0-9$][^\s$]*\$")
# What may hold a dollar and is no parameter comes first. A text that this misjudges reads differently, and is refused.
_PARAMETER = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/|\$((?:[^\W\d]\w*)?)\$.*?\$\1\$|[^\W\d][\w$]*|\$([0-9]+)""",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class SqlglotReading:
    """What sqlglot made of the text.

    Attributes:
        kinds: Kinds of the statement and of the data-modifying statements inside of it.
        relations: Dotted names of the tables (CTE references included), folded as PostgreSQL folds them.
        columns: Last parts of the column references, folded; a star is ``*``.
    """

    kinds: frozenset[str]
    relations: frozenset[tuple[str, ...]]
    columns: frozenset[str]


class _Silence(logging.Filter):
    """Drops what sqlglot logs while this thread reads a statement: it would repeat the statement's text."""

    reading = threading.local()

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 - all of them are dropped
        return not getattr(self.reading, "on", False)


logging.getLogger("sqlglot").addFilter(_Silence())


@contextlib.contextmanager
def _without_log() -> Iterator[None]:
    _Silence.reading.on = True
    try:
        yield
    finally:
        _Silence.reading.on = False


@cache
def _dialect() -> Dialect:
    return Dialect.get_or_raise("postgres")


def fold(identifier: exp.Expr | str, *, quoted: bool | None = None) -> str:
    """An identifier as PostgreSQL stores it: ASCII folded unless quoted, cut at 63 bytes."""
    if isinstance(identifier, exp.Identifier):
        name, quoted = str(identifier.args["this"]), bool(identifier.args.get("quoted"))
    else:
        name = identifier.name if isinstance(identifier, exp.Expr) else identifier
    if not quoted:
        name = name.lower() if name.isascii() else "".join(c.lower() if c.isascii() else c for c in name)
    if len(name) * 4 <= _NAME_BYTES:
        return name
    data = name.encode("utf-8", "surrogatepass")
    return name if len(data) <= _NAME_BYTES else data[:_NAME_BYTES].decode("utf-8", "ignore")


def tokenize(sql: SqlText) -> list[Token]:
    """sqlglot's tokens, with Unicode escapes read as PostgreSQL reads them.

    Raises:
        Refusal: Its scanner cannot read the text (`sql/unsupported`).
    """
    apart, places = _parameters_apart(sql.text) if _TOUCHING.search(sql.text) else (sql.text, [])
    try:
        tokens = _dialect().tokenize(apart)
    except (SqlglotError, ValueError, IndexError, RecursionError):
        raise Refusal(_unsupported()) from None
    if places:
        tokens = [_moved(token, places) for token in tokens]
    return _join_unicode_escapes(tokens) if "U&" in sql.text or "u&" in sql.text else tokens


def _parameters_apart(text: str) -> tuple[str, list[int]]:
    """A text with a space behind each parameter, and where these are: sqlglot takes ``$1,$`` for the start of a quoted text."""
    parts, places, length, done = [], [], 0, 0
    for found in _PARAMETER.finditer(text):
        if found[2]:
            parts += [text[done : found.end()], " "]
            length += found.end() - done + 1
            places.append(length - 1)
            done = found.end()
    return "".join([*parts, text[done:]]), places


def _moved(token: Token, places: list[int]) -> Token:
    start, end = (each - bisect.bisect_left(places, each) for each in (token.start, token.end))
    return Token(token.token_type, token.text, token.line, token.col, start, end, token.comments)


def _join_unicode_escapes(tokens: list[Token]) -> list[Token]:
    """``U&"…"`` and ``U&'…'`` are three tokens to sqlglot: a name, an operator and a quoted text. Make them one."""
    joined: list[Token] = []
    index = 0
    while index < len(tokens):
        token = tokens[index]
        quoted = tokens[index + 2] if index + 2 < len(tokens) else None
        if (
            quoted is not None
            and token.text in ("U", "u")
            and tokens[index + 1].text == "&"
            and token.end + 1 == tokens[index + 1].start
            and tokens[index + 1].end + 1 == quoted.start
            and quoted.token_type in (TokenType.IDENTIFIER, TokenType.STRING)
        ):
            escape = "\\"
            after = index + 3
            if after + 1 < len(tokens) and tokens[after].text.upper() == "UESCAPE":
                escape = tokens[after + 1].text
                after += 2
            text = _unescape(quoted.text, escape)
            joined.append(Token(quoted.token_type, text, token.line, token.col, token.start, tokens[after - 1].end))
            index = after
        else:
            joined.append(token)
            index += 1
    return joined


def _unescape(text: str, escape: str) -> str:
    """Documentation, section 4.1.2.3: an escape character, then four hexadecimal digits, or a plus sign and six."""
    mark = re.escape(escape)
    return re.sub(
        f"{mark}(?:({mark})|\\+([0-9A-Fa-f]{{6}})|([0-9A-Fa-f]{{4}}))",
        lambda found: escape if found[1] else chr(min(int(found[2] or found[3], 16), 0x10FFFF)),
        text,
    )


def _unsupported() -> Finding:
    return Finding(
        "sql/unsupported",
        "medium",
        "The second reader (sqlglot) cannot read the statement, although PostgreSQL's grammar can.",
        "Write the unusual part of the query in another way.",
    )


def read_sqlglot(sql: SqlText, tokens: list[Token]) -> SqlglotReading | None:
    """Read a text by sqlglot.

    Args:
        sql: The text.
        tokens: Its tokens.

    Returns:
        None where its parser does not know the grammar of the text; its scanner's reading is compared then.

    Raises:
        Refusal: The text is nested too deeply for it, or it reads more than one statement.
    """
    try:
        with _without_log():
            trees = [tree for tree in _dialect().parser().parse(tokens, sql.text) if tree is not None]
    except RecursionError:
        raise Refusal(
            Finding("limits/depth", "medium", "The statement is nested too deeply.", "Flatten the statement.")
        ) from None
    except (SqlglotError, ValueError, IndexError, KeyError, AttributeError, TypeError):
        # Its parser raises more than its own errors on strange input; whatever it is, the text was not read.
        return None
    trees = [tree for tree in trees if not isinstance(tree, exp.Semicolon)]
    if len(trees) != 1:
        raise Refusal(
            Finding(
                "sql/readings-differ",
                "high",
                f"PostgreSQL reads one statement, the second reader (sqlglot) {len(trees)}.",
                "Write the statement without unusual quoting or comments.",
            )
        )
    return _summarise(trees[0])


_KINDS: dict[type[exp.Expr], str] = {
    exp.Insert: "insert",
    exp.Update: "update",
    exp.Delete: "delete",
    exp.Merge: "merge",
    exp.Into: "select-into",
    exp.Lock: "locking",
}


def _summarise(tree: exp.Expr) -> SqlglotReading:
    kinds = {"select"} if isinstance(tree, (exp.Query, exp.Values)) else {type(tree).__name__.lower()}
    relations: set[tuple[str, ...]] = set()
    columns: set[str] = set()
    # A plain stack: sqlglot's own walk costs about as much as its parser.
    stack: list[object] = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, list):
            stack.extend(node)
            continue
        if not isinstance(node, exp.Expr):
            continue
        cls = type(node)
        args = node.args
        if cls is exp.Column:
            name = args["this"]
            columns.add("*" if isinstance(name, exp.Star) else fold(name))
            continue
        if cls is exp.Identifier or cls is exp.Literal:
            continue
        if cls is exp.Table:
            if isinstance(args.get("this"), exp.Identifier):
                parts = (args.get("catalog"), args.get("db"), args["this"])
                relations.add(tuple(fold(part) for part in parts if part is not None))
        elif cls is exp.Dot:
            # `(row).field` and `schema.function(…)`; the former is a column where the row is a table's.
            if isinstance(args.get("expression"), exp.Identifier):
                columns.add("." + fold(args["expression"]))
        elif cls is exp.Star:
            columns.add("*")
        elif cls in _KINDS:
            kinds.add(_KINDS[cls])
        stack.extend(args.values())
    return SqlglotReading(frozenset(kinds), frozenset(relations), frozenset(columns))
