"""The server's log. In: records of this package and of libraries. Out: one line each on standard error, without tracebacks.

The text of an exception may hold what a statement read, and a traceback of one holds it again: its kind is logged alone.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import stamina.instrumentation

from pg_guard.report.visible import visible

if TYPE_CHECKING:
    from stamina.instrumentation import RetryDetails

__all__ = ["OneLine", "configure_logging"]

_log = logging.getLogger(__name__)


class OneLine(logging.Formatter):
    """``WARNING pg_guard.execute.database: … (ConnectionError)``."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line."""
        kind = record.exc_info[0] if record.exc_info else None
        after = f" ({kind.__name__})" if kind is not None else ""
        return visible(f"{record.levelname} {record.name}: {record.getMessage()}{after}")


def configure_logging() -> None:
    """Log warnings and errors of this process to standard error; a process that logs already is left as it is."""
    stamina.instrumentation.set_on_retry_hooks([_log_retry])
    root = logging.getLogger()
    if root.handlers:
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine())
    root.addHandler(handler)
    root.setLevel(logging.WARNING)


def _log_retry(details: RetryDetails) -> None:
    kind = type(details.caused_by).__name__
    _log.warning("%s: tried again in %.1f s (%d)", kind, details.wait_for, details.retry_num)
