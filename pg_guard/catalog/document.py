"""Values of the catalog as JSON and back. In: a dataclass of `model`, or JSON. Out: the other, or `ShapeError`.

The shape follows from the dataclasses' own annotations: an object per dataclass without the fields that hold their
default, a list per tuple. A `Name` in pg_catalog is its bare name, any other is ``[schema, name]``: nine in ten are in
pg_catalog. Reading is strict: an unknown or missing key or a value of another type is an error with its path.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable
from functools import cache
from typing import Any, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

from pg_guard.catalog.model import Name

__all__ = ["ShapeError", "dump", "load"]

Json: TypeAlias = Any
Loader: TypeAlias = Callable[[Json, str], Any]

_BARE_SCHEMA = "pg_catalog"
_SCALARS = {str: "text", bool: "true or false", int: "a whole number"}


class ShapeError(ValueError):
    """A document that does not have the shape; the message starts with the path of the wrong value."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path or 'the document'}: {problem}")


def dump(value: Any) -> Json:
    """The JSON form of a catalog value; equal values give equal documents."""
    if isinstance(value, Name):
        return value.name if value.schema == _BARE_SCHEMA else [value.schema, value.name]
    if isinstance(value, tuple):
        return [dump(item) for item in value]
    if dataclasses.is_dataclass(value):
        kind: Any = type(value)
        return {name: dump(item) for name, default in _defaults(kind) if (item := getattr(value, name)) != default}
    return value


def load(kind: Any, document: Json, path: str = "") -> Any:
    """Read a value of dataclass `kind`.

    Args:
        kind: A dataclass of `model`.
        document: What `dump` made, after a round trip through JSON.
        path: Where the document stands, for errors.

    Raises:
        ShapeError: The document is anything else.
    """
    return _loader(kind)(document, path)


@cache
def _defaults(kind: Any) -> tuple[tuple[str, Any], ...]:
    return tuple((field.name, field.default) for field in dataclasses.fields(kind))


@cache
def _loader(hint: Any) -> Loader:
    """The reader of values annotated with `hint`, built once per annotation."""
    if hint is Name:
        return _load_name
    if hint is float:
        return _load_float
    if hint in _SCALARS:
        return _scalar(hint)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _dataclass(hint)
    origin, args = get_origin(hint), get_args(hint)
    if origin is Literal:
        return _literal(args)
    if origin is tuple:
        return _list(_loader(args[0])) if args[-1] is Ellipsis else _fixed(tuple(_loader(arg) for arg in args))
    if origin in (Union, types.UnionType) and type(None) in args:
        (inner,) = (arg for arg in args if arg is not type(None))
        return _optional(_loader(inner))
    raise TypeError(f"no JSON form for {hint!r}")


def _load_name(value: Json, path: str) -> Name:
    if isinstance(value, str):
        return Name(_BARE_SCHEMA, _text(value, path))
    if isinstance(value, list) and len(value) == 2 and all(isinstance(item, str) for item in value):
        return Name(_text(value[0], path), _text(value[1], path))
    raise ShapeError(path, "expected a name or [schema, name]")


def _load_float(value: Json, path: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < float("inf"):
        raise ShapeError(path, "expected a number")
    return float(value)


def _text(value: str, path: str) -> str:
    # JSON can spell half of a surrogate pair, which no later step could print or hash.
    if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise ShapeError(path, "is not valid text")
    return value


def _scalar(kind: type[Any]) -> Loader:
    def read(value: Json, path: str) -> Any:
        if type(value) is not kind:
            raise ShapeError(path, f"expected {_SCALARS[kind]}")
        return _text(value, path) if kind is str else value

    return read


def _literal(choices: tuple[str, ...]) -> Loader:
    def read(value: Json, path: str) -> Any:
        if not isinstance(value, str) or value not in choices:
            raise ShapeError(path, f"expected one of {', '.join(choices)}")
        return value

    return read


def _list(item: Loader) -> Loader:
    def read(value: Json, path: str) -> Any:
        if not isinstance(value, list):
            raise ShapeError(path, "expected a list")
        return tuple(item(entry, f"{path}[{index}]") for index, entry in enumerate(value))

    return read


def _fixed(items: tuple[Loader, ...]) -> Loader:
    def read(value: Json, path: str) -> Any:
        if not isinstance(value, list) or len(value) != len(items):
            raise ShapeError(path, f"expected a list of {len(items)}")
        return tuple(
            item(entry, f"{path}[{index}]") for index, (item, entry) in enumerate(zip(items, value, strict=True))
        )

    return read


def _optional(inner: Loader) -> Loader:
    def read(value: Json, path: str) -> Any:
        return None if value is None else inner(value, path)

    return read


def _dataclass(kind: Any) -> Loader:
    hints = get_type_hints(kind)
    fields = {field.name: _loader(hints[field.name]) for field in dataclasses.fields(kind)}
    required = [name for name, default in _defaults(kind) if default is dataclasses.MISSING]

    def read(value: Json, path: str) -> Any:
        if not isinstance(value, dict):
            raise ShapeError(path, "expected an object")
        for name in required:
            if name not in value:
                raise ShapeError(path, f"the key {name!r} is missing")
        prefix = f"{path}." if path else ""
        arguments = {}
        for key, entry in value.items():
            if key not in fields:
                raise ShapeError(path, f"unknown key {key!r}")
            arguments[key] = fields[key](entry, prefix + key)
        return kind(**arguments)

    return read
