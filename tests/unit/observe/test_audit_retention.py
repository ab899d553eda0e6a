"""Old parts of the audit log: deleted as the settings say, after a line of the chain has told it; the rest still verifies."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pg_guard.observe.audit_file import AuditFile, Retention, Rotation, parts_of
from pg_guard.observe.audit_lines import parse_line
from pg_guard.observe.audit_verify import Verifier, VerifyReport

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT = Path(__file__).resolve().parents[3]


def content(day: int, name: object = "x") -> dict[str, Any]:
    return {"event": "decision", "time": f"2026-01-{day:02}T00:00:00Z", "decision_id": str(name)}


def written(path: Path, days: Iterable[int], retention: Retention) -> None:
    """A log that has a part a line."""
    file = AuditFile(path, rotation=Rotation(size=1), retention=retention)
    for day in days:
        with pytest.MonkeyPatch.context() as patched:
            # Lines of the writer itself are of the same day.
            patched.setattr("pg_guard.observe.audit_file.now", lambda day=day: content(day)["time"])
            file.append([content(day, day)])
    file.close()


def verified(path: Path) -> VerifyReport:
    verifier = Verifier()
    for file in (*parts_of(path), path):
        with file.open("rb") as stream:
            if not verifier.read(stream, file.name):
                break
    return verifier.finish(path.name)


def days(path: Path) -> list[str]:
    lines = [parse_line(line) for file in (*parts_of(path), path) for line in file.read_bytes().splitlines(True)]
    return [line.content["decision_id"] for line in lines if line.content["event"] == "decision"]


def test_by_itself_everything_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    written(path, range(1, 10), Retention())
    assert days(path) == [str(day) for day in range(1, 10)]
    assert verified(path).broken is None


def test_so_many_parts_are_kept_and_the_rest_still_verifies(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    written(path, range(1, 10), Retention(parts=3))
    assert len(parts_of(path)) == 3
    report = verified(path)
    report.require_beginning(path.name)
    assert report.broken is None
    [(chain, (first, _))] = report.chains.items()
    assert first > 1
    assert report.pruned == {chain}
    assert report.to_dict()["chains"][0]["pruned"] is True
    assert f"begins at line number {first}: what came before was deleted because it was old" in report.notes[0]
    told = [json.loads(line) for line in path.read_bytes().splitlines()]
    assert [line["event"] for line in told] == ["pruned", "decision"]
    assert [part["seq"] for part in told[0]["parts"]] == [first - 1]


def test_so_many_days_are_kept_and_the_newest_part_always(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    written(path, [1, 2, 10, 11, 12], Retention(days=5))
    assert days(path) == ["10", "11", "12"]
    written(path, [30], Retention(days=5))
    # The newest part is older than that, and stays.
    assert days(path)[-2:] == ["12", "30"]
    assert verified(path).broken is None


def test_a_clock_that_is_set_forward_does_not_make_everything_old(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    file = AuditFile(path, rotation=Rotation(size=1), retention=Retention(days=10))
    for day in (1, 2, 3):
        file.append([content(day, day)])
    file.append([content(28, "wrong")])
    file.append([content(4, 4)])
    file.close()
    assert days(path)[-2:] == ["wrong", "4"]
    again = AuditFile(path, rotation=Rotation(size=1), retention=Retention(days=10))
    again.append([content(4, 5)])
    again.close()
    assert verified(path).broken is None


def test_what_is_no_part_of_the_log_is_not_deleted(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    names = ["audit.000000000000-copy.jsonl", "audit.1.jsonl", "audit.jsonl.bak", "other.000000000001.jsonl"]
    for name in names:
        (tmp_path / name).write_text("mine\n", encoding="utf-8")
    written(path, range(1, 6), Retention(parts=1))
    assert {name for name in names if (tmp_path / name).exists()} == set(names)
    assert len(list(tmp_path.glob("audit.0000000000*.jsonl"))) == 2


def test_a_part_that_was_changed_is_kept_with_what_is_newer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "audit.jsonl"
    written(path, range(1, 6), Retention())
    oldest = parts_of(path)[0]
    oldest.write_bytes(oldest.read_bytes().replace(b"decision", b"Decision"))
    written(path, [6], Retention(parts=1))
    assert oldest.exists()
    assert len(parts_of(path)) == 5
    assert "an old part is kept" in caplog.text


def test_a_failure_to_delete_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "audit.jsonl"
    written(path, range(1, 4), Retention())

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "unlink", refuse)
    written(path, [4, 5], Retention(parts=1))
    assert days(path) == ["1", "2", "3", "4", "5"]
    assert "old parts are kept: Operation not permitted" in caplog.text
    monkeypatch.undo()
    written(path, [6], Retention(parts=1))
    assert len(parts_of(path)) == 1
    report = verified(path)
    report.require_beginning(path.name)
    assert report.broken is None


def test_parts_that_stayed_although_they_were_to_be_deleted_do_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "audit.jsonl"
    written(path, range(1, 6), Retention())
    delete = Path.unlink

    def refuse(part: Path, **options: bool) -> None:
        if part != oldest:
            raise PermissionError(1, "Operation not permitted")
        delete(part, **options)

    oldest = parts_of(path)[0]
    monkeypatch.setattr(Path, "unlink", refuse)
    written(path, [6], Retention(parts=1))
    assert days(path) == ["2", "3", "4", "5", "6"]
    report = verified(path)
    report.require_beginning(path.name)
    assert report.broken is None


def test_parts_that_somebody_deletes_are_not_taken_for_old_ones(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    written(path, range(1, 10), Retention(parts=3))
    parts_of(path)[0].unlink()
    report = verified(path)
    # Only lines that the chain tells of may be gone.
    assert report.pruned == set()
    assert "not in these files" in report.notes[0]
    report.require_beginning(path.name)
    assert report.broken is not None


def test_verify_says_where_the_log_begins_and_complete_accepts_it(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    written(path, range(1, 8), Retention(parts=2))
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "pg_guard",
        "audit",
        "verify",
        "--complete",
        *parts_of(path),
        path,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "what came before was deleted because it was old, as line number" in done.stdout
    parts_of(path)[0].unlink()
    command = [sys.executable, "-m", "pg_guard", "audit", "verify", "--complete", *parts_of(path), path]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 1
    assert "lines are missing" in done.stdout


@pytest.mark.parametrize("kill", [False, True])
def test_several_writers_delete_together_and_some_are_killed(tmp_path: Path, kill: bool) -> None:
    path = tmp_path / "audit.jsonl"
    command = [sys.executable, "tests/support/audit_writer.py", str(path), "40", "never", "100000", "0", "2"]
    writers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(3)]
    if kill:
        for writer in writers[1:]:
            assert writer.stdout is not None
            for _ in range(15):
                writer.stdout.readline()
            writer.kill()
    for number, writer in enumerate(writers):
        writer.communicate()
        assert writer.returncode == (-9 if kill and number else 0)
    assert len(parts_of(path)) <= 3
    report = verified(path)
    report.require_beginning(path.name)
    assert report.broken is None
    assert report.pruned == set(report.chains)


# -- clocks ----------------------------------------------------------------------------------------------------------------


def test_a_wall_clock_that_jumps_by_a_day_neither_hastens_nor_delays_a_new_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "audit.jsonl"
    file = AuditFile(path, rotation=Rotation(age=3600))
    wall, steady = time.time, time.monotonic
    for offset in (0, 86_400, -86_400, 86_400):
        monkeypatch.setattr(time, "time", lambda offset=offset: wall() + offset)
        file.append([content(1, offset)])
    assert parts_of(path) == []
    # An hour of the clock that nobody sets, while the other one stands a day back.
    monkeypatch.setattr(time, "time", lambda: wall() - 86_400)
    monkeypatch.setattr(time, "monotonic", lambda: steady() + 3601)
    file.append([content(1, "later")])
    file.close()
    assert len(parts_of(path)) == 1
    assert verified(path).broken is None
