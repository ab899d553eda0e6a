"""Policies that build on others. In: a policy's document and a way to read files. Out: one merged document.

Paths in ``extends`` are relative to the file that names them. How two policies are combined is told in
`pg_guard.policy.narrow`. Every fault of a base is reported, with its place in the base's own file.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from pg_guard.policy.narrow import narrow
from pg_guard.policy.supported import find_unsupported
from pg_guard.policy.validate import validate_document

if TYPE_CHECKING:
    from pg_guard.errors import Problem
    from pg_guard.policy.document import Document

__all__ = ["MAX_BASES", "Extender", "Reader"]

MAX_BASES: Final = 10
"""Longest chain of policies that extend each other."""

Reader: TypeAlias = Callable[[Path], "tuple[Document | None, tuple[Problem, ...]]"]
"""Reads a file; a missing or unreadable one raises OSError."""


class Extender:
    """Resolves ``extends``; each file is read and merged once.

    Attributes:
        problems: All problems found so far.
        files: The files read, bases before what extends them.
    """

    def __init__(self, read: Reader) -> None:
        self._read = read
        self._merged: dict[Path, Document | None] = {}
        self.problems: list[Problem] = []
        self.files: list[str] = []

    def extend(self, document: Document, file: Path) -> Document | None:
        """The document laid over its bases; None when it or one of them has errors."""
        return self._extend(document, file, (file.resolve(),))

    def _extend(self, document: Document, file: Path, chain: tuple[Path, ...]) -> Document | None:
        policy, problems = validate_document(document)
        problems += find_unsupported(document)
        self.problems += problems
        bases = [
            self._base(document, index, entry, file, chain)
            for index, entry in enumerate(_entries(document.data.get("extends")))
        ]
        self.files.append(document.file)
        if policy is None or problems:
            return None
        usable = [base for base in bases if base is not None]
        if len(usable) < len(bases):
            return None
        return self._lay_over(document, usable)

    def _lay_over(self, document: Document, bases: list[Document]) -> Document | None:
        if not bases:
            return document
        below, *others = bases
        problems: list[Problem] = []
        for other in others:
            below, found = narrow(below, other, siblings=True)
            problems += found
        merged, found = narrow(below, document)
        self.problems += problems + found
        return None if problems or found else merged

    def _base(self, document: Document, index: int, entry: str, file: Path, chain: tuple[Path, ...]) -> Document | None:
        here = ("extends", index)
        path = file.parent / entry
        key = path.resolve()
        if key in chain:
            cycle = " → ".join(step.name for step in (*chain[chain.index(key) :], key))
            self.problems.append(document.problem(here, f"the policy extends itself: {cycle}", hint="break the circle"))
            return None
        if len(chain) > MAX_BASES:
            message = f"more than {MAX_BASES} policies extend each other"
            self.problems.append(document.problem(here, message, hint="extend fewer files"))
            return None
        if key not in self._merged:
            self._merged[key] = self._load(document, here, path, chain)
        return self._merged[key]

    def _load(
        self, document: Document, here: tuple[str | int, ...], path: Path, chain: tuple[Path, ...]
    ) -> Document | None:
        try:
            base, problems = self._read(path)
        except OSError as error:
            reason = (error.strerror or type(error).__name__).lower()
            message = f"cannot read {path}: {reason}"
            hint = "paths are relative to the file that names them"
            self.problems.append(document.problem(here, message, hint=hint))
            return None
        except ValueError:  # a NUL character in the path
            self.problems.append(document.problem(here, "is not a path"))
            return None
        self.problems += problems
        if base is None:
            return None
        merged = self._extend(base, path, (*chain, path.resolve()))
        return None if problems else merged


def _entries(stated: Any) -> list[str]:
    """The entries that are paths; others are reported where the document is validated."""
    return [entry for entry in stated if isinstance(entry, str) and entry] if isinstance(stated, list) else []
