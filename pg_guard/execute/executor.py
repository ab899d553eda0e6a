"""Run an allowed statement. In: its text, byte for byte, and arguments. Out: a capped `QueryResult`, or an error.

Depth behind the gate: extended protocol (one statement, never the simple protocol), a read-only transaction that is
always rolled back, pinned settings, time-outs on both sides, rows and bytes counted while they are fetched. The text
is never edited.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

import asyncpg

from pg_guard.errors import CostError, DatabaseError, ExecutionError, UsageError
from pg_guard.execute.failures import execution_error
from pg_guard.execute.pool import SessionLimits, SessionPool
from pg_guard.execute.session import ResultColumn, Session

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pg_guard.execute.values import Json

__all__ = ["Caps", "Executor", "QueryResult", "ResultColumn"]

# One fetch must not hold more than this many rows in memory, however small they are.
_LARGEST_BATCH = 500
# The server's own time-out comes first; this one is for a server or a network that does not answer.
_SECONDS_OF_GRACE = 1.0


@dataclass(frozen=True, slots=True)
class QueryResult:
    """What a statement gave.

    Attributes:
        columns: Names and types in order; a name may stand twice, and there may be none.
        rows: One list per row, values as `values` renders them.
        row_count: The length of `rows`.
        truncated: True when there was more.
        truncated_by: The cap that cut it: ``rows``, ``bytes``, or empty.
        duration_ms: From the request to the last row, waiting for a connection included.
        size_bytes: Of the rows, counted as UTF-8 JSON.
    """

    columns: tuple[ResultColumn, ...]
    rows: list[list[Json]]
    row_count: int
    truncated: bool
    duration_ms: float
    truncated_by: Literal["", "rows", "bytes"] = ""
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Caps:
    """What one statement may take.

    Attributes:
        statement_timeout: Seconds, all of its fetches included.
        rows: Rows of the result.
        result_bytes: Bytes of the result, counted as UTF-8 JSON of the rows.
    """

    statement_timeout: float = 30.0
    rows: int = 1000
    result_bytes: int = 10_000_000


class Executor:
    """Runs statements on one database. Open it with `open`, close it with `close` or ``async with``."""

    def __init__(self, pool: SessionPool, dsn: str, caps: Caps) -> None:
        self._pool = pool
        self._dsn = dsn
        self._caps = caps

    @classmethod
    async def open(
        cls,
        dsn: str,
        *,
        min_size: int = 1,
        max_size: int = 4,
        statement_timeout: float = 30.0,
        lock_timeout: float = 2.0,
        rows: int = 1000,
        result_bytes: int = 10_000_000,
        search_path: Sequence[str] | None = None,
        role: str | None = None,
        on_other_server: Callable[[], None] | None = None,
    ) -> Executor:
        """Connect to a database.

        Args:
            dsn: PostgreSQL connection URI.
            min_size: Connections that stay open.
            max_size: Connections at most; further statements wait.
            statement_timeout: Seconds for one statement, all of its fetches included.
            lock_timeout: Seconds that a statement may wait for a lock.
            rows: Rows of a result at most.
            result_bytes: Bytes of a result at most, counted as UTF-8 JSON of the rows.
            search_path: Schemas in order, or None for the role's own.
            role: Role to change to for each statement, or None.
            on_other_server: Called when a new connection reaches a server, or a database, that none has reached before.

        Raises:
            DatabaseError: The database cannot be reached, or refuses the role or a setting.
            UsageError: A limit is not positive.
        """
        numbers = {
            "max_size": max_size,
            "statement_timeout": statement_timeout,
            "lock_timeout": lock_timeout,
            "rows": rows,
            "result_bytes": result_bytes,
        }
        for name, number in numbers.items():
            if not number > 0:
                raise UsageError(f"{name} is {number}, and must be greater than 0")
        if not 0 <= min_size <= max_size:
            raise UsageError(f"min_size is {min_size}, and must be between 0 and max_size ({max_size})")
        limits = SessionLimits(
            statement_timeout, lock_timeout, tuple(search_path) if search_path is not None else None, role
        )
        pool = await SessionPool.open(
            dsn, limits, min_size=min_size, max_size=max_size, on_other_server=on_other_server
        )
        return cls(pool, dsn, Caps(statement_timeout, rows, result_bytes))

    @property
    def active_connections(self) -> int:
        """Connections in use."""
        return self._pool.active

    async def close(self) -> None:
        """Close all connections."""
        await self._pool.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def run(
        self,
        sql: str,
        *args: Json,
        search_path: Sequence[str] | None = None,
        max_cost: float | None = None,
        settings: Sequence[tuple[str, str]] = (),
        caps: Caps | None = None,
    ) -> QueryResult:
        """Run one statement and throw away whatever it changed.

        A cancelled call cancels the statement on the server too.

        Args:
            sql: The text that the guard allowed; it reaches PostgreSQL as it is.
            args: Values of $1, $2, …; see `values.encode`.
            search_path: Schemas under which names were resolved; those of `open` when left out.
            max_cost: Highest cost that the planner may estimate, asked in the same transaction; for a statement that EXPLAIN
                takes (SELECT, VALUES, WITH).
            settings: Further settings of the transaction, as what row-level security asks for.
            caps: What it may take; those of `open` when left out.

        Raises:
            CostError: The estimate is over `max_cost`; nothing was run.
            ExecutionError: PostgreSQL refused or cancelled the statement.
            DatabaseError: No connection, or it was lost on the way.
        """
        started = time.perf_counter()
        caps = caps or self._caps
        async with self._pool.transaction(search_path, settings, caps.statement_timeout) as session:
            try:
                async with asyncio.timeout(caps.statement_timeout + _SECONDS_OF_GRACE):
                    if max_cost is not None:
                        await self._hold_cost(session, sql, args, max_cost)
                    columns, rows, size, cut = await self._fetch(session, sql, args, caps)
            except (ExecutionError, DatabaseError):
                raise
            except TimeoutError:
                raise self._too_slow(caps) from None
            except Exception as exc:  # noqa: BLE001 - always becomes an error of pg-guard
                raise execution_error(exc, self._dsn) from None
        return QueryResult(
            columns=columns,
            rows=rows,
            row_count=len(rows),
            truncated=bool(cut),
            truncated_by=cut,
            duration_ms=(time.perf_counter() - started) * 1000,
            size_bytes=size,
        )

    async def explain(
        self,
        sql: str,
        *args: Json,
        search_path: Sequence[str] | None = None,
        settings: Sequence[tuple[str, str]] = (),
        caps: Caps | None = None,
    ) -> Json:
        """Ask the planner about one statement without running it.

        Args:
            sql: The text that the guard allowed: a SELECT, VALUES or WITH.
            args: As for `run`.
            search_path: As for `run`.
            settings: As for `run`.
            caps: As for `run`; only the time counts.

        Returns:
            The plan as EXPLAIN (FORMAT JSON, VERBOSE) tells it: ``{"Plan": {…}}``.

        Raises:
            ExecutionError: PostgreSQL refused or cancelled it.
            DatabaseError: No connection, or it was lost on the way.
        """
        caps = caps or self._caps
        async with self._pool.transaction(search_path, settings, caps.statement_timeout) as session:
            try:
                async with asyncio.timeout(caps.statement_timeout + _SECONDS_OF_GRACE):
                    return await self._plan(session, sql, args, "FORMAT JSON, VERBOSE")
            except (ExecutionError, DatabaseError):
                raise
            except TimeoutError:
                raise self._too_slow(caps) from None
            except Exception as exc:  # noqa: BLE001 - always becomes an error of pg-guard
                raise execution_error(exc, self._dsn) from None

    async def ping(self) -> None:
        """Run the smallest of statements.

        Raises:
            DatabaseError: The database does not answer.
            ExecutionError: It answers with an error.
        """
        await self.run("SELECT 1")

    async def _hold_cost(self, session: Session, sql: str, args: Sequence[Json], most: float) -> None:
        plan = await self._plan(session, sql, args, "FORMAT JSON")
        cost = float(plan["Plan"]["Total Cost"])
        if cost > most:
            raise CostError(cost, most)

    async def _plan(self, session: Session, sql: str, args: Sequence[Json], options: str) -> Any:
        if "\0" in sql:
            raise ExecutionError("the statement holds a NUL byte", hint="remove it", sqlstate="42601")
        # The statement stays one: the extended protocol takes no second, and EXPLAIN without ANALYZE runs none.
        before = f"EXPLAIN ({options})\n"
        try:
            statement, _ = await session.prepare_text(before + sql)
            return (await statement.fetch(*args))[0][0][0]
        except asyncpg.PostgresError as exc:
            if exc.position:
                exc.position = str(max(1, int(exc.position) - len(before)))
            raise

    async def _fetch(
        self, session: Session, sql: str, args: Sequence[Json], caps: Caps
    ) -> tuple[tuple[ResultColumn, ...], list[list[Json]], int, Literal["", "rows", "bytes"]]:
        if "\0" in sql:
            # The protocol's texts end at a NUL: the rest would reach PostgreSQL as something else.
            raise ExecutionError(
                "the statement holds a NUL byte", hint="remove it", sqlstate="42601", position=sql.index("\0")
            )
        deadline = time.monotonic() + caps.statement_timeout
        statement, columns = await session.prepare_text(sql)
        cursor = await statement.cursor(*args)
        rows: list[list[Json]] = []
        size, largest, batch = 0, 1, 1
        while records := await cursor.fetch(batch):
            for record in records:
                row = list(record)
                row_size = len(json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode()) + 1
                if len(rows) == caps.rows:
                    return columns, rows, size, "rows"
                if size + row_size > caps.result_bytes:
                    return columns, rows, size, "bytes"
                rows.append(row)
                size += row_size
                largest = max(largest, row_size)
            # The server counts its time-out anew for each fetch.
            if time.monotonic() > deadline:
                raise self._too_slow(caps)
            # Grows from one row, so that a result of few huge rows is cut before it fills the memory.
            batch = max(
                1, min(batch * 4, _LARGEST_BATCH, caps.rows + 1 - len(rows), (caps.result_bytes - size) // largest)
            )
        return columns, rows, size, ""

    def _too_slow(self, caps: Caps) -> ExecutionError:
        canceled = asyncpg.QueryCanceledError(f"the statement took longer than {caps.statement_timeout:g} s")
        error = execution_error(canceled, self._dsn)
        return error if isinstance(error, ExecutionError) else ExecutionError(error.message)
