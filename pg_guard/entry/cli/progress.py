"""Progress of long work. In: a count, now and then. Out: a line on standard error once it takes more than two seconds."""

from __future__ import annotations

import time
from typing import Final

import click

__all__ = ["Progress"]

_FIRST: Final = 2.0
_EVERY: Final = 5.0
_LOOK_EVERY: Final = 64


class Progress:
    """Says how far some work has come; silent for what is done within two seconds.

    Args:
        what: What is counted and done, as in ``statements compared``.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._next = time.monotonic() + _FIRST

    def __call__(self, count: int) -> None:
        """So many are done."""
        if count % _LOOK_EVERY and count > _LOOK_EVERY:  # the clock is not looked at for each of a million
            return
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _EVERY
            click.echo(f"{count:,} {self._what} ...", err=True)
