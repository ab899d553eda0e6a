"""Keep one server process and leave nothing behind. In: a command, directories to remove, a pipe. Out: an exit status.

`pg_guard.demo.embedded` runs this file as a program of its own, with the standard library only. It starts the server,
waits until its standard input closes (which also happens when its parent is killed), stops the server and removes the
directories. With ``--detached`` it does not look at its input, and SIGTERM is the way to stop it.

PostgreSQL refuses to run as root, so that the server may run as another user than its keeper.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

# PostgreSQL's fast shutdown: open transactions are rolled back, clients are disconnected.
FAST_SHUTDOWN = signal.SIGINT
SECONDS_TO_STOP = 15.0


def main(argv: list[str]) -> int:
    """Run ``--remove DIR… --log FILE [--detached] [--uid N --gid N] -- COMMAND…`` and return its exit status."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--remove", type=Path, action="append", required=True)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--detached", action="store_true")
    parser.add_argument("--uid", type=int)
    parser.add_argument("--gid", type=int)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args(argv)

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    try:
        with options.log.open("ab") as log:
            # The command is built by embedded.py from the installed wheel; no shell reads it.
            server = subprocess.Popen(  # noqa: S603
                options.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=options.uid,
                group=options.gid,
                extra_groups=None if options.uid is None else [],
                cwd="/",
            )
        threading.Thread(target=_set_when_dead, args=(server, stop), daemon=True).start()
        if not options.detached:
            threading.Thread(target=_set_at_end_of_input, args=(stop,), daemon=True).start()
        # A wait without a limit would keep CPython from running the signal handlers on some platforms.
        while not stop.wait(3600):
            pass
        return _stop(server)
    finally:
        for directory in options.remove:
            shutil.rmtree(directory, ignore_errors=True)


def _set_when_dead(server: subprocess.Popen[bytes], stop: threading.Event) -> None:
    server.wait()
    stop.set()


def _set_at_end_of_input(stop: threading.Event) -> None:
    while os.read(0, 1024):
        pass
    stop.set()


def _stop(server: subprocess.Popen[bytes]) -> int:
    for number in (FAST_SHUTDOWN, signal.SIGQUIT, signal.SIGKILL):
        if server.poll() is None:
            server.send_signal(number)
        try:
            return server.wait(SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            continue
    return 1


if __name__ == "__main__":
    status = main(sys.argv[1:])
    # The threads above may still be blocked in a read; a normal exit would wait for the interpreter's locks.
    os._exit(status if 0 <= status < 256 else 1)
