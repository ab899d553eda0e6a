"""The tables of the audit log in PostgreSQL. In: a database of one's own. Out: its tables, a part a month, kept; or their lines.

Parts that are too old are dropped as a line of the chain says, so that the rest still verifies and tells where it begins.
"""

from __future__ import annotations

import contextlib
import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import asyncpg

from pg_guard.errors import DatabaseError, UsageError
from pg_guard.observe.audit_lines import Head, Unreadable, parse_line
from pg_guard.observe.audit_sinks import now
from pg_guard.observe.audit_store import SCHEMA, insert_lines, said

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

__all__ = ["Dropped", "Migration", "export_lines", "migrate", "prune"]

_MONTHS_AHEAD: Final = 3
_SECONDS_TO_CONNECT: Final = 10.0
_OTHER: Final = "line_other"

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


class Dropped(NamedTuple):
    """What is dropped of a part: how many lines, from which number to which; `whole` unless newer lines stay in it."""

    name: str
    lines: int
    first: int | None
    last: int | None
    whole: bool


class Migration(NamedTuple):
    """What a migration did: parts that were created, and parts of which lines were dropped because they are too old."""

    created: tuple[str, ...]
    dropped: tuple[str, ...]


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
        UsageError: The role may not create the tables, the writer does not exist, or the newest line to drop was changed.
    """
    month = (today or datetime.datetime.now(datetime.UTC).date()).replace(day=1)
    async with _connection(dsn) as connection, connection.transaction():
        await connection.execute("SET LOCAL client_min_messages = warning; SET LOCAL TimeZone = 'UTC'")
        await _lock(connection)
        await connection.execute(_TABLES)
        head = Head.new()
        await connection.execute(
            f"INSERT INTO {SCHEMA}.head (chain, seq, hash) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",  # noqa: S608
            *head,
        )
        old = await _outdated(connection, _months_after(month, -keep)) if keep is not None else []
        await _drop(connection, old)
        known = await _parts(connection)
        created = []
        for number in range(_MONTHS_AHEAD + 1):
            begin = _months_after(month, number)
            if _part(begin) not in known:
                await _create_part(connection, begin)
                created.append(_part(begin))
        if writer is not None:
            await _grant(connection, writer)
    return Migration(tuple(created), tuple(each.name for each in old))


async def prune(dsn: str, *, months: int, really: bool, today: datetime.date | None = None) -> list[Dropped]:
    """Drop lines that are older than so many months before the current one.

    Args:
        dsn: Connection URI of the owner of the tables.
        months: Months that are kept beside the current one.
        really: Otherwise only say what would be dropped.
        today: The date that counts as today.

    Raises:
        DatabaseError: The database cannot be reached.
        UsageError: There are no tables, the role may not drop them, or the newest line to drop was changed.
    """
    month = (today or datetime.datetime.now(datetime.UTC).date()).replace(day=1)
    async with _connection(dsn) as connection, connection.transaction():
        await connection.execute("SET LOCAL TimeZone = 'UTC'")
        if really:
            await _lock(connection)
        old = await _outdated(connection, _months_after(month, -months))
        if really:
            await _drop(connection, old)
    return old


async def _lock(connection: asyncpg.Connection[Any]) -> None:
    """Wait for those who keep the tables, and for those who write lines: before any lock on a table, as they do."""
    await connection.execute("SELECT pg_catalog.pg_advisory_xact_lock(4711, 1)")
    if await connection.fetchval("SELECT pg_catalog.to_regclass($1)", f"{SCHEMA}.head") is not None:
        await connection.execute(f"SELECT FROM {SCHEMA}.head FOR UPDATE")


async def _parts(connection: asyncpg.Connection[Any]) -> set[str]:
    return {row["relname"] for row in await connection.fetch(_PARTS, f"{SCHEMA}.line")}


async def _outdated(connection: asyncpg.Connection[Any], before: datetime.date) -> list[Dropped]:
    """Parts of months before a day, with the lines in them that can go.

    INVARIANT: what is dropped has smaller numbers than all that stays. A clock that was wrong puts lines into months in which
    their neighbours are not: such lines stay until those may go as well.
    """
    first_kept = await connection.fetchval(
        f"SELECT seq FROM {SCHEMA}.line WHERE time >= $1::date::timestamptz ORDER BY seq LIMIT 1",  # noqa: S608 - a constant name
        before,
    )
    found = []
    for name in [*sorted(each for each in await _parts(connection) if each < _part(before)), _OTHER]:
        row = await connection.fetchrow(
            f'WITH line AS (SELECT seq, $1::bigint IS NULL OR seq < $1 AS old FROM {SCHEMA}."{name}")'  # noqa: S608 - names of parts
            " SELECT count(*) AS everything, count(*) FILTER (WHERE old) AS lines, min(seq) FILTER (WHERE old) AS first,"
            " max(seq) FILTER (WHERE old) AS last FROM line",
            first_kept,
        )
        assert row is not None  # an aggregate
        whole = name != _OTHER and row["lines"] == row["everything"]
        if row["lines"] or whole:
            found.append(Dropped(name, row["lines"], row["first"], row["last"], whole))
    return found


async def _drop(connection: asyncpg.Connection[Any], old: Sequence[Dropped]) -> None:
    """Drop parts, after a line of the chain has told of it."""
    told = []
    for part in old:
        if part.last is not None:
            line = await connection.fetchval(
                f'SELECT line FROM {SCHEMA}."{part.name}" WHERE seq = $1 LIMIT 1',  # noqa: S608 - as above
                part.last,
            )
            try:
                told.append({"name": part.name, **parse_line(line.encode()).head._asdict()})
            except Unreadable as error:
                raise UsageError(
                    f"{SCHEMA}.{part.name}: line number {part.last} is {error}",
                    hint="nothing was dropped; run pg-guard audit-store export | pg-guard audit verify -",
                ) from None
    if told:
        await insert_lines(connection, [{"event": "pruned", "time": now(), "parts": told}])
    for part in old:
        if part.whole:
            await connection.execute(f'DROP TABLE {SCHEMA}."{part.name}"')
        else:
            await connection.execute(f'DELETE FROM {SCHEMA}."{part.name}" WHERE seq <= $1', part.last)  # noqa: S608 - as above


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
            f"the audit database cannot be reached: {said(error, dsn)}", hint="check the connection URI"
        ) from None
    try:
        yield connection
    except asyncpg.PostgresError as error:
        raise UsageError(
            f"the audit database refuses: {said(error, dsn)}",
            hint="migrate as the owner of the database, and name a --writer that exists",
        ) from None
    finally:
        with contextlib.suppress(Exception):
            await connection.close(timeout=_SECONDS_TO_CONNECT)
