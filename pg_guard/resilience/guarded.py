"""Resilience of one server. In: settings. Out: slots, rate limits, retries, circuits, idempotency; their state for health.

Retries are stamina's, circuits purgatory's, rate limits those of `limits`. With `redis_url` circuits and rate limits are
shared by all replicas; when Redis does not answer, each replica goes on with its own.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any, TypeVar

import stamina
from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import MovingWindowRateLimiter
from limits.storage import storage_from_string
from purgatory import AsyncCircuitBreakerFactory
from purgatory.domain.model import HalfOpenedState, OpenedState
from purgatory.service._async.unit_of_work import AsyncRedisUnitOfWork

from pg_guard.errors import UsageError
from pg_guard.resilience.clock import Openings, WallClock
from pg_guard.resilience.errors import CircuitOpen, RateLimited
from pg_guard.resilience.once import Once
from pg_guard.resilience.slots import Slots

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from purgatory.service._async.unit_of_work import AsyncAbstractUnitOfWork
    from redis.asyncio import ConnectionPool

    from pg_guard.settings import CallSettings, ResilienceSettings

__all__ = ["Resilience"]

T = TypeVar("T")

_log = logging.getLogger(__name__)


def is_transient(error: BaseException) -> bool:
    """May the same request succeed in a moment? Errors say so themselves, by an attribute `transient`."""
    return bool(getattr(error, "transient", False))


class _QuietError(Exception):
    """Carries an error that says nothing against the other side past the circuit."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


class Resilience:
    """Everything of `pg_guard.settings.ResilienceSettings` in force. Make it inside of a running event loop.

    Raises:
        UsageError: `redis_url` is given, and the `redis` package is not installed.
    """

    def __init__(self, settings: ResilienceSettings) -> None:
        self._settings = settings
        queue = {"queue_size": settings.queue_size, "timeout": settings.queue_timeout}
        self._queries = Slots("statements", concurrency=settings.database.concurrency, **queue)  # type: ignore[arg-type]  # one dict, two types
        self._models = Slots("model calls", concurrency=settings.model.concurrency, **queue)  # type: ignore[arg-type]  # as above
        self._own_rates = MovingWindowRateLimiter(MemoryStorage())
        self._rates = self._own_rates
        self._own_circuits = self._circuit_factory(None)
        self._circuits = self._own_circuits
        self._once = Once()
        self._states: dict[str, str] = {}
        self._openings = Openings()
        self._wall_clock = WallClock()
        self._pool: ConnectionPool | None = None
        if settings.redis_url is not None:
            self._share(settings.redis_url.get_secret_value())

    def _share(self, url: str) -> None:
        try:
            from redis.asyncio import ConnectionPool, Redis

            pool = ConnectionPool.from_url(url)
            options: dict[str, Any] = {"implementation": "redispy", "connection_pool": pool}
            storage = storage_from_string(f"async+{url}", **options)
            unit = AsyncRedisUnitOfWork(url)
        except Exception as error:  # noqa: BLE001 - of three libraries
            raise UsageError(
                f"the shared state cannot be set up ({type(error).__name__})",
                hint="install pg-guard[redis], and give redis_url as redis://host:6379/0",
            ) from None
        # One pool for both, which `close` can close.
        vars(unit.contexts)["redis"] = Redis(connection_pool=pool)
        self._pool = pool
        self._circuits = self._circuit_factory(unit)
        self._rates = MovingWindowRateLimiter(storage)

    def adopt(self, settings: ResilienceSettings) -> None:
        """Other limits from now on; counts, circuits and the place of the shared state stay."""
        self._settings = settings
        queue = {"queue_size": settings.queue_size, "timeout": settings.queue_timeout}
        self._queries.resize(concurrency=settings.database.concurrency, **queue)  # type: ignore[arg-type]  # one dict, two types
        self._models.resize(concurrency=settings.model.concurrency, **queue)  # type: ignore[arg-type]  # as above

    def forget_database(self, name: str) -> None:
        """Tell no more of the circuit of a database that is gone."""
        self._states.pop(f"database:{name}", None)

    async def close(self) -> None:
        """Close the connections to the shared state."""
        if self._pool is not None:
            await self._pool.disconnect()

    def _circuit_factory(self, uow: AsyncAbstractUnitOfWork | None) -> AsyncCircuitBreakerFactory:
        factory = AsyncCircuitBreakerFactory(
            # A cancelled call and an error of the request itself tell nothing about the other side.
            exclude=[_QuietError, (BaseException, lambda error: not isinstance(error, Exception))],
            uow=uow,
        )
        factory.add_listener(self._note_state)
        return factory

    def _note_state(self, name: str, kind: str, event: Any) -> None:
        if kind == "state_changed":
            self._states[name] = event.state
            if event.opened_at is not None:
                self._openings.seconds(name, event.opened_at)
            _log.warning("circuit %s: %s", name, event.state)

    # -- slots and rates -----------------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def query_slot(self, principal: str | None = None) -> AsyncIterator[None]:
        """A slot for one statement.

        Args:
            principal: Who asks, for `requests_per_minute`.

        Raises:
            RateLimited: This principal asks too much.
            Busy: Too many wait.
        """
        await self._count(principal)
        async with self._queries.slot():
            yield

    @contextlib.asynccontextmanager
    async def model_slot(self) -> AsyncIterator[None]:
        """A slot for one model call.

        Raises:
            Busy: Too many wait.
        """
        async with self._models.slot():
            yield

    async def _count(self, principal: str | None) -> None:
        most = self._settings.requests_per_minute
        if not most:
            return
        item, who = RateLimitItemPerMinute(most), principal or "anonymous"
        if self._wall_clock.was_set_back():
            # The library would take what it has counted for requests of the future, and admit none until then.
            shared, self._own_rates = self._rates is not self._own_rates, MovingWindowRateLimiter(MemoryStorage())
            self._rates = self._rates if shared else self._own_rates
        try:
            admitted = await self._rates.hit(item, who)
        except Exception as error:  # noqa: BLE001 - without the shared state each replica counts for itself
            _log.warning("rate limits are not shared: %s", type(error).__name__)
            admitted = await self._own_rates.hit(item, who)
        if not admitted:
            raise RateLimited(f"more than {most} requests in a minute", hint="wait a minute")

    # -- calls ---------------------------------------------------------------------------------------------------------

    async def call_model(self, name: str, call: Callable[[], Awaitable[T]]) -> T:
        """Call a model: retried after transient errors, refused at once while its circuit is open.

        Raises:
            CircuitOpen: It has failed too often.
        """
        return await self._call(f"model:{name}", self._settings.model, call)

    async def call_database(self, name: str, call: Callable[[], Awaitable[T]]) -> T:
        """The same for a database. Only what has changed nothing may be retried, which holds for all that the guard runs."""
        return await self._call(f"database:{name}", self._settings.database, call)

    async def _call(self, circuit: str, settings: CallSettings, call: Callable[[], Awaitable[T]]) -> T:
        attempts = stamina.retry_context(
            on=is_transient_exception,
            attempts=settings.retries + 1,
            timeout=None,
            wait_initial=settings.retry_delay,
            wait_max=settings.retry_max_delay,
            wait_jitter=settings.retry_delay,
            wait_exp_base=settings.backoff_factor,
        )
        async for attempt in attempts:
            with attempt:
                return await self._once_through(circuit, settings, call)
        raise AssertionError("the last attempt returns or raises")

    async def _once_through(self, circuit: str, settings: CallSettings, call: Callable[[], Awaitable[T]]) -> T:
        limits: dict[str, Any] = {"threshold": settings.breaker_threshold, "ttl": settings.breaker_recovery}
        try:
            breaker = await self._circuits.get_breaker(circuit, **limits)
        except Exception as error:  # noqa: BLE001 - without the shared state each replica has circuits of its own
            _log.warning("circuits are not shared: %s", type(error).__name__)
            breaker = await self._own_circuits.get_breaker(circuit, **limits)
        # A circuit keeps the limits that it was made with, and these can change.
        breaker.context.threshold, breaker.context.ttl = settings.breaker_threshold, settings.breaker_recovery
        self._states.setdefault(circuit, breaker.context.state)
        opened_at = breaker.context.opened_at
        wait = 0.0
        if opened_at is not None:
            wait = max(0.0, settings.breaker_recovery - self._openings.seconds(circuit, opened_at))
            if not wait:
                # The library reckons by the time of day: of a clock that was set back it would wait for all of that.
                breaker.context.set_state(HalfOpenedState())
        try:
            async with breaker:
                try:
                    return await call()
                except Exception as error:
                    if is_transient(error):
                        raise
                    raise _QuietError(error) from None
        except _QuietError as quiet:
            raise quiet.error from None
        except OpenedState:
            raise CircuitOpen(
                f"{circuit.replace(':', ' ')} has failed too often",
                hint=f"it is tried again in {wait:.0f} s",
                retry_after=wait,
            ) from None

    async def once(
        self, key: str | None, request: str, answer: Callable[[], Awaitable[T]], size: Callable[[T], int] = lambda _: 0
    ) -> T:
        """Answer a request once per idempotency key; see `Once.run`. Without a key it is simply answered."""
        return await answer() if key is None else await self._once.run(key, request, answer, size)

    def snapshot(self) -> dict[str, Any]:
        """How full the slots are, and the state of each circuit: ``closed``, ``opened`` or ``half-opened``."""
        return {
            "queries": {"running": self._queries.running, "waiting": self._queries.waiting},
            "models": {"running": self._models.running, "waiting": self._models.waiting},
            "queue_size": self._settings.queue_size,
            "circuits": dict(self._states),
        }


def is_transient_exception(error: Exception) -> bool:
    """`is_transient` for stamina."""
    return is_transient(error)
