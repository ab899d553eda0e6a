"""All databases of a server. In: settings. Out: databases by name, opened and closed together."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pg_guard.errors import PgGuardError, UsageError
from pg_guard.execute.database import Database
from pg_guard.execute.deployed import deployed_policies

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pg_guard.observe.audit import Auditor
    from pg_guard.observe.observer import Observer
    from pg_guard.resilience.guarded import Resilience
    from pg_guard.settings import DatabaseSettings, Settings

__all__ = ["DatabaseUnknown", "Databases"]


class DatabaseUnknown(PgGuardError):  # noqa: N818 - named for what a client is told
    """A request names no database, or none that there is."""

    code = "DATABASE_UNKNOWN"


class Databases(Mapping[str, Database]):
    """All databases of a server, by name."""

    def __init__(self, databases: Mapping[str, Database]) -> None:
        self._databases = dict(databases)

    @classmethod
    async def open(
        cls,
        settings: Settings,
        resilience: Resilience | None = None,
        auditor: Auditor | None = None,
        observer: Observer | None = None,
    ) -> Databases:
        """Open every database of the settings at the same time.

        Raises:
            UsageError: There is none, or a policy file cannot be read.
            PgGuardError: As for `Database.open`; what was opened is closed again.
        """
        if not settings.databases:
            raise UsageError("no database is configured", hint="set PG_GUARD_DSN, or databases in the settings file")

        # First, so that invalid policies are reported without a database.
        policies = deployed_policies(settings)

        async def open_one(name: str, each: DatabaseSettings) -> Database:
            return await Database.open(
                name,
                each.model_copy(update={"role": settings.role_of(name)}),
                policy=policies[name],
                cache=settings.cache,
                resilience=resilience,
                auditor=auditor,
                observer=observer,
            )

        opening = [asyncio.ensure_future(open_one(name, each)) for name, each in settings.databases.items()]
        try:
            await asyncio.gather(*opening)
        except BaseException:
            for task in opening:
                task.cancel()
            for outcome in await asyncio.gather(*opening, return_exceptions=True):
                if isinstance(outcome, Database):
                    await outcome.close()
            raise
        return cls({task.result().name: task.result() for task in opening})

    def resolve(self, name: str | None) -> Database:
        """The database that a request means: the named one, or the only one.

        Raises:
            DatabaseUnknown: There is no such database, or a name is needed.
        """
        if name is None and len(self._databases) == 1:
            return next(iter(self._databases.values()))
        if name is not None and name in self._databases:
            return self._databases[name]
        names = ", ".join(sorted(self._databases))
        if name is None:
            raise DatabaseUnknown("the request names no database, and there are several", hint=f"name one of: {names}")
        raise DatabaseUnknown(f"there is no database {name!r}", hint=f"name one of: {names}")

    async def close(self) -> None:
        """Close all."""
        with contextlib.suppress(Exception):
            await asyncio.gather(*(database.close() for database in self._databases.values()))

    def __getitem__(self, name: str) -> Database:
        return self._databases[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._databases)

    def __len__(self) -> int:
        return len(self._databases)
