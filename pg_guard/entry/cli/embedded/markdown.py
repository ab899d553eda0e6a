"""SQL in Markdown. In: a document. Out: the content of each fenced block whose info string says SQL.

Fences are those of CommonMark: three or more backticks or tildes, closed by as many or by the end of the document. The
mark of a block quote or a list before a line is written as spaces, so every character keeps its place.
"""

from __future__ import annotations

import re
from typing import Final

from pg_guard.entry.cli.embedded.fragments import Fragment, FragmentBuilder, Reading

__all__ = ["read_markdown"]

_LINE = re.compile(r"[^\n]*\n|[^\n]+\Z")
_FENCE = re.compile(
    r"(?P<lead>(?:[ \t]*(?:>|[-*+](?=[ \t])|\d{1,9}[.)](?=[ \t])))*[ \t]*)(?P<marks>`{3,}|~{3,})(?P<info>.*)"
)
_LANGUAGES: Final = frozenset({"sql", "postgresql", "postgres", "pgsql", "psql"})
_WORD = re.compile(r"[\w+#-]+")


def read_markdown(text: str) -> Reading:
    """Find the SQL blocks of a document; blocks in other languages are not SQL and not reported."""
    fragments: list[Fragment] = []
    marks = ""  # of the open fence
    quote = re.compile("")  # the marks of the block quotes that it stands in
    block: FragmentBuilder | None = None
    for line in _LINE.finditer(text):
        content = line[0].rstrip("\r\n")
        match = _FENCE.match(content)
        if not marks:
            # The info string of a backtick fence holds no backtick; with one, it is inline code.
            if match and not ("`" in match["marks"] and "`" in match["info"]):
                marks = match["marks"]
                quote = re.compile(rf"(?:[ \t]*>){{0,{match['lead'].count('>')}}}")
                word = _WORD.search(match["info"])
                block = FragmentBuilder() if word and word[0].lower() in _LANGUAGES else None
        elif match and match["marks"].startswith(marks) and not match["info"].strip():
            marks = ""
            if block is not None:
                fragments.append(block.build())
        elif block is not None:
            lead = quote.match(line[0])
            blank = lead.end() if lead else 0
            block.add(" " * blank + line[0][blank:], line.start())
    if marks and block is not None:
        fragments.append(block.build())
    return Reading(tuple(fragment for fragment in fragments if fragment.text))
