"""A role made by `pg-guard grants`, on a real server. In: a superuser's URI and SQL. Out: what the role may do there."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from pg_guard.advise.quoting import relation_sql, sql_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pg_guard.catalog.model import Catalog, Name

__all__ = ["apply", "as_role", "outcome", "readable", "user_relations"]

_KINDS = ("table", "partitioned", "foreign", "view", "matview")
_NO_PRIVILEGE = "42501"


def as_role(dsn: str, role: str) -> str:
    """The same URI for a role that logs in without a password."""
    parts = urlsplit(dsn)
    return urlunsplit(parts._replace(netloc=f"{quote(role, safe='')}@{parts.netloc.rpartition('@')[2]}"))


async def apply(dsn: str, sql: str) -> list[str]:
    """Run a script whole, as a client does that knows nothing of its statements; the warnings that it gave."""
    connection = await asyncpg.connect(dsn)
    warnings: list[str] = []
    connection.add_log_listener(
        lambda _, message: warnings.append(message.message) if message.severity == "WARNING" else None
    )
    try:
        await connection.execute(sql)
    finally:
        await connection.close()
    return warnings


async def outcome(connection: asyncpg.Connection, sql: str) -> str:
    """``rows`` with their number, or the SQLSTATE of the error; what was done is undone."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        return f"{len(await connection.fetch(sql))} rows"
    except asyncpg.PostgresError as error:
        return str(error.sqlstate)
    finally:
        await transaction.rollback()


def user_relations(catalog: Catalog) -> Iterable[tuple[Name, tuple[str, ...]]]:
    """Relations outside of PostgreSQL's own schemas, with their columns."""
    for relation in catalog.relations:
        if relation.kind in _KINDS and relation.schema not in ("pg_catalog", "information_schema", "pg_toast"):
            yield relation.key, tuple(column.name for column in relation.columns)


async def readable(dsn: str, catalog: Catalog) -> set[tuple[Name, str]]:
    """Columns that the role of the URI reads, each asked for by a SELECT of its own; any error but 42501 counts as read."""
    connection = await asyncpg.connect(dsn)
    found: set[tuple[Name, str]] = set()
    try:
        for name, columns in user_relations(catalog):
            for column in columns:
                seen = await outcome(connection, f"SELECT {sql_name(column)} FROM {relation_sql(name)} LIMIT 1")
                if seen != _NO_PRIVILEGE:
                    found.add((name, column))
    finally:
        await connection.close()
    return found
