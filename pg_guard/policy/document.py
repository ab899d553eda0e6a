"""YAML as data with places. In: the text of a policy or pack file. Out: a `Document`, and each fault as a `Problem`.

The reading is YAML 1.2's with JSON's scalars: ``true`` and ``false`` are the only booleans, so ``on``, ``off``,
``yes`` and ``no`` are text, as are ``12:30``, ``0o17``, ``010``, ``1_000`` and days. Beyond YAML's own rules it refuses
whatever would make a policy mean something other than what a reader sees: duplicate keys, keys that are not text, tags,
a second document, nesting or aliases without measure. Nothing in the text is ever executed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

import yaml
from yaml.error import Mark, MarkedYAMLError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.reader import ReaderError

from pg_guard.errors import Problem
from pg_guard.policy.quick import compose

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MAX_BYTES", "Document", "KeyPath", "Place", "format_path", "read_document", "read_scalar"]

MAX_BYTES: Final = 1_000_000
MAX_DEPTH: Final = 32
MAX_NODES: Final = 100_000
"""Values after aliases are followed; more is an attack or a mistake."""

KeyPath: TypeAlias = tuple[str | int, ...]


class Place(NamedTuple):
    """Where a value was written.

    Attributes:
        file: The file as the user named it, or the name of an environment variable.
        line: Line from 1, or 0 when it has none.
        column: Column from 1, in characters, or 0 when it has none.
        secret: True when the value may not be repeated in messages.
    """

    file: str
    line: int = 0
    column: int = 0
    secret: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """A file's data, or several files' merged.

    Attributes:
        file: The file as the user named it.
        data: Its top mapping: text keys, and values as JSON has them.
        values: The place of each value, by key path.
        keys: The place of each mapping key, by key path.
        origins: In a merged document, the document and key path that a value comes from, by key path.
        broken: Key paths of values that were reported and left out, so that nothing more is said of them.
    """

    file: str
    data: dict[str, Any]
    values: Mapping[KeyPath, Place] = field(default_factory=dict)
    keys: Mapping[KeyPath, Place] = field(default_factory=dict)
    origins: Mapping[KeyPath, tuple[Document, KeyPath]] = field(default_factory=dict)
    broken: frozenset[KeyPath] = frozenset()

    def place(self, path: KeyPath, *, key: bool = False) -> tuple[Place, KeyPath]:
        """The place of the value (or of its key) at a path, else of what surrounds it, and the path of that."""
        for length in range(len(path), 0, -1):
            if (origin := self.origins.get(path[:length])) is not None:
                source, start = origin
                place, nearest = source.place((*start, *path[length:]), key=key)
                return place, (*path[:length], *nearest[len(start) :])
        if key and path in self.keys:
            return self.keys[path], path
        for length in range(len(path), -1, -1):
            if (found := self.values.get(path[:length])) is not None:
                return found, path[:length]
        return Place(self.file, 1, 1), ()

    def problem(
        self, path: KeyPath, message: str, *, hint: str = "", level: str = "error", key: bool = False
    ) -> Problem:
        """A problem at a path; a path inside a value that may be secret ends where that value begins."""
        place, nearest = self.place(path, key=key)
        shown = nearest if place.secret else path
        return Problem(message, place.file, place.line, place.column, format_path(shown), hint, level)


def format_path(path: KeyPath) -> str:
    """A key path as people write it: ``where[0].table``, ``columns.deny["hr.*"]``."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif re.fullmatch(r"\w+", step):
            text += f".{step}" if text else step
        else:
            text += f'["{step}"]'
    return text


class _LimitError(Exception):
    """The text is too deep or too large to go on."""

    def __init__(self, message: str, mark: Mark) -> None:
        super().__init__(message)
        self.mark = mark


class _Loader(yaml.SafeLoader):
    """Composes nodes only; the scalars of YAML 1.2, and limits on nesting and size."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own form

    def __init__(self, stream: str | bytes | IO[str] | IO[bytes]) -> None:
        super().__init__(stream)
        self._depth = 0
        self._nodes = 0

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        self._depth += 1
        self._nodes += 1
        try:
            if self._depth > MAX_DEPTH or self._nodes > MAX_NODES:
                what = f"nested deeper than {MAX_DEPTH}" if self._depth > MAX_DEPTH else f"more than {MAX_NODES} values"
                raise _LimitError(what, self.peek_event().start_mark)  # type: ignore[no-untyped-call]  # untyped in the stubs
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


_TAG: Final = "tag:yaml.org,2002:"
for _kind, _form, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789"),
    ("float", r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", "-+.0123456789"),
):
    _Loader.add_implicit_resolver(_TAG + _kind, re.compile(rf"(?:{_form})\Z"), list(_first))


class _ValueFaultError(Exception):
    """A value that cannot be read; the message is one for people."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


def _short(tag: str) -> str:
    return "!!" + tag.removeprefix(_TAG) if tag.startswith(_TAG) else tag


def _scalar(tag: str, text: str) -> str | int | float | bool | None:
    kind = tag.removeprefix(_TAG)
    try:
        if kind == "str":
            text.encode()  # an escape can write half of a surrogate pair
            return text
        if kind == "int":
            return int(text)
        if kind == "float":
            return float(text)
    except UnicodeEncodeError:
        raise _ValueFaultError("holds half of a surrogate pair", "remove the \\u escape") from None
    except ValueError:
        raise _ValueFaultError("is not a number that can be read") from None
    if kind == "null" and text in ("", "~", "null", "Null", "NULL"):
        return None
    if kind == "bool" and text.lower() in ("true", "false"):
        return text.lower() == "true"
    raise _ValueFaultError(f"the tag {_short(tag)} is not allowed", "policies are plain data; remove the tag")


def read_scalar(text: str) -> str | int | float | bool | None:
    """A text as an unquoted scalar of a policy file, as in ``12``, ``true``, ``null`` or ``public``."""
    for tag, form in _Loader.yaml_implicit_resolvers.get(text[:1], []):
        if form.match(text):
            try:
                return _scalar(tag, text)
            except _ValueFaultError:
                return text
    return text


class _Reader:
    """Turns nodes into data, and notes places and problems on the way."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.values: dict[KeyPath, Place] = {}
        self.keys: dict[KeyPath, Place] = {}
        self.broken: set[KeyPath] = set()
        self.problems: list[Problem] = []
        self.count = 0

    def place(self, mark: Mark) -> Place:
        return Place(self.file, mark.line + 1, mark.column + 1)

    def report(self, mark: Mark, path: KeyPath, message: str, hint: str = "") -> None:
        place = self.place(mark)
        self.problems.append(Problem(message, self.file, place.line, place.column, format_path(path), hint))

    def read(self, node: Node, path: KeyPath) -> Any:
        self.count += 1
        self.values[path] = self.place(node.start_mark)
        if self.count > MAX_NODES:
            raise _LimitError(f"aliases unfold to more than {MAX_NODES} values", node.start_mark)
        if len(path) > MAX_DEPTH:
            raise _LimitError("an alias that contains itself", node.start_mark)
        if isinstance(node, ScalarNode):
            return self._read_scalar(node, path)
        if isinstance(node, SequenceNode) and node.tag == _TAG + "seq":
            return [self.read(item, (*path, index)) for index, item in enumerate(node.value)]
        if isinstance(node, MappingNode) and node.tag == _TAG + "map":
            return self._read_mapping(node, path)
        self.report(
            node.start_mark,
            path,
            f"the tag {_short(node.tag)} is not allowed",
            "policies are plain data; remove the tag",
        )
        self.broken.add(path)
        return None

    def _read_scalar(self, node: ScalarNode, path: KeyPath) -> Any:
        try:
            return _scalar(node.tag, node.value)
        except _ValueFaultError as fault:
            self.report(node.start_mark, path, str(fault), fault.hint)
            self.broken.add(path)
            return None

    def _read_mapping(self, node: MappingNode, path: KeyPath) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode) or key_node.tag != _TAG + "str":
                written = f"{key_node.value!r} " if isinstance(key_node, ScalarNode) and key_node.value else ""
                self.report(key_node.start_mark, path, f"the key {written}is not text", "put it in quotes")
                continue
            here = (*path, key_node.value)
            key = self._read_scalar(key_node, here)
            if here in self.broken:
                continue
            if key in mapping:
                first = self.keys[here]
                message = f"duplicate key {key!r}; it is also on line {first.line}"
                self.report(key_node.start_mark, here, message, "keep one of the two")
                continue
            self.keys[here] = self.place(key_node.start_mark)
            mapping[key] = self.read(value_node, here)
            if mapping[key] is None and isinstance(value_node, ScalarNode) and not value_node.value:
                self.values[here] = self.keys[here]  # nothing is written there to point at
        return mapping


def _hint_for(problem: str) -> str:
    if "alias" in problem:
        return 'a pattern that begins with * must be in quotes, as in "*_token"'
    if "'\\t'" in problem:
        return "indent with spaces, not with tabs"
    if "cannot start any token" in problem:
        return "put the text in quotes"
    if "mapping values are not allowed" in problem or "could not find expected ':'" in problem:
        return "check the indentation and the colons of this line and of the one before"
    return ""


def _position(text: str, index: int) -> tuple[int, int]:
    return text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index)


def _decode(raw: bytes, file: str) -> tuple[str | None, tuple[Problem, ...]]:
    try:
        return raw.decode("utf-8-sig"), ()
    except UnicodeDecodeError as error:
        line, column = _position(raw[: error.start].decode("utf-8-sig", "replace"), error.start)
        column = len(raw[: error.start].decode("utf-8-sig", "replace").rpartition("\n")[2]) + 1
        return None, (Problem("the file is not UTF-8", file, line, column, hint="save it as UTF-8"),)


def read_document(raw: str | bytes, file: str, *, quick: bool = False) -> tuple[Document | None, tuple[Problem, ...]]:
    """Read the text of one file.

    Args:
        raw: The text, or its bytes in UTF-8.
        file: The file as the user named it, for messages.
        quick: Try libyaml first (`pg_guard.policy.quick`), as for the many files of a pack.

    Returns:
        The document, or None when nothing of the text can be used; and all problems, in the order of the text.
    """
    size = len(raw) if isinstance(raw, bytes) else len(raw.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        return None, (Problem(f"the file is larger than {MAX_BYTES:,} bytes, which no policy needs", file),)
    if isinstance(raw, bytes):
        decoded, problems = _decode(raw, file)
        if decoded is None:
            return None, problems
        raw = decoded
    if quick and (document := _read_quickly(raw, file)) is not None:
        return document, ()
    reader = _Reader(file)
    try:
        return _compose(raw, reader)
    except ReaderError as error:
        line, column = _position(raw, error.position)
        message = f"a character that YAML does not allow: U+{ord(raw[error.position]):04X}"
        return None, (
            Problem(message, file, line, column, hint='write it as an escape in double quotes, as in "\\u0007"'),
        )
    except _LimitError as error:
        reader.report(error.mark, (), str(error), "write the policy plainly, without aliases")
        return None, tuple(reader.problems)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = reader.place(mark) if mark else Place(file)
        what = error.problem or "cannot be read"
        problem = Problem(
            f"not valid YAML: {what}", file, place.line, place.column, hint=_hint_for(f"{error.context} {what}")
        )
        return None, (*reader.problems, problem)


def _read_quickly(text: str, file: str) -> Document | None:
    """The document when there is nothing to report of it; None leaves it to the careful way."""
    root = compose(text, _Loader.yaml_implicit_resolvers, max_depth=MAX_DEPTH, max_nodes=MAX_NODES)
    if not isinstance(root, MappingNode):
        return None
    reader = _Reader(file)
    try:
        data = reader.read(root, ())
    except _LimitError:
        return None
    return None if reader.problems else Document(file, data, reader.values, reader.keys)


def _compose(text: str, reader: _Reader) -> tuple[Document | None, tuple[Problem, ...]]:
    loader = _Loader(text)
    try:
        root = _first_node(loader)
        if root is None or (isinstance(root, ScalarNode) and not root.value):
            empty = Problem("the file is empty", reader.file, 1, 1, hint="begin with: schema: pg-guard/policy/v1")
            return None, (empty,)
        data = reader.read(root, ())
        if not loader.check_event(yaml.StreamEndEvent):
            mark = loader.peek_event().start_mark  # type: ignore[no-untyped-call]  # untyped in the stubs
            reader.report(mark, (), "a second document begins here", "write one document per file")
        if not isinstance(data, dict):
            if not reader.problems:
                reader.report(
                    root.start_mark, (), "the file is not a mapping", "begin with: schema: pg-guard/policy/v1"
                )
            return None, tuple(reader.problems)
        document = Document(reader.file, data, reader.values, reader.keys, broken=frozenset(reader.broken))
        return document, tuple(reader.problems)
    finally:
        loader.dispose()


def _first_node(loader: _Loader) -> Node | None:
    loader.get_event()  # type: ignore[no-untyped-call]  # the stream's start; the stubs leave this one untyped
    if loader.check_event(yaml.StreamEndEvent):
        return None
    return loader.compose_document()
