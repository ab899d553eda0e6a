"""Files to read. In: paths, directories and wildcards as the user gave them. Out: the files, their language, their text.

Plain SQL is read everywhere; SQL inside of other files only where the user asks for it.
"""

from __future__ import annotations

import glob
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from pg_guard.errors import UsageError
from pg_guard.policy.inputs import read_bytes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from pg_guard.report.linted import Language

__all__ = ["EMBEDDED", "MAX_BYTES", "STDIN", "SqlFile", "find_files", "find_sql_files", "read_sql"]

MAX_BYTES: Final = 32 * 1024 * 1024
"""Larger files are dumps, not queries; the bound also ends the reading of a device that never ends."""

STDIN: Final = "-"
EMBEDDED: Final = ("python", "markdown", "jinja")
"""Kinds of files that hold SQL among other things; each is read only when asked for."""

_SUFFIXES: Final[dict[str, Language]] = {
    ".py": "python",
    ".md": "markdown",
    ".markdown": "markdown",
    ".j2": "jinja",
    ".jinja": "jinja",
    ".jinja2": "jinja",
}
_PASSED_OVER: Final = frozenset({"__pycache__", "node_modules"})
_BOM: Final = "\ufeff"


class SqlFile(NamedTuple):
    """A file to read: where it is, what it is called in reports, and what it is written in.

    ``jinja`` stands for a `.sql` file that may be a template; its content tells.
    """

    path: str
    name: str
    language: Language


def read_sql(path: str, name: str = "") -> str:
    """Read a file, or standard input for ``-``, as UTF-8; a byte order mark at its start is left out.

    Args:
        path: The file.
        name: What it is called in messages, if not by its path.

    Raises:
        UsageError: It cannot be read, is longer than `MAX_BYTES`, or is not UTF-8.
    """
    name = name if name not in ("", STDIN) else "standard input" if path == STDIN else path
    try:
        data = sys.stdin.buffer.read(MAX_BYTES + 1) if path == STDIN else read_bytes(Path(path), MAX_BYTES)
    except OSError as error:
        raise UsageError(f"{name}: {error.strerror or error}", hint="check the path and its permissions") from None
    except ValueError:  # a NUL in the path
        raise UsageError(f"{name}: not a path") from None
    if len(data) > MAX_BYTES:
        raise UsageError(
            f"{name}: longer than {MAX_BYTES} bytes; nothing of it was read",
            hint="split the file; dumps are not queries",
        )
    try:
        return data.decode("utf-8").removeprefix(_BOM)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(
            f"{name}: not UTF-8: byte 0x{data[error.start]:02x} at offset {error.start}, line {line}",
            hint="convert it, for example with iconv -f LATIN1 -t UTF-8",
        ) from None


def find_sql_files(paths: Iterable[str]) -> list[str]:
    """Find plain SQL files, as `find_files` does; return their paths."""
    return [file.path for file in find_files(paths)]


def find_files(paths: Iterable[str], *, embedded: Collection[str] = (), stdin_name: str = "") -> list[SqlFile]:
    """Find the files that `paths` name: files as they are, files below directories, and wildcards (``**`` too).

    Below a directory, files are told by their suffix: ``.sql``, and what `embedded` adds. Directories whose name starts
    with a dot are passed over; a file that is named twice is taken once.

    Args:
        paths: As the user gave them; ``-`` is standard input.
        embedded: Those of `EMBEDDED` that are to be read.
        stdin_name: What standard input is called; its suffix tells the language.

    Raises:
        UsageError: A path does not exist, a wildcard matches nothing, no file was found, or a file is in a language
            that was not asked for.
    """
    found: dict[str, SqlFile] = {}
    for path in paths:
        if path == STDIN:
            name = stdin_name or "standard input"
            found.setdefault(STDIN, SqlFile(STDIN, name, _language(name, embedded)))
            continue
        for file in _expand(path, embedded):
            found.setdefault(os.path.realpath(file), SqlFile(file, file, _language(file, embedded)))
    if not found:
        wanted = " or ".join(suffix for suffix in (".sql", *_SUFFIXES) if _wanted(suffix, embedded))
        raise UsageError(f"no {wanted} file found", hint=f"name a file, or a directory that holds {wanted} files")
    return list(found.values())


def _wanted(name: str, embedded: Collection[str]) -> bool:
    suffix = os.path.splitext(f"x{name}")[1].lower()  # noqa: PTH122 - a name alone, perhaps of bytes that are no text
    return suffix == ".sql" or _SUFFIXES.get(suffix, "sql") in embedded


def _language(name: str, embedded: Collection[str]) -> Language:
    suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122 - as above
    language = _SUFFIXES.get(suffix, "sql")
    if language != "sql" and language not in embedded:
        raise UsageError(
            f"{name}: SQL inside of {suffix} files is read only when asked for", hint=f"add --embedded {language}"
        )
    return "jinja" if language == "sql" and "jinja" in embedded else language


def _expand(path: str, embedded: Collection[str]) -> Iterator[str]:
    if not os.path.lexists(path) and glob.has_magic(path):
        matches = sorted(glob.glob(path, recursive=True))  # noqa: PTH207 - takes absolute patterns as well
        if not matches:
            raise UsageError(f"{path}: no file matches", hint="check the pattern; quote it to keep the shell away")
        for match in matches:
            # A directory that a pattern meets is looked into, as if it had been named.
            yield from _walk(match, embedded) if Path(match).is_dir() else [match]
    elif not Path(path).exists():
        raise UsageError(f"{path}: no such file or directory", hint="check the path")
    elif Path(path).is_dir():
        yield from _walk(path, embedded)
    else:
        yield path


def _walk(directory: str, embedded: Collection[str]) -> Iterator[str]:
    def stop(error: OSError) -> None:
        raise UsageError(f"{error.filename}: {error.strerror}", hint="check the permissions") from None

    for here, directories, files in os.walk(directory, onerror=stop):
        directories[:] = sorted(name for name in directories if not name.startswith(".") and name not in _PASSED_OVER)
        for name in sorted(files):
            if _wanted(name, embedded):
                yield str(Path(here, name))
