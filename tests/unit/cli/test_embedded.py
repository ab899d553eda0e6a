"""SQL inside of other files: what is found, where each character stands, what is told as not read."""

from __future__ import annotations

import ast
import warnings
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pg_guard.entry.cli.embedded.jinja import read_jinja
from pg_guard.entry.cli.embedded.literals import decode_literal
from pg_guard.entry.cli.embedded.markdown import read_markdown
from pg_guard.entry.cli.embedded.python import read_python
from pg_guard.entry.cli.embedded.readers import language_of, read_fragments
from pg_guard.errors import UsageError

if TYPE_CHECKING:
    from pg_guard.entry.cli.embedded.fragments import Fragment, Reading


def assert_places(fragment: Fragment, text: str) -> None:
    """Pieces cover the fragment in order; exact ones are the file's own characters, or white space for them."""
    position = 0
    for piece in fragment.pieces:
        assert piece.start == position
        assert 0 <= piece.host_start <= piece.host_end <= len(text)
        position = piece.end
        if piece.exact:
            own, shown = text[piece.host_start : piece.host_end], fragment.text[piece.start : piece.end]
            assert all(a == b or a in " \n$123" for a, b in zip(shown, own, strict=True)), (own, shown)
    assert position == len(fragment.text)


def shown(reading: Reading, text: str) -> list[str]:
    for fragment in reading.fragments:
        assert_places(fragment, text)
    return [fragment.text.strip() for fragment in reading.fragments]


def unread(reading: Reading, text: str) -> list[str]:
    return [text[start:end] for start, end, _ in reading.unread]


# -- places ----------------------------------------------------------------------------------------------------------


def test_a_place_is_that_of_the_characters_in_the_file() -> None:
    text = "x = db.execute('SELECT \\u0061,\\n b FROM t')"
    (fragment,) = read_python(text).fragments
    assert fragment.text == "SELECT a,\n b FROM t"

    def at(part: str) -> str:
        start = fragment.text.index(part)
        host_start, host_end = fragment.place(start, start + len(part))
        return text[host_start:host_end]

    assert at("SELECT") == "SELECT"
    assert at("a") == "\\u0061"
    assert at("a,\n b") == "\\u0061,\\n b"
    assert at("FROM t") == "FROM t"
    assert fragment.place(len(fragment.text), len(fragment.text)) == (len(text) - 2, len(text) - 2)


# -- Python ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("cur.execute('SELECT 1')", ["SELECT 1"]),
        ("await conn.fetch(query='SELECT 1')", ["SELECT 1"]),
        ("self.db.cursor().execute('''SELECT\n 1''')", ["SELECT\n 1"]),
        ("execute('SELECT ' 'a'  # c\n  r'\\d')", None),
        ("cur.execute('SELECT ' \\\n 'a')", ["SELECT a"]),
        ("cur.execute(('SELECT '  # c\n  r'\\d'))", ["SELECT \\d"]),
        ("cur.execute('SELECT ' + 'a' + ' FROM t')", ["SELECT a FROM t"]),
        ("Q = 'SELECT 1'\ncur.execute(Q)\ncur.execute(Q)", ["SELECT 1"]),
        ("def f():\n    q: str = 'SELECT 1'\n    cur.execute(q)", ["SELECT 1"]),
        ("cur.execute('SELECT %s, %(a)s, %(a)s, 5 %% 2', x)", ["SELECT $1, $2, $2, 5 % 2"]),
        ("cur.execute('SELECT 5 %% 2')", ["SELECT 5 %% 2"]),
        ("cur.executemany('INSERT INTO t VALUES (%s, %s)', rows)", ["INSERT INTO t VALUES ($1, $2)"]),
        ("cur.execute('SELECT \\'%s\\', \"%s\", %s -- %s', x)", ["SELECT '%s', \"%s\", $1 -- %s"]),
        ("conn.execute(text('SELECT :a::int, :b, :a'))", ["SELECT $1::int, $2, $1"]),
        ("conn.fetch('https://example.com')", []),
        ("text('hello')", []),
        ("x = '--sql\\nSELECT 1'", ["--sql\nSELECT 1"]),
        ("x = '-- SQL SELECT 1'", ["-- SQL SELECT 1"]),
        ("x = 'SELECT 1'  # sql", ["SELECT 1"]),
        ("x = '''SELECT\n1'''  # SQL", ["SELECT\n1"]),
        ("x = 'SELECT 1'  # sql injection", []),
        ("x = 'SELECT 1'", []),
        ("print('SELECT 1')", []),
        ("cur.execute(b'SELECT 1')", []),
        ("cur.execute()", []),
        ("cur.execute('/* x */ (SELECT 1)')", ["/* x */ (SELECT 1)"]),
        ("'日本'; cur.execute('SELECT \\'😀\\' FROM 日')", ["SELECT '😀' FROM 日"]),
        ("cur.execute('SELECT \\d')", ["SELECT \\d"]),
        ("\f\ncur.execute(\r\n'''SELECT\r\n1''')\r\n", ["SELECT\n1"]),
    ],
)
def test_statements_in_python(code: str, expected: list[str] | None) -> None:
    if expected is None:  # a line that Python joins inside of the call's parentheses
        expected = ["SELECT a\\d"]
    assert shown(read_python(code), code) == expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("cur.execute(f'SELECT {x}')", ["f'SELECT {x}'"]),
        ("cur.execute('SELECT ' + x)", ["'SELECT ' + x"]),
        ("cur.execute('SELECT %s' % x)", ["'SELECT %s' % x"]),
        ("cur.execute('SELECT {}'.format(x))", ["'SELECT {}'.format(x)"]),
        ("cur.execute(query)", ["query"]),
        ("q = 'SELECT 1'\nq += ' x'\ncur.execute(q)", ["q"]),
        ("q = 'SELECT 1'\nq = 'SELECT 2'\ncur.execute(q)", ["q"]),
        ("q = 'SELECT 1'\ndef f(q):\n    cur.execute(q)", ["q"]),
        ("for q in x: cur.execute(q)", ["q"]),
        ("cur.execute(build())", ["build()"]),
        ("cur.execute(sql.SQL('SELECT {}').format(x))", ["sql.SQL('SELECT {}').format(x)", "'SELECT {}'"]),
        ("conn.fetch(f'SELECT {x}')", ["f'SELECT {x}'"]),
        ("conn.fetch(url)", []),
        ("x = f'SELECT {y}'  # sql", ["f'SELECT {y}'"]),
        ("pool.execute('job')", ["'job'"]),
    ],
)
def test_python_that_cannot_be_read_is_told(code: str, expected: list[str]) -> None:
    reading = read_python(code)
    assert reading.fragments == ()
    assert sorted(unread(reading, code)) == sorted(expected)
    assert all(reason for _, _, reason in reading.unread)


@pytest.mark.parametrize("code", ["def f(:", "x = '", "\0", "(" * 1_000, "  x\n y"])
def test_what_is_no_python_is_an_error(code: str) -> None:
    with pytest.raises(UsageError, match="not valid Python"):
        read_python(code)


@given(st.text(st.characters(codec="utf-8"), max_size=30), st.sampled_from(["'", '"', "'''", '"""']), st.booleans())
def test_a_literal_is_what_python_makes_of_it(body: str, quote: str, raw: bool) -> None:
    source = f"{'r' if raw else ''}{quote}{body}{quote}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = ast.literal_eval(source)
    except (SyntaxError, ValueError):
        return
    pieces = decode_literal(source.strip(), 0)
    if isinstance(value, str) and pieces is not None:
        assert "".join(piece.text for piece in pieces) == value


@given(st.text(max_size=60).map(lambda text: f"SELECT '{text}'"))
def test_every_text_that_python_writes_is_read_again(text: str) -> None:
    code = f"cur.execute({text!r})"
    (fragment,) = read_python(code).fragments
    assert fragment.text == text
    assert_places(fragment, code)


# -- Markdown --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("```sql\nSELECT 1\n```\n", ["SELECT 1"]),
        ("```SQL title=x\nSELECT 1\n```", ["SELECT 1"]),
        ("``` {.sql .numberLines}\nSELECT 1\n```", ["SELECT 1"]),
        ("~~~ postgresql\nSELECT 1\n```\n~~~", ["SELECT 1\n```"]),
        ("````sql\nSELECT '```'\n```\n````", ["SELECT '```'\n```"]),
        ("```sql\nSELECT 1", ["SELECT 1"]),
        ("```sql\r\nSELECT 1\r\n```\r\n```sql\r\nSELECT 2\r\n```", ["SELECT 1", "SELECT 2"]),
        ("- x\n\n  ```sql\n  SELECT 1\n  ```", ["SELECT 1"]),
        ("> ```sql\n> SELECT 1\n> > 0\n> ```", ["SELECT 1\n  > 0"]),
        ("```sql\nSELECT 1\n> 0\n```", ["SELECT 1\n> 0"]),
        ("```python\nSELECT 1\n```", []),
        ("```\nSELECT 1\n```", []),
        ("```text\n```sql\nSELECT 1\n```", []),
        ("SELECT 1", []),
        ("``` `sql`\nSELECT 1\n```", []),
        ("```sql\n```", []),
        ("```mysql\nSELECT 1\n```", []),
    ],
)
def test_statements_in_markdown(text: str, expected: list[str]) -> None:
    assert shown(read_markdown(text), text) == expected


@given(st.text(st.sampled_from("`~> -\n\rsql1;x"), max_size=80))
def test_markdown_of_any_form_is_read(text: str) -> None:
    shown(read_markdown(text), text)


# -- Jinja -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT 1", ["SELECT 1"]),
        ("SELECT {# c #}1", ["SELECT 1"]),
        ("SELECT id FROM {{ ref('orders') }}", ["SELECT id FROM orders"]),
        ('SELECT id FROM {{ref("pkg", "orders", v=2)}} o', ["SELECT id FROM orders o"]),
        ("SELECT id FROM {{ source('raw', 'My Orders') }}", ['SELECT id FROM raw."My Orders"']),
        ("{{ config(x={'a': 1}) }}SELECT 1", ["SELECT 1"]),
        ("{% set x = 1 %}SELECT 1", ["SELECT 1"]),
        ("{% raw %}SELECT '{{ x }}'{% endraw %}", ["SELECT '{{ x }}'"]),
        ("SELECT a{% if x %}, b{% endif %}", ["SELECT a , b", "SELECT a"]),
        ("{% if x %}A{% elif y %}B{% else %}C{% endif %}", ["A", "B", "C"]),
        ("{% for c in x %}a{% if not loop.last %},{% endif %}{% endfor %}", ["a"]),
        ("{% for c in x %}a{% if loop.last %}!{% else %},{% endif %}{% endfor %}", ["a !"]),
        ("{% for c in x %}a{% else %}b{% endfor %}c", ["a c"]),
        ("A{% macro m(x) %}B{% if x %}{% endmacro %}C", ["A C"]),
        ("{%if(x)%}A{%endif%}", ["A", ""]),
        ("A  {%- if x -%}  B  {%- endif -%}  C", ["A B C", "A C"]),
        ("SELECT\r\n{% if x %}\r\n1{% else %}\r\n2{% endif %}", ["SELECT 1", "SELECT 2"]),
    ],
)
def test_the_texts_of_a_template(text: str, expected: list[str]) -> None:
    # Each tag is as many blanks as it is long, which `shown` checks.
    assert [" ".join(one.split()) for one in shown(read_jinja(text), text)] == expected


def test_nested_branches_stand_in_one_text_at_least() -> None:
    text = "{% if a %}A{% if b %}B{% else %}C{% endif %}{% else %}D{% if c %}E{% else %}F{% endif %}{% endif %}"
    found = shown(read_jinja(text), text)
    for letter in "ABCDEF":
        assert any(letter in one for one in found)
    for one in found:
        assert ("A" in one) != ("D" in one)


def test_branches_beyond_the_bound_are_told() -> None:
    text = (
        "{% if a0 %}A{% elif a1 %}B"
        + "".join(f"{{% elif b{number} %}}C{number}" for number in range(30))
        + "{% endif %}"
    )
    reading = read_jinja(text)
    assert len(reading.fragments) == 16
    assert len(reading.unread) == 33 - 16


def test_a_placeholder_is_a_name_of_the_same_width() -> None:
    text = "SELECT {{ column_of(x) }}, '{{ y }}' FROM t{{ suffix }}_x WHERE {{ column_of(x) }} > 0"
    (fragment,) = read_jinja(text).fragments
    first, _, rest = fragment.text.removeprefix("SELECT ").partition(" ")
    assert first.startswith("jinja_")
    assert f"WHERE {first}" in rest  # the same expression, the same name
    assert len(fragment.text.split("FROM t")[0]) >= len("SELECT {{ column_of(x) }}, '{{ y }}' ")
    assert "_x WHERE" in fragment.text
    for start in range(len(fragment.text)):
        begin, end = fragment.place(start, start + 1)
        if fragment.in_placeholder(start, start + 1):
            assert text[begin:end].startswith("{{")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ x }} {{ ref('a') }} {{ config() }} {{ ref(x) }}", ["{{ x }}", "{{ ref(x) }}"]),
        ("{% macro m() %}{{ x }}{% endmacro %}", ["{% macro m() %}{{ x }}{% endmacro %}"]),
        ("{% set q %}SELECT 1{% endset %}", ["{% set q %}SELECT 1{% endset %}"]),
        ("{% include 'x' %}", ["{% include 'x' %}"]),
        ("{% for a in b %}{% else %}x{% endfor %}", ["{% else %}x{% endfor %}"]),
    ],
)
def test_what_a_template_hides_is_told(text: str, expected: list[str]) -> None:
    assert unread(read_jinja(text), text) == expected


@pytest.mark.parametrize(
    "text", ["{{ x", "{% if x %}", "{% endif %}", "{% for x in y %}{% endif %}", "{% macro x() %}", "{{ 'a }}", "{# x"]
)
def test_what_is_no_template_is_an_error(text: str) -> None:
    with pytest.raises(UsageError, match="not a valid template in line 1"):
        read_jinja(text)


TAGS = ["{% if x %}", "{% else %}", "{% endif %}", "{% for x in y %}", "{% endfor %}", "{{ x }}", "{{ ref('a') }}"]
TAGS += ["{#- c -#}", "{%- if loop.last -%}", "{% elif z %}", " a ", "\r\n", "b\n"]


@given(st.lists(st.sampled_from(TAGS), max_size=14))
def test_templates_of_any_form_keep_every_character(parts: list[str]) -> None:
    text = "".join(parts)
    try:
        reading = read_jinja(text)
    except UsageError:
        return
    shown(reading, text)
    everything = "".join(fragment.text for fragment in reading.fragments)
    for letter in "ab":
        if letter in text.replace("ref('a')", "").replace("x", ""):
            # Only the branch for other turns of a loop is left out, and the `else` of a loop is told.
            assert letter in everything or "loop.last" in text or reading.unread


def test_a_plain_file_is_no_template() -> None:
    assert language_of("SELECT 1", "jinja") == "sql"
    assert language_of("SELECT {{ x }}", "jinja") == "jinja"
    assert language_of("SELECT {{ x }}", "sql") == "sql"
    (fragment,) = read_fragments("SELECT {{ x }}", "sql").fragments
    assert fragment.text == "SELECT {{ x }}"
