"""PostgreSQL's own reading. In: a `SqlText`. Out: libpg_query's raw parse tree as plain dicts and lists.

The tree is taken as libpg_query's JSON output, decoded by the C decoder of the standard library: about half the cost
of the protobuf form, no object per node, and no limit on its depth that PostgreSQL itself does not have.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, TypeAlias

from postgast import PgQueryError, scan
from postgast.native import lib as _lib

from pg_guard.decision import Finding, Span
from pg_guard.sql.text import Refusal, SqlText, excerpt_end

__all__ = ["Node", "PgReading", "explained", "read_postgres", "split_statements"]

Node: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PgReading:
    """What PostgreSQL's grammar made of the text.

    Attributes:
        statements: One raw statement node each, as in ``{"SelectStmt": {…}}``.
        places: Byte offset and length of each statement; length 0 means to the end.
    """

    statements: tuple[Node, ...]
    places: tuple[tuple[int, int], ...]


def read_postgres(sql: SqlText, *, max_json: int = 8_000_000) -> PgReading:
    """Read a text by PostgreSQL's grammar.

    Args:
        sql: The text.
        max_json: Largest parse tree that is decoded, in bytes of JSON; 50,000 tokens make about half of it.

    Raises:
        Refusal: It is no SQL (`sql/syntax`), or nested deeper than PostgreSQL's parser goes.
    """
    raw, problem = _parse(sql, sql.data)
    if problem is not None and (b"--" in sql.data or b"/*" in sql.data):
        # libpg_query hands comments to the grammar's look-ahead, so that NULLS /* x */ LAST is an error to it, and to
        # PostgreSQL is not. A comment is white space to PostgreSQL: the text is read once more with blanks for it.
        raw, _ = _parse(sql, _without_comments(sql))
    if raw is None:
        raise Refusal(problem) if problem is not None else AssertionError("no tree and no error")
    if len(raw) > max_json:
        raise Refusal(
            Finding("limits/tokens", "medium", "The statement has too many tokens.", "Send a shorter statement.")
        )
    document = _decode(raw)
    statements = document.get("stmts", [])
    return PgReading(
        tuple(entry.get("stmt", {}) for entry in statements),
        tuple((entry.get("stmt_location", 0), entry.get("stmt_len", 0)) for entry in statements),
    )


def _parse(sql: SqlText, data: bytes) -> tuple[bytes | None, Finding | None]:
    """The tree as JSON, or why there is none."""
    result = _lib.pg_query_parse(data)
    try:
        if result.error:
            return None, _syntax_finding(sql, result.error.contents)
        return result.parse_tree, None
    finally:
        _lib.pg_query_free_parse_result(result)


def _without_comments(sql: SqlText) -> bytes:
    """The text with blanks for comments, every other byte in its place.

    The newline that ends a ``--`` comment stays (a string may be continued behind it); one inside of a block comment
    does not (there a string may not).
    """
    data = bytearray(sql.data)
    try:
        tokens = scan(sql.text).tokens
    except PgQueryError:
        return sql.data
    for token in tokens:
        if sql.data.startswith((b"--", b"/*"), token.start):
            data[token.start : token.end] = b" " * (token.end - token.start)
    return bytes(data)


def _syntax_finding(sql: SqlText, error: Any) -> Finding:
    message = error.message.decode("utf-8", "replace")
    span: Span | None = None
    if error.cursorpos > 0:
        # libpg_query counts in characters of the client encoding, from 1.
        start = min(error.cursorpos - 1, len(sql.text))
        span = Span.of(sql.text, start, excerpt_end(sql.text, start) if start < len(sql.text) else start)
    if "memory exhausted" in message or "stack depth" in message:
        return Finding(
            "limits/depth",
            "medium",
            "The statement is nested deeper than PostgreSQL's parser goes.",
            "Flatten the statement.",
            span,
        )
    return Finding(
        "sql/syntax",
        "low",
        f"PostgreSQL cannot parse the statement: {message}.",
        "Correct the syntax at the marked place.",
        span,
    )


def _decode(raw: bytes) -> Node:
    text = raw.decode("utf-8")
    try:
        document: Node = json.loads(text)
    except RecursionError:
        document = _decode_deep(text)
    return document


_JSON_TOKEN = re.compile(r'\s*(?:("(?:[^"\\]|\\.)*")|([{}\[\],:])|([^\s{}\[\],:"]+))', re.DOTALL)


def _decode_deep(text: str) -> Node:
    """Decode JSON without recursion, for trees deeper than the interpreter's stack (500 chained ``||``)."""
    root: list[Any] = []
    stack: list[Any] = [root]
    keys: list[str | None] = []
    key: str | None = None
    position = 0
    loads = json.loads
    while position < len(text):
        match = _JSON_TOKEN.match(text, position)
        if match is None:
            break
        position = match.end()
        string, mark, word = match.groups()
        value: Any
        if mark is None:
            value = loads(string if string is not None else word)
            if isinstance(stack[-1], dict) and key is None:
                key = value
                continue
        elif mark in "{[":
            value = {} if mark == "{" else []
        elif mark in "}]":
            stack.pop()
            key = keys.pop()
            continue
        else:
            if mark == ",":
                key = None
            continue
        if isinstance(stack[-1], dict):
            stack[-1][key] = value
        else:
            stack[-1].append(value)
        if mark is not None:
            keys.append(None)
            stack.append(value)
            key = None
        else:
            key = None
    document: Node = root[0]
    return document


def explained(sql: SqlText) -> SqlText:
    """The statement inside of an EXPLAIN, by PostgreSQL's own scanner; sqlglot keeps an EXPLAIN as opaque text."""
    tokens = [
        token for token in scan(sql.text).tokens if not sql.data[token.start : token.end].startswith((b"--", b"/*"))
    ]
    words = [sql.data[token.start : token.end].upper() for token in tokens]
    index = 1
    if (
        index + 1 < len(words)
        and words[index] == b"("
        and words[index + 1] not in (b"(", b"SELECT", b"WITH", b"VALUES", b"TABLE")
    ):
        # Options hold names, numbers and strings, never a parenthesis.
        index = words.index(b")") + 1 if b")" in words else len(words)
    else:
        while index < len(words) and words[index] in (b"ANALYZE", b"ANALYSE", b"VERBOSE"):
            index += 1
    start = tokens[index].start if index < len(tokens) else len(sql.data)
    data = sql.data[start:]
    return SqlText(data.decode("utf-8"), data)


def split_statements(text: str) -> list[tuple[int, int]]:
    """Split a text of several statements as PostgreSQL's scanner does.

    Args:
        text: Statements, each but the last ended by a semicolon.

    Returns:
        Character offsets (start, end) of each statement, without its semicolon and the white space around it; the whole
        text as one where it cannot be split (an open quote, a NUL), so that the caller's check says what is wrong.
    """
    whole = [(0, len(text))] if text.strip() else []
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError:
        return whole
    if b"\0" in data:
        return whole
    result = _lib.pg_query_split_with_scanner(data)
    try:
        if result.error:
            return whole
        places = [
            (result.stmts[index].contents.stmt_location, result.stmts[index].contents.stmt_len)
            for index in range(result.n_stmts)
        ]
    finally:
        _lib.pg_query_free_split_result(result)
    spans = []
    byte = char = 0
    for location, length in places:
        # Places come in order, so each byte is decoded once.
        char, byte = char + len(data[byte:location].decode("utf-8", "ignore")), location
        start = char
        end = start + len(data[location : location + length].decode("utf-8", "ignore")) if length else len(text)
        body = text[start:end]
        start += len(body) - len(body.lstrip())
        spans.append((start, start + len(body.strip())))
    spans = [(start, end) for start, end in spans if end > start]
    return _join_bodies(text, spans) if _ATOMIC.search(text) else spans


_ATOMIC = re.compile(r"\bbegin\b.*?\batomic\b", re.IGNORECASE | re.DOTALL)
_ROUTINES = ("function", "procedure")


def _join_bodies(text: str, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Put the pieces of a routine's body together: the scanner cuts ``BEGIN ATOMIC …; END`` at its semicolons.

    Bodies are told as psql tells them: in a CREATE FUNCTION or PROCEDURE, BEGIN and CASE open what END closes.
    """
    joined: list[tuple[int, int]] = []
    depth = 0
    for start, end in spans:
        words = _words(text[start:end])
        if depth == 0:
            joined.append((start, end))
            head = [word for word in words[:4] if word not in ("or", "replace")]
            if head[:1] != ["create"] or not head[1:2] or head[1] not in _ROUTINES:
                continue
        else:
            joined[-1] = (joined[-1][0], end)
        for word, following in zip(words, [*words[1:], ""], strict=True):
            if (word == "begin" and following == "atomic") or (word == "case" and depth > 0):
                depth += 1
            elif word == "end" and depth > 0:
                depth -= 1
    return joined


def _words(text: str) -> list[str]:
    """The keywords and names of a text as they stand, in small letters; what is quoted gives nothing that matches."""
    data = text.encode("utf-8")
    return [
        data[token.start : token.end].decode("utf-8", "ignore").lower()
        for token in scan(text).tokens
        if not data[token.start : token.end].startswith((b"--", b"/*"))
    ]
