"""The page of the MCP server. In: a server as it is built. Out: Markdown about its tools, resources and prompts."""

from __future__ import annotations

import asyncio
import inspect
import json
from typing import TYPE_CHECKING, Any, Final, cast

from mcp.server.mcpserver import MCPServer

from pg_guard.entry.mcp.resources import add_prompts, add_resources
from pg_guard.entry.mcp.tools_ask import add_ask_tools
from pg_guard.entry.mcp.tools_schema import add_schema_tools
from pg_guard.entry.mcp.tools_sql import add_sql_tools
from pg_guard.entry.reference.markdown import code, prose, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mcp_types import Tool

    from pg_guard.entry.mcp.service import Service

__all__ = ["REQUEST_CODES", "tool_lines"]

REQUEST_CODES: Final[dict[str, str]] = {
    "DATABASE_UNKNOWN": "There is no such database, or the request names none of several; the hint lists them.",
    "CURSOR_UNKNOWN": "The cursor was used, is older than ten minutes, or is another client's. Run the statement again.",
    "BUSY": "Too much is asked at once; nothing was done, so ask again.",
    "CIRCUIT_OPEN": "The database has failed too often in a row; the hint says when it is tried again.",
    "RATE_LIMITED": "This client has used up `resilience.requests_per_minute`.",
    "KEY_REUSED": "The idempotency key came before with another request.",
    "INTERNAL": "A defect of pg-guard; please report it.",
}


def tool_lines() -> Iterator[str]:
    """The lines of the page."""
    server = MCPServer("pg-guard", log_level="WARNING")
    # What is listed does not depend on databases: a service is needed when something is called.
    service = cast("Service", None)
    for add in (add_ask_tools, add_sql_tools, add_schema_tools, add_resources):
        add(server, service)
    add_prompts(server)
    yield from ("# Tools, resources and prompts", "")
    yield "What `pg-guard serve` offers to an MCP client. Every tool only reads. A refused statement, and one that fails in"
    yield "PostgreSQL, is an answer with findings or an error in it, not an error of the protocol; each answer comes as"
    yield "structured content and as text. Rows, names and comments stand between marks as data that is never to be obeyed."
    yield ""
    yield "A name that the policy hides and one that does not exist get the same words: [what is"
    yield from ("guaranteed](../guarantees.md) says more.", "")
    yield from ("## Tools", "")
    for tool in asyncio.run(server.list_tools()):
        yield from _tool(tool)
    yield from _errors()
    yield from asyncio.run(_resources(server))
    yield from asyncio.run(_prompts(server))


def _tool(tool: Tool) -> Iterator[str]:
    yield from (f"### {code(tool.name)}", "", prose(inspect.cleandoc(tool.description or "")), "")
    arguments = tool.input_schema.get("properties", {})
    required = tool.input_schema.get("required", ())
    if arguments:
        yield from table(
            ("argument", "type", "default", "meaning"),
            (
                (
                    code(name),
                    _type(form),
                    "required" if name in required else code(json.dumps(form.get("default"))),
                    prose(form.get("description", "")),
                )
                for name, form in arguments.items()
            ),
        )
    fields = (tool.output_schema or {}).get("properties", {})
    yield from (f"Answers with {', '.join(map(code, fields))}.", "")


def _type(form: dict[str, Any]) -> str:
    if "enum" in form:
        return " or ".join(code(json.dumps(each)) for each in form["enum"])
    kinds = [each["type"] for each in form.get("anyOf", [form]) if each.get("type") != "null"]
    return " or ".join(kinds)


def _errors() -> Iterator[str]:
    yield from ("## Errors of requests", "")
    yield 'A request that makes no sense, or cannot be taken now, ends with `isError`, the text "CODE: sentence (what to do)" and'
    yield '`{"error": {"code": …, "message": …, "hint": …}}` as structured content. [Errors](errors.md) lists the codes that'
    yield from ("stand in answers to questions.", "")
    yield from table(("code", "meaning"), ((code(name), meaning) for name, meaning in REQUEST_CODES.items()))


async def _resources(server: MCPServer) -> list[str]:
    found = [(each.uri, each.description) for each in await server.list_resources()]
    found += [(each.uri_template, each.description) for each in await server.list_resource_templates()]
    rows = ((code(str(uri)), prose(description or "")) for uri, description in found)
    return ["## Resources", "", "All are JSON.", "", *table(("address", "what it is"), rows)]


async def _prompts(server: MCPServer) -> list[str]:
    rows = (
        (
            code(each.name),
            ", ".join(code(argument.name) for argument in each.arguments or ()),
            prose(each.description or ""),
        )
        for each in await server.list_prompts()
    )
    return ["## Prompts", "", *table(("name", "arguments", "what it starts"), rows)]
