"""The audit log. In: decisions, and what came of them. Out: two lines a statement, the first durable before the statement runs.

    decided    → one line with the decision record, for refused statements as well
    (the statement runs)
    completed  → one line that refers to it: rows, duration, error code

When a line cannot be written the log fails closed: the statement is not run, or its rows are not handed out, and the client is
told AUDIT_UNAVAILABLE. Under ``fail: open`` it goes on, with a warning in the server's log.
"""

from __future__ import annotations

import asyncio
import logging
import os
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Protocol, TypeAlias

from pg_guard.errors import PgGuardError, UsageError
from pg_guard.observe.audit_anchors import Anchors
from pg_guard.observe.audit_file import AuditFile, Rotation
from pg_guard.observe.audit_masking import Masker, read_key
from pg_guard.observe.audit_sinks import FileSink, Sink, SinkError, StreamSink, now

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pg_guard.decision import Decision
    from pg_guard.observe.audit_lines import Content
    from pg_guard.settings import AuditSettings

__all__ = ["AuditLog", "AuditUnavailable", "Auditor", "Entry", "Operation", "Outcome", "open_audit_log"]

Operation: TypeAlias = Literal["run", "explain", "check"]
Status: TypeAlias = Literal["ok", "error", "cancelled"]

# A statement that is longer is refused by any policy; its first part and its digest tell which it was.
_MOST_CHARACTERS: Final = 65_536
# Findings can be many on such a text.
_MOST_FINDINGS: Final = 200

_log = logging.getLogger(__name__)


class AuditUnavailable(PgGuardError):  # noqa: N818 - named for what a client is told
    """The audit log cannot be written, and the statement was not run or its rows are not handed out."""

    code = "AUDIT_UNAVAILABLE"

    def __init__(self) -> None:
        # Where and why is for the operator's log, not for clients.
        super().__init__("the audit log cannot be written", hint="try again later, and tell the server's operator")


class Entry(NamedTuple):
    """A decision that was recorded: its id, and whether the record was written."""

    decision_id: str
    recorded: bool


class Outcome(NamedTuple):
    """What came of a statement.

    Attributes:
        status: It ended well, with an error, or was cancelled.
        duration_ms: From the decision's record to the end.
        rows: Rows that were handed out; None where there are none to count.
        truncated: There were more.
        error: The code of the error, or ''.
        sqlstate: PostgreSQL's code, or ''.
    """

    status: Status
    duration_ms: float
    rows: int | None = None
    truncated: bool = False
    error: str = ""
    sqlstate: str = ""


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


@dataclass(eq=False, slots=True)
class _Waiting:
    """A line that is to be written, and who waits for it."""

    content: Content
    done: asyncio.Future[None]


class AuditLog:
    """An `Auditor` that writes to a sink.

    Lines of statements that come at the same time are written together: one wait for the disk serves them all.

    Args:
        sink: Where lines go.
        masker: What is masked in them.
        fail: What happens to a statement when its line cannot be written.
        timeout: Seconds that a line may take.

    Attributes:
        lines: Lines that were written.
        failures: Lines that could not be written.
        last_error: Why the last one could not; '' when the newest could.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        masker: Masker | None = None,
        fail: Literal["closed", "open"] = "closed",
        timeout: float = 5.0,
    ) -> None:
        self.lines = 0
        self.failures = 0
        self.last_error = ""
        self._sink = sink
        self._masker = masker or Masker()
        self._fail = fail
        self._timeout = timeout
        self._waiting: list[_Waiting] = []
        self._writing: asyncio.Task[None] | None = None

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
        content: Content = {
            "event": "decision",
            "time": now(),
            "decision_id": decision_id,
            "operation": operation,
            "database": database,
            "principal": _principal(principal),
            "question_id": question_id,
            "masking": self._masker.described,
            "decision": self._masker.mask(_shortened(decision.to_dict())),
        }
        return Entry(decision_id, await self._write(content))

    async def completed(self, entry: Entry, outcome: Outcome) -> None:
        """Record what came of a statement.

        Raises:
            AuditUnavailable: The line could not be written, and the log fails closed.
        """
        await self._write(_completion(entry, outcome), always=True)

    def abandoned(self, entry: Entry, outcome: Outcome) -> None:
        """The same where nobody can wait, as in a call that was cancelled; a failure is logged."""
        self._enqueue(_completion(entry, outcome))

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
        done = self._enqueue(content)
        try:
            async with asyncio.timeout(self._timeout):
                await (asyncio.shield(done) if always else done)
        except TimeoutError:
            self._failed(f"not written within {self._timeout:g} s")
        except SinkError:
            pass
        else:
            return True
        if self._fail == "closed":
            raise AuditUnavailable from None
        _log.warning("audit log: a %s goes on without its record (fail: open)", content["event"])
        return False

    def _enqueue(self, content: Content) -> asyncio.Future[None]:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.add_done_callback(_retrieve)
        self._waiting.append(_Waiting(content, done))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_waiting())
        return done

    async def _write_waiting(self) -> None:
        while self._waiting:
            # Whoever gave up waiting has told its client that there is no record.
            batch = [each for each in self._waiting if not each.done.done()]
            self._waiting.clear()
            written, error = len(batch), None
            try:
                await self._sink.append([each.content for each in batch])
            except SinkError as failure:
                written, error = failure.written, failure
            except Exception as failure:  # noqa: BLE001 - whatever fails, nobody may wait forever
                written, error = 0, SinkError(0, f"unexpected {type(failure).__name__}")
            self.lines += written
            if error is None:
                self.last_error = ""
            else:
                self._failed(error.message, len(batch) - written)
            for number, each in enumerate(batch):
                if each.done.done():
                    continue
                if number < written or error is None:
                    each.done.set_result(None)
                else:
                    each.done.set_exception(error)

    def _failed(self, why: str, count: int = 1) -> None:
        self.failures += count
        self.last_error = why
        _log.error("audit log: %d line(s) not written: %s", count, why)


def _retrieve(done: asyncio.Future[None]) -> None:
    """Take notice of an error that nobody waits for; it is logged already."""
    if not done.cancelled():
        done.exception()


def _principal(principal: Mapping[str, object] | None) -> dict[str, Any] | None:
    if principal is None:
        return None
    rest = {name: value for name, value in principal.items() if name not in ("client", "subject")}
    return {"client": principal.get("client"), "subject": principal.get("subject"), "attributes": rest}


def _shortened(record: dict[str, Any]) -> dict[str, Any]:
    """A record without the rest of a text that is longer than any policy takes: nobody fills the disk with refused texts."""
    sql = record["sql"]
    return record | {
        "statement": record["statement"][:_MOST_CHARACTERS],
        "sql": sql if sql is None else sql[:_MOST_CHARACTERS],
        "findings": record["findings"][:_MOST_FINDINGS],
    }


def _completion(entry: Entry, outcome: Outcome) -> Content:
    return {
        "event": "outcome",
        "time": now(),
        "decision_id": entry.decision_id,
        "status": outcome.status,
        "duration_ms": round(outcome.duration_ms, 3),
        "rows": outcome.rows,
        "truncated": outcome.truncated,
        "error": outcome.error or None,
        "sqlstate": outcome.sqlstate or None,
    }


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
    sink = _sink(settings)
    try:
        await sink.open()
    except SinkError as error:
        if settings.fail == "closed":
            await sink.close()
            raise UsageError(
                f"the audit log cannot be written: {error.message}", hint="check audit.path or audit.dsn"
            ) from None
        _log.warning("the audit log cannot be written: %s", error.message)
    return AuditLog(sink, masker=masker, fail=settings.fail, timeout=settings.timeout)


def _sink(settings: AuditSettings) -> Sink:
    if settings.sink == "stdout":
        # A descriptor of its own: what else is printed later cannot close it.
        return StreamSink(os.dup(1))
    if settings.sink == "postgresql":
        from pg_guard.observe.audit_store import StoreSink

        assert settings.dsn is not None  # the settings demand it
        return StoreSink(settings.dsn.get_secret_value(), timeout=settings.timeout)
    assert settings.path is not None  # as above
    anchors = Anchors(settings.anchors, settings.anchor_every) if settings.anchors is not None else None
    file = AuditFile(
        settings.path,
        fsync=settings.fsync,
        interval=settings.fsync_interval,
        rotation=Rotation(settings.rotate_bytes, settings.rotate_seconds),
        anchors=anchors,
    )
    return FileSink(file, settings.fsync_interval if settings.fsync == "interval" else 0.0)
