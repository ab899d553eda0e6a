"""Lines in the order of their numbers. In: parsed lines as they arrived, perhaps late or twice. Out: each once, in its chain's order.

A collector hands on what it got by several workers, and a sender that heard no answer sends again.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pg_guard.observe.audit_lines import Parsed

__all__ = ["Arrivals"]

P = TypeVar("P")

_MOST_WAITING: Final = 10_000
_MOST_KNOWN: Final = 100_000


class Arrivals(Generic[P]):
    """Holds lines back until those before them have come.

    Args:
        most: Lines that are held back; with more, what is missing is taken for missing.

    Attributes:
        twice: Lines that came more than once, and were the same.
    """

    def __init__(self, most: int = _MOST_WAITING) -> None:
        self.twice = 0
        self._most = most
        self._next: dict[str, int] = {}
        self._waiting: dict[str, dict[int, tuple[Parsed, P]]] = {}
        self._count = 0
        self._known: OrderedDict[tuple[str, int], str] = OrderedDict()

    def put(self, parsed: Parsed, place: P) -> Iterator[tuple[Parsed, P]]:
        """Take a line, and give those whose turn it is.

        Args:
            parsed: The line.
            place: Where it stands; given back with it.
        """
        chain, seq = parsed.head.chain, parsed.head.seq
        if self._known.get((chain, seq)) == parsed.head.hash:
            self.twice += 1
            return
        self._known[chain, seq] = parsed.head.hash
        if len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)
        waiting = self._waiting.setdefault(chain, {})
        if seq < self._next.get(chain, 1) or seq in waiting:
            # Another line with a number that was there: whoever reads it finds what is wrong.
            yield parsed, place
            return
        waiting[seq] = (parsed, place)
        self._count += 1
        yield from self._in_turn(chain)
        while self._count > self._most:
            largest = max(self._waiting, key=lambda each: len(self._waiting[each]))
            self._next[largest] = min(self._waiting[largest])
            yield from self._in_turn(largest)

    def _in_turn(self, chain: str) -> Iterator[tuple[Parsed, P]]:
        waiting, number = self._waiting[chain], self._next.get(chain, 1)
        while number in waiting:
            found = waiting.pop(number)
            self._count -= 1
            number += 1
            self._next[chain] = number
            yield found

    def rest(self) -> Iterator[tuple[Parsed, P]]:
        """What is still held back, by chains and numbers: something before it has not come."""
        for waiting in self._waiting.values():
            for number in sorted(waiting):
                yield waiting[number]
            waiting.clear()
        self._count = 0
