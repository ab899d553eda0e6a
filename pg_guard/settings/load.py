"""Reading the settings. In: flags, environment, `.env`, a YAML file. Out: one validated tree, or all errors at once.

Sources, each before the next: what a command was given, `PG_GUARD_…__…` in the environment, `.env` in the working directory
(or the file that `PG_GUARD_ENV_FILE` names; empty for none), the YAML file, and what is better in a container.
"""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import ValidationError
from pydantic.v1.utils import deep_update
from pydantic_settings import SettingsConfigDict

from pg_guard.errors import PolicyError, Problem, UsageError
from pg_guard.settings.container import container_defaults, container_sign
from pg_guard.settings.sources import (
    Environment,
    YamlFile,
    flat,
    model_at,
    read_dotenv,
    read_yaml,
    take_secret_files,
    unknown_variables,
)
from pg_guard.settings.tree import OVERLAY_PREFIX, PREFIX, Settings, no_policy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pydantic_core import ErrorDetails

__all__ = ["dotenv_variables", "load_settings"]

_ENV_FILE = f"{PREFIX}ENV_FILE"
_NOT_JSON = ("tuple_type", "list_type", "dict_type", "model_type", "model_attributes_type")


@dataclass
class _Layer:
    """What one source says.

    Attributes:
        name: The source, for messages.
        data: Its values.
        variables: They are variables, whose names say where a value is.
        file: It is this file.
    """

    name: str
    data: dict[str, Any]
    variables: bool = False
    file: YamlFile = field(default_factory=lambda: YamlFile({}))

    def holds(self, path: tuple[str, ...]) -> bool:
        """Whether it says anything at a path, or gives a value that a path would lead into."""
        value: Any = self.data
        for step in path:
            if not isinstance(value, dict):
                return True
            if step not in value:
                return False
            value = value[step]
        return True

    def place(self, path: tuple[str, ...]) -> str:
        """Where it says that."""
        if self.variables:
            variable = PREFIX + "__".join(step.upper() for step in path)
            return variable if self.name == "environment" else f"{self.name}, {variable}"
        return self.name


def load_settings(path: str | Path | None = None, **given: Any) -> Settings:
    """Read the settings.

    Args:
        path: The YAML file, if there is one. With it, relative paths (from every source) are meant from its directory.
        given: What flags say, by section.

    Raises:
        UsageError: A file cannot be read.
        PolicyError: A value is wrong; all problems are in it, without any secret.
    """
    file = Path(path) if path is not None else None
    if file is not None and not file.is_file():
        raise UsageError(f"{file}: there is no such settings file", hint="give an existing YAML file")
    base = file.resolve().parent if file is not None else Path()
    dotenv = _dotenv()
    in_dotenv = read_dotenv(dotenv) if dotenv is not None else {}
    in_file = read_yaml(file) if file is not None else YamlFile({})
    layers = [
        _Layer("flag", given),
        _Layer("environment", Environment(Settings, os.environ)(), variables=True),
        _Layer(str(dotenv), Environment(Settings, in_dotenv)(), variables=True),
        _Layer(str(file), in_file.data, file=in_file),
    ]
    problems = [*in_file.problems, *unknown_variables(os.environ, Settings.model_fields, "environment")]
    problems += unknown_variables(in_dotenv, Settings.model_fields, str(dotenv))
    # A server is often started in a directory that a model's tools can write to.
    problems += [
        Problem(
            f"{name} sets a key of the policy, which only the environment may do",
            str(dotenv),
            hint="set it where the server is started, or narrow the policy by PG_GUARD_SECURITY__…",
        )
        for name in sorted(in_dotenv)
        if name.upper().startswith(OVERLAY_PREFIX)
    ]
    secrets: list[Path] = []
    for layer in layers:
        problems += take_secret_files(layer.data, Settings, layer.name, base, secrets)
    sign = container_sign(os.environ)
    if sign:
        layers.append(_Layer("container", container_defaults()))
    settings, invalid = _validated(layers)
    problems += invalid
    if settings is None or problems:
        raise PolicyError(tuple(problems), subject="the settings are")
    files = [*([file] if file is not None else []), *([dotenv] if in_dotenv and dotenv is not None else []), *secrets]
    known = settings.read_from(
        overlay={name: value for name, value in os.environ.items() if name.startswith(OVERLAY_PREFIX)},
        files=tuple(each.absolute() for each in files),
        origins=dict(_origins(layers)),
        container=sign,
    )
    return known if file is None else _from(base, known)


def dotenv_variables() -> dict[str, str]:
    """The variables of `.env` that begin with the prefix.

    Raises:
        UsageError: It cannot be read.
    """
    file = _dotenv()
    return read_dotenv(file) if file is not None else {}


def _dotenv() -> Path | None:
    named = os.environ.get(_ENV_FILE)
    if named is None:
        return Path(".env")
    if named and not Path(named).is_file():
        raise UsageError(
            f"{_ENV_FILE}: {named} is no file", hint="name an existing file, or set it to nothing to read none"
        )
    return Path(named) if named else None


def _merged(layers: Iterable[_Layer]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for layer in reversed(list(layers)):
        data = deep_update(data, layer.data)
    return data


def _validated(layers: list[_Layer]) -> tuple[Settings | None, list[Problem]]:
    class Given(Settings):
        model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(extra="forbid")

        @classmethod
        def settings_customise_sources(cls, settings_cls: Any, init_settings: Any, **_: Any) -> Any:  # type: ignore[override]  # noqa: ARG003 - the others are in the layers
            return (init_settings,)

    data = _merged(layers)
    try:
        return Given(**data), []
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        problems = [_problem(each, layers) for each in found]
    # Pydantic asks whether the parts fit together only when each of them is right.
    if all(each["loc"] for each in found) and (alone := _without_policy(data)):
        problems.append(Problem(no_policy(alone), "settings", path="databases"))
    return None, problems


def _without_policy(data: Mapping[str, Any]) -> list[str]:
    databases, security = data.get("databases"), data.get("security")
    if not isinstance(databases, dict) or data.get("policy") or security:
        return []
    return [str(name) for name, each in databases.items() if isinstance(each, dict) and not each.get("policy")]


def _problem(error: ErrorDetails, layers: list[_Layer]) -> Problem:
    path = tuple(map(str, error["loc"]))
    while path and model_at(Settings, path[:-1]) is None and not any(layer.holds(path) for layer in layers):
        path = path[:-1]
    source = next((layer for layer in layers if path and layer.holds(path)), None)
    message, hint = error["msg"].removeprefix("Value error, ").replace("a valid tuple", "a list"), ""
    if error["type"] == "extra_forbidden":
        message = "is no setting that pg-guard knows"
        model = model_at(Settings, path[:-1])
        close = difflib.get_close_matches(path[-1], model.model_fields, n=1) if model is not None else []
        hint = f"did you mean {close[0]}?" if close else "remove it, or look for its name in the reference"
    elif error["type"] in _NOT_JSON and source is not None and source.variables:
        hint = """write lists and maps as JSON, as in '["hr.*"]'"""
    line, column = source.file.lines.get(path, (0, 0)) if source is not None else (0, 0)
    return Problem(
        message, source.place(path) if source is not None else "settings", line, column, ".".join(path), hint
    )


def _origins(layers: list[_Layer]) -> Iterator[tuple[tuple[str, ...], str]]:
    for layer in reversed(layers):
        for path in flat(layer.data):
            yield path, layer.place(path)


def _from(directory: Path, settings: Settings) -> Settings:
    """The same with paths that are meant from a directory."""

    def place(path: Path | None) -> Path | None:
        return path if path is None else directory / path

    databases = {
        name: each.model_copy(update={"policy": place(each.policy)}) for name, each in settings.databases.items()
    }
    http, audit, security = settings.http, settings.audit, settings.security
    return settings.model_copy(
        update={
            "databases": databases,
            "policy": place(settings.policy),
            "security": security.model_copy(update={"policy_file": place(security.policy_file)}),
            "http": http.model_copy(update={"tokens": place(http.tokens)}),
            "audit": audit.model_copy(
                update={name: place(getattr(audit, name)) for name in ("path", "key_file", "anchors")}
            ),
            "logging": settings.logging.model_copy(update={"file": place(settings.logging.file)}),
        }
    )
