"""Anchors of an audit log. In: the ends that its chain has had. Out: a small file of them, which shows a log that was cut.

A hash chain shows every change but a missing end, and but a rewriting of everything after a place. An anchor says that the
chain had a certain hash at a certain number. It helps as far as those who could change the log cannot change the anchors: let
the file lie on another volume, or ship it away.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
from typing import TYPE_CHECKING, Final

from pg_guard.observe.audit_lines import ANCHOR_SCHEMA, Head, anchor_line
from pg_guard.observe.audit_sinks import now

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["Anchors", "read_anchors"]

_TAIL: Final = 65_536

_log = logging.getLogger(__name__)


class Anchors:
    """A file of anchors.

    Args:
        path: The file.
        every: Lines of the log between two anchors.

    Attributes:
        noted: Anchors that were written.
        failures: Anchors that could not be.
    """

    def __init__(self, path: Path, every: int = 1_000) -> None:
        self.noted = 0
        self.failures = 0
        self._path = path
        self._every = every
        self._last: Head | None = None
        self._compared = False

    def due(self, head: Head) -> bool:
        """Is it time for one?"""
        return head.seq % self._every == 0

    def note(self, head: Head) -> None:
        """Write one; a failure is logged, because the line that it is about is written already."""
        if head == self._last:
            return
        try:
            fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                size, line = os.fstat(fd).st_size, anchor_line(head, now())
                if os.write(fd, line) != len(line):
                    # The next one must not stand behind a part of this one.
                    os.ftruncate(fd, size)
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(fd)
            finally:
                os.close(fd)
        except OSError as error:
            self.failures += 1
            _log.warning("%s: the anchor of line %d is missing: %s", self._path.name, head.seq, error.strerror or error)
        else:
            self.noted += 1
            self._last = head

    def note_due(self, heads: Iterable[Head]) -> None:
        """Write those of these ends whose time it is."""
        for head in heads:
            if self.due(head):
                self.note(head)

    def compare(self, head: Head) -> None:
        """Say in the log, once, when the chain goes on before its last anchor: then its end was cut off."""
        if self._compared:
            return
        self._compared = True
        with contextlib.suppress(OSError):
            with self._path.open("rb") as file:
                file.seek(0, os.SEEK_END)
                file.seek(max(0, file.tell() - _TAIL))
                last = file.read().rstrip().rpartition(b"\n")[2]
            anchor = _read(last)
            if anchor is not None and (anchor.chain != head.chain or anchor.seq > head.seq):
                _log.error(
                    "the audit log ends at line %d of chain %s; its anchors know line %d of chain %s",
                    *(head.seq, head.chain, anchor.seq, anchor.chain),
                )


def read_anchors(path: Path) -> tuple[list[Head], list[int]]:
    """Anchors of a file, in order, and the numbers of lines that are none; a torn last line counts as one of these.

    Raises:
        OSError: It cannot be read.
    """
    anchors: list[Head] = []
    bad: list[int] = []
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            anchor = _read(line)
            if anchor is None:
                bad.append(number)
            else:
                anchors.append(anchor)
    return anchors, bad


def _read(line: bytes) -> Head | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or found.get("schema") != ANCHOR_SCHEMA:
        return None
    chain, seq, digest = found.get("chain"), found.get("seq"), found.get("hash")
    if not (isinstance(chain, str) and isinstance(seq, int) and isinstance(digest, str)):
        return None
    return Head(chain, seq, digest)
