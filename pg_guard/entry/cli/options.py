"""Options that several commands share. In: what the user gave. Out: values, and a `Guard` made of them."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import click
from click.core import ParameterSource

from pg_guard.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pg_guard.catalog.model import Catalog
    from pg_guard.guard import Guard

__all__ = [
    "CONTEXT_SETTINGS",
    "Terminal",
    "catalog_options",
    "config_option",
    "dsn_file",
    "dsn_now",
    "dsn_option",
    "example",
    "format_option",
    "load_catalog",
    "load_guard",
    "policy_option",
    "principal_option",
    "read_principal",
    "require_dsn",
    "terminal",
    "timeout_option",
]

CONTEXT_SETTINGS: Final[dict[str, Any]] = {"help_option_names": ["-h", "--help"], "max_content_width": 90}

_DSN_FILE: Final = "PG_GUARD_DSN_FILE"
_F = TypeVar("_F", bound="Callable[..., Any]")

policy_option = click.option(
    "-p", "--policy", "policy_path", required=True, metavar="FILE", type=click.Path(), help="The policy file."
)
format_option = click.option(
    "-f",
    "--format",
    "output_format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to write the result.",
)
principal_option = click.option(
    "--principal",
    "principal",
    metavar="KEY=VALUE",
    multiple=True,
    help="An attribute of who asks, as in tenant_id=42; may be given several times.",
)


def _dsn(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    """The option, or what the file of the variable holds."""
    if value and dsn_file() is not None:
        raise UsageError(f"PG_GUARD_DSN or --dsn, and {_DSN_FILE} as well", hint="give one of them")
    return dsn_now(value)


def dsn_file() -> Path | None:
    """The file that holds the URI of the database, where a variable names one."""
    named = os.environ.get(_DSN_FILE)
    return Path(named) if named else None


def dsn_now(value: str | None) -> str | None:
    """The URI of the database: what its file holds now, else what was given.

    Raises:
        UsageError: The file cannot be read.
    """
    file = dsn_file()
    if file is None:
        return value
    from pg_guard.settings import read_secret

    return read_secret(file)


dsn_option = click.option(
    "--dsn",
    envvar="PG_GUARD_DSN",
    show_envvar=True,
    callback=_dsn,
    metavar="URI",
    help="The database, as in postgresql://user@host/database. Prefer the environment: arguments are seen by others.",
)
config_option = click.option(
    "--config",
    "config_path",
    envvar="PG_GUARD_CONFIG",
    show_envvar=True,
    metavar="FILE",
    type=click.Path(),
    help="A settings file: several databases, a model, time-outs.",
)
timeout_option = click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="How long the connection and the reading may take.",
)
_catalog_option = click.option(
    "-c",
    "--catalog",
    "catalog_path",
    metavar="FILE",
    type=click.Path(),
    help="A catalog snapshot; names are resolved as that database resolves them.",
)


def catalog_options(command: _F) -> _F:
    """Add ``--catalog`` and ``--dsn``: where names are resolved."""
    return _catalog_option(dsn_option(command))


def example(*lines: str) -> str:
    """The end of a help page, kept as it is written."""
    shown = "\n".join(f"  {line}" for line in lines)
    return f"\b\nExample{'s' if len(lines) > 1 else ''}:\n{shown}"


def load_catalog(catalog_path: str | None, dsn: str | None) -> Catalog | None:
    """Read the catalog from a snapshot or a database, or return None when neither is given.

    Raises:
        UsageError: Both were given as arguments; a snapshot wins over a database from the environment.
        CatalogError: The snapshot cannot be read.
        DatabaseError: The database cannot be reached.
    """
    context = click.get_current_context(silent=True)
    if catalog_path and dsn:
        if context is None or context.get_parameter_source("dsn") is ParameterSource.COMMANDLINE:
            raise UsageError(
                "--catalog and --dsn both say where names are resolved",
                hint="give the snapshot for a repeatable result, or the database for the newest state",
            )
        dsn = None
    if not catalog_path and not dsn:
        return None
    from pg_guard.catalog.model import Catalog

    if catalog_path:
        return Catalog.from_json(catalog_path)
    assert dsn is not None  # one of the two is given
    return asyncio.run(Catalog.from_database(dsn))


def load_guard(policy_path: str, catalog_path: str | None, dsn: str | None) -> Guard:
    """Build the guard that the options describe.

    Raises:
        PolicyError: The policy cannot be used.
        UsageError: As for `load_catalog`.
    """
    from pg_guard.guard import Guard

    return Guard.load(policy_path, catalog=load_catalog(catalog_path, dsn))


def require_dsn(dsn: str | None) -> str:
    """Return the connection URI.

    Raises:
        UsageError: None was given.
    """
    if not dsn:
        raise UsageError("no database given", hint="set PG_GUARD_DSN, or give --dsn postgresql://user@host/database")
    return dsn


def read_principal(pairs: Sequence[str], option: str = "--principal") -> dict[str, Any] | None:
    """Read ``KEY=VALUE`` pairs; a value that is a JSON number, truth value or string counts as one, any other is text.

    Args:
        pairs: As they were given.
        option: The option that gave them, for messages.

    Raises:
        UsageError: A pair has no ``=`` or no key, or a key is given twice.
    """
    principal: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise UsageError(f"{option} {pair}: not of the form KEY=VALUE", hint=f"write {option} tenant_id=42")
        if key in principal:
            raise UsageError(f"{option} {key} is given twice")
        principal[key] = _scalar(value)
    return principal or None


def _scalar(text: str) -> str | int | float | bool:
    try:
        value = json.loads(text, parse_constant=lambda _: None)
    except ValueError:
        return text
    return value if isinstance(value, (str, int, float, bool)) else text


class Terminal(NamedTuple):
    """What the reader of standard output sees: a width in cells, and whether colours show."""

    width: int
    color: bool


def terminal() -> Terminal:
    """Look at standard output, ``COLUMNS`` and ``NO_COLOR``."""
    from rich.console import Console

    console = Console()
    colors = console.is_terminal and console.color_system is not None and not console.no_color
    return Terminal(min(console.width, 120), colors)
