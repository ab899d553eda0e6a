from __future__ import annotations

from typing import Any

import pytest

from pg_guard.policy.document import MAX_BYTES, Document, Place, format_path, read_document, read_scalar

TAG = "is not allowed (policies are plain data; remove the tag)"


def problems_of(raw: str | bytes) -> list[str]:
    return [str(problem) for problem in read_document(raw, "p.yaml")[1]]


def data_of(raw: str | bytes) -> Any:
    document, problems = read_document(raw, "p.yaml")
    assert problems == ()
    assert document is not None
    return document.data


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("true", True),
        ("False", False),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("OFF", "OFF"),
        ("y", "y"),
        ("12", 12),
        ("-3", -3),
        ("0", 0),
        ("010", "010"),
        ("0o17", "0o17"),
        ("0x1F", "0x1F"),
        ("0b11", "0b11"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("190:20:30", "190:20:30"),
        ("1e7", 1e7),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1.0.0", "1.0.0"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("2026-12-31", "2026-12-31"),
        ("2026-12-31 10:00:00", "2026-12-31 10:00:00"),
        ("~", None),
        ("null", None),
        ("", None),
        ("=", "="),
        ("'12'", "12"),
        ('"true"', "true"),
        ("!!str 12", "12"),
    ],
)
def test_scalars_are_those_of_yaml_1_2(written: str, value: object) -> None:
    read = data_of(f"a: {written}")["a"]
    assert read == value
    assert type(read) is type(value)


def test_scalars_from_elsewhere_are_read_alike() -> None:
    assert [read_scalar(text) for text in ("7", "1e3", "true", "null", "yes", "30s", "", "9" * 5000)] == [
        7,
        1000.0,
        True,
        None,
        "yes",
        "30s",
        None,
        "9" * 5000,
    ]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", "p.yaml:3:1: a: duplicate key 'a'; it is also on line 1 (keep one of the two)"),
        ("a: {b: 1, b: 2}", "p.yaml:1:11: a.b: duplicate key 'b'; it is also on line 1 (keep one of the two)"),
        ("a:\n  1: x", "p.yaml:2:3: a: the key '1' is not text (put it in quotes)"),
        ("true: x", "p.yaml:1:1: the key 'true' is not text (put it in quotes)"),
        ("[a]: x", "p.yaml:1:1: the key is not text (put it in quotes)"),
        ("a: !!python/object/apply:os.system [id]", f"p.yaml:1:4: a: the tag !!python/object/apply:os.system {TAG}"),
        ("a: !mine x", f"p.yaml:1:4: a: the tag !mine {TAG}"),
        ("a: !!binary aGk=", f"p.yaml:1:4: a: the tag !!binary {TAG}"),
        ("a: !!set {x}", f"p.yaml:1:4: a: the tag !!set {TAG}"),
        ("a: !!int x", "p.yaml:1:4: a: is not a number that can be read"),
        ("a: " + "9" * 5000, "p.yaml:1:4: a: is not a number that can be read"),
        ('a: "\\ud800"', "p.yaml:1:4: a: holds half of a surrogate pair (remove the \\u escape)"),
        ("a: 1\n---\nb: 2", "p.yaml:2:1: a second document begins here (write one document per file)"),
        ("- a\n- b", "p.yaml:1:1: the file is not a mapping (begin with: schema: pg-guard/policy/v1)"),
        ("\n\n  text", "p.yaml:3:3: the file is not a mapping (begin with: schema: pg-guard/policy/v1)"),
        ("", "p.yaml:1:1: the file is empty (begin with: schema: pg-guard/policy/v1)"),
        ("# only a comment\n", "p.yaml:1:1: the file is empty (begin with: schema: pg-guard/policy/v1)"),
        ("---\n...\n", "p.yaml:1:1: the file is empty (begin with: schema: pg-guard/policy/v1)"),
        (b"a: 1\nb: \xc3\xa9\xff", "p.yaml:2:5: the file is not UTF-8 (save it as UTF-8)"),
        (b"\xff\xfea\x00", "p.yaml:1:1: the file is not UTF-8 (save it as UTF-8)"),
    ],
)
def test_a_fault_has_its_place(raw: str | bytes, expected: str) -> None:
    assert problems_of(raw) == [expected]


@pytest.mark.parametrize(
    ("raw", "place", "hint"),
    [
        ("a: [*_token]", "p.yaml:1:5: ", 'a pattern that begins with * must be in quotes, as in "*_token"'),
        ("*: [ssn]", "p.yaml:1:2: ", 'a pattern that begins with * must be in quotes, as in "*_token"'),
        ("a:\n\tb: 1", "p.yaml:2:1: ", "indent with spaces, not with tabs"),
        ("a: b: c", "p.yaml:1:5: ", "check the indentation"),
        ("a: %b", "p.yaml:1:4: ", "put the text in quotes"),
        ("a: {b: 1", "p.yaml:1:9: ", ""),
        ("a: 'x", "p.yaml:1:6: ", ""),
    ],
)
def test_broken_yaml_is_explained(raw: str, place: str, hint: str) -> None:
    (problem,) = problems_of(raw)
    assert problem.startswith(f"{place}not valid YAML: ")
    assert hint in problem


def test_a_control_character_is_placed() -> None:
    (problem,) = problems_of("a: 1\nbc: \x07")
    assert problem.startswith("p.yaml:2:5: a character that YAML does not allow: U+0007")


def test_all_faults_of_one_text_are_reported() -> None:
    raw = "a: 1\na: 2\nb: !x 1\n3: c\nd: {e: 1, e: 2}\n---\nf"
    assert [problem.split(": ")[0] for problem in problems_of(raw)] == [
        "p.yaml:2:1",
        "p.yaml:3:4",
        "p.yaml:4:1",
        "p.yaml:5:11",
        "p.yaml:6:1",
    ]


def test_the_first_of_duplicate_keys_is_kept_for_further_checks() -> None:
    document, _ = read_document("a: 1\na: 2", "p.yaml")
    assert document is not None
    assert document.data == {"a": 1}


def test_merge_keys_are_plain_keys() -> None:
    assert data_of("<<: {a: 1}") == {"<<": {"a": 1}}


def test_aliases_are_followed() -> None:
    assert data_of("a: &x [1, 2]\nb: *x") == {"a": [1, 2], "b": [1, 2]}


def test_aliases_cannot_unfold_without_measure() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    (problem,) = problems_of("\n".join(lines))
    assert "aliases unfold to more than 100000 values" in problem


def test_an_alias_cannot_contain_itself() -> None:
    (problem,) = problems_of("a: &x [*x]")
    assert "an alias that contains itself" in problem


@pytest.mark.parametrize("raw", ["[" * 900_000, "a: " + "{b: " * 10_000, "- " * 400_000])
def test_nesting_is_limited(raw: str) -> None:
    (problem,) = problems_of(raw)
    assert "nested deeper than 32" in problem


def test_many_values_are_refused() -> None:
    (problem,) = problems_of("- a\n" * 150_000)
    assert problem.startswith("p.yaml:100000:3: more than 100000 values")


@pytest.mark.parametrize("raw", ["x" * (MAX_BYTES + 1), b"x" * (MAX_BYTES + 1), "é" * (MAX_BYTES // 2 + 1)])
def test_a_large_file_gives_one_message(raw: str | bytes) -> None:
    assert problems_of(raw) == ["p.yaml: the file is larger than 1,000,000 bytes, which no policy needs"]


def test_a_byte_order_mark_is_ignored() -> None:
    assert data_of(b"\xef\xbb\xbfa: 1") == {"a": 1}


def test_columns_count_characters() -> None:
    document, _ = read_document('äöü: {"日本": x}', "p.yaml")
    assert document is not None
    assert document.place(("äöü", "日本")) == (Place("p.yaml", 1, 13), ("äöü", "日本"))
    assert document.place(("äöü", "日本"), key=True)[0] == Place("p.yaml", 1, 7)


def test_the_place_of_what_is_missing_is_that_of_its_surroundings() -> None:
    document, _ = read_document("a:\n  b: {c: 1}", "p.yaml")
    assert document is not None
    assert document.place(("a", "b", "x", 0)) == (Place("p.yaml", 2, 6), ("a", "b"))


def test_an_empty_value_is_placed_at_its_key() -> None:
    document, _ = read_document("a: 1\nbb:\nc: 2", "p.yaml")
    assert document is not None
    assert document.place(("bb",))[0] == Place("p.yaml", 2, 1)


def test_a_secret_value_ends_the_path() -> None:
    document = Document("p.yaml", {}, {("joins",): Place("VARIABLE", secret=True)})
    assert str(document.problem(("joins", "hidden"), "is wrong")) == "VARIABLE: joins: is wrong"


def test_paths_are_written_as_people_do() -> None:
    assert format_path(("where", 0, "table")) == "where[0].table"
    assert format_path(("columns", "deny", "hr.*", 1)) == 'columns.deny["hr.*"][1]'
    assert format_path(()) == ""
