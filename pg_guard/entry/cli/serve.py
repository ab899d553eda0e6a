"""`pg-guard serve`: an MCP server on standard input and output. In: a policy and a database. Out: runs until closed."""

from __future__ import annotations

import click

from pg_guard.entry.cli.options import CONTEXT_SETTINGS, dsn_option, example, policy_option, require_dsn

__all__ = ["serve"]


@click.command(
    context_settings=CONTEXT_SETTINGS,
    epilog=example(
        "PG_GUARD_DSN=postgresql://reader@db.example/shop pg-guard serve --policy policy.yaml",
    ),
)
@policy_option
@dsn_option
def serve(policy_path: str, dsn: str | None) -> int:
    """Serve a guarded database to an MCP client.

    Speaks MCP on standard input and output; an MCP client starts it.

    Exit codes: 0 closed by the client, 2 wrong usage or an unreachable database, 3 invalid policy.
    """
    uri = require_dsn(dsn)
    from pg_guard.entry.mcp.serve import serve_stdio

    return serve_stdio(policy_path, uri)
