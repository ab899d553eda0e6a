"""Tools to look around. In: names and texts. Out: what the policy permits to be seen of each database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from mcp_types import CallToolResult, ToolAnnotations
from pydantic import Field

from pg_guard.ask.context import ContextIndex
from pg_guard.entry.mcp import outputs
from pg_guard.entry.mcp import schema as visible_schema
from pg_guard.entry.mcp.answers import (
    DatabaseInfo,
    DatabasesAnswer,
    PolicyAnswer,
    RefreshAnswer,
    SearchAnswer,
    SearchHit,
    TableAnswer,
    TablesAnswer,
)
from pg_guard.entry.mcp.calling import database_of, result
from pg_guard.entry.mcp.tools_sql import READ_ONLY, DatabaseName

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

    from pg_guard.entry.mcp.service import Service

__all__ = ["add_schema_tools", "databases_answer", "text_of_table"]


def add_schema_tools(server: MCPServer, service: Service) -> None:
    """Add the tools that describe databases and policies."""

    @server.tool(title="List databases", annotations=READ_ONLY)
    async def list_databases() -> Annotated[CallToolResult, DatabasesAnswer]:
        """List the databases of this server, with what each holds."""
        answer = databases_answer(service)
        lines = [
            f"{each.database} ({each.tables} tables): {each.description}".rstrip(": ") for each in answer.databases
        ]
        return result(answer, "\n".join(lines))

    @server.tool(title="List tables", annotations=READ_ONLY)
    async def list_tables(
        schema: Annotated[str | None, Field(description="Only this schema.")] = None, database: DatabaseName = None
    ) -> Annotated[CallToolResult, TablesAnswer]:
        """List the tables and views that may be read, with their sizes and comments."""
        answer = visible_schema.list_tables(database_of(service, database).guard, schema)
        lines = [
            f"{table.table} ({table.kind}, {table.columns} columns"
            + (f", about {table.rows} rows)" if table.rows is not None else ")")
            + (f": {table.comment}" if table.comment else "")
            for table in answer.tables
        ]
        return result(answer, outputs.untrusted(lines) if lines else "There is no table that may be read.")

    @server.tool(title="Describe a table", annotations=READ_ONLY)
    async def describe_table(
        table: Annotated[str, Field(description='A name as in SQL: orders, hr.staff, "Odd Name".')],
        database: DatabaseName = None,
    ) -> Annotated[CallToolResult, TableAnswer]:
        """Describe the columns and keys of a table or view, and what a query of it must observe."""
        answer = visible_schema.describe_table(database_of(service, database).guard, table)
        return result(answer, text_of_table(answer))

    @server.tool(title="Search the schema", annotations=READ_ONLY)
    async def search_schema(
        text: Annotated[str, Field(max_length=2_000, description="Words, as in: invoices of a customer.")],
        database: DatabaseName = None,
        limit: Annotated[int, Field(ge=1, le=100, description="Tables at most.")] = 20,
    ) -> Annotated[CallToolResult, SearchAnswer]:
        """Find tables by their names, columns and comments."""
        index = await database_of(service, database).derived("context", ContextIndex.build)
        hits = index.search(text, limit)
        answer = SearchAnswer(hits=tuple(SearchHit(**hit._asdict()) for hit in hits))
        lines = [f"{hit.table}: {', '.join(hit.columns)}".rstrip(": ") for hit in hits]
        return result(answer, outputs.untrusted(lines) if lines else "Nothing speaks of this; try other words.")

    @server.tool(title="Describe the policy", annotations=READ_ONLY)
    async def describe_policy(database: DatabaseName = None) -> Annotated[CallToolResult, PolicyAnswer]:
        """Tell what the policy permits: statements, functions, limits, conditions that tables require."""
        answer = visible_schema.describe_policy(database_of(service, database).guard)
        return result(answer, answer.model_dump_json(indent=2))

    @server.tool(
        title="Refresh the schema",
        annotations=ToolAnnotations(
            read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
        ),
    )
    async def refresh_schema(database: DatabaseName = None) -> Annotated[CallToolResult, RefreshAnswer]:
        """Read the database's catalog again, after tables have changed."""
        where = database_of(service, database)
        outcome = await where.refresh()
        answer = RefreshAnswer(
            database=where.name,
            changed=outcome.changed,
            catalog_age_seconds=round(outcome.age_seconds, 1),
            error=outcome.error,
        )
        if answer.error:
            text = f"The catalog of {answer.catalog_age_seconds:.0f} s ago stays: {answer.error}"
        else:
            text = "The catalog has changed." if answer.changed else "The catalog is as it was."
        return result(answer, text)


def databases_answer(service: Service) -> DatabasesAnswer:
    """All databases, by name."""
    return DatabasesAnswer(
        databases=tuple(
            DatabaseInfo(
                database=name,
                description=database.description,
                policy=f"{database.guard.policy.metadata.name} {database.guard.policy.metadata.version}",
                tables=visible_schema.count_tables(database.guard),
                catalog_age_seconds=round(database.age_seconds, 1),
                last_error=database.last_error,
            )
            for name, database in sorted(service.databases.items())
        )
    )


def text_of_table(answer: TableAnswer) -> str:
    """A table's description, for a client that shows text only."""
    if not answer.found:
        return f"{answer.message}; list_tables shows what there is."
    lines = [
        f"{column.column} {column.type}{'' if column.nullable else ' not null'}"
        + (f" ({', '.join(column.values)})" if column.values else "")
        + (f": {column.comment}" if column.comment else "")
        for column in answer.columns
    ]
    return "\n".join([f"{answer.table} ({answer.kind})", *answer.notes, outputs.untrusted(lines)])
