"""PostgreSQL's text of a value as lossless JSON, and parameters as text. In: text and type. Out: a JSON value or text.

PostgreSQL itself renders every value (text format, with DateStyle ISO, IntervalStyle iso_8601, bytea_output hex and
extra_float_digits pinned by `pool`); only what JSON can hold without loss leaves the text form:

    boolean                     true, false
    smallint, integer, bigint,  number (an integer of any size)
    oid
    real, double precision      number; "NaN", "Infinity" and "-Infinity" as text
    json, jsonb                 the JSON value; a number that no double holds exactly, as text; what Python cannot hold
                                (half a surrogate pair, hundreds of levels), as its JSON text
    timestamp, timestamptz      ISO 8601 as in PostgreSQL's own to_json: 2026-01-02T03:04:05.6+00:00; "infinity" and BC
    timetz                      with the zone as +00:00
    arrays                      list, nested per dimension; with a lower bound other than 1, PostgreSQL's text
    all other types             PostgreSQL's text: numeric "1.50", date, interval "P1DT2H", bytea "\\x00ff", uuid, inet,
                                ranges "[1,4)", composites "(1,abc)", enums, money, geometric types, types of extensions

A JSON null inside json and an SQL NULL are both null.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any, TypeAlias

__all__ = ["Decoder", "Json", "TypeInfo", "decoder", "encode", "encode_json", "encoder", "parse_array"]

Json: TypeAlias = Any
Decoder: TypeAlias = Callable[[str], Json]

# Python refuses to read longer integers by default (sys.set_int_max_str_digits).
_LONGEST_INTEGER = 4000


@dataclass(frozen=True, slots=True)
class TypeInfo:
    """A row of pg_type, as far as rendering needs it.

    Attributes:
        name: As `format_type` writes it: ``integer``, ``timestamp with time zone``, ``text[]``.
        element: Oid of the element type of an array, else 0.
        base: Oid of the type that a domain restricts, else 0.
        delimiter: What stands between the elements of an array of this type.
    """

    oid: int
    schema: str
    name: str
    element: int = 0
    base: int = 0
    delimiter: str = ","


def decoder(oid: int, types: Mapping[int, TypeInfo]) -> Decoder:
    """The function that turns text of type `oid` into JSON; it never raises.

    Args:
        oid: The type.
        types: The type, its element and its base types.
    """
    info = types[oid]
    if info.base:
        return decoder(info.base, types)
    if info.element:
        delimiter, element = types[info.element].delimiter, decoder(info.element, types)
        return _or_text(lambda text: parse_array(text, element, delimiter))
    return _or_text(_DECODERS.get(oid, str))


def _or_text(decode: Decoder) -> Decoder:
    """`decode`, or the text itself: an exception inside of the driver would cost the connection."""

    def safely(text: str) -> Json:
        try:
            return decode(text)
        except (ValueError, ArithmeticError, RecursionError):
            return text

    return safely


def _boolean(text: str) -> bool:
    return text == "t"


def _float(text: str) -> float | str:
    value = float(text)
    return value if math.isfinite(value) else text


def _json(text: str) -> Json:
    value = json.loads(text, parse_float=_json_float, parse_int=_json_integer, parse_constant=_no_constant)
    if "\\ud" in text.lower():
        # Half a surrogate pair is legal in json but cannot be written out again: UnicodeEncodeError is a ValueError.
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _json_float(text: str) -> float | str:
    value = float(text)
    return value if math.isfinite(value) and Decimal(repr(value)) == Decimal(text) else text


def _json_integer(text: str) -> int | str:
    return int(text) if len(text) <= _LONGEST_INTEGER else text


def _no_constant(name: str) -> Json:
    raise ValueError(name)


_TIMESTAMP = re.compile(r"(\d{4,}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)([+-]\d\d(?::\d\d)*)?( BC)?")
_ZONE = re.compile(r"([+-]\d\d)$")


def _timestamp(text: str) -> str:
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        return text
    day, time, zone, era = match.groups(default="")
    return f"{day}T{time}{_full_zone(zone)}{era}"


def _full_zone(text: str) -> str:
    return _ZONE.sub(r"\1:00", text)


# Oids of built-in types are fixed for all versions (pg_type.dat).
_DECODERS: Mapping[int, Decoder] = {
    16: _boolean,
    20: int,
    21: int,
    23: int,
    26: int,
    114: _json,
    700: _float,
    701: _float,
    1114: _timestamp,
    1184: _timestamp,
    1266: _full_zone,
    3802: _json,
}

_JSON_OIDS = frozenset({114, 3802})

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def parse_array(text: str, element: Decoder, delimiter: str = ",") -> Json:
    """The elements of an array in PostgreSQL's text form, as nested lists.

    Source: "Array Input and Output Syntax" of PostgreSQL's documentation.

    Args:
        text: What array_out wrote.
        element: Turns the text of one element into JSON.
        delimiter: The element type's typdelim.

    Returns:
        Lists, with None for NULL; `text` itself when it carries explicit bounds, which a list cannot hold.

    Raises:
        ValueError: The text is no array.
    """
    if text.startswith("["):
        return text
    bare = re.compile(rf'[^{{}}"\\{re.escape(delimiter)}]+')
    root: list[Json] = []
    stack = [root]
    place = 0
    while place < len(text):
        letter = text[place]
        if letter == "{":
            inner: list[Json] = []
            stack[-1].append(inner)
            stack.append(inner)
            place += 1
        elif letter == "}":
            stack.pop()
            place += 1
        elif letter == delimiter:
            place += 1
        elif match := _QUOTED.match(text, place):
            stack[-1].append(element(_ESCAPED.sub(r"\1", match[1])))
            place = match.end()
        elif match := bare.match(text, place):
            stack[-1].append(None if match[0] == "NULL" else element(match[0]))
            place = match.end()
        else:
            raise ValueError(f"no array: {text[:40]}")
        if not stack:
            raise ValueError(f"no array: {text[:40]}")
    if len(stack) != 1 or len(root) != 1 or not isinstance(root[0], list):
        raise ValueError(f"no array: {text[:40]}")
    return root[0]


def encode(value: Json, delimiter: str = ",") -> str:
    """A parameter as the text that PostgreSQL's input functions read; the inverse of what `decoder` gives.

    Args:
        value: Text (in PostgreSQL's own syntax of the parameter's type), boolean, number, bytes, list (an array) or
            dict (a JSON object); other objects (Decimal, UUID, date and time) by their `str`.
        delimiter: What stands between the elements when the parameter is an array: the element type's typdelim.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes | bytearray | memoryview):
        return "\\x" + bytes(value).hex()
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list | tuple):
        return "{" + delimiter.join(_encode_element(item, delimiter) for item in value) + "}"
    return str(value)


def _encode_element(value: Json, delimiter: str) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, list | tuple):
        return encode(value, delimiter)
    text = encode(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def encoder(oid: int, types: Mapping[int, TypeInfo]) -> Callable[[Json], str]:
    """The function that turns a parameter of type `oid` into text; see `encode` and `encode_json`."""
    info = types[oid]
    if info.base:
        return encoder(info.base, types)
    if info.element:
        return partial(encode, delimiter=types[info.element].delimiter)
    return encode_json if oid in _JSON_OIDS else encode


def encode_json(value: Json) -> str:
    """A parameter of type json or jsonb: text is taken as JSON text, all else is written as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
