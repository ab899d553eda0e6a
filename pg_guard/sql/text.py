"""The text itself. In: whatever a caller hands over. Out: a `SqlText` that both readers can take, or a `Refusal`.

Budgets come first: nothing is parsed before the text is known to be short enough and free of what a C string, a UTF-8
encoder or a database would read in another way than we do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from pg_guard.decision import Finding, Span

__all__ = ["HARD_BYTES", "HARD_TOKENS", "Refusal", "SqlText", "admit", "excerpt_end"]

HARD_BYTES = 4_000_000
"""No policy can raise `limits.sql_bytes` above this: past it a decision would take more than a second."""

HARD_TOKENS = 50_000
"""The same for `limits.tokens`."""

# libpg_query's scanner takes time with the square of the depth of nested comments.
_MOST_COMMENTS = 2_000

_NAME = re.compile(r'(?:[uU]&)?"(?:[^"]|"")*"|[A-Za-z_\x80-\U0010ffff][\w$\x80-\U0010ffff]*|\$\d+|\*')
_CHAIN = re.compile(r"\s*\.\s*")
_OTHER = re.compile(r"[0-9][\w.]*|'(?:[^']|'')*'|[-+*/<>=~!@#%^&|`?:]+|.", re.DOTALL)


class Refusal(Exception):  # noqa: N818 - a refusal is an outcome, not an error
    """Stops the reading of a text with one finding; never leaves the package's `Guard.check`."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.message)
        self.finding = finding


@dataclass(frozen=True)
class SqlText:
    """A text that both readers can take.

    Attributes:
        text: The characters.
        data: The same as UTF-8.
    """

    text: str
    data: bytes

    @cached_property
    def ascii(self) -> bool:
        """True when characters and bytes are the same."""
        return len(self.text) == len(self.data)

    def char(self, byte_offset: int) -> int:
        """The character offset of a byte offset, as libpg_query gives them."""
        if byte_offset < 0:
            return 0
        return byte_offset if self.ascii else len(self.data[:byte_offset].decode("utf-8", "ignore"))

    def span(self, byte_offset: int | None, end: int | None = None) -> Span | None:
        """The span of the name or token at a byte offset; None where the parser gave no place."""
        if byte_offset is None or byte_offset < 0:
            return None
        start = self.char(byte_offset)
        return Span.of(self.text, start, self.char(end) if end is not None else excerpt_end(self.text, start))


def excerpt_end(text: str, start: int) -> int:
    """Where the dotted name, literal, operator or word at `start` ends; only used to underline it."""
    match = _NAME.match(text, start)
    if not match:
        other = _OTHER.match(text, start)
        return other.end() if other else len(text)
    end = match.end()
    while (dot := _CHAIN.match(text, end)) and (part := _NAME.match(text, dot.end())):
        end = part.end()
    return end


def admit(sql: object, *, max_bytes: int) -> SqlText:
    """Take a text in, or refuse it.

    Args:
        sql: The statement; `bytes` are decoded as UTF-8.
        max_bytes: `limits.sql_bytes` of the policy, in bytes of UTF-8.

    Raises:
        Refusal: It is too long, not UTF-8, holds a NUL or a lone surrogate, or is no text at all.
    """
    if isinstance(sql, (bytes, bytearray, memoryview)):
        raw = bytes(sql)
        if len(raw) > min(max_bytes, HARD_BYTES):
            raise Refusal(_too_long(len(raw), max_bytes))
        try:
            sql = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Refusal(
                Finding(
                    "sql/encoding",
                    "high",
                    f"The statement is not valid UTF-8 (byte {error.start}).",
                    "Send the statement as UTF-8 text.",
                )
            ) from None
    if not isinstance(sql, str):
        raise Refusal(
            Finding(
                "sql/encoding",
                "high",
                f"A statement is text, not {type(sql).__name__}.",
                "Send the statement as a string.",
            )
        )
    # A character takes at least one byte, so this bounds the work of encoding.
    if len(sql) > min(max_bytes, HARD_BYTES):
        raise Refusal(_too_long(len(sql), max_bytes))
    try:
        data = sql.encode("utf-8")
    except UnicodeEncodeError as error:
        raise Refusal(
            Finding(
                "sql/encoding",
                "high",
                "The statement holds half of a surrogate pair, which PostgreSQL cannot receive.",
                "Remove the character at the marked place.",
                Span.of(sql, error.start, error.end),
            )
        ) from None
    if len(data) > min(max_bytes, HARD_BYTES):
        raise Refusal(_too_long(len(data), max_bytes))
    if data.count(b"/*") > _MOST_COMMENTS:
        raise Refusal(
            Finding("limits/tokens", "medium", "The statement has too many comments.", "Remove the comments.")
        )
    nul = sql.find("\0")
    if nul >= 0:
        # PostgreSQL's parser takes a C string: what follows a NUL would be run by nobody and read by somebody.
        raise Refusal(
            Finding(
                "sql/encoding",
                "high",
                "The statement holds a NUL character.",
                "Remove the NUL character.",
                Span.of(sql, nul, nul + 1),
            )
        )
    return SqlText(sql, data)


def _too_long(size: int, max_bytes: int) -> Finding:
    limit = min(max_bytes, HARD_BYTES)
    return Finding(
        "limits/sql-bytes",
        "medium",
        f"The statement has {size} bytes or more; the limit is {limit}.",
        f"Send a statement of at most {limit} bytes.",
    )
