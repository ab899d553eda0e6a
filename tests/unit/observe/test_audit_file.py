"""The audit log as files: nothing lost or torn, whatever happens to its writers; one chain over processes, files and restarts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any

import pytest

from pg_guard.observe.audit_anchors import Anchors, read_anchors
from pg_guard.observe.audit_file import AuditFile, Rotation, parts_of
from pg_guard.observe.audit_lines import parse_line
from pg_guard.observe.audit_sinks import SinkError
from pg_guard.observe.audit_verify import Verifier

ROOT = Path(__file__).resolve().parents[3]
WRITER = ROOT / "tests" / "support" / "audit_writer.py"


def content(name: object, **more: object) -> dict[str, Any]:
    return {"event": "decision", "time": "2026-01-31T00:00:00Z", "decision_id": str(name), **more}


def writer(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(WRITER), *map(str, arguments)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )


def files(path: Path) -> list[Path]:
    return [*parts_of(path), path]


def intact(path: Path) -> list[dict[str, Any]]:
    """The lines of a log, which are all right and in one chain from its first line."""
    verifier = Verifier()
    for file in files(path):
        with file.open("rb") as stream:
            verifier.read(stream, file.name)
    report = verifier.finish(path.name)
    report.require_beginning(path.name)
    assert report.broken is None
    return [parse_line(line).content for file in files(path) for line in file.read_bytes().splitlines(keepends=True)]


def ids(path: Path) -> list[str]:
    return [line["decision_id"] for line in intact(path) if line["event"] == "decision"]


def output(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stdout is not None
    return process.stdout


# -- lines -----------------------------------------------------------------------------------------------------------------


def test_lines_stand_in_a_chain_that_goes_on_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    for start in (0, 3):
        file = AuditFile(path)
        for number in range(start, start + 3):
            file.append([content(number)])
        file.close()
    lines = intact(path)
    assert [line["seq"] for line in lines] == [1, 2, 3, 4, 5, 6]
    assert len({line["chain"] for line in lines}) == 1
    assert ids(path) == ["0", "1", "2", "3", "4", "5"]


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    file = AuditFile(tmp_path / "audit.jsonl")
    file.append([content(1)])
    file.close()
    assert (tmp_path / "audit.jsonl").stat().st_mode & 0o777 == 0o600


def test_a_line_in_any_script_is_ascii_and_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    statement = "SELECT 'é \u2028 \U0001f600 \ud800', '\x00\n'"
    file = AuditFile(path)
    file.append([content(1, statement=statement)])
    file.close()
    assert path.read_bytes().isascii()
    assert intact(path)[0]["statement"] == statement


# -- rotation --------------------------------------------------------------------------------------------------------------


def test_parts_sort_as_their_lines_do_and_none_is_too_large(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    file = AuditFile(path, rotation=Rotation(size=2_000))
    for number in range(100):
        file.append([content(number)])
    file.close()
    assert len(parts_of(path)) > 5
    assert max(part.stat().st_size for part in files(path)) < 3_000
    assert ids(path) == [str(number) for number in range(100)]
    assert sorted(part.name for part in files(path)) == [part.name for part in files(path)]


def test_age_is_that_of_the_first_line_also_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    old = AuditFile(path, rotation=Rotation(age=3600))
    old.append([content(1), content(2)])
    old.close()
    assert parts_of(path) == []
    # The line says that it is of January 2026, so that its hour is over for the next process.
    new = AuditFile(path, rotation=Rotation(age=3600))
    new.append([content(3)])
    new.close()
    assert [part.name for part in parts_of(path)] == ["audit.000000000001.jsonl"]
    assert ids(path) == ["1", "2", "3"]


def test_the_chain_goes_on_when_the_process_ended_between_renaming_and_writing(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    file = AuditFile(path)
    file.append([content(1), content(2)])
    file.close()
    path.rename(tmp_path / "audit.000000000001.jsonl")
    again = AuditFile(path)
    again.append([content(3)])
    again.close()
    assert ids(path) == ["1", "2", "3"]


def test_a_file_that_somebody_moves_away_is_begun_anew_without_an_error(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    file = AuditFile(path)
    file.append([content(1)])
    path.rename(tmp_path / "audit.000000000001.jsonl")
    file.append([content(2)])
    file.close()
    assert ids(path) == ["1", "2"]


def test_a_chain_goes_on_when_the_files_were_taken_away(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    one, two = AuditFile(path), AuditFile(path)
    one.append([content(1)])
    two.append([content(2), content(3)])
    path.rename(tmp_path / "elsewhere")
    one.append([content(4)])
    two.append([content(5)])
    one.close()
    two.close()
    assert [parse_line(line).head.seq for line in path.read_bytes().splitlines(keepends=True)] == [4, 5]
    verifier = Verifier()
    for file in (tmp_path / "elsewhere", path):
        assert verifier.read(file.read_bytes().splitlines(keepends=True), file.name)


def test_an_end_that_was_cut_off_is_told_in_the_log_itself(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "audit.jsonl"
    file = AuditFile(path)
    file.append([content(number) for number in range(5)])
    file.close()
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:3]))
    again = AuditFile(path)
    again.append([content(5)])
    again.close()
    assert "the lines 4 to 5 are missing" in caplog.text
    verifier = Verifier()
    verifier.read(path.read_bytes().splitlines(keepends=True), "log")
    assert verifier.report.broken is not None
    assert verifier.report.broken.line == 4
    assert "the lines 4 to 5 were missing" in verifier.report.broken.message


def test_a_lock_file_that_holds_nothing_of_use_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    for state in (b"", b"\0\xff", b"[1]", b"{}", b'["x", "y", "z"]'):
        (tmp_path / "audit.jsonl.lock").write_bytes(state)
        file = AuditFile(path)
        file.append([content(state)])
        file.close()
    assert len(intact(path)) == 5


# -- processes that are killed, and several of them ----------------------------------------------------------------------------


@pytest.mark.parametrize("rotate", [0, 200_000])
def test_no_acknowledged_line_is_lost_and_none_is_torn_when_writers_are_killed(tmp_path: Path, rotate: int) -> None:
    path = tmp_path / "audit.jsonl"
    acknowledged: list[str] = []
    for round_number in range(12):
        process = writer(path, 0, "never", rotate)
        first = output(process).readline()
        assert first
        # Not a measurement: it only makes the rounds end in different places.
        time.sleep(0.003 * round_number)
        process.send_signal(signal.SIGKILL)
        rest = output(process).read()
        process.wait()
        output(process).close()
        acknowledged += [line for line in (first + rest).split("\n")[:-1] if line]
    last = writer(path, 1, "never", rotate)
    acknowledged.append(output(last).read().strip())
    assert last.wait() == 0
    output(last).close()
    found = ids(path)
    assert len(found) == len(set(found))
    # A line may be there that was not acknowledged any more: at most one for each that was killed.
    assert set(acknowledged) <= set(found)
    assert len(found) - len(acknowledged) <= 12


@pytest.mark.parametrize("cut", [1, 7, 60, 300])
def test_a_torn_end_is_taken_off_and_told(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "audit.jsonl"
    file = AuditFile(path)
    file.append([content(1)])
    file.close()
    # What a process leaves that is killed in the middle of its second line.
    line, _ = parse_line(path.read_bytes()).head.link(content(2, padding="x" * 400))
    torn = line[:-cut]
    with path.open("ab") as end:
        end.write(torn)
    again = AuditFile(path)
    again.append([content(3)])
    again.close()
    lines = intact(path)
    assert [line["event"] for line in lines] == ["decision", "recovered", "decision"]
    assert (lines[1]["reason"], lines[1]["bytes"]) == ("torn end", len(torn))


def test_a_line_that_was_acknowledged_and_then_torn_is_told_as_missing(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    file = AuditFile(path)
    file.append([content(1), content(2)])
    file.close()
    path.write_bytes(path.read_bytes()[:-5])
    again = AuditFile(path)
    again.append([content(3)])
    again.close()
    lines = [parse_line(line).content for line in path.read_bytes().splitlines(keepends=True)]
    assert [line.get("reason") for line in lines] == [None, "missing lines", "torn end", None]


def test_a_process_goes_on_behind_the_torn_end_that_another_left(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    file = AuditFile(path)
    file.append([content(1)])
    with path.open("ab") as other:
        other.write(b'{"schema":"pg-guard/audit-line/v1","half')
    file.append([content(2)])
    file.close()
    assert [line["event"] for line in intact(path)] == ["decision", "recovered", "decision"]


def test_an_end_that_cannot_be_read_stays_and_a_new_chain_begins_behind_it(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    file = AuditFile(path)
    file.append([content(1), content(2)])
    with path.open("ab") as other:
        other.write(b"\0" * 50 + b"\n")
    file.append([content(3)])
    file.close()
    lines = path.read_bytes().splitlines(keepends=True)
    assert len(lines) == 5
    assert lines[2] == b"\0" * 50 + b"\n"
    new = [parse_line(line) for line in lines[3:]]
    assert [parsed.content["event"] for parsed in new] == ["recovered", "decision"]
    assert new[0].head.chain != parse_line(lines[1]).head.chain
    verifier = Verifier()
    assert not verifier.read(lines, "audit.jsonl")
    assert verifier.finish("audit.jsonl").broken == (
        "audit.jsonl",
        3,
        "not a line of an audit log: it does not end with a hash",
    )


@pytest.mark.parametrize("rotate", [0, 300_000])
def test_several_processes_write_one_chain(tmp_path: Path, rotate: int) -> None:
    path = tmp_path / "audit.jsonl"
    processes = [writer(path, 60, "never", rotate) for _ in range(3)]
    acknowledged = [line for process in processes for line in output(process).read().split()]
    for process in processes:
        assert process.wait() == 0
        output(process).close()
    assert len(acknowledged) == 180
    found = ids(path)
    assert sorted(found) == sorted(acknowledged)
    # They really took turns.
    assert len({one.partition("-")[0] for one in found}) == 3


# -- a disk that is full, and directories that cannot be written ---------------------------------------------------------------


def test_a_full_disk_tears_no_line_and_what_fails_is_told(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    process = writer(path, 40, "always", 0, 300_000)
    said = output(process).read().split("\n")[:-1]
    assert process.wait() == 0
    output(process).close()
    failed = [line for line in said if line.startswith("failed")]
    assert failed
    assert {line.removeprefix("failed audit.jsonl: ") for line in failed} <= {
        "No space left on device",
        "File too large",
    }
    # Shorter lines still found room after a longer one did not.
    assert ids(path) == [line for line in said if not line.startswith("failed")]
    assert path.stat().st_size <= 300_000


def test_writing_goes_on_when_there_is_room_again(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    full = writer(path, 40, "never", 0, 300_000)
    output(full).read()
    full.wait()
    output(full).close()
    before = len(ids(path))
    file = AuditFile(path)
    file.append([content("there is room")])
    file.close()
    assert ids(path)[before:] == ["there is room"]


def test_a_directory_that_is_not_there_is_an_error_that_tells_no_path(tmp_path: Path) -> None:
    file = AuditFile(tmp_path / "absent" / "audit.jsonl")
    with pytest.raises(SinkError) as caught:
        file.append([content(1)])
    assert caught.value.written == 0
    assert "No such file" in caught.value.message
    assert str(tmp_path) not in caught.value.message
    # It is tried anew each time: the directory may come back.
    (tmp_path / "absent").mkdir()
    file.append([content(2)])
    file.close()
    assert ids(tmp_path / "absent" / "audit.jsonl") == ["2"]


def test_an_unwritable_directory_is_an_error(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir(mode=0o555)
    code = f"""
import os, sys
from pathlib import Path
from pg_guard.observe.audit_file import AuditFile
from pg_guard.observe.audit_sinks import SinkError
if os.geteuid() == 0:
    os.seteuid(65534)  # root may write anywhere
try:
    AuditFile(Path({str(place)!r}) / "audit.jsonl").append([])
except SinkError as error:
    print(error.message)
"""
    for parent in [*place.parents][: len(place.parents) - len(Path("/tmp").parents) - 1]:
        parent.chmod(parent.stat().st_mode | 0o011)
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "Permission denied" in result.stdout
    assert list(place.iterdir()) == []


def test_of_several_lines_those_before_the_failure_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "audit.jsonl"
    file = AuditFile(path)
    file.append([content(0)])
    real = os.write

    def short(fd: int, data: bytes) -> int:
        return real(fd, data[:20]) if b'"third"' in data else real(fd, data)

    monkeypatch.setattr(os, "write", short)
    with pytest.raises(SinkError) as caught:
        file.append([content("first"), content("second"), content("third"), content("fourth")])
    monkeypatch.undo()
    assert caught.value.written == 2
    file.append([content("fifth")])
    file.close()
    assert ids(path) == ["0", "first", "second", "fifth"]


def test_a_disk_that_does_not_confirm_acknowledges_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = AuditFile(tmp_path / "audit.jsonl")
    file.append([content(0)])

    def broken(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", broken)
    with pytest.raises(SinkError) as caught:
        file.append([content(1), content(2)])
    assert caught.value.written == 0
    monkeypatch.undo()
    file.close()


# -- durability ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fsync", "count"), [("always", 3), ("interval", 0), ("never", 0)])
def test_the_disk_is_waited_for_as_the_policy_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fsync: Any, count: int
) -> None:
    calls: list[int] = []
    real = os.fdatasync
    file = AuditFile(tmp_path / "audit.jsonl", fsync=fsync, interval=3600)
    monkeypatch.setattr(os, "fdatasync", lambda fd: (calls.append(fd), real(fd))[1])
    for number in range(3):
        file.append([content(number), content(number)])
    assert len(calls) == count
    file.close()
    assert len(calls) == (count if fsync != "interval" else 1)


def test_a_part_is_on_the_disk_before_the_next_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    real_sync, real_rename = os.fdatasync, Path.rename
    file = AuditFile(tmp_path / "audit.jsonl", fsync="interval", interval=3600, rotation=Rotation(size=1))
    monkeypatch.setattr(os, "fdatasync", lambda fd: (calls.append("sync"), real_sync(fd))[1])
    monkeypatch.setattr(Path, "rename", lambda path, to: (calls.append("rename"), real_rename(path, to))[1])
    file.append([content(1)])
    file.append([content(2)])
    assert calls == ["sync", "rename"]
    file.close()


# -- anchors ---------------------------------------------------------------------------------------------------------------


def test_anchors_are_left_every_so_many_lines_at_each_part_and_at_the_end(tmp_path: Path) -> None:
    path, place = tmp_path / "audit.jsonl", tmp_path / "anchors.jsonl"
    file = AuditFile(path, anchors=Anchors(place, every=4), rotation=Rotation(size=1_000))
    for number in range(10):
        file.append([content(number)])
    file.close()
    anchors, bad = read_anchors(place)
    assert bad == []
    assert {4, 8, 10} <= {anchor.seq for anchor in anchors}
    firsts = [json.loads(part.read_text().splitlines()[0])["seq"] for part in files(path)[1:]]
    assert {first - 1 for first in firsts} <= {anchor.seq for anchor in anchors}


def test_a_log_that_ends_before_its_last_anchor_is_told_at_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path, place = tmp_path / "audit.jsonl", tmp_path / "anchors.jsonl"
    file = AuditFile(path, anchors=Anchors(place))
    file.append([content(number) for number in range(5)])
    file.close()
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:3]))
    again = AuditFile(path, anchors=Anchors(place))
    again.append([content(5)])
    again.close()
    assert "ends at line 3" in caplog.text
    assert "know line 5" in caplog.text


def test_anchors_that_cannot_be_written_do_not_stop_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "audit.jsonl"
    file = AuditFile(path, anchors=Anchors(tmp_path / "absent" / "anchors", every=1))
    file.append([content(1)])
    file.close()
    assert ids(path) == ["1"]
    assert "the anchor of line 1 is missing" in caplog.text


# -- clocks ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jump", [-86_400 * 365, 86_400 * 365])
def test_a_clock_that_jumps_breaks_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: int) -> None:
    path = tmp_path / "audit.jsonl"
    file = AuditFile(path, rotation=Rotation(age=3600))
    real = time.time
    for offset in (0, jump, 0, jump):
        monkeypatch.setattr(time, "time", lambda offset=offset: real() + offset)
        for number in range(3):
            file.append([content(f"{offset} {number}")])
    file.close()
    assert len(ids(path)) == 12
    assert [part.name for part in files(path)] == sorted(part.name for part in files(path))
