"""Logs that commands read. In: the path of a log of decision records. Out: records or statements, and lines on what is wrong."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import click

from pg_guard.compare.log import Fault, read_log
from pg_guard.errors import UsageError
from pg_guard.report.text import plural
from pg_guard.report.visible import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pg_guard.compare.log import Record
    from pg_guard.compare.statements import Statement

__all__ = ["LogStatements", "read_records", "report_faults", "require_log"]

_MOST_SHOWN: Final = 20


def require_log(path: str) -> None:
    """Refuse a log that cannot be opened, before the work begins.

    Raises:
        UsageError: It does not exist, or is a directory, or cannot be read.
    """
    if path != "-":
        with _opened(path):
            pass


@contextmanager
def _opened(path: str) -> Iterator[IO[bytes]]:
    if path == "-":
        yield sys.stdin.buffer
        return
    try:
        stream = Path(path).open("rb")  # noqa: SIM115 - closed below; only the opening may fail as a wrong argument
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}", hint="check the path and its permissions") from None
    except ValueError:  # a NUL in the path
        raise UsageError("the log's path holds a NUL character") from None
    with stream:
        yield stream


def read_records(path: str, *, database: str | None = None) -> Iterator[Record | Fault]:
    """The records of a log, one by one; ``-`` is standard input; of an audit log those of one database, if it is given.

    Raises:
        UsageError: It cannot be read.
    """
    with _opened(path) as stream:
        yield from read_log(stream, "standard input" if path == "-" else path, database=database)


def report_faults(path: str, faults: Iterable[Fault], count: int, torn: int) -> None:
    """Say on standard error which lines of a log are no records."""
    name = one_line("standard input" if path == "-" else path)
    shown = list(faults)[:_MOST_SHOWN]
    for fault in shown:
        click.echo(f"{name}:{fault.line}: error: {one_line(fault.message)}", err=True)
    if count > len(shown):
        click.echo(
            f"{name}: error: and {plural(count - len(shown), 'more line')} that are no decision records", err=True
        )
    if torn:
        click.echo(f"{name}:{torn}: warning: the last line is torn, as after a crash; it is left out", err=True)


class LogStatements:
    """The statements of a log, and afterwards what was wrong with it.

    Args:
        path: The log; ``-`` is standard input.
    """

    def __init__(self, path: str) -> None:
        require_log(path)
        self._path = path
        self._faults: list[Fault] = []
        self._count = 0
        self._torn = 0
        self._absent = 0

    def __iter__(self) -> Iterator[Statement]:
        """Read the log."""
        for record in read_records(self._path):
            if isinstance(record, Fault):
                self._note(record)
            elif record.statement is None:
                self._absent += 1
            else:
                yield record.statement

    def _note(self, fault: Fault) -> None:
        if fault.torn:
            self._torn = fault.line
            return
        self._count += 1
        if len(self._faults) < _MOST_SHOWN:
            self._faults.append(fault)

    def report(self) -> bool:
        """Say on standard error what was passed over; True when lines were no decision records."""
        report_faults(self._path, self._faults, self._count, self._torn)
        if self._absent:
            records = plural(self._absent, "record")
            click.echo(f"{one_line(self._path)}: warning: {records} without the statement as it was", err=True)
        return bool(self._count)
