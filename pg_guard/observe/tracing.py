"""Traces. In: the standard ``OTEL_…`` variables. Out: spans that OpenTelemetry exports; nothing, at no cost, without them.

The MCP library takes the client's trace context from the ``_meta`` of a request and makes a span of the request; the spans here
are children of that one. No span holds a question, a statement, a value or the text of an error.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span as OtelSpan

__all__ = ["Span", "Tracing", "is_configured", "open_tracing"]

_SECONDS_TO_EXPORT: Final = 2.0
_SOURCES: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_TRACES_EXPORTER")

_log = logging.getLogger(__name__)


class Span:
    """A part of the work, for a trace; without a trace it keeps nothing."""

    __slots__ = ("_span",)

    def __init__(self, span: OtelSpan | None = None) -> None:
        self._span = span

    def set(self, **attributes: Any) -> None:
        """Add attributes; a double underscore in a name stands for a dot, and None is left out."""
        if self._span is not None:
            for name, value in attributes.items():
                if value is not None:
                    self._span.set_attribute(name.replace("__", "."), value)

    def failed(self, code: str) -> None:
        """It ended with an error, which is told by its code alone."""
        if self._span is not None:
            from opentelemetry.trace import StatusCode

            self._span.set_attribute("error.type", code)
            self._span.set_status(StatusCode.ERROR, code)


NO_SPAN: Final = Span()


class Tracing:
    """Makes spans.

    Args:
        provider: Where they go; it is shut down by `close`.
    """

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("pg_guard")

    @contextlib.contextmanager
    def span(self, name: str, **attributes: Any) -> Iterator[Span]:
        """A span around a block; it becomes the parent of those inside."""
        with self._tracer.start_as_current_span(name, record_exception=False, set_status_on_exception=False) as current:
            span = Span(current)
            span.set(**attributes)
            try:
                yield span
            except BaseException as error:
                span.failed(str(getattr(error, "code", "") or type(error).__name__))
                raise

    def close(self) -> None:
        """Export what is left, for two seconds at most."""
        # An exporter whose other side does not answer waits for long, and nothing can cancel it.
        ending = threading.Thread(target=self._provider.shutdown, name="pg-guard traces", daemon=True)
        ending.start()
        ending.join(_SECONDS_TO_EXPORT)


def is_configured(environment: Mapping[str, str] = os.environ) -> bool:
    """Do the variables name an exporter?"""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if environment.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none":
        return False
    return any(environment.get(name, "").strip() for name in _SOURCES)


def open_tracing(environment: Mapping[str, str] = os.environ, *, service: str = "pg-guard") -> Tracing | None:
    """Tracing as the variables say, for the whole process; None where they say nothing, or nothing that is there.

    Args:
        environment: Where the variables are.
        service: What the deployment calls itself, where they do not say it.
    """
    if not is_configured(environment):
        return None
    try:
        provider = _provider(environment, service)
    except ImportError as error:
        _log.warning("no traces: %s is not installed; install pg-guard[otel]", error.name)
        return None
    if provider is None:
        return None
    from opentelemetry import trace

    # For the spans of the MCP library.
    trace.set_tracer_provider(provider)
    return Tracing(provider)


def _provider(environment: Mapping[str, str], service: str) -> TracerProvider | None:
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor

    from pg_guard.observe.spans import CleanExporter

    # The standard variables win: whoever runs a collector knows what they call things.
    named = environment.get("OTEL_SERVICE_NAME") or "service.name=" in environment.get("OTEL_RESOURCE_ATTRIBUTES", "")
    own = {} if named else {SERVICE_NAME: service}
    provider = TracerProvider(resource=Resource.create(own), shutdown_on_exit=False)
    found = False
    for name in environment.get("OTEL_TRACES_EXPORTER", "otlp").lower().split(","):
        match name.strip():
            case "otlp" | "":
                from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

                provider.add_span_processor(BatchSpanProcessor(CleanExporter(OTLPSpanExporter())))
            case "console":
                import sys

                # Standard output belongs to the protocol.
                provider.add_span_processor(SimpleSpanProcessor(CleanExporter(ConsoleSpanExporter(out=sys.stderr))))
            case other:
                _log.warning("no traces to %s: OTEL_TRACES_EXPORTER takes otlp, console and none", other)
                continue
        found = True
    return provider if found else None
