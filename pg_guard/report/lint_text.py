"""Lint reports for a terminal. In: a `LintReport`. Out: each active finding with its place underlined, then the counts."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final

from pg_guard.report.text import plural, render_finding
from pg_guard.report.visible import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pg_guard.report.linted import LintReport

__all__ = ["render_lint", "summary"]

_MOST_LINES: Final = 10


def render_lint(report: LintReport, *, width: int = 80, color: bool = False) -> Iterator[str]:
    """Write the report piece by piece, each ended by a newline; errors of files are left to the caller."""
    for file in report.files:
        for entry in file.active:
            yield render_finding(entry.finding, file.source, width=width, color=color, name=file.path)
    notes = [*_skipped(report), *_stale(report)]
    if notes:
        yield "".join(f"{line}\n" for line in notes)
    yield f"{summary(report)}\n"


def summary(report: LintReport) -> str:
    """The counts in one sentence; what is zero and rare is left out."""
    counts = report.counts
    rare = [
        (counts["warnings"], plural(counts["warnings"], "warning")),
        (counts["suppressed"], f"{counts['suppressed']:,} suppressed by comments"),
        (counts["baseline"], f"{counts['baseline']:,} known to the baseline"),
        (counts["stale"], f"{counts['stale']:,} stale in the baseline"),
        (counts["filtered"], f"{counts['filtered']:,} filtered out"),
        (counts["skipped"], f"{plural(counts['skipped'], 'place')} not read"),
        (counts["errors"], f"{plural(counts['errors'], 'file')} unreadable"),
    ]
    outcome = [f"{counts['denied']:,} denied", plural(counts["findings"], "finding")]
    outcome += [text for count, text in rare if count]
    read = [plural(counts["files"], "file"), plural(counts["statements"], "statement")]
    more = f" (with SQL inside of {' and '.join(report.embedded)} files)" if report.embedded else ""
    return f"{', '.join(read)}{more}: {', '.join(outcome)}"


def _skipped(report: LintReport) -> Iterator[str]:
    for file in report.files:
        by_reason = sorted(file.skipped, key=lambda entry: (entry.reason, entry.span.start))
        for reason, entries in groupby(by_reason, key=lambda entry: entry.reason):
            lines = [entry.span.line for entry in entries]
            yield f"not read: {one_line(file.path)}:{_listed(lines)}: {one_line(reason)}"


def _listed(lines: list[int]) -> str:
    shown = list(dict.fromkeys(lines))
    more = f" and {len(shown) - _MOST_LINES} more lines" if len(shown) > _MOST_LINES else ""
    return ",".join(map(str, shown[:_MOST_LINES])) + more


def _stale(report: LintReport) -> Iterator[str]:
    for entry in report.stale:
        yield f"stale in the baseline: {one_line(entry.path)}: {one_line(entry.rule)}: {one_line(entry.statement)}"
