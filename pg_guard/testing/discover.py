"""What can be tested. In: files and directories as the user gave them. Out: policy files and rule files, by their schema.

A pack is its directory: each rule file in it is tested, and its manifest (``pack.yaml``) is not looked at, so that rules
can be tested while they are written. ``pg-guard packs verify`` compares the digests.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from pg_guard.errors import UsageError
from pg_guard.policy.inputs import read_regular

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pg_guard.testing.model import Kind

__all__ = ["Target", "find_targets", "kind_of"]

_SUFFIXES: Final = (".yaml", ".yml")
# At the beginning of a line, so that a text inside of a file that quotes another does not count.
_SCHEMA: Final = re.compile(
    rb"""^(?:\xef\xbb\xbf)?(?:\{\s*)?["']?schema["']?\s*:\s*["']?pg-guard/(policy|rule|pack)/v\d""", re.MULTILINE
)
_HEAD_BYTES: Final = 1_000_000


class Target(NamedTuple):
    """A file that holds tests."""

    path: str
    kind: Kind


def find_targets(paths: Iterable[str]) -> list[Target]:
    """Find policies and rules.

    Args:
        paths: A policy file, a rule file, a pack's directory or its ``pack.yaml``, or a directory that holds any of
            them at any depth. A file that names no format is taken for a policy, so that its problem is reported.

    Returns:
        Files in the order of the arguments, those of a directory by name; a file that is named twice comes once.

    Raises:
        UsageError: A path does not exist or cannot be read, or a directory holds neither a policy nor a rule.
    """
    found: dict[str, Target] = {}
    for path in paths:
        for target in _expand(path):
            found.setdefault(os.path.realpath(target.path), target)
    return list(found.values())


def kind_of(path: Path) -> str:
    """``policy``, ``rule``, ``pack``, or an empty string: what the key ``schema`` says; raises OSError."""
    match = _SCHEMA.search(read_regular(path, _HEAD_BYTES))
    return match[1].decode() if match else ""


def _expand(path: str) -> list[Target]:
    try:
        if Path(path).is_dir():
            targets = list(_walk(Path(path)))
            if not targets:
                raise UsageError(
                    f"{path}: holds neither a policy nor a rule",
                    hint="they are found by their first key, schema: pg-guard/policy/v1 or pg-guard/rule/v1",
                )
            return targets
        kind = kind_of(Path(path))
        if kind == "pack":
            return _expand(str(Path(path).parent))
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise UsageError(f"cannot read {path}: {reason}", hint="check the path and its permissions") from None
    except ValueError:
        raise UsageError("a path holds a NUL character") from None
    return [Target(path, "rule" if kind == "rule" else "policy")]


def _walk(directory: Path) -> Iterator[Target]:
    def stop(error: OSError) -> None:
        raise error

    for here, directories, files in os.walk(directory, onerror=stop):
        directories[:] = sorted(name for name in directories if not name.startswith("."))
        for name in sorted(files):
            if not name.lower().endswith(_SUFFIXES):
                continue
            path = Path(here, name)
            kind = kind_of(path)
            if kind in ("policy", "rule"):
                yield Target(str(path), "rule" if kind == "rule" else "policy")
