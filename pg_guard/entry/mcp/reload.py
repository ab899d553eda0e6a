"""Reloading while the server runs. In: a signal, changed files, a request. Out: new policies and settings in force, all or none.

What is new is built and tested beside what runs, then takes its place in one step of the event loop. If anything is wrong,
everything stays as it was, and log, metrics and health say so. A statement that was allowed before runs under the policy, the
limits and on the connections that it was allowed with; every decision after the step is one of the new policy.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import datetime
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from pg_guard.entry.mcp.candidates import Refused, Tried, build, tested
from pg_guard.entry.mcp.watched import Watched, watched_files
from pg_guard.errors import CatalogError, DatabaseError, InternalError, PgGuardError, PolicyError
from pg_guard.observe.logging import change_logging

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from pg_guard.entry.mcp.candidates import Candidate
    from pg_guard.entry.mcp.service import Service
    from pg_guard.entry.sources import Sources
    from pg_guard.execute.database import Database

__all__ = ["Cause", "DatabaseReload", "ReloadReport", "Reloader", "reloading"]

Cause: TypeAlias = Literal["signal", "files", "request", "retry"]

_BETWEEN_TRIES: Final = datetime.timedelta(seconds=30)
_MOST_PROBLEMS: Final = 50

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DatabaseReload:
    """What a reload did for a database.

    Attributes:
        outcome: ``changed`` (another policy), ``reconnected``, ``opened``, ``closed``, ``unchanged``; ``refused`` when something is
            wrong with it, ``kept`` when something is wrong with another.
        before: Digest of the policy until then; '' for a database that is new.
        after: Digest of the policy from then on; '' for one that is gone.
        error: What is wrong.
    """

    outcome: str
    before: str = ""
    after: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class ReloadReport:
    """How a reload went.

    Attributes:
        successful: Everything is in force as the files say; else all is as it was.
        cause: Who asked for it.
        at: When it ended, in UTC.
        seconds: How long it took.
        databases: By name.
        code: Stable code of the first error, or ''.
        problems: All that is wrong, a sentence each.
        restart: Settings that have new values and need a restart; they keep the old ones.
        transient: It was a database that could not be reached.
    """

    successful: bool
    cause: Cause
    at: datetime.datetime
    seconds: float
    databases: Mapping[str, DatabaseReload] = field(default_factory=dict)
    code: str = ""
    problems: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()
    transient: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values; for those who may know."""
        return {
            "successful": self.successful,
            "cause": self.cause,
            "at": self.at.isoformat(),
            "seconds": round(self.seconds, 3),
            "databases": {
                name: {"outcome": each.outcome, "before": each.before, "after": each.after, "error": each.error}
                for name, each in sorted(self.databases.items())
            },
            "code": self.code,
            "problems": list(self.problems),
            "needs_restart": list(self.restart),
        }


class Reloader:
    """Reads policies, packs and settings again when it is asked to, one time after the other.

    Args:
        service: What runs.
        sources: What is read.

    Attributes:
        last: How the last reload went; None before the first.
    """

    def __init__(self, service: Service, sources: Sources) -> None:
        self.last: ReloadReport | None = None
        self._service = service
        self._sources = sources
        self._tried = Tried()
        self._files = Watched(sources.began)
        self._one_at_a_time = asyncio.Lock()
        self._next: asyncio.Task[ReloadReport] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    def ask(self, cause: Cause) -> asyncio.Task[ReloadReport]:
        """Reload, after the reload that runs, if one does. Whoever asks before it begins gets the same.

        Raises:
            InternalError: The server is ending.
        """
        if self._closed:
            raise InternalError("the server is ending")
        if self._next is None:
            self._next = self._start(self._reload(cause))
        return self._next

    def hang_up(self) -> None:
        """What a signal asks for."""
        if not self._closed:
            self.ask("signal")

    def watch(self) -> None:
        """Look at the files from time to time from now on."""
        self._start(self._watch())

    def _start(self, work: Any) -> asyncio.Task[Any]:
        # Of its own context: a signal comes in the middle of any request, and what is opened here outlives the request that asked.
        task: asyncio.Task[Any] = asyncio.create_task(work, context=contextvars.Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def close(self) -> None:
        """Reload no more; one that has not put anything in force yet is given up."""
        self._closed = True
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- one reload ----------------------------------------------------------------------------------------------------

    async def _reload(self, cause: Cause) -> ReloadReport:
        async with self._one_at_a_time:
            # Whoever asks from now on may have changed something that is read in a moment, or has been read.
            self._next = None
            started, began = time.perf_counter(), time.time_ns()
            seen: Mapping[Path, Any] = {}
            try:
                seen = await asyncio.to_thread(self._look)
                self._tried = Tried()
                report = await self._replace(cause, started)
            except Refused as refused:
                report = self._refused(cause, started, refused.errors)
            except Exception as error:  # noqa: BLE001 - whatever fails, what runs stays as it is
                _log.exception("reload failed unexpectedly")
                hint = "report it as a defect of pg-guard"
                internal = InternalError(f"the reload failed ({type(error).__name__})", hint=hint)
                report = self._refused(cause, started, {"": internal})
            before, self.last = self.last, report
            self._tell(report, before)
            with contextlib.suppress(OSError):
                await asyncio.to_thread(self._note, seen, began)
            return report

    async def _replace(self, cause: Cause, started: float) -> ReloadReport:
        service = self._service
        candidate = await build(service, self._sources.read, self._tried)
        before = service.settings
        try:
            done = await self._put_in_force(candidate)
        except BaseException:
            await candidate.discard(service)
            raise
        change_logging(candidate.settings, before)
        service.observer.show_statements(candidate.settings.logging.statements)
        return ReloadReport(
            True, cause, _now(), time.perf_counter() - started, databases=done, restart=candidate.restart
        )

    async def _put_in_force(self, candidate: Candidate) -> dict[str, DatabaseReload]:
        service, settings = self._service, candidate.settings
        async with contextlib.AsyncExitStack() as locks:
            for name in sorted(candidate.guards):
                await locks.enter_async_context(service.databases[name].in_force.swapping)
            for name, guard in candidate.guards.items():
                catalog = service.databases[name].guard.catalog
                if catalog is not guard.catalog:
                    # Read anew while the policy was being tested on the one before.
                    loaded, known = candidate.policies[name], {pack.digest for pack in guard.packs}
                    try:
                        candidate.guards[name] = await tested(name, loaded, catalog, settings.reload, known)
                    except PgGuardError as error:
                        raise Refused({name: error}) from None
            # INVARIANT: from here to the end nothing is awaited, so that every request sees all of it or nothing.
            before = dict(service.databases)
            digests = {name: each.guard.policy.digest for name, each in before.items()}
            for name, guard in candidate.guards.items():
                before[name].in_force.guard = guard
            opened, candidate.opened = candidate.opened, {}
            after = {name: opened.get(name) or before[name] for name in settings.databases}
            for name, database in after.items():
                database.in_force.files = candidate.policies[name].files
                if database is before.get(name) and settings.cache != service.settings.cache:
                    database.in_force.refresh_every(settings.cache.interval if settings.cache.auto_refresh else None)
            service.databases.replace(after)
            service.adopt(settings, candidate.model)
        done = {
            name: DatabaseReload(
                _outcome(before.get(name), database, changed=name in candidate.guards),
                digests.get(name, ""),
                database.guard.policy.digest,
            )
            for name, database in after.items()
        }
        gone = {name: DatabaseReload("closed", digests[name]) for name in before if name not in after}
        for name in gone:
            service.resilience.forget_database(name)
            service.observer.forget_database(name)
        return done | gone

    def _refused(self, cause: Cause, started: float, errors: Mapping[str, PgGuardError]) -> ReloadReport:
        databases = {
            name: DatabaseReload(
                "refused" if name in errors or "" in errors else "kept",
                database.guard.policy.digest,
                database.guard.policy.digest,
                str(errors[name]) if name in errors else "",
            )
            for name, database in self._service.databases.items()
        }
        new = {name: DatabaseReload("refused", error=str(error)) for name, error in errors.items() if name}
        problems = [problem for name, error in errors.items() for problem in _problems(name, error)]
        return ReloadReport(
            False,
            cause,
            _now(),
            time.perf_counter() - started,
            new | databases,
            next(iter(errors.values())).code,
            tuple(dict.fromkeys(problems))[:_MOST_PROBLEMS],
            transient=all(isinstance(error, (DatabaseError, CatalogError)) for error in errors.values()),
        )

    def _tell(self, report: ReloadReport, before: ReloadReport | None) -> None:
        if report.cause == "retry" and before is not None and before.problems == report.problems != ():
            return
        fields = {"cause": report.cause, "duration_ms": round(report.seconds * 1000, 3)}
        if report.successful:
            _log.info("reloaded", extra={**fields, "status": "ok"})
        else:
            _log.error("not reloaded, all stays as it was", extra={**fields, "status": "failed", "code": report.code})
            for problem in report.problems:
                _log.error("reload: %s", problem)
        if report.restart:
            _log.warning("settings that need a restart keep their values", extra={"settings": list(report.restart)})
        for name in self._service.databases:
            self._service.observer.reloaded(name, successful=report.successful, code=report.code or None)

    # -- files ---------------------------------------------------------------------------------------------------------

    def _watched_files(self) -> set[Path]:
        failed = self.last is not None and not self.last.successful
        return watched_files(self._service, self._sources.files, self._tried if failed else None)

    # In a thread, since file systems can hang.

    def _look(self) -> Mapping[Path, Any]:
        return self._files.look(self._watched_files())

    def _note(self, seen: Mapping[Path, Any], began: int) -> None:
        self._files.seen(seen, self._watched_files(), began)

    def _settled_change(self) -> bool:
        return self._files.settled_change(self._watched_files())

    async def _watch(self) -> None:
        await asyncio.to_thread(self._note, {}, self._sources.began)
        while True:
            how = self._service.settings.reload
            await asyncio.sleep(how.interval)
            if not how.watch:
                continue
            try:
                async with self._one_at_a_time:
                    changed = await asyncio.to_thread(self._settled_change)
                if changed or self._may_try_again():
                    await asyncio.shield(self.ask("files" if changed else "retry"))
            except Exception:  # noqa: BLE001 - the next look may succeed
                _log.exception("the files could not be looked at")

    def _may_try_again(self) -> bool:
        """After a failure of any kind: what was missing may be there now, where nobody looks."""
        last = self.last
        return last is not None and not last.successful and _now() - last.at > _BETWEEN_TRIES


def _problems(name: str, error: PgGuardError) -> list[str]:
    if isinstance(error, PolicyError):
        return [str(problem) for problem in error.problems]
    return [f"database {name}: {error}" if name else str(error)]


def _outcome(before: Database | None, after: Database, *, changed: bool) -> str:
    if before is not after:
        return "opened" if before is None else "reconnected"
    return "changed" if changed else "unchanged"


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


@contextlib.asynccontextmanager
async def reloading(service: Service, sources: Sources) -> AsyncIterator[Reloader]:
    """Reload a service at signals and when files change, until the end of the block."""
    loop = asyncio.get_running_loop()
    reloader = Reloader(service, sources)
    service.reloader = reloader
    sources.hangups.listen(lambda: loop.call_soon_threadsafe(reloader.hang_up))
    reloader.watch()
    try:
        yield reloader
    finally:
        sources.hangups.ignore()
        service.reloader = None
        await reloader.close()
