"""Requests as they are observed. In: messages of clients. Out: ids for all that happens inside, then how each request ended."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, InputRequiredResult

from pg_guard.observe.names import METHODS, TOOLS, known

if TYPE_CHECKING:
    from collections.abc import Collection

    from mcp.server.context import CallNext, HandlerResult, ServerRequestContext

    from pg_guard.observe.metrics import Status
    from pg_guard.observe.observer import Observer

__all__ = ["ObservedRequests", "status_of"]

_SESSION_HEADER: Final = "mcp-session-id"
_MARK: Final = "pg_guard.observed"
# Requests that `pg_guard_query_requests_total` counts.
_QUERIES: Final = frozenset({"run_sql", "ask", "query"})
_STATUS_BY_CODE: Final[Mapping[str, Status]] = {
    "DENIED": "denied",
    "execution": "failed",
    "cost": "failed",
    "EXECUTION_FAILED": "failed",
    "COST_TOO_HIGH": "failed",
    "NO_SQL": "failed",
    "database": "unavailable",
    "DATABASE_UNAVAILABLE": "unavailable",
    "CIRCUIT_OPEN": "unavailable",
    "AUDIT_UNAVAILABLE": "unavailable",
    "NO_MODEL": "unavailable",
    "BUSY": "busy",
    "RATE_LIMITED": "busy",
    "TIMEOUT": "timeout",
    "internal": "internal",
    "INTERNAL": "internal",
}
_CODE: Final = re.compile(r"[A-Za-z][A-Za-z_-]{0,40}")


class ObservedRequests:
    """Middleware of the MCP library.

    Args:
        observer: Is told.
        databases: Names that may be labels, as they are at each request.
    """

    def __init__(self, observer: Observer, databases: Collection[str]) -> None:
        self._observer = observer
        self._databases = databases
        self._process = uuid.uuid4().hex[:16]

    async def __call__(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Pass a message on."""
        self._count_session(ctx)
        with self._observer.request(session_id=self._session_id(ctx)):
            if ctx.request_id is None:
                return await call_next(ctx)
            started = time.perf_counter()
            result: HandlerResult = None
            status: Status = "ok"
            code = ""
            try:
                result = await call_next(ctx)
                status, code = status_of(result)
                return result
            except asyncio.CancelledError:
                status = "cancelled"
                raise
            except MCPError as error:
                status, code = "invalid", str(error.error.code)
                raise
            except Exception as error:
                # The library answers wrong arguments by itself; anything else is a defect.
                status = "invalid" if type(error).__name__ == "ValidationError" else "internal"
                code = type(error).__name__
                raise
            finally:
                tool = known((ctx.params or {}).get("name"), TOOLS) if ctx.method == "tools/call" else None
                self._observer.request_ended(
                    method=known(ctx.method, METHODS),
                    tool=tool,
                    status=status,
                    database=self._database(ctx, result),
                    seconds=time.perf_counter() - started,
                    code=code,
                    counted=tool in _QUERIES,
                )

    def _count_session(self, context: ServerRequestContext[Any, Any]) -> None:
        if context.request is None:
            # Standard input and output are one session, from the server's start to its end.
            return
        # The library offers its middleware the connection's own clean-up, and no public way to the connection.
        connection = getattr(context.session, "_connection", None)
        if connection is not None and _MARK not in connection.state:
            connection.state[_MARK] = True
            self._observer.session_opened()
            connection.exit_stack.callback(self._observer.session_closed)

    def _session_id(self, context: ServerRequestContext[Any, Any]) -> str | None:
        """A digest: the id itself opens the session to who has it."""
        if context.request is None:
            return self._process
        given = context.request.headers.get(_SESSION_HEADER)
        return hashlib.sha256(given.encode()).hexdigest()[:16] if given else None

    def _database(self, context: ServerRequestContext[Any, Any], result: HandlerResult) -> str:
        answered = (_content(result) or {}).get("database")
        arguments = (context.params or {}).get("arguments")
        asked = arguments.get("database") if isinstance(arguments, Mapping) else None
        for name in (answered, asked, *(self._databases if len(self._databases) == 1 else ())):
            if isinstance(name, str) and name in self._databases:
                return name
        return ""


def status_of(result: HandlerResult) -> tuple[Status, str]:
    """How a request ended, and the code of its error or ''; by what the client is told."""
    if isinstance(result, InputRequiredResult) or (isinstance(result, Mapping) and "inputRequests" in result):
        return "continued", ""
    content = _content(result) or {}
    error = content.get("error")
    if isinstance(error, Mapping):
        code = str(error.get("code", ""))
        status: Status = "unavailable" if code.startswith("MODEL_") else _STATUS_BY_CODE.get(code, "invalid")
        return status, code if _CODE.fullmatch(code) else ""
    failed = (
        result.is_error if isinstance(result, CallToolResult) else isinstance(result, Mapping) and result.get("isError")
    )
    if failed:
        return "invalid", ""
    return ("denied" if content.get("decision") == "deny" else "ok"), ""


def _content(result: HandlerResult) -> Mapping[str, Any] | None:
    found = (
        result.structured_content
        if isinstance(result, CallToolResult)
        else result.get("structuredContent")
        if isinstance(result, Mapping)
        else None
    )
    return found if isinstance(found, Mapping) else None
