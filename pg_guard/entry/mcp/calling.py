"""What every tool does alike. In: a service and a request. Out: the database that is meant, results for clients, errors.

A failure that a client can act on is an answer with a stable code; only a request that makes no sense is a tool error, with
a code as well: ``CODE: sentence (what to do)`` as text, and the parts as structured content.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, TextContent

from pg_guard.entry.mcp.answers import ErrorAnswer
from pg_guard.execute.databases import DatabaseUnknown

if TYPE_CHECKING:
    from pydantic import BaseModel

    from pg_guard.entry.mcp.service import Service
    from pg_guard.errors import PgGuardError
    from pg_guard.execute.database import Database

__all__ = ["RequestError", "database_of", "error_result", "result", "tool_error"]


class RequestError(ToolError):
    """A request that makes no sense, or cannot be taken now.

    Attributes:
        answer: Code, sentence and what to do.
    """

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(f"{code}: {message} ({hint})" if hint else f"{code}: {message}")
        self.answer = ErrorAnswer(code=code, message=message, hint=hint)


def database_of(service: Service, name: str | None) -> Database:
    """The database that a request means.

    Raises:
        RequestError: There is no such one, or a name is needed; says which there are.
    """
    try:
        return service.databases.resolve(name)
    except DatabaseUnknown as error:
        raise tool_error(error) from None


def tool_error(error: PgGuardError) -> RequestError:
    """An error as a client reads it."""
    return RequestError(error.code, error.message, error.hint)


def error_result(error: RequestError) -> CallToolResult:
    """The error as a result."""
    return CallToolResult(
        content=[TextContent(type="text", text=str(error))],
        structured_content={"error": error.answer.model_dump(mode="json")},
        is_error=True,
    )


def result(answer: BaseModel, text: str) -> CallToolResult:
    """An answer as structured content, and as text for clients that show text only."""
    return CallToolResult(
        content=[TextContent(type="text", text=text)], structured_content=answer.model_dump(mode="json", by_alias=True)
    )
