"""A deployment's own values. In: a merged policy and environment variables. Out: the policy with those values set.

``PG_GUARD_POLICY__JOINS__MAX_TABLES=10`` sets ``joins.max_tables``: the key path in capitals, joined by two
underscores. Lists, maps and whole sections are JSON and replace what the files say. The overlay comes last and may
loosen: it is the choice of whoever runs this deployment. Problems name the variable and never show its value.
"""

from __future__ import annotations

import copy
import difflib
import json
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import BaseModel, TypeAdapter, ValidationError

from pg_guard.errors import Problem
from pg_guard.policy.document import Document, KeyPath, Place, format_path, read_scalar
from pg_guard.policy.model import Policy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic.fields import FieldInfo

__all__ = ["PREFIX", "overlay_environment", "variable_names"]

PREFIX: Final = "PG_GUARD_POLICY__"
_FIXED: Final = ("schema", "extends")


def _fields() -> dict[KeyPath, FieldInfo]:
    """Every key path that can be set: the top keys, and the keys of sections."""
    fields: dict[KeyPath, FieldInfo] = {}
    for name, field in Policy.model_fields.items():
        if (key := field.alias or name) in _FIXED:
            continue
        fields[key,] = field
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            fields |= {(key, inner): inner_field for inner, inner_field in field.annotation.model_fields.items()}
    return fields


def _variable(path: KeyPath) -> str:
    return PREFIX + "__".join(str(step).upper() for step in path)


def variable_names() -> tuple[str, ...]:
    """The names of all variables that are read, in the order of the policy's keys."""
    return tuple(_variable(path) for path in _fields())


class _JSONError(ValueError):
    pass


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        raise _JSONError("has a duplicate key")
    return mapping


def _no_constant(_: str) -> Any:
    raise _JSONError("has NaN or Infinity, which JSON does not know")


def _read_json(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constant)
    except _JSONError:
        raise
    except json.JSONDecodeError as error:
        raise _JSONError(f"is not JSON (character {error.pos + 1})") from None
    except (RecursionError, ValueError):  # ValueError: a number of thousands of digits
        raise _JSONError("is not JSON that can be read") from None


def _adapter(field: FieldInfo) -> TypeAdapter[Any]:
    kind: Any = field.annotation
    return TypeAdapter(Annotated[(kind, *field.metadata)] if field.metadata else kind)


def _is_accepted(field: FieldInfo, value: object) -> bool:
    try:
        _adapter(field).validate_python(value)
    except ValidationError:
        return False
    return True


def _holds_collection(field: FieldInfo) -> bool:
    schema = _adapter(field).json_schema()
    return any(part.get("type") in ("array", "object") for part in schema.get("anyOf", [schema]))


def _value(field: FieldInfo, text: str) -> Any:
    if _holds_collection(field):
        return _read_json(text)
    # A text stays a text where text is taken, so that version 1.0 is not a number.
    # An empty variable is not null: it must not lift a limit.
    return text if not text.strip() or _is_accepted(field, text) else read_scalar(text)


def overlay_environment(document: Document, environ: Mapping[str, str]) -> tuple[Document, list[Problem]]:
    """Set the values of all variables whose names begin with `PREFIX`.

    Args:
        document: The merged policy.
        environ: The environment.

    Returns:
        The policy with the values set, not yet validated; and a problem for each variable that cannot be used.
    """
    fields = _fields()
    by_name = {_variable(path): path for path in fields}
    data, origins, problems = copy.deepcopy(document.data), dict(document.origins), []
    # Sections come before their keys, whatever the environment's order.
    for name in sorted(
        (name for name in environ if name.startswith(PREFIX)), key=lambda name: (name.count("__"), name)
    ):
        path = by_name.get(name)
        if path is None:
            close = difflib.get_close_matches(name, by_name, n=1)
            hint = (
                f"did you mean {close[0]}?" if close else "set a key of the policy, as in PG_GUARD_POLICY__LIMITS__ROWS"
            )
            problems.append(Problem("sets nothing that the policy knows", file=name, hint=hint))
            continue
        try:
            value = _value(fields[path], environ[name])
        except _JSONError as error:
            message = f"the value {error}"
            problems.append(
                Problem(message, file=name, path=format_path(path), hint='write lists and maps as JSON, as in ["hr.*"]')
            )
            continue
        _set(data, path, value)
        source = Document(name, {}, {path: Place(name, secret=True)})
        origins = {known: origin for known, origin in origins.items() if known[: len(path)] != path}
        origins[path] = (source, path)
    return Document(document.file, data, document.values, document.keys, origins), problems


def _set(data: dict[str, Any], path: KeyPath, value: Any) -> None:
    target: dict[Any, Any] = data
    for step in path[:-1]:
        if not isinstance(target.get(step), dict):
            target[step] = {}
        target = target[step]
    target[path[-1]] = value
