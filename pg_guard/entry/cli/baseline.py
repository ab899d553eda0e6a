"""Baselines of `pg-guard lint`. In: a file of known findings. Out: which findings are known, which entries are stale.

A baseline lets a repository start with findings that it has: known ones do not fail, new ones do. Entries hold the
fingerprint of a finding and no line, so they survive edits elsewhere in the file. An entry is used once: a copy of a
known statement is new.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pg_guard.entry.cli.files import read_sql
from pg_guard.entry.cli.outputs import write_output
from pg_guard.errors import UsageError
from pg_guard.report import json as report_json
from pg_guard.report.linted import LintFinding, StaleEntry, Suppression
from pg_guard.report.paths import relative_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pg_guard.report.linted import FileReport, LintReport

__all__ = ["BASELINE_SCHEMA", "apply_baseline", "read_baseline", "write_baseline"]

BASELINE_SCHEMA: Final = "pg-guard/baseline/v1"
_KEYS: Final = ("path", "rule", "statement", "fingerprint")
_STATEMENT_CHARACTERS: Final = 120
_HINT: Final = "write it anew with --write-baseline"


def read_baseline(path: str) -> tuple[StaleEntry, ...]:
    """Read a baseline; its entries count as stale until a finding matches them.

    Raises:
        UsageError: The file cannot be read or is no baseline.
    """
    text = read_sql(path)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise UsageError(f"{path}:{line}: not a baseline: {_first_line(error)}", hint=_HINT) from None
    if not isinstance(document, dict) or document.get("schema") != BASELINE_SCHEMA:
        raise UsageError(f"{path}:1: not a baseline: its schema is not {BASELINE_SCHEMA}", hint=_HINT)
    entries = document.get("findings")
    if not isinstance(entries, list):
        raise UsageError(f"{path}:1: not a baseline: `findings` is not a list", hint=_HINT)
    return tuple(_entry(path, number, entry) for number, entry in enumerate(entries, 1))


def _entry(path: str, number: int, entry: Any) -> StaleEntry:
    values = [entry.get(key) for key in _KEYS] if isinstance(entry, dict) else [None]
    if not all(isinstance(value, str) for value in values):
        raise UsageError(
            f"{path}: not a baseline: entry {number} of `findings` has no text for each of {', '.join(_KEYS)}",
            hint=_HINT,
        )
    return StaleEntry(*values)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def apply_baseline(report: LintReport, entries: Iterable[StaleEntry]) -> LintReport:
    """Lift the findings that the baseline knows, and report the entries that match nothing.

    An entry of a file that this run did not read is neither used nor stale, unless the file is gone: then what it
    knew may have moved, and it is looked for in all files.
    """
    linted = {_name(file) for file in report.files if file.error is None}
    unread = {_name(file) for file in report.files if file.error is not None}
    here: defaultdict[tuple[str, str], list[StaleEntry]] = defaultdict(list)
    moved: defaultdict[str, list[StaleEntry]] = defaultdict(list)
    for entry in entries:
        if entry.path in linted:
            here[entry.path, entry.fingerprint].append(entry)
        elif entry.path not in unread and not Path(entry.path).exists():
            moved[entry.fingerprint].append(entry)
    files = tuple(_known(file, here, moved) for file in report.files)
    left = [*here.values(), *moved.values()]
    stale = sorted((entry for group in left for entry in group), key=lambda entry: (entry.path, entry.rule))
    return replace(report, files=files, stale=tuple(stale))


def _name(file: FileReport) -> str:
    """The file as a baseline names it: however it was given, from the working directory."""
    return relative_name(file.path) or file.path


def _known(
    file: FileReport,
    here: Mapping[tuple[str, str], list[StaleEntry]],
    moved: Mapping[str, list[StaleEntry]],
) -> FileReport:
    def mark(entry: LintFinding) -> LintFinding:
        if not entry.active:
            return entry
        for known in (here.get((_name(file), entry.fingerprint)), moved.get(entry.fingerprint)):
            if known:
                known.pop()
                return replace(entry, suppression=Suppression("baseline"))
        return entry

    statements = tuple(
        replace(statement, findings=tuple(mark(entry) for entry in statement.findings)) for statement in file.statements
    )
    return replace(file, statements=statements, others=tuple(mark(entry) for entry in file.others))


def write_baseline(path: str, report: LintReport) -> int:
    """Write every finding that no comment lifts, in an order that makes small differences; return how many.

    Raises:
        UsageError: A file of the run could not be read, so the baseline would lack its findings; or `path` cannot be
            written.
    """
    if report.counts["errors"]:
        raise UsageError("the baseline was not written: not every file could be read", hint="see the errors above")
    entries = [
        StaleEntry(_name(file), entry.finding.rule, _shortened(entry.statement), entry.fingerprint).to_dict()
        for file in report.files
        for entry in file.findings
        if entry.suppression is None or entry.suppression.kind == "baseline"
    ]
    entries.sort(key=lambda entry: (entry["path"], entry["rule"], entry["statement"], entry["fingerprint"]))
    text = report_json.dump({"schema": BASELINE_SCHEMA, "policy": report.policy, "findings": entries})
    write_output(text, path)
    return len(entries)


def _shortened(statement: str) -> str:
    return statement if len(statement) <= _STATEMENT_CHARACTERS else statement[: _STATEMENT_CHARACTERS - 1] + "…"
