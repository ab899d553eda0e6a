"""The server's log. In: records of this package and of libraries. Out: one line each, JSON or for a terminal, without secrets.

    record → without what libraries quote → ids of the request → kind of its exception → redaction → JSON or console
           → queue → standard error or a file

Lines never go to standard output, which belongs to the protocol of a stdio server. A thread of its own writes them: a reader
that reads nothing, or a slow disk, costs lines and never a request. The text of an exception may hold what a statement read,
so that its kind is told and not its text.
"""

from __future__ import annotations

import contextlib
import logging
import re
import sys
from typing import TYPE_CHECKING, Any, Final, TextIO, cast

import structlog
from structlog.stdlib import ProcessorFormatter

from pg_guard.observe.context import current_ids
from pg_guard.observe.library_lines import OWN, own_words, without_quotes
from pg_guard.observe.log_output import LineTarget, QueuedHandler, RotatingFile, StreamTarget
from pg_guard.observe.redaction import Redactor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from structlog.typing import EventDict, Processor

    from pg_guard.settings import LoggingSettings, Settings

__all__ = ["FIELDS", "change_logging", "formatter", "logging_to_output"]

FIELDS: Final = {
    "timestamp": "When, in UTC, as in `2026-03-01T12:00:00.000000Z`.",
    "level": "`debug`, `info`, `warning`, `error` or `critical`.",
    "logger": "The part of the program that tells it.",
    "event": "What happened.",
    "service": "What the deployment calls itself, where `service_name` says it.",
    "request_id": "The request of a client; the same in all lines about it, and given anew to each.",
    "session_id": "The connection of the client: a digest of its id, which itself is as good as a key.",
    "database": "The database, by its name in the settings.",
    "decision_id": "The guard's decision, as in the audit log.",
    "method": "The protocol's method, as in `tools/call`.",
    "tool": "The tool that was called.",
    "status": "How it ended: one of the values of `pg_guard_query_requests_total`.",
    "duration_ms": "How long it took, in milliseconds.",
    "effect": "The decision: `allow`, `rewrite` or `deny`.",
    "kind": "Kind of the statement, as in `select`.",
    "rules": "Rules that refused a statement, or would under `enforce`.",
    "statement": "The statement, as far as `logging.statements` lets it be shown.",
    "question": "The question, as far as `logging.statements` lets it be shown; `masked` leaves words that ask and count.",
    "question_id": "The question that a line belongs to, as in the audit log.",
    "code": "Stable code of an error.",
    "sqlstate": "PostgreSQL's code of an error.",
    "rows": "Rows of a result.",
    "operation": "What a model was asked for: `generate` or `review`.",
    "model": "The model that was asked.",
    "tokens": "Tokens of a model call, those of the question and of the answer together.",
    "cause": "What asked for a reload: `signal`, `files`, `request`, or `retry` some time after a failure.",
    "settings": "Names of settings that have new values and need a restart.",
    "tests": "Tests of a policy that have run so far.",
    "exception": "Kind of an exception; its text, which may hold data, is not told.",
}
"""Every field of a line that this package writes, and its meaning."""

_ALWAYS: Final = (
    "timestamp",
    "level",
    "logger",
    "event",
    "service",
    "request_id",
    "session_id",
    "database",
    "decision_id",
)


# What moves a terminal's cursor, ends a line or turns the direction of writing, beside what JSON escapes by itself.
_ORDERS: Final = re.compile(r"[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]")


@contextlib.contextmanager
def logging_to_output(settings: Settings, stream: TextIO | None = None) -> Iterator[None]:
    """Log as the settings say until the end of the block; what was configured before comes back then.

    Args:
        settings: `logging`, and all secrets of the tree, which no line will hold.
        stream: Instead of standard error.

    Raises:
        OSError: The log file cannot be opened.
    """
    chosen = settings.logging
    output = stream if stream is not None else sys.stderr
    in_file = RotatingFile(chosen.file, chosen.file_bytes, chosen.file_backups) if chosen.file is not None else None
    target: LineTarget = in_file or StreamTarget(output)
    handler = QueuedHandler(target)
    handler.setFormatter(
        formatter(
            chosen,
            Redactor.of(settings),
            terminal=chosen.file is None and _is_terminal(output),
            service=_service_of(settings),
        )
    )
    root, own = logging.getLogger(), logging.getLogger(OWN)
    before = (root.handlers[:], root.level, own.level, structlog.get_config(), logging.raiseExceptions)
    root.handlers[:] = [handler]
    root.setLevel(chosen.libraries.upper())
    own.setLevel(chosen.level.upper())
    # A line that cannot be formatted is lost; its traceback on standard error could show what it was to hide.
    logging.raiseExceptions = False
    # Libraries that find structlog use it; without this it would print to standard output.
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    try:
        yield
    finally:
        root.handlers[:], level, own_level, known, logging.raiseExceptions = before
        root.setLevel(level)
        own.setLevel(own_level)
        structlog.configure(**known)
        handler.close()


def change_logging(settings: Settings, before: Settings) -> None:
    """Log as other settings say from now on, to where it goes already; a log that is not `logging_to_output`'s stays as it is.

    Args:
        settings: `logging`, and all secrets of the tree.
        before: Those until now, whose secrets are still no reader's business.
    """
    root = logging.getLogger()
    mine = [handler for handler in root.handlers if isinstance(handler, QueuedHandler)]
    chosen = settings.logging
    for handler in mine:
        terminal = chosen.file is None and _is_terminal(sys.stderr)
        redactor = Redactor.of(settings, before)
        handler.setFormatter(formatter(chosen, redactor, terminal=terminal, service=_service_of(settings)))
    if mine:
        root.setLevel(chosen.libraries.upper())
        logging.getLogger(OWN).setLevel(chosen.level.upper())


def _service_of(settings: Settings) -> str:
    """What lines call the deployment; nothing where it has no name of its own."""
    return settings.service_name if "service_name" in settings.model_fields_set else ""


def formatter(
    settings: LoggingSettings, redactor: Redactor, *, terminal: bool = False, service: str = ""
) -> ProcessorFormatter:
    """What makes lines of records, whether they come from `logging` or from structlog.

    Args:
        settings: Which form lines have.
        redactor: Takes secrets out.
        terminal: A person reads along.
        service: What every line calls the deployment, if anything.
    """
    console = settings.format == "console" or (settings.format == "auto" and terminal)

    def redact(_: object, __: str, event: EventDict) -> EventDict:
        return cast("EventDict", redactor.value(event))

    def add_service(_: object, __: str, event: EventDict) -> EventDict:
        if service:
            event["service"] = service
        return event

    shared: list[Processor] = [
        add_service,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_ids,
    ]
    render: list[Processor] = [_kind_of_exception, redact, _in_order]
    render += (
        [_visible, structlog.dev.ConsoleRenderer(colors=terminal, pad_event_to=20)]
        if console
        else [structlog.processors.JSONRenderer(ensure_ascii=False, default=str), _encodable]
    )
    return ProcessorFormatter(
        foreign_pre_chain=[without_quotes(structlog.stdlib.ExtraAdder()), *shared],
        processors=[own_words, _complete(shared), ProcessorFormatter.remove_processors_meta, *render],
    )


def _complete(shared: list[Processor]) -> Processor:
    """Lines of structlog's own loggers get what those of `logging` have got before."""

    def complete(logger: Any, method: str, event: EventDict) -> EventDict:
        if event.get("_from_structlog"):
            for processor in shared:
                event = cast("EventDict", processor(logger, method, event))
        return event

    return complete


def _add_ids(_: object, __: str, event: EventDict) -> EventDict:
    for name, value in current_ids().items():
        event.setdefault(name, value)
    return event


def _kind_of_exception(_: object, __: str, event: EventDict) -> EventDict:
    info = event.pop("exc_info", None)
    event.pop("stack_info", None)
    event.pop("stack", None)
    # The same text as uvicorn would colour it.
    event.pop("color_message", None)
    error = (
        info[1]
        if isinstance(info, tuple)
        else info
        if isinstance(info, BaseException)
        else sys.exc_info()[1]
        if info
        else None
    )
    if isinstance(error, BaseException):
        event["exception"] = type(error).__qualname__
    return event


def _in_order(_: object, __: str, event: EventDict) -> EventDict:
    first = {name: event.pop(name) for name in _ALWAYS if name in event}
    return {**first, **{name: value for name, value in event.items() if value is not None}}


def _visible(_: object, __: str, event: EventDict) -> EventDict:
    """No text may move the cursor of a terminal, or look like a second line."""
    return {name: _printable(value) if isinstance(value, str) else value for name, value in event.items()}


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text)


def _encodable(_: object, __: str, line: Any) -> Any:
    if not isinstance(line, str):
        return line
    # They stand in strings only: JSON has a way to write them that no terminal and no reader of lines takes for orders.
    line = _ORDERS.sub(lambda found: f"\\u{ord(found[0]):04x}", line)
    # Half of a surrogate pair can come from a client, and cannot be written.
    return line.encode("utf-8", "backslashreplace").decode("utf-8")


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except (AttributeError, ValueError):
        return False
