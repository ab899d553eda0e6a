"""One guarded database. In: settings. Out: decisions on the newest catalog, and results of allowed statements.

The guard is replaced as a whole when the catalog is read again or the policy changes: a statement runs under the search_path
and the limits of the guard that allowed it, and what was derived from the old guard goes with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

from pg_guard.catalog.model import Catalog
from pg_guard.errors import DatabaseError, ExecutionError, InternalError, PgGuardError
from pg_guard.execute.executor import Caps, Executor, QueryResult
from pg_guard.execute.failures import failed_outcome
from pg_guard.execute.inforce import InForce, policy_version, version_in
from pg_guard.execute.plans import Plan, permitted_plan
from pg_guard.guard import Guard
from pg_guard.observe.audit import Outcome
from pg_guard.observe.observer import Observer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from pg_guard.decision import Decision
    from pg_guard.execute.inforce import RefreshOutcome
    from pg_guard.execute.values import Json
    from pg_guard.observe.audit import Auditor, Entry, Operation
    from pg_guard.policy.load import LoadedPolicy
    from pg_guard.resilience.guarded import Resilience
    from pg_guard.settings import CacheSettings, DatabaseSettings

__all__ = ["Checked", "Database", "Health"]

T = TypeVar("T")

# A text longer than this is checked in a thread, so that other requests are answered meanwhile.
_LONG_TEXT = 50_000
# What was allowed just before a database was replaced may not have begun to run.
_SECONDS_TO_BEGIN = 2.0


class Checked(NamedTuple):
    """A decision, the guard that made it, its record in the audit log, where there is one, and settings that tell who asks."""

    decision: Decision
    guard: Guard
    entry: Entry | None = None
    settings: tuple[tuple[str, str], ...] = ()


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
        pool_max: Connections at most.
        in_force: The guard that decides.
    """

    def __init__(
        self,
        name: str,
        settings: DatabaseSettings,
        in_force: InForce,
        executor: Executor,
        resilience: Resilience | None,
        auditor: Auditor | None = None,
        observer: Observer | None = None,
    ) -> None:
        self.name = name
        self.description = settings.description
        self.pool_max = settings.pool_max
        self.in_force = in_force
        self._executor = executor
        self._resilience = resilience
        self._auditor = auditor
        self._observer = observer or Observer()
        self._building = asyncio.Lock()
        self._derived: dict[str, tuple[Guard, Any]] = {}
        self._connections = uuid.uuid4().hex
        self._running = 0
        self._idle = asyncio.Event()
        self._retired = False

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
            settings: How to reach it, and the role.
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
        in_force = InForce(name, dsn, guard, policy.files)
        executor = await Executor.open(
            dsn,
            min_size=settings.pool_min,
            max_size=settings.pool_max,
            search_path=guard.search_path,
            role=settings.role,
            # After a failover, or a restore, nothing need be as it was.
            on_other_server=in_force.refresh_soon if cache.auto_refresh else None,
        )
        in_force.refresh_every(cache.interval if cache.auto_refresh else None)
        return cls(name, settings, in_force, executor, resilience, auditor, observer)

    async def close(self) -> None:
        """Stop refreshing, and close all connections."""
        self._retired = True
        await self.in_force.close()
        await self._executor.close()

    def retire(self) -> None:
        """Decide nothing any more: another has taken its place. What was allowed before still runs."""
        self._retired = True

    async def close_when_idle(self) -> None:
        """Close when the statements that were allowed have ended."""
        await self.in_force.close()
        await asyncio.sleep(_SECONDS_TO_BEGIN)
        while self._running:
            self._idle.clear()
            await self._idle.wait()
        await self._executor.close()

    @property
    def guard(self) -> Guard:
        """The guard of the newest catalog and the newest policy."""
        return self.in_force.guard

    @property
    def version(self) -> str:
        """Another one for each policy and each set of connections: what one gave is not handed out under the next."""
        return f"{self._connections}:{policy_version(self.guard)}"

    def version_of(self, decision: Decision) -> str:
        """The version that a decision of this database was made under."""
        return f"{self._connections}:{version_in(decision.digests)}"

    @property
    def age_seconds(self) -> float:
        """Seconds since the catalog was read."""
        return self.in_force.age_seconds

    @property
    def last_error(self) -> str:
        """Why the last reading of the catalog failed, or ''."""
        return self.in_force.last_error

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
        guard = self.guard
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
            DatabaseError: Another has taken its place.
        """
        if self._retired:
            raise DatabaseError(
                f"the connections to {self.name} have just been replaced", hint="ask again", transient=True
            )
        guard = self.guard
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
                    sql,
                    *args,
                    search_path=guard.search_path,
                    max_cost=most,
                    settings=checked.settings,
                    caps=_caps(guard),
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
                    sql, *args, search_path=guard.search_path, settings=checked.settings, caps=_caps(guard)
                )

        async def permitted() -> Plan:
            if checked.decision.kind != "select":
                raise ExecutionError("there is no plan for this kind of statement", hint="ask for the plan of a SELECT")
            found = await self._guarded(explain, principal)
            return permitted_plan(cast("dict[str, Any]", found), checked.decision, guard)

        return await self._audited(checked, permitted)

    async def _audited(self, checked: Checked, call: Callable[[], Awaitable[T]]) -> T:
        """Do what a decision allows, and record what came of it."""
        with self._at_work():
            return await self._recorded(checked, call)

    @contextlib.contextmanager
    def _at_work(self) -> Iterator[None]:
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1
            self._idle.set()

    async def _recorded(self, checked: Checked, call: Callable[[], Awaitable[T]]) -> T:
        if self._auditor is None:
            return await call()
        if checked.entry is None:
            raise InternalError("a statement without an audit record was about to run", hint="check it first")
        started = time.perf_counter()
        try:
            found = await call()
        except Exception as error:
            await self._auditor.completed(checked.entry, failed_outcome(error, started))
            raise
        except BaseException as error:
            # Whoever cancels does not wait.
            self._auditor.abandoned(checked.entry, failed_outcome(error, started))
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
        return await self.in_force.refresh()

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


def _caps(guard: Guard) -> Caps:
    limits = guard.policy.limits
    return Caps(limits.statement_timeout, limits.rows, limits.result_bytes)


def _allowed(decision: Decision) -> str:
    if decision.sql is None:
        raise InternalError("a refused statement was about to run", hint="report it as a defect of pg-guard")
    return decision.sql
