"""Lint reports as JUnit XML. In: a `LintReport`. Out: the text of a file that CI servers show as test results.

A file is a suite, a statement a test. What fails the run is a failure, what is lifted or was not read is skipped, a file that
cannot be read is an error. There is no agreed standard; the form is what Jenkins, GitLab and others read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree

from pg_guard.report.visible import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pg_guard.report.linted import FileReport, LintFinding, LintReport

__all__ = ["render_junit"]

# What XML 1.0 cannot hold, not even as a reference, and `visible` lets pass.
_NOT_XML = re.compile("[\ufffe\uffff]")
_NAME_CHARACTERS: Final = 80
_COUNTS: Final = ("tests", "failures", "errors", "skipped")


def render_junit(report: LintReport) -> str:
    """Write the file."""
    root = ElementTree.Element("testsuites", {"name": "pg-guard lint"})
    for file in report.files:
        _suite(root, file, report)
    if report.stale:
        suite = ElementTree.SubElement(root, "testsuite", {"name": "baseline"})
        for stale in report.stale:
            case = _case(suite, "baseline", f"stale entry: {stale.rule} in {stale.path}", 0)
            ElementTree.SubElement(case, "skipped", {"message": _line(f"matches nothing any more: {stale.statement}")})
    _count(root)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _suite(root: ElementTree.Element, file: FileReport, report: LintReport) -> None:
    name = _line(file.path)
    suite = ElementTree.SubElement(root, "testsuite", {"name": name})
    if file.error is not None:
        case = _case(suite, name, "the file can be read", 0)
        ElementTree.SubElement(case, "error", {"type": file.error.code, "message": _line(file.error.message)})
        return
    for statement in file.statements:
        text = file.source.text[statement.span.start : statement.span.end]
        case = _case(suite, name, f"line {statement.span.line}: {text}", statement.span.line)
        _outcome(case, file, statement.findings, report)
    for entry in file.others:
        line = entry.finding.span.line if entry.finding.span else 0
        _outcome(_case(suite, name, f"line {line}: {entry.finding.rule}", line), file, [entry], report)
    for skipped in file.skipped:
        case = _case(suite, name, f"line {skipped.span.line}: not read", skipped.span.line)
        ElementTree.SubElement(case, "skipped", {"message": _line(skipped.reason)})


def _case(suite: ElementTree.Element, file: str, name: str, line: int) -> ElementTree.Element:
    name = _line(name)
    if len(name) > _NAME_CHARACTERS:
        name = name[: _NAME_CHARACTERS - 1] + "…"
    attributes = {"classname": file, "name": name, "file": file, "time": "0"}
    if line:
        attributes["line"] = str(line)
    return ElementTree.SubElement(suite, "testcase", attributes)


def _outcome(case: ElementTree.Element, file: FileReport, findings: Sequence[LintFinding], report: LintReport) -> None:
    """A statement has one outcome: failed by all that fails it, else skipped when something was lifted, else passed."""
    failing = [entry for entry in findings if entry.fails(report.fail_on)]
    lifted = [entry for entry in findings if not entry.active]
    warned = [entry for entry in findings if entry.active and entry not in failing]
    if failing:
        first = failing[0].finding
        message = _line(f"{first.rule}: {first.message}") + (f" (and {len(failing) - 1} more)" if failing[1:] else "")
        failure = ElementTree.SubElement(case, "failure", {"type": first.rule, "message": message})
        failure.text = _lines(file, failing)
    elif lifted:
        reasons = "; ".join(dict.fromkeys(_lifted(entry) for entry in lifted))
        ElementTree.SubElement(case, "skipped", {"message": _line(reasons)})
    if warned:
        ElementTree.SubElement(case, "system-out").text = _lines(file, warned)


def _lifted(entry: LintFinding) -> str:
    suppression = entry.suppression
    why = suppression.reason if suppression is not None and suppression.reason else "known to the baseline"
    return f"{entry.finding.rule} allowed: {why}"


def _lines(file: FileReport, findings: Iterable[LintFinding]) -> str:
    return "".join(
        _line(
            f"{file.path}:{finding.span.line if finding.span else 0}:{finding.span.column if finding.span else 0}: "
            f"{finding.severity} {finding.rule}: {finding.message} {finding.remediation}"
        )
        + "\n"
        for finding in (entry.finding for entry in findings)
    )


def _line(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", one_line(text))


def _count(root: ElementTree.Element) -> None:
    """Each suite counts its tests, and the root counts all."""
    totals = dict.fromkeys(_COUNTS, 0)
    for suite in root:
        cases = suite.findall("testcase")
        counts = {
            "tests": len(cases),
            "failures": sum(case.find("failure") is not None for case in cases),
            "errors": sum(case.find("error") is not None for case in cases),
            "skipped": sum(case.find("skipped") is not None for case in cases),
        }
        for name, count in counts.items():
            suite.set(name, str(count))
            totals[name] += count
        suite.set("time", "0")
    for name, count in totals.items():
        root.set(name, str(count))
