"""`pg-guard wait`: until databases answer. In: what `serve` takes. Out: exit 0, or the last error of each that does not answer.

It stands before `serve` where a database may come up later, as in containers that start together. What may pass by itself (nothing
listens, no such host yet, the server starts or is full) is waited for until the bound. A server that answers and lets nobody in (a
wrong password, an unknown role or database, a certificate) gets less: a job that prepares it may be about to do so, but an error in
the settings should not take a minute to be told. PostgreSQL gives both the same error.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import click

from pg_guard.entry.cli.options import CONTEXT_SETTINGS, config_option, dsn_option, example
from pg_guard.entry.cli.serve import server_settings
from pg_guard.entry.loop import run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pg_guard.errors import DatabaseError

__all__ = ["wait"]

REFUSED_SECONDS: Final = 10.0
"""How long a server that lets nobody in is asked again."""
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 2.0
_LONGEST_TRY: Final = 5.0
_LAST_TRY: Final = 0.2
_FIRST_WORD: Final = 2.0
_NEXT_WORD: Final = 5.0
_NOT_REACHED: Final = 2


@click.command(
    context_settings=CONTEXT_SETTINGS,
    epilog=example(
        "pg-guard wait --config pg-guard.yaml && pg-guard serve --config pg-guard.yaml",
        "PG_GUARD_DSN=postgresql://reader@db.example/shop pg-guard wait --policy policy.yaml",
    ),
)
@click.option("-p", "--policy", "policy_path", metavar="FILE", type=click.Path(), help="The policy file.")
@dsn_option
@config_option
@click.option(
    "--timeout",
    "seconds",
    envvar="PG_GUARD_WAIT_TIMEOUT",
    show_envvar=True,
    type=click.IntRange(0, 86_400),
    default=60,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait at most; 0 for one try.",
)
def wait(policy_path: str | None, dsn: str | None, config_path: str | None, seconds: int) -> int:
    """Wait until every database of a server answers.

    Takes the options and settings of `serve`. A server that answers and refuses the login, or has no such database, is asked for
    10 seconds at most.

    Exit codes: 0 all answer, 2 wrong usage or one does not answer in time, 3 invalid settings, 130 and 143 ended by SIGINT and
    SIGTERM.
    """
    settings = server_settings(policy_path, dsn, config_path)
    uris = {name: database.uri(name) for name, database in settings.databases.items()}
    from pg_guard.catalog.connection import check_dsn

    for uri in uris.values():
        check_dsn(uri)
    return run(_wait_or_stop(uris, seconds))


async def _wait_or_stop(uris: Mapping[str, str], seconds: float) -> int:
    """Wait, and end at once when a signal comes: as the first process of a container nothing else would end it."""
    loop = asyncio.get_running_loop()
    stopped: asyncio.Future[int] = loop.create_future()

    def stop(number: signal.Signals) -> None:
        if not stopped.done():
            stopped.set_result(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    waiting = asyncio.create_task(_wait_for_all(uris, seconds))
    first: set[asyncio.Future[Any]] = {waiting, stopped}
    await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
    if not waiting.done():
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        code = stopped.result()
        _say(f"stopped by {signal.Signals(code - 128).name}")
        return code
    failed = waiting.result()
    for name, error in sorted(failed.items()):
        _say(f"error: database {name}: {error.message}")
        if error.hint:
            _say(f"hint: {error.hint}", plain=True)
    return _NOT_REACHED if failed else 0


async def _wait_for_all(uris: Mapping[str, str], seconds: float) -> dict[str, DatabaseError]:
    """Wait for all at the same time.

    Returns:
        The last error of each that does not answer.
    """
    errors: dict[str, DatabaseError] = {}
    telling = asyncio.create_task(_tell(errors))
    try:
        await asyncio.gather(*(_wait_for(name, uri, seconds, errors) for name, uri in uris.items()))
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
    return errors


async def _wait_for(name: str, uri: str, seconds: float, errors: dict[str, DatabaseError]) -> None:
    """Ask one until it answers; while it does not, its last error stands in `errors`."""
    end = time.monotonic() + seconds
    refused_since: float | None = None
    pause = _FIRST_PAUSE
    limit = min(_LONGEST_TRY, seconds) or _LONGEST_TRY
    while True:
        found = await _ask(uri, limit)
        if found is None:
            errors.pop(name, None)
            return
        errors[name], may_pass = found
        now = time.monotonic()
        refused_since = None if may_pass else (refused_since or now)
        last = end if refused_since is None else min(end, refused_since + REFUSED_SECONDS)
        if last - now < _LAST_TRY:
            return
        await asyncio.sleep(min(pause, last - now - _LAST_TRY / 2))
        pause = min(pause * 2, _LONGEST_PAUSE)
        limit = max(min(_LONGEST_TRY, end - time.monotonic()), _LAST_TRY / 2)


async def _ask(uri: str, seconds: float) -> tuple[DatabaseError, bool] | None:
    """One try of so many seconds. None when the database answers; else why not, and whether that may pass by itself."""
    import ssl

    import asyncpg

    from pg_guard.catalog.connection import connection_error

    connection: asyncpg.Connection[asyncpg.Record] | None = None
    try:
        async with asyncio.timeout(seconds):
            connection = await asyncpg.connect(uri, timeout=seconds, statement_cache_size=0)
            await connection.fetchval("SELECT 1")
            await connection.close()
            connection = None
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, ValueError) as caught:
        error = connection_error(caught, uri)
        # A host that has no address yet is an OSError, too.
        away = isinstance(caught, OSError) and not isinstance(caught, ssl.SSLError)
        return error, error.transient or away
    finally:
        if connection is not None:
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                connection.terminate()
    return None


async def _tell(errors: Mapping[str, DatabaseError]) -> None:
    """Say on standard error what is waited for, once that takes more than two seconds."""
    await asyncio.sleep(_FIRST_WORD)
    while True:
        for name, error in sorted(errors.items()):
            _say(f"waiting for {name}: {error.message}")
        await asyncio.sleep(_NEXT_WORD)


def _say(text: str, *, plain: bool = False) -> None:
    from pg_guard.entry.cli.runner import redact
    from pg_guard.report.visible import one_line

    print(("" if plain else "pg-guard: ") + redact(one_line(text)), file=sys.stderr, flush=True)  # noqa: T201 - its only output
