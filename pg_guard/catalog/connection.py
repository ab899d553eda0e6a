"""Connection strings and connection failures. In: a DSN, an exception. Out: text without secrets, a `DatabaseError`.

A password that holds ``@``, ``/``, ``?`` or ``#`` and was not percent-encoded ends up in the host, the path or the
query of a URI, and from there in messages of drivers and servers. Such a DSN is therefore refused before anything
connects, and every sentence that leaves this module is cleared of the password.
"""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import asyncpg

from pg_guard.errors import DatabaseError

__all__ = ["check_dsn", "connection_error", "is_connection_loss", "redact_dsn", "scrub"]

SCHEMES = ("postgresql", "postgres")
UNREADABLE = "postgresql://***"

# Query parameters that may be shown: none of them can hold a secret, whatever a future driver adds.
SHOWN_PARAMETERS = ("host", "port", "user", "dbname", "sslmode", "application_name")


@dataclass(frozen=True, slots=True)
class _Parts:
    """A DSN taken apart; `problem` says why it cannot be used and is empty for a good one."""

    scheme: str = ""
    user: str = ""
    passwords: tuple[str, ...] = ()
    place: str = ""
    database: str = ""
    shown: tuple[tuple[str, str], ...] = ()
    problem: str = ""


def _split(dsn: str) -> _Parts:
    if not dsn.strip():
        return _Parts(problem="it is empty")
    scheme = dsn.partition("://")[0]
    if scheme not in SCHEMES or "://" not in dsn:
        return _Parts(problem="it does not start with postgresql://")
    try:
        parts = urlsplit(dsn)
        _ = parts.port if "," not in parts.netloc else None
    except ValueError:
        return _Parts(problem="its host or port cannot be read")
    credentials, _, place = parts.netloc.rpartition("@")
    stray = "@" in parts.path or parts.fragment or "#" in dsn
    stray = stray or ("@" in parts.query and ":" in place and not credentials)
    if stray or any("=" not in item for item in parts.query.split("&") if item):
        return _Parts(problem="it holds a character that must be percent-encoded")
    user, _, password = credentials.partition(":")
    query = parse_qsl(parts.query, keep_blank_values=True)
    secrets = [password, unquote(password)]
    secrets += [value for key, value in query if key not in SHOWN_PARAMETERS and "password" in key]
    secrets += [quote(value, safe="") for value in secrets]
    return _Parts(
        scheme=parts.scheme,
        user=unquote(user),
        passwords=tuple(dict.fromkeys(value for value in secrets if value)),
        place=place,
        database=unquote(parts.path.removeprefix("/")),
        shown=tuple((key, value) for key, value in query if key in SHOWN_PARAMETERS),
    )


def check_dsn(dsn: str) -> None:
    """Refuse a DSN that cannot be used, or whose password would be taken for something else.

    Args:
        dsn: A connection URI.

    Raises:
        DatabaseError: With a sentence that never quotes the DSN.
    """
    problem = _split(dsn).problem
    if problem:
        raise DatabaseError(
            f"the connection string cannot be used: {problem}",
            hint="write postgresql://user:password@host:5432/database, special characters of user and password "
            "percent-encoded (@ as %40, / as %2F, : as %3A, # as %23, ? as %3F)",
        )


def redact_dsn(dsn: str) -> str:
    """The DSN as it may be shown: without password and unknown parameters, or `UNREADABLE` when it is no clean URI."""
    parts = _split(dsn)
    if parts.problem:
        return UNREADABLE
    account = quote(parts.user, safe="") + (":***" if parts.passwords else "")
    query = "&".join(f"{key}={quote(value, safe='/,')}" for key, value in parts.shown)
    text = f"{parts.scheme}://{account}{'@' if account else ''}{parts.place}/{quote(parts.database, safe='')}"
    return f"{text}?{query}" if query else text


def scrub(text: str, dsn: str) -> str:
    """`text` on one line, with every spelling of the DSN's password replaced by ``***``."""
    line = " ".join(text.split())
    for secret in (*_split(dsn).passwords, os.environ.get("PGPASSWORD", "")):
        # A one-letter password would turn every sentence into stars; no message quotes passwords of its own accord.
        if len(secret) > 2:
            line = line.replace(secret, "***")
    return line


def _target(parts: _Parts) -> tuple[str, str, str]:
    """(host, user, database) for a sentence, with what the DSN leaves out taken from its query or named 'default'."""
    query = dict(parts.shown)
    host = parts.place or query.get("host", "") or os.environ.get("PGHOST", "") or "the default host"
    user = parts.user or query.get("user", "") or os.environ.get("PGUSER", "") or "(default)"
    database = parts.database or query.get("dbname", "") or os.environ.get("PGDATABASE", "") or user
    return host, user, database


# INVARIANT: classes come before their base classes, the first match counts.
_SERVER_REFUSALS: tuple[tuple[type[BaseException], str, str], ...] = (
    (
        asyncpg.InvalidPasswordError,
        "{host} refused the password of role {user}",
        "check user and password of the connection string",
    ),
    (
        asyncpg.InvalidAuthorizationSpecificationError,
        "{host} does not let role {user} in to database {database}: {reason}",
        "check the role's name, that it may log in, and pg_hba.conf",
    ),
    (
        asyncpg.InvalidCatalogNameError,
        "database {database} does not exist on {host}",
        "check the name after the last slash of the connection string",
    ),
    (
        asyncpg.TooManyConnectionsError,
        "{host} has no free connection: {reason}",
        "lower the size of the pool or raise max_connections",
    ),
    (asyncpg.CannotConnectNowError, "{host} does not accept connections now: {reason}", "try again in a moment"),
    (asyncpg.InsufficientPrivilegeError, "role {user} may not connect to {database}: {reason}", "grant CONNECT to it"),
    (asyncpg.ClientConfigurationError, "the connection string cannot be used", "check its host, port and parameters"),
    (ssl.SSLError, "no encrypted connection to {host}: {reason}", "check sslmode and the certificates"),
    (ConnectionRefusedError, "nothing answers at {host}", "check host and port, and that PostgreSQL runs there"),
    (FileNotFoundError, "nothing answers at {host}", "check the socket's directory, and that PostgreSQL runs there"),
    (TimeoutError, "no answer from {host} in time", "check host and port, and that no firewall is in between"),
)


# What passes by itself, as when the server restarts.
_MAY_PASS = (
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    ConnectionRefusedError,
    FileNotFoundError,
    TimeoutError,
)


def connection_error(exc: BaseException, dsn: str) -> DatabaseError:
    """The error to raise for a failed or lost connection.

    Args:
        exc: What the driver or the operating system raised.
        dsn: The connection string in use; only its host, role and database appear.

    Returns:
        A `DatabaseError` of one line without secrets. Raise it ``from None``: the driver's own text may hold more.
    """
    parts = _split(dsn)
    if parts.problem:
        try:
            check_dsn(dsn)
        except DatabaseError as refusal:
            return refusal
    transient = is_connection_loss(exc) or isinstance(exc, _MAY_PASS)
    host, user, database = _target(parts)
    reason = exc.message if isinstance(exc, asyncpg.PostgresError) and exc.message else str(exc)
    for kind, sentence, hint in _SERVER_REFUSALS:
        if isinstance(exc, kind):
            text = sentence.format(host=host, user=user, database=database, reason=reason)
            return DatabaseError(scrub(text, dsn), hint=hint, transient=transient)
    if is_connection_loss(exc):
        return DatabaseError(
            scrub(f"the connection to {host} was lost: {reason}", dsn),
            hint="check that PostgreSQL runs, and try again",
            transient=True,
        )
    text = f"cannot connect to {host}: {reason or type(exc).__name__}"
    return DatabaseError(scrub(text, dsn), hint="check host, port and the server's log")


def is_connection_loss(exc: BaseException) -> bool:
    """Whether `exc` says that the connection is gone, rather than that a statement failed."""
    if isinstance(exc, asyncpg.PostgresError):
        sqlstate = exc.sqlstate or ""
        # Class 08, and of class 57 the administrator's shutdowns and a dropped database: all end the session.
        return sqlstate.startswith("08") or sqlstate in {"57P01", "57P02", "57P03", "57P04", "57P05", "25P03", "25P04"}
    if isinstance(exc, asyncpg.InternalClientError):
        # The driver's protocol is out of step, as when the server's farewell crosses a request: no use for this one.
        return True
    if isinstance(exc, asyncpg.InterfaceError):
        return "closed" in str(exc) or "connection" in str(exc)
    return isinstance(exc, OSError) and not isinstance(exc, TimeoutError)
