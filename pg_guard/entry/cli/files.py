"""SQL files. In: paths, directories and wildcards as the user gave them. Out: the files, and their text."""

from __future__ import annotations

import glob
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pg_guard.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["MAX_BYTES", "find_sql_files", "read_sql"]

MAX_BYTES: Final = 32 * 1024 * 1024
"""Larger files are dumps, not queries; the bound also ends the reading of a device that never ends."""

_BOM: Final = "\ufeff"


def read_sql(path: str) -> str:
    """Read a file, or standard input for ``-``, as UTF-8; a byte order mark at its start is left out.

    Raises:
        UsageError: It cannot be read, is longer than `MAX_BYTES`, or is not UTF-8.
    """
    name = "standard input" if path == "-" else path
    try:
        if path == "-":
            data = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with Path(path).open("rb") as stream:
                data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{name}: {error.strerror or error}", hint="check the path and its permissions") from None
    except ValueError:  # a NUL in the path
        raise UsageError(f"{name}: not a path") from None
    if len(data) > MAX_BYTES:
        raise UsageError(f"{name}: longer than {MAX_BYTES} bytes", hint="split the file")
    try:
        return data.decode("utf-8").removeprefix(_BOM)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(
            f"{name}: not UTF-8: byte 0x{data[error.start]:02x} at offset {error.start}, line {line}",
            hint="convert it, for example with iconv -f LATIN1 -t UTF-8",
        ) from None


def find_sql_files(paths: Iterable[str]) -> list[str]:
    """Find the files that `paths` name: files as they are, ``*.sql`` below directories, and wildcards (``**`` too).

    Directories whose name starts with a dot are passed over; a file that is named twice is taken once.

    Raises:
        UsageError: A path does not exist, a wildcard matches nothing, or no file was found.
    """
    found: dict[str, str] = {}
    for path in paths:
        for file in _expand(path):
            found.setdefault(os.path.realpath(file), file)
    if not found:
        raise UsageError("no .sql file found", hint="name a file, or a directory that holds .sql files")
    return list(found.values())


def _expand(path: str) -> Iterator[str]:
    if not os.path.lexists(path) and glob.has_magic(path):
        matches = sorted(glob.glob(path, recursive=True))  # noqa: PTH207 - takes absolute patterns as well
        if not matches:
            raise UsageError(f"{path}: no file matches", hint="check the pattern; quote it to keep the shell away")
        for match in matches:
            # A directory that a pattern meets is looked into, as if it had been named.
            yield from _walk(match) if Path(match).is_dir() else [match]
    elif not Path(path).exists():
        raise UsageError(f"{path}: no such file or directory", hint="check the path")
    elif Path(path).is_dir():
        yield from _walk(path)
    else:
        yield path


def _walk(directory: str) -> Iterator[str]:
    def stop(error: OSError) -> None:
        raise UsageError(f"{error.filename}: {error.strerror}", hint="check the permissions") from None

    for here, directories, files in os.walk(directory, onerror=stop):
        directories[:] = sorted(name for name in directories if not name.startswith("."))
        for name in sorted(files):
            if name.lower().endswith(".sql"):
                yield str(Path(here, name))
