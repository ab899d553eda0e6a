"""`pg-guard demo` as a process: the table, the exit code, and nothing left behind."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import asyncpg

from pg_guard.demo.runner import Outcome
from pg_guard.demo.statements import SHOWN_IN_FULL, STATEMENTS


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pg_guard", "demo", *arguments],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "COLUMNS": "80", "NO_COLOR": "1"},
    )  # fmt: skip


def postgres_processes() -> set[str]:
    found = set()
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"/bin/postgres"):
            found.add(entry.parent.name)
    return found


def test_the_demo_shows_every_decision_and_leaves_nothing() -> None:
    before = postgres_processes()
    result = run()
    assert result.returncode == 0, result.stdout + result.stderr
    for statement in STATEMENTS:
        assert statement.about in result.stdout
    denied = sum(bool(statement.rule) for statement in STATEMENTS)
    assert f"{len(STATEMENTS) - denied} allowed, {denied} denied, 0 unexpected, 0 leaked." in result.stdout
    assert "^" in result.stdout
    assert "fix: Name the columns that you need; permitted are id" in result.stdout.replace("\n", " ")
    assert "mcpServers" in result.stdout
    assert "CANARY-w" not in result.stdout
    assert all(len(line) <= 80 for line in result.stdout.splitlines()[:45])
    assert not postgres_processes() - before


async def test_keep_leaves_a_database_that_can_be_used_and_stopped() -> None:
    result = await asyncio.to_thread(run, "--keep")
    assert result.returncode == 0, result.stdout + result.stderr
    dsn = re.search(r"^  database: (\S+)", result.stdout, re.MULTILINE)
    stop = re.search(r"stop: +kill (\d+)", result.stdout)
    assert dsn is not None
    assert stop is not None
    try:
        connection = await asyncpg.connect(dsn[1])
        assert await connection.fetchval("SELECT count(*) FROM orders") > 1000
        await connection.close()
    finally:
        os.kill(int(stop[1]), signal.SIGTERM)
    for _ in range(200):
        try:
            os.kill(int(stop[1]), 0)
        except ProcessLookupError:
            break
        time.sleep(0.1)  # noqa: ASYNC251 - nothing else runs in this loop
    else:
        raise AssertionError("the kept server did not stop")


def test_ctrl_c_leaves_nothing() -> None:
    before = postgres_processes()
    process = subprocess.Popen(
        [sys.executable, "-m", "pg_guard", "demo"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    while "[2/4]" not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert not postgres_processes() - before


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
