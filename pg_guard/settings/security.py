"""What statements may do, in the deployment's own words. In: settings. Out: a policy of its own, or a narrower one.

`pg_guard.policy.deployment` makes clauses of them.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from pg_guard.settings.section import Count, Seconds, Section

__all__ = ["SecuritySettings"]


class SecuritySettings(Section):
    """What statements may do. Without a policy file this is the policy, on top of the shipped one called starter; with one it
    can only narrow what the file allows."""

    policy_file: Path | None = None
    """Policy file of the databases that name none; the same as `policy`."""
    blocked_tables: tuple[str, ...] = ()
    """Tables that may not be read, as in `["audit_*", "hr.*"]`."""
    blocked_columns: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """By table, columns that may not be read, as in `{"users": ["password", "*_token"], "*": ["ssn"]}`."""
    require_where_clause: bool | tuple[str, ...] = False
    """Demand a condition that really restricts the rows: of every table, or of those listed, as in `["orders", "app.*"]`."""
    max_join_tables: Count | None = None
    """Tables that one SELECT may join at most."""
    allow_explain: bool | None = None
    """Accept EXPLAIN. With a policy file, `false` takes away what the file allows, and `true` demands that it does."""
    blocked_functions: tuple[str, ...] = ()
    """Functions that may not be called, as in `["pg_read_*", "dblink*"]`."""
    timeout: Seconds | None = None
    """Seconds that a statement may take; where the policy says less, that holds."""
    max_rows: Count | None = None
    """Rows of a result at most; where the policy says less, that holds."""
    search_path: tuple[str, ...] | None = None
    """Schemas that names without one are looked for in; of a policy file's own, some may be left out."""
    role: str | None = None
    """Role to change to for each statement, where a database names none."""

    @property
    def is_policy(self) -> bool:
        """Whether anything is said that can stand as a policy without a file."""
        return bool(
            self.blocked_tables
            or self.blocked_columns
            or self.require_where_clause
            or self.max_join_tables is not None
            or self.allow_explain is not None
            or self.blocked_functions
        )
