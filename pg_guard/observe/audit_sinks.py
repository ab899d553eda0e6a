"""Where audit lines go. In: contents of lines. Out: lines in a chain, written, or a `SinkError` that says how many are not.

A sink gets several contents at once when several statements wait: one wait for the disk, or one transaction, serves them all.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import logging
import os
from typing import TYPE_CHECKING, Protocol

from pg_guard.observe.audit_lines import Content, Head

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pg_guard.observe.audit_anchors import Anchors
    from pg_guard.observe.audit_file import AuditFile

__all__ = ["FileSink", "Sink", "SinkError", "StreamSink", "now"]

_log = logging.getLogger(__name__)


class SinkError(Exception):
    """Lines could not be written.

    Attributes:
        written: How many of them were, from the first.
        message: Why the next one was not; without secrets.
    """

    def __init__(self, written: int, message: str) -> None:
        super().__init__(message)
        self.written = written
        self.message = message


class Sink(Protocol):
    """Takes lines and keeps them. One `append` runs at a time."""

    async def open(self) -> None:
        """See that lines can be written; raises `SinkError`."""

    async def append(self, contents: Sequence[Content]) -> None:
        """Write lines, as durably as the sink is set to; raises `SinkError`."""

    async def close(self) -> None:
        """Write what is left, and let go; raises nothing."""


def now() -> str:
    """The time, in UTC with microseconds, as ``2026-01-31T12:00:00.000000Z``."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


class FileSink:
    """A file of JSON lines.

    Args:
        file: The file.
        interval: Seconds after which lines are brought to the disk when no further ones come; 0 for never.
    """

    def __init__(self, file: AuditFile, interval: float = 0.0) -> None:
        self._file = file
        self._interval = interval
        self._syncing: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Open the file, and take a torn end off."""
        await asyncio.to_thread(self._file.append, ())

    async def append(self, contents: Sequence[Content]) -> None:
        """Write lines in a thread: the disk may take its time."""
        await asyncio.to_thread(self._file.append, contents)
        if self._interval and (self._syncing is None or self._syncing.done()):
            self._syncing = asyncio.create_task(self._sync_later())

    async def _sync_later(self) -> None:
        await asyncio.sleep(self._interval)
        try:
            await asyncio.to_thread(self._file.sync)
        except SinkError as error:
            _log.error("audit log: %s", error.message)

    async def close(self) -> None:
        """Bring everything to the disk."""
        if self._syncing is not None:
            self._syncing.cancel()
            await asyncio.gather(self._syncing, return_exceptions=True)
        await asyncio.to_thread(self._file.close)


class StreamSink:
    """A stream such as standard output. Each process has a chain of its own, from line 1.

    Args:
        fd: The stream's file descriptor.
        anchors: Where the chain's end is noted.
    """

    def __init__(self, fd: int = 1, *, anchors: Anchors | None = None) -> None:
        self._fd = fd
        self._anchors = anchors
        self._head = Head.new()

    async def open(self) -> None:
        """Nothing to do."""

    async def append(self, contents: Sequence[Content]) -> None:
        """Write lines; whoever collects them keeps them."""
        await asyncio.to_thread(self._append, contents)

    def _append(self, contents: Sequence[Content]) -> None:
        for number, content in enumerate(contents):
            line, head = self._head.link(content)
            try:
                # A pipe may take a long line in parts.
                while line:
                    line = line[os.write(self._fd, line) :]
            except OSError as error:
                # A part may stand there: what follows is a new chain on a new line.
                self._head = Head.new()
                with contextlib.suppress(OSError):
                    os.write(self._fd, b"\n")
                raise SinkError(number, f"standard output: {error.strerror or error}") from None
            self._head = head
            if self._anchors is not None:
                self._anchors.note_due((head,))

    async def close(self) -> None:
        """Note the chain's end."""
        if self._anchors is not None and self._head.seq:
            await asyncio.to_thread(self._anchors.note, self._head)
