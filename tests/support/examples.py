"""The examples of a page. In: Markdown, a directory, a database. Out: each example run in order, and where it differs.

A page reads like a terminal session in an empty checkout:

- ```` ```yaml title="policy.yaml" ```` (any language with a title) is a file that is written there;
  ``title="policy.yaml, at the end"`` is appended to it.
- ```` ```console ```` holds ``$ command`` lines (``> `` continues one) with what they print, standard error included. A line
  that is only ``…`` stands for any lines, ``…`` within a line for any text. Directory, variables and ``$?`` live on.
- ```` ```python ```` runs; ```` ```yaml ```` and ```` ```json ```` without a title can be loaded; in ```` ```sh ```` each
  pg-guard command can be parsed. ``<!-- not run: reason -->`` before a console block makes one of ```` ```sh ```` of it.
- ``postgresql://user@localhost/database`` reaches the embedded server.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["Block", "Command", "Session", "blocks", "clean_environment", "commands", "matches"]

_BLOCK = re.compile(
    r"(?:^<!-- not run: (?P<reason>[^\n]+) -->\n)?"
    r"^(?P<indent> *)(?P<fence>```+)(?P<language>\w*)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<text>.*?)^(?P=indent)(?P=fence)$",
    re.MULTILINE | re.DOTALL,
)
_APPENDED = ", at the end"
_URI = re.compile(r"postgresql://(\w+)(?::[^@\s]+)?@localhost(?::5432)?/(\w+)")


class Block(NamedTuple):
    """A fenced block: `start` and `end` are the offsets of its text in the page; `reason` says why it is not run."""

    language: str
    title: str
    text: str
    line: int
    start: int
    end: int
    reason: str


class Command(NamedTuple):
    """A command of a console block; `start` and `end` are the offsets of what it prints in the block's text."""

    line: str
    output: str
    start: int
    end: int


def blocks(markdown: str) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    for match in _BLOCK.finditer(markdown):
        yield Block(
            match["language"], match["title"] or "", match["text"], markdown.count("\n", 0, match.start("text")),
            match.start("text"), match.end("text"), match["reason"] or "",
        )  # fmt: skip


def commands(text: str) -> Iterator[Command]:
    """The commands of a console block."""
    starts = list(re.finditer(r"^\$ (.*\n(?:> .*\n)*)", text, re.MULTILINE))
    assert starts, "a console block without a command"
    assert starts[0].start() == 0, "a console block begins with a command"
    for number, match in enumerate(starts):
        end = starts[number + 1].start() if number + 1 < len(starts) else len(text)
        yield Command(match[1].replace("\n> ", "\n").strip(), text[match.end() : end], match.end(), end)


def matches(shown: str, real: str) -> bool:
    """Whether what a command printed is what the page shows."""
    pattern = ""
    for line in shown.rstrip("\n").split("\n"):
        pattern += r"(?:.*\n)*" if line == "…" else ".*".join(map(re.escape, line.split("…"))) + r"\n"
    return re.fullmatch(pattern if shown.strip() else "", real.rstrip("\n") + "\n" if real.strip() else "") is not None


class Session:
    """One page's terminal: where it stands, its variables, and the exit code of the last command."""

    def __init__(self, directory: Path, socket: Path, path: str, variables: Mapping[str, str]) -> None:
        self._directory = directory
        self._state = directory / ".state"
        self._state.mkdir()
        self._socket = socket
        self._cwd = directory
        self._variables = {**variables, "PATH": path, "COLUMNS": "80", "NO_COLOR": "1", "LC_ALL": "C.UTF-8"}
        self.exit_code = 0

    def write(self, name: str, text: str) -> None:
        """Write a file of the page, or append to it."""
        path = self._cwd / name.removesuffix(_APPENDED)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a" if name.endswith(_APPENDED) else "w", encoding="utf-8") as file:
            file.write(text)

    def run(self, command: str) -> str:
        """Run a command as the page's reader would; returns what it printed."""
        command = _URI.sub(rf"'postgresql://\1@/\2?host={self._socket}&port=5432'", command)
        script = (
            f'trap \'rc=$?; pwd >"{self._state}/cwd"; env -0 >"{self._state}/env"; exit $rc\' EXIT\n'
            f"(exit {self.exit_code})\n{command}"
        )
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self._cwd, env=self._variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=120, check=False,
        )  # fmt: skip
        self.exit_code = done.returncode
        self._cwd = type(self._directory)((self._state / "cwd").read_text().strip())
        pairs = (self._state / "env").read_text().split("\0")
        self._variables = dict(pair.split("=", 1) for pair in pairs if pair)
        return done.stdout.decode().replace(str(self._directory), "~")

    def run_python(self, code: str) -> str:
        """Run a program; returns what it printed, or fails with its traceback."""
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", code],
            cwd=self._cwd, env=self._variables, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout


def clean_environment() -> dict[str, str]:
    """The variables of this process without those that a guard or a driver looks at."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PG", "PYTEST"))}
