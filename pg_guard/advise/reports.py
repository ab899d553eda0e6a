"""An audit as text, Markdown or HTML. In: an `AuditReport`. Out: a text, safe to print and to open.

Names of a database are other people's text: they come printable from the checks, and each form escapes what has a
meaning in it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.text import Text

from pg_guard.report.console import memory_console

if TYPE_CHECKING:
    from pg_guard.advise.finding import AuditFinding, AuditReport

__all__ = ["render_html", "render_markdown", "render_text"]

_TEMPLATES: Final = Path(__file__).with_name("templates")
_STYLES: Final = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "cyan", "info": "dim"}
_MIN_WIDTH: Final = 40
_MARKDOWN: Final = re.compile(r"([\\`*_{}\[\]<>#|~&])")


def _counted(report: AuditReport) -> str:
    parts = [f"{count} {severity}" for severity, count in report.counts.items() if count]
    return ", ".join(parts) or "no findings"


def render_text(report: AuditReport, *, width: int = 80, color: bool = False) -> str:
    """Lines for a terminal, each at most `width` cells wide.

    Args:
        report: The audit.
        width: Width in terminal cells; less than 40 counts as 40.
        color: True writes terminal colours.
    """
    width = max(width, _MIN_WIDTH)
    console = memory_console(width, color=color)

    def wrapped(text: Text, indent: int = 0, hang: int = 0) -> None:
        for number, line in enumerate(text.wrap(console, width - indent - hang, overflow="fold")):
            line.rstrip()
            console.print(Text.assemble(" " * (indent if number == 0 else indent + hang), line), soft_wrap=True)

    with console.capture() as capture:
        wrapped(
            Text(
                f"audit of policy {report.policy} on database {report.database} "
                f"(PostgreSQL {report.server}) as role {report.role}"
            ),
            hang=2,
        )
        wrapped(Text(_counted(report)))
        for finding in report.findings:
            console.print()
            head = Text.assemble(
                (finding.severity, _STYLES[finding.severity]), " ", (finding.id, "bold"), f": {finding.object}"
            )
            wrapped(head, hang=2)
            wrapped(Text(finding.message), indent=2)
            wrapped(Text(_remedy_label(finding)), indent=2)
            for line in finding.remedy.splitlines():
                # The indentation of YAML is part of what it says.
                inner = len(line) - len(line.lstrip(" "))
                wrapped(Text(line.strip(" ")), indent=4 + inner, hang=2)
    return capture.get()


def _remedy_label(finding: AuditFinding) -> str:
    return {"sql": "fix, in SQL:", "yaml": "fix, in the policy:", "text": "fix:"}[finding.form]


def render_markdown(report: AuditReport) -> str:
    """A Markdown page: what was audited, the counts, and a section for each finding."""
    where = f"Database {_escape(report.database)} (PostgreSQL {report.server}) as role {_escape(report.role)}"
    lines = [
        f"# Audit of policy {_escape(report.policy)}",
        "",
        f"{where}; mode {report.mode}; policy digest `{report.policy_digest}`.",
        "",
        "| severity | findings |",
        "|---|---|",
        *(f"| {severity} | {count} |" for severity, count in report.counts.items()),
        "",
    ]
    for finding in report.findings:
        lines += [
            f"## {finding.severity} {finding.id}: {_escape(finding.object)}",
            "",
            _escape(finding.message),
            "",
        ]
        if len(finding.objects) > 1:
            lines += [*(f"- {_escape(each)}" for each in finding.objects), ""]
        if finding.form == "text":
            lines += [f"Fix: {_escape(finding.remedy)}", ""]
        else:
            fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", finding.remedy)), default=0))
            lines += [f"{fence}{finding.form}", finding.remedy, fence, ""]
    if not report.findings:
        lines += ["No findings.", ""]
    return "\n".join(lines)


def _escape(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", text)


def render_html(report: AuditReport) -> str:
    """One page that holds everything: no script, no font and no image from elsewhere."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("audit.html.j2").render(
        report=report, labels={"sql": "In SQL", "yaml": "In the policy", "text": "What to do"}
    )
