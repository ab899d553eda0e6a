"""`pg-guard lint`: check SQL files. In: paths and a policy. Out: findings by file, a summary; exit 1 on findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pg_guard.entry.cli.options import (
    CONTEXT_SETTINGS,
    catalog_options,
    example,
    format_option,
    load_guard,
    policy_option,
    principal_option,
    read_principal,
    terminal,
)

if TYPE_CHECKING:
    from pg_guard.entry.cli.linting import LintReport

__all__ = ["lint"]


@click.command(
    context_settings=CONTEXT_SETTINGS,
    epilog=example(
        "pg-guard lint queries/ -p policy.yaml --catalog shop.json",
        "pg-guard lint 'reports/**/*.sql' -p policy.yaml --format json",
    ),
)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path())
@policy_option
@catalog_options
@principal_option
@format_option
def lint(
    paths: tuple[str, ...],
    policy_path: str,
    catalog_path: str | None,
    dsn: str | None,
    principal: tuple[str, ...],
    output_format: str,
) -> int:
    """Check SQL files.

    They may hold any number of statements. PATH is a file, a directory (every .sql file below it) or a pattern in
    quotes. Statements are told apart by PostgreSQL's own scanner; commands of psql are reported, and those that run
    something count as findings.

    Exit codes: 0 clean, 1 findings, 2 wrong usage or an unreadable file, 3 invalid policy.
    """
    from pg_guard.entry.cli.files import find_sql_files
    from pg_guard.report import json

    attributes = read_principal(principal)
    files = find_sql_files(paths)
    guard = load_guard(policy_path, catalog_path, dsn)
    from pg_guard.entry.cli.linting import lint_files

    report = lint_files(files, guard, attributes)
    if output_format == "json":
        click.echo(json.dump(report.to_dict()), nl=False)
    else:
        _print(report)
    return report.exit_code


def _print(report: LintReport) -> None:
    from pg_guard.entry.cli.runner import report_error
    from pg_guard.report.text import plural, render_finding

    width, color = terminal()
    for file in report.files:
        if file.error:
            report_error(file.error)
        for finding in file.findings:
            text = render_finding(finding, file.source, width=width, color=color, name=file.path)
            click.echo(text, color=color)
    counts = report.counts
    outcome = ", ".join(
        [
            f"{counts['denied']:,} denied",
            plural(counts["findings"], "finding"),
            *([plural(counts["warnings"], "warning")] if counts["warnings"] else []),
            *([f"{plural(counts['errors'], 'file')} unreadable"] if counts["errors"] else []),
        ]
    )
    click.echo(f"{plural(counts['files'], 'file')}, {plural(counts['statements'], 'statement')}: {outcome}")
