"""What a decision was made of. In: the stages of `Guard.explain`, as they pass. Out: an `Explanation`, for reports.

`Guard.check` gathers nothing of this; both run the same stages, so an explanation is of the decision that `check` gives.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from pg_guard.checks.base import Subject
    from pg_guard.decision import Decision
    from pg_guard.facts.model import Facts
    from pg_guard.policy.compile import Program
    from pg_guard.policy.packs import Pack
    from pg_guard.sql.parse import SqlglotReading
    from pg_guard.sql.text import SqlText

__all__ = ["Compared", "Explanation", "Trace"]

Compared: TypeAlias = Literal["names", "tokens", "nothing"]
"""How the two readings were compared: names and kinds of both trees; tokens, where sqlglot does not know the grammar; or
not at all, where the statement was refused before, or its kind has no names."""


@dataclass(slots=True)
class Trace:
    """The record that `Guard.explain` fills while a statement is decided.

    Attributes:
        text: The text, once it is admitted.
        subject: What the checks were asked about: the text with its facts, names and principal; None where it was not read.
        witness: sqlglot's reading, where its grammar knows the statement.
        compared: How the two readings were compared.
        timings_us: Microseconds of each stage that ended.
    """

    text: SqlText | None = None
    subject: Subject | None = None
    witness: SqlglotReading | None = None
    compared: Compared = "nothing"
    timings_us: dict[str, int] = field(default_factory=dict)
    _since: int = field(default_factory=time.perf_counter_ns)

    @property
    def facts(self) -> Facts | None:
        """What the statement touches; None where it was refused before."""
        return self.subject.facts if self.subject is not None else None

    def mark(self, stage: str) -> None:
        """A stage ends here."""
        now = time.perf_counter_ns()
        self.timings_us[stage] = (now - self._since) // 1000
        self._since = now


@dataclass(frozen=True, slots=True)
class Explanation:
    """A decision with what led to it.

    Attributes:
        decision: The decision, as `Guard.check` gives it.
        trace: What the stages saw.
        program: The compiled policy that decided.
        packs: The rule packs that had a say.
    """

    decision: Decision
    trace: Trace
    program: Program
    packs: tuple[Pack, ...] = ()
