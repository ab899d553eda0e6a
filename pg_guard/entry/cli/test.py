"""`pg-guard test`: run the tests that policies and rules hold. In: paths. Out: failures, coverage; exit 1 on a failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pg_guard.entry.cli.options import CONTEXT_SETTINGS, catalog_options, example, load_catalog, require_dsn
from pg_guard.errors import UsageError

if TYPE_CHECKING:
    from pg_guard.testing.model import Report

__all__ = ["test"]


@click.command(
    context_settings=CONTEXT_SETTINGS,
    epilog=example(
        "pg-guard test policy.yaml",
        "pg-guard test rules/ policies/ --coverage --min-coverage 90",
        "pg-guard test rules/core --embedded --format junit > report.xml",
        "pg-guard test policy.yaml --catalog shop.json --watch",
    ),
)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path())
@catalog_options
@click.option(
    "-f",
    "--format",
    "output_format",
    type=click.Choice(["text", "json", "junit"]),
    default="text",
    show_default=True,
    help="How to write the result.",
)
@click.option("-k", "--keyword", default="", metavar="TEXT", help="Only tests whose subject::name holds TEXT.")
@click.option("--coverage", is_flag=True, help="Also report clauses and rules that no passing test exercises.")
@click.option(
    "--min-coverage",
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    help="Fail when less is covered; implies --coverage.",
)
@click.option("--watch", is_flag=True, help="Run again whenever a file changes, until Ctrl-C.")
@click.option(
    "--database",
    is_flag=True,
    help="Also run statements that say works_on in the database of --dsn: read-only, and rolled back.",
)
@click.option("--embedded", is_flag=True, help="The same on a PostgreSQL of its own with the sample database.")
def test(
    paths: tuple[str, ...],
    catalog_path: str | None,
    dsn: str | None,
    output_format: str,
    keyword: str,
    coverage: bool,
    min_coverage: float | None,
    watch: bool,
    database: bool,
    embedded: bool,
) -> int:
    """Run the tests that policies and rules hold.

    PATH is a policy, a rule, a pack's directory, or a directory that holds any of them; they are found by their key
    `schema`. With --catalog or --dsn, names in policies' tests are resolved as that database resolves them; rules'
    tests say themselves under which catalog they run.

    Exit codes: 0 all passed, 1 a test failed or too little is covered, 2 wrong usage or an unreadable file, 3 an invalid
    policy or rule.
    """
    coverage = coverage or min_coverage is not None
    if keyword and coverage:
        raise UsageError("-k leaves tests out, so what they cover cannot be told", hint="give one of the two")
    if watch and output_format != "text":
        raise UsageError(f"--watch writes text, not {output_format}", hint="leave --format out")
    statements_dsn = None
    if database and not embedded:
        if not dsn:
            raise UsageError("--database names no database", hint="add --dsn URI, or give --embedded instead")
        statements_dsn = require_dsn(dsn)
    # With --database a snapshot tells the names and --dsn where statements run; else the two are one choice.
    catalog = load_catalog(catalog_path, None if catalog_path and statements_dsn else dsn)
    from pg_guard.entry.cli.testing import TestRun
    from pg_guard.testing.run import Settings

    settings = Settings(catalog, keyword, coverage, min_coverage)
    with TestRun(paths, settings, statements_dsn, embedded=embedded) as run:
        if watch:
            return run.watch(lambda report: _write(report, output_format))
        report = run.once()
        if keyword and not report.results and not report.exit_code:
            raise UsageError(f"no test matches -k {keyword}", hint="it is compared with subject::name")
        _write(report, output_format)
        return report.exit_code


def _write(report: Report, output_format: str) -> None:
    if output_format == "json":
        from pg_guard.report import json

        click.echo(json.dump(report.to_dict()), nl=False)
    elif output_format == "junit":
        from pg_guard.testing.junit import to_junit

        click.echo(to_junit(report), nl=False)
    else:
        from pg_guard.entry.cli.testing import print_report

        print_report(report)
