"""The page of errors. In: the exception tree and the codes of answers. Out: Markdown tables with a meaning for each."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final, get_args

from pg_guard.ask.answer import AnswerCode, WarningCode
from pg_guard.ask.model import ModelError
from pg_guard.entry.reference.markdown import code, prose, table
from pg_guard.errors import PgGuardError
from pg_guard.execute.databases import DatabaseUnknown
from pg_guard.observe.audit import AuditUnavailable
from pg_guard.resilience.errors import ResilienceError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ANSWER_CODES", "error_lines", "literal_words"]

ANSWER_CODES: Final[dict[str, str]] = {
    "QUESTION_EMPTY": "There is no question.",
    "QUESTION_TOO_LONG": "The question is longer than `validation.max_question_length`.",
    "DATABASE_UNKNOWN": "There is no such database, or the question names none of several.",
    "NO_SQL": "The model wrote no statement.",
    "DENIED": "The policy refuses each statement that the model wrote.",
    "EXECUTION_FAILED": "PostgreSQL refused an allowed statement, or cancelled it.",
    "DATABASE_UNAVAILABLE": "The database cannot be reached.",
    "COST_TOO_HIGH": "The planner's estimate is over `limits.cost`; nothing was run.",
    "TIMEOUT": "The question took longer than `validation.total_timeout`.",
    "BUSY": "Too much is asked at once; ask again.",
    "CIRCUIT_OPEN": "The model or the database has failed too often in a row; it is tried again later.",
    "RATE_LIMITED": "This principal has used up what it may ask for in a minute.",
    "AUDIT_UNAVAILABLE": "The record of the statement could not be written, so that it did not run (`audit.fail`).",
    "KEY_REUSED": "An idempotency key came again with another request.",
    "INTERNAL": "A defect of pg-guard; please report it.",
    "MODEL_UNAVAILABLE": "The model's server cannot be reached, or answers with an error.",
    "MODEL_RATE_LIMITED": "The model's server refuses further calls for a while.",
    "MODEL_TIMEOUT": "The model did not answer within `model.timeout`.",
    "MODEL_AUTH": "The model's server does not accept the key.",
    "MODEL_BAD_ANSWER": "What the model's server sent is no answer.",
    "NO_MODEL": "No model is configured, and the client offers no sampling.",
    "LOW_CONFIDENCE": "(warning) The review doubts that the result answers the question.",
    "REVIEW_FAILED": "(warning) The result was not reviewed.",
    "TRUNCATED": "(warning) The result was cut at a limit of the policy.",
    "EMPTY_RESULT": "(warning) The statement ran and found no rows.",
}


def error_lines() -> Iterator[str]:
    """The lines of the page."""
    yield from ("# Errors", "", "A refusal is no error: it is a decision with findings.", "")
    yield from ("## Exceptions", "", "What commands end with, and what the Python API raises.", "")
    roots = (PgGuardError, ModelError, DatabaseUnknown, ResilienceError, AuditUnavailable)
    kinds = dict.fromkeys(kind for root in roots for kind in _tree(root))
    yield from table(
        ("code", "class", "exit code", "meaning"),
        (
            (
                code(kind.code),
                code(kind.__name__),
                str(kind.exit_code),
                prose((inspect.getdoc(kind) or "").partition("\n\n")[0]),
            )
            for kind in kinds
        ),
    )
    yield from ("## Codes of answers", "", "What `ask` and `query` of the MCP server answer with.", "")
    words = (*literal_words(AnswerCode), *literal_words(WarningCode))
    yield from table(("code", "meaning"), ((code(word), ANSWER_CODES.get(word, "")) for word in dict.fromkeys(words)))


def literal_words(form: Any) -> Iterator[str]:
    """The words of a `Literal`, or of a union of them."""
    for each in get_args(form):
        if isinstance(each, str):
            yield each
        else:
            yield from literal_words(each)


def _tree(root: type[PgGuardError]) -> Iterator[type[PgGuardError]]:
    """A class and those of its module that derive from it: which others exist depends on what was imported."""
    yield root
    for child in root.__subclasses__():
        if child.__module__ == root.__module__:
            yield from _tree(child)
