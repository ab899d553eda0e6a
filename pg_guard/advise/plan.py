"""A starter policy before it is written. In: what `survey` found. Out: values that `starter` turns into text.

A `Line` that is not active is written as a comment: a suggestion that its reader may take.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from pg_guard.policy.model import POLICY_SCHEMA

__all__ = ["CAPABILITIES", "GENERAL_COLUMNS", "PACKS", "Line", "Plan", "Requirement"]

CAPABILITIES: Final = {
    False: ("pure", "aggregate", "window", "set-returning", "clock", "random", "session-info", "type-io"),
    True: ("pure", "aggregate", "window", "clock", "type-io"),
}
"""By whether the policy is to be strict."""

PACKS: Final = ("core",)
"""Rule packs that nobody needs an exception from."""

GENERAL_COLUMNS: Final = ("*password*", "*passwd*", "*secret*", "*_token", "*api_key*", "*private_key*")
"""Columns that no table should show, also not one that is made tomorrow."""


class Line(NamedTuple):
    """An item of a list: its value, why it stands there, and whether it counts."""

    value: str
    why: str
    active: bool = True


class Requirement(NamedTuple):
    """An entry of `where`, with its evidence."""

    columns: tuple[str, ...]
    tables: tuple[Line, ...]
    evidence: tuple[str, ...]
    active: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """What the policy will say.

    Attributes:
        database: Name of the database.
        major: Major version of the server.
        strict: Deny what is merely suspicious, allow fewer functions, smaller results.
        left_out: Sentences on schemas that the policy leaves closed.
        search_path: Schemas for `search_path`; empty leaves the key out.
        allow: Patterns of relations to allow.
        deny: Patterns of relations to deny.
        notes: Sentences on kinds of relations that need thought, for comments.
        columns: By pattern of a relation, columns to deny.
        where: Requirements.
        where_notes: Sentences on views that no condition reaches.
        functions: Entries for `functions.allow`.
        function_notes: Sentences on functions and extensions.
        large: Patterns of large tables, and how large they are.
        max_tables: For `joins.max_tables`.
        rows: For `limits.rows`.
        timeout: For `limits.statement_timeout`.
    """

    database: str
    major: int
    strict: bool
    left_out: tuple[str, ...] = ()
    search_path: tuple[str, ...] = ()
    allow: tuple[Line, ...] = ()
    deny: tuple[Line, ...] = ()
    notes: tuple[str, ...] = ()
    columns: tuple[tuple[str, tuple[Line, ...]], ...] = ()
    where: tuple[Requirement, ...] = ()
    where_notes: tuple[str, ...] = ()
    functions: tuple[Line, ...] = ()
    function_notes: tuple[str, ...] = ()
    large: tuple[Line, ...] = ()
    max_tables: int = 8
    rows: int = 1000
    timeout: str = "30s"

    def document(self) -> dict[str, Any]:
        """The active part as a policy file's data, without tests."""
        columns = {
            relation: [line.value for line in lines if line.active]
            for relation, lines in self.columns
            if any(line.active for line in lines)
        }
        document: dict[str, Any] = {
            "schema": POLICY_SCHEMA,
            "packs": [{"use": each} for each in PACKS],
            "tables": {
                "default": "deny",
                "allow": [line.value for line in self.allow if line.active],
                "deny": [line.value for line in self.deny if line.active],
            },
            "columns": {"deny": {"*": list(GENERAL_COLUMNS), **columns}},
            "where": [
                {"table": [line.value for line in each.tables], "columns": list(each.columns)}
                for each in self.where
                if each.active
            ],
        }
        if self.search_path:
            document["search_path"] = list(self.search_path)
        return document
