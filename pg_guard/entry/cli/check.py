"""`pg-guard check`: decide one statement. In: a statement and a policy. Out: the decision; exit 0 allowed, 1 denied."""

from __future__ import annotations

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
from pg_guard.errors import UsageError

__all__ = ["check"]


@click.command(
    context_settings=CONTEXT_SETTINGS,
    epilog=example(
        'pg-guard check "SELECT name FROM customers" -p policy.yaml --catalog shop.json',
        "pg-guard check --file query.sql -p policy.yaml --principal tenant_id=42",
        "psql -At -c '…' | pg-guard check - -p policy.yaml --format json",
    ),
)
@click.argument("sql", required=False)
@click.option(
    "--file", "file", metavar="FILE", type=click.Path(), help="Read the statement from FILE; - is standard input."
)
@policy_option
@catalog_options
@principal_option
@format_option
def check(
    sql: str | None,
    file: str | None,
    policy_path: str,
    catalog_path: str | None,
    dsn: str | None,
    principal: tuple[str, ...],
    output_format: str,
) -> int:
    """Decide one statement.

    SQL is the statement, or - to read it from standard input.

    Exit codes: 0 allowed, 1 denied, 2 wrong usage, 3 invalid policy.
    """
    from pg_guard.entry.cli.files import read_sql
    from pg_guard.report import json, text

    if (sql is None) == (file is None):
        what = "no statement given" if sql is None else "a statement and --file are both given"
        raise UsageError(
            what, hint='write pg-guard check "SELECT 1", pg-guard check --file query.sql or pg-guard check -'
        )
    attributes = read_principal(principal)
    name = ""
    if file is not None:
        sql, name = read_sql(file), "" if file == "-" else file
    elif sql == "-":
        sql = read_sql("-")
    assert sql is not None  # exactly one of the two is given
    decision = load_guard(policy_path, catalog_path, dsn).check(sql, principal=attributes)
    if output_format == "json":
        click.echo(json.render_decision(decision), nl=False)
    else:
        width, color = terminal()
        click.echo(text.render_decision(decision, width=width, color=color, name=name), nl=False, color=color)
    return 0 if decision.allowed else 1
