"""Connections in a known state. In: a DSN and limits. Out: read-only transactions, pinned and always rolled back.

INVARIANT: a connection that goes back to the pool is rolled back and has run DISCARD ALL, or it is closed. (DISCARD ALL
leaves what extensions keep outside of PostgreSQL's sight, such as open connections of dblink: the guard's part.)
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import asyncpg

from pg_guard.catalog.connection import check_dsn, connection_error, is_connection_loss, scrub
from pg_guard.errors import DatabaseError
from pg_guard.execute.session import Session

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

__all__ = ["SessionLimits", "SessionPool"]

SECONDS_TO_CONNECT = 10.0
SECONDS_TO_CLEAN_UP = 5.0
SECONDS_OF_GRACE = 5.0

# What a connection can fail with while it is given back or closed.
_FAILURES = (TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)

# What the guard's reading of a text and the rendering of values rely on. DateStyle without an order keeps the order.
_PINNED = (
    ("standard_conforming_strings", "on"),
    ("transform_null_equals", "off"),
    ("row_security", "on"),
    ("DateStyle", "ISO"),
    ("IntervalStyle", "iso_8601"),
    ("bytea_output", "hex"),
    ("extra_float_digits", "1"),
)

# A server that starts anew and a database that takes another's name are told by these, a new primary of the same data is not.
_WHO = """
SELECT pg_catalog.concat(pg_catalog.pg_postmaster_start_time(), ' ', d.oid) FROM pg_catalog.pg_database AS d
WHERE d.datname = pg_catalog.current_database()
"""
# Behind one name there may be several servers.
_MOST_SERVERS = 100

_SET = """
SELECT pg_catalog.set_config(s.name, s.value, true)
FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[])) AS s (name, value)
"""


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """What holds inside of each transaction.

    Attributes:
        statement_timeout: Seconds for one statement.
        lock_timeout: Seconds that it may wait for a lock.
        search_path: Schemas in order, or None for the role's own.
        role: Role to change to, or None for the one that connected.
    """

    statement_timeout: float = 30.0
    lock_timeout: float = 2.0
    search_path: tuple[str, ...] | None = None
    role: str | None = None

    def settings(self) -> tuple[tuple[str, str], ...]:
        """Names and values for set_config; the role comes last, because it may not be allowed to set the others."""
        idle = self.statement_timeout + SECONDS_OF_GRACE
        settings = [
            *_PINNED,
            ("statement_timeout", _milliseconds(self.statement_timeout)),
            ("lock_timeout", _milliseconds(self.lock_timeout)),
            ("idle_in_transaction_session_timeout", _milliseconds(idle)),
        ]
        if self.search_path is not None:
            settings.append(("search_path", ", ".join(_quote(schema) for schema in self.search_path) or '""'))
        if self.role is not None:
            settings.append(("role", self.role))
        return tuple(settings)


def _milliseconds(seconds: float) -> str:
    # 0 would switch the limit off.
    return f"{max(1, round(seconds * 1000))}ms"


def _quote(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


class SessionPool:
    """A pool of `Session`s to one database. Open it with `open`, close it with `close`."""

    def __init__(self, pool: asyncpg.Pool[Any], dsn: str, limits: SessionLimits, max_size: int) -> None:
        self._pool = pool
        self._dsn = dsn
        self._limits = limits
        self._settings = limits.settings()
        self._max_size = max_size

    @classmethod
    async def open(
        cls,
        dsn: str,
        limits: SessionLimits,
        *,
        min_size: int,
        max_size: int,
        on_other_server: Callable[[], None] | None = None,
    ) -> SessionPool:
        """Connect, and try the settings once.

        Args:
            dsn: PostgreSQL connection URI.
            limits: What holds inside of each transaction.
            min_size: Connections that stay open.
            max_size: Connections at most.
            on_other_server: Called when a connection reaches a server, or a database, that none has reached before.

        Raises:
            DatabaseError: The database cannot be reached, or refuses the role or a setting.
        """
        check_dsn(dsn)
        try:
            pool = asyncpg.create_pool(
                dsn,
                min_size=min_size,
                max_size=max_size,
                timeout=SECONDS_TO_CONNECT,
                # A statement is seen once; and DISCARD ALL would take the cached ones away.
                statement_cache_size=0,
                connection_class=Session,
                reset=_discard_all,
                init=_Greeting(on_other_server) if on_other_server is not None else None,
            )
            await pool
        except Exception as exc:  # noqa: BLE001 - always becomes a DatabaseError
            raise connection_error(exc, dsn) from None
        opened = cls(pool, dsn, limits, max_size)
        try:
            async with opened.transaction():
                pass
        except BaseException:
            await opened.close()
            raise
        return opened

    @property
    def active(self) -> int:
        """Connections in use."""
        return self._pool.get_size() - self._pool.get_idle_size()

    async def close(self) -> None:
        """Close all connections; those in use get a moment to finish."""
        try:
            async with asyncio.timeout(SECONDS_TO_CLEAN_UP):
                await self._pool.close()
        except _FAILURES:
            self._pool.terminate()

    @contextlib.asynccontextmanager
    async def transaction(
        self,
        search_path: Sequence[str] | None = None,
        extra: Sequence[tuple[str, str]] = (),
        statement_timeout: float | None = None,
    ) -> AsyncIterator[Session]:
        """A session inside of a read-only transaction with the pinned settings.

        Args:
            search_path: Schemas for this transaction alone; those of the pool when left out.
            extra: Further settings for this transaction alone, names of a deployment's own such as ``pg_guard.tenant_id``.
            statement_timeout: Seconds for each statement of this transaction alone; those of the pool when left out.

        Raises:
            DatabaseError: No connection is free or can be made, or a setting is refused.
        """
        session = await self._begin((*self._settings_for(search_path, statement_timeout), *extra))
        try:
            yield session
        finally:
            # Shielded: a second cancellation must not leave the cleaning half done.
            await asyncio.shield(self._give_back(session))

    def _settings_for(
        self, search_path: Sequence[str] | None, statement_timeout: float | None
    ) -> tuple[tuple[str, str], ...]:
        if search_path is None and statement_timeout is None:
            return self._settings
        limits = self._limits
        if search_path is not None:
            limits = replace(limits, search_path=tuple(search_path))
        if statement_timeout is not None:
            limits = replace(limits, statement_timeout=statement_timeout)
        return limits.settings()

    async def _begin(self, settings: tuple[tuple[str, str], ...]) -> Session:
        # After a restart of the server every pooled connection may be dead. Nothing has run yet: trying again is safe.
        for attempts_left in range(self._max_size, -1, -1):
            session = await self._acquire()
            try:
                await self._prepare(session, settings)
            except BaseException as exc:
                await asyncio.shield(self._give_back(session, broken=True))
                if not isinstance(exc, Exception):
                    raise
                refused = isinstance(exc, asyncpg.PostgresError) and not is_connection_loss(exc)
                # A network that is silent is so for all of them: nobody waits for one after the other.
                if refused or isinstance(exc, TimeoutError) or not attempts_left:
                    raise self._refused(exc) from None
            else:
                return session
        raise AssertionError("the last attempt returns or raises")

    async def _acquire(self) -> Session:
        try:
            return cast("Session", await self._pool.acquire(timeout=SECONDS_TO_CONNECT))
        except TimeoutError:
            raise DatabaseError(
                f"no database connection became free within {SECONDS_TO_CONNECT:g} s",
                hint="run fewer statements at once, or raise the size of the pool",
                transient=True,
            ) from None
        except Exception as exc:  # noqa: BLE001 - always becomes a DatabaseError
            raise connection_error(exc, self._dsn) from None

    async def _prepare(self, session: Session, settings: tuple[tuple[str, str], ...]) -> None:
        async with asyncio.timeout(SECONDS_TO_CONNECT):
            await session.execute("BEGIN TRANSACTION READ ONLY")
            names, values = zip(*settings, strict=True)
            await session.fetch(_SET, list(names), list(values))

    def _refused(self, exc: Exception) -> DatabaseError:
        if isinstance(exc, asyncpg.PostgresError) and not is_connection_loss(exc):
            return DatabaseError(
                scrub(f"the session cannot be set up: {exc.message}", self._dsn), hint="check role and limits"
            )
        return connection_error(exc, self._dsn)

    async def _give_back(self, session: Session, *, broken: bool = False) -> None:
        if not broken:
            try:
                async with asyncio.timeout(SECONDS_TO_CLEAN_UP):
                    # Waits for a cancelled statement to end. Without a transaction it is a warning that nobody reads.
                    await session.execute("ROLLBACK")
            except _FAILURES:
                broken = True
        if broken:
            # A lost connection has left the pool already, and says so with an InterfaceError.
            with contextlib.suppress(asyncpg.InterfaceError):
                session.terminate()
        # When the reset fails, asyncpg closes the connection and says why; the statement's outcome stands.
        with contextlib.suppress(*_FAILURES):
            await self._pool.release(cast("Any", session), timeout=SECONDS_TO_CLEAN_UP)


class _Greeting:
    """What a new connection is asked first: whether it leads to where the others do."""

    def __init__(self, on_other: Callable[[], None]) -> None:
        self._on_other = on_other
        self._known: set[str] = set()

    async def __call__(self, connection: Any) -> None:
        try:
            who = await connection.fetchval(_WHO, timeout=SECONDS_TO_CONNECT)
        except asyncpg.InsufficientPrivilegeError:
            # A role may have lost even that; catalogs are then read again from time to time only.
            return
        if who in self._known:
            return
        if self._known:
            self._on_other()
        if len(self._known) >= _MOST_SERVERS:
            self._known.clear()
        self._known.add(who)


async def _discard_all(connection: Any) -> None:
    await connection.execute("DISCARD ALL")
