"""A report for build servers. In: a `Report`. Out: JUnit XML, a suite for each policy or rule and a case for each test.

A statement that is said to work on PostgreSQL is a case of its own, so that one that was not run shows as skipped.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as Xml

if TYPE_CHECKING:
    from pg_guard.testing.model import Report, Result, Suite

__all__ = ["to_junit"]

# XML 1.0 has no way to write some of these, not even as a reference; the others steer a terminal.
_NOT_XML: Final = re.compile(
    "[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)


def to_junit(report: Report) -> str:
    """Write the report as JUnit XML, ended by a newline."""
    root = Xml.Element("testsuites", name="pg-guard test")
    for suite in report.suites:
        _suite(root, suite)
    if report.short_of_coverage:
        element = Xml.SubElement(root, "testsuite", name="coverage", tests="1", failures="1", errors="0", skipped="0")
        case = Xml.SubElement(element, "testcase", name="coverage", classname="pg-guard")
        missing = "\n".join(
            f"{clause.file}:{clause.line}: {clause.path}: {clause.missing}"
            for clause in report.clauses
            if not clause.covered
        )
        _problem(case, "failure", f"{report.percent:.1f} % is covered, less than {report.required:g} %", missing)
    for key in ("tests", "failures", "errors", "skipped"):
        root.set(key, str(sum(int(child.get(key, "0")) for child in root)))
    Xml.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(root, encoding="unicode") + "\n"


def _suite(root: Xml.Element, suite: Suite) -> None:
    element = Xml.SubElement(root, "testsuite", name=_text(suite.subject or suite.file), file=_text(suite.file))
    failures = errors = skipped = tests = 0
    if not suite.valid:
        tests, errors = 1, 1
        case = Xml.SubElement(element, "testcase", name="load", classname=_text(suite.file), file=_text(suite.file))
        text = "\n".join(str(problem) for problem in suite.problems)
        first = suite.error.message if suite.error is not None else text.partition("\n")[0]
        _problem(case, "error", first, text)
    for result in suite.results:
        tests += 1
        case = _case(element, result)
        if result.failure:
            failures += 1
            _problem(case, "failure", result.failure, _details(result))
        if result.case.works_on is not None:
            tests += 1
            case = _case(element, result, f" [PostgreSQL {result.case.works_on}]")
            if result.ran is None:
                skipped += 1
                Xml.SubElement(case, "skipped", message="no database was given")
            elif result.ran.error:
                failures += 1
                _problem(case, "failure", f"PostgreSQL does not run it: {result.ran.error}", result.case.sql)
    for key, count in (("tests", tests), ("failures", failures), ("errors", errors), ("skipped", skipped)):
        element.set(key, str(count))


def _case(suite: Xml.Element, result: Result, suffix: str = "") -> Xml.Element:
    case = result.case
    return Xml.SubElement(
        suite,
        "testcase",
        name=_text(case.name + suffix),
        classname=_text(case.subject),
        file=_text(case.file),
        line=str(case.line),
    )


def _problem(case: Xml.Element, kind: str, message: str, text: str) -> None:
    Xml.SubElement(case, kind, message=_text(message)).text = _text(text)


def _details(result: Result) -> str:
    findings = [f"{finding.effect} {finding.rule}: {finding.message}" for finding in result.findings]
    return "\n".join([result.case.place, result.case.sql, *findings])


def _text(text: str) -> str:
    return _NOT_XML.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
