"""One layout for policies, rules and pack manifests. In: a file's text. Out: the same data and comments, laid out.

Nothing is written that does not hold exactly the data and the comments of what was read, and that would not be left as
it is by a second run. A file whose layout cannot be kept is refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn, Union, get_args, get_origin

import yaml
from pydantic import BaseModel

from pg_guard.errors import PolicyError, UsageError
from pg_guard.packaging.layout import Scan, join_comments, place_comments, sort_entries
from pg_guard.packaging.roundtrip import WIDTH, write_again
from pg_guard.policy.document import KeyPath, read_document

if TYPE_CHECKING:
    from pg_guard.packaging.layout import KeyOrder

__all__ = ["FORMATTED_SCHEMAS", "format_text"]

PACK_KEYS: Final = ("schema", "name", "version", "title", "description", "owner", "licence", "requires", "files")
FORMATTED_SCHEMAS: Final = ("pg-guard/policy/v1", "pg-guard/rule/v1", "pg-guard/pack/v1")
_MOST_ROUNDS: Final = 5


def format_text(raw: str | bytes, file: str) -> str:
    """Lay out the text of one file.

    Args:
        raw: The text, or its bytes in UTF-8.
        file: The file as the user named it, for messages.

    Returns:
        The text in the layout of this project; a text that has it already comes back as it is.

    Raises:
        PolicyError: It is not YAML that pg-guard reads, or not a policy, a rule or a manifest.
        UsageError: Its layout cannot be changed without changing its meaning or losing a comment.
    """
    document, problems = read_document(raw, file)
    if document is None or problems:
        raise PolicyError(problems, subject="the file is")
    schema = document.data.get("schema")
    if schema not in FORMATTED_SCHEMAS:
        hint = f"begin with one of: {', '.join(f'schema: {each}' for each in FORMATTED_SCHEMAS)}"
        raise PolicyError(
            (document.problem(("schema",), "not a file that pg-guard formats", hint=hint),), subject="the file is"
        )
    text = raw.decode("utf-8-sig") if isinstance(raw, bytes) else raw.removeprefix("\ufeff")
    # YAML's own line ends: all of them mean the same outside of quotes, and inside none can stand.
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    order = _order_of(schema)
    if Scan(text).linked:
        order = _as_written
    before = Counter(comment.text for comment in Scan(text).comments)
    for _ in range(_MOST_ROUNDS):  # a moved entry may need another look
        laid_out = _lay_out(text, file, order)
        after, _problems = read_document(laid_out, file)
        if after is None or after.data != document.data:
            _refuse(file, "without a change of what it means")
        if Counter(comment.text for comment in Scan(laid_out).comments) != before:
            _refuse(file, "without losing a comment")
        if laid_out == text:
            break
        text = laid_out
    else:
        _refuse(file, "in a way that stays the same when it is done again")
    return text


def _lay_out(text: str, file: str, order: KeyOrder) -> str:
    try:
        ends = Scan(text).flow_ends
        text = join_comments(write_again(text, order), ends)
        return sort_entries(place_comments(text, WIDTH), order)
    except (
        yaml.YAMLError,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        AttributeError,
        RecursionError,
        AssertionError,
    ):
        # ruamel.yaml and PyYAML raise many kinds on what they do not foresee; the file stays as it is.
        _refuse(file, "by the library that keeps its comments")


def _refuse(file: str, how: str) -> NoReturn:
    raise UsageError(f"{file}: cannot be laid out {how}; it was left as it is", hint="format it by hand")


def _as_written(_: KeyPath) -> tuple[str, ...]:
    return ()


def _order_of(schema: str) -> KeyOrder:
    if schema == "pg-guard/pack/v1":
        return lambda path: () if path else PACK_KEYS
    if schema == "pg-guard/rule/v1":
        from pg_guard.policy.rules import RuleFile

        return lambda path: _keys_at(RuleFile, path)
    from pg_guard.policy.model import Policy

    return lambda path: _keys_at(Policy, path)


def _keys_at(annotation: Any, path: KeyPath) -> tuple[str, ...]:
    """The keys of the mapping at a path, in the order of the model; none where the author chooses them."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        fields = {field.alias or name: field.annotation for name, field in annotation.model_fields.items()}
        if not path:
            return tuple(fields)
        return _keys_at(fields.get(str(path[0])), path[1:])
    inner = get_args(annotation)
    kind = get_origin(annotation)
    if kind is Annotated:
        inner = inner[:1]
    elif kind is not None and path and isinstance(kind, type) and issubclass(kind, Mapping):
        inner, path = inner[1:], path[1:]
    elif kind in (tuple, list) and path:
        path = path[1:]
    elif kind not in (Union, UnionType):
        return ()
    return next((keys for each in inner if (keys := _keys_at(each, path))), ())
