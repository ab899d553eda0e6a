"""Pages for a browser. In: a document of plain values. Out: one self-contained HTML page without scripts.

A page loads nothing and runs nothing: its Content-Security-Policy permits its own style sheet by its digest and nothing
else. Every value is escaped by jinja2, and characters that nobody sees are written as escapes, as in a terminal.
"""

from __future__ import annotations

import base64
import hashlib
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pg_guard._version import __version__
from pg_guard.report.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pg_guard.decision import Decision, Finding

__all__ = ["Segment", "marked_segments", "render_explanation_page", "render_page"]

_MOST_TEXT: Final = 200_000
"""Characters of a statement that a page shows; a browser takes long over more."""

_MOST_MARKS: Final = 300


class Segment(NamedTuple):
    """A piece of a statement.

    Attributes:
        text: Its characters.
        numbers: The findings, from 1, whose place it is part of.
        starts: Those of them that begin here.
        effect: ``deny`` or ``warn``, the worse of these findings; '' without any.
    """

    text: str
    numbers: tuple[int, ...] = ()
    starts: tuple[int, ...] = ()
    effect: str = ""


def render_page(template: str, **values: Any) -> str:
    """Fill one of the templates beside this module.

    Args:
        template: File name under ``templates``, as in ``explain.html.j2``; it extends ``page.html.j2``.
        **values: What the template names; a name that is missing is an error.
    """
    environment = Environment(
        loader=PackageLoader("pg_guard.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_seen,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    source, _, _ = environment.loader.get_source(environment, "page.css") if environment.loader else ("", None, None)
    style = source.strip()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    # The style sheet is a file of this package, not a value; the digest in the policy is of exactly these characters.
    own_style = Markup(style)  # noqa: S704
    return environment.get_template(template).render(
        style=own_style, style_digest=digest, version=__version__, **values
    )


def _seen(value: Any) -> Any:
    """What stands for a value: text without characters that nobody sees."""
    return visible(value, keep="\n\t") if isinstance(value, str) and not isinstance(value, Markup) else value


def render_explanation_page(decision: Decision, document: dict[str, Any], *, name: str = "") -> str:
    """The page of one explained decision.

    Args:
        decision: The explained decision.
        document: What `pg_guard.report.explanation.explanation_document` made of it.
        name: The file of the statement, or ''.
    """
    text = decision.statement
    return render_page(
        "explain.html.j2",
        segments=marked_segments(text[:_MOST_TEXT], decision.findings),
        left_out=max(0, len(text) - _MOST_TEXT),
        name=name,
        decision=document["decision"],
        findings_left_out=max(0, len(decision.findings) - _MOST_MARKS),
        findings=[
            finding | {"number": number, "clauses": reason["clauses"], "note": reason["note"]}
            for number, (finding, reason) in enumerate(
                zip(document["decision"]["findings"], document["reasons"], strict=True), 1
            )
        ][:_MOST_MARKS],
        **{key: document[key] for key in ("facts", "scopes", "readings", "checked", "policy_files", "timings_us")},
    )


def marked_segments(text: str, findings: Iterable[Finding]) -> list[Segment]:
    """Cut a text where places of findings begin and end, so that each piece can be marked."""
    places = [
        (number, finding.effect, finding.span.start, max(finding.span.end, finding.span.start + 1))
        for number, finding in enumerate(findings, 1)
        if finding.span is not None and finding.span.start < len(text)
    ][:_MOST_MARKS]
    cuts = sorted({0, len(text), *(min(edge, len(text)) for *_, start, end in places for edge in (start, end))})
    segments = []
    for start, end in pairwise(cuts):
        here = [(number, effect, first) for number, effect, first, last in places if first <= start < last]
        effect = "deny" if any(each == "deny" for _, each, _ in here) else "warn" if here else ""
        numbers = tuple(number for number, _, _ in here)
        starts = tuple(number for number, _, first in here if first == start)
        segments.append(Segment(text[start:end], numbers, starts, effect))
    return segments
