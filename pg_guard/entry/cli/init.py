"""`pg-guard init`: a starter policy. In: a connection. Out: a commented policy file made from the database's catalog."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from pathlib import Path

import click

from pg_guard.entry.cli.options import CONTEXT_SETTINGS, dsn_option, example, require_dsn, timeout_option
from pg_guard.errors import UsageError

__all__ = ["init"]

_EXAMPLES = (
    "pg-guard init --dsn postgresql://reader@db.example/shop --output policy.yaml",
    "pg-guard init --schema app --schema reference --strict --output -",
)


@click.command(context_settings=CONTEXT_SETTINGS, epilog=example(*_EXAMPLES))
@dsn_option
@click.option(
    "-s",
    "--schema",
    "schemas",
    metavar="NAME",
    multiple=True,
    help="A schema that the policy is for; may be given several times. All that the role may look into otherwise.",
)
@click.option(
    "-o",
    "--output",
    default="policy.yaml",
    show_default=True,
    metavar="FILE",
    type=click.Path(),
    help="The file to write; - is standard output.",
)
@click.option("--force", is_flag=True, help="Replace the file if there is one.")
@click.option(
    "--strict", is_flag=True, help="Deny what is only suspicious, name each table, allow fewer functions and rows."
)
@timeout_option
def init(dsn: str | None, schemas: tuple[str, ...], output: str, force: bool, strict: bool, timeout: float) -> int:
    """Write a starter policy for a database.

    It is made from names, types, comments and keys; no row of any table is read. Each line of it says why it is there.
    Connect as the role that the guard will use.

    Exit codes: 0 written, 2 wrong usage, a file that exists, or an unreachable database.
    """
    uri = require_dsn(dsn)
    if output != "-":
        _check_output(output, force=force)
    from pg_guard.advise.starter import write_starter
    from pg_guard.advise.surroundings import read_estate
    from pg_guard.advise.survey import survey
    from pg_guard.report.text import plural
    from pg_guard.report.visible import one_line

    click.echo("Reading the catalog ...", err=True)
    estate = asyncio.run(read_estate(uri, timeout=timeout))
    click.echo(f"Looking at {plural(len(estate.around.relations), 'relation')} ...", err=True)
    starter = write_starter(survey(estate, schemas, strict=strict), estate.catalog)
    if output == "-":
        # Bytes, so that the file is UTF-8 in every locale.
        sys.stdout.buffer.write(starter.text.encode())
        return 0
    _write(Path(output), starter.text, force=force)
    denied = sum(map(len, starter.policy.columns.deny.values())) - len(starter.policy.columns.deny.get("*", ()))
    parts = (
        f"{plural(len(starter.policy.tables.deny), 'pattern')} of denied relations",
        plural(denied, "denied column"),
        plural(len(starter.policy.where), "requirement"),
        plural(starter.tests, "test"),
    )
    click.echo(f"Wrote {one_line(output)}: {', '.join(parts)}.", err=True)
    click.echo(f"Review it, then run: pg-guard policy validate {one_line(output)} --dsn URI", err=True)
    return 0


def _check_output(output: str, *, force: bool) -> None:
    path = Path(output)
    if path.is_dir():
        raise UsageError(f"{output}: is a directory", hint="name a file, as in policy.yaml")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"{output}: its directory does not exist", hint="create the directory first")
    if not force and (path.exists() or path.is_symlink()):
        raise UsageError(f"{output}: exists already", hint="choose another --output, or give --force to replace it")


def _write(path: Path, text: str, *, force: bool) -> None:
    """Write the file; with `force` the old one stays until the new one is whole."""
    if not force:
        try:
            # Exclusive: a file that came in between is left alone.
            with path.open("xb") as stream:
                stream.write(text.encode())
        except FileExistsError:
            raise UsageError(f"{path}: exists already", hint="choose another --output, or give --force") from None
        return
    handle, name = tempfile.mkstemp(prefix=".pg-guard-", suffix=".tmp", dir=path.absolute().parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(text.encode())
        # mkstemp makes files for their owner alone; a policy is as readable as any other new file.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
