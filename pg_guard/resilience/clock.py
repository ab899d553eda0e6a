"""Clocks that may be set. In: what libraries reckon by the time of day. Out: how long it really was, by a clock that nobody sets."""

from __future__ import annotations

import time
from typing import Final

__all__ = ["Openings", "WallClock"]

# Clocks are adjusted by little all the time.
_SECONDS: Final = 1.0


class Openings:
    """How long circuits have been open."""

    def __init__(self) -> None:
        self._since: dict[str, tuple[float, float]] = {}

    def seconds(self, circuit: str, opened_at: float) -> float:
        """Seconds since an opening was first heard of.

        Args:
            circuit: Its name.
            opened_at: The time of day that the circuit says it was opened at; another one is another opening.
        """
        known, since = self._since.get(circuit, (None, 0.0))
        if known != opened_at:
            since = time.monotonic()
            self._since[circuit] = (opened_at, since)
        return time.monotonic() - since


class WallClock:
    """Watches the time of day."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def was_set_back(self) -> bool:
        """Was it set back since it was last asked for?"""
        offset = time.time() - time.monotonic()
        before, self._offset = self._offset, offset
        return offset < before - _SECONDS
