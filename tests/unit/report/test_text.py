"""The text report: places are underlined where they are, and nothing of a statement reaches the terminal unescaped."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from pg_guard.decision import Decision, Finding, Span
from pg_guard.report.excerpt import Source, excerpt
from pg_guard.report.text import MAX_FINDINGS, render_decision, render_finding
from pg_guard.report.visible import one_line, visible


def finding(sql: str, needle: str | None = None, **changes: object) -> Finding:
    span = None
    if needle is not None:
        start = sql.index(needle)
        span = Span.of(sql, start, start + len(needle))
    values: dict[str, object] = {
        "rule": "columns/denied",
        "severity": "high",
        "message": "customers.ssn is hidden by this policy",
        "remediation": "Leave the column out.",
        "span": span,
    }
    return Finding(**(values | changes))  # type: ignore[arg-type]


def denial(sql: str, *findings: Finding) -> Decision:
    return Decision("deny", None, findings, statement=sql, policy="demo 1.0.0")


def underlined(rendered: str) -> str:
    """What stands above the marks, by terminal cells."""
    lines = rendered.splitlines()
    number = next(index for index, line in enumerate(lines) if set(line.partition("|")[2].strip()) == {"^"})
    left = cell_len(lines[number][: lines[number].index("^")])
    width = lines[number].count("^")
    shown, column = "", 0
    for character in lines[number - 1]:
        if left <= column < left + width:
            shown += character
        column += cell_len(character)
    return shown


def test_a_denial_shows_rule_place_reason_and_way_out() -> None:
    sql = "SELECT id,\n  ssn\nFROM customers"
    assert render_decision(denial(sql, finding(sql, "ssn")), width=62) == (
        "denied: 1 finding (policy demo 1.0.0)\n"
        "\n"
        "high columns/denied: customers.ssn is hidden by this policy\n"
        "  --> line 2, column 3\n"
        "   |\n"
        " 1 | SELECT id,\n"
        " 2 |   ssn\n"
        "   |   ^^^\n"
        " 3 | FROM customers\n"
        "   = fix: Leave the column out.\n"
    )


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT\tid,\tssn FROM t",
        "SELECT '日本語', ssn FROM t",
        "SELECT 'e\u0301', ssn FROM t",
        "SELECT 1,\r\n       ssn\r\nFROM t",
        "SELECT '\x1b[2J\x1b]0;x\x07', ssn FROM t",
        "SELECT '\u202eevil\u202c', ssn FROM t",
        "SELECT '" + "y" * 5000 + "', ssn, '" + "z" * 5000 + "' FROM t",
        "SELECT '" + "日" * 500 + "', ssn FROM t",
        "SELECT " + "\t" * 100 + "ssn FROM t",
        "ssn",
        "\n\n\nssn\n\n",
    ],
)
@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_the_marks_stand_below_the_place(sql: str, width: int) -> None:
    rendered = render_decision(denial(sql, finding(sql, "ssn")), width=width)
    assert underlined(rendered) == "ssn"
    assert max(cell_len(line) for line in rendered.splitlines()) <= width


def test_wide_characters_are_underlined_over_their_whole_width() -> None:
    sql = 'SELECT "秘密" FROM t'
    rendered = render_decision(denial(sql, finding(sql, '"秘密"')))
    assert underlined(rendered) == '"秘密"'
    assert rendered.count("^") == 6


def test_an_escaped_character_is_underlined_as_it_is_printed() -> None:
    sql = "SELECT \x1b FROM t"
    assert underlined(render_decision(denial(sql, finding(sql, "\x1b")))) == r"\x1b"


def test_a_place_over_many_lines_is_cut_in_the_middle() -> None:
    sql = "SELECT *\nFROM (\n" + "".join(f"  line{number}\n" for number in range(30)) + "  last\n) x"
    start = sql.index("(")
    rendered = render_finding(finding(sql, span=Span.of(sql, start, len(sql) - 2)), Source(sql))
    assert "  line0\n" in rendered
    assert "line15" not in rendered
    assert "... 29 more lines" in rendered
    assert " 34 | ) x\n    | ^\n" in rendered
    assert len(rendered.splitlines()) < 16


@pytest.mark.parametrize("sql", ["", " ", "\n", "SELECT 1"])
def test_an_empty_place_at_the_end_gets_one_mark(sql: str) -> None:
    rendered = render_decision(denial(sql, finding(sql, span=Span.of(sql, len(sql), len(sql)))))
    assert rendered.count("^") == 1


def test_a_finding_without_a_place_has_no_excerpt() -> None:
    rendered = render_decision(denial("SELECT 1", finding("")))
    assert "-->" not in rendered
    assert "  = fix: Leave the column out." in rendered


def test_long_sentences_are_wrapped_with_a_hanging_indent() -> None:
    text = "word " * 60 + "x" * 200
    rendered = render_decision(denial("", finding("", message=text, remediation=text)), width=60)
    assert max(len(line) for line in rendered.splitlines()) <= 60
    assert "".join(rendered.split()).count("word") == 120
    assert "".join(rendered.split()).count("x" * 200) == 2


def test_only_the_first_findings_are_written_out() -> None:
    rendered = render_decision(denial("x", *[finding("x", "x")] * (MAX_FINDINGS + 1_000)))
    assert rendered.count("= fix") == MAX_FINDINGS
    assert "and 1,000 more findings" in rendered


def test_colours_only_when_asked() -> None:
    sql = "SELECT ssn"
    assert "\x1b" not in render_decision(denial(sql, finding(sql, "ssn")))
    assert "\x1b[" in render_decision(denial(sql, finding(sql, "ssn")), color=True)


def test_outcomes_in_words() -> None:
    warning = finding("", effect="warn")
    assert render_decision(
        Decision("allow", "SELECT 1", (), kind="select", relations=("public.orders",), policy="demo 1.0.0")
    ) == ("allowed: select of public.orders (policy demo 1.0.0)\n")
    assert render_decision(Decision("allow", "x", (warning,), kind="select")).startswith("allowed: select, 1 warning\n")
    assert "warning (high) columns/denied" in render_decision(Decision("allow", "x", (warning,), kind="select"))
    assert render_decision(Decision("rewrite", "x", (), kind="select")).startswith("allowed after a rewrite")
    monitored = Decision("allow", "x", (finding(""),), mode="monitor", would_deny=True)
    assert "monitor mode" in render_decision(monitored).splitlines()[0]
    many = Decision("allow", "x", (), kind="select", relations=tuple(f"public.t{number}" for number in range(40)))
    assert "and 34 more" in render_decision(many)


@given(
    st.text(st.characters(codec=None), max_size=200),
    st.integers(0, 200),
    st.integers(0, 200),
    st.integers(1, 120),
)
def test_any_text_and_any_place_can_be_shown(text: str, start: int, end: int, width: int) -> None:
    rendered = render_decision(
        denial(text, finding(text, message=text, remediation=text, rule=text, span=Span(start, end, 1, 1))),
        width=width,
        name=text,
    )
    for character in rendered.replace("\n", ""):
        assert unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert "^" in rendered


def test_a_line_of_a_megabyte_is_cut() -> None:
    sql = "(" * 1_000_000
    lines = excerpt(Source(sql), Span.of(sql, 0, len(sql)), cells=60)
    assert [cell_len(line.text) <= 60 and cell_len(line.underline) <= 60 for line in lines] == [True]


@given(st.text(alphabet="ab\n\r\t日", max_size=40), st.integers(-5, 50), st.integers(-5, 50))
def test_source_finds_the_place_that_span_finds(text: str, start: int, end: int) -> None:
    assert Source(text).span(start, end) == Span.of(text, start, end)


def test_visible() -> None:
    assert visible("a\x1b[0m\x00\x7f\x9b\u200b\u2028\U000e0041\ud800é日\n") == (
        r"a\x1b[0m\x00\x7f\x9b\u200b\u2028\U000e0041\ud800é日\x0a"
    )
    assert visible("a\nb\tc", keep="\n") == "a\nb\\x09c"
    assert one_line(" a\r\n\t b\x1b ") == r"a b\x1b"
