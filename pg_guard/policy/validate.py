"""From a document to a value. In: data with places, a format. Out: a `Policy` or another model, or a problem for every error."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final, NamedTuple, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from pg_guard.policy.model import POLICY_SCHEMA, Policy

if TYPE_CHECKING:
    import datetime

    from pydantic_core import ErrorDetails

    from pg_guard.errors import Problem
    from pg_guard.policy.document import Document, KeyPath

__all__ = ["find_expired", "in_order", "validate_document", "validate_model"]

Model = TypeVar("Model", bound=BaseModel)


def validate_document(document: Document, *, complete: bool = True) -> tuple[Policy | None, list[Problem]]:
    """Check a document against the policy format.

    Args:
        document: A file's data, or a merged policy.
        complete: Whether the key ``schema`` must be there.

    Returns:
        The policy, or None when there are errors; and the errors.
    """
    return validate_model(document, Policy, POLICY_SCHEMA if complete else "")


def validate_model(document: Document, model: type[Model], schema: str) -> tuple[Model | None, list[Problem]]:
    """Check a document against any format.

    Args:
        document: A file's data.
        model: The format.
        schema: What the key ``schema`` must say, for the hint where it is missing; '' when it may be missing.

    Returns:
        The value, or None when there are errors; and the errors.
    """
    problems: list[Problem] = []
    if schema and "schema" not in document.data:
        hint = f"begin with: schema: {schema}"
        problems.append(document.problem((), "the key 'schema' is missing", hint=hint))
    value = None
    try:
        value = model.model_validate(document.data)
    except ValidationError as error:
        seen = set()
        for details in error.errors(include_url=False):
            if details["type"] == "too_short" and details["input"]:
                continue  # the list is short only of its invalid entries, which are reported themselves
            path, is_key = _locate(document.data, details["loc"])
            # A union reports once for each of its members; the first says enough.
            if (path, is_key) not in seen and not _within(path, document.broken):
                seen.add((path, is_key))
                problems.append(_describe(document, model, details, path, is_key))
    return (None if problems or document.broken else value), problems


def find_expired(document: Document, policy: Policy, today: datetime.date) -> list[Problem]:
    """An error for each exception whose last day has passed."""
    return [
        document.problem(
            ("exceptions", index, "expires"),
            f"the exception expired on {exception.expires}",
            hint="remove it, or have it approved again",
        )
        for index, exception in enumerate(policy.exceptions)
        if exception.expires < today
    ]


def in_order(problems: list[Problem], files: list[str]) -> tuple[Problem, ...]:
    """Without repetitions, by file in the given order (others last), then by place."""
    rank = {file: index for index, file in enumerate(files)}
    return tuple(
        sorted(
            dict.fromkeys(problems),
            key=lambda item: (rank.get(item.file, len(rank)), item.file, item.line, item.column),
        )
    )


def _within(path: KeyPath, roots: frozenset[KeyPath]) -> bool:
    return any(path[:length] in roots for length in range(len(path) + 1))


_NOTHING: Final = object()


def _step_into(data: Any, step: int | str) -> Any:
    if isinstance(data, dict):
        return data.get(step, _NOTHING)
    if isinstance(data, list) and isinstance(step, int) and step < len(data):
        return data[step]
    return _NOTHING


def _locate(data: Any, location: tuple[int | str, ...]) -> tuple[KeyPath, bool]:
    """The key path of an error's location, which also holds tags of unions; and whether the key itself is meant."""
    path: list[int | str] = []
    for step in location:
        if step == "[key]" and step is location[-1]:
            return tuple(path), True
        if (inner := _step_into(data, step)) is not _NOTHING:
            data = inner
            path.append(step)
    return tuple(path), False


class _Words(NamedTuple):
    """The end of a sentence that begins with the value, and what to do."""

    message: str
    hint: str = ""


_KINDS = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "bool_type": "true or false",
}


_BOUNDS = {
    "greater_than": "is not more than {gt:g}",
    "less_than_equal": "is more than {le:,}",
    "finite_number": "is not a finite number",
    "string_too_short": "is empty",
    "string_too_long": "is longer than {max_length} characters",
    "too_short": "lists nothing",
    "string_pattern_mismatch": "does not have the form {pattern}",
}


def _describe(
    document: Document, model: type[BaseModel], details: ErrorDetails, path: KeyPath, is_key: bool
) -> Problem:
    kind, context = details["type"], details.get("ctx", {})
    value = document.data  # as it was written: pydantic's own input may already be converted
    for step in path:
        value = _step_into(value, step)
    secret = document.place(path)[0].secret
    if kind == "extra_forbidden":
        known = _keys_at(model, path[:-1])
        close = difflib.get_close_matches(str(path[-1]), known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(known)}" if known else ""
        name = "" if secret else f" {path[-1]!r}"
        return document.problem(path, f"unknown key{name}", hint=hint, key=True)
    if kind == "missing":
        return document.problem(path, f"the key {details['loc'][-1]!r} is missing", hint="add it")
    words = _words(kind, value, context)
    written = path[-1] if is_key else value
    subject = "the value" if secret or not isinstance(written, (str, int, float)) else _shown(written)
    return document.problem(path, f"{subject} {words.message}", hint=words.hint, key=is_key)


def _shown(value: str | float) -> str:
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _words(kind: str, value: object, context: Mapping[str, Any]) -> _Words:
    if kind == "policy_value":
        return _Words(str(context["message"]), str(context["hint"]))
    if kind in _KINDS:
        if value is None:
            return _Words(f"is empty, where {_KINDS[kind]} is wanted", "give a value or remove the key")
        return _Words(f"is not {_KINDS[kind]}", _type_hint(kind, value))
    if kind == "literal_error":
        expected = str(context["expected"])
        choices = re.findall(r"'([^']*)'", expected)
        close = difflib.get_close_matches(value, choices, n=1) if isinstance(value, str) else []
        meant = f"did you mean {close[0]!r}?" if close else ""
        if len(choices) > 6:
            return _Words("is not a known word here", meant or f"one of: {', '.join(choices)}")
        return _Words(f"is not {expected}", meant)
    form = _BOUNDS.get(kind)
    return _Words(form.format(**context) if form else "is not valid here")


def _type_hint(kind: str, value: object) -> str:
    if kind == "string_type" and isinstance(value, (int, float)):
        return "put it in quotes"
    if kind in ("int_type", "float_type") and isinstance(value, str):
        return "write the number without quotes and without leading zeros, units or separators"
    if kind == "tuple_type" and isinstance(value, str):
        return "put it in brackets, as in [name]"
    return ""


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    inner = get_args(annotation)
    if get_origin(annotation) is Annotated:
        inner = inner[:1]
    elif get_origin(annotation) not in (tuple, Union, type(int | str), Mapping):
        return []
    return [model for part in inner for model in _models_in(part)]


def _keys_at(model: type[BaseModel], path: KeyPath) -> list[str]:
    """The keys that the format knows in the mapping at a path."""
    models: list[type[BaseModel]] = [model]
    for step in path:
        fields = [
            field for model in models for name, field in model.model_fields.items() if (field.alias or name) == step
        ]
        if fields:  # otherwise an index, or a key that the author chose
            models = [model for field in fields for model in _models_in(field.annotation)]
    return [field.alias or name for model in models for name, field in model.model_fields.items()]
