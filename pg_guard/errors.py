"""The one exception tree. In: a failure outside of a decision. Out: a stable code, a sentence, a place and a way out.

A refusal of a statement is never an exception: it is a `Decision` with findings. Exceptions are for what stops a
command or a server: a policy that cannot be loaded, a database that cannot be reached, a wrong argument.

    PgGuardError                 code            exit
    ├── UsageError               usage           2     wrong argument, missing file
    ├── PolicyError              policy-invalid  3     one or more problems in policy or pack files
    ├── CatalogError             catalog         2     snapshot or introspection failed
    ├── DatabaseError            database        2     cannot connect, authentication, connection lost
    ├── ExecutionError           execution       1     PostgreSQL refused or cancelled an allowed statement
    │   └── CostError            cost            1     the planner's estimate is over the policy's limit
    └── InternalError            internal        2     a defect in pg-guard
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

__all__ = [
    "CatalogError",
    "CostError",
    "DatabaseError",
    "ExecutionError",
    "InternalError",
    "PgGuardError",
    "PolicyError",
    "Problem",
    "UsageError",
]


class PgGuardError(Exception):
    """Root of all errors that pg-guard raises.

    Args:
        message: One sentence that says what went wrong and where; never holds a secret.
        hint: One sentence that says what to do, or an empty string.
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 2

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class UsageError(PgGuardError):
    """A wrong argument, a missing file, a combination that makes no sense."""

    code = "usage"


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem in a policy or pack file.

    Attributes:
        message: What is wrong, in one sentence.
        file: The file as the user named it; empty when the text came from elsewhere.
        line: Line, from 1; 0 when it has none.
        column: Column, from 1; 0 when it has none.
        path: The key path, as in ``joins.max_tables``.
        hint: What to write instead.
        level: ``error`` stops the load; ``warning`` is reported only.
    """

    message: str
    file: str = ""
    line: int = 0
    column: int = 0
    path: str = ""
    hint: str = ""
    level: str = "error"

    def __str__(self) -> str:
        place = self.file
        if self.line:
            place += f":{self.line}:{self.column}"
        key = f"{self.path}: " if self.path else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{place + ': ' if place else ''}{key}{self.message}{hint}"


class PolicyError(PgGuardError):
    """A policy or pack that cannot be used; holds every problem found, in file order.

    Attributes:
        problems: All of them.
        subject: What is invalid, with its verb, as in "the policy is".
    """

    code = "policy-invalid"
    exit_code = 3

    def __init__(self, problems: tuple[Problem, ...], *, subject: str = "the policy is") -> None:
        if not problems:
            raise ValueError("a PolicyError needs at least one problem")
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(f"{problems[0]}{more}")
        self.problems = problems
        self.subject = subject


class CatalogError(PgGuardError):
    """A catalog snapshot that cannot be read, or an introspection that failed."""

    code = "catalog"


class DatabaseError(PgGuardError):
    """PostgreSQL cannot be reached, or the connection was lost.

    Attributes:
        transient: The same may succeed in a moment: the server restarts, or has no free connection.
    """

    code = "database"

    def __init__(self, message: str, *, hint: str = "", transient: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.transient = transient


class ExecutionError(PgGuardError):
    """PostgreSQL refused or cancelled a statement that the guard had allowed.

    Attributes:
        sqlstate: PostgreSQL's five-character code, or an empty string.
        position: Character offset from 0 in the statement's text, or None.
    """

    code = "execution"
    exit_code = 1

    def __init__(self, message: str, *, hint: str = "", sqlstate: str = "", position: int | None = None) -> None:
        super().__init__(message, hint=hint)
        self.sqlstate = sqlstate
        self.position = position


class CostError(ExecutionError):
    """The planner's estimate is over the policy's limit; nothing was run.

    Attributes:
        cost: What the planner estimates.
        limit: `limits.cost` of the policy.
    """

    code = "cost"

    def __init__(self, cost: float, limit: float) -> None:
        super().__init__(
            f"PostgreSQL estimates a cost of {cost:,.0f}, and the policy's limit is {limit:,.0f}",
            hint="narrow the query: a filter on an indexed column, fewer joins, a smaller date range",
        )
        self.cost = cost
        self.limit = limit


class InternalError(PgGuardError):
    """A defect in pg-guard itself; the message says how to report it."""

    code = "internal"
