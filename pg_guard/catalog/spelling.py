"""Names and types as SQL writes them. In: names of the catalog. Out: texts that PostgreSQL reads as those names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pg_guard.catalog.model import Catalog, Name

__all__ = ["quote_name", "type_name"]

_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_TYPE_NAMES = {
    "bool": "boolean",
    "bpchar": "character",
    "float4": "real",
    "float8": "double precision",
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "timestamptz": "timestamp with time zone",
    "timetz": "time with time zone",
    "varbit": "bit varying",
    "varchar": "character varying",
}
# Words that PostgreSQL's grammar does not take as a table's or a column's name without quotes.
_RESERVED = frozenset(
    """
    all analyse analyze and any array as asc asymmetric both case cast check collate column constraint create
    current_catalog current_date current_role current_time current_timestamp current_user default deferrable desc
    distinct do else end except false fetch for foreign from grant group having in initially intersect into
    lateral leading limit localtime localtimestamp not null offset on only or order placing primary references
    returning select session_user some symmetric system_user table then to trailing true union unique user using
    variadic when where window with authorization binary collation concurrently cross current_schema freeze full
    ilike inner is isnull join left like natural notnull outer overlaps right similar tablesample verbose
    """.split()  # noqa: SIM905 - words read better than a list of strings
)


def quote_name(name: str) -> str:
    """An identifier as it must stand in SQL."""
    if _PLAIN_NAME.fullmatch(name) and name not in _RESERVED:
        return name
    return '"' + name.replace('"', '""') + '"'


def type_name(catalog: Catalog, name: Name) -> str:
    """A type as a declaration names it: ``timestamp with time zone``, ``integer[]``."""
    type_ = catalog.type_index.get(name)
    if type_ is not None and type_.kind == "array" and type_.element is not None:
        return f"{type_name(catalog, type_.element)}[]"
    if name.schema == "pg_catalog":
        return _TYPE_NAMES.get(name.name, name.name)
    return f"{quote_name(name.schema)}.{quote_name(name.name)}"
