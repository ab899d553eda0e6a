"""Make untrusted text safe to print. In: any text. Out: the same text with everything unseen written as an escape.

SQL comes from language models and files of other people. A terminal obeys the escape sequences in it, and bidirectional
marks show a text in another order than PostgreSQL reads it, so both are shown as what they are.
"""

from __future__ import annotations

import re
import unicodedata

__all__ = ["one_line", "visible"]

# Controls, format characters (bidirectional marks, zero-width joiners, tags), lone surrogates, line and paragraph
# separators: nothing of these is seen, all of them change what is seen.
_UNSEEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_NOT_PLAIN = re.compile(r"[^\x20-\x7e]")
_WHITE_SPACE = re.compile(r"\s+")


def visible(text: str, *, keep: str = "") -> str:
    """Return `text` with each unseen character written as ``\\x1b``, ``\\u202e`` or ``\\U000e0041``.

    Args:
        text: Any text, lone surrogates included.
        keep: Characters that stay as they are, as in ``"\\n"``.
    """
    return _NOT_PLAIN.sub(lambda match: match[0] if match[0] in keep else _escape(match[0]), text)


def one_line(text: str) -> str:
    """Return `text` on one line: white space runs become one space, unseen characters are written as escapes."""
    return visible(_WHITE_SPACE.sub(" ", text).strip())


def _escape(character: str) -> str:
    if unicodedata.category(character) not in _UNSEEN_CATEGORIES:
        return character
    code = ord(character)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
