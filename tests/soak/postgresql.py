"""A PostgreSQL 18 that can be killed and comes back at the same place. In: a directory. Out: a server, and its log.

    with KillablePostgreSQL() as postgresql:
        postgresql.kill()      # as a machine that loses its power: no goodbye to anybody
        postgresql.start()     # the same data, the same address

The address is a link to the directory of the socket, which is a new one at each start.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import Self
from urllib.parse import quote

from pg_guard.demo import embedded
from pg_guard.errors import DatabaseError

__all__ = ["KillablePostgreSQL"]

_SECONDS = 60.0


class KillablePostgreSQL:
    """The server; use it as a context manager."""

    def __init__(self) -> None:
        # Open and short: PostgreSQL runs as another account when this is root, and a socket's path may have 107 bytes.
        self.directory = Path(tempfile.mkdtemp(prefix="pgg", dir="/tmp"))
        self.directory.chmod(0o755)
        self.link = self.directory / "socket"
        self._server: embedded.EmbeddedServer | None = None

    def dsn(self, database: str = "postgres", user: str = "postgres") -> str:
        """The URI of a database, the same after each start."""
        return f"postgresql://{user}@/{database}?host={quote(str(self.link))}&port=5432"

    @property
    def log(self) -> str:
        """All that the server has written to its log."""
        return (self.directory / "postgresql.log").read_text(encoding="utf-8", errors="replace")

    def start(self) -> None:
        """Start it, with the data that it had."""
        deadline = time.monotonic() + _SECONDS
        while True:
            try:
                self._server = embedded.start(self.directory)
                break
            except DatabaseError:
                # What is left of a killed one may still hold its shared memory for a moment.
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        fresh = self.link.with_suffix(".new")
        fresh.symlink_to(self._server.socket_directory)
        fresh.replace(self.link)

    def stop(self) -> None:
        """End it: clients are told, and open transactions rolled back."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def kill(self) -> None:
        """End it and all of its processes by SIGKILL."""
        assert self._server is not None
        pid = int((self._server.data_directory / "postmaster.pid").read_text(encoding="utf-8").split()[0])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        for each in (pid, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        self.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.stop()
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)
