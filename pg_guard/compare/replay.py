"""Recorded statements decided again. In: records of a log and a guard. Out: what is the same, newly denied, newly allowed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pg_guard.compare.behaviour import Judge
from pg_guard.compare.log import Fault
from pg_guard.compare.shifts import Shifts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pg_guard.compare.log import Record
    from pg_guard.guard import Guard

__all__ = ["Replay", "replay"]

_MOST_FAULTS: Final = 20


@dataclass
class Replay:
    """The outcome of a replay.

    Attributes:
        shifts: The decisions before and after.
        records: How many lines were decision records.
        skipped: By reason, how many of them could not be decided again.
        faults: The first lines that are no decision records.
        fault_count: How many there are in all; a torn end is not among them.
        torn: The line of a torn end, or 0.
    """

    shifts: Shifts = field(default_factory=Shifts)
    records: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    fault_count: int = 0
    torn: int = 0

    def to_dict(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        return {
            "records": self.records,
            "not_replayed": {"count": sum(self.skipped.values()), "reasons": dict(sorted(self.skipped.items()))},
            "invalid_lines": {
                "count": self.fault_count,
                "first": [{"line": fault.line, "message": fault.message} for fault in self.faults],
            },
            "torn_line": self.torn or None,
            **self.shifts.to_dict(),
        }


def replay(
    records: Iterable[Record | Fault],
    guard: Guard,
    *,
    principal: Mapping[str, Any] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Replay:
    """Decide the statements of a log again.

    Args:
        records: What `pg_guard.compare.log.read_log` gives; read one by one.
        guard: The guard that decides now.
        principal: Who asks, where a record does not say.
        progress: Called with the number of lines so far, after each.
    """
    found = Replay()
    judge = Judge(guard, principal)
    for number, record in enumerate(records, 1):
        if isinstance(record, Fault):
            _note(found, record)
        else:
            found.records += 1
            if record.statement is None:
                found.skipped[record.why] = found.skipped.get(record.why, 0) + 1
            else:
                after = judge.judge(record.statement)
                found.shifts.add(record.judgement, after, record.statement.sql, record.statement.origin)
        if progress is not None:
            progress(number)
    return found


def _note(found: Replay, fault: Fault) -> None:
    if fault.torn:
        found.torn = fault.line
        return
    found.fault_count += 1
    if len(found.faults) < _MOST_FAULTS:
        found.faults.append(fault)
