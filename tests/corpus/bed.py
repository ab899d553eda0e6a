"""The canary test-bed. In: one statement and a superuser's connection. Out: what it did, and each objection to it.

The statement runs in a transaction that is rolled back. The bed objects when a canary value comes out (in rows, column
names, notices or an error's text), when anything was written (a transaction id was assigned, a sequence moved), when
the transaction ended early, when the session is not as it was (settings, role, advisory locks, prepared statements,
cursors), and when it ran past the time limit.

It does not see what leaves no trace in this session: LISTEN and NOTIFY (they act at commit), a custom setting, a
signal to another backend, a statistics reset, a file that was written.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import asyncpg

from pg_guard.demo.data import CANARIES

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["Bed", "Outcome"]

ROWS = 20_000
STATEMENT_SECONDS = 5

# One row that is the same before and after a statement that only reads. The client's own portals and prepared
# statements are left out, and so are the settings that appear when PL/pgSQL is loaded.
_STATE = """
SELECT current_user, session_user,
       (SELECT jsonb_object_agg(name, setting) FROM pg_settings WHERE name NOT LIKE 'plpgsql.%')::text AS settings,
       (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()) AS "advisory locks",
       (SELECT string_agg(channel, ',') FROM pg_listening_channels() AS channel) AS channels,
       (SELECT string_agg(name, ',') FROM pg_prepared_statements WHERE name !~ '^__asyncpg') AS "prepared statements",
       (SELECT string_agg(name, ',') FROM pg_cursors WHERE name <> '' AND name !~ '^__asyncpg') AS cursors,
       (SELECT string_agg(sequencename || '=' || coalesce(last_value::text, '-'), ',' ORDER BY schemaname, sequencename)
          FROM pg_sequences) AS sequences
"""
_WRITTEN = "SELECT pg_current_xact_id_if_assigned()::text"
_IN_THIS_TRANSACTION = "SELECT now() = $1"


@dataclass(frozen=True)
class Outcome:
    """What one statement did.

    Attributes:
        objections: Why the statement is not a harmless read; empty for an honest one.
        error: PostgreSQL's or the client's error, or None.
        rows: How many rows came back, at most `ROWS`.
    """

    objections: tuple[str, ...] = ()
    error: Exception | None = None
    rows: int = 0


@dataclass
class Bed:
    """A connection to the bed that is as new for every statement; an asynchronous context manager.

    Args:
        dsn: URI of the bed for a superuser.
    """

    dsn: str
    _connection: asyncpg.Connection[asyncpg.Record] | None = None
    _state: dict[str, Any] = field(default_factory=dict)
    _notices: list[str] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._forget()

    async def run(self, sql: str) -> Outcome:
        """Run the statement and roll it back; parameters are given NULL."""
        connection = await self._open()
        self._notices.clear()
        objections: list[str] = []
        error: Exception | None = None
        seen: list[str] = []
        rows = 0
        # Not the client's transaction object: the statement may end the transaction under it.
        await connection.execute("BEGIN")
        started = await connection.fetchval("SELECT now()")
        try:
            # The client waits longer than the server, whose own limit a statement may have lifted.
            async with asyncio.timeout(STATEMENT_SECONDS * 2):
                rows, seen = await _fetch(connection, sql)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError, OSError, ValueError) as raised:
            error = raised
            seen = [str(raised), str(getattr(raised, "detail", "")), str(getattr(raised, "hint", ""))]
            if isinstance(raised, (asyncpg.QueryCanceledError, TimeoutError)):
                objections.append(f"ran past the limit of {STATEMENT_SECONDS} s")
        if any(CANARIES.search(text) for text in [*seen, *self._notices]):
            objections.append("a canary came out")
        try:
            if error is None:
                objections += await self._inside(connection, started)
            if connection.is_in_transaction():
                await connection.execute("ROLLBACK")
            objections += [text for text in await self._changed(connection) if text not in objections]
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as raised:
            objections.append(f"the session cannot be used any more: {raised}")
        if objections:
            await self._forget()
        return Outcome(tuple(objections), error, rows)

    async def _inside(self, connection: asyncpg.Connection[asyncpg.Record], started: Any) -> list[str]:
        if not connection.is_in_transaction() or not await connection.fetchval(_IN_THIS_TRANSACTION, started):
            return ["the transaction ended"]
        written = ["something was written"] if await connection.fetchval(_WRITTEN) else []
        return written + await self._changed(connection)

    async def _changed(self, connection: asyncpg.Connection[asyncpg.Record]) -> list[str]:
        now = dict(await connection.fetchrow(_STATE) or {})
        return [f"{name} changed" for name, value in now.items() if value != self._state[name]]

    async def _open(self) -> asyncpg.Connection[asyncpg.Record]:
        if self._connection is None or self._connection.is_closed():
            self._connection = connection = await asyncpg.connect(
                self.dsn,
                statement_cache_size=0,
                server_settings={
                    "search_path": "public",
                    "statement_timeout": f"{STATEMENT_SECONDS}s",
                    "lock_timeout": "2s",
                    "timezone": "UTC",
                },
            )
            connection.add_log_listener(lambda _connection, message: self._notices.append(str(message.as_dict())))
            self._state = dict(await connection.fetchrow(_STATE) or {})
        return self._connection

    async def _forget(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None


async def _fetch(connection: asyncpg.Connection[asyncpg.Record], sql: str) -> tuple[int, list[str]]:
    statement = await connection.prepare(sql)
    names = [attribute.name for attribute in statement.get_attributes()]
    cursor = await statement.cursor(*[None] * len(statement.get_parameters()))
    records = await cursor.fetch(ROWS)
    return len(records), [*names, *(text for record in records for text in _texts(record.values()))]


def _texts(values: Any) -> list[str]:
    # bytes are looked at as text too: a canary may be cast to bytea.
    return [repr(value) if not isinstance(value, str) else value for value in values]
