"""What a question gets. In: nothing. Out: immutable values, with codes that stay."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from pg_guard.ask.model import ModelErrorCode, Usage

if TYPE_CHECKING:
    from pg_guard.decision import Decision, Finding
    from pg_guard.execute.executor import QueryResult

__all__ = ["Answer", "AnswerCode", "AnswerError", "AnswerWarning", "Attempt", "Review", "WarningCode"]

AnswerCode: TypeAlias = (
    Literal[
        "QUESTION_EMPTY", "QUESTION_TOO_LONG", "DATABASE_UNKNOWN", "NO_SQL", "DENIED", "EXECUTION_FAILED",
        "DATABASE_UNAVAILABLE", "COST_TOO_HIGH", "TIMEOUT", "BUSY", "CIRCUIT_OPEN", "RATE_LIMITED", "KEY_REUSED", "INTERNAL",
        "AUDIT_UNAVAILABLE",
    ]
    | ModelErrorCode
)  # fmt: skip
WarningCode: TypeAlias = Literal["LOW_CONFIDENCE", "REVIEW_FAILED", "TRUNCATED", "EMPTY_RESULT"]


class AnswerError(NamedTuple):
    """Why there is no answer: a stable code, a sentence, and what to do."""

    code: AnswerCode
    message: str
    hint: str = ""


class AnswerWarning(NamedTuple):
    """What to know about an answer."""

    code: WarningCode
    message: str


class Attempt(NamedTuple):
    """One try: the SQL that the model wrote, and why it was not the last; `problem` is '' for the one that counted."""

    sql: str
    problem: str = ""


class Review(NamedTuple):
    """The model's judgement of a result: 0 to 100, why, and what to ask instead."""

    confidence: int
    explanation: str
    suggestion: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome of one question.

    Attributes:
        question: As it was asked.
        database: The database that was asked; '' when none was found.
        sql: The last statement that the model wrote.
        decision: The guard's decision on it, for the audit.
        findings: What of the decision may be told; see `pg_guard.report.told`.
        result: Rows, when it ran.
        attempts: Every try, in order.
        review: The judgement, when there is one.
        warnings: What to know about the answer.
        error: Why there is none.
        usage: Model calls and tokens.
        version: The version of the database (`Database.version`) that the decision was made under.
    """

    question: str
    database: str = ""
    sql: str | None = None
    decision: Decision | None = None
    findings: tuple[Finding, ...] = ()
    result: QueryResult | None = None
    attempts: tuple[Attempt, ...] = ()
    review: Review | None = None
    warnings: tuple[AnswerWarning, ...] = ()
    error: AnswerError | None = None
    usage: Usage = field(default_factory=Usage)
    version: str = ""
