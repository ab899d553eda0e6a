"""What waits for a client to go on. In: values and whose they are. Out: each once, for its owner alone, for a while.

A few values per server are kept, in memory; the oldest go first.
"""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from typing import Generic, NamedTuple, TypeVar

__all__ = ["Kept"]

T = TypeVar("T")


class _Entry(NamedTuple):
    owner: str
    value: object
    made: float


class Kept(Generic[T]):
    """Values under names that cannot be guessed.

    Args:
        seconds: How long a value can be taken.
        most: Values that are kept.
    """

    def __init__(self, *, seconds: float = 600.0, most: int = 50) -> None:
        self._seconds = seconds
        self._most = most
        self._entries: OrderedDict[str, _Entry] = OrderedDict()

    def put(self, owner: str, value: T) -> str:
        """Keep a value for `owner`; its name."""
        oldest = time.monotonic() - self._seconds
        for name in [name for name, entry in self._entries.items() if entry.made < oldest]:
            del self._entries[name]
        while len(self._entries) >= self._most:
            self._entries.popitem(last=False)
        name = secrets.token_urlsafe(18)
        self._entries[name] = _Entry(owner, value, time.monotonic())
        return name

    def take(self, owner: str, name: str) -> T | None:
        """The value of a name, which is then gone; None when it is unknown, too old or somebody else's."""
        entry = self._entries.get(name)
        if entry is None or entry.owner != owner or time.monotonic() - entry.made > self._seconds:
            return None
        del self._entries[name]
        return entry.value  # type: ignore[return-value]  # `put` takes nothing else
