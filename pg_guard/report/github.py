"""Lint reports as GitHub workflow commands. In: a `LintReport`. Out: lines that GitHub turns into annotations.

The form, ``::error file=…,line=…,col=…,endColumn=…,title=…::message``, and its escapes are described in
https://docs.github.com/actions/reference/workflow-commands-for-github-actions. GitHub reads commands from every line of
a step's output, so nothing that comes from a file may begin a line of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pg_guard.report.paths import relative_name
from pg_guard.report.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pg_guard.report.linted import FileReport, LintFinding, LintReport

__all__ = ["render_github"]


def render_github(report: LintReport) -> str:
    """Write one line for each active finding, unreadable file, place that was not read, and stale entry."""
    lines = [line for file in report.files for line in _file(file)]
    lines += [
        _command("notice", {"title": "stale entry of the baseline"}, f"{entry.rule} in {entry.path}: {entry.statement}")
        for entry in report.stale
    ]
    return "".join(f"{line}\n" for line in lines)


def _file(file: FileReport) -> Iterator[str]:
    name = relative_name(file.path) or file.path
    if file.error is not None:
        yield _command("error", {"file": name, "title": "unreadable"}, _sentence(file.error.message, file.error.hint))
    for entry in file.active:
        yield _finding(file, name, entry)
    for skipped in file.skipped:
        properties = {"file": name, "line": str(skipped.span.line), "title": "not read"}
        yield _command("notice", properties, skipped.reason)


def _finding(file: FileReport, name: str, entry: LintFinding) -> str:
    finding = entry.finding
    command = "error" if finding.effect == "deny" else "notice" if finding.severity in ("info", "low") else "warning"
    properties = {"file": name}
    if finding.span is not None:
        end = file.source.span(finding.span.end, finding.span.end)
        properties |= {"line": str(finding.span.line), "endLine": str(end.line)}
        # GitHub refuses columns of a place over several lines.
        if end.line == finding.span.line:
            properties |= {"col": str(finding.span.column), "endColumn": str(max(end.column, finding.span.column + 1))}
    properties["title"] = finding.rule
    return _command(command, properties, _sentence(finding.message, finding.remediation))


def _sentence(message: str, way_out: str) -> str:
    return f"{message} {way_out}".strip()


def _command(command: str, properties: dict[str, str], message: str) -> str:
    listed = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{command} {listed}::{_data(message)}"


def _data(text: str) -> str:
    """A message: percent signs and line ends are escaped as GitHub wants it, other unseen characters as everywhere."""
    text = visible(text, keep="\r\n")
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
