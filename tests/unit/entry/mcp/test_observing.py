"""How requests end, by what clients are told."""

from __future__ import annotations

from typing import Any

import pytest
from mcp_types import CallToolResult, TextContent

from pg_guard.ask.answer import AnswerCode
from pg_guard.entry.mcp.observing import status_of
from pg_guard.entry.reference.errors import literal_words
from pg_guard.observe.metrics import STATUSES
from pg_guard.observe.names import TOOLS


def wire(content: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    return {"content": [], "structuredContent": content, **more}


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (wire({"decision": "allow", "error": None}), ("ok", "")),
        (wire({"decision": "deny", "error": None}), ("denied", "")),
        (wire({"decision": "allow", "error": {"code": "execution"}}), ("failed", "execution")),
        (wire({"decision": "allow", "error": {"code": "database"}}), ("unavailable", "database")),
        (wire({"error": {"code": "DENIED"}}), ("denied", "DENIED")),
        (wire({"error": {"code": "MODEL_TIMEOUT"}}), ("unavailable", "MODEL_TIMEOUT")),
        (wire({"error": {"code": "BUSY"}}, isError=True), ("busy", "BUSY")),
        (wire({"error": {"code": "DATABASE_UNKNOWN"}}, isError=True), ("invalid", "DATABASE_UNKNOWN")),
        (wire({"error": {"code": "a value\nof a client"}}), ("invalid", "")),
        (wire(None, isError=True), ("invalid", "")),
        ({"inputRequests": {}}, ("continued", "")),
        ({"tools": []}, ("ok", "")),
        (None, ("ok", "")),
        (CallToolResult(content=[TextContent(type="text", text="x")], is_error=True), ("invalid", "")),
        (CallToolResult(content=[], structured_content={"decision": "deny"}), ("denied", "")),
    ],
)
def test_a_result_tells_how_the_request_ended(result: Any, expected: tuple[str, str]) -> None:
    assert status_of(result) == expected


def test_every_code_of_an_answer_has_a_status() -> None:
    by_code = {code: status_of(wire({"error": {"code": code}}))[0] for code in literal_words(AnswerCode)}
    assert set(by_code.values()) <= set(STATUSES)
    invalid = {code for code, status in by_code.items() if status == "invalid"}
    assert invalid == {"QUESTION_EMPTY", "QUESTION_TOO_LONG", "DATABASE_UNKNOWN", "KEY_REUSED"}


async def test_log_lines_know_every_tool_of_the_server() -> None:
    from unittest.mock import MagicMock

    from pg_guard.entry.mcp.server import build_server
    from pg_guard.observe.observer import Observer

    # Only the tools' names are asked for; nothing is called.
    service = MagicMock(observer=Observer(), databases={})
    assert {tool.name for tool in await build_server(service).list_tools()} == TOOLS
