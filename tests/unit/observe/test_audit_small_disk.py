"""The audit log on a disk that is really full: a small tmpfs, where this account may mount one."""

from __future__ import annotations

import contextlib
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from pg_guard.observe.audit import AuditLog, AuditUnavailable
from pg_guard.observe.audit_anchors import Anchors, read_anchors
from pg_guard.observe.audit_file import AuditFile, Retention, Rotation, parts_of
from pg_guard.observe.audit_sinks import FileSink, SinkError
from pg_guard.observe.audit_verify import Verifier, VerifyReport

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KIB = 1024


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    place = tmp_path / "small"
    place.mkdir()
    try:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)],
            capture_output=True,
            text=True,
            check=False,
        )
        why = done.stderr.strip()
    except OSError as error:
        why = str(error)
    if why:
        pytest.skip(f"no file system can be mounted here: {why} (needs root with CAP_SYS_ADMIN)")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def line(name: object, size: int = 3_000) -> dict[str, Any]:
    return {"event": "decision", "time": "2026-01-31T00:00:00Z", "decision_id": str(name), "padding": "x" * size}


def fill(file: AuditFile) -> int:
    """Write until there is no room; how many lines there was room for."""
    for number in range(1_000):
        try:
            file.append([line(number)])
        except SinkError:
            return number
    raise AssertionError("the disk does not fill")


def verified(path: Path) -> VerifyReport:
    verifier = Verifier()
    for file in (*parts_of(path), path):
        with file.open("rb") as stream:
            verifier.read(stream, file.name)
    report = verifier.finish(path.name)
    report.require_beginning(path.name)
    return report


@pytest.mark.parametrize("fsync", ["always", "never"])
def test_a_full_disk_tears_nothing_and_writing_goes_on_when_there_is_room(disk: Path, fsync: Any) -> None:
    path = disk / "audit.jsonl"
    filler = disk / "filler"
    filler.write_bytes(b"x" * 60 * KIB)
    file = AuditFile(path, fsync=fsync, rotation=Rotation(size=50 * KIB))
    written = fill(file)
    assert 10 < written < 100
    for number in range(5):
        with pytest.raises(SinkError, match=r"audit.jsonl: No space left on device"):
            file.append([line(f"too much {number}")])
    report = verified(path)
    assert report.broken is None
    assert report.decisions == written
    filler.unlink()
    file.append([line("room again")])
    file.close()
    report = verified(path)
    assert report.broken is None
    assert report.decisions == written + 1


def test_a_disk_that_fills_under_anchors_and_a_lock_is_told_and_nothing_else(disk: Path) -> None:
    path = disk / "audit.jsonl"
    anchors = Anchors(disk / "anchors.jsonl", every=1)
    file = AuditFile(path, anchors=anchors)
    assert fill(file) > 10
    file.close()
    again = AuditFile(path, anchors=Anchors(disk / "anchors.jsonl", every=1))
    assert fill(again) < 10
    again.close()
    assert verified(path).broken is None
    # An anchor for which there was no room left none of its beginning.
    known, bad = read_anchors(disk / "anchors.jsonl")
    assert known
    assert bad == []


def test_parts_that_are_not_kept_keep_a_small_disk_from_filling(disk: Path) -> None:
    path = disk / "audit.jsonl"
    file = AuditFile(path, rotation=Rotation(size=40 * KIB), retention=Retention(parts=2))
    for number in range(400):
        file.append([line(number)])
    file.close()
    report = verified(path)
    assert report.broken is None
    assert report.pruned == set(report.chains)
    assert len(parts_of(path)) == 2


async def test_a_statement_is_refused_while_the_disk_is_full(disk: Path) -> None:
    from pg_guard.decision import Decision

    decision = Decision("allow", "SELECT 1", (), statement="SELECT '" + "x" * 4_000 + "'", kind="select")
    log = AuditLog(FileSink(AuditFile(disk / "audit.jsonl")))
    recorded = 0
    with contextlib.suppress(AuditUnavailable):
        for _ in range(1_000):
            await log.decided(decision, database="shop", operation="run")
            recorded += 1
    assert recorded < 1_000
    assert log.last_error.endswith("No space left on device")
    assert not log.state.available
    await log.close()
    assert verified(disk / "audit.jsonl").decisions == recorded
