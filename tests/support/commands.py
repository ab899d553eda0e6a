"""pg-guard as a process. In: arguments, and what differs from ordinary surroundings. Out: how it ended and what it wrote."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

__all__ = ["COMMAND", "ROOT", "assert_one_clear_line", "environment", "run"]

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "pg_guard"]
# What a developer's shell or a build would change in the output.
_FOREIGN = ("PG", "COLUMNS", "GITHUB")


def environment(**changes: str) -> dict[str, str]:
    """This process's variables without those that change what pg-guard does; its warnings are errors."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    return inherited | {"NO_COLOR": "1", "PYTHONWARNINGS": "error"} | changes


def run(
    *arguments: str | bytes,
    stdin: str | bytes = b"",
    cwd: Path | None = None,
    timeout: float = 120,
    memory: int = 0,
    **changes: str,
) -> subprocess.CompletedProcess[str]:
    """Run pg-guard to its end.

    Args:
        arguments: Its command line, without the program.
        stdin: All that it can read there.
        cwd: Its working directory.
        timeout: Seconds after which the test fails.
        memory: Bytes of data that it may have; 0 for no limit.
        changes: Variables of its environment.
    """

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))

    process = subprocess.run(
        [*COMMAND, *arguments],
        input=stdin.encode() if isinstance(stdin, str) else stdin,
        capture_output=True,
        env=environment(**changes),
        cwd=cwd,
        timeout=timeout,
        check=False,
        preexec_fn=limit if memory else None,
    )
    # Bytes, so that ends of lines stay what they are.
    return subprocess.CompletedProcess(
        process.args, process.returncode, process.stdout.decode(), process.stderr.decode()
    )


def assert_one_clear_line(process: subprocess.CompletedProcess[str], code: int, *parts: str) -> None:
    """An error is one line with what it is about, and perhaps a hint; progress may stand before it."""
    assert process.returncode == code, process.stderr
    assert process.stdout == ""
    first, *rest = (line for line in process.stderr.splitlines() if not line.endswith(" ..."))
    assert first.startswith("pg-guard: error: ")
    assert len(first) > len("pg-guard: error: ")
    assert "unexpected" not in first
    assert len(rest) <= 1
    assert all(line.startswith("hint: ") for line in rest)
    for part in parts:
        assert part in process.stderr
