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

PIPE_SECONDS: Final = 10.0
"""How long the next bytes of a pipe may take, as in ``--policy <(make-policy)``."""


def read_bytes(path: Path, most: int) -> bytes:
    """Read a file, a pipe or a device; at most `most` + 1 bytes, so that the caller sees that there were too many.

    Raises:
        OSError: It cannot be read, or a pipe gives nothing for `PIPE_SECONDS`.
        ValueError: The path holds a NUL.
    """
    # Without O_NONBLOCK, the opening of a pipe that has no writer never returns.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        waits = not stat.S_ISREG(mode)
        parts, left, seen = [], most + 1, False
        deadline = time.monotonic() + PIPE_SECONDS
        while left > 0:
            if waits and not _wait(descriptor, deadline):
                raise TimeoutError(errno.ETIMEDOUT, f"nothing came from it for {PIPE_SECONDS:.0f} seconds", str(path))
            try:
                part = os.read(descriptor, min(left, 1 << 20))
            except BlockingIOError:
                continue
            if not part:
                if seen or not stat.S_ISFIFO(mode) or time.monotonic() >= deadline:
                    break
                time.sleep(0.02)  # nobody has opened the pipe for writing yet
                continue
            seen = True
            deadline = time.monotonic() + PIPE_SECONDS
            parts.append(part)
            left -= len(part)
        return b"".join(parts)
    finally:
        os.close(descriptor)


def _wait(descriptor: int, deadline: float) -> bool:
    ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
    return bool(ready)


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
