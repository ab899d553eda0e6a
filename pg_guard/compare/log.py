"""Logs of decisions. In: JSON lines, each a decision record of version 1. Out: the records one by one, and what is wrong.

Lines of an audit log hold such a record, with who asked; its lines on what came of a statement are passed over. A line may also be
a request of OTLP in JSON, as an OpenTelemetry collector writes what it got, with any number of audit lines. A log is read
line by line and never held; a line that is longer than any record can be is passed over. The last line may be torn, as it is
when a server was stopped while it wrote.
"""

from __future__ import annotations

import hashlib
import json
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple

from pg_guard.compare.shifts import Judgement
from pg_guard.compare.statements import Statement
from pg_guard.decision import RECORD_SCHEMA
from pg_guard.observe.audit_lines import LINE_SCHEMA
from pg_guard.observe.audit_otlp import is_request, lines_of_request

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["MAX_LINE", "Fault", "Record", "read_log"]

MAX_LINE: Final = 32 * 1024 * 1024
"""The longest text that a policy can admit has 4 MB; a record holds it twice, with escapes."""

_CHUNK: Final = 1024 * 1024


class Fault(NamedTuple):
    """A line that is no decision record: its number from 1, what is wrong, and whether it is only the torn end."""

    line: int
    message: str
    torn: bool = False


class Record(NamedTuple):
    """One recorded decision.

    Attributes:
        line: Its line, from 1.
        statement: The statement with who asked; None where the record does not hold it as it was.
        why: Why it cannot be decided again, or ''.
        judgement: What was decided.
    """

    line: int
    statement: Statement | None
    why: str
    judgement: Judgement


def read_log(stream: IO[bytes], name: str, *, database: str | None = None) -> Iterator[Record | Fault]:
    """Read a log.

    Args:
        stream: The log, opened for bytes.
        name: What the log is called, for the origin of statements.
        database: Pass over lines of an audit log that are about other databases.
    """
    number = 0
    while line := stream.readline(MAX_LINE + 1):
        number += 1
        ended = line.endswith(b"\n")
        if len(line) > MAX_LINE and not ended:
            _skip_line(stream)
            yield Fault(number, f"the line is longer than {MAX_LINE:,} bytes, which no decision record is")
            continue
        if not line.strip():
            continue
        # What is no whole request is told as any other line that is no record.
        for each in lines_of_request(line) if ended and is_request(line) else (line,):
            found = _read(each, number, name, ended, database)
            if found is not None:
                yield found


def _skip_line(stream: IO[bytes]) -> None:
    while (rest := stream.readline(_CHUNK)) and not rest.endswith(b"\n"):
        pass


def _read(line: bytes, number: int, name: str, ended: bool, database: str | None) -> Record | Fault | None:
    """What a line holds; None for a line of an audit log that is about no decision, or about another database."""
    try:
        record = json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
    except UnicodeDecodeError as error:
        if not ended and error.end == len(line):
            return Fault(number, "the last line is torn", torn=True)
        return Fault(number, f"not UTF-8: byte 0x{line[error.start]:02x} at offset {error.start} of the line")
    except (ValueError, RecursionError) as error:
        if not ended:
            return Fault(number, "the last line is torn", torn=True)
        what = f"character {error.pos + 1}" if isinstance(error, json.JSONDecodeError) else "nested too deeply"
        return Fault(number, f"not JSON ({what})")
    if not isinstance(record, dict):
        return Fault(number, "not a decision record: it is no object")
    if record.get("schema") == LINE_SCHEMA:
        if record.get("event") != "decision" or database not in (None, record.get("database")):
            return None
        decision = record.get("decision")
        if not isinstance(decision, dict):
            return Fault(number, "not a decision record: the audit line has no decision")
        record = decision | {"principal": _principal(record.get("principal"))}
    schema = record.get("schema")
    if schema != RECORD_SCHEMA:
        stated = f"its schema is {str(schema)[:60]!r}" if schema is not None else "it has no schema"
        return Fault(number, f"not a decision record: {stated}, expected {RECORD_SCHEMA!r}")
    if not isinstance(record.get("effect"), str) or not isinstance(record.get("findings"), list):
        return Fault(number, "not a decision record: effect or findings are missing")
    return _record(record, number, name)


def _principal(recorded: Any) -> dict[str, Any] | None:
    """Who asked, as the policy sees it: what an audit line tells apart, in one again."""
    if not isinstance(recorded, dict):
        return None
    attributes = recorded.get("attributes")
    known = {name: recorded[name] for name in ("client", "subject") if recorded.get(name) is not None}
    return (attributes if isinstance(attributes, dict) else {}) | known


def _record(record: dict[str, Any], number: int, name: str) -> Record:
    findings = [finding for finding in record["findings"] if isinstance(finding, dict)]
    rules = {str(finding.get("rule")) for finding in findings if finding.get("effect", "deny") == "deny"}
    denied = record.get("would_deny") is True or record["effect"] == "deny"
    judgement = Judgement(denied, tuple(sorted(rules)) if denied else ())
    sql = record.get("statement")
    why = _unusable(record, sql, rules)
    if why or not isinstance(sql, str):
        return Record(number, None, why, judgement)
    principal = record.get("principal")
    asking = principal if isinstance(principal, dict) else None
    return Record(number, Statement(sql, f"{name}:{number}", asking), "", judgement)


def _unusable(record: dict[str, Any], sql: Any, rules: set[str]) -> str:
    """Why a record's statement is not the text that was decided; '' when it is."""
    if not isinstance(sql, str):
        return "the statement is not recorded"
    digests = record.get("digests")
    stated = digests.get("statement") if isinstance(digests, dict) else None
    if isinstance(stated, str) and stated != hashlib.sha256(sql.encode("utf-8", "surrogatepass")).hexdigest():
        return "the statement is masked: it differs from its digest"
    if "sql/encoding" in rules and (not sql or "\ufffd" in sql):
        return "the statement was not text"
    return ""
