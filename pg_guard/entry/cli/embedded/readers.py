"""The readers, by language. In: a file's text and its language. Out: a `Reading` of the SQL in it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from pg_guard.entry.cli.embedded.fragments import Fragment, Reading

if TYPE_CHECKING:
    from pg_guard.report.linted import Language

__all__ = ["is_template", "language_of", "read_fragments"]

_TEMPLATE: Final = re.compile(r"\{[{%#]")


def is_template(text: str) -> bool:
    """True when the text holds a tag of a template."""
    return _TEMPLATE.search(text) is not None


def language_of(text: str, language: Language) -> Language:
    """The language of a text; what may be a template and holds nothing of one is plain SQL."""
    return "sql" if language == "jinja" and not is_template(text) else language


def read_fragments(text: str, language: Language) -> Reading:
    """Find the SQL in a text.

    Raises:
        UsageError: The text is no valid file of its language.
    """
    if language == "python":
        from pg_guard.entry.cli.embedded.python import read_python

        return read_python(text)
    if language == "markdown":
        from pg_guard.entry.cli.embedded.markdown import read_markdown

        return read_markdown(text)
    if language == "jinja":
        from pg_guard.entry.cli.embedded.jinja import read_jinja

        return read_jinja(text)
    return Reading((Fragment.whole(text),))
