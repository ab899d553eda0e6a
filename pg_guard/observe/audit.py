"""The audit log. In: decisions, and what came of them. Out: two lines a statement, the first durable before the statement runs.

    decided    → one line with the decision record, for refused statements as well
    (the statement runs)
    completed  → one line that refers to it: rows, duration, error code

When a line cannot be written the log fails closed: the statement is not run, or its rows are not handed out, and the client is
told AUDIT_UNAVAILABLE. Under ``fail: open`` it goes on, with a warning in the server's log.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, Protocol

from pg_guard.errors import PgGuardError, UsageError
from pg_guard.observe.audit_anchors import Anchors
from pg_guard.observe.audit_content import (
    Entry,
    Operation,
    Outcome,
    content_of_decision,
    content_of_outcome,
)
from pg_guard.observe.audit_file import AuditFile, Retention, Rotation
from pg_guard.observe.audit_masking import Masker, read_key
from pg_guard.observe.audit_sinks import FileSink, Sink, SinkError, StreamSink

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pg_guard.decision import Decision
    from pg_guard.observe.audit_lines import Content
    from pg_guard.settings import AuditSettings

__all__ = ["AuditLog", "AuditState", "AuditUnavailable", "Auditor", "Entry", "Operation", "Outcome", "open_audit_log"]

_HINTS: Final = {
    "file": "check audit.path",
    "stdout": "standard output is closed",
    "postgresql": "check audit.dsn",
    "opentelemetry": "check OTEL_EXPORTER_OTLP_ENDPOINT, and that pg-guard[otel] is installed",
}

_log = logging.getLogger(__name__)


class AuditUnavailable(PgGuardError):  # noqa: N818 - named for what a client is told
    """The audit log cannot be written, and the statement was not run or its rows are not handed out."""

    code = "AUDIT_UNAVAILABLE"

    def __init__(self) -> None:
        # Where and why is for the operator's log, not for clients.
        super().__init__("the audit log cannot be written", hint="try again later, and tell the server's operator")


class Auditor(Protocol):
    """Keeps the record of what was decided and what came of it."""

    async def decided(
        self,
        decision: Decision,
        *,
        database: str,
        operation: Operation,
        principal: Mapping[str, object] | None = None,
        question_id: str | None = None,
    ) -> Entry:
        """Record a decision, before its statement runs; raises `AuditUnavailable`."""

    async def completed(self, entry: Entry, outcome: Outcome) -> None:
        """Record what came of it; raises `AuditUnavailable`."""

    def abandoned(self, entry: Entry, outcome: Outcome) -> None:
        """The same where nobody can wait, as in a call that was cancelled."""


class AuditState(NamedTuple):
    """The log at a moment.

    Attributes:
        written: Lines that were written.
        failed: Lines that could not be.
        available: The newest could be.
        anchors: Anchors that were noted; None where there are to be none.
        anchors_failed: Anchors that could not be.
    """

    written: int
    failed: int
    available: bool
    anchors: int | None = None
    anchors_failed: int = 0


@dataclass(eq=False, slots=True)
class _Waiting:
    """A line that is to be written, who waits for it, and whether that has given up."""

    content: Content
    done: asyncio.Future[None]
    given_up: bool = False


class AuditLog:
    """An `Auditor` that writes to a sink.

    Lines of statements that come at the same time are written together: one wait for the disk serves them all.

    Args:
        sink: Where lines go.
        masker: What is masked in them.
        fail: What happens to a statement when its line cannot be written.
        timeout: Seconds that a line may take.
        anchors: What the sink notes its ends in, to tell how that goes.

    Attributes:
        lines: Lines that were written.
        failures: Lines that could not be written in time.
        last_error: Why the last one could not; '' when the newest could.
        seconds: How long the sink took for the newest lines; None before the first.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        masker: Masker | None = None,
        fail: Literal["closed", "open"] = "closed",
        timeout: float = 5.0,
        anchors: Anchors | None = None,
    ) -> None:
        self.lines = 0
        self.failures = 0
        self.last_error = ""
        self.seconds: float | None = None
        self._anchors = anchors
        self._sink = sink
        self._masker = masker or Masker()
        self._fail = fail
        self._timeout = timeout
        self._waiting: list[_Waiting] = []
        self._writing: asyncio.Task[None] | None = None

    @property
    def state(self) -> AuditState:
        """How it does, for metrics."""
        noted = (None, 0) if self._anchors is None else (self._anchors.noted, self._anchors.failures)
        return AuditState(self.lines, self.failures, not self.last_error, *noted)

    async def decided(
        self,
        decision: Decision,
        *,
        database: str,
        operation: Operation,
        principal: Mapping[str, object] | None = None,
        question_id: str | None = None,
    ) -> Entry:
        """Record a decision, before its statement runs.

        Args:
            decision: What was decided.
            database: The database's name.
            operation: What is to be done with the statement, if it is allowed.
            principal: Who asks.
            question_id: The question that the statement is to answer.

        Raises:
            AuditUnavailable: The line could not be written, and the log fails closed.
        """
        decision_id = str(uuid.uuid4())
        content = content_of_decision(
            decision,
            decision_id,
            self._masker,
            database=database,
            operation=operation,
            principal=principal,
            question_id=question_id,
        )
        return Entry(decision_id, await self._write(content))

    async def completed(self, entry: Entry, outcome: Outcome) -> None:
        """Record what came of a statement.

        Raises:
            AuditUnavailable: The line could not be written, and the log fails closed.
        """
        await self._write(content_of_outcome(entry, outcome), always=True)

    def abandoned(self, entry: Entry, outcome: Outcome) -> None:
        """The same where nobody can wait, as in a call that was cancelled; a failure is logged."""
        self._enqueue(content_of_outcome(entry, outcome))

    async def close(self) -> None:
        """Write what is waiting, and close the sink."""
        if self._writing is not None:
            try:
                async with asyncio.timeout(self._timeout):
                    await asyncio.gather(self._writing, return_exceptions=True)
            except TimeoutError:
                _log.error("audit log: %d lines are not written", len(self._waiting))
        await self._sink.close()

    # -- writing -------------------------------------------------------------------------------------------------------

    async def _write(self, content: Content, *, always: bool = False) -> bool:
        """Write a line and wait for it; False when it could not be written and the log fails open.

        Without `always` a line is dropped when its caller is gone before it is written: its statement does not run.
        """
        waiting = self._enqueue(content)
        try:
            async with asyncio.timeout(self._timeout):
                await (asyncio.shield(waiting.done) if always else waiting.done)
        except TimeoutError:
            # It may yet be written, and counts as a failure all the same: somebody was told so.
            waiting.given_up = True
            self._failed(f"not written within {self._timeout:g} s", 1)
        except SinkError:
            pass
        else:
            return True
        if self._fail == "closed":
            raise AuditUnavailable from None
        _log.warning("audit log: a %s goes on without its record (fail: open)", content["event"])
        return False

    def _enqueue(self, content: Content) -> _Waiting:
        waiting = _Waiting(content, asyncio.get_running_loop().create_future())
        waiting.done.add_done_callback(_retrieve)
        self._waiting.append(waiting)
        if self._writing is None or self._writing.done():
            # Of no request: it writes for all of them.
            self._writing = asyncio.create_task(self._write_waiting(), context=contextvars.Context())
        return waiting

    async def _write_waiting(self) -> None:
        while self._waiting:
            # Whoever gave up waiting has told its client that there is no record.
            batch = [each for each in self._waiting if not each.done.done()]
            self._waiting.clear()
            written, error, started = len(batch), None, time.monotonic()
            try:
                await self._sink.append([each.content for each in batch])
            except SinkError as failure:
                written, error = failure.written, failure
            except Exception as failure:  # noqa: BLE001 - whatever fails, nobody may wait forever
                written, error = 0, SinkError(0, f"unexpected {type(failure).__name__}")
            self.seconds = time.monotonic() - started
            self.lines += written
            if error is None:
                self.last_error = ""
            else:
                self._failed(error.message, sum(not each.given_up for each in batch[written:]))
            for number, each in enumerate(batch):
                if each.done.done():
                    continue
                if number < written or error is None:
                    each.done.set_result(None)
                else:
                    each.done.set_exception(error)

    def _failed(self, why: str, count: int) -> None:
        self.failures += count
        self.last_error = why
        if count:
            _log.error("audit log: %d line(s) not written: %s", count, why)
        else:
            # Whoever waited for them was told already.
            _log.warning("audit log: %s", why)


def _retrieve(done: asyncio.Future[None]) -> None:
    """Take notice of an error that nobody waits for; it is logged already."""
    if not done.cancelled():
        done.exception()


async def open_audit_log(settings: AuditSettings) -> AuditLog | None:
    """The audit log that settings describe; None where they ask for none.

    Raises:
        UsageError: The key cannot be read or is too short; or nothing can be written, and the log fails closed.
    """
    if settings.sink == "none":
        return None
    try:
        masker = Masker(settings.masking, read_key(settings))
    except OSError as error:
        raise UsageError(
            f"audit.key_file: cannot be read ({error.strerror or type(error).__name__})",
            hint="check the path and its permissions",
        ) from None
    except ValueError as error:
        raise UsageError(f"audit.key: {error}", hint="write one with `openssl rand -hex 32`") from None
    anchors = Anchors(settings.anchors, settings.anchor_every) if settings.anchors is not None else None
    sink = _sink(settings, anchors)
    log = AuditLog(sink, masker=masker, fail=settings.fail, timeout=settings.timeout, anchors=anchors)
    try:
        await sink.open()
    except SinkError as error:
        if settings.fail == "closed":
            await sink.close()
            raise UsageError(f"the audit log cannot be written: {error.message}", hint=_HINTS[settings.sink]) from None
        log.last_error = error.message
        _log.warning("the audit log cannot be written: %s", error.message)
    return log


def _sink(settings: AuditSettings, anchors: Anchors | None) -> Sink:
    if settings.sink == "stdout":
        # A descriptor of its own: what else is printed later cannot close it.
        return StreamSink(os.dup(1), anchors=anchors)
    if settings.sink == "postgresql":
        from pg_guard.observe.audit_store import StoreSink

        assert settings.dsn is not None  # the settings demand it
        return StoreSink(settings.dsn.get_secret_value(), timeout=settings.timeout, anchors=anchors)
    if settings.sink == "opentelemetry":
        from pg_guard.observe.audit_otel import OtelSink, OtlpLink

        return OtelSink(lambda: OtlpLink(timeout=settings.timeout), anchors=anchors)
    assert settings.path is not None  # as above
    file = AuditFile(
        settings.path,
        fsync=settings.fsync,
        interval=settings.fsync_interval,
        rotation=Rotation(settings.rotate_bytes, settings.rotate_seconds),
        anchors=anchors,
        retention=Retention(settings.keep_parts, settings.keep_days),
    )
    return FileSink(file, settings.fsync_interval if settings.fsync == "interval" else 0.0)
