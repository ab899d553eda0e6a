"""Which schemas a starter policy is for. In: a database's estate, and the names that the user gave. Out: schemas, sorted."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from pg_guard.advise.quoting import printable
from pg_guard.advise.reach import READABLE, is_user_schema
from pg_guard.errors import UsageError

if TYPE_CHECKING:
    from pg_guard.advise.surroundings import Estate

__all__ = ["choose_schemas"]


def choose_schemas(estate: Estate, wanted: tuple[str, ...]) -> tuple[str, ...]:
    """The schemas that were named, or all with tables that the role may look into.

    Raises:
        UsageError: One does not exist or may not be looked into, or none is left.
    """
    catalog = estate.catalog
    existing = [each for each in catalog.schemas if is_user_schema(each)]
    for schema in wanted:
        if schema not in existing:
            close = difflib.get_close_matches(schema, existing, n=1)
            known = (
                f"did you mean {close[0]!r}?"
                if close
                else f"there are: {', '.join(map(printable, existing)) or 'none'}"
            )
            raise UsageError(f"there is no schema {printable(schema)!r}", hint=known)
        if not estate.usable(schema):
            raise UsageError(
                f"the role {printable(estate.around.role.name)} may not look into the schema {printable(schema)!r}",
                hint="connect as the role that the guard will use, and grant it USAGE on the schema",
            )
    if wanted:
        return tuple(sorted(wanted))
    used = sorted({each.schema for each in catalog.relations if each.kind in READABLE and is_user_schema(each.schema)})
    if not used:
        raise UsageError(
            "the database has no table or view yet, so there is nothing to write a policy for",
            hint="check the name of the database in the connection string",
        )
    usable = [each for each in used if estate.usable(each)]
    if not usable:
        raise UsageError(
            f"the role {printable(estate.around.role.name)} may not look into any schema with tables: "
            f"{', '.join(map(printable, used))}",
            hint="connect as the role that the guard will use, and grant it USAGE on the schemas that it shall read",
        )
    return tuple(usable)
