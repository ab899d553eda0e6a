"""The names of the sample database, shipped for tests of rules. In: an embedded PostgreSQL. Out: ``rules/catalogs/demo.json``.

``python -m pg_guard.demo.snapshot`` writes the file again, after a change of `schema.sql` or of what a catalog holds; a test
keeps it current.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pg_guard.catalog.model import Catalog
from pg_guard.demo.database import load_sample_database
from pg_guard.policy.shipped import shipped_dir

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["PARTS", "read_sample_catalog", "snapshot_file", "stable"]

PARTS: Final = ("catalogs", "demo.json")
# Objects of a database's users have oids from here on (FirstNormalObjectId in src/include/access/transam.h).
_FIRST_OF_USERS: Final = 16_384
_SYSTEM: Final = ("pg_catalog", "information_schema", "pg_toast")


def snapshot_file() -> Path:
    """Where the snapshot is shipped."""
    return shipped_dir("rules").joinpath(*PARTS)


def stable(catalog: Catalog) -> Catalog:
    """The catalog without what differs from one server to the next, or from one hour to the next.

    That is the minor version, settings, the name of the superuser, how many rows the system's own tables have, and TOAST tables
    of tables that are no system's: their names are numbers that follow from what was made before.
    """
    return replace(
        catalog,
        server_version=catalog.server_version // 10_000 * 10_000,
        settings=(),
        relations=tuple(
            replace(relation, owner="owner", rows=-1.0 if relation.schema in _SYSTEM else relation.rows)
            for relation in catalog.relations
            if not (relation.schema == "pg_toast" and _number(relation.name) >= _FIRST_OF_USERS)
        ),
        functions=tuple(replace(function, owner="owner") for function in catalog.functions),
    )


def _number(name: str) -> int:
    """The number in a name such as ``pg_toast_1255``."""
    digits = name.removeprefix("pg_toast_").partition("_")[0]
    return int(digits) if digits.isdigit() else 0


async def read_sample_catalog(dsn: str) -> Catalog:
    """The catalog of the sample database, as it is shipped.

    Args:
        dsn: URI of the sample database.
    """
    return stable(await Catalog.from_database(dsn))


def main(arguments: Sequence[str]) -> int:
    """Write the snapshot from a fresh embedded PostgreSQL; the only argument may be another file to write."""
    from pg_guard.demo.embedded import start

    async def read(dsn: str) -> Catalog:
        return await read_sample_catalog(await load_sample_database(dsn))

    target = Path(arguments[0]) if arguments else snapshot_file()
    with tempfile.TemporaryDirectory() as directory, start(Path(directory)) as server:
        catalog = asyncio.run(read(server.dsn))
    target.parent.mkdir(parents=True, exist_ok=True)
    catalog.to_json(target)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
