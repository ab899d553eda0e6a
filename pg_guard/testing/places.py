"""Where values of a policy were written. In: a policy file. Out: its document, alone or laid over what it extends."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pg_guard.policy.document import MAX_BYTES, Document, read_document
from pg_guard.policy.extends import Extender
from pg_guard.policy.inputs import read_regular

if TYPE_CHECKING:
    from pg_guard.errors import Problem

__all__ = ["read_effective", "read_places"]


def read_places(file: str) -> Document | None:
    """The file's own document; None when it cannot be read any more."""
    try:
        return _read(Path(file), file)[0]
    except OSError:
        return None


def read_effective(file: str) -> Document | None:
    """The document laid over those that it extends, each value with its place; None when it has errors."""
    document = read_places(file)
    if document is None:
        return None
    return Extender(lambda path: _read(path, os.path.normpath(path))).extend(document, Path(file))


def _read(path: Path, name: str) -> tuple[Document | None, tuple[Problem, ...]]:
    return read_document(read_regular(path, MAX_BYTES), name)
