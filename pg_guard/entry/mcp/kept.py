"""What waits for a client to go on. In: values and whose they are. Out: each once, for its owner alone, for a while.

A few values per server are kept, in memory, up to a number and a size. When there are too many, the oldest of the owner who
has the most of them goes first: nobody drives out what others wait for.
"""

from __future__ import annotations

import secrets
import time
from collections import Counter, OrderedDict
from typing import Generic, NamedTuple, TypeVar

__all__ = ["Kept"]

T = TypeVar("T")


class _Entry(NamedTuple):
    owner: str
    value: object
    size: int
    made: float


class Kept(Generic[T]):
    """Values under names that cannot be guessed.

    Args:
        seconds: How long a value can be taken.
        most: Values that are kept.
        most_bytes: Their size together; the newest is kept, whatever its size.
    """

    def __init__(self, *, seconds: float = 600.0, most: int = 50, most_bytes: int = 50_000_000) -> None:
        self._seconds = seconds
        self._most = most
        self._most_bytes = most_bytes
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    def put(self, owner: str, value: T, size: int = 0) -> str:
        """Keep a value of a size in bytes for `owner`; its name."""
        oldest = time.monotonic() - self._seconds
        for name in [name for name, entry in self._entries.items() if entry.made < oldest]:
            del self._entries[name]
        while len(self._entries) >= self._most:
            self._drop(Counter(entry.owner for entry in self._entries.values()))
        while self._entries and size + sum(entry.size for entry in self._entries.values()) > self._most_bytes:
            sizes: Counter[str] = Counter()
            for entry in self._entries.values():
                # What is empty counts, too, or it would never go.
                sizes[entry.owner] += entry.size + 1
            self._drop(sizes)
        name = secrets.token_urlsafe(18)
        self._entries[name] = _Entry(owner, value, size, time.monotonic())
        return name

    def _drop(self, shares: Counter[str]) -> None:
        """Forget the oldest value of whoever has the largest share."""
        [(owner, _)] = shares.most_common(1)
        del self._entries[next(name for name, entry in self._entries.items() if entry.owner == owner)]

    def take(self, owner: str, name: str) -> T | None:
        """The value of a name, which is then gone; None when it is unknown, too old or somebody else's."""
        entry = self._entries.get(name)
        if entry is None or entry.owner != owner or time.monotonic() - entry.made > self._seconds:
            return None
        del self._entries[name]
        return entry.value  # type: ignore[return-value]  # `put` takes nothing else
