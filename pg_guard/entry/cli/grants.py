"""`pg-guard grants`: a policy as privileges. In: a policy, a catalog. Out: the SQL of a role that can do no more."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from pg_guard.entry.cli.options import CONTEXT_SETTINGS, catalog_options, example, load_guard, policy_option
from pg_guard.errors import UsageError

__all__ = ["grants"]

# The guard decides on so many statements in a second or two.
_MANY = 1_000
_EXAMPLES = (
    "pg-guard grants --policy policy.yaml --dsn postgresql://db.example/shop -o role.sql",
    "pg-guard grants --policy policy.yaml --catalog shop.json --role bi | psql shop",
)


@click.command(context_settings=CONTEXT_SETTINGS, epilog=example(*_EXAMPLES))
@policy_option
@catalog_options
@click.option(
    "-r", "--role", default="guarded_reader", show_default=True, metavar="NAME", help="The role that the SQL makes."
)
@click.option(
    "--login/--no-login",
    default=True,
    show_default=True,
    help="Whether the role may log in itself, or is only taken by SET ROLE.",
)
@click.option(
    "--row-security",
    is_flag=True,
    help="Write row-security policies for the values that where demands (equals); holds back what they cannot hold.",
)
@click.option(
    "--revoke-public",
    is_flag=True,
    help="Take from PUBLIC what every role has through it; otherwise these statements are comments.",
)
@click.option(
    "-f",
    "--format",
    "output_format",
    type=click.Choice(["sql", "json"]),
    default="sql",
    show_default=True,
    help="How to write the result.",
)
@click.option(
    "-o", "--output", metavar="FILE", type=click.Path(), help="The file to write or replace; standard output otherwise."
)
def grants(
    policy_path: str,
    dsn: str | None,
    catalog_path: str | None,
    role: str,
    login: bool,
    row_security: bool,
    revoke_public: bool,
    output_format: str,
    output: str | None,
) -> int:
    """Print the SQL of a least-privilege role that enforces a policy inside of PostgreSQL.

    The role reads what the policy permits, by table or by column, and nothing else; it cannot write. Nothing is run: read the
    SQL, then give it to psql. It ends with a list of what privileges cannot say, so that only the guard enforces it.

    Exit codes: 0 written, 2 wrong usage or an unreachable database, 3 an invalid policy.
    """
    if not dsn and not catalog_path:
        raise UsageError("no database given", hint="give --dsn postgresql://user@host/database, or --catalog FILE")
    if output is not None:
        _check_output(output)
    from pg_guard.advise.grants import plan_grants, render_sql
    from pg_guard.advise.grants_model import GrantOptions
    from pg_guard.report import json
    from pg_guard.report.text import plural
    from pg_guard.report.visible import one_line

    if not catalog_path:
        click.echo("Reading the catalog ...", err=True)
    guard = load_guard(policy_path, catalog_path, dsn)
    shown = len(guard.visible_relations())
    if shown > _MANY:
        click.echo(f"Asking the guard about {shown} relations ...", err=True)
    plan = plan_grants(guard, GrantOptions(role, login, row_security, revoke_public))
    text = json.dump(plan.to_dict()) if output_format == "json" else render_sql(plan)
    if output is None:
        # Bytes, so that names are UTF-8 in every locale.
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()
        return 0
    Path(output).write_text(text, encoding="utf-8")
    counts = f"{plural(len(plan.access.readable), 'relation')}, {plural(len(plan.not_enforced), 'remark')}"
    click.echo(f"Wrote {one_line(output)}: {counts}.", err=True)
    return 0


def _check_output(output: str) -> None:
    if Path(output).is_dir():
        raise UsageError(f"{output}: is a directory", hint="name a file, as in role.sql")
    if not Path(output).absolute().parent.is_dir():
        raise UsageError(f"{output}: its directory does not exist", hint="create the directory first")
