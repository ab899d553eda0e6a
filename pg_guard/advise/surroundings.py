"""What surrounds a catalog. In: a connection inside of `introspect`'s transaction. Out: role, privileges, settings, languages …

The catalog says what the database holds; this says what the connecting role may do with it. One reading serves `init`
and `audit`; every query runs in the same read-only snapshot as the catalog's own, under an empty search_path.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from pg_guard.advise import queries
from pg_guard.catalog.introspect import read_catalog_with
from pg_guard.catalog.model import Catalog, Name

if TYPE_CHECKING:
    import asyncpg

__all__ = ["Estate", "FunctionGrant", "Grants", "Role", "SchemaGrant", "Surroundings", "read_estate"]


@dataclass(frozen=True, slots=True)
class Role:
    """The role that the connection runs as.

    Attributes:
        memberships: Names of the roles that it is a member of, directly or not; all that exist for a superuser.
        local: True on a unix socket.
        encrypted: True when the connection uses TLS.
    """

    name: str
    superuser: bool = False
    bypass_rls: bool = False
    create_role: bool = False
    create_database: bool = False
    replication: bool = False
    memberships: frozenset[str] = frozenset()
    local: bool = False
    encrypted: bool = False
    create_in_database: bool = False
    temporary: bool = False


class SchemaGrant(NamedTuple):
    """What the role may do in a schema; `public_create` is what everybody may."""

    usage: bool
    create: bool
    public_create: bool
    owned: bool


class Grants(NamedTuple):
    """What the role may do with a relation; `columns` are those that it may read where it may not read all."""

    select: bool
    writes: tuple[str, ...] = ()
    owned: bool = False
    columns: tuple[str, ...] = ()
    security_invoker: bool = False
    force_row_security: bool = False
    server: str = ""


class FunctionGrant(NamedTuple):
    """One overload of a function that did not come with PostgreSQL.

    Attributes:
        key: Its schema and name.
        args: Types of its arguments, as in `catalog.model.Function`.
        signature: Its arguments as SQL names them in ALTER FUNCTION.
        public: PUBLIC may call it.
        execute: The role may call it.
        settings: What it sets for itself, as in ``search_path=…``.
        trusted: Its language is trusted.
    """

    key: Name
    args: tuple[Name, ...]
    signature: str
    public: bool
    execute: bool
    settings: tuple[str, ...]
    trusted: bool


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the database says beside its catalog; every mapping is sorted by key."""

    role: Role
    schemas: dict[str, SchemaGrant] = field(default_factory=dict)
    relations: dict[Name, Grants] = field(default_factory=dict)
    functions: dict[tuple[Name, tuple[Name, ...]], FunctionGrant] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    databases: tuple[str, ...] = ()
    untrusted_languages: tuple[str, ...] = ()
    publications: tuple[tuple[str, Name], ...] = ()


@dataclass(frozen=True, slots=True)
class Estate:
    """A catalog and its surroundings, of one snapshot."""

    catalog: Catalog
    around: Surroundings

    def usable(self, schema: str) -> bool:
        """May the role look into the schema?"""
        grant = self.around.schemas.get(schema)
        return grant is not None and grant.usage


async def read_estate(dsn: str, timeout: float = 30.0) -> Estate:  # noqa: ASYNC109 - covers connect and read
    """Read a database for `init` and `audit`; nothing is written and no user's code runs.

    Args:
        dsn: PostgreSQL connection URI, for the role that the guard will use.
        timeout: Seconds for the connection and for the whole reading.

    Raises:
        DatabaseError: The database cannot be reached or refuses the role.
        CatalogError: A query failed.
    """
    return Estate(*await read_catalog_with(dsn, _surroundings, timeout))


async def _surroundings(connection: asyncpg.Connection[Any]) -> Surroundings:
    role = await connection.fetchrow(queries.ROLE)
    assert role is not None  # the current role is always in pg_roles
    memberships = await connection.fetch(queries.MEMBERSHIPS)
    columns: dict[Name, list[str]] = {}
    for row in await connection.fetch(queries.COLUMN_GRANTS):
        columns.setdefault(Name(row["schema"], row["name"]), []).append(row["column"])
    relations = {}
    for row in await connection.fetch(queries.RELATION_GRANTS):
        key = Name(row["schema"], row["name"])
        relations[key] = Grants(
            row["readable"],
            tuple(row["writes"]),
            row["owned"],
            tuple(columns.get(key, ())),
            row["security_invoker"],
            row["force_row_security"],
            row["server"] or "",
        )
    functions = [
        FunctionGrant(
            Name(row["schema"], row["name"]),
            tuple(Name(*pair) for pair in zip(row["arg_schemas"], row["arg_names"], strict=True)),
            row["signature"],
            row["public"],
            row["execute"],
            tuple(row["settings"] or ()),
            row["trusted"],
        )
        for row in await connection.fetch(queries.FUNCTION_GRANTS)
    ]
    return Surroundings(
        Role(
            **{key: role[key] for key in role.keys()},  # noqa: SIM118 - a record iterates over its values
            memberships=frozenset(row["name"] for row in memberships),
        ),
        schemas={
            row["name"]: SchemaGrant(row["usage"], row["create"], row["public_create"], row["owned"])
            for row in await connection.fetch(queries.SCHEMA_GRANTS)
        },
        relations=dict(sorted(relations.items())),
        functions={(each.key, each.args): each for each in sorted(functions, key=lambda each: (each.key, each.args))},
        settings={
            row["name"]: row["value"] for row in await connection.fetch(queries.SETTINGS, list(queries.SETTING_NAMES))
        },
        databases=tuple(row["name"] for row in await connection.fetch(queries.DATABASES)),
        untrusted_languages=tuple(row["name"] for row in await connection.fetch(queries.UNTRUSTED_LANGUAGES)),
        publications=tuple(
            sorted(
                (row["publication"], Name(row["schema"], row["name"]))
                for row in await connection.fetch(queries.PUBLICATIONS)
            )
        ),
    )
