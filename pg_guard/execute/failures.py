"""What went wrong while a statement ran. In: an exception of the driver. Out: `ExecutionError` or `DatabaseError`."""

from __future__ import annotations

import time

import asyncpg

from pg_guard.catalog.connection import connection_error, is_connection_loss, scrub
from pg_guard.errors import DatabaseError, ExecutionError, InternalError, PgGuardError
from pg_guard.observe.audit import Outcome

__all__ = ["execution_error", "failed_outcome"]

_HINTS = {
    "0A000": "rewrite the query without the feature that the message names",
    "21000": "make the subquery return one row, with LIMIT 1 or an aggregate",
    "22003": "cast to a wider type such as numeric before calculating",
    "22007": "write dates and times in ISO 8601, as in '2026-01-31'",
    "22008": "write dates and times in ISO 8601, as in '2026-01-31'",
    "22012": "divide by nullif(divisor, 0)",
    "22023": "check the arguments of the function",
    "22P02": "check the literal against the type of the column it is compared with",
    "25006": "only statements that read are executed",
    "25P02": "send the query again",
    "40001": "send the query again",
    "40P01": "send the query again",
    "42501": "the database role may not read this; ask for another table or column",
    "42601": "check the syntax near the position; one statement at a time",
    "42702": "qualify the column with its table or alias",
    "42703": "look up the columns of the table",
    "42725": "cast the arguments so that one function or operator fits",
    "42803": "add the column to GROUP BY or wrap it in an aggregate",
    "42804": "cast the values to one type",
    "42883": "check name and argument types, and add casts",
    "42P01": "look up the tables, and qualify the name with its schema",
    "42P18": "cast the parameter to the type that is meant",
    "53200": "ask for less: fewer rows, smaller groups",
    "53400": "ask for less: fewer rows, smaller groups",
    "54000": "ask for less: fewer rows, smaller values",
    "54001": "nest less deeply",
    "55P03": "another session holds a lock; try again later",
    "57014": "narrow the query: fewer rows, a filter on an indexed column, fewer joins",
}


def execution_error(exc: Exception, dsn: str) -> ExecutionError | DatabaseError:
    """The error to raise for a statement that failed; raise it ``from None``, the driver's own text may hold more.

    Args:
        exc: What the driver raised.
        dsn: The connection string in use, to keep its password out of the message.

    Returns:
        A `DatabaseError` when the connection is gone, else an `ExecutionError` with SQLSTATE and position.
    """
    if is_connection_loss(exc):
        return connection_error(exc, dsn)
    if isinstance(exc, asyncpg.PostgresError):
        sqlstate = exc.sqlstate or ""
        hint = " ".join((exc.hint or "").split()) or _HINTS.get(sqlstate, "")
        # PostgreSQL counts characters from 1; a position inside of a function's body is another field.
        position = int(exc.position) - 1 if exc.position else None
        # What this side makes itself, as for its own time-out, has no message of the server.
        message = scrub(exc.message or str(exc), dsn)
        return ExecutionError(message, hint=scrub(hint, dsn), sqlstate=sqlstate, position=position)
    if isinstance(exc, UnicodeError):
        return ExecutionError("a text cannot be converted between UTF-8 and the database's encoding", sqlstate="22021")
    return ExecutionError(scrub(str(exc) or type(exc).__name__, dsn))


def failed_outcome(error: BaseException, started: float) -> Outcome:
    """What the audit log is told of a statement that failed or was cancelled; `started` is of `time.perf_counter`."""
    milliseconds = (time.perf_counter() - started) * 1000
    if not isinstance(error, Exception):
        return Outcome("cancelled", milliseconds)
    code = error.code if isinstance(error, PgGuardError) else InternalError.code
    sqlstate = error.sqlstate if isinstance(error, ExecutionError) else ""
    return Outcome("error", milliseconds, error=code, sqlstate=sqlstate)
