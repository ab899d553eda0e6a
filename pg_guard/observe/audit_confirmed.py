"""Answers of a collector, held to their word. In: what it answers. Out: the answer; or an error, unless it took every record.

The exporter counts every status under 400 as success: a redirection to a page for signing in, the page of another server, and an
answer that says how many records were rejected. None of these is a record that was kept.
"""

from __future__ import annotations

import json
from typing import Any, Final

import requests
from google.protobuf.json_format import ParseDict, ParseError  # type: ignore[import-untyped]  # ships no types
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # as above
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

__all__ = ["Refused", "confirming_session"]

_OK: Final = 200
# Of the exporter: it tries again after these.
_BUSY: Final = frozenset({429, 502, 503, 504})
_MOST_BYTES: Final = 1_000_000


class Refused(requests.RequestException):
    """The collector has not taken the records."""


class _Session(requests.Session):
    """A session that fails unless all records were taken.

    Args:
        timeout: Seconds that a request may take at most; the exporter reckons by a clock that may jump.
        why: Gets the reason of each failure.
    """

    def __init__(self, timeout: float, why: list[str]) -> None:
        super().__init__()
        # Proxies of the environment hold as they do for traces.
        self._timeout = timeout
        self._why = why

    def request(self, *args: Any, **options: Any) -> requests.Response:
        """As of the base class."""
        given = options.get("timeout")
        options["timeout"] = min(given, self._timeout) if isinstance(given, (int, float)) and given > 0 else 0.001
        try:
            response = super().request(*args, **options)
        except requests.Timeout:
            self._why.append("no answer in time")
            raise
        except requests.ConnectionError:
            self._why.append("no connection to the collector")
            raise
        problem = _problem(response)
        if problem:
            self._why.append(problem)
            if response.status_code not in _BUSY:
                raise Refused(problem)
        return response


def confirming_session(timeout: float) -> tuple[requests.Session, list[str]]:
    """A session for the exporter, and a list that gets the reasons why requests of it fail."""
    why: list[str] = []
    return _Session(timeout, why), why


def _problem(response: requests.Response) -> str:
    """Why an answer does not say that all records were taken; '' when it does."""
    if response.status_code != _OK:
        return f"the collector answered {response.status_code}"
    body, kind = response.content, response.headers.get("content-type", "").lower()
    if len(body) > _MOST_BYTES or kind.startswith("text/"):
        return "the answer is not a collector's"
    answer = ExportLogsServiceResponse()
    try:
        if "json" in kind:
            content = json.loads(body)
            if not isinstance(content, dict):
                return "the answer is not a collector's"
            ParseDict(content, answer, ignore_unknown_fields=True)
        else:
            answer.ParseFromString(body)
    except (DecodeError, ParseError, ValueError, RecursionError):
        return "the answer is not a collector's"
    rejected = answer.partial_success.rejected_log_records
    return f"the collector rejected {rejected} record(s)" if rejected else ""
