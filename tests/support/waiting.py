"""Waiting for what another process does. In: a condition. Out: nothing when it holds in time; an error that says what did not."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["wait_until"]

_PAUSE = 0.02


def wait_until(condition: Callable[[], object], what: str, *, seconds: float = 60) -> None:
    """Return as soon as a condition holds.

    Raises:
        AssertionError: It does not within the time; the message holds `what`.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(_PAUSE)
