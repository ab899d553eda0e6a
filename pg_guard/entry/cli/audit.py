"""`pg-guard audit`: a policy against a live database. In: a policy, a connection. Out: findings with what to do about each.

`pg-guard audit verify`, about the audit log, stands below it by its name alone: see `pg_guard.entry.cli.audit_verify`.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pg_guard.entry.cli.audit_verify import verify
from pg_guard.entry.cli.options import CONTEXT_SETTINGS, dsn_option, example, require_dsn, terminal, timeout_option
from pg_guard.errors import UsageError

if TYPE_CHECKING:
    from pg_guard.advise.finding import AuditReport

__all__ = ["audit"]

_EXAMPLES = (
    "pg-guard audit --policy policy.yaml --dsn postgresql://reader@db.example/shop",
    "pg-guard audit --policy policy.yaml --format html --output audit.html --fail-on medium",
    "pg-guard audit verify /var/log/pg-guard/audit*.jsonl",
)


@click.group(
    context_settings=CONTEXT_SETTINGS,
    epilog=example(*_EXAMPLES),
    invoke_without_command=True,
    subcommand_metavar="| verify FILE...",
)
# Required without a subcommand only.
@click.option("-p", "--policy", "policy_path", metavar="FILE", type=click.Path(), help="The policy file; required.")
@dsn_option
@click.option(
    "-f",
    "--format",
    "output_format",
    type=click.Choice(["text", "json", "markdown", "html"]),
    default="text",
    show_default=True,
    help="How to write the report.",
)
@click.option(
    "-o", "--output", metavar="FILE", type=click.Path(), help="The file to write or replace; standard output otherwise."
)
@click.option(
    "--fail-on",
    type=click.Choice(["low", "medium", "high", "critical", "none"]),
    default="high",
    show_default=True,
    help="The severity from which the exit code is 1.",
)
@timeout_option
@click.pass_context
def audit(
    ctx: click.Context,
    policy_path: str | None,
    dsn: str | None,
    output_format: str,
    output: str | None,
    fail_on: str,
    timeout: float,
) -> int:
    """Hold a policy against a live database.

    It looks for patterns that match nothing, ways to protected data around the policy's names, and privileges, settings
    and extensions that weaken the layers below the guard. Nothing is written, and no row is read. Connect as the role that
    the guard will use.

    Exit codes: 0 nothing at or over --fail-on, 1 something is, 2 wrong usage or an unreachable database, 3 an invalid
    policy.
    """
    if ctx.invoked_subcommand is not None:
        return 0
    if policy_path is None:
        raise click.MissingParameter(
            ctx=ctx, param=next(each for each in ctx.command.params if each.name == "policy_path")
        )
    uri = require_dsn(dsn)
    if output is not None:
        _check_output(output)
    from pg_guard.policy.load import load_policy

    policy = load_policy(policy_path).policy
    from pg_guard.advise.audit import audit as run_audit
    from pg_guard.advise.surroundings import read_estate
    from pg_guard.report.text import plural
    from pg_guard.report.visible import one_line

    click.echo("Reading the catalog ...", err=True)
    estate = asyncio.run(read_estate(uri, timeout=timeout))
    click.echo(f"Looking at {plural(len(estate.around.relations), 'relation')} ...", err=True)
    report = run_audit(policy, estate)
    width, color = terminal()
    text = _render(report, output_format, fail_on, width, color=color and output is None)
    if output is None:
        click.echo(text, nl=False, color=color)
    else:
        Path(output).write_text(text, encoding="utf-8")
        click.echo(f"Wrote {one_line(output)}: {plural(len(report.findings), 'finding')}.", err=True)
    return 1 if report.fails(fail_on) else 0


audit.add_command(verify)


def _check_output(output: str) -> None:
    if Path(output).is_dir():
        raise UsageError(f"{output}: is a directory", hint="name a file, as in audit.html")
    if not Path(output).absolute().parent.is_dir():
        raise UsageError(f"{output}: its directory does not exist", hint="create the directory first")


def _render(report: AuditReport, output_format: str, fail_on: str, width: int, *, color: bool) -> str:
    from pg_guard.advise.reports import render_html, render_markdown, render_text
    from pg_guard.report import json

    if output_format == "json":
        return json.dump(report.to_dict(fail_on))
    if output_format == "markdown":
        return render_markdown(report)
    if output_format == "html":
        return render_html(report)
    return render_text(report, width=width, color=color)
