"""Where log lines go. In: lines. Out: a stream or a file that is rotated, written by a thread, so that no request waits for it."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import threading
import time
from logging.handlers import RotatingFileHandler
from typing import TYPE_CHECKING, Final, Protocol, TextIO, cast

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["LineTarget", "QueuedHandler", "RotatingFile", "StreamTarget"]

_MOST_LINES: Final = 10_000
_SECONDS_TO_FLUSH: Final = 2.0
_MODE: Final = 0o600


class LineTarget(Protocol):
    """Takes lines, in a thread of its own."""

    def write(self, line: str) -> None:
        """Write a line.

        Raises:
            OSError: It cannot be written.
            ValueError: The target is closed.
        """

    def close(self) -> None:
        """Give back what it holds."""


class StreamTarget:
    """A stream that belongs to somebody else, as standard error."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, line: str) -> None:
        """Write a line at once."""
        self._stream.write(line + "\n")
        self._stream.flush()

    def close(self) -> None:
        """The stream stays open."""


class RotatingFile:
    """A file, readable by its owner only, that is put aside when it has grown.

    Args:
        path: The file; older ones are beside it with ``.1``, ``.2``, … behind their names.
        size: Bytes from which a new one is begun; 0 for never.
        backups: Older files that are kept.

    Raises:
        OSError: It cannot be opened.
    """

    def __init__(self, path: Path, size: int, backups: int) -> None:
        self._handler = _PrivateFile(
            path, maxBytes=size, backupCount=backups, encoding="utf-8", errors="backslashreplace"
        )

    def write(self, line: str) -> None:
        """Write a line, in a new file where it does not fit."""
        self._handler.emit(logging.makeLogRecord({"msg": line}))

    def close(self) -> None:
        """Close the file."""
        with contextlib.suppress(OSError):
            self._handler.close()


class _PrivateFile(RotatingFileHandler):
    def _open(self) -> TextIO:  # type: ignore[override]  # narrower than the stub's TextIOWrapper
        def opener(name: str, flags: int) -> int:
            return os.open(name, flags, _MODE)

        return cast(
            "TextIO", open(self.baseFilename, self.mode, encoding=self.encoding, errors=self.errors, opener=opener)
        )

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802, ARG002 - logging's name
        # Called while the error is being handled: the writer's thread counts the line as lost.
        raise


class QueuedHandler(logging.Handler):
    """Formats records where they happen, and lets a thread write them. What does not fit into the queue is counted and told.

    Args:
        target: Where lines go.
        most: Lines that may wait.
    """

    def __init__(self, target: LineTarget, most: int = _MOST_LINES) -> None:
        super().__init__()
        self._target = target
        self._lines: queue.Queue[str | None] = queue.Queue(most)
        self._lost = 0
        self._closed = False
        self._writer = threading.Thread(target=self._write_all, name="pg-guard log", daemon=True)
        self._writer.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Format a record and hand it over; never waits."""
        if self._closed:
            return
        try:
            line = self.format(record)
        except Exception:  # noqa: BLE001 - a line that cannot be formatted must not stop what it tells of
            self._lost += 1
            return
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self._lost += 1

    def _write_all(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                if self._lost:
                    # Taken first: lines that are lost meanwhile are told later.
                    lost, self._lost = self._lost, 0
                    self._target.write(_lost_line(lost))
                self._target.write(line)
            except (OSError, ValueError):
                self._lost += 1
            finally:
                self._lines.task_done()

    def flush(self) -> None:
        """Wait until the lines so far are written, for two seconds at most."""
        end = time.monotonic() + _SECONDS_TO_FLUSH
        with self._lines.all_tasks_done:
            while self._lines.unfinished_tasks and (left := end - time.monotonic()) > 0:
                self._lines.all_tasks_done.wait(left)

    def close(self) -> None:
        """Write what waits, for two seconds at most, and end the thread."""
        if not self._closed:
            self._closed = True
            self.flush()
            with contextlib.suppress(queue.Full):
                self._lines.put_nowait(None)
            self._writer.join(_SECONDS_TO_FLUSH)
            if not self._writer.is_alive():
                self._target.close()
        super().close()


def _lost_line(count: int) -> str:
    return json.dumps({"level": "warning", "logger": __name__, "event": "log lines were lost", "lines": count})
