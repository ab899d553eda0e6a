"""The `pg-guard` command. In: the arguments of the process. Out: its exit code.

Each command has a module of its own, light to import: what is heavy (the parsers, the driver, MCP) is imported when a
command runs, so that ``--help`` and shell completion answer at once.
"""

from __future__ import annotations

import sys

import click

from pg_guard._version import __version__
from pg_guard.entry.cli.audit import audit
from pg_guard.entry.cli.audit_store import audit_store
from pg_guard.entry.cli.catalog import catalog
from pg_guard.entry.cli.check import check
from pg_guard.entry.cli.completion import completion
from pg_guard.entry.cli.config import config
from pg_guard.entry.cli.demo import demo
from pg_guard.entry.cli.diff import diff
from pg_guard.entry.cli.explain import explain
from pg_guard.entry.cli.fmt import fmt
from pg_guard.entry.cli.grants import grants
from pg_guard.entry.cli.init import init
from pg_guard.entry.cli.lint import lint
from pg_guard.entry.cli.options import CONTEXT_SETTINGS, example
from pg_guard.entry.cli.packs import packs
from pg_guard.entry.cli.policy import policy
from pg_guard.entry.cli.replay import replay
from pg_guard.entry.cli.runner import PgGuardGroup, run
from pg_guard.entry.cli.schema import schema
from pg_guard.entry.cli.serve import serve
from pg_guard.entry.cli.test import test
from pg_guard.entry.cli.token import token
from pg_guard.entry.cli.wait import wait

__all__ = ["cli", "main"]


@click.group(
    cls=PgGuardGroup,
    context_settings=CONTEXT_SETTINGS,
    epilog=example('pg-guard check "SELECT * FROM hr.payroll" --policy policies/demo.yaml'),
)
@click.version_option(__version__, "-V", "--version", prog_name="pg-guard", message="%(prog)s %(version)s")
@click.option(
    "--debug",
    is_flag=True,
    envvar="PG_GUARD_DEBUG",
    show_envvar=True,
    help="Show the traceback of an unexpected error.",
)
def cli(debug: bool) -> None:
    """A declarative guard between language models and PostgreSQL."""


for _command in (
    check,
    explain,
    diff,
    replay,
    lint,
    test,
    serve,
    config,
    wait,
    token,
    demo,
    catalog,
    init,
    audit,
    audit_store,
    grants,
    policy,
    packs,
    fmt,
    schema,
    completion,
):
    cli.add_command(_command)


def main() -> None:
    """Run the command that the process was started with, and exit."""
    sys.exit(run(cli, sys.argv[1:]))
