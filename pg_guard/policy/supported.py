"""What the format knows but this version does not enforce. In: a document. Out: a problem for each use.

A policy that asks for something which nobody enforces would give false comfort, so it does not load. Whoever enforces a
key removes its line from `NOT_YET`, and nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pg_guard.policy.document import Document, KeyPath, format_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pg_guard.errors import Problem

__all__ = ["NOT_YET", "find_unsupported"]

NOT_YET: Final[tuple[tuple[str, str], ...]] = (
    # path ("[]": each entry; "=value": only that value), and what to do until it is supported
    ("columns.on_star=omit", "use on_star: deny"),
    ("columns.mask", "list the columns under columns.deny"),
    ("row_filters", "require the condition under `where`"),
)


def _find(data: Any, steps: list[str], path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    if not steps:
        yield path, data
    elif steps[0] == "[]":
        if isinstance(data, list):
            for index, item in enumerate(data):
                yield from _find(item, steps[1:], (*path, index))
    elif isinstance(data, dict) and steps[0] in data:
        yield from _find(data[steps[0]], steps[1:], (*path, steps[0]))


def find_unsupported(document: Document) -> list[Problem]:
    """All uses of keys that are not supported yet; an empty or null value uses nothing."""
    problems = []
    for entry, instead in NOT_YET:
        dotted, _, only = entry.partition("=")
        for path, value in _find(document.data, dotted.replace("[]", ".[]").split("."), ()):
            if value in (None, [], {}) or (only and value != only):
                continue
            what = f"{only!r} is" if only else "is"
            shown = format_path(tuple(step for step in path if isinstance(step, str)))
            problems.append(document.problem(path, f"{what} not supported yet ({shown})", hint=instead, key=not only))
    return problems
