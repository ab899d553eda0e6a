"""What commands take for a statement, a corpus and a file to write."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pg_guard.entry.cli.outputs import check_output, write_output
from pg_guard.entry.cli.progress import Progress
from pg_guard.entry.cli.statements import corpus_statements, find_corpus_files, read_statement
from pg_guard.errors import UsageError


def test_an_argument_is_a_file_where_one_exists(tmp_path: Path) -> None:
    path = tmp_path / "q.sql"
    path.write_text("SELECT 1")
    assert read_statement(str(path)) == ("SELECT 1", str(path))
    assert read_statement("SELECT 1") == ("SELECT 1", "")
    assert read_statement("SELECT * FROM a.sql") == ("SELECT * FROM a.sql", "")
    assert read_statement("x" * 100_000)[1] == ""
    assert read_statement("SELECT '\0'")[1] == ""
    with pytest.raises(UsageError, match="no such file"):
        read_statement(str(tmp_path / "missing.sql"))


def test_a_corpus_has_sql_files_and_sql_entries(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "no.sql").write_text("SELECT 0")
    (tmp_path / "deep" / "b.sql").write_text("SELECT 1;\n\nSELECT 2;")
    (tmp_path / "a.yml").write_text(
        "principal: {tenant_id: 1}\n"
        "cases:\n"
        "  - {id: x, sql: SELECT 3}\n"
        "  - {sql: SELECT 4, principal: {tenant_id: 2}}\n"
        "  - {name: y, other: {tests: [{sql: SELECT 5}]}, sql: 7}\n"
    )
    (tmp_path / "notes.txt").write_text("SELECT 9")
    found = list(corpus_statements(find_corpus_files([str(tmp_path), str(tmp_path / "a.yml")])))
    assert [(each.sql, Path(each.origin).name, each.principal) for each in found] == [
        ("SELECT 3", "a.yml x", {"tenant_id": 1}),
        ("SELECT 4", "a.yml", {"tenant_id": 2}),
        ("SELECT 5", "a.yml", {"tenant_id": 1}),
        ("SELECT 1", "b.sql:1", None),
        ("SELECT 2", "b.sql:3", None),
    ]


@pytest.mark.parametrize(
    "text",
    ["a: [", "a: !!python/object/apply:os.system [ls]", "[" * 5_000, "a: \x00"],
    ids=["open", "tag", "deep", "nul"],
)
def test_yaml_that_cannot_be_read_is_a_usage_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"x\.yaml.*not valid YAML"):
        list(corpus_statements([str(path)]))


def test_aliases_are_followed_once(tmp_path: Path) -> None:
    levels = ["a0: &a0 [{sql: SELECT 1}]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 25)]
    path = tmp_path / "x.yaml"
    path.write_text("\n".join([*levels, "self: &s [*s]"]))
    assert [each.sql for each in corpus_statements([str(path)])] == ["SELECT 1"]


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "out.html"
    target.write_text("old")
    write_output("new \ud800", str(target))
    assert target.read_text() == "new \\ud800"
    assert [path.name for path in tmp_path.iterdir()] == ["out.html"]
    mask = os.umask(0)
    os.umask(mask)
    assert target.stat().st_mode & 0o777 == 0o666 & ~mask
    for wrong in ("", str(tmp_path), str(tmp_path / "no" / "x"), "a\0b"):
        with pytest.raises(UsageError):
            check_output(wrong)


def test_progress_is_silent_for_quick_work(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("pg_guard.entry.cli.progress.time.monotonic", lambda: now)
    progress = Progress("statements compared")
    for count in range(1, 200):
        progress(count)
    assert capsys.readouterr().err == ""
    now = 103.0
    for count in range(200, 400):
        progress(count)
    assert capsys.readouterr().err == "256 statements compared ...\n"
