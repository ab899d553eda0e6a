"""Names as text. In: a stored name, however odd. Out: SQL, a policy's pattern, a YAML scalar or a comment that says the same.

A name may hold anything but NUL: dots, quotes, wildcards, line breaks, marks that change the direction of text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pg_guard.advise.keywords import RESERVED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pg_guard.catalog.model import Name

__all__ = [
    "column_pattern",
    "comment",
    "is_plain",
    "pattern",
    "printable",
    "relation_sql",
    "scalar",
    "some",
    "sql_name",
]

_PLAIN_SQL: Final = re.compile(r"[a-z_][a-z0-9_]*")
_PLAIN_YAML: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*")
# Words that some reader of YAML takes for something else than text.
_YAML_WORDS: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_NEEDS_QUOTES: Final = frozenset('*?."')


def printable(text: str) -> str:
    """`text` on one line, with all that is not seen written as an escape."""
    line = " ".join(text.split())
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape", "backslashreplace").decode("ascii")
        for each in line
    )


def comment(text: str, limit: int = 80) -> str:
    """`text` as the end of a YAML comment: printable, on one line, cut at `limit` characters."""
    line = printable(text)
    return line if len(line) <= limit else line[: limit - 3].rstrip() + "..."


def some(names: Iterable[str], most: int = 3) -> str:
    """Names for a sentence: the first few, and how many more there are; printable."""
    every = [printable(each) for each in dict.fromkeys(names)]
    return ", ".join(every[:most]) + (f" and {len(every) - most} more" if len(every) > most else "")


def sql_name(name: str) -> str:
    """A name as SQL writes it, in quotes where it needs them; what is not seen is written as an escape."""
    if not name.isprintable():
        escaped = "".join(
            each if each.isprintable() and each not in '\\"' else '""' if each == '"' else f"\\+{ord(each):06x}"
            for each in name
        )
        return f'U&"{escaped}"'
    if _PLAIN_SQL.fullmatch(name) and name not in RESERVED:
        return name
    return '"' + name.replace('"', '""') + '"'


def relation_sql(name: Name) -> str:
    """Schema and name as SQL writes them."""
    return f"{sql_name(name.schema)}.{sql_name(name.name)}"


def column_pattern(name: str) -> str:
    """A pattern of a policy that matches this name (letter case aside, on the side that denies).

    A control character cannot stand in a pattern: `?` takes its place, and that of what would need quotes beside it.
    """
    if any(ord(each) < 0x20 or ord(each) == 0x7F for each in name):
        inside = "".join("?" if ord(each) < 0x20 or ord(each) == 0x7F or each in '."' else each for each in name)
        # Spaces at the ends need quotes, which would take the wildcard's meaning away.
        head, tail = len(inside) - len(inside.lstrip()), len(inside) - len(inside.rstrip())
        return "?" * head + inside.strip() + "?" * tail
    if _NEEDS_QUOTES & set(name) or name != name.strip():
        return '"' + name.replace('"', '""') + '"'
    return name


def pattern(name: Name) -> str:
    """``schema.name`` as a pattern of a policy."""
    return f"{column_pattern(name.schema)}.{column_pattern(name.name)}"


def is_plain(name: str) -> bool:
    """Can the name stand where a policy takes a bare name, without pattern or quotes?"""
    return not (set('."') & set(name)) and name == name.strip() and name.isprintable()


def scalar(text: str) -> str:
    """A YAML scalar that reads back as this text; plain where that is safe in every reader."""
    if _PLAIN_YAML.fullmatch(text) and text.lower() not in _YAML_WORDS:
        return text
    if all(each.isprintable() for each in text):
        if "\\" not in text and '"' not in text:
            return f'"{text}"'
        return "'" + text.replace("'", "''") + "'"
    return '"' + "".join(_escaped(each) for each in text) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
