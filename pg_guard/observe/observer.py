"""What a server tells of its work. In: decisions, statements, model calls, requests. Out: log lines, metrics and spans of them.

The parts that do the work know an `Observer` and nothing of what it writes to. One that observes nothing costs next to nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from pg_guard.observe.context import bind, request_scope
from pg_guard.observe.questions import shown_question
from pg_guard.observe.statements import shown_statement
from pg_guard.observe.tracing import NO_SPAN

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from pg_guard.decision import Decision
    from pg_guard.observe.metrics import Metrics, ServerState, Status
    from pg_guard.observe.statements import Shown
    from pg_guard.observe.tracing import Span, Tracing
    from pg_guard.settings import Settings

__all__ = ["ModelCall", "Observer", "open_observer"]

_log = logging.getLogger(__name__)


class _Counted(Protocol):
    """What a model answered, as far as it is counted."""

    @property
    def input_tokens(self) -> int: ...
    @property
    def output_tokens(self) -> int: ...


C = TypeVar("C", bound=_Counted)


class Observer:
    """Tells what happens; by itself only to the log.

    Args:
        metrics: Where things are counted.
        tracing: Where spans go.
        statements: What log lines tell of statements and questions.

    Attributes:
        last_model_call: How the last call of a model went; None before the first.
    """

    def __init__(
        self, metrics: Metrics | None = None, tracing: Tracing | None = None, statements: Shown = "none"
    ) -> None:
        self.metrics = metrics
        self.last_model_call: ModelCall | None = None
        self._tracing = tracing
        self._shown = shown_statement(statements)
        self._shown_question = shown_question(statements)

    def close(self) -> None:
        """Export what is left."""
        if self._tracing is not None:
            self._tracing.close()

    def show_statements(self, how: Shown) -> None:
        """What log lines tell of statements from now on."""
        self._shown = shown_statement(how)

    def watch(self, look: Callable[[], ServerState]) -> None:
        """How to look at the server's state."""
        if self.metrics is not None:
            self.metrics.watch(look)

    @contextlib.contextmanager
    def span(self, name: str, **attributes: Any) -> Iterator[Span]:
        """A part of the work, for traces."""
        if self._tracing is None:
            yield NO_SPAN
        else:
            with self._tracing.span(name, **attributes) as span:
                yield span

    # -- requests ------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def request(self, *, session_id: str | None = None) -> Iterator[None]:
        """Everything inside is one request of a client, with an id of its own."""
        known = {"request_id": uuid.uuid4().hex}
        if session_id is not None:
            known["session_id"] = session_id
        with request_scope(**known):
            yield

    def request_ended(
        self, *, method: str, tool: str | None, status: Status, database: str, seconds: float, code: str, counted: bool
    ) -> None:
        """A request was answered; `counted` when it was to run SQL or to answer a question."""
        if self.metrics is not None and counted:
            self.metrics.request_ended(status, database, seconds)
        level = logging.INFO if tool is not None else logging.DEBUG
        if _log.isEnabledFor(level):
            fields = {"method": method, "tool": tool, "status": status, "code": code or None}
            if database:
                fields["database"] = database
            _log.log(level, "request", extra={**fields, "duration_ms": _milliseconds(seconds)})

    def session_opened(self) -> None:
        """A client has connected."""
        if self.metrics is not None:
            self.metrics.session_opened()

    def session_closed(self) -> None:
        """It has gone."""
        if self.metrics is not None:
            self.metrics.session_closed()

    # -- decisions and statements --------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def deciding(self, database: str) -> Iterator[Span]:
        """A decision is made inside."""
        bind(database=database)
        with self.span("pg_guard.decision", db__namespace=database) as span:
            yield span

    def decided(self, database: str, decision: Decision, span: Span = NO_SPAN, decision_id: str | None = None) -> str:
        """A decision was made.

        Args:
            database: Where.
            decision: What.
            span: The decision's own.
            decision_id: Its id in the audit log, where there is one.

        Returns:
            Its id.
        """
        identifier = decision_id or uuid.uuid4().hex
        bind(database=database, decision_id=identifier)
        if self.metrics is not None:
            self.metrics.decided(decision)
        rules = sorted({finding.rule for finding in decision.findings if finding.effect == "deny"})
        span.set(
            pg_guard__decision__id=identifier,
            pg_guard__decision__effect=decision.effect,
            pg_guard__decision__rules=rules or None,
            pg_guard__statement__kind=decision.kind,
        )
        if _log.isEnabledFor(logging.INFO):
            _log.info(
                "decision",
                extra={
                    "effect": decision.effect,
                    "kind": decision.kind,
                    "rules": rules or None,
                    "duration_ms": decision.timings_us.get("total", 0) / 1000,
                    "statement": self._shown(decision.statement),
                },
            )
        return identifier

    @contextlib.asynccontextmanager
    async def executing(self, database: str) -> AsyncIterator[_Execution]:
        """A statement runs inside."""
        started = time.perf_counter()
        outcome = _Execution()
        status, code, sqlstate = "ok", None, None
        with self.span("pg_guard.execution", db__system__name="postgresql", db__namespace=database) as span:
            try:
                yield outcome
            except BaseException as error:
                status = "failed" if isinstance(error, Exception) else "cancelled"
                code = str(getattr(error, "code", "") or type(error).__name__)
                sqlstate = getattr(error, "sqlstate", "") or None
                span.set(db__response__status_code=sqlstate)
                raise
            finally:
                seconds = time.perf_counter() - started
                span.set(db__response__returned_rows=outcome.rows)
                if self.metrics is not None:
                    self.metrics.statement_ended(seconds)
                level = logging.DEBUG if status == "ok" else logging.INFO
                if _log.isEnabledFor(level):
                    _log.log(
                        level,
                        "statement",
                        extra={
                            "database": database,
                            "status": status,
                            "duration_ms": _milliseconds(seconds),
                            "rows": outcome.rows,
                            "code": code,
                            "sqlstate": sqlstate,
                        },
                    )

    # -- questions -----------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def asking(self, question: str, question_id: str) -> Iterator[_Question]:
        """A question is answered inside; whoever answers it says whether that failed."""
        bind(question_id=question_id)
        outcome = _Question()
        started = time.perf_counter()
        with self.span("pg_guard.question", pg_guard__question__id=question_id) as span:
            try:
                yield outcome
            except BaseException as error:
                outcome.code = str(getattr(error, "code", "") or type(error).__name__)
                raise
            finally:
                if outcome.code:
                    span.failed(outcome.code)
                if _log.isEnabledFor(logging.INFO):
                    _log.info(
                        "question",
                        extra={
                            "status": "failed" if outcome.code else "ok",
                            "code": outcome.code or None,
                            "duration_ms": _milliseconds(time.perf_counter() - started),
                            "question": self._shown_question(question),
                        },
                    )

    # -- models --------------------------------------------------------------------------------------------------------

    async def model_call(self, operation: str, model: str, call: Callable[[], Awaitable[C]]) -> C:
        """Make one call of a model.

        Args:
            operation: ``generate`` or ``review``.
            model: Its name.
            call: The call.
        """
        started = time.perf_counter()
        tokens, status, code = 0, "ok", None
        name = "pg_guard.review" if operation == "review" else "pg_guard.generation"
        with self.span(name, gen_ai__operation__name="chat", gen_ai__request__model=model) as span:
            try:
                completion = await call()
                tokens = completion.input_tokens + completion.output_tokens
                span.set(
                    gen_ai__usage__input_tokens=completion.input_tokens,
                    gen_ai__usage__output_tokens=completion.output_tokens,
                )
                return completion
            except BaseException as error:
                # What is no error ends a call that the client answers, and sends again.
                status = "failed" if isinstance(error, Exception) else "continued"
                status = "cancelled" if isinstance(error, asyncio.CancelledError) else status
                code = str(getattr(error, "reason", "") or getattr(error, "code", "") or type(error).__name__)
                raise
            finally:
                seconds = time.perf_counter() - started
                if status in ("ok", "failed"):
                    self.last_model_call = ModelCall(model, seconds, code or "")
                if self.metrics is not None:
                    self.metrics.model_called(operation, seconds, tokens)
                level = logging.DEBUG if status == "ok" else logging.INFO
                if _log.isEnabledFor(level):
                    extra = {"operation": operation, "model": model, "status": status, "code": code, "tokens": tokens}
                    _log.log(level, "model call", extra={**extra, "duration_ms": _milliseconds(seconds)})

    # -- policies ------------------------------------------------------------------------------------------------------

    def reloaded(self, database: str, *, successful: bool, code: str | None = None) -> None:
        """A policy was put in force; or it could not be, and the last good one stays."""
        if self.metrics is not None:
            self.metrics.reloaded(database, successful=successful)
        if successful:
            _log.info("policy in force", extra={"database": database, "status": "ok"})
        else:
            _log.error(
                "policy not in force, the one before stays",
                extra={"database": database, "status": "failed", "code": code},
            )

    def forget_database(self, name: str) -> None:
        """A database is gone."""
        if self.metrics is not None:
            self.metrics.forget_database(name)


class ModelCall(NamedTuple):
    """A call of a model: which, how long it took, and the code of its error or ''."""

    model: str
    seconds: float
    code: str


class _Question:
    """How the answer to a question ended: the code of its error, or ''."""

    __slots__ = ("code",)

    def __init__(self) -> None:
        self.code = ""


class _Execution:
    """What is known of a statement when it has ended."""

    __slots__ = ("rows",)

    def __init__(self) -> None:
        self.rows: int | None = None


def open_observer(settings: Settings) -> Observer:
    """An observer as the settings and the ``OTEL_…`` variables say; what is off is not even imported."""
    metrics = tracing = None
    if settings.observability.metrics:
        from pg_guard.observe.metrics import Metrics

        metrics = Metrics(settings.service_name)
    if settings.observability.tracing:
        from pg_guard.observe.tracing import open_tracing

        tracing = open_tracing(service=settings.service_name)
    return Observer(metrics, tracing, settings.logging.statements)


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
