"""Values that a policy writes as text. In: a scalar. Out: a checked pattern, a count of bytes or seconds, a day.

Only the form is checked here; what a pattern matches is decided in `pg_guard.checks.patterns`. A rejected value raises
pydantic's `PydanticCustomError` of type ``policy_value``. Its context holds ``message``, the end of a sentence that
begins with the value, and ``hint``, what to write instead. Neither repeats the value: it may come from the environment.
"""

import datetime
import re
from typing import Annotated, Final

import packaging.specifiers
import packaging.version
from pydantic import AfterValidator, BeforeValidator, Field, Strict
from pydantic_core import PydanticCustomError

from pg_guard.policy.signature import KeyFormatError, PublicKey

__all__ = [
    "ByteCount",
    "ColumnPattern",
    "Day",
    "FunctionName",
    "Name",
    "PositiveInt",
    "PublicKeyText",
    "Reason",
    "Seconds",
    "TablePattern",
    "Version",
    "VersionSpecifier",
    "is_match_all",
    "split_name",
]

NAME_BYTES: Final = 63
"""PostgreSQL cuts identifiers at NAMEDATALEN - 1 bytes, so a longer name can match nothing."""

_SECONDS: Final = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0}
_BYTES: Final = {
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}
# No sign and no exponent: both are mistakes in a limit. ASCII digits only, `\d` would take any script's.
_QUANTITY: Final = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)\s*([A-Za-z]+)")


def _problem(message: str, hint: str = "") -> PydanticCustomError:
    return PydanticCustomError("policy_value", "{message}", {"message": message, "hint": hint})


def split_name(text: str, separator: str = ".") -> list[str]:
    """Split at each separator outside of double quotes; the quotes are kept.

    Raises:
        PydanticCustomError: A double quote is not closed.
    """
    parts, quoted = [""], False
    for character in text:
        if character == '"':
            quoted = not quoted  # a doubled quote closes and opens again, which is what is wanted
        if character == separator and not quoted:
            parts.append("")
        else:
            parts[-1] += character
    if quoted:
        raise _problem("has a double quote that is not closed", 'a quote inside of a quoted name is written ""')
    return parts


def _check_part(part: str) -> None:
    if part != part.strip():
        raise _problem("has spaces around a name", "remove them, or put the name in double quotes")
    inside = part
    if '"' in part:
        if not re.fullmatch(r'"(?:[^"]|"")*"', part):
            raise _problem("mixes quoted and unquoted text in one name", "quote the whole name or nothing")
        inside = part[1:-1].replace('""', '"')
    if not inside:
        raise _problem("has an empty name, so it matches nothing", "write a name or a wildcard such as *")
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in inside):
        raise _problem("holds a control character")
    if "*" not in inside and "?" not in inside and len(inside.encode("utf-8", "surrogatepass")) > NAME_BYTES:
        raise _problem(
            f"is longer than {NAME_BYTES} bytes, so it matches nothing",
            f"PostgreSQL cuts names at {NAME_BYTES} bytes; write the name as the catalog holds it",
        )


def _check_name(text: str, most: int, form: str) -> str:
    if not text.strip():
        raise _problem("is empty, so it matches nothing", f"write {form}")
    parts = split_name(text)
    if len(parts) > most:
        raise _problem(f"has {len(parts)} parts", f"write {form}; put a name that holds a dot in double quotes")
    for part in parts:
        _check_part(part)
    return text


def _table(text: str) -> str:
    return _check_name(text, 2, "name or schema.name")


def _column(text: str) -> str:
    return _check_name(text, 1, "the column's name alone")


def _function(text: str) -> str:
    head = split_name(text, "(")
    if len(head) == 1:
        return _check_name(text, 2, "name, schema.name or name(types)")
    name, arguments = head[0], head[1]
    if len(head) > 2 or not arguments.endswith(")") or ")" in arguments[:-1]:
        raise _problem(
            "is not a function's name with argument types",
            "write name(type, type), with types as in pg_type and without lengths",
        )
    _check_name(name.rstrip(), 2, "name, schema.name or name(types)")
    if inside := arguments[:-1].strip():
        for argument in split_name(inside, ","):
            if not argument.strip():
                raise _problem("has an empty argument type", "write name() for a function without arguments")
    return text


def is_match_all(pattern: str) -> bool:
    """True for a pattern that matches every name: only stars in each part."""
    return all(part and not part.strip("*") for part in split_name(pattern))


def _quantity(value: object, units: dict[str, float] | dict[str, int], example: str) -> object:
    """A number from text with a unit; anything that is not text is left to pydantic's own check."""
    if not isinstance(value, str):
        return value
    match = _QUANTITY.fullmatch(value.strip())
    if match is None:
        raise _problem("is not a number with a unit", f"write for example {example}")
    number, unit = match.groups()
    if unit not in units:
        raise _problem("has an unknown unit", f"one of {', '.join(units)}, as in {example}")
    return float(number) * units[unit]


def _seconds(value: object) -> object:
    return _quantity(value, _SECONDS, "30s")


def _byte_count(value: object) -> object:
    amount = _quantity(value, _BYTES, "10MB")
    return int(amount) if isinstance(amount, float) and isinstance(value, str) else amount


def _day(value: object) -> object:
    # pydantic alone would also take a number as seconds since 1970, and 20261231 looks like a day.
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return value
    if isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        try:
            return datetime.date.fromisoformat(value)
        except ValueError:
            raise _problem("is not a day of the calendar") from None
    raise _problem("is not a day", "write it as 2026-12-31")


def _version(text: str) -> str:
    try:
        packaging.version.Version(text)
    except packaging.version.InvalidVersion:
        raise _problem("is not a version", "write it as in PEP 440: 1.2.0") from None
    return text


def _specifier(text: str) -> str:
    try:
        packaging.specifiers.SpecifierSet(text)
    except packaging.specifiers.InvalidSpecifier:
        raise _problem("is not a list of versions", "write for example ~=1.2 or >=1.0,<2") from None
    return text


def _reason(text: str) -> str:
    if not text.strip():
        raise _problem("gives no reason")
    return text


def _public_key(text: str) -> str:
    try:
        return str(PublicKey.parse(text))
    except KeyFormatError:
        hint = "copy the line that begins with ed25519: and that `pg-guard packs keygen` prints"
        raise _problem("is not an ed25519 public key on one line", hint) from None


Name = Annotated[str, AfterValidator(_column)]
"""One SQL name, without a schema."""

TablePattern = Annotated[str, AfterValidator(_table)]
"""``name`` or ``schema.name``, each part a name, a wildcard pattern or a name in double quotes."""

ColumnPattern = Annotated[str, AfterValidator(_column)]
"""A column's name or a wildcard pattern."""

FunctionName = Annotated[str, AfterValidator(_function)]
"""``name``, ``schema.name``, a wildcard pattern, or one of them with argument types in parentheses."""

PublicKeyText = Annotated[str, AfterValidator(_public_key)]
"""A public key, written ``ed25519:BASE64``."""

Reason = Annotated[str, AfterValidator(_reason)]

Version = Annotated[str, AfterValidator(_version)]
"""A version as in PEP 440: ``1.2.0``."""

VersionSpecifier = Annotated[str, AfterValidator(_specifier)]
"""Versions that are accepted, as in PEP 440: ``~=1.2``, ``>=1.0,<2``."""

PositiveInt = Annotated[int, Strict(), Field(gt=0, le=2**31 - 1)]
"""A whole number from 1; text such as "10" and booleans are refused."""

Seconds = Annotated[
    Annotated[float, Strict(), Field(gt=0, le=86400, allow_inf_nan=False)],
    BeforeValidator(_seconds, json_schema_input_type=str | Annotated[float, Field(gt=0, le=86400)]),
]
"""Seconds, from text with a unit (``500ms``, ``30s``, ``2min``, ``1h``) or from a bare number of seconds."""

ByteCount = Annotated[
    Annotated[int, Strict(), Field(gt=0, le=2**40)],
    BeforeValidator(_byte_count, json_schema_input_type=str | Annotated[int, Field(gt=0, le=2**40)]),
]
"""Bytes, from text with a unit (``10MB`` is 10,000,000 and ``10MiB`` is 10,485,760) or from a bare number of bytes."""

Day = Annotated[datetime.date, BeforeValidator(_day, json_schema_input_type=datetime.date)]
"""A day of the calendar, written ``2026-12-31``."""
