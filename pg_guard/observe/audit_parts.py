"""Older parts of a log of files. In: the log's path, how long parts are kept. Out: the parts in order, and those that are too old."""

from __future__ import annotations

import datetime
import os
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from pg_guard.observe.audit_lines import Head, Parsed, Unreadable, parse_line

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = [
    "DIGITS",
    "FOR_EVER",
    "Outdated",
    "Retention",
    "first_line",
    "last_line",
    "outdated",
    "part_name",
    "parts_of",
]

DIGITS: Final = 12
_BLOCK: Final = 16_384
_SECONDS_OF_A_DAY: Final = 86_400


class Retention(NamedTuple):
    """How long completed parts are kept: so many of them, so many days; 0 for ever."""

    parts: int = 0
    days: float = 0.0


FOR_EVER: Final = Retention()


class Outdated(NamedTuple):
    """A part that is too old, and the end that the chain has in it."""

    path: Path
    last: Head


def parts_of(path: Path) -> list[Path]:
    """The older parts of a log, in order."""
    found = path.parent.glob(f"{path.stem}.{'[0-9]' * DIGITS}*{path.suffix}")
    return sorted(each for each in found if each.name != path.name)


def part_name(path: Path, seq: int) -> Path:
    """A name for a part that begins with a line's number; one that is free."""
    name = path.with_name(f"{path.stem}.{seq:0{DIGITS}}{path.suffix}")
    count = 1
    while name.exists():
        count += 1
        name = path.with_name(f"{path.stem}.{seq:0{DIGITS}}_{count}{path.suffix}")
    return name


def outdated(path: Path, retention: Retention) -> list[Outdated]:
    """Parts of a log that are not to be kept any longer, from the oldest on; never the newest part.

    How old a part is says its last line, held against the first line of the newest part: a clock that is set forward by
    mistake does not make everything old at once.

    Raises:
        OSError: A part cannot be read.
        Unreadable: What is to be deleted is not as it was written. It stays, with what is newer.
    """
    own = re.compile(rf"{re.escape(path.stem)}\.\d{{{DIGITS}}}(_\d+)?{re.escape(path.suffix)}")
    # Copies that somebody has made are not the log's to delete.
    parts = [part for part in parts_of(path) if own.fullmatch(part.name)]
    count = max(0, len(parts) - max(1, retention.parts)) if retention.parts else 0
    if retention.days:
        count = max(count, _too_old(parts, retention.days * _SECONDS_OF_A_DAY))
    return [Outdated(part, _last_of(part).head) for part in parts[:count]]


def _too_old(parts: Sequence[Path], seconds: float) -> int:
    if len(parts) < 2:
        return 0
    now = _time(_first_of(parts[-1]))
    count = 0
    for part in parts[:-1]:
        if now - _time(_last_of(part)) < seconds:
            break
        count += 1
    return count


def _time(line: Parsed) -> float:
    try:
        return datetime.datetime.fromisoformat(str(line.content["time"])).timestamp()
    except (KeyError, ValueError):
        raise Unreadable("a line without a time") from None


def _first_of(part: Path) -> Parsed:
    with part.open("rb") as stream:
        return parse_line(stream.readline())


def _last_of(part: Path) -> Parsed:
    with part.open("rb") as stream:
        return parse_line(last_line(stream.fileno(), os.fstat(stream.fileno()).st_size) or b"")


def first_line(fd: int, size: int) -> bytes:
    """The first line of a file, of so many bytes; '' when there is no whole one."""
    data = b""
    while b"\n" not in data and len(data) < size:
        data += os.pread(fd, _BLOCK, len(data))
    return data[: data.find(b"\n") + 1]


def last_line(fd: int, size: int) -> bytes | None:
    """The last line of a file that ends with a newline, or None when it is empty."""
    if not size:
        return None
    start, data = size, b""
    while start > 0:
        step = min(_BLOCK, start)
        start -= step
        data = os.pread(fd, step, start) + data
        cut = data.rfind(b"\n", 0, len(data) - 1)
        if cut >= 0:
            return data[cut + 1 :]
    return data
