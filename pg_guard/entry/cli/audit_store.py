"""`pg-guard audit-store`: the audit log in PostgreSQL. In: a database of one's own. Out: its tables, kept; or their lines."""

from __future__ import annotations

import asyncio
import re
import sys
from typing import TYPE_CHECKING

import click

from pg_guard.entry.cli.options import CONTEXT_SETTINGS, example

if TYPE_CHECKING:
    from pg_guard.observe.audit_tables import Dropped

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
    from pg_guard.observe.audit_tables import migrate as run

    created, dropped = asyncio.run(run(dsn, keep=keep, writer=writer))
    for name in created:
        click.echo(f"created {name}")
    for name in dropped:
        click.echo(f"dropped {name}")
    if not created and not dropped:
        click.echo("nothing to do")
    return 0


class _Months(click.ParamType[int]):
    """A time of whole months, as ``13months`` or ``2years``."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """So many months."""
        match = re.fullmatch(r"\s*([0-9]{1,4})\s*(months?|years?)\s*", str(value), re.IGNORECASE | re.ASCII)
        if match is None:
            self.fail(f"{value!r} is no time: write 13months or 2years", param, ctx)
        return int(match[1]) * (12 if match[2].lower().startswith("year") else 1)


@audit_store.command(
    context_settings=CONTEXT_SETTINGS, epilog=example("pg-guard audit-store prune --older-than 13months")
)
@_dsn_option
@click.option(
    "--older-than",
    "months",
    metavar="TIME",
    type=_Months(),
    required=True,
    help="Drop what is older than so many months before the current one, as 13months or 2years.",
)
@click.option("--yes", is_flag=True, help="Do it; otherwise only what would be dropped is printed.")
def prune(dsn: str, months: int, *, yes: bool) -> int:
    """Drop old months.

    Run it as the owner of the database. A line of the chain tells what was dropped, so that `pg-guard audit verify` still
    holds, and says where the log begins.

    Exit codes: 0, 2 wrong usage or a database that cannot be reached.
    """
    from pg_guard.observe.audit_tables import prune as run

    found = asyncio.run(run(dsn, months=months, really=yes))
    for part in found:
        click.echo(f"{'dropped' if yes else 'would drop'} {_described(part)}")
    if not found:
        click.echo("nothing to do")
    elif not yes:
        click.echo("Nothing was dropped; give --yes to do it.", err=True)
    return 0


def _described(part: Dropped) -> str:
    if part.first is None:
        return f"{part.name}: no lines"
    lines = f"{part.lines} line{'s' if part.lines != 1 else ''} of {part.name}" if not part.whole else part.name
    return f"{lines}: lines {part.first} to {part.last}"


@audit_store.command(context_settings=CONTEXT_SETTINGS, epilog=example(_EXPORT))
@_dsn_option
def export(dsn: str) -> int:
    """Write all lines to standard output, as they would stand in a file.

    Exit codes: 0, 2 wrong usage or a database that cannot be reached.
    """
    from pg_guard.observe.audit_tables import export_lines

    async def write() -> None:
        output = sys.stdout.buffer
        async for line in export_lines(dsn):
            output.write(line)

    asyncio.run(write())
    return 0
