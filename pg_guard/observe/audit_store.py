"""The audit log in PostgreSQL. In: contents of lines, a database of one's own. Out: rows of a table that has a part a month.

The tables are kept by `pg_guard.observe.audit_tables`; a server needs no more than to insert. Lines stand in the table as they
would in a file, in one chain for all servers that write there.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

import asyncpg

from pg_guard.observe.audit_lines import Content, Head
from pg_guard.observe.audit_sinks import SinkError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pg_guard.observe.audit_anchors import Anchors

__all__ = ["SCHEMA", "StoreSink", "insert_lines", "said"]

SCHEMA: Final = "guard_audit"

_INSERT: Final = f"""
INSERT INTO {SCHEMA}.line (time, seq, event, decision_id, database, client, effect, line)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""  # noqa: S608 - a constant name


class StoreSink:
    """A table that `migrate` has made.

    Args:
        dsn: Connection URI of the database.
        timeout: Seconds that a connection or a transaction may take.
        anchors: Where the chain's end is noted.
    """

    def __init__(self, dsn: str, *, timeout: float = 5.0, anchors: Anchors | None = None) -> None:
        self._dsn = dsn
        self._timeout = timeout
        self._anchors = anchors
        self._last: Head | None = None
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
            raise SinkError(0, f"the audit database: {said(error, self._dsn)}") from None

    async def _append(self, contents: Sequence[Content]) -> None:
        if self._connection is not None:
            # After a restart of the server a connection that was idle is dead; nothing has been sent yet.
            try:
                await self._connection.execute("SELECT")
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                await self._disconnect()
        connection = await self._connected()
        async with connection.transaction():
            heads = await insert_lines(connection, contents)
        if heads:
            self._last = heads[-1]
            if self._anchors is not None:
                await asyncio.to_thread(self._anchors.note_due, heads)

    async def _connected(self) -> asyncpg.Connection[Any]:
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(self._dsn, timeout=self._timeout, command_timeout=self._timeout)
        return self._connection

    async def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def close(self) -> None:
        """Note the last line of this server, and close the connection."""
        if self._anchors is not None and self._last is not None:
            await asyncio.to_thread(self._anchors.note, self._last)
        if self._connection is not None:
            with contextlib.suppress(Exception):
                await self._connection.close(timeout=self._timeout)
            self._connection = None


async def insert_lines(connection: asyncpg.Connection[Any], contents: Sequence[Content]) -> list[Head]:
    """Add lines to the chain, inside of a transaction; the chain's end after each of them.

    Raises:
        SinkError: The tables have no chain yet.
    """
    # The row is locked until the end of the transaction: no other server takes the same number.
    found = await connection.fetchrow(f"SELECT chain, seq, hash FROM {SCHEMA}.head FOR UPDATE")  # noqa: S608
    if found is None:
        raise SinkError(0, f"the audit database: {SCHEMA}.head is empty: run pg-guard audit-store migrate")
    head = Head(found["chain"], found["seq"], found["hash"])
    rows, heads = [], []
    for content in contents:
        line, head = head.link(content)
        rows.append(_row(content, head.seq, line))
        heads.append(head)
    if rows:
        await connection.executemany(_INSERT, rows)
        await connection.execute(
            f"UPDATE {SCHEMA}.head SET seq = $1, hash = $2",  # noqa: S608 - as above
            *(head.seq, head.hash),
        )
    return heads


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


def said(error: Exception, dsn: str) -> str:
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
