"""The audit log as OpenTelemetry logs. In: contents of lines. Out: log records that a collector has confirmed, or a `SinkError`.

The body of a record is the line as it would stand in a file, hash included; its attributes repeat what people search for. Where
to and how is said by the standard ``OTEL_EXPORTER_OTLP_…`` variables. Nothing is buffered: an export has ended, and the collector
has said that it took every record, before any of them counts as written.

What a collector has cannot be read back, so that a process begins a chain of its own with a line ``started``. After an export
that was not confirmed nobody knows what arrived: the next one begins a new chain, whose ``started`` tells the last line that was
confirmed, so that a gap between the two shows.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import datetime
import logging
import os
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from pg_guard.observe.audit_lines import Content, Head
from pg_guard.observe.audit_sinks import SinkError, now

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import requests
    from opentelemetry.sdk._logs import ReadableLogRecord

    from pg_guard.observe.audit_anchors import Anchors

__all__ = ["Link", "OtelSink", "OtlpLink", "attributes_of"]

SCOPE: Final = "pg_guard.audit"
_INSTALL: Final = "install pg-guard[otel]"
# A collector takes requests of 20 MB unless it is told otherwise, and a line can have a megabyte.
_MOST_BYTES: Final = 4_000_000
_MOST_LINES: Final = 500
_NANOSECONDS: Final = 1_000_000_000
_SECONDS_TO_CLOSE: Final = 2.0

_log = logging.getLogger(__name__)


class _Line(NamedTuple):
    """A line as it is sent."""

    content: Content
    text: str
    head: Head


class Link(Protocol):
    """The way to a collector. Blocking; one `send` runs at a time."""

    def send(self, lines: Sequence[tuple[Content, str]]) -> None:
        """Send lines in one request, and wait until they are confirmed; raises `SinkError`."""

    def close(self) -> None:
        """Let go."""


class OtelSink:
    """A collector of OpenTelemetry logs.

    Args:
        connect: Makes the way to the collector; raises `SinkError`.
        anchors: Where the chain's end is noted.
    """

    def __init__(self, connect: Callable[[], Link], *, anchors: Anchors | None = None) -> None:
        self._connect = connect
        self._anchors = anchors
        self._link: Link | None = None
        self._head: Head | None = None
        self._confirmed: Head | None = None

    def __repr__(self) -> str:
        return "OtelSink()"

    async def open(self) -> None:
        """Begin a chain, which shows that the collector takes records."""
        await self.append(())

    async def append(self, contents: Sequence[Content]) -> None:
        """Send lines; a collector may take its time, so that a thread waits for it."""
        await asyncio.to_thread(self._append, contents)

    def _append(self, contents: Sequence[Content]) -> None:
        if self._link is None:
            self._link = self._connect()
        written, begun = 0, self._head is None
        head = self._head or Head.new()
        waiting = [self._started(), *contents] if begun else list(contents)
        for batch in _batches(waiting, head):
            # Until it is confirmed, nobody knows what has arrived.
            self._head = None
            try:
                self._link.send([(line.content, line.text) for line in batch])
            except SinkError as error:
                raise SinkError(max(0, written - begun), error.message) from None
            written += len(batch)
            self._head = self._confirmed = batch[-1].head
            if self._anchors is not None:
                self._anchors.note_due(line.head for line in batch)

    def _started(self) -> Content:
        after = self._confirmed._asdict() if self._confirmed is not None else None
        return {"event": "started", "time": now(), "after": after}

    async def close(self) -> None:
        """Note the chain's end, and let go of the collector."""
        if self._anchors is not None and self._confirmed is not None:
            self._anchors.note(self._confirmed)
        if self._link is not None:
            with contextlib.suppress(Exception):
                async with asyncio.timeout(_SECONDS_TO_CLOSE):
                    await asyncio.to_thread(self._link.close)


def _batches(contents: Sequence[Content], head: Head) -> list[list[_Line]]:
    """The lines in their order, in requests that a collector takes."""
    batches: list[list[_Line]] = []
    size = 0
    for content in contents:
        data, head = head.link(content)
        line = _Line(content, data.decode("ascii").rstrip("\n"), head)
        if not batches or size + len(data) > _MOST_BYTES or len(batches[-1]) >= _MOST_LINES:
            batches.append([])
            size = 0
        batches[-1].append(line)
        size += len(data)
    return batches


def attributes_of(content: Content) -> dict[str, Any]:
    """What of a line is repeated as attributes, for those who search; the hash is of the body alone."""
    principal, decision = content.get("principal") or {}, content.get("decision") or {}
    client = principal.get("client")
    rules = sorted({str(each["rule"]) for each in decision.get("findings", ()) if each.get("effect") == "deny"})
    found = {
        "pg_guard.audit.event": content.get("event"),
        "pg_guard.decision.id": content.get("decision_id"),
        "pg_guard.decision.effect": decision.get("effect"),
        "pg_guard.decision.rules": rules or None,
        "pg_guard.operation": content.get("operation"),
        "pg_guard.question.id": content.get("question_id"),
        "pg_guard.client": client if client is None else str(client),
        "pg_guard.status": content.get("status"),
        "db.system.name": "postgresql",
        "db.namespace": content.get("database"),
        "db.response.returned_rows": content.get("rows"),
        "db.response.status_code": content.get("sqlstate"),
        "error.type": content.get("error"),
    }
    return {name: value for name, value in found.items() if value is not None}


class OtlpLink:
    """OTLP over HTTP, as the ``OTEL_EXPORTER_OTLP_…`` variables say.

    Args:
        timeout: Seconds that a request may take, further tries included.
        environment: The variables.

    Raises:
        SinkError: The extra is not installed, or the variables ask for something else.
    """

    def __init__(self, *, timeout: float = 5.0, environment: Mapping[str, str] = os.environ) -> None:
        problem = _contradiction(environment)
        if problem:
            raise SinkError(0, problem)
        try:
            from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
            from opentelemetry.sdk._logs import ReadableLogRecord
            from opentelemetry.sdk.resources import SERVICE_NAME, Resource
            from opentelemetry.sdk.util.instrumentation import InstrumentationScope

            from pg_guard.observe.audit_confirmed import confirming_session
        except ImportError as error:
            raise SinkError(0, f"OpenTelemetry: {error.name} is not installed, or too old: {_INSTALL}") from None
        named = environment.get("OTEL_SERVICE_NAME") or "service.name=" in environment.get(
            "OTEL_RESOURCE_ATTRIBUTES", ""
        )
        own = {} if named else {SERVICE_NAME: "pg-guard"}
        self._record: Callable[..., ReadableLogRecord] = ReadableLogRecord
        self._resource = Resource.create(own)
        self._scope = InstrumentationScope(SCOPE)
        self._session: requests.Session
        self._session, self._why = confirming_session(timeout)
        try:
            self._exporter = OTLPLogExporter(timeout=timeout, session=self._session)
        except Exception as error:  # noqa: BLE001 - whatever a variable holds
            raise SinkError(0, f"OpenTelemetry: the exporter cannot be made ({type(error).__name__})") from None

    def __repr__(self) -> str:
        return "OtlpLink()"

    def send(self, lines: Sequence[tuple[Content, str]]) -> None:
        """Send lines in one request, and wait until the collector has taken all of them."""
        from opentelemetry.sdk._logs.export import LogRecordExportResult

        self._why.clear()
        # Of the request that is waited for first, and not of these lines, is the context that is current here.
        records = contextvars.Context().run(lambda: [self._made(content, text) for content, text in lines])
        try:
            result = self._exporter.export(records)
        except Exception as error:  # noqa: BLE001 - whatever fails, the lines are not confirmed
            raise SinkError(0, f"OpenTelemetry: {type(error).__name__}") from None
        if result is not LogRecordExportResult.SUCCESS:
            raise SinkError(0, f"OpenTelemetry: not confirmed: {self._why[-1] if self._why else 'no answer in time'}")

    def _made(self, content: Content, text: str) -> ReadableLogRecord:
        from opentelemetry._logs import LogRecord, SeverityNumber

        refused = (content.get("decision") or {}).get("effect") == "deny" or content.get("status") == "error"
        record = LogRecord(
            timestamp=_nanoseconds(content),
            severity_text="WARN" if refused else "INFO",
            severity_number=SeverityNumber.WARN if refused else SeverityNumber.INFO,
            body=text,
            attributes=attributes_of(content),
            event_name=f"{SCOPE}.{content['event']}",
        )
        return self._record(record, self._resource, self._scope)

    def close(self) -> None:
        """End the connection; a try that waits is given up."""
        self._exporter.shutdown()  # type: ignore[no-untyped-call]  # the library's own lack


def _contradiction(environment: Mapping[str, str]) -> str:
    """What the variables say against a sink of OpenTelemetry; '' when nothing."""

    def value(name: str) -> str:
        return environment.get(name, "").strip().lower()

    if value("OTEL_SDK_DISABLED") == "true":
        return "OpenTelemetry: OTEL_SDK_DISABLED is true"
    if value("OTEL_LOGS_EXPORTER") not in ("", "otlp"):
        return "OpenTelemetry: OTEL_LOGS_EXPORTER is not otlp"
    protocol = value("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL") or value("OTEL_EXPORTER_OTLP_PROTOCOL")
    if protocol not in ("", "http/protobuf"):
        return "OpenTelemetry: OTEL_EXPORTER_OTLP_PROTOCOL is not http/protobuf"
    return ""


def _nanoseconds(content: Content) -> int:
    moment = datetime.datetime.fromisoformat(str(content["time"]))
    seconds = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    # Integers: a float of nanoseconds loses the last digits.
    return (moment - seconds) // datetime.timedelta(microseconds=1) * 1_000
