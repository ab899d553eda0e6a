"""The odd database for tests of advice. In: a superuser's DSN and a name. Out: the database, and roles that see parts of it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from pg_guard.demo.database import with_database

__all__ = ["OddDatabase", "load_odd_database"]


class OddDatabase(NamedTuple):
    """URIs of the database: for its owner, for a reader with a few rights too many, for a role without any."""

    owner: str
    reader: str
    blind: str


async def load_odd_database(dsn: str, name: str) -> OddDatabase:
    """Create the database and two roles whose names begin with its name."""
    reader, blind = f"{name}_reader", f"{name}_blind"
    admin = await asyncpg.connect(dsn)
    try:
        await admin.execute(f"CREATE ROLE {reader} LOGIN")
        await admin.execute(f"CREATE ROLE {blind} LOGIN")
        await admin.execute(f"CREATE DATABASE {name}")
        await admin.execute(f"ALTER ROLE {reader} IN DATABASE {name} SET search_path = app")
    finally:
        await admin.close()
    owner = with_database(dsn, name)
    connection = await asyncpg.connect(owner)
    try:
        text = Path(__file__).with_name("odd_database.sql").read_text(encoding="utf-8")
        await connection.execute(text.replace(":reader", reader))
    finally:
        await connection.close()
    return OddDatabase(owner, _as(owner, reader), _as(owner, blind))


def _as(dsn: str, role: str) -> str:
    parts = urlsplit(dsn)
    return urlunsplit(parts._replace(netloc=f"{role}@{parts.netloc.rpartition('@')[2]}"))
