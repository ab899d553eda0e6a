"""Finding and reading SQL files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pg_guard.entry.cli import files
from pg_guard.entry.cli.files import SqlFile, find_files, find_sql_files, read_sql
from pg_guard.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("b.sql", "a.SQL", "notes.txt", "sub/c.sql", "sub/deep/d.sql", ".hidden/e.sql", "emp ty/readme"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("SELECT 1")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["."], ["a.SQL", "b.sql", "sub/c.sql", "sub/deep/d.sql"]),
        (["sub", "b.sql"], ["sub/c.sql", "sub/deep/d.sql", "b.sql"]),
        (["notes.txt"], ["notes.txt"]),
        (["*.sql"], ["b.sql"]),
        (["**/*.sql"], ["b.sql", "sub/c.sql", "sub/deep/d.sql"]),
        (["su*"], ["sub/c.sql", "sub/deep/d.sql"]),
        (["b.sql", "./b.sql", "*.sql"], ["b.sql"]),
        ([".hidden"], [".hidden/e.sql"]),
    ],
)
def test_found(tree: Path, paths: list[str], expected: list[str]) -> None:
    assert find_sql_files(paths) == expected


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tree: Path) -> None:
    (tree / "[b].sql").write_text("SELECT 1")
    assert find_sql_files(["[b].sql"]) == ["[b].sql"]


def test_a_circle_of_links_ends(tree: Path) -> None:
    (tree / "sub" / "again").symlink_to(tree)
    assert find_sql_files(["sub"]) == ["sub/c.sql", "sub/deep/d.sql"]


@pytest.mark.parametrize("path", ["missing.sql", "nothing/*.sql", "emp ty", "gone/"])
def test_nothing_found_is_an_error(tree: Path, path: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_sql_files([path])
    assert caught.value.hint


def test_one_missing_path_fails_even_beside_others(tree: Path) -> None:
    with pytest.raises(UsageError, match=r"missing\.sql"):
        find_sql_files(["b.sql", "missing.sql"])


def test_a_byte_order_mark_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "bom.sql"
    path.write_bytes(b"\xef\xbb\xbfSELECT '\xe6\x97\xa5'")
    assert read_sql(str(path)) == "SELECT '日'"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"SELECT 1;\nSELECT '\xe9'", r"not UTF-8: byte 0xe9 at offset 18, line 2"),
        ("SELECT 1".encode("utf-16"), "not UTF-8"),
        (b"\xed\xa0\x80", "not UTF-8"),
    ],
)
def test_other_encodings_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.sql"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=message) as caught:
        read_sql(str(path))
    assert "iconv" in caught.value.hint


def test_unreadable_paths(tmp_path: Path) -> None:
    for path in (str(tmp_path), str(tmp_path / "gone.sql"), "a\0b", str(tmp_path / ("x" * 300))):
        with pytest.raises(UsageError):
            read_sql(path)


def test_an_endless_device_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_BYTES", 1_000)
    with pytest.raises(UsageError, match="longer than 1000 bytes"):
        read_sql("/dev/zero")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "secret.sql"
    path.write_text("SELECT 1")
    path.chmod(0)
    with pytest.raises(UsageError, match=r"(?i)permission"):
        read_sql(str(path))


@pytest.mark.parametrize(
    ("embedded", "expected"),
    [
        ((), [("q.sql", "sql")]),
        (("python",), [("a.py", "python"), ("q.sql", "sql")]),
        (("markdown",), [("b.md", "markdown"), ("c.MARKDOWN", "markdown"), ("q.sql", "sql")]),
        (("jinja",), [("d.sql.j2", "jinja"), ("e.jinja", "jinja"), ("q.sql", "jinja")]),
    ],
)
def test_other_files_are_found_only_when_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, embedded: tuple[str, ...], expected: list[tuple[str, str]]
) -> None:
    names = ("a.py", "b.md", "c.MARKDOWN", "d.sql.j2", "e.jinja", "q.sql", "x.txt", ".venv/x.py", "node_modules/x.md")
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    monkeypatch.chdir(tmp_path)
    assert [(file.name, file.language) for file in find_files(["."], embedded=embedded)] == expected
    # A file that is named is read, whatever its suffix; one of another language only when it was asked for.
    assert find_files(["x.txt"]) == [SqlFile("x.txt", "x.txt", "sql")]
    for name, kind in (("a.py", "python"), ("b.md", "markdown"), ("e.jinja", "jinja")):
        if kind not in embedded:
            with pytest.raises(UsageError) as caught:
                find_files([name], embedded=embedded)
            assert caught.value.hint == f"add --embedded {kind}"


def test_standard_input_is_a_file() -> None:
    assert find_files(["-", "-"]) == [SqlFile("-", "standard input", "sql")]
    assert find_files(["-"], stdin_name="x.md", embedded=["markdown"]) == [SqlFile("-", "x.md", "markdown")]
