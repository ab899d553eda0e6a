"""A connection that speaks text. In: a statement. Out: its prepared form, with values as `values` renders them.

asyncpg decodes most types from the binary format into Python objects, and loses on the way: a timestamp of the year
10000 or before Christ overflows, an interval becomes a timedelta without months, a type that it does not know fails.
Here every column and parameter is given PostgreSQL's text format instead, for all types of the database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import asyncpg

from pg_guard.execute.values import TypeInfo, decoder, encoder

if TYPE_CHECKING:
    from asyncpg.prepared_stmt import PreparedStatement

__all__ = ["Prepared", "ResultColumn", "Session"]

# Qualified throughout: it runs under the search_path of the statements.
_TYPES = """
SELECT t.oid::pg_catalog.int8 AS oid, n.nspname::pg_catalog.text AS schema,
       pg_catalog.format_type(t.oid, NULL) AS name, t.typdelim::pg_catalog.text AS delimiter,
       CASE WHEN t.typoutput OPERATOR(pg_catalog.=) 'pg_catalog.array_out'::pg_catalog.regproc
            THEN t.typelem::pg_catalog.int8 ELSE 0 END AS element,
       t.typbasetype::pg_catalog.int8 AS base
FROM pg_catalog.pg_type AS t JOIN pg_catalog.pg_namespace AS n ON n.oid OPERATOR(pg_catalog.=) t.typnamespace
"""


class ResultColumn(NamedTuple):
    """A column of a result: its name, which need not be unique, and its type as PostgreSQL writes it."""

    name: str
    type: str


class Prepared(NamedTuple):
    """A prepared statement and the columns of its result."""

    statement: PreparedStatement[Any]
    columns: tuple[ResultColumn, ...]


class Session(asyncpg.Connection):
    """A connection of the pool, with what it learned of its database's types.

    The knowledge belongs to the connection, not to the pool: after a restart the same oid may be another type.
    """

    __slots__ = ("_types",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._types: dict[int, TypeInfo] = {}

    async def prepare_text(self, sql: str) -> Prepared:
        """Prepare one statement by the extended protocol, which takes no second one.

        Args:
            sql: Handed to PostgreSQL byte for byte.

        Raises:
            asyncpg.PostgresError: PostgreSQL refused the statement.
        """
        if not self._types:
            await self._learn_types()
        try:
            statement = await self.prepare(sql)
            unknown = not self._types.keys() >= _oids(statement)
        except (asyncpg.UnsupportedClientFeatureError, asyncpg.InternalClientError):
            unknown = True
        if unknown:
            # A type is younger than this connection. The codecs of a statement are chosen while it is prepared.
            await self._learn_types()
            statement = await self.prepare(sql)
        columns = (ResultColumn(a.name, self._types[a.type.oid].name) for a in statement.get_attributes())
        return Prepared(statement, tuple(columns))

    async def _learn_types(self) -> None:
        """Give the text format to every type of the database that has not got it yet."""
        new = [TypeInfo(**dict(row)) for row in await self.fetch(_TYPES) if row["oid"] not in self._types]
        self._types.update((info.oid, info) for info in new)
        # The same call that `set_type_codec` ends in; that one refuses arrays, ranges and most composites.
        settings = self._protocol.get_settings()  # type: ignore[attr-defined] # not in the published stubs
        for info in new:
            encode, decode = encoder(info.oid, self._types), decoder(info.oid, self._types)
            settings.add_python_codec(info.oid, info.name, info.schema, (), "scalar", encode, decode, "text")


def _oids(statement: PreparedStatement[Any]) -> set[int]:
    return {a.type.oid for a in statement.get_attributes()} | {p.oid for p in statement.get_parameters()}
