"""Lines of the audit log. In: what happened. Out: JSON lines that each hold the hash of the one before, so that changes show.

A line is one JSON object, compact and in ASCII. Its last key is ``hash``: SHA-256 of the line without that key, byte for byte
as it is written. The hash covers ``prev``, the hash of the line before, and ``chain`` and ``seq``, so that no line can be
changed, taken out, added or moved without every later hash being another. Only the end can be cut off unseen; anchors, kept
elsewhere, tell that.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from typing import Any, Final, NamedTuple, TypeAlias

__all__ = [
    "ANCHOR_SCHEMA",
    "GENESIS",
    "LINE_SCHEMA",
    "Content",
    "Head",
    "Parsed",
    "Unreadable",
    "anchor_line",
    "parse_line",
]

LINE_SCHEMA: Final = "pg-guard/audit-line/v1"
ANCHOR_SCHEMA: Final = "pg-guard/audit-anchor/v1"
GENESIS: Final = "0" * 64
"""``prev`` of the first line of a chain."""

Content: TypeAlias = dict[str, Any]

_HASH: Final = re.compile(rb',"hash":"([0-9a-f]{64})"\}\n?\Z')
_CHAIN: Final = re.compile(r"[0-9a-f]{16}")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


class Unreadable(ValueError):  # noqa: N818 - says what a line is
    """A line that is no line of an audit log, or not as it was written; its text says why."""


class Head(NamedTuple):
    """The end of a chain.

    Attributes:
        chain: Random name of the chain.
        seq: Number of the last line, from 1; 0 when there is none.
        hash: Hash of the last line.
    """

    chain: str
    seq: int
    hash: str

    @classmethod
    def new(cls) -> Head:
        """Before the first line of a new chain."""
        return cls(secrets.token_hex(8), 0, GENESIS)

    def link(self, content: Content) -> tuple[bytes, Head]:
        """Add a line: its bytes with the newline, and the end that the chain then has."""
        framed = {
            "schema": LINE_SCHEMA,
            "chain": self.chain,
            "seq": self.seq + 1,
            **content,
            "prev": self.hash,
        }
        text = json.dumps(framed, separators=(",", ":"), allow_nan=False, default=str).encode("ascii")
        digest = hashlib.sha256(text).hexdigest()
        return text[:-1] + f',"hash":"{digest}"}}\n'.encode("ascii"), Head(self.chain, self.seq + 1, digest)


class Parsed(NamedTuple):
    """A line whose own hash is right: its place in the chain, and what it says."""

    head: Head
    prev: str
    content: Content


def parse_line(line: bytes) -> Parsed:
    """Read one line, and recompute its hash.

    Raises:
        Unreadable: It is no line of an audit log, or was changed.
    """
    match = _HASH.search(line)
    if match is None:
        raise Unreadable("not a line of an audit log: it does not end with a hash")
    text = line[: match.start()] + b"}"
    digest = match[1].decode("ascii")
    if hashlib.sha256(text).hexdigest() != digest:
        raise Unreadable("changed: its hash does not fit its content")
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        raise Unreadable("not a line of an audit log: no JSON") from None
    if not isinstance(content, dict) or content.get("schema") != LINE_SCHEMA:
        raise Unreadable(f"not a line of an audit log: its schema is not {LINE_SCHEMA}")
    chain, seq, prev = content.get("chain"), content.get("seq"), content.get("prev")
    if not (
        isinstance(chain, str)
        and _CHAIN.fullmatch(chain)
        and isinstance(seq, int)
        and seq > 0
        and isinstance(prev, str)
        and _DIGEST.fullmatch(prev)
    ):
        raise Unreadable("not a line of an audit log: chain, seq or prev is wrong")
    return Parsed(Head(chain, seq, digest), prev, content)


def anchor_line(head: Head, time: str) -> bytes:
    """The end of a chain, to be kept where the log's writers cannot change it."""
    anchor = {"schema": ANCHOR_SCHEMA, "time": time, **head._asdict()}
    return json.dumps(anchor, separators=(",", ":")).encode("ascii") + b"\n"
