"""`pg-guard serve`: an MCP server. In: a policy and a database, or a settings file. Out: runs until it is closed."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import click

from pg_guard.entry.cli.options import CONTEXT_SETTINGS, config_option, dsn_file, dsn_now, dsn_option, example
from pg_guard.entry.sources import Hangups, Sources
from pg_guard.errors import UsageError

if TYPE_CHECKING:
    from pg_guard.settings import Settings

__all__ = ["read_settings", "serve", "server_settings"]


@click.command(
    context_settings=CONTEXT_SETTINGS,
    epilog=example(
        "PG_GUARD_DSN=postgresql://reader@db.example/shop pg-guard serve --policy policy.yaml",
        "pg-guard serve --config pg-guard.yaml",
        "pg-guard serve --config pg-guard.yaml --http 127.0.0.1:8080 --tokens tokens.yaml",
    ),
)
@click.option("-p", "--policy", "policy_path", metavar="FILE", type=click.Path(), help="The policy file.")
@dsn_option
@config_option
@click.option(
    "--http",
    "http_address",
    metavar="HOST:PORT",
    help="Listen for HTTP clients there, at /mcp, instead of standard input and output.",
)
@click.option(
    "--tokens",
    "tokens_path",
    metavar="FILE",
    type=click.Path(),
    help="With --http: the bearer tokens that are accepted, as `pg-guard token` writes them.",
)
@click.option(
    "--observe",
    "observe_address",
    metavar="HOST:PORT",
    help="Answer /health and /metrics there, on a port of their own.",
)
def serve(
    policy_path: str | None,
    dsn: str | None,
    config_path: str | None,
    http_address: str | None,
    tokens_path: str | None,
    observe_address: str | None,
) -> int:
    """Serve guarded databases to MCP clients.

    Speaks MCP on standard input and output; an MCP client starts it. With --http it serves many clients, each known by its
    token. Every setting can also come from the environment, as in PG_GUARD_MODEL__KEY. At SIGHUP, and when their files change,
    policies, packs and settings are read again.

    Exit codes: 0 closed by the client, 2 wrong usage or an unreachable database, 3 invalid policy or settings, 130 and 143 ended by
    SIGINT and SIGTERM.
    """
    hangups = Hangups()
    hangups.catch()

    def read() -> Settings:
        return server_settings(policy_path, dsn_now(dsn), config_path, tokens_path, observe_address, http_address)

    named = dsn_file()
    sources = Sources(read, (named,) if named is not None else (), hangups)
    settings = read()
    if tokens_path is not None and settings.http.listen is None:
        raise UsageError("--tokens is for --http; a client on standard input needs none")
    from pg_guard.observe.logging import logging_to_output

    # Where nobody reads along, `auto` means the same.
    if settings.origins.get(("logging", "format")) == "container" and sys.stderr.isatty():
        click.echo(
            f"pg-guard: in a container ({settings.container}): logging.format is {settings.logging.format} unless it is set",
            err=True,
        )
    if settings.http.listen is not None:
        from pg_guard.entry.mcp.http import parse_address, serve_http

        address = parse_address(settings.http.listen)
        with logging_to_output(settings):
            return serve_http(settings, address, sources)
    from pg_guard.entry.mcp.serve import serve_stdio

    with logging_to_output(settings):
        return serve_stdio(settings, sources)


def server_settings(*given: str | None) -> Settings:
    """The settings of a server, as `read_settings` gives them, with at least one database.

    Raises:
        UsageError: There is no database.
        PolicyError: A setting is wrong, or a database has no policy.
    """
    settings = read_settings(*given)
    if not settings.databases:
        raise UsageError(
            "no database given",
            hint="set PG_GUARD_DSN, give --dsn postgresql://user@host/database, or --config with databases",
        )
    return settings


def read_settings(
    policy_path: str | None,
    dsn: str | None,
    config_path: str | None,
    tokens_path: str | None = None,
    observe_address: str | None = None,
    http_address: str | None = None,
) -> Settings:
    """The settings: the file, the environment, and what the options say on top.

    Raises:
        UsageError: A file cannot be read.
        PolicyError: A setting is wrong, or a database has no policy.
    """
    from pathlib import Path

    from pg_guard.settings import dotenv_variables, load_settings

    given: dict[str, Any] = {}
    if dsn is None:
        dsn = dotenv_variables().get("PG_GUARD_DSN")
    if policy_path is not None:
        # Meant from where the command runs, also with a settings file in another directory.
        given["policy"] = Path(policy_path).absolute()
    http: dict[str, Any] = {"tokens": Path(tokens_path).absolute()} if tokens_path is not None else {}
    if http_address is not None:
        http["listen"] = http_address
    if http:
        given["http"] = http
    if observe_address is not None:
        given["observability"] = {"listen": observe_address}
    if dsn:
        # Both flags belong together: no lower source comes between them.
        given["databases"] = {
            _name(dsn): {"dsn": dsn} | ({"policy": given["policy"]} if policy_path is not None else {})
        }
    return load_settings(config_path, **given)


def _name(dsn: str) -> str:
    """What tools call the database of a URI: its own name, where that is a plain word."""
    try:
        name = unquote(urlsplit(dsn).path.removeprefix("/"))
    except ValueError:
        name = ""
    return name if re.fullmatch(r"[A-Za-z0-9_-]{1,63}", name) else "default"
