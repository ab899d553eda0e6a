"""What stays of a finding when lines move. In: a rule and a statement. Out: a digest that knows it again.

A fingerprint is made of the rule, the statement and which of several equal ones it is, never of a line or a message:
white space, comments and the case of keywords may change. Literals count: a call that reads another file is new.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter

from postgast import PgQueryError, scan

__all__ = ["Fingerprints", "normalise"]

_WHITE_SPACE = re.compile(r"\s+")


def normalise(statement: str) -> str:
    """Write a statement with one space between its tokens, without comments, what is not quoted in small letters.

    A text that PostgreSQL's scanner does not read is only brought to one line.
    """
    try:
        data = statement.encode("utf-8")
        tokens = scan(statement).tokens if b"\0" not in data else None
    except (PgQueryError, UnicodeEncodeError):
        tokens = None
    if tokens is None:
        return _WHITE_SPACE.sub(" ", statement).strip()
    words = []
    for token in tokens:
        word = data[token.start : token.end].decode("utf-8", "replace")
        if word.startswith(("--", "/*")):
            continue
        # A quoted name or literal, also a dollar-quoted one, holds its quote.
        words.append(word if "'" in word or '"' in word or "$" in word else word.lower())
    return " ".join(words)


class Fingerprints:
    """Gives the fingerprints of one file's findings, in the order in which the findings stand there."""

    def __init__(self) -> None:
        self._seen: Counter[tuple[str, str]] = Counter()

    def next(self, rule: str, statement: str) -> str:
        """The fingerprint of the next finding of `rule` in a normalised statement: 32 hexadecimal digits."""
        key = (rule, statement)
        self._seen[key] += 1
        material = "\0".join((rule, statement, str(self._seen[key])))
        return hashlib.sha256(material.encode("utf-8", "surrogatepass")).hexdigest()[:32]
