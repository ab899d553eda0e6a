"""Where settings come from. In: the environment, `.env`, a YAML file. Out: their values, and what is wrong with the sources.

A secret may lie in a file: `…_FILE` beside the variable's name (`password_file` in YAML) names it, and its text without the
last line break is the value. What begins with the prefix and sets nothing is an error: a typing mistake must not leave a table open.
"""

from __future__ import annotations

import difflib
import itertools
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, get_args, get_origin

import yaml
from dotenv import dotenv_values
from pydantic import BaseModel, SecretStr
from pydantic_settings import EnvSettingsSource

from pg_guard.errors import Problem, UsageError
from pg_guard.settings.tree import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from pydantic.fields import FieldInfo
    from pydantic_settings import BaseSettings
    from yaml.nodes import Node

__all__ = [
    "Environment",
    "YamlFile",
    "flat",
    "model_at",
    "read_dotenv",
    "read_secret",
    "read_yaml",
    "take_secret_files",
    "unknown_variables",
]

_FILE: Final = "_file"
_MOST_BYTES: Final = 1_000_000
_MOST_KEYS: Final = 10_000
"""Keys of a settings file after aliases are followed."""
# Read by commands, or by the project's own tests.
_OTHERS: Final = re.compile(
    r"(CONFIG|ENV_FILE|DSN|DSN_FILE|WAIT_TIMEOUT|DEBUG|WAIT_TIMEOUT|COMPLETE|KEY_PASSPHRASE|FUZZ_\w+|POLICY__\w+)"
)
# Kubernetes gives every pod such variables for each Service of its namespace; one is likely to be called pg-guard.
_KUBERNETES: Final = re.compile(r"(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT|PORT_\d+_(TCP|UDP)(_\w+)?)")


class Environment(EnvSettingsSource):
    """Variables as values; what is no JSON stays text, so that it is reported together with all other mistakes.

    Args:
        settings: The tree.
        variables: The variables; the process's own, or those of `.env`.
    """

    def __init__(self, settings: type[BaseSettings], variables: Mapping[str, str]) -> None:
        self._variables = {name.lower(): value for name, value in variables.items()}
        super().__init__(settings)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return dict(self._variables)

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """JSON where it is JSON."""
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return value


@dataclass(frozen=True)
class YamlFile:
    """A YAML file.

    Attributes:
        data: What it says.
        lines: By key path, the line and column of the key.
        problems: What is wrong with it beyond its values.
    """

    data: dict[str, Any]
    lines: Mapping[tuple[str, ...], tuple[int, int]] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def read_yaml(path: Path) -> YamlFile:
    """Read a settings file.

    Raises:
        UsageError: It cannot be read, or is no YAML.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
        if len(raw) > _MOST_BYTES:
            raise UsageError(f"{path}: is larger than {_MOST_BYTES:,} bytes", hint="give a settings file")
        text = raw.decode("utf-8")
        root = yaml.compose(text, yaml.SafeLoader)
        keys = list(itertools.islice(_keys(root, ()), _MOST_KEYS + 1))
        if len(keys) > _MOST_KEYS:
            raise UsageError(f"{path}: has more than {_MOST_KEYS:,} keys", hint="give a settings file")
        data = yaml.safe_load(text)
    except (OSError, UnicodeError, yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark is not None else ""
        raise UsageError(
            f"{path}: cannot be read ({type(error).__name__}{where})", hint="check that it is YAML in UTF-8"
        ) from None
    if data is None:
        return YamlFile({})
    if not isinstance(data, dict):
        raise UsageError(f"{path}: is no mapping", hint="write settings as in `databases:`")
    lines: dict[tuple[str, ...], tuple[int, int]] = {}
    twice: dict[tuple[str, ...], Problem] = {}
    for here, line, column in keys:
        known = lines.setdefault(here, (line, column))
        # What stands inside of a repeated key is not told of again.
        if known != (line, column) and not any(here[:length] in twice for length in range(1, len(here))):
            twice[here] = Problem("is there twice", str(path), line, column, ".".join(here), "keep one of them")
    return YamlFile(data, lines, tuple(twice.values()))


def _keys(node: Node | None, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], int, int]]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*path, str(key.value))
            yield here, key.start_mark.line + 1, key.start_mark.column + 1
            yield from _keys(value, here)


def read_dotenv(path: Path) -> dict[str, str]:
    """The variables of an `.env` file that begin with the prefix; none when there is no such file.

    Raises:
        UsageError: It cannot be read.
    """
    try:
        with path.open(encoding="utf-8") as file:
            found = dotenv_values(stream=file, interpolate=False)
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeError) as error:
        raise UsageError(
            f"{path}: cannot be read ({type(error).__name__})", hint="check its rights, and that it is UTF-8"
        ) from None
    return {name: value or "" for name, value in found.items() if name.upper().startswith(PREFIX)}


def unknown_variables(names: Iterable[str], fields: Iterable[str], source: str) -> Iterator[Problem]:
    """Variables with the prefix that no setting and no command knows.

    Args:
        names: The variables.
        fields: The top of the tree.
        source: Where the variables are, for messages.
    """
    known = {name.upper() for name in fields}
    for name in sorted(names):
        if not name.upper().startswith(PREFIX):
            continue
        rest = name.upper().removeprefix(PREFIX)
        top = rest.partition("__")[0]
        if (top in known and not rest.startswith("POLICY__")) or ("__" not in rest and _KUBERNETES.fullmatch(rest)):
            continue
        # What commands and policies read is known in capitals alone.
        if _OTHERS.fullmatch(rest):
            if name != name.upper():
                yield Problem(f"{name} sets nothing as it is written", source, hint=f"write {name.upper()}")
            continue
        close = difflib.get_close_matches(top, known, n=1)
        hint = (
            f"did you mean {PREFIX}{close[0]}{rest[len(top) :]}?"
            if close
            else "remove it, or look for its name in the reference"
        )
        yield Problem(f"{name} sets nothing that pg-guard knows", source, hint=hint)


def take_secret_files(
    data: dict[str, Any], model: type[BaseModel], source: str, base: Path, read: list[Path]
) -> Iterator[Problem]:
    """Put the texts of files in the place of `…_file` keys.

    Args:
        data: What one source says; changed in place.
        model: The model that it is for.
        source: Its name, for messages.
        base: The directory that relative paths are meant from.
        read: Files that were read are added to it.
    """
    yield from _take(data, model, source, base, read, ())


def _take(
    data: dict[str, Any], model: type[BaseModel], source: str, base: Path, read: list[Path], path: tuple[str, ...]
) -> Iterator[Problem]:
    for name, known in model.model_fields.items():
        value = data.get(name)
        if _is_secret(known.annotation):
            key = name + _FILE
            # A field of that name says the same in its own way.
            if key not in data or key in model.model_fields:
                continue
            here = ".".join((*path, key))
            given = data.pop(key)
            if value is not None:
                yield Problem(
                    f"and {'.'.join((*path, name))} both give the value", source, path=here, hint="give one of them"
                )
            elif not isinstance(given, str) or not given:
                yield Problem("is no path", source, path=here)
            else:
                file = base / given
                try:
                    data[name] = read_secret(file)
                    read.append(file)
                except UsageError as error:
                    yield Problem(error.message, source, path=here, hint=error.hint or "")
        elif isinstance(value, dict):
            for inner, keys, target in _inner(known.annotation, value, (*path, name)):
                yield from _take(target, inner, source, base, read, keys)


def _inner(
    annotation: Any, value: dict[str, Any], path: tuple[str, ...]
) -> Iterator[tuple[type[BaseModel], tuple[str, ...], dict[str, Any]]]:
    """The models inside of a field, each with its path and the data for it."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, path, value
    elif get_origin(annotation) is dict:
        of = get_args(annotation)[1]
        for name, each in value.items():
            if isinstance(each, dict):
                yield from _inner(of, each, (*path, str(name)))
    else:
        for choice in get_args(annotation):
            if isinstance(choice, type) and issubclass(choice, BaseModel):
                yield choice, path, value


def _is_secret(annotation: Any) -> bool:
    return annotation is SecretStr or SecretStr in get_args(annotation)


def read_secret(file: Path) -> str:
    """The text of a file that holds a secret, without its last line break.

    Raises:
        UsageError: It cannot be read, or holds nothing.
    """
    try:
        with file.open("rb") as opened:
            text = opened.read(_MOST_BYTES).decode("utf-8")
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise UsageError(f"cannot read {file}: {reason}", hint="check the path and its rights") from None
    except (UnicodeError, ValueError):
        raise UsageError(f"{file} is no text in UTF-8", hint="write the secret alone into it") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise UsageError(f"{file} is empty", hint="write the secret alone into it")
    if "\0" in text:
        raise UsageError(f"{file} holds a NUL character", hint="write the secret alone into it")
    return text


def flat(data: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The paths of all values that are no mappings."""
    for name, value in data.items():
        if isinstance(value, dict) and value:
            yield from flat(value, (*path, str(name)))
        else:
            yield (*path, str(name))


def model_at(model: type[BaseModel], path: tuple[str, ...]) -> type[BaseModel] | None:
    """The model that the keys at a path belong to; None when there is none."""
    if not path:
        return model
    known = model.model_fields.get(path[0])
    return None if known is None else _model_in(known.annotation, path[1:])


def _model_in(annotation: Any, path: tuple[str, ...]) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return model_at(annotation, path)
    if get_origin(annotation) is dict:
        return _model_in(get_args(annotation)[1], path[1:]) if path else None
    return next((found for choice in get_args(annotation) if (found := _model_in(choice, path)) is not None), None)
