"""Names that clients may choose from. In: a name that a client sends. Out: the same, or ``other``: nobody fills logs with names."""

from __future__ import annotations

from typing import Final

__all__ = ["METHODS", "OTHER", "TOOLS", "known"]

OTHER: Final = "other"

_AREAS: Final = {
    "completion": ("complete",),
    "logging": ("setLevel",),
    "prompts": ("list", "get"),
    "resources": ("list", "read", "subscribe", "unsubscribe"),
    "server": ("discover",),
    "subscriptions": ("listen",),
    "tools": ("list", "call"),
}
METHODS: Final = frozenset(
    {"initialize", "ping", *(f"{area}/{verb}" for area, verbs in _AREAS.items() for verb in verbs)}
)
"""Methods of the protocol that requests have."""

TOOLS: Final = frozenset(
    {
        "ask", "query", "run_sql", "check_sql", "explain_sql", "explain_denial", "list_databases", "list_tables",
        "describe_table", "search_schema", "describe_policy", "refresh_schema",
    }
)  # fmt: skip
"""Tools of the server."""


def known(text: object, names: frozenset[str]) -> str:
    """The text if it is one of the names."""
    return text if isinstance(text, str) and text in names else OTHER
