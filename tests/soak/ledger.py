"""What clients saw. In: answers. Out: counts, and every answer that nothing excuses.

Each statement carries a number of its own in a comment, ``/*soak:17*/``: by it PostgreSQL's log, the audit log and what clients
were told are held against each other.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Ledger", "markers"]

_MARKER = re.compile(r"/\*soak:(\d+)\*/")


def markers(text: str) -> set[int]:
    """Numbers of all statements in a text."""
    return set(map(int, _MARKER.findall(text)))


@dataclass
class Ledger:
    """The book of a run.

    Attributes:
        counts: By action and what came of it.
        with_rows: Numbers of statements whose rows a client got.
        denied: Numbers of statements that a client was told are denied.
        defects: What must not happen, in words.
        say: Is told of each at once.
        replaced: How often the policy began to be replaced, or was; odd in between.
        denies_reviews: What the policy in force says of the table ``reviews``.
    """

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    with_rows: set[int] = field(default_factory=set)
    denied: set[int] = field(default_factory=set)
    defects: list[str] = field(default_factory=list)
    say: Callable[[str], object] = lambda _: None
    replaced: int = 0
    denies_reviews: bool = False
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def number(self) -> int:
        """The number of the next statement."""
        return next(self._numbers)

    def note(self, action: str, outcome: str) -> None:
        """Count how an action ended."""
        self.counts[action, outcome] += 1

    def defect(self, text: str) -> None:
        """Note what must not happen; the first hundred say enough."""
        if len(self.defects) < 100:
            self.defects.append(text)
            self.say(f"DEFECT: {text}")

    @property
    def actions(self) -> int:
        """How many were done."""
        return sum(self.counts.values())

    def total(self, action: str, outcome: str | None = None) -> int:
        """How often an action was done, or ended in one way."""
        return sum(count for (name, how), count in self.counts.items() if name == action and outcome in (None, how))
