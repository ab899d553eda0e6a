"""Settings for people to read. In: settings. Out: lines that tell each value and its source, a policy's text, an example file."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Any, Final, get_args, get_origin

import yaml
from pydantic import BaseModel, SecretStr

from pg_guard.report.visible import one_line
from pg_guard.settings import PREFIX, Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pydantic.fields import FieldInfo

    from pg_guard.errors import Problem
    from pg_guard.policy.load import LoadedPolicy

__all__ = ["as_document", "as_lines", "example_text", "policy_text", "warnings_of"]

_WIDTH: Final = 100
_HEAD: Final = """\
# Every setting of `pg-guard serve` as a variable, with its default: a start for an .env file, made by `pg-guard config example`.
# Flags win over the environment, that over .env, and that over a settings file (--config). Lists and maps are JSON.
# A secret can lie in a file: put _FILE behind the variable's name, as in PG_GUARD_MODEL__KEY_FILE=/run/secrets/key.

# Connection URI of a single database (or PG_GUARD_DSN_FILE).
#PG_GUARD_DSN=postgresql://reader@db.example/shop
"""


def as_document(settings: Settings) -> dict[str, Any]:
    """Settings as JSON, with the source of each value that is no default."""
    return {
        "schema": "pg-guard/settings/v1",
        "settings": settings.model_dump(mode="json"),
        "sources": {".".join(path): source for path, source in sorted(settings.origins.items())},
        "files": [str(file) for file in settings.files],
        "container": settings.container or None,
    }


def as_lines(settings: Settings, *, with_defaults: bool) -> Iterator[str]:
    """A line for each value, as in ``model.timeout: 7  # PG_GUARD_MODEL__TIMEOUT``."""
    for path, value in _leaves(settings.model_dump(mode="json"), ()):
        source = _source(settings.origins, path)
        if source is None and not with_defaults:
            continue
        text = one_line(json.dumps(value, ensure_ascii=False))
        yield f"{'.'.join(path)}: {text}" + (f"  # {one_line(source)}" if source is not None else "")
    if not with_defaults:
        yield "# all else: defaults, shown by --all"


def _leaves(data: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in data.items():
        if isinstance(value, dict) and value:
            yield from _leaves(value, (*path, name))
        else:
            yield (*path, name), value


def _source(origins: Mapping[tuple[str, ...], str], path: tuple[str, ...]) -> str | None:
    lengths = range(len(path), 0, -1)
    return next((origins[path[:length]] for length in lengths if path[:length] in origins), None)


def warnings_of(policies: Mapping[str, LoadedPolicy]) -> tuple[Problem, ...]:
    """The warnings about all policies, each once."""
    return tuple(dict.fromkeys(problem for loaded in policies.values() for problem in loaded.problems))


def policy_text(loaded: LoadedPolicy) -> str:
    """A policy as YAML; loaded again, it is the same."""
    assert loaded.document is not None  # it was read from a file
    data = {key: value for key, value in loaded.document.data.items() if key != "extends"}
    sources = "".join(f"# from {one_line(source)}\n" for source in loaded.sources)
    return sources + yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=_WIDTH)


def example_text() -> str:
    """Every setting as a variable, commented out."""
    return "\n".join([_HEAD, *_section(Settings, (), None)]).rstrip("\n") + "\n"


def _section(model: type[BaseModel], path: tuple[str, ...], given: BaseModel | None) -> Iterator[str]:
    """A model's variables, with the values of a default of its own where there is one."""
    inner = []
    for name, field in model.model_fields.items():
        default = getattr(given, name) if given is not None else _default(field)
        if (found := _model_of(field.annotation)) is not None:
            inner.append((name, default, *found))
        else:
            yield from _comment(field.description or "")
            yield f"#{PREFIX}{'__'.join((*path, name)).upper()}={_written(default)}"
            yield ""
    for name, default, of, by_name in inner:
        where = (*path, name, "shop") if by_name else (*path, name)
        # Paths are written as in a settings file.
        yield from (f"# -- {'.'.join(where)} {'-' * (_WIDTH - 6 - len('.'.join(where)))}", "")
        yield from (*_comment(of.__doc__ or ""), "")
        yield from _section(of, where, default if isinstance(default, of) else None)


def _default(field: FieldInfo) -> Any:
    return None if field.is_required() else field.get_default(call_default_factory=True)


def _comment(text: str) -> Iterable[str]:
    return textwrap.wrap(" ".join(text.split()), _WIDTH, initial_indent="# ", subsequent_indent="# ")


def _written(value: Any) -> str:
    if value is None or isinstance(value, SecretStr):
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, (tuple, list, dict)):
        return f"'{json.dumps(value)}'"
    return json.dumps(value)


def _model_of(annotation: Any) -> tuple[type[BaseModel], bool] | None:
    """The model of a field, and whether there is one for each name."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    if get_origin(annotation) is dict:
        found = _model_of(get_args(annotation)[1])
        return (found[0], True) if found is not None else None
    return next((found for choice in get_args(annotation) if (found := _model_of(choice)) is not None), None)
