"""SQL in a model's answer. In: text. Out: one statement's text, or None where there is none.

It is looked for in this order: a fenced block that says ``sql``, any fenced block, the text from SELECT or WITH on.
"""

from __future__ import annotations

import re

__all__ = ["extract_sql"]

_FENCE = re.compile(
    r"^[ \t]*(`{3,}|~{3,})[ \t]*([\w+-]*)[^\n]*\n(.*?)(?:^[ \t]*\1[ \t]*$|\Z)", re.DOTALL | re.MULTILINE
)
_SQL_NAMES = frozenset({"sql", "postgresql", "postgres", "pgsql", "psql"})
_START = re.compile(r"^[ \t]*\(*(select|with|values|table|explain)\b", re.IGNORECASE | re.MULTILINE)
_MOST_CHARACTERS = 200_000


def extract_sql(answer: str) -> str | None:
    """The statement that a model proposes, without the semicolon at its end; the guard reads it as it is."""
    text = answer.replace("\r\n", "\n")[:_MOST_CHARACTERS]
    blocks = [(name.lower(), body) for _, name, body in _FENCE.findall(text)]
    named = [body for name, body in blocks if name in _SQL_NAMES]
    for body in (*named, *(body for name, body in blocks if name not in _SQL_NAMES)):
        if found := _clean(body):
            return found
    start = _START.search(text) if not blocks else None
    if start is None:
        return None
    # What follows an empty line after a semicolon is talk.
    statement = re.split(r";[ \t]*(?:\n[ \t]*\n|\Z)", text[start.start() :], maxsplit=1)[0]
    return _clean(statement)


def _clean(text: str) -> str | None:
    return text.strip().rstrip(";").rstrip() or None
