"""Where a server's settings come from. In: a way to read them, signals. Out: the same again, whenever somebody asks for it.

Light to import: SIGHUP, whose default is to end the process, is caught before anything else is done.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pg_guard.settings import Settings

__all__ = ["Hangups", "Sources"]


class Hangups:
    """SIGHUP of this process: from `catch` on it asks for a reload as soon as somebody listens.

    When the terminal that the process was started from is closed it ends, as it would without this, unless it was told to
    ignore that (``nohup``).
    """

    def __init__(self) -> None:
        self._came = False
        self._terminal = False
        self._tell: Callable[[], object] | None = None

    def catch(self) -> None:
        """Take the signal, for as long as the process lives."""
        # Another thread may not, and on some systems there is no such signal.
        with contextlib.suppress(ValueError, AttributeError):
            self._terminal = signal.getsignal(signal.SIGHUP) != signal.SIG_IGN and _has_terminal()
            signal.signal(signal.SIGHUP, self._note)
            signal.siginterrupt(signal.SIGHUP, False)

    def _note(self, *_: Any) -> None:
        if self._terminal and not _has_terminal():
            signal.raise_signal(signal.SIGTERM)
        elif self._tell is None:
            self._came = True
        else:
            # The loop may be closed already.
            with contextlib.suppress(RuntimeError):
                self._tell()

    def listen(self, tell: Callable[[], object]) -> None:
        """Call this at each signal from now on, and now if one has come before; it may be called between any two steps."""
        self._tell = tell
        if self._came:
            self._came = False
            tell()

    def ignore(self) -> None:
        """Let signals do nothing, until the very end: Python gives back the default to those that have a handler."""
        self._tell = lambda: None
        with contextlib.suppress(ValueError, AttributeError):
            signal.signal(signal.SIGHUP, signal.SIG_IGN)


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


@dataclass
class Sources:
    """What a server was started with.

    Attributes:
        read: Reads the settings, as files and environment are now.
        files: Files that matter beside those which the settings name themselves.
        hangups: Signals that ask to read again.
        began: When the settings were read for the first time, in nanoseconds since 1970.
    """

    read: Callable[[], Settings]
    files: tuple[Path, ...] = ()
    hangups: Hangups = field(default_factory=Hangups)
    began: int = field(default_factory=time.time_ns)
