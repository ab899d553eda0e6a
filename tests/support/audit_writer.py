"""A process that writes audit lines until it is killed, or so many. In: its arguments. Out: ids that were acknowledged, a line each.

python audit_writer.py PATH COUNT [FSYNC] [ROTATE_BYTES] [FILE_SIZE_LIMIT] [KEEP_PARTS]
"""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

from pg_guard.observe.audit_file import AuditFile, Retention, Rotation
from pg_guard.observe.audit_sinks import SinkError


def main(path: str, count: str, fsync: str = "never", rotate: str = "0", limit: str = "0", keep: str = "0") -> None:
    if int(limit):
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), resource.RLIM_INFINITY))
    retention = Retention(parts=int(keep))
    file = AuditFile(Path(path), fsync=fsync, rotation=Rotation(int(rotate)), retention=retention)  # type: ignore[arg-type]
    for number in range(int(count) or sys.maxsize):
        name = f"{os.getpid()}-{number}"
        # Long lines of several pages: a write of them can be interrupted.
        padding = "x" * (number * 997 % 70_000)
        try:
            file.append(
                [{"event": "decision", "time": "2026-01-31T00:00:00Z", "decision_id": name, "padding": padding}]
            )
        except SinkError as error:
            say(f"failed {error.message}")
        else:
            say(name)
    file.close()


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
