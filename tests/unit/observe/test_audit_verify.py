"""The hash chain: each kind of tampering is told with its place, and what a chain cannot tell, anchors do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pg_guard.observe.audit_lines import GENESIS, Head, Unreadable, parse_line
from pg_guard.observe.audit_verify import Verifier, VerifyReport

if TYPE_CHECKING:
    from collections.abc import Iterable


def log(count: int = 6, head: Head | None = None) -> list[bytes]:
    head = head or Head.new()
    lines = []
    for number in range(count):
        line, head = head.link({"event": "decision", "operation": "check", "decision_id": str(number)})
        lines.append(line)
    return lines


def verified(lines: Iterable[bytes], anchors: Iterable[Head] = (), *, interleaved: bool = False) -> VerifyReport:
    verifier = Verifier(anchors, interleaved=interleaved)
    verifier.read(lines, "log")
    return verifier.finish("log")


def head_of(line: bytes) -> Head:
    return parse_line(line).head


def test_what_was_written_is_intact() -> None:
    report = verified(log())
    assert report.broken is None
    assert (report.lines, report.decisions) == (6, 6)
    assert report.to_dict()["intact"] is True


@pytest.mark.parametrize("place", range(6))
def test_a_changed_line_is_told(place: int) -> None:
    lines = log()
    lines[place] = lines[place].replace(b'"check"', b'"chEck"')
    broken = verified(lines).broken
    assert broken is not None
    assert broken.line == place + 1
    assert "changed" in broken.message


@pytest.mark.parametrize("place", range(5))
def test_a_changed_line_with_a_hash_that_fits_is_told_by_the_next(place: int) -> None:
    lines = log()
    content = parse_line(lines[place]).content
    before = Head(content["chain"], content["seq"] - 1, content["prev"])
    lines[place] = before.link({"event": "decision", "operation": "check", "decision_id": "forged"})[0]
    broken = verified(lines).broken
    assert broken is not None
    assert broken.line == place + 2
    assert "another one" in broken.message


@pytest.mark.parametrize("place", range(1, 5))
def test_a_removed_line_is_told(place: int) -> None:
    lines = log()
    del lines[place]
    broken = verified(lines).broken
    assert broken is not None
    assert broken.line == place + 1
    assert "1 line(s) are missing" in broken.message


@pytest.mark.parametrize("place", range(6))
def test_an_inserted_copy_is_told(place: int) -> None:
    lines = log()
    lines.insert(place + 1, lines[place])
    broken = verified(lines).broken
    assert broken is not None
    assert broken.line == place + 2
    assert "out of order" in broken.message


def test_an_inserted_line_with_a_hash_that_fits_is_told() -> None:
    lines = log()
    lines.insert(3, head_of(lines[2]).link({"event": "decision"})[0])
    broken = verified(lines).broken
    assert broken is not None
    assert broken.line == 5


def test_an_inserted_line_of_a_chain_of_its_own_is_told() -> None:
    lines = log()
    lines.insert(3, log(1)[0])
    broken = verified(lines).broken
    assert broken is not None
    assert broken.line == 4
    assert "another chain" in broken.message


def test_lines_that_change_places_are_told() -> None:
    lines = log()
    lines[2], lines[3] = lines[3], lines[2]
    broken = verified(lines).broken
    assert broken is not None
    assert broken.line == 3


@pytest.mark.parametrize(
    "bad",
    [b"\n", b"{}\n", b"not json\n", b"\xff\xfe\n", b"[]\n", b'{"a":1,"hash":"' + b"0" * 64 + b'"}\n'],
)
def test_what_is_no_line_is_told(bad: bytes) -> None:
    broken = verified([*log(2), bad, *log(1)]).broken
    assert broken is not None
    assert broken.line == 3


def test_a_torn_end_is_told_for_what_it_is() -> None:
    lines = log()
    broken = verified([*lines[:-1], lines[-1][:-10]]).broken
    assert broken is not None
    assert broken.line == 6
    assert "torn" in broken.message


def test_json_that_says_the_same_in_other_bytes_is_told() -> None:
    lines = log()
    lines[2] = json.dumps(json.loads(lines[2])).encode() + b"\n"
    assert verified(lines).broken is not None


def test_a_hash_alone_makes_no_line() -> None:
    import hashlib

    for text in (b"{}", b'{"schema":"pg-guard/audit-line/v1"}', b"[1}", b'{"schema":"x","chain":"0","seq":1}'):
        line = text[:-1] + b',"hash":"' + hashlib.sha256(text).hexdigest().encode() + b'"}\n'
        with pytest.raises(Unreadable):
            parse_line(line)


# -- ends and beginnings -----------------------------------------------------------------------------------------------------


def test_a_beginning_that_is_missing_is_a_note_or_an_error() -> None:
    lines = log()
    report = verified(lines[2:])
    assert report.broken is None
    assert any("begins at line number 3" in note for note in report.notes)
    report.require_beginning("log")
    assert report.broken is not None
    assert report.broken.line == 1


def test_without_anchors_an_end_that_was_cut_off_cannot_be_told_and_that_is_said() -> None:
    report = verified(log()[:-2])
    assert report.broken is None
    assert any("cannot be told" in note for note in report.notes)


def test_anchors_tell_an_end_that_was_cut_off() -> None:
    lines = log()
    anchors = [head_of(lines[1]), head_of(lines[4])]
    assert verified(lines, anchors).anchors == 2
    broken = verified(lines[:4], anchors).broken
    assert broken is not None
    assert broken.message == "the end is cut off: an anchor knows line number 5, the last one is 4"


def test_anchors_tell_a_log_that_was_written_anew() -> None:
    lines = log()
    chain = head_of(lines[0]).chain
    other, head = [], Head(chain, 0, GENESIS)
    for number in range(6):
        line, head = head.link({"event": "decision", "decision_id": f"forged {number}"})
        other.append(line)
    assert verified(other).broken is None
    broken = verified(other, [head_of(lines[3])]).broken
    assert broken is not None
    assert broken.line == 4
    assert "written anew" in broken.message


def test_anchors_tell_a_log_that_was_replaced_by_another() -> None:
    lines = log()
    broken = verified(log(), [head_of(lines[3])]).broken
    assert broken is not None
    assert "no line is of it" in broken.message


def test_anchors_of_parts_that_are_not_given_do_not_count() -> None:
    lines = log()
    assert verified(lines[3:], [head_of(lines[0]), head_of(lines[5])]).broken is None


# -- several chains, and statements without an end ---------------------------------------------------------------------------


def test_chains_may_be_mixed_when_that_is_said() -> None:
    one, two = log(), log()
    mixed = [line for pair in zip(one, two, strict=True) for line in pair]
    report = verified(mixed, interleaved=True)
    assert report.broken is None
    assert [chain["last"] for chain in report.to_dict()["chains"]] == [6, 6]
    del mixed[4]
    broken = verified(mixed, interleaved=True).broken
    assert broken is not None
    assert broken.line == 6


def event(kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {"event": kind, "decision_id": name, **more}


def test_statements_that_have_no_outcome_are_counted() -> None:
    allowed, denied = {"decision": {"allowed": True}}, {"decision": {"allowed": False}}
    contents = [
        event("decision", "a", operation="run", **allowed),
        event("decision", "b", operation="run", **denied),
        event("decision", "c", operation="explain", **allowed),
        event("decision", "d", operation="check", **allowed),
        event("outcome", "a", status="ok"),
    ]
    head, lines = Head.new(), []
    for content in contents:
        line, head = head.link(content)
        lines.append(line)
    report = verified(lines)
    assert (report.decisions, report.unfinished) == (4, 1)
    assert any("1 statement(s) have no outcome" in note for note in report.notes)


def test_that_there_is_nothing_is_said() -> None:
    report = verified([])
    assert report.broken is None
    assert "no line of an audit log" in report.notes[-1]
