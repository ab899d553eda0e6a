"""One guarded database. In: settings. Out: decisions on the newest catalog, and results of allowed statements.

The guard is replaced as a whole when the catalog is read again: a statement runs under the search_path of the guard that
allowed it, and what was derived from the old catalog goes with it.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from pg_guard.catalog.model import Catalog
from pg_guard.errors import CatalogError, DatabaseError, ExecutionError, InternalError, PgGuardError
from pg_guard.execute.executor import Executor, QueryResult
from pg_guard.execute.plans import Plan, permitted_plan
from pg_guard.guard import Guard
from pg_guard.observe.audit import Outcome
from pg_guard.observe.observer import Observer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from pg_guard.decision import Decision
    from pg_guard.execute.values import Json
    from pg_guard.observe.audit import Auditor, Entry, Operation
    from pg_guard.policy.load import LoadedPolicy
    from pg_guard.resilience.guarded import Resilience
    from pg_guard.settings import CacheSettings, DatabaseSettings

__all__ = ["Checked", "Database", "Health", "RefreshOutcome"]

T = TypeVar("T")

# A text longer than this is checked in a thread, so that other requests are answered meanwhile.
_LONG_TEXT = 50_000

_log = logging.getLogger(__name__)


class Checked(NamedTuple):
    """A decision, the guard that made it, its record in the audit log, where there is one, and settings that tell who asks."""

    decision: Decision
    guard: Guard
    entry: Entry | None = None
    settings: tuple[tuple[str, str], ...] = ()


class RefreshOutcome(NamedTuple):
    """How a reading of the catalog went: whether anything changed, or why the last good one stays."""

    changed: bool
    age_seconds: float
    error: str = ""


@dataclass(frozen=True, slots=True)
class Health:
    """How a database does.

    Attributes:
        ok: It answers, and its catalog is loaded.
        latency_ms: Of the smallest statement; None when it did not answer.
        catalog_age_seconds: Since the catalog was read.
        last_error: The last failure of a reading or a ping, or ''.
    """

    ok: bool
    latency_ms: float | None
    catalog_age_seconds: float
    last_error: str = ""


class Database:
    """A database behind its policy. Open it with `open`, close it with `close`.

    Attributes:
        name: As settings and requests call it.
        description: What it holds.
    """

    def __init__(
        self,
        name: str,
        description: str,
        dsn: str,
        guard: Guard,
        executor: Executor,
        resilience: Resilience | None,
        auditor: Auditor | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.name = name
        self.description = description
        self.last_error = ""
        self._dsn = dsn
        self._guard = guard
        self._executor = executor
        self._resilience = resilience
        self._auditor = auditor
        self._observer = observer or Observer()
        self._read_at = time.monotonic()
        self._reading = asyncio.Lock()
        self._building = asyncio.Lock()
        self._derived: dict[str, tuple[Guard, Any]] = {}
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls,
        name: str,
        settings: DatabaseSettings,
        *,
        policy: LoadedPolicy,
        cache: CacheSettings,
        resilience: Resilience | None = None,
        auditor: Auditor | None = None,
        observer: Observer | None = None,
    ) -> Database:
        """Read the catalog, and connect.

        Args:
            name: As settings and requests call it.
            settings: How to reach it.
            policy: Its policy, loaded.
            cache: How long the catalog may take.
            resilience: Slots and circuits.
            auditor: Where decisions are recorded.
            observer: Who is told.

        Raises:
            PolicyError: A pack that the policy uses does not fit.
            DatabaseError: The database cannot be reached.
            CatalogError: Its catalog cannot be read in time.
        """
        dsn = settings.uri(name)
        catalog = await Catalog.from_database(dsn, timeout=cache.startup_timeout)
        guard = Guard(policy.policy, catalog, policy.packs)
        limits = guard.policy.limits
        executor = await Executor.open(
            dsn,
            min_size=settings.pool_min,
            max_size=settings.pool_max,
            statement_timeout=limits.statement_timeout,
            rows=limits.rows,
            result_bytes=limits.result_bytes,
            search_path=guard.search_path,
            role=settings.role,
        )
        database = cls(name, settings.description, dsn, guard, executor, resilience, auditor, observer)
        database._observer.reloaded(name, successful=True)
        if cache.auto_refresh:
            database._task = asyncio.create_task(database._refresh_forever(cache.interval))
        return database

    async def close(self) -> None:
        """Stop refreshing, and close all connections."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._executor.close()

    @property
    def guard(self) -> Guard:
        """The guard of the newest catalog."""
        return self._guard

    @property
    def age_seconds(self) -> float:
        """Seconds since the catalog was read."""
        return time.monotonic() - self._read_at

    @property
    def active_connections(self) -> int:
        """Connections of the pool that are in use."""
        return self._executor.active_connections

    async def derived(self, key: str, build: Callable[[Guard], T]) -> T:
        """What is built once per guard, such as an index of its tables; in a thread, since that may take a second.

        Args:
            key: What it is called; two builders need two keys.
            build: Makes it. Requests that come meanwhile wait for the same result.
        """
        guard = self._guard
        known = self._derived.get(key)
        if known is None or known[0] is not guard:
            async with self._building:
                known = self._derived.get(key)
                if known is None or known[0] is not guard:
                    known = (guard, await asyncio.to_thread(build, guard))
                    self._derived[key] = known
        return cast("T", known[1])

    # -- statements ----------------------------------------------------------------------------------------------------

    async def check(
        self,
        sql: str,
        principal: Mapping[str, object] | None = None,
        *,
        operation: Operation = "check",
        question_id: str | None = None,
    ) -> Checked:
        """Decide on one statement under the newest catalog, and record it.

        Args:
            sql: The statement.
            principal: What is known of who asks.
            operation: What is to be done with it if it is allowed, for the audit log.
            question_id: The question that it is to answer, for the audit log.

        Raises:
            AuditUnavailable: The decision cannot be recorded, and the audit log fails closed.
        """
        guard = self._guard
        entry: Entry | None = None
        with self._observer.deciding(self.name) as span:
            if len(sql) <= _LONG_TEXT:
                decision = guard.check(sql, principal)
            else:
                decision = await asyncio.to_thread(guard.check, sql, principal)
            try:
                if self._auditor is not None:
                    entry = await self._auditor.decided(
                        decision, database=self.name, operation=operation, principal=principal, question_id=question_id
                    )
            finally:
                self._observer.decided(self.name, decision, span, entry.decision_id if entry is not None else None)
        return Checked(decision, guard, entry, _who_asks(guard.attributes(principal)))

    async def run(self, checked: Checked, *args: Json, principal: str | None = None) -> QueryResult:
        """Run a statement that was allowed.

        Args:
            checked: What `check` gave.
            args: Values of $1, $2, …
            principal: Who asks, for rate limits.

        Raises:
            CostError: The planner's estimate is over `limits.cost`.
            ExecutionError: PostgreSQL refused or cancelled it.
            DatabaseError: No connection.
            ResilienceError: Too much is asked, or the database has failed too often.
            AuditUnavailable: The outcome cannot be recorded, and the audit log fails closed.
        """
        sql, guard = _allowed(checked.decision), checked.guard
        most = guard.policy.limits.cost if checked.decision.kind == "select" else None

        async def run() -> QueryResult:
            async with self._observer.executing(self.name) as execution:
                found = await self._executor.run(
                    sql, *args, search_path=guard.search_path, max_cost=most, settings=checked.settings
                )
                execution.rows = found.row_count
                return found

        return await self._audited(checked, lambda: self._guarded(run, principal))

    async def explain(self, checked: Checked, *args: Json, principal: str | None = None) -> Plan:
        """The plan of a SELECT that was allowed, as far as the policy lets it be shown; the statement is not run.

        Raises:
            ExecutionError: It is no SELECT, or PostgreSQL refused it.
            DatabaseError: No connection.
            ResilienceError: As for `run`.
            AuditUnavailable: As for `run`.
        """
        sql, guard = _allowed(checked.decision), checked.guard

        async def explain() -> Json:
            async with self._observer.executing(self.name):
                return await self._executor.explain(
                    sql, *args, search_path=guard.search_path, settings=checked.settings
                )

        async def permitted() -> Plan:
            if checked.decision.kind != "select":
                raise ExecutionError("there is no plan for this kind of statement", hint="ask for the plan of a SELECT")
            found = await self._guarded(explain, principal)
            return permitted_plan(cast("dict[str, Any]", found), checked.decision, guard)

        return await self._audited(checked, permitted)

    async def _audited(self, checked: Checked, call: Callable[[], Awaitable[T]]) -> T:
        """Do what a decision allows, and record what came of it."""
        if self._auditor is None:
            return await call()
        if checked.entry is None:
            raise InternalError("a statement without an audit record was about to run", hint="check it first")
        started = time.perf_counter()
        try:
            found = await call()
        except Exception as error:
            await self._auditor.completed(checked.entry, _failure(error, started))
            raise
        except BaseException as error:
            # Whoever cancels does not wait.
            self._auditor.abandoned(checked.entry, _failure(error, started))
            raise
        milliseconds = (time.perf_counter() - started) * 1000
        if isinstance(found, QueryResult):
            outcome = Outcome("ok", milliseconds, found.row_count, found.truncated)
        else:
            outcome = Outcome("ok", milliseconds)
        await self._auditor.completed(checked.entry, outcome)
        return found

    async def _guarded(self, call: Callable[[], Awaitable[T]], principal: str | None) -> T:
        if self._resilience is None:
            return await call()
        async with self._resilience.query_slot(principal):
            return await self._resilience.call_database(self.name, call)

    # -- catalog -------------------------------------------------------------------------------------------------------

    async def refresh(self) -> RefreshOutcome:
        """Read the catalog again and put it in the place of the old one; a failure keeps the old one, and says so."""
        async with self._reading:
            try:
                catalog = await Catalog.from_database(self._dsn)
                changed = self._guard.catalog is None or catalog.digest != self._guard.catalog.digest
                if changed:
                    # Compiling a large policy against a large catalog takes a moment.
                    self._guard = await asyncio.to_thread(Guard, self._guard.policy, catalog, self._guard.packs)
            except (DatabaseError, CatalogError) as error:
                self.last_error = error.message
                _log.warning("catalog of %s: not refreshed: %s", self.name, error.message)
                return RefreshOutcome(False, self.age_seconds, error.message)
            except Exception as error:  # noqa: BLE001 - the last good catalog stays, whatever fails
                self.last_error = f"unexpected {type(error).__name__}"
                _log.exception("catalog of %s: not refreshed", self.name)
                return RefreshOutcome(False, self.age_seconds, self.last_error)
            self._read_at = time.monotonic()
            self.last_error = ""
            return RefreshOutcome(changed, 0.0)

    async def _refresh_forever(self, interval: float) -> None:
        while True:
            await asyncio.sleep(interval)
            await self.refresh()

    async def health(self) -> Health:
        """Ask the database the smallest of questions."""
        started = time.perf_counter()
        try:
            await self._executor.ping()
        except PgGuardError as error:
            return Health(False, None, self.age_seconds, error.message)
        return Health(True, (time.perf_counter() - started) * 1000, self.age_seconds, self.last_error)


def _who_asks(attributes: Mapping[str, str | int | float | bool]) -> tuple[tuple[str, str], ...]:
    """Attributes as settings ``pg_guard.<name>``: the policies for row-level security that `pg-guard grants` writes ask for them."""
    return tuple(
        (f"pg_guard.{name}", str(value).lower() if isinstance(value, bool) else str(value))
        for name, value in sorted(attributes.items())
        if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,50}", name) and "\0" not in str(value)
    )


def _allowed(decision: Decision) -> str:
    if decision.sql is None:
        raise InternalError("a refused statement was about to run", hint="report it as a defect of pg-guard")
    return decision.sql


def _failure(error: BaseException, started: float) -> Outcome:
    milliseconds = (time.perf_counter() - started) * 1000
    if not isinstance(error, Exception):
        return Outcome("cancelled", milliseconds)
    code = error.code if isinstance(error, PgGuardError) else InternalError.code
    return Outcome(
        "error", milliseconds, error=code, sqlstate=error.sqlstate if isinstance(error, ExecutionError) else ""
    )
