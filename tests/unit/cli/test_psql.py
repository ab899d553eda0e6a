"""Scripts for psql: statements keep their places, meta-commands are reported, nothing of SQL is lost."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pg_guard.entry.cli.psql import read_script
from pg_guard.report.excerpt import Source


def statements(text: str) -> list[str]:
    script = read_script(Source(text))
    assert len(script.text) == len(text)
    return [script.text[start:end] for start, end in script.statements]


def reported(text: str) -> list[tuple[str, str]]:
    """What is underlined, and whether it fails."""
    findings = read_script(Source(text)).findings
    return [(text[finding.span.start : finding.span.end], finding.effect) for finding in findings if finding.span]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT 1; SELECT 2;\nSELECT 3", ["SELECT 1", "SELECT 2", "SELECT 3"]),
        ("SELECT ';'; SELECT $$;$$; SELECT \";\" /* ; */", ["SELECT ';'", "SELECT $$;$$", 'SELECT ";" /* ; */']),
        ("SELECT '日本;語'; SELECT '🐘'", ["SELECT '日本;語'", "SELECT '🐘'"]),
        ("SELECT 1;\r\nSELECT 2;\r\n", ["SELECT 1", "SELECT 2"]),
        ("", []),
        (" \n ", []),
        (";;;", []),
        ("-- nothing\n", []),
        (
            "foo; SELECT 1; bar /* x */ 'y;'; -- z\nSELECT 2; 日本",
            ["foo", "SELECT 1", "bar /* x */ 'y;'", "-- z\nSELECT 2", "日本"],
        ),
        ("'SELECT 1'", ["'SELECT 1'"]),
    ],
)
def test_statements_are_told_apart(text: str, expected: list[str]) -> None:
    assert statements(text) == expected
    assert reported(text) == []


@pytest.mark.parametrize(
    ("text", "expected", "commands"),
    [
        ("\\set x 1\nSELECT 1;", ["SELECT 1"], [("\\set x 1", "warn")]),
        ("SELECT 1 \\gset\nSELECT 2", ["SELECT 1", "SELECT 2"], [("\\gset", "warn")]),
        ("SELECT 1 \\g | sh\nSELECT 2", ["SELECT 1", "SELECT 2"], [("\\g | sh", "deny")]),
        ("\\echo don't /* \" $$\nSELECT 'a\\b';", ["SELECT 'a\\b'"], [("\\echo don't /* \" $$", "warn")]),
        ("\\i secret.sql\r\nSELECT 1", ["SELECT 1"], [("\\i secret.sql", "deny")]),
        ("\\! rm -rf x", [], [("\\! rm -rf x", "deny")]),
        ("\\copy hr.payroll TO 'x'\n", [], [("\\copy hr.payroll TO 'x'", "deny")]),
        ("\\set x `id`\n", [], [("\\set x `id`", "deny")]),
        ("\\unheard_of\n", [], [("\\unheard_of", "deny")]),
        ("SELECT 1 \\; SELECT 2;", ["SELECT 1", "SELECT 2"], []),
        ("SELECT '\\x', E'\\'\\n'; -- \\i x\n/* \\! y */ SELECT 1", None, []),
        ("SELECT $$\n\\i x\n$$", ["SELECT $$\n\\i x\n$$"], []),
        ("SELECT '日本' \\gset\nSELECT '語'", ["SELECT '日本'", "SELECT '語'"], [("\\gset", "warn")]),
    ],
)
def test_commands_of_psql(text: str, expected: list[str] | None, commands: list[tuple[str, str]]) -> None:
    if expected is not None:
        assert statements(text) == expected
    assert reported(text) == commands


def test_a_command_inside_of_a_statement_does_not_end_it() -> None:
    # psql keeps the statement that it has begun: both halves are one query, and must be checked as one.
    assert statements("SELECT ssn\n\\echo x\nFROM customers;") == ["SELECT ssn\n       \nFROM customers"]


def test_copy_data_is_no_sql() -> None:
    text = "COPY t FROM stdin;\n1\t\\N\n2\tdon't; DROP TABLE x;\n\\.\nSELECT 1;\n"
    assert statements(text) == ["COPY t FROM stdin", "SELECT 1"]
    assert statements("SELECT '\nCOPY t FROM stdin;\n\\.\n'; SELECT 2") == [
        "SELECT '\nCOPY t FROM stdin;\n\\.\n'",
        "SELECT 2",
    ]


def test_an_open_quote_is_reported_where_it_opens_and_what_precedes_is_checked() -> None:
    text = "SELECT 1;\nSELECT '日', 2;\nSELECT 'open;\nSELECT 3;\n"
    script = read_script(Source(text))
    assert statements(text) == ["SELECT 1", "SELECT '日', 2"]
    (finding,) = script.findings
    assert (finding.rule, finding.effect) == ("sql/syntax", "deny")
    assert finding.span is not None
    assert (finding.span.line, finding.span.column) == (3, 8)


def test_a_nul_leaves_the_text_to_the_guard() -> None:
    assert statements("SELECT 1\0; DROP TABLE x") == ["SELECT 1\0; DROP TABLE x"]


@given(st.lists(st.sampled_from(["SELECT 1", ";", "\n", "'", '"', "\\", "\\set x", "$$", "/*", "*/", "--", "日", " "])))
def test_any_text_is_covered_by_statements_or_findings(parts: list[str]) -> None:
    text = "".join(parts)
    script = read_script(Source(text))
    assert len(script.text) == len(text)
    position, between = 0, ""
    for start, end in script.statements:
        assert position <= start < end <= len(text)
        between += script.text[position:start] + "\n"
        position = end
    if not any(finding.rule == "sql/syntax" for finding in script.findings):
        between += script.text[position:]
    without_comments = re.sub(r"/\*.*?\*/|--[^\n]*", "", between, flags=re.DOTALL)
    assert "SELECT" not in without_comments or "/*" in without_comments  # a comment that holds another one


def test_many_commands_take_linear_work() -> None:
    text = "\\echo it's\nSELECT 'a\\b';\n" * 2_000
    assert len(read_script(Source(text)).statements) == 2_000
