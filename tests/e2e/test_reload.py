"""Reloading as operators do it: real processes, signals and files, a real PostgreSQL 18; what runs is never without a policy."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import termios
from pathlib import Path

import httpx2
import pytest

from tests.support.gate import gated
from tests.support.http_server import MODERN
from tests.support.reloading import (
    DENIED_CUSTOMERS,
    DENIED_ORDERS,
    ORDERS,
    WATCHING,
    A,
    B,
    change_rights,
    decisions,
    make_directory,
    refused,
    reloaded,
    remove,
    replace,
    running,
    text_of,
    write,
)

TESTS = {
    "tests": [
        {"name": "one", "sql": "SELECT 1", "expect": "allow"},
        {"name": "orders are closed", "sql": ORDERS, "expect": "deny", "rules": ["tables/denied"]},
    ]
}


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text(text_of("a", DENIED_ORDERS), encoding="utf-8")
    return path


# -- signals -----------------------------------------------------------------------------------------------------------


async def test_sighup_puts_a_new_policy_in_force(demo_dsn: str, policy: Path, tmp_path: Path) -> None:
    async with running(demo_dsn, policy, tmp_path) as server, server.client(mode=MODERN) as client:
        assert await decisions(client) == A
        replace(policy, text_of("b", DENIED_CUSTOMERS))
        assert await decisions(client) == A
        server.process.send_signal(signal.SIGHUP)
        [line] = await reloaded(server)
        assert (line["cause"], line["level"]) == ("signal", "info")
        assert await decisions(client) == B
        assert await server.stop(signal.SIGTERM) == 143


def link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


async def test_what_cannot_be_used_leaves_everything_as_it_was(demo_dsn: str, policy: Path, tmp_path: Path) -> None:
    """A policy that is no YAML, one that is invalid, one whose test fails, none at all, a directory; then a good one."""
    token = {"observability": {"token": "may-reload-12345"}}
    async with running(demo_dsn, policy, tmp_path, **token) as server, server.client(mode=MODERN) as client:
        wrong = {
            "half": text_of("b", DENIED_CUSTOMERS)[:60] + "\n  - {",
            "unknown key": text_of("b", {"tabels": {}}),
            "failing test": text_of("b", DENIED_CUSTOMERS, TESTS),
            "unknown pack": text_of("b", {"packs": [{"use": "nowhere"}]}),
            "empty": "",
        }
        for count, text in enumerate(wrong.values(), start=1):
            replace(policy, text)
            server.process.send_signal(signal.SIGHUP)
            await refused(server, count)
            assert await decisions(client) == A
        remove(policy)
        server.process.send_signal(signal.SIGHUP)
        await refused(server, len(wrong) + 1)
        make_directory(policy)
        server.process.send_signal(signal.SIGHUP)
        await refused(server, len(wrong) + 2)
        remove(policy)
        link_to_itself(policy)
        server.process.send_signal(signal.SIGHUP)
        line = (await refused(server, len(wrong) + 3))[-1]
        assert (line["level"], line["status"], line["code"]) == ("error", "failed", "usage")
        assert await decisions(client) == A
        told = "\n".join(server.log)
        assert "the test 'orders are closed' fails: expected deny, got allow" in told
        assert "policy not in force, the one before stays" in told
        headers = {"authorization": "Bearer may-reload-12345"}
        async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
            metrics = (await http.get(f"{server.origin}/metrics")).text
            assert in_force(metrics) == {"0.0"}
            detailed = (await http.get(f"{server.origin}/health/detailed")).json()
            assert (detailed["status"], detailed["ready"]) == ("degraded", True)
            assert (detailed["reload"]["successful"], detailed["reload"]["cause"]) == (False, "signal")
            assert str(policy) in detailed["reload"]["problems"][0]
            remove(policy)
            replace(policy, text_of("b", DENIED_CUSTOMERS))
            server.process.send_signal(signal.SIGHUP)
            await reloaded(server)
            assert await decisions(client) == B
            metrics = (await http.get(f"{server.origin}/metrics")).text
            assert in_force(metrics) == {"1.0"}


def in_force(metrics: str) -> set[str]:
    """The values of the metric for all databases."""
    return {line.rpartition(" ")[2] for line in metrics.splitlines() if "last_reload_successful{" in line}


# Root may read everything; without this right (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH) it is like anybody else.
WITHOUT_RIGHTS = """
import ctypes, os, sys
for right in (1, 2):
    ctypes.CDLL(None).prctl(24, right, 0, 0, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


async def test_a_right_that_is_lost_leaves_everything_as_it_was(demo_dsn: str, policy: Path, tmp_path: Path) -> None:
    through = (sys.executable, "-c", WITHOUT_RIGHTS)
    async with (
        # Not even the directory of PostgreSQL's socket is open to such a process.
        gated(demo_dsn) as gate,
        running(gate.dsn, policy, tmp_path, through=through, **WATCHING) as server,
        server.client(mode=MODERN) as client,
    ):
        replace(policy, text_of("b", DENIED_CUSTOMERS))
        await reloaded(server)
        change_rights(policy, 0o000)
        [line] = await refused(server)
        assert (line["cause"], line["code"]) == ("files", "usage")
        assert "permission denied" in "\n".join(server.log)
        assert await decisions(client) == B
        change_rights(policy, 0o600)
        await reloaded(server, 2)
        assert await decisions(client) == B


async def test_signals_while_it_starts_and_while_it_ends_kill_nobody(demo_dsn: str, policy: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pg_guard", "serve", "--policy", str(policy),
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        env={**os.environ, "PG_GUARD_DSN": demo_dsn, "PG_GUARD_LOGGING__FORMAT": "json"},
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stderr is not None
    log: list[str] = []

    async def read() -> None:
        assert process.stderr is not None
        async for line in process.stderr:
            log.append(line.decode())  # noqa: PERF401 - others read it meanwhile

    reading = asyncio.create_task(read())

    async def hang_up() -> None:
        # From the first moment in which the signal is not Python's own affair any more, until there is no process.
        while not _catches_hangups(process.pid):  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.001)
        with contextlib.suppress(ProcessLookupError):
            while process.returncode is None:
                # Not by the process\'s own method, which would take its exit code away from those who wait for it.
                os.kill(process.pid, signal.SIGHUP)
                await asyncio.sleep(0.005)

    sending = asyncio.create_task(hang_up())
    try:
        async with asyncio.timeout(60):
            while sum('"event": "reloaded"' in line for line in log) < 2:
                assert process.returncode is None, log
                await asyncio.sleep(0.02)
        process.stdin.close()
        assert await asyncio.wait_for(process.wait(), 60) == 0, log
    finally:
        sending.cancel()
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await asyncio.gather(sending, reading, return_exceptions=True)
    assert not [line for line in log if "not reloaded" in line or "Traceback" in line]


def _catches_hangups(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) & 1)


async def test_a_terminal_that_closes_ends_the_server(demo_dsn: str, policy: Path) -> None:
    """As ever, and not as a wish to reload; `nohup` says otherwise."""
    for before, ends in ((signal.SIG_DFL, True), (signal.SIG_IGN, False)):
        master, slave = os.openpty()

        def take_terminal(slave: int = slave, before: signal.Handlers = before) -> None:
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
            signal.signal(signal.SIGHUP, before)

        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "pg_guard", "serve", "--policy", str(policy), "--http", "127.0.0.1:0",
            stdin=slave, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            start_new_session=True, preexec_fn=take_terminal,
            env={**os.environ, "PG_GUARD_DSN": demo_dsn, "PG_GUARD_HTTP__ALLOW_ANONYMOUS": "true"},
        )  # fmt: skip
        assert process.stderr is not None
        log: list[str] = []
        try:
            async with asyncio.timeout(60):
                while "pg-guard: serving" not in (line := (await process.stderr.readline()).decode()):
                    assert line, log
                    log.append(line)
                os.close(slave)
                os.close(master)
                if ends:
                    assert await process.wait() == 143
                else:
                    while "reloaded" not in (line := (await process.stderr.readline()).decode()):
                        assert line, log
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


# -- files -------------------------------------------------------------------------------------------------------------


async def test_changed_files_are_taken_by_themselves(demo_dsn: str, policy: Path, tmp_path: Path) -> None:
    async with running(demo_dsn, policy, tmp_path, **WATCHING) as server, server.client(mode=MODERN) as client:
        replace(policy, text_of("b", DENIED_CUSTOMERS))
        [line] = await reloaded(server)
        assert line["cause"] == "files"
        assert await decisions(client) == B
        # In place, in pieces: what cannot be used yet changes nothing, and the completed file is taken.
        text = text_of("a", DENIED_ORDERS, {"statements": {"allow": ["select"]}})
        with policy.open("w", encoding="utf-8") as file:
            file.write(text[:70])
            file.flush()
            await refused(server)
            assert await decisions(client) == B
            file.write(text[70:])
        await reloaded(server, 2)
        assert await decisions(client) == A
        remove(policy)
        await refused(server, 2)
        assert await decisions(client) == A
        write(policy, text_of("b", DENIED_CUSTOMERS))
        await reloaded(server, 3)
        assert await decisions(client) == B
        # Rights alone, and times alone: read again, nothing to do.
        change_rights(policy, 0o640)
        await reloaded(server, 4)
        assert await decisions(client) == B


async def test_a_writer_that_is_killed_half_way_changes_nothing(demo_dsn: str, policy: Path, tmp_path: Path) -> None:
    text = text_of("b", DENIED_CUSTOMERS)
    script = (
        f"import sys, time\nf = open({str(policy)!r}, 'w')\nf.write({text[:80]!r})\nf.flush()\nprint('half', flush=True)"
        "\ntime.sleep(60)"
    )
    async with running(demo_dsn, policy, tmp_path, **WATCHING) as server, server.client(mode=MODERN) as client:
        writer = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=subprocess.PIPE)
        assert writer.stdout is not None
        assert await writer.stdout.readline() == b"half\n"
        writer.kill()
        await writer.wait()
        await refused(server)
        assert await decisions(client) == A
        write(policy, text)
        await reloaded(server)
        assert await decisions(client) == B


async def test_a_mounted_config_map_is_followed(demo_dsn: str, tmp_path: Path) -> None:
    """As kubelet does it: a directory of its own for each version, `..data` points to it, and the files point through `..data`."""
    mount = tmp_path / "mount"
    base = text_of("base", {"limits": {"rows": 50}})

    def publish(version: str, text: str) -> None:
        directory = mount / f"..{version}"
        directory.mkdir(parents=True)
        (directory / "policy.yaml").write_text(text, encoding="utf-8")
        (directory / "base.yaml").write_text(base, encoding="utf-8")
        link = mount / "..data_tmp"
        link.symlink_to(directory.name)
        link.replace(mount / "..data")

    extends = {"extends": ["./base.yaml"]}
    publish("1", text_of("a", extends, DENIED_ORDERS))
    for name in ("policy.yaml", "base.yaml"):
        (mount / name).symlink_to(f"..data/{name}")
    async with (
        running(demo_dsn, mount / "policy.yaml", tmp_path, **WATCHING) as server,
        server.client(mode=MODERN) as client,
    ):
        assert await decisions(client) == A
        publish("2", text_of("b", extends, DENIED_CUSTOMERS))
        await reloaded(server)
        assert await decisions(client) == B
        # The version before is removed a while later.
        shutil.rmtree(mount / "..1")
        base = text_of("base", DENIED_ORDERS)
        publish("3", text_of("b", extends, DENIED_CUSTOMERS))
        await reloaded(server, 2)
        assert await decisions(client) == {"orders": "deny", "customers": "deny"}
