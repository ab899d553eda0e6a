"""Do statements that are said to work really run? In: a database and statements. Out: PostgreSQL's error for each, or none.

Each statement runs in a transaction of its own that is rolled back, and under a time-out: one that is ended by it has run.
What a transaction does not undo stays (a signal to a process, a file, a sequence), so the database must be one that may
be thrown away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pg_guard.errors import DatabaseError
from pg_guard.testing.model import Ran

if TYPE_CHECKING:
    from collections.abc import Iterable

    import asyncpg

__all__ = ["run_statements"]

SECONDS_TO_CONNECT: Final = 30.0
SECONDS_PER_STATEMENT: Final = 2.0
_ROWS: Final = 1000


async def run_statements(dsn: str, statements: Iterable[str], *, read_only: bool) -> tuple[Ran, ...]:
    """Run statements one after the other.

    Args:
        dsn: The database's URI.
        statements: The statements, one in each text.
        read_only: Run them in read-only transactions.

    Returns:
        One outcome for each statement, in their order.

    Raises:
        DatabaseError: The database cannot be reached.
    """
    return tuple([await _run(dsn, statement, read_only=read_only) for statement in statements])


async def _connect(dsn: str, *, read_only: bool) -> asyncpg.Connection:
    import asyncpg

    settings = {
        "application_name": "pg-guard test",
        "lock_timeout": "1s",
        "statement_timeout": f"{SECONDS_PER_STATEMENT:.0f}s",
        "default_transaction_read_only": "on" if read_only else "off",
    }
    try:
        return await asyncpg.connect(dsn, timeout=SECONDS_TO_CONNECT, server_settings=settings)
    except (TimeoutError, OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise DatabaseError(
            f"cannot connect to the database that runs the statements: {str(error) or type(error).__name__}",
            hint="check the URI of --dsn and that the server is up",
        ) from None


async def _run(dsn: str, statement: str, *, read_only: bool) -> Ran:
    """In a session of its own: settings, locks and prepared statements of one cannot help another."""
    import asyncpg

    connection = await _connect(dsn, read_only=read_only)
    try:
        await connection.execute("BEGIN")
        await _execute(connection, statement)
        await connection.execute("ROLLBACK")
    except (asyncpg.QueryCanceledError, asyncpg.AdminShutdownError):
        return Ran()  # it was running when its time was over, or it ended its own session
    except asyncpg.ConnectionDoesNotExistError as error:
        # The driver hides the server's answer in its own when it comes together with the end of the session.
        return Ran() if "administrator command" in str(error) else _refused(error)
    except asyncpg.ActiveSQLTransactionError:
        # It cannot run inside of a transaction, so it stands alone where the database may be thrown away.
        return Ran("it cannot run in a transaction") if read_only else await _run_alone(dsn, statement)
    except asyncpg.PostgresError as error:
        return _refused(error)
    except (TimeoutError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, ValueError) as error:
        return Ran(str(error) or type(error).__name__)
    finally:
        connection.terminate()  # which also rolls back
    return Ran()


def _refused(error: asyncpg.PostgresError) -> Ran:
    return Ran(f"{error.sqlstate}: {error.args[0] if error.args else type(error).__name__}")


async def _execute(connection: asyncpg.Connection, statement: str) -> None:
    """As psql would send it: the driver asks nothing about its types, and keeps none of its rows."""
    import asyncpg

    try:
        await connection.execute(statement)
    except asyncpg.UndefinedParameterError:
        await connection.execute("ROLLBACK")
        # Parameters need the other protocol; each is null.
        async with connection.transaction():
            prepared = await connection.prepare(statement)
            cursor = await prepared.cursor(*[None] * len(prepared.get_parameters()))
            await cursor.fetch(_ROWS)


async def _run_alone(dsn: str, statement: str) -> Ran:
    import asyncpg

    connection = await _connect(dsn, read_only=False)
    try:
        await connection.execute(statement, timeout=SECONDS_PER_STATEMENT)
    except TimeoutError:
        return Ran()
    except asyncpg.PostgresError as error:
        return _refused(error)
    finally:
        connection.terminate()
    return Ran()
