"""`pg-guard demo` as a process: the table, the exit code, and nothing left behind."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

from pg_guard.demo.question import QUESTION, Asked
from pg_guard.demo.runner import Outcome
from pg_guard.demo.statements import SHOWN_IN_FULL, STATEMENTS
from tests.support.processes import processes_of
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND = [sys.executable, "-m", "pg_guard", "demo"]


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A directory for all that a demo leaves lying about; short and open, as a socket of another account needs it."""
    directory = Path(tempfile.mkdtemp(prefix="pgg", dir="/tmp"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


def environment(scratch: Path) -> dict[str, str]:
    return {**os.environ, "COLUMNS": "80", "NO_COLOR": "1", "TMPDIR": str(scratch)}


def run(scratch: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False, env=environment(scratch),
    )  # fmt: skip


def left_behind(scratch: Path) -> list[str]:
    """Files in the directory, and command lines of processes that name it."""
    return [*map(str, scratch.iterdir()), *processes_of(scratch)]


def wait_until_clean(scratch: Path) -> None:
    wait_until(lambda: not left_behind(scratch), f"nothing is left in {scratch}")


def test_the_demo_shows_every_decision_and_leaves_nothing(scratch: Path) -> None:
    result = run(scratch)
    assert result.returncode == 0, result.stdout + result.stderr
    for statement in STATEMENTS:
        assert statement.about in result.stdout
    denied = sum(bool(statement.rule) for statement in STATEMENTS)
    assert f"{len(STATEMENTS) - denied} allowed, {denied} denied, 0 unexpected, 0 leaked." in result.stdout
    assert "^" in result.stdout
    assert "fix: Name the columns that you need; permitted are id" in result.stdout.replace("\n", " ")
    assert "mcpServers" in result.stdout
    question = result.stdout.partition(QUESTION)[2]
    assert "try 1: denied by columns/denied" in question
    assert "try 2: allowed" in question
    assert "confidence 93 of 100" in question
    assert "CANARY-w" not in result.stdout
    shown = result.stdout.partition("To use it with")[0]
    assert all(len(line) <= 80 for line in shown.splitlines())
    assert not left_behind(scratch)


async def test_keep_leaves_a_database_that_can_be_used_and_stopped(scratch: Path) -> None:
    result = await asyncio.to_thread(run, scratch, "--keep")
    assert result.returncode == 0, result.stdout + result.stderr
    dsn = re.search(r"^  database: (\S+)", result.stdout, re.MULTILINE)
    stop = re.search(r"stop: +kill (\d+)", result.stdout)
    assert dsn is not None
    assert stop is not None
    try:
        connection = await asyncpg.connect(dsn[1])
        assert await connection.fetchval("SELECT count(*) FROM orders") > 1000
        await connection.close()
        assert left_behind(scratch)
    finally:
        os.kill(int(stop[1]), signal.SIGTERM)
    await asyncio.to_thread(wait_until_clean, scratch)


@pytest.mark.parametrize("step", ["[1/4]", "[2/4]", "[4/4]"])
def test_ctrl_c_leaves_nothing(scratch: Path, step: str) -> None:
    with subprocess.Popen(
        COMMAND,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**environment(scratch), "PYTHONUNBUFFERED": "1"},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        while step not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert len(errors.strip().splitlines()) == 1, errors
    assert not left_behind(scratch)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_stays_when_the_demo_is_killed(scratch: Path, number: signal.Signals) -> None:
    with subprocess.Popen(
        COMMAND,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={**environment(scratch), "PYTHONUNBUFFERED": "1"},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        while "[4/4]" not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(number)
        process.wait(60)
    wait_until_clean(scratch)


def test_an_unexpected_answer_is_not_called_expected() -> None:
    allowed = next(statement for statement in STATEMENTS if not statement.rule)
    refused = next(statement for statement in STATEMENTS if statement.rule)
    good = {"decision": "allow", "findings": [], "row_count": 3, "error": None}
    bad = {"decision": "deny", "findings": [{"rule": "sql/syntax"}]}
    assert Outcome(allowed, good, False, 1.0).as_expected
    assert not Outcome(allowed, good, True, 1.0).as_expected
    assert not Outcome(allowed, {**good, "row_count": 0}, False, 1.0).as_expected
    assert not Outcome(refused, good, False, 1.0).as_expected
    assert not Outcome(refused, bad, False, 1.0).as_expected
    assert Outcome(refused, {**bad, "findings": [{"rule": refused.rule}]}, False, 1.0).as_expected
    assert SHOWN_IN_FULL in {statement.about for statement in STATEMENTS}


def test_an_unexpected_course_of_the_question_is_not_called_expected() -> None:
    good = {
        "error": None,
        "attempts": [{"problem": "columns/denied"}, {"problem": ""}],
        "row_count": 3,
        "review": {"confidence": 93},
    }
    assert Asked.of("rows", good, 1.0).as_expected
    assert not Asked.of("CANARY-w1", good, 1.0).as_expected
    for wrong in ({"attempts": [{"problem": ""}]}, {"error": {"code": "NO_MODEL"}}, {"row_count": 0}, {"review": None}):
        assert not Asked.of("rows", good | wrong, 1.0).as_expected
