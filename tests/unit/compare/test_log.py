"""Logs of decision records: what is read, what is an error, and what cannot be decided again."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from pg_guard.compare.log import MAX_LINE, Fault, Record, read_log
from pg_guard.compare.replay import replay
from pg_guard.guard import Guard
from pg_guard.observe.audit_lines import Head
from pg_guard.observe.audit_masking import Masker
from pg_guard.policy.load import parse_policy

GUARD = Guard(parse_policy("schema: pg-guard/policy/v1\ntables: {deny: [secret]}\n").policy)


def line(sql: str | bytes, **changes: Any) -> bytes:
    return json.dumps(GUARD.check(sql).to_dict() | changes).encode() + b"\n"


def read(data: bytes) -> list[Record | Fault]:
    return list(read_log(io.BytesIO(data), "log"))


def test_a_record_gives_statement_origin_and_judgement() -> None:
    allowed, denied = read(line("SELECT 1") + b"\n" + line("TABLE secret"))
    assert isinstance(allowed, Record)
    assert isinstance(denied, Record)
    assert (allowed.statement and allowed.statement.sql, allowed.judgement) == ("SELECT 1", (False, ()))
    assert denied.statement is not None
    assert denied.statement.origin == "log:3"
    assert denied.judgement.denied
    assert "tables/denied" in denied.judgement.rules


# -- audit logs ------------------------------------------------------------------------------------------------------------


def audited(sql: str, **changes: Any) -> bytes:
    """A line of an audit log about a statement."""
    content = {
        "event": "decision",
        "database": "shop",
        "principal": {"client": "bi-7", "subject": None, "attributes": {"tenant_id": 42}},
        "decision": GUARD.check(sql).to_dict(),
    }
    return Head.new().link(content | changes)[0]


def test_a_line_of_an_audit_log_gives_its_decision_and_who_asked() -> None:
    (record,) = read(audited("TABLE secret"))
    assert isinstance(record, Record)
    assert record.judgement.denied
    assert record.statement is not None
    assert (record.statement.sql, record.statement.principal) == ("TABLE secret", {"client": "bi-7", "tenant_id": 42})
    (nobody,) = read(audited("SELECT 1", principal=None))
    assert isinstance(nobody, Record)
    assert nobody.statement is not None
    assert nobody.statement.principal is None


def test_attributes_do_not_stand_in_for_who_it_was() -> None:
    principal = {"client": "bi-7", "subject": None, "attributes": {"client": "admin", "scopes": "read"}}
    (record,) = read(audited("SELECT 1", principal=principal))
    assert isinstance(record, Record)
    assert record.statement is not None
    assert record.statement.principal == {"client": "bi-7", "scopes": "read"}


def test_lines_about_no_decision_are_passed_over() -> None:
    outcome = Head.new().link({"event": "outcome", "decision_id": "x"})[0]
    recovered = Head.new().link({"event": "recovered"})[0]
    found = read(audited("SELECT 1") + outcome + recovered + line("SELECT 2"))
    assert [record.line for record in found] == [1, 4]


def test_an_audit_line_without_its_decision_is_an_error() -> None:
    for broken in (None, "x", {}, {"schema": "pg-guard/decision/v1"}):
        (fault,) = read(audited("SELECT 1", decision=broken))
        assert isinstance(fault, Fault)


def test_lines_of_one_database_can_be_taken_out_of_a_log() -> None:
    data = audited("SELECT 1") + audited("SELECT 2", database="hr") + audited("SELECT 3")
    found = list(read_log(io.BytesIO(data), "log", database="shop"))
    assert [record.line for record in found] == [1, 3]


def test_masked_lines_cannot_be_decided_again() -> None:
    masked = Masker("literals", b"k" * 16).mask(GUARD.check("SELECT 'a'").to_dict())
    (record,) = read(audited("SELECT 1", decision=masked))
    assert isinstance(record, Record)
    assert record.statement is None
    assert "masked" in record.why


def test_a_record_of_monitor_mode_counts_by_what_it_would_refuse() -> None:
    (record,) = read(line("TABLE secret", effect="allow", mode="monitor", would_deny=True))
    assert isinstance(record, Record)
    assert record.judgement.denied


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'{"schema": "pg-guard/decision/v2"}\n', "its schema is 'pg-guard/decision/v2'"),
        (b"{}\n", "it has no schema"),
        (b"[]\n", "it is no object"),
        (b"nonsense\n", "not JSON (character 1)"),
        (b'{"a": "\xe9"}\n', "not UTF-8: byte 0xe9 at offset 7"),
        (b"[" * 200_000 + b"\n", "not JSON"),
        (b'{"schema": "pg-guard/decision/v1"}\n', "effect or findings are missing"),
    ],
)
def test_any_other_line_is_an_error_with_its_number(data: bytes, message: str) -> None:
    first, fault, last = read(line("SELECT 1") + data + line("SELECT 2"))
    assert isinstance(first, Record)
    assert isinstance(last, Record)
    assert isinstance(fault, Fault)
    assert (fault.line, fault.torn) == (2, False)
    assert message in fault.message


@pytest.mark.parametrize("cut", [1, 40, -3])
def test_a_torn_last_line_is_told_apart(cut: int) -> None:
    whole = line("SELECT 'é'").replace(b"\\u00e9", "é".encode())
    _, torn = read(whole + whole[:cut])
    assert isinstance(torn, Fault)
    assert torn.torn


def test_a_last_line_that_lacks_only_its_newline_is_a_record() -> None:
    assert isinstance(read(line("SELECT 1").rstrip())[0], Record)


def test_a_line_longer_than_any_record_is_passed_over_and_never_held() -> None:
    class Endless(io.RawIOBase):
        """100 MB without a newline, then a record."""

        left = 100 * 1024 * 1024
        most = 0

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            self.most = max(self.most, len(buffer))
            if self.left > 0:
                size = min(len(buffer), self.left)
                buffer[:size] = b"x" * size
                self.left -= size
                return size
            rest, self.rest = self.rest[: len(buffer)], self.rest[len(buffer) :]
            buffer[: len(rest)] = rest
            return len(rest)

        rest = b"\n" + line("SELECT 1")

    stream = io.BufferedReader(Endless())
    fault, record = list(read_log(stream, "log"))
    assert isinstance(fault, Fault)
    assert f"longer than {MAX_LINE:,} bytes" in fault.message
    assert isinstance(record, Record)
    assert record.line == 2


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"statement": None}, "not recorded"),
        ({"statement": "SELECT ?"}, "masked"),
    ],
)
def test_a_statement_that_is_not_the_one_decided_is_not_replayed(changes: dict[str, Any], why: str) -> None:
    found = replay(read(line("SELECT 1", **changes)), GUARD)
    ((reason, count),) = found.skipped.items()
    assert why in reason
    assert (count, found.records, found.shifts.statements) == (1, 1, 0)


def test_bytes_that_were_no_text_are_not_replayed_as_another_text() -> None:
    found = replay(read(line(b"SELECT '\xe9'")), GUARD)
    assert found.shifts.statements == 0
    assert sum(found.skipped.values()) == 1


def test_a_replay_under_the_same_policy_changes_nothing() -> None:
    data = b"".join(line(sql) for sql in ("SELECT 1", "TABLE secret", "SELEC", "SELECT 1; SELECT 2", "SELECT '\ud800'"))
    found = replay(read(data), GUARD)
    assert not found.shifts.changed
    assert found.shifts.rules_changed == 0
    assert found.shifts.counts == {"same_allowed": 1, "same_denied": 4, "newly_allowed": 0, "newly_denied": 0}


def test_groups_and_examples_are_bounded() -> None:
    other = Guard(parse_policy("schema: pg-guard/policy/v1\n").policy)
    data = b"".join(
        line(f"SELECT {number} FROM secret", findings=[{"rule": f"x/y-{number}", "effect": "deny"}])
        for number in range(300)
    )
    document = replay(read(data), other).to_dict()
    assert document["newly_allowed"] == 300
    assert len(document["groups"]) <= 201
    assert sum(group["count"] for group in document["groups"]) == 300
    assert max(len(group["examples"]) for group in document["groups"]) <= 5
