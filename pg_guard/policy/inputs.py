"""Files that others wrote. In: a path and a bound. Out: the bytes, never more than the bound, and never a long wait.

A path may name anything: a directory, a pipe that nobody writes to, a device without an end. Whoever reads one gets an
`OSError` with a reason for people, as for a file that is missing.
"""

from __future__ import annotations

import errno
import os
import select
import stat
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_bytes", "read_regular"]

WRITER_SECONDS: Final = 1.0
"""How long a pipe may be without anybody who writes to it."""
PIPE_SECONDS: Final = 30.0
"""How long the next bytes of a pipe may take, as in ``--policy <(make-policy)``."""


def read_bytes(path: Path, most: int) -> bytes:
    """Read a file, a pipe or a device; at most `most` + 1 bytes, so that the caller sees that there were too many.

    Raises:
        OSError: It cannot be read, nobody writes to the pipe, or nothing comes from it for `PIPE_SECONDS`.
        ValueError: The path holds a NUL.
    """
    # Without O_NONBLOCK, the opening of a pipe that has no writer never returns.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        return _read_all(descriptor, most + 1, str(path), is_pipe=stat.S_ISFIFO(mode))
    finally:
        os.close(descriptor)


def _read_all(descriptor: int, left: int, path: str, *, is_pipe: bool) -> bytes:
    parts: list[bytes] = []
    writer = not is_pipe
    deadline = time.monotonic() + WRITER_SECONDS
    while left > 0:
        try:
            part = os.read(descriptor, min(left, 1 << 20))
        except BlockingIOError:  # somebody has it open and has not written yet
            writer = True
            if not select.select([descriptor], [], [], PIPE_SECONDS)[0]:
                raise TimeoutError(errno.ETIMEDOUT, "nothing came from it in time", path) from None
            continue
        if part:
            parts.append(part)
            left -= len(part)
            writer = True
        elif writer:
            break
        elif time.monotonic() >= deadline:
            raise TimeoutError(errno.ETIMEDOUT, "nobody writes to this pipe", path)
        else:
            # A pipe without a writer is at its end for read, and on some systems for select, too: nothing to wait on tells of one.
            time.sleep(0.02)
    return b"".join(parts)


def read_regular(path: Path, most: int) -> bytes:
    """Read a regular file, and nothing else; at most `most` + 1 bytes.

    Raises:
        OSError: It cannot be read, or is not a regular file.
        ValueError: The path holds a NUL.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    with open(descriptor, "rb") as stream:  # noqa: PTH123 - a descriptor, not a path
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        return stream.read(most + 1)
