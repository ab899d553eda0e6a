"""Tools for SQL. In: statements. Out: decisions, rows in pages, plans, refusals explained."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Annotated

from mcp_types import CallToolResult, ToolAnnotations
from pydantic import Field

from pg_guard.entry.mcp import outputs
from pg_guard.entry.mcp import schema as visible_schema
from pg_guard.entry.mcp.answers import CheckAnswer, DenialAnswer, PlanAnswer, RunAnswer
from pg_guard.entry.mcp.calling import RequestError, database_of, result, tool_error
from pg_guard.entry.mcp.principals import current_principal, principal_key
from pg_guard.errors import ExecutionError, InternalError, PgGuardError
from pg_guard.observe.audit import AuditUnavailable
from pg_guard.report.told import told
from pg_guard.resilience.errors import ResilienceError

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

    from pg_guard.decision import Decision
    from pg_guard.entry.mcp.answers import ErrorInfo
    from pg_guard.entry.mcp.service import Service
    from pg_guard.execute.database import Checked, Database
    from pg_guard.observe.audit import Operation

__all__ = ["PAGE_ROWS", "READ_ONLY", "DatabaseName", "add_sql_tools"]

PAGE_ROWS = 500
READ_ONLY = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)

DatabaseName = Annotated[
    str | None, Field(description="Name of the database; may be left out when there is one. list_databases names them.")
]
_Sql = Annotated[str, Field(description="One SQL statement in PostgreSQL's dialect, without parameters.")]
_MOST_TABLES = 10

_log = logging.getLogger(__name__)


def add_sql_tools(server: MCPServer, service: Service) -> None:
    """Add the tools that take a statement."""

    @server.tool(title="Run SQL", annotations=READ_ONLY)
    async def run_sql(
        sql: Annotated[str, Field(description="One SQL statement in PostgreSQL's dialect, without parameters.")] = "",
        database: DatabaseName = None,
        cursor: Annotated[str | None, Field(description="next_cursor of an answer, for its further rows.")] = None,
        page_rows: Annotated[int, Field(ge=1, le=10_000, description="Rows of one answer at most.")] = PAGE_ROWS,
        idempotency_key: Annotated[
            str | None, Field(max_length=200, description="A request that is sent again under one key runs once.")
        ] = None,
    ) -> Annotated[CallToolResult, RunAnswer]:
        """Check a statement against the policy and, if it is allowed, run it read-only and return its rows.

        When "decision" is "deny", nothing was run: every finding says what to change. Give either sql or cursor.
        """
        who = principal_key(current_principal())
        if cursor is not None:
            page = service.cursors.next(who, cursor, service.databases.version_of)
            if page is None:
                raise RequestError(
                    "CURSOR_UNKNOWN",
                    "the cursor is used up, too old, not yours or of a policy that is no longer in force",
                    "run the statement again",
                )
            answer = outputs.run_answer(page.decision, page, database=page.database)
            return result(answer, outputs.text_of_run(answer))
        where = database_of(service, database)
        request = json.dumps([where.name, sql, page_rows])
        # What a statement gave under one policy is no answer under another.
        key = f"{who}:{where.version}:{idempotency_key}" if idempotency_key else None
        try:
            answer = await service.resilience.once(
                key, request, lambda: _run(service, where, sql, page_rows), outputs.size_of
            )
        except ResilienceError as error:
            raise tool_error(error) from None
        return result(answer, outputs.text_of_run(answer))

    @server.tool(title="Check SQL", annotations=READ_ONLY)
    async def check_sql(sql: _Sql, database: DatabaseName = None) -> Annotated[CallToolResult, CheckAnswer]:
        """Check a statement against the policy without running it."""
        _, decision = await _check(database_of(service, database), sql)
        answer = outputs.check_answer(decision)
        return result(answer, outputs.text_of_check(answer))

    @server.tool(title="Explain SQL", annotations=READ_ONLY)
    async def explain_sql(sql: _Sql, database: DatabaseName = None) -> Annotated[CallToolResult, PlanAnswer]:
        """Show how PostgreSQL would run a SELECT, with its estimated cost, without running it."""
        where = database_of(service, database)
        checked, decision = await _check(where, sql, "explain")
        limit = checked.guard.policy.limits.cost
        if decision.sql is None:
            answer = outputs.plan_answer(decision, database=where.name, cost_limit=limit)
            return result(answer, outputs.text_of_plan(answer, ""))
        try:
            plan = await where.explain(checked, principal=principal_key(current_principal()))
        except PgGuardError as error:
            answer = outputs.plan_answer(decision, error=_error_info(error, sql), database=where.name)
            return result(answer, outputs.text_of_plan(answer, ""))
        answer = outputs.plan_answer(decision, plan, database=where.name, cost_limit=limit)
        return result(answer, outputs.text_of_plan(answer, plan.text))

    @server.tool(title="Explain a denial", annotations=READ_ONLY)
    async def explain_denial(sql: _Sql, database: DatabaseName = None) -> Annotated[CallToolResult, DenialAnswer]:
        """Tell why a statement is refused, and what may be read of the tables that it names."""
        where = database_of(service, database)
        checked, decision = await _check(where, sql)
        tables = [visible_schema.describe_table(checked.guard, name) for name in decision.relations[:_MOST_TABLES]]
        answer = DenialAnswer(
            decision=decision.effect,
            findings=outputs.finding_infos(decision),
            permitted=tuple(table for table in tables if table.found),
        )
        lines = [outputs.text_of_check(outputs.check_answer(decision))]
        for table in answer.permitted:
            lines += ["", f"{table.table} may be read:", outputs.untrusted([column.column for column in table.columns])]
        return result(answer, "\n".join(lines))


async def _check(where: Database, sql: str, operation: Operation = "check") -> tuple[Checked, Decision]:
    """The decision as the guard made it, and as the client may be told it."""
    try:
        checked = await where.check(sql, current_principal(), operation=operation)
    except AuditUnavailable as error:
        raise tool_error(error) from None
    return checked, told(checked.decision, checked.guard)


async def _run(service: Service, where: Database, sql: str, page_rows: int) -> RunAnswer:
    who = principal_key(current_principal())
    checked, decision = await _check(where, sql, "run")
    if decision.sql is None:
        return outputs.run_answer(decision, database=where.name)
    try:
        found = await where.run(checked, principal=who)
    except PgGuardError as error:
        return outputs.run_answer(decision, error=_error_info(error, sql), database=where.name)
    except Exception as error:  # noqa: BLE001 - whatever fails, the client gets an answer that it can read
        # The log tells the kind of error only: its text may hold data.
        _log.error("run_sql failed unexpectedly: %s", type(error).__name__)
        internal = InternalError("the server failed on this statement", hint="report it as a defect of pg-guard")
        return outputs.run_answer(decision, error=_error_info(internal, sql), database=where.name)
    page = service.cursors.first(who, where.name, decision, found, page_rows, where.version_of(decision))
    return outputs.run_answer(decision, page, database=where.name)


def _error_info(error: PgGuardError, sql: str) -> ErrorInfo:
    if isinstance(error, ExecutionError):
        return outputs.error_info(error, sql, sqlstate=error.sqlstate, position=error.position)
    return outputs.error_info(error, sql)
