"""Read the catalog of a live database. In: a DSN. Out: a `Catalog`; nothing is written and no user's code runs.

All queries see one snapshot: one read-only, repeatable-read transaction with an empty search_path, so that expressions
and view definitions come out with every name outside of pg_catalog qualified. PostgreSQL 14 to 18.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg

from pg_guard.catalog import queries
from pg_guard.catalog.assemble import assemble
from pg_guard.catalog.connection import check_dsn, connection_error, is_connection_loss, scrub
from pg_guard.errors import CatalogError, DatabaseError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pg_guard.catalog.model import Catalog

__all__ = ["OLDEST_SERVER", "read_catalog", "read_catalog_with"]

_T = TypeVar("_T")

OLDEST_SERVER = 140000

# pg_get_viewdef and its kin look at the newest state, not at the snapshot: an object that is dropped meanwhile makes
# them fail with one of these. Reading again then sees a state without it.
_CHANGED_MEANWHILE = frozenset({"XX000", "42P01", "42703", "42704", "42883", "40001", "40P01"})
_ATTEMPTS = 3


async def read_catalog(dsn: str, timeout: float = 30.0) -> Catalog:  # noqa: ASYNC109 - part of the public API
    """Read everything that `Catalog` holds.

    Args:
        dsn: PostgreSQL connection URI. The role needs no privilege but CONNECT.
        timeout: Seconds for the connection and for the whole reading.

    Raises:
        DatabaseError: The database cannot be reached, refuses the role, or took longer than `timeout`.
        CatalogError: A catalog query failed, or the server is older than PostgreSQL 14.
    """
    catalog, _ = await read_catalog_with(dsn, _nothing, timeout)
    return catalog


async def _nothing(_: asyncpg.Connection[Any]) -> None:
    return None


async def read_catalog_with(
    dsn: str,
    more: Callable[[asyncpg.Connection[Any]], Awaitable[_T]],
    timeout: float = 30.0,  # noqa: ASYNC109 - as for read_catalog
) -> tuple[Catalog, _T]:
    """Read the catalog, and whatever `more` reads of the same snapshot.

    Args:
        dsn: As for `read_catalog`.
        more: Called once per attempt with the connection, inside of the read-only transaction with an empty search_path.
        timeout: Seconds for the connection and for the whole reading.

    Raises:
        DatabaseError: As for `read_catalog`.
        CatalogError: As for `read_catalog`.
    """
    check_dsn(dsn)
    try:
        async with asyncio.timeout(timeout):
            for _ in range(_ATTEMPTS - 1):
                try:
                    return await _read(dsn, more, timeout)
                except asyncpg.PostgresError as exc:
                    if exc.sqlstate not in _CHANGED_MEANWHILE:
                        raise
            return await _read(dsn, more, timeout)
    except TimeoutError:
        raise DatabaseError(
            f"the catalog was not read within {timeout:g} s",
            hint="check the network and the server's load, or wait longer",
        ) from None
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, ValueError) as exc:
        raise _failure(exc, dsn) from None


def _failure(exc: Exception, dsn: str) -> DatabaseError | CatalogError:
    if isinstance(exc, asyncpg.QueryCanceledError):
        return DatabaseError("the server cancelled the reading of the catalog", hint="it took longer than the time-out")
    if isinstance(exc, asyncpg.PostgresError) and not is_connection_loss(exc):
        return CatalogError(scrub(f"a catalog query failed: {exc.message} (SQLSTATE {exc.sqlstate})", dsn))
    if isinstance(exc, UnicodeError):
        return CatalogError("a name in the catalog is not valid text", hint="pg-guard reads databases encoded in UTF-8")
    return connection_error(exc, dsn)


async def _connect(dsn: str, timeout: float) -> asyncpg.Connection[Any]:  # noqa: ASYNC109 - handed on
    try:
        # No statement cache: a pooler in transaction mode would mix up its names.
        return await asyncpg.connect(dsn, timeout=timeout, statement_cache_size=0)
    except Exception as exc:  # noqa: BLE001 - always becomes a DatabaseError
        # Whatever goes wrong before the session exists is a failure to connect; cancellation is not an Exception.
        raise connection_error(exc, dsn) from None


async def _read(
    dsn: str,
    more: Callable[[asyncpg.Connection[Any]], Awaitable[_T]],
    timeout: float,  # noqa: ASYNC109 - handed on
) -> tuple[Catalog, _T]:
    connection = await _connect(dsn, timeout)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            tables = await _tables(connection, timeout)
            extra = await more(connection)
        return assemble(tables), extra
    finally:
        # A polite farewell may wait for a server that does not answer; the reading is over either way.
        connection.terminate()


async def _tables(connection: asyncpg.Connection[Any], timeout: float) -> dict[str, list[asyncpg.Record]]:  # noqa: ASYNC109
    version = connection.get_server_version()
    if version.major < OLDEST_SERVER // 10000:
        raise CatalogError(f"the server is PostgreSQL {version.major}; pg-guard needs 14 or newer")
    tables = {"database": await connection.fetch(queries.DATABASE, list(queries.SETTINGS))}
    await connection.execute("SET LOCAL search_path = ''")
    # An ALTER that waits for a lock would make this reading wait behind it: bounded by the same time.
    await connection.execute(f"SET LOCAL statement_timeout = {max(1, round(timeout * 1000))}")
    for name in (
        "schemas",
        "relations",
        "functions",
        "aggregates",
        "types",
        "operators",
        "casts",
        "comparisons",
        "extensions",
        "members",
    ):
        tables[name] = await connection.fetch(getattr(queries, name.upper()))
    relations = [row["oid"] for row in tables["relations"]]
    for name in ("columns", "views", "view_dependencies", "inheritance", "indexes", "foreign_keys"):
        tables[name] = await connection.fetch(getattr(queries, name.upper()), relations)
    return tables
