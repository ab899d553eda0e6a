"""Lines of libraries: what happened is told, and nothing of what clients or servers have sent."""

from __future__ import annotations

import io
import json
import logging
from typing import Any

import pytest
import structlog

from pg_guard.observe.library_lines import library_text
from pg_guard.observe.logging import logging_to_output
from pg_guard.observe.redaction import Redactor
from pg_guard.settings import LoggingSettings, Settings

PLANTED = "planted-6f1e"
SESSION = "0af7651916cd43dd8448eb211c80319c"


def lines(tell: Any) -> list[dict[str, Any]]:
    stream = io.StringIO()
    with logging_to_output(Settings(logging=LoggingSettings(level="debug", libraries="debug", format="json")), stream):
        tell()
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("logger", "message", "args", "expected"),
    [
        # As these libraries call it.
        ("sse_starlette.sse", "chunk: %s", (PLANTED.encode(),), "chunk: %s"),
        ("mcp.server.mcpserver.server", "Tool %r failed: %r", ("run_sql", PLANTED), "Tool %r failed: %r"),
        ("mcp.server.runner", "dropped a frame received before the first request: %r", (PLANTED,), None),
        ("mcp.server.streamable_http_manager", f"Created new transport with session ID: {SESSION}", (),
         "Created new transport with session ID: …"),
        ("mcp.server.streamable_http_manager", f"Session {SESSION} idle timeout", (), "Session …"),
        ("mcp.server.sse", f"Received JSON: {PLANTED}", (), "Received JSON: …"),
        ("mcp.server.mcpserver.resources.resource_manager", "Getting resource", (), "Getting resource"),
        ("httpcore2.http11", "receive_response_headers.complete return_value=(b'set-cookie', b'planted-6f1e')", (), "…"),
        ("urllib3.connectionpool", '%s://%s:%s "%s %s %s" %s %s', ("http", "h", 1, "POST", PLANTED, "", 200, 0), None),
        ("asyncpg", "%s", (PLANTED,), "%s"),
        ("opentelemetry.exporter.otlp", "Failed to export logs batch code: %s, reason: %s", (500, PLANTED), None),
        ("some.library", "%(sql)s", ({"sql": PLANTED},), "%(sql)s"),
        # These say nothing of that kind.
        ("uvicorn.error", "Started server process [%d]", (7,), "Started server process [7]"),
        ("httpx2", "HTTP Request: %s %s", ("POST", "http://h/v1"), "HTTP Request: POST http://h/v1"),
        ("pg_guard.somewhere", "told %s", ("in full",), "told in full"),
        ("pg_guardian", "not ours: %s", (PLANTED,), "not ours: %s"),
    ],
)  # fmt: skip
def test_what_libraries_quote_is_left_out(
    logger: str, message: str, args: tuple[Any, ...], expected: str | None
) -> None:
    [line] = lines(
        lambda: logging.getLogger(logger).info(message, *args, extra={"uri": PLANTED} if "mcp" in logger else {})
    )
    assert line["event"] == (message if expected is None else expected)
    assert PLANTED not in json.dumps(line)
    assert SESSION not in json.dumps(line)


def test_of_structlog_lines_of_libraries_the_event_stays() -> None:
    def tell() -> None:
        structlog.get_logger("library").info("retried", statement=PLANTED)
        structlog.get_logger("library").info(f"retried: {PLANTED}")
        structlog.get_logger("pg_guard.x").info("ours", rows=3)

    told = lines(tell)
    assert [line["event"] for line in told] == ["retried", "retried: …", "ours"]
    assert told[2]["rows"] == 3
    assert PLANTED not in json.dumps(told)


def test_exceptions_of_libraries_are_told_by_their_kind() -> None:
    def tell() -> None:
        try:
            raise ValueError(PLANTED)
        except ValueError:
            logging.getLogger("mcp.server").exception("handler for %r raised", PLANTED)

    [line] = lines(tell)
    assert (line["event"], line["exception"]) == ("handler for %r raised", "ValueError")
    assert PLANTED not in json.dumps(line)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("", ""),
        ("Shutting down", "Shutting down"),
        ("client's end", "client's end"),
        ("ends with:", "ends with:"),
        ("a 1", "a …"),
        ('"quoted"', "…"),
        ("two  spaces", "two …"),
        ("line\nbreak", "…"),
    ],
)
def test_the_first_words_stay(message: str, expected: str) -> None:
    assert library_text(message, message) == expected


def test_keys_of_collectors_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", f"authorization=Bearer%20{PLANTED},x-scope-orgid=shop")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "x-api-key=planted%2Fkey")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "https://user:planted-address@collector:4318")
    redactor = Redactor.of(Settings())
    told = redactor.text(f"{PLANTED} planted/key planted-address planted%2Fkey shop collector:4318")
    assert told == "*** *** *** *** shop collector:4318"
