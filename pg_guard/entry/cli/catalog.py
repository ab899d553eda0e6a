"""`pg-guard catalog`: the names of a database. In: a connection. Out: a snapshot file that commands take offline."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from pg_guard.entry.cli.options import CONTEXT_SETTINGS, dsn_option, example, require_dsn, timeout_option
from pg_guard.errors import UsageError

__all__ = ["catalog"]

_SNAPSHOT_EXAMPLE = "pg-guard catalog snapshot --dsn postgresql://reader@db.example/shop --output shop.json"


@click.group(context_settings=CONTEXT_SETTINGS, epilog=example(_SNAPSHOT_EXAMPLE))
def catalog() -> None:
    """Read the names of a database."""


@catalog.command(context_settings=CONTEXT_SETTINGS, epilog=example(_SNAPSHOT_EXAMPLE))
@dsn_option
@click.option("-o", "--output", required=True, metavar="FILE", type=click.Path(), help="The file to write or replace.")
@timeout_option
def snapshot(dsn: str | None, output: str, timeout: float) -> int:
    """Write a snapshot of a database's names.

    It holds relations, columns, functions, types and operators; no row of any table is read.

    Exit codes: 0 written, 2 wrong usage or an unreachable database.
    """
    uri = require_dsn(dsn)
    if not Path(output).absolute().parent.is_dir():
        raise UsageError(f"{output}: its directory does not exist", hint="create the directory first")
    if Path(output).is_dir():
        raise UsageError(f"{output}: is a directory", hint="name a file, as in catalog.json")
    from pg_guard.catalog.model import Catalog
    from pg_guard.report.text import plural

    click.echo("Reading the catalog ...", err=True)
    names = asyncio.run(Catalog.from_database(uri, timeout=timeout))
    names.to_json(output)
    counts = ", ".join(
        (
            plural(len(names.relations), "relation"),
            plural(len(names.functions), "function"),
            plural(len(names.types), "type"),
        )
    )
    click.echo(f"Wrote {output}: {counts}.", err=True)
    return 0
