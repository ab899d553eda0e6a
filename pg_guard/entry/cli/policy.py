"""`pg-guard policy`: work on policy files. In: policy files. Out: their problems, their tests' outcome, the schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pg_guard.entry.cli.options import (
    CONTEXT_SETTINGS,
    catalog_options,
    example,
    format_option,
    load_catalog,
)

if TYPE_CHECKING:
    from pg_guard.entry.cli.validating import PolicyReport

__all__ = ["policy"]

_EXAMPLES = (
    "pg-guard policy validate policies/*.yaml",
    "pg-guard policy validate policy.yaml --catalog shop.json --format json",
)
_SCHEMA_EXAMPLE = "pg-guard policy schema > policy-v1.schema.json"


@click.group(context_settings=CONTEXT_SETTINGS, epilog=example(*_EXAMPLES, _SCHEMA_EXAMPLE))
def policy() -> None:
    """Validate policy files and run their tests."""


@policy.command(context_settings=CONTEXT_SETTINGS, epilog=example(*_EXAMPLES))
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path())
@catalog_options
@format_option
def validate(files: tuple[str, ...], catalog_path: str | None, dsn: str | None, output_format: str) -> int:
    """Report every problem of policy files.

    A valid policy's own tests are run, too.

    Exit codes: 0 valid, 1 a test failed, 2 wrong usage or a missing file, 3 an invalid policy.
    """
    from pg_guard.entry.cli.validating import exit_code, to_document, validate_policy
    from pg_guard.report import json

    catalog = load_catalog(catalog_path, dsn)
    reports = tuple(validate_policy(file, catalog) for file in files)
    if output_format == "json":
        click.echo(json.dump(to_document(reports)), nl=False)
    else:
        for report in reports:
            _print(report)
    return exit_code(reports)


@policy.command(context_settings=CONTEXT_SETTINGS, epilog=example(_SCHEMA_EXAMPLE))
def schema() -> int:
    """Print the JSON Schema of policy files, for editors."""
    from pg_guard.policy.schema import schema_text

    click.echo(schema_text(), nl=False)
    return 0


def _print(report: PolicyReport) -> None:
    from pg_guard.entry.cli.runner import problem_line, redact, report_error
    from pg_guard.entry.cli.testing import print_result
    from pg_guard.report.text import plural
    from pg_guard.report.visible import one_line

    if report.error:
        report_error(report.error)
        return
    for problem in report.problems:
        click.echo(redact(problem_line(problem)))
    errors = sum(problem.level == "error" for problem in report.problems)
    path = one_line(report.path)
    if report.policy is None:
        click.echo(f"{path}: invalid, {plural(errors, 'problem')}")
        return
    for result in report.failed:
        print_result(result)
    for name in report.reviewed:
        click.echo(f"{path}: note: tables.allow names the view {one_line(name)}, which shows what the policy denies")
    metadata = report.policy.metadata
    parts = [f"valid ({one_line(metadata.name)} {one_line(metadata.version)})"]
    warnings = len(report.problems) - errors
    if warnings:
        parts.append(plural(warnings, "warning"))
    if report.tests:
        parts.append(f"{len(report.tests) - len(report.failed)} of {plural(len(report.tests), 'test')} passed")
    click.echo(f"{path}: {', '.join(parts)}")
