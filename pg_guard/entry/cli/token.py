"""`pg-guard token`: bearer tokens for the HTTP server. In: names and what is known of them. Out: tokens, each shown once."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from pg_guard.entry.cli.options import CONTEXT_SETTINGS, example, format_option, read_principal
from pg_guard.errors import UsageError

if TYPE_CHECKING:
    from pg_guard.entry.mcp.tokens import TokenEntry

__all__ = ["token"]

LISTING_SCHEMA: Final = "pg-guard/token-list/v1"

_NEW = "pg-guard token new bi-7 --file tokens.yaml --attribute tenant_id=42"
_LIST = "pg-guard token list --file tokens.yaml"
_REVOKE = "pg-guard token revoke bi-7 --file tokens.yaml"

_file_option = click.option(
    "--file",
    "path",
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The file of tokens; it holds only their hashes.",
)


@click.group(context_settings=CONTEXT_SETTINGS, epilog=example(_NEW, _LIST, _REVOKE))
def token() -> None:
    """Make, list and revoke bearer tokens for `pg-guard serve --http`.

    A running server reads the file again when it changes.
    """


@token.command(context_settings=CONTEXT_SETTINGS, epilog=example(_NEW))
@click.argument("name", metavar="NAME")
@_file_option
@click.option(
    "--attribute",
    "attributes",
    metavar="KEY=VALUE",
    multiple=True,
    help="A value that :KEY in a policy stands for, as in tenant_id=42; may be given several times.",
)
@click.option("--scope", "scopes", metavar="SCOPE", multiple=True, help="A scope; may be given several times.")
@click.option("--expires", "expires", metavar="DATE", help="Its last day in UTC, as in 2026-12-31.")
def new(name: str, path: Path, attributes: tuple[str, ...], scopes: tuple[str, ...], expires: str | None) -> int:
    """Make a token, and print it: it is shown this once.

    NAME says whose it is; policies know it as the property `client`.

    Exit codes: 0 made, 2 the name is taken, an argument is wrong or the file cannot be used.
    """
    from pg_guard.entry.mcp.tokens import locked, new_token, read_tokens, write_tokens

    made = new_token()
    today = datetime.datetime.now(datetime.UTC).date()
    entry = _entry(
        {
            "name": name,
            "sha256": made.sha256,
            "attributes": read_principal(attributes, "--attribute") or {},
            "scopes": scopes,
            "created": today,
            "expires": expires,
        }
    )
    if entry.expired(today):
        raise UsageError(f"--expires {expires}: this day is over")
    with locked(path):
        entries = read_tokens(path) if path.exists() else ()
        if any(each.name == name for each in entries):
            raise UsageError(f"{path}: there is a token {name} already", hint="revoke it first, or choose another name")
        write_tokens(path, (*entries, entry))
    click.echo(made.token)
    click.echo(f"pg-guard: {path}: added {name}; the token is not kept, and not shown again", err=True)
    return 0


@token.command("list", context_settings=CONTEXT_SETTINGS, epilog=example(_LIST, f"{_LIST} -f json"))
@_file_option
@format_option
def list_(path: Path, output_format: str) -> int:
    """List the tokens of a file, without what they are.

    Exit codes: 0 listed, 2 the file cannot be used.
    """
    from pg_guard.entry.mcp.tokens import read_tokens
    from pg_guard.report import json

    today = datetime.datetime.now(datetime.UTC).date()
    entries = read_tokens(path)
    if output_format == "json":
        tokens = [
            each.model_dump(mode="json", exclude={"sha256"}) | {"expired": each.expired(today)} for each in entries
        ]
        click.echo(json.dump({"schema": LISTING_SCHEMA, "file": str(path), "tokens": tokens}), nl=False)
        return 0
    for each in entries:
        click.echo(_line(each, today))
    return 0


@token.command(context_settings=CONTEXT_SETTINGS, epilog=example(_REVOKE))
@click.argument("name", metavar="NAME")
@_file_option
def revoke(name: str, path: Path) -> int:
    """Take a token out of a file; from its next request on it is not accepted.

    Exit codes: 0 revoked, 2 there is no such token or the file cannot be used.
    """
    from pg_guard.entry.mcp.tokens import locked, read_tokens, write_tokens

    with locked(path):
        entries = read_tokens(path)
        left = [each for each in entries if each.name != name]
        if len(left) == len(entries):
            raise UsageError(f"{path}: there is no token {name}", hint=f"pg-guard token list --file {path}")
        write_tokens(path, left)
    click.echo(f"pg-guard: {path}: revoked {name}", err=True)
    return 0


def _entry(data: dict[str, Any]) -> TokenEntry:
    from pydantic import ValidationError

    from pg_guard.entry.mcp.tokens import TokenEntry

    try:
        return TokenEntry.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        option = {"name": "NAME", "attributes": "--attribute", "scopes": "--scope", "expires": "--expires"}
        raise UsageError(
            f"{option.get(str(first['loc'][0]), first['loc'][0])}: {first['msg'].removeprefix('Value error, ')}"
        ) from None


def _line(entry: TokenEntry, today: datetime.date) -> str:
    from pg_guard.report.visible import one_line

    parts = []
    if entry.expires is not None:
        parts.append(f"expired {entry.expires}" if entry.expired(today) else f"expires {entry.expires}")
    if entry.created is not None:
        parts.append(f"created {entry.created}")
    parts += [f"{key}={value}" for key, value in entry.attributes.items()]
    parts += [f"scope {scope}" for scope in entry.scopes]
    return one_line(f"{entry.name}: {', '.join(parts)}" if parts else entry.name)
