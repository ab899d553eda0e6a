"""What audit lines say. In: decisions, and what came of them. Out: the contents of lines, before they are linked into a chain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

from pg_guard.observe.audit_sinks import now

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pg_guard.decision import Decision
    from pg_guard.observe.audit_lines import Content
    from pg_guard.observe.audit_masking import Masker

__all__ = ["Entry", "Operation", "Outcome", "Status", "content_of_decision", "content_of_outcome"]

Operation: TypeAlias = Literal["run", "explain", "check"]
Status: TypeAlias = Literal["ok", "error", "cancelled"]

# A statement that is longer is refused by any policy; its first part and its digest tell which it was.
_MOST_CHARACTERS: Final = 65_536
# Findings can be many on such a text.
_MOST_FINDINGS: Final = 200


class Entry(NamedTuple):
    """A decision that was recorded: its id, and whether the record was written."""

    decision_id: str
    recorded: bool


class Outcome(NamedTuple):
    """What came of a statement.

    Attributes:
        status: It ended well, with an error, or was cancelled.
        duration_ms: From the decision's record to the end.
        rows: Rows that were handed out; None where there are none to count.
        truncated: There were more.
        error: The code of the error, or ''.
        sqlstate: PostgreSQL's code, or ''.
    """

    status: Status
    duration_ms: float
    rows: int | None = None
    truncated: bool = False
    error: str = ""
    sqlstate: str = ""


def content_of_decision(
    decision: Decision,
    decision_id: str,
    masker: Masker,
    *,
    database: str,
    operation: Operation,
    principal: Mapping[str, object] | None,
    question_id: str | None,
) -> Content:
    """The line that is written before a statement runs."""
    return {
        "event": "decision",
        "time": now(),
        "decision_id": decision_id,
        "operation": operation,
        "database": database,
        "principal": _principal(principal),
        "question_id": question_id,
        "masking": masker.described,
        "decision": masker.mask(_shortened(decision.to_dict())),
    }


def content_of_outcome(entry: Entry, outcome: Outcome) -> Content:
    """The line on what came of it."""
    return {
        "event": "outcome",
        "time": now(),
        "decision_id": entry.decision_id,
        "status": outcome.status,
        "duration_ms": round(outcome.duration_ms, 3),
        "rows": outcome.rows,
        "truncated": outcome.truncated,
        "error": outcome.error or None,
        "sqlstate": outcome.sqlstate or None,
    }


def _principal(principal: Mapping[str, object] | None) -> dict[str, Any] | None:
    if principal is None:
        return None
    rest = {name: value for name, value in principal.items() if name not in ("client", "subject")}
    return {"client": principal.get("client"), "subject": principal.get("subject"), "attributes": rest}


def _shortened(record: dict[str, Any]) -> dict[str, Any]:
    """A record without the rest of a text that is longer than any policy takes: nobody fills the disk with refused texts."""
    sql = record["sql"]
    return record | {
        "statement": record["statement"][:_MOST_CHARACTERS],
        "sql": sql if sql is None else sql[:_MOST_CHARACTERS],
        "findings": record["findings"][:_MOST_FINDINGS],
    }
