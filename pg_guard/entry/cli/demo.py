"""`pg-guard demo`: the whole way on a sample database. In: nothing. Out: a table of decisions; exit 0 if all right."""

from __future__ import annotations

import click

from pg_guard.entry.cli.options import CONTEXT_SETTINGS, example

__all__ = ["demo"]


@click.command(context_settings=CONTEXT_SETTINGS, epilog=example("pg-guard demo", "pg-guard demo --keep"))
@click.option("--keep", is_flag=True, help="Leave the database running and print how to connect to it.")
def demo(keep: bool) -> int:
    """Run the guard on a sample database.

    Starts a PostgreSQL of its own and sends honest queries and attacks to it through the MCP server.

    Exit codes: 0 every decision was the expected one and nothing leaked, 1 otherwise, 2 it could not run.
    """
    from rich.console import Console

    from pg_guard.demo.runner import run_demo

    return run_demo(keep=keep, console=Console(highlight=False))
