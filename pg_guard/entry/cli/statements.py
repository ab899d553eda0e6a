"""Statements that commands are given. In: an argument, SQL files, YAML with `sql` entries. Out: texts with their origin."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pg_guard.compare.statements import Statement
from pg_guard.entry.cli.files import read_sql
from pg_guard.entry.cli.psql import read_script
from pg_guard.errors import UsageError
from pg_guard.report.excerpt import Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["corpus_statements", "find_corpus_files", "read_statement"]

_YAML = (".yaml", ".yml")
_LONGEST_NAME = 4096


def read_statement(argument: str) -> tuple[str, str]:
    """The statement that an argument means, and the name of its file or ''.

    An existing file is read, ``-`` is standard input, a name that ends in ``.sql`` must exist; all else is SQL.

    Raises:
        UsageError: The file does not exist or cannot be read.
    """
    if argument == "-":
        return read_sql("-"), ""
    named = len(argument) <= _LONGEST_NAME and "\n" not in argument and "\0" not in argument
    if named and argument and os.path.lexists(argument):
        return read_sql(argument), argument
    if named and argument.lower().endswith(".sql") and not any(character.isspace() for character in argument):
        raise UsageError(f"{argument}: no such file", hint="check the path, or give the statement itself")
    return argument, ""


def find_corpus_files(paths: Iterable[str]) -> list[str]:
    """The files that `paths` name; below directories those that end in .sql, .yaml or .yml, hidden ones left out.

    Raises:
        UsageError: A path does not exist, or nothing was found.
    """
    found: dict[str, str] = {}
    for path in paths:
        if not path or "\0" in path or not Path(path).exists():
            raise UsageError(f"{path}: no such file or directory", hint="check the path")
        for file in _walk(path) if Path(path).is_dir() else [path]:
            found.setdefault(os.path.realpath(file), file)
    if not found:
        raise UsageError("no .sql or .yaml file found", hint="name a file, or a directory that holds some")
    return list(found.values())


def _walk(directory: str) -> Iterator[str]:
    for here, directories, files in os.walk(directory):
        directories[:] = sorted(name for name in directories if not name.startswith("."))
        for name in sorted(files):
            if name.lower().endswith((".sql", *_YAML)):
                yield str(Path(here, name))


def corpus_statements(files: Iterable[str]) -> Iterator[Statement]:
    """Every statement of the files: those of SQL files, and each ``sql`` entry of YAML files.

    Raises:
        UsageError: A file cannot be read, is not UTF-8, or is not YAML.
    """
    for file in files:
        text = read_sql(file)
        if file.lower().endswith(_YAML):
            yield from _yaml_statements(file, text)
        else:
            yield from _sql_statements(file, text)


def _sql_statements(file: str, text: str) -> Iterator[Statement]:
    source = Source(text)
    script = read_script(source)
    for start, end in script.statements:
        yield Statement(script.text[start:end], f"{file}:{source.span(start, end).line}")


def _yaml_statements(file: str, text: str) -> Iterator[Statement]:
    import yaml

    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{file}:{mark.line + 1}:{mark.column + 1}" if mark is not None else file
        what = getattr(error, "problem", None) or "cannot be read"
        raise UsageError(f"{place}: not valid YAML: {what}", hint="correct the file, or leave it out") from None
    except (RecursionError, ValueError):
        raise UsageError(f"{file}: not valid YAML", hint="correct the file, or leave it out") from None
    yield from _entries(document, file)


def _entries(root: Any, file: str) -> Iterator[Statement]:
    """Mappings with a text under ``sql``, at any depth; ``principal`` beside or above them is who asks."""
    # Aliases make one value of many places, and may contain themselves: each is looked at once.
    seen: set[int] = set()
    stack: list[tuple[Any, dict[str, Any] | None]] = [(root, None)]
    while stack:
        node, principal = stack.pop()
        if not isinstance(node, (dict, list)) or id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, dict):
            stated = node.get("principal")
            principal = stated if isinstance(stated, dict) else principal
            if isinstance(node.get("sql"), str):
                name = node.get("id") or node.get("name")
                yield Statement(node["sql"], f"{file} {name}" if isinstance(name, str) else file, principal)
        below = list(node.values()) if isinstance(node, dict) else node
        stack.extend((value, principal) for value in reversed(below))
