"""The audit log in PostgreSQL. In: contents of lines, a database of one's own. Out: rows of a table that has a part a month.

`migrate` creates and keeps the tables; a server needs no more than to insert. Lines stand in the table as they would in a file,
in one chain for all servers that write there: `export_lines` gives them back byte for byte.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import unquote, urlsplit

import asyncpg

from pg_guard.errors import DatabaseError, UsageError
from pg_guard.observe.audit_lines import Content, Head
from pg_guard.observe.audit_sinks import SinkError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

__all__ = ["SCHEMA", "Migration", "StoreSink", "export_lines", "migrate"]

SCHEMA: Final = "guard_audit"
_MONTHS_AHEAD: Final = 3
_SECONDS_TO_CONNECT: Final = 10.0

_TABLES: Final = f"""
CREATE SCHEMA IF NOT EXISTS {SCHEMA};
CREATE TABLE IF NOT EXISTS {SCHEMA}.head (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    chain text NOT NULL,
    seq bigint NOT NULL,
    hash text NOT NULL
);
COMMENT ON TABLE {SCHEMA}.head IS 'Last line of the chain; its row is the lock of those who write.';
CREATE TABLE IF NOT EXISTS {SCHEMA}.line (
    time timestamptz NOT NULL,
    seq bigint NOT NULL,
    event text NOT NULL,
    decision_id uuid,
    database text,
    client text,
    effect text,
    line text NOT NULL,
    PRIMARY KEY (time, seq)
) PARTITION BY RANGE (time);
COMMENT ON TABLE {SCHEMA}.line IS 'Audit lines of pg-guard; the column line is what the hashes are of.';
CREATE INDEX IF NOT EXISTS line_decision_id ON {SCHEMA}.line (decision_id);
CREATE INDEX IF NOT EXISTS line_seq ON {SCHEMA}.line (seq);
CREATE TABLE IF NOT EXISTS {SCHEMA}.line_other PARTITION OF {SCHEMA}.line DEFAULT;
"""

_PARTS: Final = """
SELECT c.relname FROM pg_catalog.pg_inherits i
JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = $1::pg_catalog.regclass AND c.relname ~ '^line_[0-9]{4}_[0-9]{2}$'
ORDER BY c.relname
"""

_INSERT: Final = f"""
INSERT INTO {SCHEMA}.line (time, seq, event, decision_id, database, client, effect, line)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""  # noqa: S608 - a constant name


class Migration(NamedTuple):
    """What a migration did: parts that were created, and parts that were dropped because they are too old."""

    created: tuple[str, ...]
    dropped: tuple[str, ...]


class StoreSink:
    """A table that `migrate` has made.

    Args:
        dsn: Connection URI of the database.
        timeout: Seconds that a connection or a transaction may take.
    """

    def __init__(self, dsn: str, *, timeout: float = 5.0) -> None:
        self._dsn = dsn
        self._timeout = timeout
        self._connection: asyncpg.Connection[Any] | None = None

    def __repr__(self) -> str:
        return "StoreSink()"

    async def open(self) -> None:
        """Connect, and see that the tables are there."""
        await self.append(())

    async def append(self, contents: Sequence[Content]) -> None:
        """Write lines in one transaction."""
        try:
            async with asyncio.timeout(self._timeout):
                await self._append(contents)
        except BaseException as error:
            # Whatever state it is in: the next lines get a new one.
            await self._disconnect()
            if isinstance(error, SinkError) or not isinstance(error, Exception):
                raise
            raise SinkError(0, f"the audit database: {_said(error, self._dsn)}") from None

    async def _append(self, contents: Sequence[Content]) -> None:
        if self._connection is not None:
            # After a restart of the server a connection that was idle is dead; nothing has been sent yet.
            try:
                await self._connection.execute("SELECT")
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                await self._disconnect()
        connection = await self._connected()
        async with connection.transaction():
            await self._insert(connection, contents)

    async def _connected(self) -> asyncpg.Connection[Any]:
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(self._dsn, timeout=self._timeout, command_timeout=self._timeout)
        return self._connection

    async def _insert(self, connection: asyncpg.Connection[Any], contents: Sequence[Content]) -> None:
        # The row is locked until the end of the transaction: no other server takes the same number.
        found = await connection.fetchrow(f"SELECT chain, seq, hash FROM {SCHEMA}.head FOR UPDATE")  # noqa: S608
        if found is None:
            raise SinkError(0, f"the audit database: {SCHEMA}.head is empty: run pg-guard audit-store migrate")
        head = Head(found["chain"], found["seq"], found["hash"])
        rows = []
        for content in contents:
            line, head = head.link(content)
            rows.append(_row(content, head.seq, line))
        if rows:
            await connection.executemany(_INSERT, rows)
            await connection.execute(
                f"UPDATE {SCHEMA}.head SET seq = $1, hash = $2",  # noqa: S608 - as above
                *(head.seq, head.hash),
            )

    async def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            with contextlib.suppress(Exception):
                await self._connection.close(timeout=self._timeout)
            self._connection = None


def _row(content: Content, seq: int, line: bytes) -> tuple[object, ...]:
    principal, decision = content.get("principal") or {}, content.get("decision") or {}
    client = principal.get("client")
    return (
        datetime.datetime.fromisoformat(content["time"]),
        seq,
        content["event"],
        content.get("decision_id"),
        content.get("database"),
        client if client is None else json.dumps(client) if not isinstance(client, str) else client.replace("\0", ""),
        decision.get("effect"),
        line.decode("ascii").rstrip("\n"),
    )


# -- keeping the tables ----------------------------------------------------------------------------------------------------


async def migrate(
    dsn: str, *, keep: int | None = None, writer: str | None = None, today: datetime.date | None = None
) -> Migration:
    """Create the tables and the parts of this month and the next ones; drop parts that are too old.

    Args:
        dsn: Connection URI of a role that may create them.
        keep: Months that are kept beside the current one; None keeps all.
        writer: Role of the servers, which gets what writing takes and no more.
        today: The date that counts as today.

    Raises:
        DatabaseError: The database cannot be reached.
        UsageError: The role may not create the tables, or the writer does not exist.
    """
    month = (today or datetime.datetime.now(datetime.UTC).date()).replace(day=1)
    async with _connection(dsn) as connection, connection.transaction():
        await connection.execute("SELECT pg_catalog.pg_advisory_xact_lock(4711, 1)")
        await connection.execute("SET LOCAL client_min_messages = warning; SET LOCAL TimeZone = 'UTC'")
        await connection.execute(_TABLES)
        head = Head.new()
        await connection.execute(
            f"INSERT INTO {SCHEMA}.head (chain, seq, hash) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",  # noqa: S608
            *head,
        )
        known = {row["relname"] for row in await connection.fetch(_PARTS, f"{SCHEMA}.line")}
        dropped = []
        for name in sorted(known):
            if keep is not None and name < _part(_months_after(month, -keep)):
                await connection.execute(f'DROP TABLE {SCHEMA}."{name}"')
                dropped.append(name)
        created = []
        for number in range(_MONTHS_AHEAD + 1):
            begin = _months_after(month, number)
            if _part(begin) not in known:
                await _create_part(connection, begin)
                created.append(_part(begin))
        if writer is not None:
            await _grant(connection, writer)
    return Migration(tuple(created), tuple(dropped))


async def _create_part(connection: asyncpg.Connection[Any], begin: datetime.date) -> None:
    """Create a month's part, and move what came in before it was there."""
    name, end = f'{SCHEMA}."{_part(begin)}"', _months_after(begin, 1)
    bounds = f"time >= '{begin}' AND time < '{end}'"
    await connection.execute(f"CREATE TABLE {name} (LIKE {SCHEMA}.line INCLUDING ALL)")
    await connection.execute(
        f"WITH moved AS (DELETE FROM {SCHEMA}.line_other WHERE {bounds} RETURNING *) "  # noqa: S608 - dates and constants
        f"INSERT INTO {name} SELECT * FROM moved"
    )
    await connection.execute(
        f"ALTER TABLE {SCHEMA}.line ATTACH PARTITION {name} FOR VALUES FROM ('{begin}') TO ('{end}')"
    )


async def _grant(connection: asyncpg.Connection[Any], writer: str) -> None:
    role = '"' + writer.replace('"', '""') + '"'
    await connection.execute(f"GRANT USAGE ON SCHEMA {SCHEMA} TO {role}")
    await connection.execute(f"GRANT INSERT ON {SCHEMA}.line TO {role}")
    await connection.execute(f"GRANT SELECT, UPDATE (seq, hash) ON {SCHEMA}.head TO {role}")


def _part(month: datetime.date) -> str:
    return f"line_{month:%Y_%m}"


def _months_after(month: datetime.date, count: int) -> datetime.date:
    number = month.year * 12 + month.month - 1 + count
    return datetime.date(number // 12, number % 12 + 1, 1)


async def export_lines(dsn: str) -> AsyncIterator[bytes]:
    """All lines, in their order, as they would stand in a file.

    Raises:
        DatabaseError: The database cannot be reached.
        UsageError: There are no such tables, or the role may not read them.
    """
    async with _connection(dsn) as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        async for row in connection.cursor(
            f"SELECT line FROM {SCHEMA}.line ORDER BY seq",  # noqa: S608 - a constant name
            prefetch=500,
        ):
            yield row["line"].encode("ascii") + b"\n"


@contextlib.asynccontextmanager
async def _connection(dsn: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    try:
        connection = await asyncpg.connect(dsn, timeout=_SECONDS_TO_CONNECT)
    except Exception as error:  # noqa: BLE001 - always becomes an error of pg-guard
        raise DatabaseError(
            f"the audit database cannot be reached: {_said(error, dsn)}", hint="check the connection URI"
        ) from None
    try:
        yield connection
    except asyncpg.PostgresError as error:
        raise UsageError(
            f"the audit database refuses: {_said(error, dsn)}",
            hint="migrate as the owner of the database, and name a --writer that exists",
        ) from None
    finally:
        with contextlib.suppress(Exception):
            await connection.close(timeout=_SECONDS_TO_CONNECT)


def _said(error: Exception, dsn: str) -> str:
    """What went wrong, without the password of the connection."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, asyncpg.PostgresError):
        text = f"{error.args[0] if error.args else type(error).__name__} (SQLSTATE {error.sqlstate})"
    elif isinstance(error, OSError):
        text = error.strerror or type(error).__name__
    else:
        # The driver's own texts may quote the URI.
        text = type(error).__name__
    with contextlib.suppress(ValueError):
        for password in (urlsplit(dsn).password or "", unquote(urlsplit(dsn).password or "")):
            text = text.replace(password, "***") if len(password) > 2 else text
    return text
