"""`pg-guard lint`: check the SQL of a repository. In: paths and rules. Out: findings by file, counts; exit 1 on findings."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import click

from pg_guard.entry.cli.options import (
    CONTEXT_SETTINGS,
    catalog_options,
    example,
    load_catalog,
    principal_option,
    read_principal,
    terminal,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from pg_guard.decision import Severity
    from pg_guard.report.linted import FailOn, LintReport

__all__ = ["lint"]

FORMATS: Final = ("text", "json", "sarif", "junit", "github")
_SEVERITIES: Final = (
    "info",
    "low",
    "medium",
    "high",
    "critical",
)  # as in decision.py, which is not imported for --help
_EMBEDDED: Final = ("python", "markdown", "jinja")
_PROGRESS_SECONDS: Final = 2.0


@click.command(
    context_settings=CONTEXT_SETTINGS,
    epilog=example(
        "pg-guard lint queries/ -p policy.yaml --catalog shop.json",
        "pg-guard lint queries/ --pack quality,performance --fail-on warn",
        "pg-guard lint 'reports/**/*.sql' -p policy.yaml --format sarif > lint.sarif",
        "pg-guard lint app/ docs/ models/ --pack core --embedded python,markdown,jinja",
        "pg-guard lint . -p policy.yaml --write-baseline lint-baseline.json",
        "git show HEAD:a.sql | pg-guard lint - -p policy.yaml --stdin-name a.sql",
    ),
)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path())
@click.option("-p", "--policy", "policy_path", metavar="FILE", type=click.Path(), help="The policy file.")
@click.option("--pack", "packs", metavar="NAME", multiple=True, help="A shipped rule pack, with or without a policy.")
@click.option(
    "--rules",
    metavar="PATH",
    multiple=True,
    type=click.Path(),
    help="A rule file, or a directory of them or of a pack.",
)
@catalog_options
@principal_option
@click.option(
    "-f",
    "--format",
    "output_format",
    type=click.Choice(FORMATS),
    default="text",
    show_default=True,
    help="How to write the result.",
)
@click.option(
    "--omit-suppressed",
    is_flag=True,
    help="Leave out of sarif what comments or a baseline lift, as code scanning needs.",
)
@click.option(
    "--select", metavar="RULE", multiple=True, help="Look at these rules only, as in tables/denied or core/*."
)
@click.option("--ignore", metavar="RULE", multiple=True, help="Leave these rules out.")
@click.option(
    "--min-severity", type=click.Choice(_SEVERITIES), default="info", show_default=True, help="Leave out what is less."
)
@click.option(
    "--fail-on",
    type=click.Choice(["deny", "warn"]),
    default="deny",
    show_default=True,
    help="What makes the exit code 1; warnings do only with warn.",
)
@click.option("--baseline", metavar="FILE", type=click.Path(), help="Findings that are known and do not fail.")
@click.option(
    "--write-baseline", metavar="FILE", type=click.Path(), help="Write the findings there as known ones; exit with 0."
)
@click.option(
    "--embedded",
    metavar="KIND",
    multiple=True,
    help="Also read the SQL inside of python, markdown or jinja (dbt) files.",
)
@click.option("--stdin-name", metavar="NAME", help="What standard input (-) is called in the result.")
def lint(
    paths: tuple[str, ...],
    policy_path: str | None,
    packs: tuple[str, ...],
    rules: tuple[str, ...],
    catalog_path: str | None,
    dsn: str | None,
    principal: tuple[str, ...],
    output_format: str,
    omit_suppressed: bool,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    min_severity: Severity,
    fail_on: FailOn,
    baseline: str | None,
    write_baseline: str | None,
    embedded: tuple[str, ...],
    stdin_name: str | None,
) -> int:
    """Check the SQL files of a repository.

    They may hold any number of statements. PATH is a file, a directory (every .sql file below it), a pattern in quotes,
    or - for standard input. SQL inside of Python, Markdown and Jinja files is read only with --embedded. Statements are
    told apart by PostgreSQL's own scanner; commands of psql are reported, and those that run something count as findings.

    A comment `-- pg-guard: allow RULE reason` above or in a statement lifts its findings of that rule, here and nowhere
    else.

    Exit codes: 0 clean, 1 findings, 2 wrong usage or an unreadable file, 3 invalid policy or rules.
    """
    from pg_guard.entry.cli.files import find_files

    if omit_suppressed and output_format != "sarif":
        raise click.UsageError("--omit-suppressed is for --format sarif; other formats tell lifted findings apart")
    kinds = _kinds(embedded)
    attributes = read_principal(principal)
    files = find_files(paths, embedded=kinds, stdin_name=stdin_name or "")

    from dataclasses import replace

    from pg_guard.entry.cli.baseline import apply_baseline, read_baseline
    from pg_guard.entry.cli.baseline import write_baseline as write
    from pg_guard.entry.cli.filters import Filters
    from pg_guard.entry.cli.linting import Linter
    from pg_guard.entry.cli.rule_sources import build_guard, load_packs
    from pg_guard.report.rulebook import rulebook
    from pg_guard.report.text import plural

    known = read_baseline(baseline) if baseline else ()
    extra = load_packs(packs, rules)
    guard = build_guard(policy_path, extra, load_catalog(catalog_path, dsn))
    book = rulebook(guard.packs)
    filters = Filters.of(select, ignore, min_severity, book)
    linter = Linter(
        guard, book, filters, attributes, with_policy=policy_path is not None, progress=_progress(len(files))
    )
    report = replace(linter.report(files), fail_on=fail_on, embedded=kinds)
    if baseline:
        report = apply_baseline(report, known)
    _write(report, output_format, omit_suppressed=omit_suppressed)
    if write_baseline:
        count = write(write_baseline, report)
        click.echo(f"Wrote {plural(count, 'known finding')} to {write_baseline}", err=True)
        return 0
    return report.exit_code


def _kinds(embedded: tuple[str, ...]) -> tuple[str, ...]:
    words = dict.fromkeys(word.strip() for given in embedded for word in given.split(","))
    for word in words:
        if word not in _EMBEDDED:
            raise click.BadParameter(f"{word!r} is not one of {', '.join(_EMBEDDED)}.", param_hint="'--embedded'")
    return tuple(kind for kind in _EMBEDDED if kind in words)


def _progress(files: int) -> Callable[[int, int], None]:
    """What tells on standard error how far the run is: after two seconds, and then ever less often."""
    pause = _PROGRESS_SECONDS
    due = time.monotonic() + pause

    def tell(done: int, statements: int) -> None:
        nonlocal due, pause
        if time.monotonic() < due:
            return
        click.echo(f"Checked {statements:,} statements, {done:,} of {files:,} files ...", err=True)
        pause *= 1.5
        due = time.monotonic() + pause

    return tell


def _write(report: LintReport, output_format: str, *, omit_suppressed: bool) -> None:
    from pg_guard.report import json

    if output_format == "json":
        click.echo(json.dump(report.to_dict()), nl=False)
    elif output_format == "sarif":
        from pg_guard.report.sarif import to_sarif

        click.echo(json.dump(to_sarif(report, omit_suppressed=omit_suppressed)), nl=False)
    elif output_format == "junit":
        from pg_guard.report.junit import render_junit

        click.echo(render_junit(report), nl=False)
    elif output_format == "github":
        from pg_guard.report.github import render_github
        from pg_guard.report.lint_text import summary

        click.echo(render_github(report) + summary(report))
    else:
        from pg_guard.report.lint_text import render_lint

        width, color = terminal()
        for text in render_lint(report, width=width, color=color):
            click.echo(text, color=color, nl=False)
    if output_format != "github":
        _tell_errors(report)


def _tell_errors(report: LintReport) -> None:
    from pg_guard.entry.cli.runner import report_error

    for file in report.files:
        if file.error is not None:
            report_error(file.error)
