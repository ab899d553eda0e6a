"""Two guards on the same statements. In: guards and statements. Out: what each newly allows or denies, counted."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from pg_guard.compare.shifts import Judgement, Shifts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pg_guard.compare.statements import Statement
    from pg_guard.guard import Guard

__all__ = ["Judge", "compare_behaviour"]

_MOST_KEPT: Final = 10_000


class Judge:
    """A guard that keeps its recent judgements: logs and corpora repeat themselves.

    Args:
        guard: The guard.
        principal: Who asks, where a statement does not say.
    """

    def __init__(self, guard: Guard, principal: Mapping[str, Any] | None = None) -> None:
        self._guard = guard
        self._principal = principal
        self._kept: OrderedDict[bytes, Judgement] = OrderedDict()

    def judge(self, statement: Statement) -> Judgement:
        """The judgement on one statement."""
        key = hashlib.sha256(statement.sql.encode("utf-8", "surrogatepass"))
        principal = statement.principal if statement.principal is not None else self._principal
        if principal is not None:
            key.update(b"\0" + json.dumps(dict(principal), sort_keys=True, default=str).encode())
        digest = key.digest()
        found = self._kept.get(digest)
        if found is not None:
            self._kept.move_to_end(digest)
            return found
        found = Judgement.of(self._guard.check(statement.sql, principal=principal))
        self._kept[digest] = found
        if len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return found


def compare_behaviour(
    old: Guard,
    new: Guard,
    statements: Iterable[Statement],
    *,
    principal: Mapping[str, Any] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Shifts:
    """Decide each statement by both guards.

    Args:
        old: The guard before.
        new: The guard after.
        statements: Read one by one; they are not kept.
        principal: Who asks, where a statement does not say.
        progress: Called with the number of statements so far, after each.
    """
    shifts = Shifts()
    before, after = Judge(old, principal), Judge(new, principal)
    for number, statement in enumerate(statements, 1):
        shifts.add(before.judge(statement), after.judge(statement), statement.sql, statement.origin)
        if progress is not None:
            progress(number)
    return shifts
