"""`pg-guard audit-store`: the audit log in PostgreSQL. In: a database of one's own. Out: its tables, kept; or their lines."""

from __future__ import annotations

import asyncio
import sys

import click

from pg_guard.entry.cli.options import CONTEXT_SETTINGS, example

__all__ = ["audit_store"]

_EXPORT = "pg-guard audit-store export | pg-guard audit verify -"

_dsn_option = click.option(
    "--dsn",
    envvar="PG_GUARD_AUDIT__DSN",
    show_envvar=True,
    required=True,
    metavar="URI",
    help="The database of the audit log. Prefer the environment: arguments are seen by others.",
)


@click.group(
    "audit-store", context_settings=CONTEXT_SETTINGS, epilog=example("pg-guard audit-store migrate --keep 24", _EXPORT)
)
def audit_store() -> None:
    """Keep the audit log in a database of its own."""


@audit_store.command(context_settings=CONTEXT_SETTINGS, epilog=example("pg-guard audit-store migrate --keep 24"))
@_dsn_option
@click.option(
    "--keep",
    metavar="MONTHS",
    type=click.IntRange(min=0),
    help="Drop what is older: as many months before the current one are kept. All, when left out.",
)
@click.option("--writer", metavar="ROLE", help="Give the servers' role what writing takes, and no more.")
def migrate(dsn: str, keep: int | None, writer: str | None) -> int:
    """Create the tables and the parts of this month and the next three.

    Run it as the owner of the database, and again every month: from a timer, or before each start.

    Exit codes: 0, 2 wrong usage or a database that cannot be reached.
    """
    from pg_guard.observe.audit_store import migrate as run

    created, dropped = asyncio.run(run(dsn, keep=keep, writer=writer))
    for name in created:
        click.echo(f"created {name}")
    for name in dropped:
        click.echo(f"dropped {name}")
    if not created and not dropped:
        click.echo("nothing to do")
    return 0


@audit_store.command(context_settings=CONTEXT_SETTINGS, epilog=example(_EXPORT))
@_dsn_option
def export(dsn: str) -> int:
    """Write all lines to standard output, as they would stand in a file.

    Exit codes: 0, 2 wrong usage or a database that cannot be reached.
    """
    from pg_guard.observe.audit_store import export_lines

    async def write() -> None:
        output = sys.stdout.buffer
        async for line in export_lines(dsn):
            output.write(line)

    asyncio.run(write())
    return 0
