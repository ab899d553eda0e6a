from __future__ import annotations

import datetime
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from pg_guard.policy.values import (
    ByteCount,
    ColumnPattern,
    Day,
    FunctionName,
    PositiveInt,
    Reason,
    Seconds,
    TablePattern,
    is_match_all,
    split_name,
)


def read(kind: Any, value: object) -> Any:
    return TypeAdapter(kind).validate_python(value)


def refusal(kind: Any, value: object) -> str:
    with pytest.raises(ValidationError) as caught:
        read(kind, value)
    (details,) = caught.value.errors()
    return str(details["msg"])


@pytest.mark.parametrize(
    "pattern",
    [
        "orders",
        "hr.*",
        "*",
        "*.*",
        "audit_*",
        "Secret Stuff",
        '"Secret.Stuff"',
        'app."My ""own"" table"',
        "日本",
        "x" * 63,
    ],
)
def test_table_patterns_that_are_accepted(pattern: str) -> None:
    assert read(TablePattern, pattern) == pattern


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("", "is empty, so it matches nothing"),
        ("  ", "is empty, so it matches nothing"),
        (".", "has an empty name, so it matches nothing"),
        ("hr.", "has an empty name, so it matches nothing"),
        (".x", "has an empty name, so it matches nothing"),
        ('""', "has an empty name, so it matches nothing"),
        ("db.hr.x", "has 3 parts"),
        ('"open', "has a double quote that is not closed"),
        ('a"b"', "mixes quoted and unquoted text in one name"),
        ('"a"b', "mixes quoted and unquoted text in one name"),
        ("hr. x", "has spaces around a name"),
        (" x", "has spaces around a name"),
        ("a\x00b", "holds a control character"),
        ("a\nb", "holds a control character"),
        ("x" * 64, "is longer than 63 bytes, so it matches nothing"),
        ("é" * 32, "is longer than 63 bytes, so it matches nothing"),
    ],
)
def test_table_patterns_that_are_refused(pattern: str, message: str) -> None:
    assert refusal(TablePattern, pattern) == message


def test_a_long_pattern_with_a_wildcard_may_match() -> None:
    assert read(TablePattern, "x" * 62 + "*" * 5)


def test_a_column_pattern_has_one_part() -> None:
    assert read(ColumnPattern, "*_token") == "*_token"
    assert read(ColumnPattern, '"a.b"') == '"a.b"'
    assert refusal(ColumnPattern, "users.token") == "has 2 parts"


@pytest.mark.parametrize(
    "name",
    ["bmi", "geo.area", "pg_read_*", "geo.area(numeric, numeric)", "now()", 'f("my type", integer[])'],
)
def test_function_names_that_are_accepted(name: str) -> None:
    assert read(FunctionName, name) == name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "is empty, so it matches nothing"),
        ("f(", "is not a function's name with argument types"),
        ("f(int", "is not a function's name with argument types"),
        ("f(numeric(10,2))", "is not a function's name with argument types"),
        ("f(int) x", "is not a function's name with argument types"),
        ("(int)", "is empty, so it matches nothing"),
        ("f(int,,int)", "has an empty argument type"),
        ("a.b.c(int)", "has 3 parts"),
    ],
)
def test_function_names_that_are_refused(name: str, message: str) -> None:
    assert refusal(FunctionName, name) == message


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("30s", 30.0),
        ("500ms", 0.5),
        ("2min", 120.0),
        ("1h", 3600.0),
        ("1.5 s", 1.5),
        (" 3s ", 3.0),
        (12, 12.0),
        (0.5, 0.5),
    ],
)
def test_seconds(written: object, seconds: float) -> None:
    assert read(Seconds, written) == seconds


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("30", "is not a number with a unit"),
        ("-1s", "is not a number with a unit"),
        ("1e3s", "is not a number with a unit"),
        ("٣s", "is not a number with a unit"),
        ("30 sec", "has an unknown unit"),
        ("30S", "has an unknown unit"),
        ("2m", "has an unknown unit"),
        ("0s", "Input should be greater than 0"),
        (0, "Input should be greater than 0"),
        ("25h", "Input should be less than or equal to 86400"),
        (True, "Input should be a valid number"),
        (None, "Input should be a valid number"),
        (float("inf"), "Input should be a finite number"),
        (float("nan"), "Input should be a finite number"),
        ("9" * 400 + "s", "is not a number with a unit"),
    ],
)
def test_seconds_that_are_refused(written: object, message: str) -> None:
    assert refusal(Seconds, written) == message


@pytest.mark.parametrize(
    ("written", "count"),
    [("10MB", 10_000_000), ("10MiB", 10_485_760), ("1kB", 1000), ("1KiB", 1024), ("1.5 kB", 1500), ("7B", 7), (42, 42)],
)
def test_bytes(written: object, count: int) -> None:
    assert read(ByteCount, written) == count


@pytest.mark.parametrize("written", ["10", "10mb", "0MB", "0.1B", -1, 0, 1.5, True, None, "2000GB", "9" * 400 + "GB"])
def test_bytes_that_are_refused(written: object) -> None:
    assert refusal(ByteCount, written)


@pytest.mark.parametrize("value", ["10", True, 1.0, 0, -1, 2**31, None])
def test_positive_integers_are_strict(value: object) -> None:
    assert refusal(PositiveInt, value)


@pytest.mark.parametrize("value", [20261231, "20261231", "2026-13-01", "2026-02-30", "31.12.2026", None, "２026-01-01"])
def test_days_that_are_refused(value: object) -> None:
    assert refusal(Day, value) in ("is not a day", "is not a day of the calendar")


def test_days() -> None:
    assert read(Day, "2026-12-31") == datetime.date(2026, 12, 31)


def test_a_reason_has_words() -> None:
    assert read(Reason, "because") == "because"
    assert refusal(Reason, " ") == "gives no reason"


def test_names_split_outside_of_quotes() -> None:
    assert split_name('a."b.c"') == ["a", '"b.c"']
    assert split_name('"a"".b"') == ['"a"".b"']


def test_patterns_that_match_everything() -> None:
    assert all(is_match_all(pattern) for pattern in ("*", "*.*", "**"))
    assert not any(is_match_all(pattern) for pattern in ("a*", "hr.*", '"*"'))
