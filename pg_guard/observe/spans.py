"""Spans on their way out. In: spans of this package and of the MCP library. Out: the same without what clients and errors say.

The MCP library names spans after what clients send, whatever that is, and keeps messages and tracebacks of errors, which may quote
statements and rows. A tool or method that is none of this server's is ``other``; of an error its kind stays.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter
from opentelemetry.trace.status import Status

from pg_guard.observe.names import METHODS, OTHER, TOOLS, known

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.sdk.trace.export import SpanExportResult

__all__ = ["CleanExporter", "cleaned"]

OWN: Final = "pg_guard"
_VERSION: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_KEPT: Final = ("gen_ai.operation.name", "error.type", "rpc.response.status_code")
_CODE: Final = re.compile(r"[A-Za-z0-9_.-]{1,80}")


class CleanExporter(SpanExporter):
    """Hands cleaned spans on.

    Args:
        exporter: To this one.
    """

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Export them."""
        return self._exporter.export([cleaned(span) for span in spans])

    def shutdown(self) -> None:
        """End the other one."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flush the other one."""
        return self._exporter.force_flush(timeout_millis)


def cleaned(span: ReadableSpan) -> ReadableSpan:
    """The span; one of another scope than this package's without names, messages and tracebacks of others."""
    scope = span.instrumentation_scope
    if scope is not None and scope.name == OWN:
        return span
    attributes = span.attributes or {}
    return ReadableSpan(
        _name(attributes, span.name),
        context=span.get_span_context(),
        parent=span.parent,
        resource=span.resource,
        attributes=_attributes(attributes),
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=scope,
    )


def _name(attributes: Mapping[str, Any], name: str) -> str:
    method = attributes.get("mcp.method.name")
    if method is None:
        # As the library names what it sends itself.
        method, _, _ = name.partition(" ")
    shown = known(method, METHODS)
    return f"{shown} {known(attributes.get('gen_ai.tool.name'), TOOLS)}" if shown == "tools/call" else shown


def _attributes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: attributes[name] for name in _KEPT if _CODE.fullmatch(str(attributes.get(name, "")))}
    if "mcp.method.name" in attributes:
        found["mcp.method.name"] = known(attributes["mcp.method.name"], METHODS)
    if "gen_ai.tool.name" in attributes:
        found["gen_ai.tool.name"] = known(attributes["gen_ai.tool.name"], TOOLS)
    version = str(attributes.get("mcp.protocol.version", ""))
    if version:
        found["mcp.protocol.version"] = version if _VERSION.fullmatch(version) else OTHER
    return found
