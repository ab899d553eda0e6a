"""Runs of embedded tests for the command line. In: paths and settings. Out: reports, once or at each change, as text."""

from __future__ import annotations

import asyncio
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self

import click

from pg_guard.entry.cli.options import terminal
from pg_guard.entry.cli.runner import INTERRUPTED, problem_line, redact, report_error
from pg_guard.errors import PgGuardError
from pg_guard.report.excerpt import Source
from pg_guard.report.text import plural, render_finding
from pg_guard.report.visible import one_line
from pg_guard.testing.discover import find_targets
from pg_guard.testing.run import run_targets, with_database

if TYPE_CHECKING:
    from collections.abc import Callable

    from pg_guard.testing.model import Report, Result
    from pg_guard.testing.run import Settings

__all__ = ["TestRun", "print_report", "print_result"]


class TestRun:
    """Tests that can be run again.

    Args:
        paths: What the user named.
        settings: How each run is made.
        dsn: Where statements that say ``works_on`` run, read-only; None runs none.
        embedded: Start a PostgreSQL with the sample database for them; it ends with this object.
    """

    __test__ = False  # not a class of tests, whatever pytest thinks of its name

    def __init__(self, paths: tuple[str, ...], settings: Settings, dsn: str | None, *, embedded: bool) -> None:
        self._paths = paths
        self._settings = settings
        self._dsn = dsn
        self._embedded = embedded
        self._exits = ExitStack()

    def __enter__(self) -> Self:
        if self._embedded:
            from pg_guard.demo.database import load_sample_database
            from pg_guard.demo.embedded import start

            click.echo("Starting PostgreSQL 18 ...", err=True)
            directory = Path(tempfile.mkdtemp(prefix="pg-guard-test-"))
            server = self._exits.enter_context(start(directory, temporary=True))
            self._dsn = asyncio.run(load_sample_database(server.dsn))
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._exits.close()

    def once(self) -> Report:
        """Find the files and run their tests.

        Raises:
            UsageError: There is nothing to test.
            DatabaseError: The database for statements cannot be reached.
        """
        report = run_targets(find_targets(self._paths), self._settings)
        if self._dsn is not None and report.counts["works_on"]:
            click.echo(f"Running {plural(report.counts['works_on'], 'statement')} on PostgreSQL ...", err=True)
            report = asyncio.run(with_database(report, self._dsn, read_only=not self._embedded))
        return report

    def watch(self, write: Callable[[Report], None]) -> int:
        """Run now and after each change; a run that cannot be made is told, and the next change tries again.

        Returns:
            The exit code of an interruption: nothing else ends it.
        """
        from pg_guard.testing.watch import Watcher

        watcher = Watcher(self._paths)
        try:
            while True:
                # A policy may extend files elsewhere.
                more = [path for path in self._run_and_write(write) if not watcher.covers(path)]
                if more:
                    watcher.close()
                    watcher = Watcher((*watcher.paths, *more))
                click.echo("Watching for changes; Ctrl-C ends.", err=True)
                changed = watcher.wait()
                names = ", ".join(one_line(Path(path).name) for path in changed)
                click.echo(f"\n{time.strftime('%H:%M:%S')} changed: {names}")
        except KeyboardInterrupt:
            return INTERRUPTED
        finally:
            watcher.close()

    def _run_and_write(self, write: Callable[[Report], None]) -> tuple[str, ...]:
        """Run once; return the files that the tests depend on."""
        try:
            report = self.once()
        except PgGuardError as error:
            report_error(error)
            return ()
        write(report)
        return tuple(source for suite in report.suites for source in suite.sources if Path(source).is_file())


def print_report(report: Report) -> None:
    """Write what failed, what is not covered, and the counts; nothing of what is well."""
    for suite in report.suites:
        if suite.error is not None:
            report_error(suite.error)
        for problem in suite.problems:
            click.echo(redact(problem_line(problem)))
        if suite.valid and not suite.tests:
            click.echo(f"{one_line(suite.file)}: note: it holds no tests")
        for result in suite.results:
            print_result(result)
    if report.coverage:
        _print_coverage(report)
    click.echo(_summary(report))


def print_result(result: Result) -> None:
    """Write what is wrong with one test, or what a reader should know of it; nothing when all is well."""
    width, color = terminal()
    case = result.case
    head = f"{one_line(case.place)}: {one_line(case.id)}"
    if result.ran is not None and result.ran.error:
        click.echo(f"{head}: failed: PostgreSQL does not run it: {one_line(redact(result.ran.error))}")
    if not result.failure:
        if result.note:
            click.echo(f"{head}: note: {one_line(result.note)}")
        return
    click.echo(f"{head}: failed: {one_line(result.failure)}")
    for line in case.sql.splitlines():
        click.echo(f"  | {one_line(line)}")
    source = Source(case.sql)
    for finding in result.findings:
        text = render_finding(finding, source, width=width - 2, color=color)
        click.echo("".join(f"  {line}\n" for line in text.splitlines()), color=color, nl=False)


def _print_coverage(report: Report) -> None:
    for clause in report.clauses:
        if not clause.covered:
            place = f"{clause.file}:{clause.line}:{clause.column}"
            click.echo(one_line(f"{place}: not covered: {clause.path} ({clause.text}): {clause.missing}"))
    covered = sum(clause.covered for clause in report.clauses)
    short = f", less than {report.required:g} %" if report.required is not None and report.short_of_coverage else ""
    of = f"{covered:,} of {plural(len(report.clauses), 'clause')}"
    click.echo(f"coverage: {report.percent:.1f} % ({of}){short}")


def _summary(report: Report) -> str:
    counts = report.counts
    parts = [f"{counts['tests'] - counts['failed']:,} passed"]
    if counts["failed"]:
        parts.append(f"{counts['failed']:,} failed")
    if counts["invalid"]:
        parts.append(f"{plural(counts['invalid'], 'file')} invalid")
    if counts["errors"]:
        parts.append(f"{plural(counts['errors'], 'file')} unreadable")
    if counts["works_on"]:
        ran = counts["works_on"] - counts["works_on_not_run"]
        parts.append(
            f"{plural(ran, 'statement')} run on PostgreSQL"
            if ran
            else f"{plural(counts['works_on'], 'statement')} not run on PostgreSQL (give --embedded)"
        )
    return f"{plural(counts['suites'], 'file')}, {plural(counts['tests'], 'test')}: {', '.join(parts)}"
