"""Decisions for a terminal. In: a `Decision`, or findings in a file. Out: text with each place underlined.

A finding reads::

    high columns/denied: customers.ssn is hidden by this policy
      --> report.sql:2:3
       |
     1 | SELECT id,
     2 |   ssn
       |   ^^^
     3 | FROM customers
       = fix: Leave the column out.

Everything that comes from a statement is written by `visible`, so no escape sequence reaches the terminal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from pg_guard.report.console import memory_console
from pg_guard.report.excerpt import Source, excerpt
from pg_guard.report.visible import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pg_guard.decision import Decision, Finding

__all__ = ["Source", "outcome_line", "plural", "render_decision", "render_finding"]

MIN_WIDTH = 40
MAX_FINDINGS = 25
"""A reader repairs the first few; a text that breaks a rule a thousand times would only fill the terminal."""

_SEVERITY_STYLES = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan", "info": "dim"}


def render_decision(decision: Decision, *, width: int = 80, color: bool = False, name: str = "") -> str:
    """Write a decision in full: the outcome on the first line, then each finding with its place and its way out.

    Args:
        decision: What `Guard.check` returned.
        width: Width in terminal cells; less than 40 counts as 40.
        color: True writes terminal colours.
        name: What the statement is called before a place, as in ``report.sql``; empty gives ``line 2, column 3``.

    Returns:
        Lines, each ended by a newline.
    """
    writer = _Writer(width, color)
    writer.wrapped(_outcome(decision), hang=2)
    source = Source(decision.statement)
    for finding in decision.findings[:MAX_FINDINGS]:
        writer.line(Text())
        writer.finding(finding, source, name)
    left_out = len(decision.findings) - MAX_FINDINGS
    if left_out > 0:
        writer.line(Text())
        writer.line(Text(f"... and {plural(left_out, 'more finding')}; the JSON form holds them all"))
    return writer.text()


def render_finding(finding: Finding, source: Source, *, width: int = 80, color: bool = False, name: str = "") -> str:
    """Write one finding whose span is a place in `source`; arguments as for `render_decision`."""
    writer = _Writer(width, color)
    writer.finding(finding, source, name)
    return writer.text()


def outcome_line(decision: Decision, *, width: int = 80, color: bool = False) -> str:
    """Write the outcome alone, as the first line of `render_decision` has it; arguments as there."""
    writer = _Writer(width, color)
    writer.wrapped(_outcome(decision), hang=2)
    return writer.text()


def plural(count: int, noun: str) -> str:
    """``1 finding``, ``2 findings``, ``1,000 queries``."""
    if count == 1:
        return f"1 {noun}"
    return f"{count:,} {noun[:-1]}ies" if noun.endswith("ry") else f"{count:,} {noun}s"


def _outcome(decision: Decision) -> Text:
    denials = sum(finding.effect == "deny" for finding in decision.findings)
    warnings = len(decision.findings) - denials
    counts = [plural(denials, "finding")] if denials else []
    if warnings:
        counts.append(plural(warnings, "warning"))
    policy = f" (policy {one_line(decision.policy)})" if decision.policy else ""
    if not decision.allowed:
        return Text.assemble(("denied", "bold red"), f": {', '.join(counts) or 'no reason given'}{policy}")
    if decision.would_deny:
        monitored = f": {', '.join(counts)}, denied under `mode: enforce`{policy}"
        return Text.assemble(("allowed", "bold yellow"), " (monitor mode)", monitored)
    word = "allowed" if decision.effect == "allow" else "allowed after a rewrite"
    reads = f" of {_listed(decision.relations)}" if decision.relations else ""
    more = f", {', '.join(counts)}" if counts else ""
    return Text.assemble((word, "bold green"), f": {one_line(decision.kind)}{reads}{more}{policy}")


def _listed(names: Iterable[str], limit: int = 6) -> str:
    shown = [one_line(name) for name in names]
    return ", ".join(shown[:limit]) + (f" and {len(shown) - limit} more" if len(shown) > limit else "")


class _Writer:
    """Lines of at most `width` cells, gathered into one text."""

    def __init__(self, width: int, color: bool) -> None:
        self.width = max(width, MIN_WIDTH)
        self._console = memory_console(self.width, color=color)
        self._lines: list[Text] = []

    def line(self, text: Text) -> None:
        self._lines.append(text)

    def wrapped(self, text: Text, *, hang: int, first: str = "") -> None:
        """Add `text`, wrapped; lines after the first stand `hang` cells further in, and `first` stands before it."""
        lines = text.wrap(self._console, self.width - hang, overflow="fold")
        for number, line in enumerate(lines):
            line.rstrip()
            self.line(Text.assemble(first if number == 0 else " " * hang, line))

    def finding(self, finding: Finding, source: Source, name: str) -> None:
        style = _SEVERITY_STYLES.get(finding.severity, "")
        severity = finding.severity if finding.effect == "deny" else f"warning ({finding.severity})"
        head = Text.assemble((severity, style), " ", (one_line(finding.rule), "bold"), f": {one_line(finding.message)}")
        self.wrapped(head, hang=2)
        gutter = 2
        if finding.span is not None:
            gutter = self._place(finding, source, name, style)
        if finding.remediation:
            fix = f"{' ' * gutter}= fix: "
            self.wrapped(Text(one_line(finding.remediation)), hang=len(fix), first=fix)

    def _place(self, finding: Finding, source: Source, name: str, style: str) -> int:
        """Add where it is and the lines around it; return the width of the gutter with the line numbers."""
        span = source.span(finding.span.start, finding.span.end) if finding.span else source.span(0, 0)
        digits = len(str(min(source.span(span.end, span.end).line + 1, source.line_count)))
        gutter = digits + 2
        place = f"{one_line(name)}:{span.line}:{span.column}" if name else f"line {span.line}, column {span.column}"
        # Never wrapped: editors and terminals open a place that stands in one piece.
        self.line(Text(f"{' ' * (gutter - 1)}--> {place}"))
        shown = excerpt(source, span, cells=self.width - gutter - 2)
        if shown:
            self.line(Text(f"{' ' * gutter}|", style="dim"))
        for line in shown:
            number = "" if line.number is None else str(line.number)
            self.line(Text.assemble((f" {number:>{digits}} | ", "dim"), line.text))
            if line.underline:
                self.line(Text.assemble((f"{' ' * gutter}| ", "dim"), (line.underline, style)))
        return gutter

    def text(self) -> str:
        with self._console.capture() as capture:
            for line in self._lines:
                line.rstrip()
                self._console.print(line, soft_wrap=True)
        return capture.get()
