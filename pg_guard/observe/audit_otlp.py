"""Audit lines out of a collector's files. In: lines of OTLP JSON, as its file exporter writes them. Out: the audit lines in them.

Each line is one request with any number of records, of any program. Records of other programs are passed over: when one of the
audit log is made to look like them, its number is missing.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from pg_guard.observe.audit_lines import LINE_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["audit_lines", "is_request", "lines_of_request"]

_BEGINS: Final = f'{{"schema":"{LINE_SCHEMA}"'
_KEY: Final = b'"resourceLogs"'
_SEARCHED: Final = 64


def is_request(line: bytes) -> bool:
    """Does a line look like a request of OTLP, rather than like a line of an audit log?"""
    return _KEY in line[:_SEARCHED]


def audit_lines(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Audit lines with the number of the line that they stand in, from 1; what is no request comes back as it is."""
    for number, line in enumerate(lines, 1):
        if is_request(line):
            for each in lines_of_request(line):
                yield number, each
        else:
            yield number, line


def lines_of_request(line: bytes) -> list[bytes]:
    """The audit lines of a request in OTLP JSON, each with its newline; the line itself where it cannot be read."""
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        return [line]
    return [
        (body + "\n").encode("utf-8", "surrogatepass")
        for resource in _list(request, "resourceLogs")
        for scope in _list(resource, "scopeLogs")
        for record in _list(scope, "logRecords")
        if (body := _body(record)).startswith(_BEGINS)
    ]


def _list(value: Any, name: str) -> list[Any]:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, list) else []


def _body(record: Any) -> str:
    body = record.get("body") if isinstance(record, dict) else None
    text = body.get("stringValue") if isinstance(body, dict) else None
    return text if isinstance(text, str) else ""
