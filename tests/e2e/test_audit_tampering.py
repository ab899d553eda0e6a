"""Files of an audit log that somebody cut, swapped, copied, mixed or replaced: `audit verify` ends with 1, or nothing has changed."""

from __future__ import annotations

import itertools
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from pg_guard.entry.cli.audit_verify import verify as command
from pg_guard.observe.audit_anchors import Anchors
from pg_guard.observe.audit_file import AuditFile, Rotation, parts_of
from pg_guard.observe.audit_lines import parse_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def content(name: object) -> dict[str, Any]:
    return {"event": "decision", "time": "2026-01-31T00:00:00Z", "decision_id": str(name), "operation": "check"}


@pytest.fixture
def log(tmp_path: Path) -> list[Path]:
    """Four files with three lines each, and their anchors."""
    return made(tmp_path / "log")


def made(directory: Path) -> list[Path]:
    directory.mkdir()
    path = directory / "audit.jsonl"
    file = AuditFile(path, rotation=Rotation(size=700), anchors=Anchors(directory / "anchors.jsonl"))
    for number in range(12):
        file.append([content(number)])
    file.close()
    found = [*parts_of(path), path]
    assert len(found) >= 4
    return found


def verify(*files: Path, anchors: Path | None = None) -> tuple[int, str]:
    arguments = ["--complete", *map(str, files)]
    given = [*arguments, "--anchors", str(anchors)] if anchors else arguments
    done = CliRunner().invoke(command, given, standalone_mode=False)
    assert done.exception is None
    return int(done.return_value), done.output


def test_files_may_come_in_any_order_and_under_any_name(log: list[Path], tmp_path: Path) -> None:
    for order in itertools.permutations(log[:4]):
        assert verify(*order, *log[4:])[0] == 0
    swapped = [tmp_path / name for name in ("z", "y", "x", "w", "v", "u", "t", "s")][: len(log)]
    for old, new in zip(log, swapped, strict=True):
        shutil.copy(old, new)
    assert verify(*reversed(swapped))[0] == 0
    # The same file twice, by the same name, is one.
    assert verify(*log, log[0])[0] == 0


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def cut_the_end(files: list[Path]) -> None:
    files[-1].write_bytes(b"".join(lines_of(files[-1])[:-1]))


def cut_a_part_short(files: list[Path]) -> None:
    files[1].write_bytes(b"".join(lines_of(files[1])[:-1]))


def leave_a_part_out(files: list[Path]) -> None:
    files[1].unlink()
    del files[1]


def leave_the_first_out(files: list[Path]) -> None:
    files[0].unlink()
    del files[0]


def swap_lines(files: list[Path]) -> None:
    one, two = lines_of(files[1]), lines_of(files[2])
    files[1].write_bytes(b"".join([two[0], *one[1:]]))
    files[2].write_bytes(b"".join([one[0], *two[1:]]))


def turn_a_part_around(files: list[Path]) -> None:
    files[1].write_bytes(b"".join(reversed(lines_of(files[1]))))


def copy_a_part(files: list[Path]) -> None:
    copy = files[1].with_name("copy.jsonl")
    shutil.copy(files[1], copy)
    files.append(copy)


def double_a_line(files: list[Path]) -> None:
    lines = lines_of(files[1])
    files[1].write_bytes(b"".join([lines[0], *lines]))


def put_in_a_line_of_another_log(files: list[Path]) -> None:
    other = made(files[0].parent / "other")
    files[1].write_bytes(b"".join([*lines_of(other[1])[:1], *lines_of(files[1])]))


def replace_a_part_by_that_of_another_log(files: list[Path]) -> None:
    shutil.copy(made(files[0].parent / "other")[1], files[1])


def write_a_part_anew(files: list[Path]) -> None:
    """With hashes that fit, as who can write the files could."""
    first = parse_line(lines_of(files[1])[0])
    head = first.head._replace(seq=first.head.seq - 1, hash=first.prev)
    new = []
    for line in lines_of(files[1]):
        kept = {
            name: value
            for name, value in parse_line(line).content.items()
            if name not in ("schema", "chain", "seq", "prev")
        }
        text, head = head.link(kept | {"decision_id": "forged"})
        new.append(text)
    files[1].write_bytes(b"".join(new))


def empty_a_part(files: list[Path]) -> None:
    files[1].write_bytes(b"")


def put_in_a_blank_line(files: list[Path]) -> None:
    lines = lines_of(files[1])
    files[1].write_bytes(b"\n".join([lines[0], b"".join(lines[1:])]))


@pytest.mark.parametrize(
    "tamper",
    [
        cut_a_part_short, leave_a_part_out, leave_the_first_out, swap_lines, turn_a_part_around, copy_a_part, double_a_line,
        put_in_a_line_of_another_log, replace_a_part_by_that_of_another_log, write_a_part_anew, empty_a_part,
        put_in_a_blank_line,
    ],
)  # fmt: skip
def test_what_was_done_to_files_is_told(log: list[Path], tamper: Callable[[list[Path]], None]) -> None:
    tamper(log)
    code, output = verify(*log)
    assert code == 1, output
    assert "BROKEN" in output
    assert "Traceback" not in output


def test_who_can_write_the_log_can_claim_that_lines_were_old_and_a_reader_is_told_of_the_claim(log: list[Path]) -> None:
    gone = parse_line(lines_of(log[1])[-1]).head
    last = parse_line(lines_of(log[-1])[-1]).head
    claim = {"event": "pruned", "time": "2026-02-01T00:00:00Z", "parts": [{"name": "x", **gone._asdict()}]}
    log[-1].write_bytes(log[-1].read_bytes() + last.link(claim)[0])
    code, output = verify(*log[2:])
    assert code == 0
    assert f"what came before was deleted because it was old, as line number {last.seq + 1} says" in output
    # A claim that does not fit what is there is none.
    code, output = verify(*log[1:])
    assert code == 1


def test_an_end_that_was_cut_off_is_told_by_anchors(log: list[Path]) -> None:
    anchors = log[0].parent / "anchors.jsonl"
    assert verify(*log, anchors=anchors)[0] == 0
    cut_the_end(log)
    assert verify(*log)[0] == 0
    code, output = verify(*log, anchors=anchors)
    assert code == 1
    assert "the end is cut off" in output


def test_anchors_of_another_log_do_not_fit(log: list[Path]) -> None:
    other = made(log[0].parent / "other")
    code, output = verify(*log, anchors=other[0].parent / "anchors.jsonl")
    assert code == 1
    assert "no line is of it" in output


def test_a_writer_goes_on_from_what_it_finds_and_tells_what_is_gone(log: list[Path]) -> None:
    cut_the_end(log)
    file = AuditFile(log[-1])
    file.append([content("after")])
    file.close()
    code, output = verify(*log)
    assert code == 1
    assert "were missing when the writer went on here" in output


def test_a_link_in_the_place_of_the_file_is_followed_and_the_chain_goes_on(log: list[Path], tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.jsonl"
    log[-1].rename(elsewhere)
    log[-1].symlink_to(elsewhere)
    file = AuditFile(log[-1])
    file.append([content("after")])
    file.close()
    assert verify(*log)[0] == 0
