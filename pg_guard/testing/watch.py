"""Changes of files. In: files and directories. Out: the changed files, each time that somebody has saved some."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import watchfiles

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

__all__ = ["Watcher"]

_SUFFIXES: Final = (".yaml", ".yml")


class Watcher:
    """Watches the directories of files, because editors replace a file rather than write into it.

    Watching has begun when the object is there: what changes from then on is not missed, also while tests run.

    Args:
        paths: Files, whose directory is watched, and directories, watched at every depth.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self.paths = tuple(paths)
        self.directories = _directories(self.paths)
        self._recursive = any(Path(path).is_dir() for path in self.paths)
        self._changes: Generator[set[tuple[watchfiles.Change, str]], None, None] = watchfiles.watch(
            *self.directories,
            watch_filter=lambda _, path: path.lower().endswith(_SUFFIXES),
            debounce=400,
            rust_timeout=200,
            yield_on_timeout=True,
            raise_interrupt=True,
            recursive=self._recursive,
        )
        next(self._changes)

    def covers(self, path: str) -> bool:
        """Is the file in one of the directories that are watched?"""
        parent = Path(path).resolve().parent
        for directory in self.directories:
            watched = Path(directory).resolve()
            if parent == watched or (self._recursive and parent.is_relative_to(watched)):
                return True
        return False

    def wait(self) -> tuple[str, ...]:
        """Wait for changes and return the changed files, sorted; Ctrl-C raises KeyboardInterrupt."""
        for changes in self._changes:
            if changes:
                return tuple(sorted({path for _, path in changes}))
        raise KeyboardInterrupt

    def close(self) -> None:
        """Watch no longer."""
        self._changes.close()


def _directories(paths: Iterable[str]) -> tuple[str, ...]:
    found = (path if Path(path).is_dir() else str(Path(path).parent) for path in paths)
    return tuple(sorted(set(found)))
