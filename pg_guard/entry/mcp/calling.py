"""What every tool does alike. In: a service and a request. Out: the database that is meant, results for clients, errors.

A failure that a client can act on is an answer with a stable code; only a request that makes no sense is a tool error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import CallToolResult, TextContent

from pg_guard.execute.database import DatabaseUnknown

if TYPE_CHECKING:
    from pydantic import BaseModel

    from pg_guard.entry.mcp.service import Service
    from pg_guard.errors import PgGuardError
    from pg_guard.execute.database import Database

__all__ = ["database_of", "result", "tool_error"]


def database_of(service: Service, name: str | None) -> Database:
    """The database that a request means.

    Raises:
        ToolError: There is no such one, or a name is needed; says which there are.
    """
    try:
        return service.databases.resolve(name)
    except DatabaseUnknown as error:
        raise tool_error(error) from None


def tool_error(error: PgGuardError) -> ToolError:
    """An error as a client reads it: ``CODE: sentence (what to do)``."""
    return ToolError(f"{error.code}: {error}")


def result(answer: BaseModel, text: str) -> CallToolResult:
    """An answer as structured content, and as text for clients that show text only."""
    return CallToolResult(
        content=[TextContent(type="text", text=text)], structured_content=answer.model_dump(mode="json", by_alias=True)
    )
