"""Which files a server is made of, and whether they changed. In: a service. Out: paths; the word that some have changed.

Files are looked at from time to time, each through its symbolic links. Notifications of the kernel would be quicker by a
second, and are missed on network file systems, end with the directory that they watch, run out, and must follow each link
of a mounted ConfigMap by themselves.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from pg_guard.policy.shipped import shipped_dir

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pg_guard.entry.mcp.candidates import Tried
    from pg_guard.entry.mcp.service import Service

__all__ = ["Watched", "watched_files"]

# Device, inode, size, times of the last changes of its content and of its rights, rights; None for no such file.
_State: TypeAlias = "tuple[int, ...] | None"

_UNKNOWN: Final = (-1,)
_MOST_FILES: Final = 5_000
_SUFFIXES: Final = (".yaml", ".yml", ".pgpack", ".sig")
# The clock of a file system is some milliseconds behind.
_CLOCK: Final = 50_000_000


class Watched:
    """Files as they were when they were last read.

    Args:
        began: When they were read for the first time, in nanoseconds since 1970.
    """

    def __init__(self, began: int) -> None:
        self._began = began
        self._known: dict[Path, _State] = {}
        self._moving: dict[Path, _State] | None = None

    def look(self, files: Iterable[Path]) -> dict[Path, _State]:
        """The state of each file now."""
        return {file: _state(file) for file in _expanded(files)}

    def seen(self, before: Mapping[Path, _State], files: Iterable[Path], began: int) -> None:
        """Note what was read.

        Args:
            before: The state of files just before they were read.
            files: Those that matter from now on.
            began: When reading began. A file that nobody looked at before counts as changed if it has changed since then.
        """
        now = self.look(files)
        self._known = {file: before.get(file, _if_older(state, began)) for file, state in now.items()}
        self._moving = None

    def settled_change(self, files: Iterable[Path]) -> bool:
        """Whether files have changed and are as they were at the last look: whoever writes them has finished."""
        now = self.look(files)
        if now == self._known:
            self._moving = None
            return False
        settled, self._moving = now == self._moving, now
        return settled


def _state(file: Path) -> _State:
    try:
        found = file.stat()
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(found.st_mode):
        # What a pipe says can be read once.
        return ()
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_mode)


def _if_older(state: _State, began: int) -> _State:
    return _UNKNOWN if state and max(state[3], state[4]) >= began - _CLOCK else state


def watched_files(service: Service, files: Iterable[Path], tried: Tried | None) -> set[Path]:
    """The files and directories that matter.

    Args:
        service: What runs.
        files: Beside those that its settings name.
        tried: What could not be used, where that was so: there, and beside it, somebody may repair it.
    """
    # A `.env` that was not there is none of them: one that somebody plants is to start nothing.
    found = {*files, *service.settings.files}
    for database in service.databases.values():
        found.update(map(Path, database.in_force.files))
        found.update(pack.path for pack in database.guard.packs if not _is_shipped(pack.path))
    if tried is not None:
        found |= tried.files | tried.policies
        for policy in (
            *tried.policies,
            *(Path(file) for each in service.databases.values() for file in each.in_force.files),
        ):
            found.add(policy.parent / "packs")
            found.update(_beside(policy))
    return found


def _is_shipped(pack: Path) -> bool:
    # Unlike `resolve`, this takes a link that leads to itself as it is.
    return Path(os.path.realpath(pack)).is_relative_to(os.path.realpath(shipped_dir("rules")))


def _beside(policy: Path) -> Iterator[Path]:
    """Policies that a new one may extend."""
    try:
        with os.scandir(policy.parent) as entries:
            names = [entry.name for entry in itertools.islice(entries, _MOST_FILES)]
    except (OSError, ValueError):
        return
    yield from (policy.parent / name for name in names if name.endswith(_SUFFIXES))


def _expanded(files: Iterable[Path]) -> Iterator[Path]:
    """Files, and the files in directories, down to a number that no pack has."""
    for file in files:
        yield file
        yield from itertools.islice(_inside(file), _MOST_FILES)


def _inside(directory: Path) -> Iterator[Path]:
    # What goes away meanwhile is passed over; a NUL in a path is an error of another kind.
    with contextlib.suppress(ValueError):
        for where, _, names in os.walk(directory):
            yield from (Path(where, name) for name in names if name.endswith(_SUFFIXES))
