"""Processes of this machine. In: a directory. Out: the command lines of those that name it."""

from __future__ import annotations

from pathlib import Path

__all__ = ["processes_of"]


def processes_of(directory: Path) -> list[str]:
    """Command lines of running processes that name the directory."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(directory) in line:
            found.append(line)
    return found
