"""Log lines of libraries. In: a record of a library. Out: what it says, without what a client or a server has sent.

Libraries quote: frames with statements and rows, messages of errors, ids of sessions, which open them. Of most, what happened is
told, and not with what: the text of the call with its ``%s``, or, where the library has put the values in before, its first words.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.typing import EventDict

__all__ = ["library_text", "own_words", "without_quotes"]

OWN: Final = "pg_guard"

# These tell addresses, status codes and counts, and kinds of errors. The redaction sees to what an address may hold.
_PLAIN: Final = ("asyncio", "httpx", "httpx2", "openai", "stamina", "uvicorn")
_WORD: Final = re.compile(r"[A-Za-z][A-Za-z'-]*[.,;:]?")
_MARK: Final = "…"


def without_quotes(add: Callable[..., EventDict]) -> Callable[..., EventDict]:
    """A processor for records of `logging`: fields are added to own ones, and what a library quotes is left out.

    Args:
        add: Adds the fields of a record.
    """

    def processor(logger: object, method: str, event: EventDict) -> EventDict:
        record = event["_record"]
        if _is_plain(record.name):
            return add(logger, method, event)
        event["event"] = library_text(str(record.msg), str(event["event"]))
        return event

    return processor


def library_text(template: str, message: str) -> str:
    """What a library says.

    Args:
        template: The text of its call.
        message: The same with values in it; equal to the template where there are none, or where they have been put in before.
    """
    if template != message:
        return template
    words = message.split(" ") if message else []
    for number, word in enumerate(words):
        if not _WORD.fullmatch(word):
            return " ".join([*words[:number], _MARK])
        if word.endswith(":") and number + 1 < len(words):
            return " ".join([*words[: number + 1], _MARK])
    return message


def own_words(_: object, __: str, event: EventDict) -> EventDict:
    """A processor for lines of structlog: of those of a library the event alone stays, without what it may quote."""
    record = event.get("_record")
    if not event.get("_from_structlog") or record is None or _is_plain(record.name):
        return event
    text = str(event.get("event", ""))
    return {"event": library_text(text, text), "_record": record, "_from_structlog": True}


def _is_plain(name: str) -> bool:
    return any(name == each or name.startswith(f"{each}.") for each in (OWN, *_PLAIN))
