"""What a test run counted. In: user properties of the reports, which survive worker processes. Out: lines at the end."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

__all__ = ["print_corpus", "print_differential"]


def print_corpus(terminalreporter: TerminalReporter) -> None:
    """Print how many attacks were refused, how many honest statements were allowed, and what is known to be wrong."""
    entries = _entries(terminalreporter)
    if not entries:
        return
    terminalreporter.section("corpus")
    for kind, wanted in (("attacks", "refused"), ("benign", "allowed")):
        chosen = [entry for entry in entries if entry["kind"] == kind]
        if not chosen:
            continue
        ended = [entry for entry in chosen if entry["ended_by"]]
        chosen = [entry for entry in chosen if not entry["ended_by"]]
        right = sum(entry["allowed"] is (wanted == "allowed") for entry in chosen)
        groups = len({entry["group"] for entry in chosen})
        terminalreporter.line(f"{kind}: {wanted} {right} of {len(chosen)} statements in {groups} groups")
        if ended:
            terminalreporter.line(f"  load that no text shows, ended by the time-out or the caps: {len(ended)}")
        rules = Counter(rule for entry in chosen for rule in set(entry["rules"]))
        for rule in ("sql/unsupported", "sql/readings-differ"):
            share = 100 * rules[rule] / len(chosen)
            terminalreporter.line(f"  {rule}: {rules[rule]} ({share:.1f} %)")
        if kind == "benign" and right < len(chosen):
            wrong = Counter(rule for entry in chosen if not entry["allowed"] for rule in set(entry["rules"]))
            for rule, count in wrong.most_common():
                terminalreporter.line(f"  refused by {rule}: {count}")
    todo = [entry for entry in entries if entry["todo"]]
    terminalreporter.line(f"known to be wrong (todo): {len(todo)}")
    for entry in todo:
        terminalreporter.line(f"  {entry['place']}: {entry['todo']}")


def _entries(terminalreporter: TerminalReporter) -> list[dict[str, Any]]:
    return [
        value
        for outcome in ("passed", "failed", "xfailed", "xpassed")
        for report in terminalreporter.stats.get(outcome, [])
        if getattr(report, "when", "") == "call"
        for name, value in report.user_properties
        if name == "corpus"
    ]


def print_differential(terminalreporter: TerminalReporter) -> None:
    """Print how many statements were compared with PostgreSQL."""
    lines = [
        value
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, [])
        for name, value in getattr(report, "user_properties", ())
        if name == "differential"
    ]
    if lines:
        terminalreporter.section("differential")
    for line in lines:
        terminalreporter.line(line)
