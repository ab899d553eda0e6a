"""Statements without their data. In: a decision record. Out: the same with literals or whole texts as keyed digests.

A digest is an HMAC-SHA256: equal literals keep equal digests, and nobody without the key can try out values. The plain
SHA-256 of a statement would tell its literals to whoever guesses them, so that is keyed as well.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

import postgast
from postgast import PgQueryError, scan

if TYPE_CHECKING:
    from pathlib import Path

    from pg_guard.settings import AuditSettings

__all__ = ["MIN_KEY_BYTES", "Masker", "Masking", "read_key"]

Masking: TypeAlias = Literal["none", "literals", "statement"]

MIN_KEY_BYTES: Final = 16
_LEFT_OUT: Final = "(left out: it may quote the statement)"
_SHOWN_OF_DIGEST: Final = 16
# A message may show a literal cut off: this much of one is enough to leave the message out.
_TELLING: Final = 6

# Through the package: the stub of the module itself is not valid Python.
_Token: Final = postgast.pg_query_pb2.Token
_LITERALS: Final = frozenset(
    {_Token.SCONST, _Token.USCONST, _Token.BCONST, _Token.XCONST, _Token.ICONST, _Token.FCONST}
)
_COMMENTS: Final = frozenset({_Token.SQL_COMMENT, _Token.C_COMMENT})
_DOLLAR: Final = re.compile(r"\$([^$]*)\$(.*)\$\1\$", re.DOTALL)


class _Masked(NamedTuple):
    """A text without its literals, and what they were."""

    text: str
    literals: tuple[str, ...]
    read: bool


class Masker:
    """Masks decision records.

    Args:
        kind: What is masked: nothing, the literals of statements, or statements as a whole.
        key: Of the digests; needed unless nothing is masked.

    Raises:
        ValueError: The key is missing or too short.
    """

    def __init__(self, kind: Masking = "none", key: bytes = b"") -> None:
        if kind != "none" and len(key) < MIN_KEY_BYTES:
            raise ValueError(f"masking needs a key of at least {MIN_KEY_BYTES} bytes")
        self.kind: Masking = kind
        self._key = key

    def __repr__(self) -> str:
        return f"Masker({self.kind!r})"

    @property
    def described(self) -> dict[str, str] | None:
        """What a record says of its masking: the kind, and which key, not the key; None without masking."""
        if self.kind == "none":
            return None
        return {"kind": self.kind, "key": self._digest("pg-guard audit key")[:8]}

    def mask(self, record: dict[str, Any]) -> dict[str, Any]:
        """A decision record with what is to be masked masked; the one that is given stays as it is."""
        if self.kind == "none":
            return record
        statement, sql = str(record["statement"]), record["sql"]
        shown = self._masked(statement)
        masked = dict(record)
        masked["statement"] = shown.text
        masked["sql"] = sql if sql is None else shown.text if sql == statement else self._masked(str(sql)).text
        masked["findings"] = [self._finding(finding, shown) for finding in record["findings"]]
        # Without the key, a digest of the text would let values be tried out.
        masked["digests"] = dict(record["digests"]) | {"statement": self._digest(statement)}
        return masked

    def _masked(self, text: str) -> _Masked:
        return self._without_literals(text) if self.kind == "literals" else self._whole(text)

    def _whole(self, text: str) -> _Masked:
        return _Masked(f"(masked {self._digest(text)[:_SHOWN_OF_DIGEST]})", (), read=False)

    def _without_literals(self, text: str) -> _Masked:
        # libpg_query reads a C string: what stands behind a NUL it would not see.
        if "\0" in text:
            return self._whole(text)
        try:
            data = text.encode("utf-8")
            tokens = scan(text).tokens
        except (UnicodeError, PgQueryError):
            return self._whole(text)
        parts: list[str] = []
        literals: list[str] = []
        position = 0
        for token in tokens:
            if token.token not in _LITERALS and token.token not in _COMMENTS:
                continue
            written = data[token.start : token.end].decode("utf-8")
            parts.append(data[position : token.start].decode("utf-8"))
            position = token.end
            if token.token in _COMMENTS:
                literals.append(written)
                # A line's end stays where it was: it ends the comment.
                parts.append("/* masked */")
                continue
            value = _value(written)
            literals += [written, value]
            parts.append(f"'mac:{self._digest(value)[:_SHOWN_OF_DIGEST]}'")
        parts.append(data[position:].decode("utf-8"))
        return _Masked("".join(parts), tuple(literals), read=True)

    def _finding(self, finding: dict[str, Any], shown: _Masked) -> dict[str, Any]:
        def quotes(text: str) -> bool:
            return not shown.read or any(value and value[:_TELLING] in text for value in shown.literals)

        return finding | {
            key: _LEFT_OUT for key in ("message", "remediation") if quotes(str(finding[key])) and finding[key]
        }

    def _digest(self, text: str) -> str:
        return hmac.new(self._key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def _value(written: str) -> str:
    """What a literal holds, so that spellings of one value have one digest; the spelling where that takes more."""
    if written.startswith("'") and written.endswith("'") and len(written) > 1:
        return written[1:-1].replace("''", "'")
    if written[:2] in ("E'", "e'") and "\\" not in written:
        return written[2:-1].replace("''", "'")
    dollar = _DOLLAR.fullmatch(written)
    return dollar[2] if dollar else written


def read_key(settings: AuditSettings) -> bytes:
    """The key of the digests, from the settings or their file; empty when there is none.

    Raises:
        OSError: The file cannot be read.
    """
    if settings.key is not None:
        return settings.key.get_secret_value().encode("utf-8")
    path: Path | None = settings.key_file
    return path.read_bytes().strip() if path is not None else b""
