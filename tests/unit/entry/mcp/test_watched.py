"""Files that are looked at from time to time: what counts as a change, and when it is complete."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from pg_guard.entry.mcp.watched import Watched

if TYPE_CHECKING:
    from pathlib import Path

FAR = 2**62


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text("one", encoding="utf-8")
    return path


def watching(*files: Path, began: int = FAR) -> Watched:
    watched = Watched(began)
    watched.seen({}, files, began)
    return watched


def test_a_change_counts_when_it_is_the_same_at_the_next_look(file: Path) -> None:
    watched = watching(file)
    assert not watched.settled_change([file])
    file.write_text("two", encoding="utf-8")
    assert not watched.settled_change([file])
    file.write_text("three", encoding="utf-8")
    assert not watched.settled_change([file])
    assert watched.settled_change([file])
    watched.seen(watched.look([file]), [file], FAR)
    assert not watched.settled_change([file])
    assert not watched.settled_change([file])


def test_what_is_undone_before_the_next_look_is_no_change(file: Path, tmp_path: Path) -> None:
    watched = watching(file)
    aside = file.rename(tmp_path / "aside")
    assert not watched.settled_change([file])
    before = aside.stat()
    aside.rename(file)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    # Its inode says when it was moved.
    assert not watched.settled_change([file])
    assert watched.settled_change([file])


@pytest.mark.parametrize("how", ["same size and time", "rights", "removed", "directory", "other file"])
def test_every_kind_of_change_is_seen(file: Path, tmp_path: Path, how: str) -> None:
    watched = watching(file)
    before = file.stat()
    probe = tmp_path / "probe"
    # The clock of the file system makes steps.
    while not probe.exists() or probe.stat().st_ctime_ns <= before.st_ctime_ns:
        probe.write_text("", encoding="utf-8")
    if how == "same size and time":
        file.write_text("two", encoding="utf-8")
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    elif how == "rights":
        file.chmod(0o600)
    elif how == "other file":
        other = tmp_path / "other"
        other.write_text("one", encoding="utf-8")
        os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
        other.replace(file)
    else:
        file.unlink()
        if how == "directory":
            file.mkdir()
    assert not watched.settled_change([file])
    assert watched.settled_change([file])


def test_links_are_followed_at_every_level(tmp_path: Path) -> None:
    for version in ("1", "2"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "policy.yaml").write_text("same", encoding="utf-8")
        os.utime(tmp_path / version / "policy.yaml", (1, 1))
    data, file = tmp_path / "..data", tmp_path / "policy.yaml"
    data.symlink_to("1")
    file.symlink_to("..data/policy.yaml")
    watched = watching(file)
    assert not watched.settled_change([file])
    (tmp_path / "new").symlink_to("2")
    (tmp_path / "new").replace(data)
    assert not watched.settled_change([file])
    assert watched.settled_change([file])


def test_files_of_directories_count_and_others_in_them_do_not(tmp_path: Path) -> None:
    pack = tmp_path / "packs" / "acme"
    pack.mkdir(parents=True)
    watched = watching(tmp_path / "packs")
    (pack / "notes.txt").write_text("x", encoding="utf-8")
    assert not watched.settled_change([tmp_path / "packs"])
    assert not watched.settled_change([tmp_path / "packs"])
    (pack / "PG100_x.yaml").write_text("x", encoding="utf-8")
    assert not watched.settled_change([tmp_path / "packs"])
    assert watched.settled_change([tmp_path / "packs"])


def test_what_changed_while_it_was_read_for_the_first_time_is_read_again(file: Path) -> None:
    """Nobody looked at it before: if it is younger than the reading, nobody knows what was read."""
    began = time.time_ns()
    file.write_text("two", encoding="utf-8")
    watched = watching(file, began=began)
    assert not watched.settled_change([file])
    assert watched.settled_change([file])
    watched.seen(watched.look([file]), [file], began)
    assert not watched.settled_change([file])
    assert not watched.settled_change([file])


def test_a_pipe_is_no_file_that_changes(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    watched = watching(pipe)
    os.utime(pipe)
    assert not watched.settled_change([pipe])
    assert not watched.settled_change([pipe])


def test_what_cannot_be_looked_at_is_as_if_it_were_not_there(tmp_path: Path) -> None:
    for strange in (tmp_path / "none" / "policy.yaml", tmp_path / "nul\0", tmp_path / ("x" * 300)):
        assert watching(strange).look([strange])[strange] is None
