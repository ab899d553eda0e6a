"""Does a result answer its question? In: a model's judgement. Out: a `Review`, or an error that never fails the query."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from pg_guard.ask import prompts
from pg_guard.ask.answer import Review
from pg_guard.ask.model import ModelError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from pg_guard.ask.model import Completion, Message
    from pg_guard.execute.executor import QueryResult

__all__ = ["judge"]

_MOST_TEXT = 1_000


async def judge(
    complete: Callable[[Sequence[Message]], Awaitable[Completion]],
    question: str,
    sql: str,
    result: QueryResult,
    *,
    sample_rows: int,
) -> Review:
    """Ask a model whether a result answers a question.

    Raises:
        ModelError: It cannot be asked, or its judgement cannot be read.
    """
    completion = await complete(prompts.review(question, sql, result, sample_rows))
    return read_judgement(completion.text)


def read_judgement(text: str) -> Review:
    """Read the JSON object in a model's answer.

    Raises:
        ModelError: There is none, or it has no confidence between 0 and 100.
    """
    start = text.find("{")
    try:
        found: Any = json.JSONDecoder().raw_decode(text[start:])[0] if start >= 0 else None
    except (ValueError, RecursionError):
        found = None
    confidence = found.get("confidence") if isinstance(found, dict) else None
    if isinstance(confidence, str) and re.fullmatch(r"\s*\d{1,3}\s*%?\s*", confidence):
        confidence = int(confidence.strip(" %"))
    if isinstance(confidence, bool) or not isinstance(confidence, (int, float)) or not 0 <= confidence <= 100:
        raise ModelError("MODEL_BAD_ANSWER", "the model's judgement cannot be read")
    assert isinstance(found, dict)  # it has a confidence
    return Review(int(confidence), _text(found.get("explanation")), _text(found.get("suggestion")))


def _text(value: object) -> str:
    return " ".join(value.split())[:_MOST_TEXT] if isinstance(value, str) else ""
