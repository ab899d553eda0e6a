"""Scripts for psql. In: the text of a file. Out: its statements, its meta-commands, and where it stops being readable.

What stands outside of literals and comments is told by PostgreSQL's own scanner. psql reads a meta-command up to the
end of its line and goes on with the statement that it has begun, so such a line is replaced by spaces; a command that
sends the statement, as ``\\gset``, is replaced by a semicolon. Every offset stays what it is in the file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from postgast import PgQueryError, scan

from pg_guard.decision import Finding
from pg_guard.sql.witness import split_statements

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pg_guard.report.excerpt import Source

__all__ = ["Script", "Token", "read_script", "tokens"]

# The scanner gives a character that makes no longer token as itself.
_BACKSLASH: Final = ord("\\")
_SEMICOLON: Final = ord(";")
_COMMENTS: Final = frozenset({275, 276})  # SQL_COMMENT and C_COMMENT of libpg_query's tokens
_COPY_DATA = re.compile(r"^[ \t]*copy\b[^;]*?\bfrom\s+stdin\b[^;]*;[ \t]*\r?\n", re.IGNORECASE | re.MULTILINE)
_END_OF_DATA = re.compile(r"^\\\.[ \t\r]*$", re.MULTILINE)
_NOT_NEWLINE = re.compile(r"[^\n]")
_COMMAND = re.compile(r"\\([A-Za-z]+|.?)")

_SENDS: Final = frozenset({"g", "gx", "gset", "gdesc", "gexec", "bind", "crosstabview", "watch", "sendpipeline"})
_HARMLESS: Final = frozenset(
    {"a", "C", "H", "T", "conninfo", "echo", "elif", "else", "endif", "errverbose", "f", "gdesc", "gset", "gx", "if"}
    | {"crosstabview", "p", "print", "prompt", "pset", "q", "qecho", "restrict", "set", "t", "timing", "unrestrict"}
    | {"unset", "warn", "watch", "x", "encoding"}
)
"""Commands that run nothing by themselves; every other one reads a file, runs a program, or sends text unseen here."""


class Token(NamedTuple):
    """A token of PostgreSQL's scanner: its number in libpg_query, and its place in characters."""

    kind: int
    start: int
    end: int

    @property
    def comment(self) -> bool:
        """True for both kinds of comments."""
        return self.kind in _COMMENTS


@dataclass(frozen=True, slots=True)
class Script:
    """A file, taken apart.

    Attributes:
        text: The text with meta-commands and COPY data blanked, as long as the file's own.
        statements: Character offsets (start, end) of each statement.
        findings: What cannot be checked: meta-commands, COPY data, an open quote; spans are places in the file.
    """

    text: str
    statements: tuple[tuple[int, int], ...]
    findings: tuple[Finding, ...]


def read_script(source: Source) -> Script:
    """Take a file apart; any text gives a result."""
    masked, findings = _mask(source)
    statements = split_statements(masked)
    broken = _scan_error(masked) if len(statements) == 1 else None
    if broken is not None:
        # The splitter gave up: what stands before the statement with the open quote is split again, without it.
        offset, message = broken
        findings.append(
            Finding(
                "sql/syntax",
                "medium",
                f"PostgreSQL cannot read the file from here on: {message}.",
                "Close the quote or the comment; what follows was not checked.",
                source.span(offset, _line_end(masked, offset)),
            )
        )
        # The broken statement begins after the last semicolon.
        masked_end = max((end for kind, _, end in tokens(masked[:offset]) if kind == _SEMICOLON), default=0)
        statements = split_statements(masked[:masked_end])
    else:
        masked_end = len(masked)
    return Script(masked, tuple(_fill_gaps(masked, statements, masked_end)), tuple(findings))


def _fill_gaps(text: str, statements: list[tuple[int, int]], end: int) -> Iterator[tuple[int, int]]:
    """Add what the splitter passes over: it gives no statement for text without a keyword, as in ``foo bar;``."""
    position = 0
    for start, stop in (*statements, (end, end)):
        gap = text[position:start]
        if gap.strip(" \t\r\n;") and "\0" not in gap:
            first = last = -1
            for kind, token_start, token_end in (*tokens(gap), (_SEMICOLON, len(gap), len(gap))):
                if kind == _SEMICOLON and first >= 0:
                    yield position + first, position + last
                    first = -1
                elif kind != _SEMICOLON and kind not in _COMMENTS:
                    first, last = (token_start if first < 0 else first), token_end
        if stop > start:
            yield start, stop
        position = stop


def _mask(source: Source) -> tuple[str, list[Finding]]:
    text = source.text
    findings: list[Finding] = []
    if "\0" in text or ("\\" not in text and not _COPY_DATA.search(text)):
        return text, findings
    parts: list[str] = []
    position, search_from = 0, 0
    while position < len(text):
        copy = _COPY_DATA.search(text, max(position, search_from))
        stop = copy.end() if copy else len(text)
        command = _first_command(text, position, stop)
        if command is not None:
            end = _line_end(text, command)
            parts += (text[position:command], _replacement(text, command, end))
            finding = _command_finding(source, command, end)
            if finding:
                findings.append(finding)
                position = end
            else:
                # ``\;`` only separates: the rest of the line is SQL.
                parts[-1] = " ;"
                position = command + 2
        elif copy is None:
            break
        elif _scan_error(text[position : copy.start()]) is None:
            end_of_data = _END_OF_DATA.search(text, copy.end())
            end = end_of_data.end() if end_of_data else len(text)
            parts += (text[position : copy.end()], _NOT_NEWLINE.sub(" ", text[copy.end() : end]))
            position = end
        else:
            search_from = copy.end()  # inside of a literal
    parts.append(text[position:])
    return "".join(parts), findings


def _first_command(text: str, start: int, stop: int) -> int | None:
    """Offset of the first backslash outside of literals and comments.

    Reads as far as the line of the next backslash and a little more, not to the end: a file with a meta-command in each
    line would be read once per line otherwise.
    """
    reach = 1_000
    while (backslash := text.find("\\", start, stop)) >= 0:
        limit = min(stop, _line_end(text, max(backslash, start + reach)))
        boundary = 0
        for kind, offset, _ in tokens(text[start:limit]):
            if kind == _BACKSLASH:
                return start + offset
            if kind == _SEMICOLON:
                boundary = offset + 1
        if limit == stop:
            break
        # A semicolon is the only sure boundary: a string may go on after a newline.
        start += boundary
        reach *= 1 if boundary else 2
    return None


def tokens(text: str) -> list[Token]:
    """The tokens of a text, comments included, up to where the scanner stops.

    Everything before an open quote is read rightly, and the quote may be a meta-command's own (``\\echo don't``).
    """
    error = _scan_error(text)
    if error is not None:
        text = text[: error[0]]
        if _scan_error(text) is not None:
            return []
    if "\0" in text:
        return []
    data = text.encode("utf-8", "replace")
    scanned = scan(data.decode()).tokens
    if len(data) == len(text):
        return [Token(token.token, token.start, token.end) for token in scanned]
    # Tokens come in order, so each piece between two of them is decoded once.
    places = []
    last_byte = last_character = 0
    for token in scanned:
        start = last_character + len(data[last_byte : token.start].decode("utf-8", "ignore"))
        end = start + len(data[token.start : token.end].decode("utf-8", "ignore"))
        places.append(Token(token.token, start, end))
        last_byte, last_character = token.end, end
    return places


def _scan_error(text: str) -> tuple[int, str] | None:
    """Character offset and message of what the scanner stops at, or None."""
    if "\0" in text:
        return None
    try:
        scan(text.encode("utf-8", "replace").decode())
    except PgQueryError as error:
        message = error.message.partition(" at or near ")[0]
        # Counted from 1, in characters (and not in bytes, as postgast's documentation has it).
        return max(0, min(error.cursorpos - 1, len(text))), message
    return None


def _line_end(text: str, start: int) -> int:
    end = text.find("\n", start)
    return len(text) if end < 0 else end


def _replacement(text: str, start: int, end: int) -> str:
    match = _COMMAND.match(text, start)
    sends = match is not None and match[1] in _SENDS
    return (";" if sends else " ") + " " * (end - start - 1)


def _command_finding(source: Source, start: int, end: int) -> Finding | None:
    match = _COMMAND.match(source.text, start)
    name = match[1] if match else ""
    if name == ";":
        return None
    harmless = name in _HARMLESS and "`" not in source.text[start:end]
    return Finding(
        "lint/psql-command",
        "info" if harmless else "medium",
        f"\\{name} is a command of psql, not SQL; it was not checked.",
        "Nothing to do: it runs no statement by itself."
        if harmless
        else "Move what it runs into this file as plain SQL, so that it can be checked.",
        source.span(start, start + len(source.text[start:end].rstrip())),
        "warn" if harmless else "deny",
    )
