"""The audit log as files. In: contents of lines. Out: JSON lines on disk, whole ones only, in one chain for all processes.

Every line is one ``write`` to a file that is opened for appending. Processes that share a file take turns by a lock on
``<file>.lock``, and each goes on from the last line that stands there, so there is one chain, whoever writes. A process that
is killed in mid-write leaves a torn end: it was never acknowledged, so no statement ran on it. The next writer takes it off
and says so in a line ``recovered``. The lock file holds the end of the chain, too, so that a log that was moved away is gone on
with, and one whose end was cut off is told.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import fcntl
import hashlib
import json
import logging
import os
import threading
import time
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from pg_guard.observe.audit_lines import Content, Head, Parsed, Unreadable, parse_line
from pg_guard.observe.audit_parts import (
    DIGITS,
    FOR_EVER,
    Retention,
    first_line,
    last_line,
    outdated,
    part_name,
    parts_of,
)
from pg_guard.observe.audit_sinks import SinkError, now

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pg_guard.observe.audit_anchors import Anchors

__all__ = ["AuditFile", "Retention", "Rotation", "parts_of"]

_BLOCK: Final = 16_384
_MOST_SEARCHED: Final = 4 * 1024 * 1024
_STATE_BYTES: Final = 160

_log = logging.getLogger(__name__)


class Rotation(NamedTuple):
    """When a new file is begun: at a size in bytes, at an age of its first line in seconds; 0 for never."""

    size: int = 0
    age: float = 0.0


class AuditFile:
    """A file of JSON lines, and its older parts. Blocking and thread-safe.

    Args:
        path: The file that is written to.
        fsync: Whether `append` waits for the disk: ``always``, when `interval` has gone by, or ``never``.
        interval: Seconds, for ``interval``.
        rotation: When a new file is begun.
        anchors: Where the chain's end is noted.
        retention: How long completed parts are kept. A line of the chain says which were deleted, before they are.
    """

    def __init__(
        self,
        path: Path,
        *,
        fsync: Literal["always", "interval", "never"] = "always",
        interval: float = 1.0,
        rotation: Rotation = Rotation(),  # noqa: B008 - immutable
        anchors: Anchors | None = None,
        retention: Retention = FOR_EVER,
    ) -> None:
        self.path = path
        self._fsync = fsync
        self._interval = interval
        self._rotation = rotation
        self._anchors = anchors
        self._retention = retention
        self._mutex = threading.Lock()
        self._lock_fd = -1
        self._fd = -1
        self._identity = (0, 0)
        self._size = 0
        # Of the clock that nobody sets.
        self._born: float | None = None
        self._head: Head | None = None
        self._dirty = False
        self._synced = time.monotonic()

    def append(self, contents: Sequence[Content]) -> None:
        """Write lines, and wait until they are as durable as the policy says.

        Raises:
            SinkError: A line could not be written; says how many could.
        """
        written = 0
        try:
            with self._mutex, self._locked():
                head = self._current()
                for content in contents:
                    if self._is_due():
                        self._rotate(head)
                        head = self._delete_outdated(head)
                    line, head = head.link(content)
                    self._write(line, head)
                    written += 1
                    if self._anchors is not None and self._anchors.due(head):
                        self._anchors.note(head)
                if self._fsync == "always" or (
                    self._fsync == "interval" and time.monotonic() - self._synced >= self._interval
                ):
                    # Before the disk has them, none of the lines is acknowledged.
                    reached, written = written, 0
                    self._sync()
                    written = reached
                self._remember()
        except OSError as error:
            raise SinkError(written, f"{self.path.name}: {error.strerror or error}") from None

    def sync(self) -> None:
        """Bring what was written to the disk.

        Raises:
            SinkError: The disk does not take it.
        """
        try:
            with self._mutex:
                self._sync()
        except OSError as error:
            raise SinkError(0, f"{self.path.name}: {error.strerror or error}") from None

    def close(self) -> None:
        """Bring everything to the disk, note the end, and close."""
        with self._mutex:
            if self._fsync != "never":
                with contextlib.suppress(OSError):
                    self._sync()
            if self._anchors is not None and self._head is not None and self._head.seq:
                self._anchors.note(self._head)
            self._close_file()
            if self._lock_fd >= 0:
                os.close(self._lock_fd)
                self._lock_fd = -1

    # -- under the lock ------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        if self._lock_fd < 0:
            lock = self.path.with_name(self.path.name + ".lock")
            self._lock_fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock_fd, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._lock_fd, fcntl.LOCK_UN)

    def _current(self) -> Head:
        """The end of the chain, whoever wrote it; opens the file, and takes a torn end off."""
        try:
            found = self.path.stat()
            place, size = (found.st_dev, found.st_ino), found.st_size
        except FileNotFoundError:
            place, size = (0, 0), 0
        if self._fd < 0 or place != self._identity:
            self._close_file()
            self._open()
        elif size == self._size and self._head is not None:
            return self._head
        else:
            # Another process has written, or was killed while it did.
            self._size = size
        return self._recovered()

    def _open(self) -> None:
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        self._fd = os.open(self.path, flags, 0o600)
        status = os.fstat(self._fd)
        self._identity, self._size = (status.st_dev, status.st_ino), status.st_size
        if not status.st_size:
            self._sync_directory()

    def _close_file(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._head, self._born = -1, None, None

    def _recovered(self) -> Head:
        """Go on from what stands in the file, or in the newest older part."""
        torn = self._take_off_torn_end()
        head, broken = self._last_head()
        self._head = head
        if self._born is None:
            self._born = time.monotonic() - self._age_of_first()
        if self._anchors is not None:
            self._anchors.compare(head)
        known = self._remembered()
        if known is not None and known.chain == head.chain and known.seq > head.seq:
            missing = {"first": head.seq + 1, "last": known.seq}
            _log.error("%s: the lines %d to %d are missing", self.path.name, *missing.values())
            head = self._note(head, reason="missing lines", **missing)
        if torn:
            _log.warning("%s: a torn end of %d bytes was taken off", self.path.name, len(torn))
            head = self._note(head, reason="torn end", bytes=len(torn), sha256=hashlib.sha256(torn).hexdigest())
        elif broken:
            _log.error("%s: a new chain is begun: %s", self.path.name, broken)
            head = self._note(head, reason=broken)
        return head

    def _note(self, head: Head, **what: object) -> Head:
        line, head = head.link({"event": "recovered", "time": now(), **what})
        self._write(line, head)
        return head

    def _remember(self) -> None:
        """Keep the chain's end in the lock file; it is only an aid, so that a failure does not count."""
        if self._head is not None:
            with contextlib.suppress(OSError):
                os.pwrite(self._lock_fd, json.dumps(self._head).encode("ascii").ljust(_STATE_BYTES), 0)

    def _remembered(self) -> Head | None:
        try:
            chain, seq, digest = json.loads(os.pread(self._lock_fd, _STATE_BYTES, 0))
            return Head(str(chain), int(seq), str(digest))
        except (ValueError, TypeError, OSError):
            return None

    def _take_off_torn_end(self) -> bytes:
        end, torn = self._size, b""
        while end > 0:
            start = max(0, end - _BLOCK)
            block = os.pread(self._fd, end - start, start)
            cut = block.rfind(b"\n")
            torn = block[cut + 1 :] + torn
            if cut >= 0:
                break
            end = start
        if torn:
            os.ftruncate(self._fd, self._size - len(torn))
            os.fsync(self._fd)
            self._size -= len(torn)
        return torn

    def _last_head(self) -> tuple[Head, str]:
        """The end of the chain; with a reason where a new one is begun because the end cannot be read."""
        last = last_line(self._fd, self._size)
        if last is None:
            older = parts_of(self.path)[-1:]
            if not older:
                return self._remembered() or Head.new(), ""
            fd = os.open(older[0], os.O_RDONLY | os.O_CLOEXEC)
            try:
                last = last_line(fd, os.fstat(fd).st_size)
            finally:
                os.close(fd)
        try:
            return parse_line(last or b"").head, ""
        except Unreadable as error:
            return Head.new()._replace(seq=self._number_before()), f"the last line is {error}"

    def _number_before(self) -> int:
        """A number that a new chain can go on from, so that names of parts still sort: the last one that can be read."""
        start = max(0, self._size - _MOST_SEARCHED)
        for line in reversed(os.pread(self._fd, self._size - start, start).splitlines(keepends=True)):
            with contextlib.suppress(Unreadable):
                return parse_line(line).head.seq
        older = parts_of(self.path)[-1:]
        return int(older[0].name.removeprefix(self.path.stem + ".")[:DIGITS]) if older else 0

    def _write(self, line: bytes, head: Head) -> None:
        try:
            count = os.write(self._fd, line)
            if count != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            # A part of a line must not stay: the next one would stand behind it.
            self._head = None
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, self._size)
            raise
        if not self._size:
            self._born = time.monotonic()
        self._size += len(line)
        self._head = head
        self._dirty = True

    def _sync(self) -> None:
        if self._dirty and self._fd >= 0:
            os.fdatasync(self._fd)
        self._dirty = False
        self._synced = time.monotonic()

    def _sync_directory(self) -> None:
        if self._fsync == "never":
            return
        fd = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    # -- rotation ------------------------------------------------------------------------------------------------------

    def _is_due(self) -> bool:
        if not self._size or self._born is None:
            return False
        size, age = self._rotation
        return bool((size and self._size >= size) or (age and time.monotonic() - self._born >= age))

    def _rotate(self, head: Head) -> None:
        """Name the file after its first line's number, so that names sort as lines do, and begin a new one."""
        if self._fsync != "never":
            self._sync()
        first = self._first()
        part = part_name(self.path, first.head.seq if first else 0)
        self.path.rename(part)
        self._close_file()
        self._open()
        self._head = head
        if self._anchors is not None:
            self._anchors.note(head)

    def _delete_outdated(self, head: Head) -> Head:
        """Delete parts that are too old, after a line of the chain says so; a failure keeps them."""
        if self._retention == FOR_EVER:
            return head
        try:
            old = outdated(self.path, self._retention)
            if not old:
                return head
            told = [{"name": part.path.name, **part.last._asdict()} for part in old]
            line, after = head.link({"event": "pruned", "time": now(), "parts": told})
            self._write(line, after)
            if self._fsync != "never":
                self._sync()
            head = after
            for part in old:
                part.path.unlink(missing_ok=True)
            self._sync_directory()
        except Unreadable as error:
            _log.error("%s: an old part is kept, with what is newer: it is %s", self.path.name, error)
        except OSError as error:
            _log.warning("%s: old parts are kept: %s", self.path.name, error.strerror or error)
        else:
            _log.info("%s: %d old part(s) deleted", self.path.name, len(old))
        return head

    def _first(self) -> Parsed | None:
        try:
            return parse_line(first_line(self._fd, self._size))
        except Unreadable:
            return None

    def _age_of_first(self) -> float:
        """Seconds since the first line was written, maybe by another process: by its time, as far as that is not to come."""
        first = self._first() if self._size else None
        try:
            written = datetime.datetime.fromisoformat(str(first.content["time"])).timestamp() if first else time.time()
        except (KeyError, ValueError):
            return 0.0
        return max(0.0, time.time() - written)
