"""All databases of a server. In: settings. Out: databases by name, opened and closed together."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pg_guard.errors import PgGuardError, UsageError
from pg_guard.execute.database import Database
from pg_guard.execute.deployed import deployed_policies

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pg_guard.observe.audit import Auditor
    from pg_guard.observe.observer import Observer
    from pg_guard.policy.load import LoadedPolicy
    from pg_guard.resilience.guarded import Resilience
    from pg_guard.settings import DatabaseSettings, Settings

__all__ = ["DatabaseUnknown", "Databases", "effective", "open_databases"]


class DatabaseUnknown(PgGuardError):  # noqa: N818 - named for what a client is told
    """A request names no database, or none that there is."""

    code = "DATABASE_UNKNOWN"


class Databases(Mapping[str, Database]):
    """All databases of a server, by name. Which these are can change while it runs."""

    def __init__(self, databases: Mapping[str, Database]) -> None:
        self._databases = dict(databases)
        self._closing: dict[asyncio.Task[None], Database] = {}

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
        found = cls(await open_databases(settings, policies, settings.databases, resilience, auditor, observer))
        if observer is not None:
            for name in found:
                observer.reloaded(name, successful=True)
        return found

    def replace(self, databases: Mapping[str, Database]) -> None:
        """From now on, let there be these; those that are not among them are closed when their statements have ended."""
        kept = set(databases.values())
        for database in self._databases.values():
            if database not in kept:
                database.retire()
                task = asyncio.create_task(database.close_when_idle())
                self._closing[task] = database
                task.add_done_callback(lambda done: self._closing.pop(done, None))
        self._databases = dict(databases)

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

    def version_of(self, name: str) -> str | None:
        """The version of a database, as `Database.version`; None when there is none of this name."""
        return self._databases[name].version if name in self._databases else None

    async def close(self) -> None:
        """Close all, those that were replaced as well."""
        closing = dict(self._closing)
        for task in closing:
            task.cancel()
        await asyncio.gather(*closing, return_exceptions=True)
        every = [*self._databases.values(), *closing.values()]
        await asyncio.gather(*(database.close() for database in every), return_exceptions=True)

    def __getitem__(self, name: str) -> Database:
        return self._databases[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._databases)

    def __len__(self) -> int:
        return len(self._databases)


async def open_databases(
    settings: Settings,
    policies: Mapping[str, LoadedPolicy],
    names: Iterable[str],
    resilience: Resilience | None = None,
    auditor: Auditor | None = None,
    observer: Observer | None = None,
) -> dict[str, Database]:
    """Open databases of the settings at the same time.

    Args:
        settings: The deployment's settings.
        policies: The policy of each.
        names: Which ones.
        resilience: As for `Database.open`, as are the others.
        auditor: Where decisions are recorded.
        observer: Who is told.

    Raises:
        PgGuardError: As for `Database.open`; what was opened is closed again.
    """
    opening = {
        name: asyncio.ensure_future(
            Database.open(
                name,
                effective(settings, name),
                policy=policies[name],
                cache=settings.cache,
                resilience=resilience,
                auditor=auditor,
                observer=observer,
            )
        )
        for name in names
    }
    try:
        await asyncio.gather(*opening.values())
    except BaseException:
        for task in opening.values():
            task.cancel()
        for outcome in await asyncio.gather(*opening.values(), return_exceptions=True):
            if isinstance(outcome, Database):
                await outcome.close()
        raise
    return {name: task.result() for name, task in opening.items()}


def effective(settings: Settings, name: str) -> DatabaseSettings:
    """The settings of a database, with what holds for all where it says nothing itself."""
    return settings.databases[name].model_copy(update={"role": settings.role_of(name)})
