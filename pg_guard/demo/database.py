"""The sample database. In: a superuser's DSN. Out: a database "shop" with schema, data and statistics, and its DSN."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from pg_guard.demo.data import CANARIES, sample_tables
from pg_guard.errors import DatabaseError

__all__ = ["CANARIES", "DATABASE", "load_sample_database", "with_database"]

DATABASE = "shop"


async def load_sample_database(dsn: str, *, name: str = DATABASE) -> str:
    """Create the database and fill it.

    Args:
        dsn: URI of any database of the server, for a role that may create databases and roles' schemas.
        name: Name of the new database.

    Returns:
        The URI of the new database.

    Raises:
        DatabaseError: The server cannot be reached, or the database exists already.
    """
    target = with_database(dsn, name)
    try:
        admin = await asyncpg.connect(dsn)
        try:
            await admin.execute(f'CREATE DATABASE "{name.replace(chr(34), chr(34) * 2)}"')
        finally:
            await admin.close()
        connection = await asyncpg.connect(target)
        try:
            await _fill(connection)
        finally:
            await connection.close()
    except asyncpg.DuplicateDatabaseError:
        raise DatabaseError(f'database "{name}" exists already', hint="drop it first, or choose another name") from None
    except (OSError, asyncpg.PostgresError) as error:
        raise DatabaseError(f'cannot load the sample database "{name}": {error}') from error
    return target


async def _fill(connection: asyncpg.Connection) -> None:
    await connection.execute(Path(__file__).with_name("schema.sql").read_text(encoding="utf-8"))
    # asyncpg has read the types of this connection before the schema made new ones.
    await connection.reload_schema_state()
    for table in sample_tables():
        await connection.copy_records_to_table(
            table.name, schema_name=table.schema, columns=table.columns, records=table.rows
        )
    await connection.execute("REFRESH MATERIALIZED VIEW analytics.product_sales")
    await connection.execute("ANALYZE")


def with_database(dsn: str, name: str) -> str:
    """The same URI for another database of the server."""
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{quote(name, safe='')}"))
