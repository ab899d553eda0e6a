"""How servers end: real processes, real signals at each moment of their lives, a real PostgreSQL 18 that must be left empty."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import httpx2
import pytest

from pg_guard.observe.audit_lines import parse_line
from tests.soak.relay import Relay
from tests.support.http_server import MODERN, Served, served
from tests.support.names import silent_names
from tests.support.scripted_model import Hang, ScriptedModel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT = Path(__file__).resolve().parents[2]
MODES = ["legacy", MODERN]
SIGNALS = [signal.SIGTERM, signal.SIGINT]
TRANSPORTS = ["stdio", "http"]
# What a process that ends in good order does not say.
UNTIDY = re.compile(r"Traceback|Task was destroyed|never awaited|never retrieved|ResourceWarning|Exception ignored")
INITIALIZE = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's, with a function that takes as long as it is told."""
    text = (ROOT / "policies" / "demo.yaml").read_text(encoding="utf-8").partition("\ntests:")[0]
    before = "  user_defined: allow_listed"
    changed = text.replace(before, f"    - pg_catalog.pg_sleep(double precision)\n{before}")
    assert changed != text
    path = tmp_path_factory.mktemp("policy") / "policy.yaml"
    path.write_text(changed.replace("statement_timeout: 10s", "statement_timeout: 60s"), encoding="utf-8")
    return path


def call_of(tool: str, **arguments: Any) -> dict[str, Any]:
    return {"method": "tools/call", "params": {"name": tool, "arguments": arguments}}


class Backends:
    """What PostgreSQL runs for a role of a test's own."""

    def __init__(self, connection: asyncpg.Connection[Any], role: str, dsn: str) -> None:
        self.role = role
        self.dsn = dsn
        self._connection = connection

    async def until(self, count: int, where: str = "true") -> None:
        """Wait for a number of backends."""
        async with asyncio.timeout(60):
            while await self.count(where) != count:  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.02)

    async def count(self, where: str = "true") -> int:
        found = await self._connection.fetchval(
            f"SELECT count(*) FROM pg_stat_activity WHERE usename = $1 AND {where}", self.role
        )
        return int(found)


@pytest.fixture
async def backends(demo_dsn: str) -> AsyncIterator[Backends]:
    connection = await asyncpg.connect(demo_dsn)
    role = f"ending_{os.getpid()}"
    await connection.execute(f"CREATE ROLE {role} LOGIN IN ROLE pg_read_all_data")
    try:
        yield Backends(connection, role, demo_dsn.replace("postgres@", f"{role}@", 1))
    finally:
        await connection.execute(f"DROP ROLE {role}")
        await connection.close()


def outcomes(path: Path) -> list[dict[str, Any]]:
    lines = [parse_line(line).content for line in path.read_bytes().splitlines(keepends=True)]
    assert [line["event"] for line in lines].count("decision") == len({line["decision_id"] for line in lines})
    return [line for line in lines if line["event"] == "outcome"]


def assert_tidy(log: list[str], number: signal.Signals) -> None:
    assert log[-1] == f"pg-guard: stopped by {number.name}"
    assert [line for line in log if UNTIDY.search(line)] == []


SLEEP = "SELECT pg_sleep(50)"
LONG = "SELECT repeat('x', 10000) AS x FROM generate_series(1, 500)"
ASLEEP = f"query = '{SLEEP}' AND state = 'active'"


# -- while requests are under way, over HTTP ---------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
async def test_while_it_drains_nobody_comes_in_and_a_second_signal_hurries(
    backends: Backends, policy: Path, tmp_path: Path, mode: str
) -> None:
    settings: dict[str, Any] = {
        "audit": {"sink": "file", "path": "audit.jsonl"},
        "observability": {"listen": "127.0.0.1:0"},
    }
    http = {"allow_anonymous": True, "drain_timeout": 600}
    async with (
        served(backends.dsn, policy, http, tmp_path, **settings) as server,
        server.client(mode=mode) as client,
        httpx2.AsyncClient(timeout=30) as other,
    ):
        await client.list_tools()
        calls = [asyncio.create_task(client.call_tool("run_sql", {"sql": SLEEP})) for _ in range(3)]
        await backends.until(3, ASLEEP)
        [observed] = re.findall(r"observe (http://127\.0\.0\.1:\d+)/health", "\n".join(server.log))
        assert (await other.get(f"{observed}/health/ready")).status_code == 200
        server.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            while (await other.get(f"{observed}/health/ready")).status_code == 200:  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.02)
        assert (await other.get(f"{observed}/health")).json() == {"status": "stopping"}
        assert (await other.get(f"{observed}/health/live")).status_code == 200
        for path in ("/mcp", "/health/ready", "/metrics"):
            await assert_turned_away(server, path)
        server.process.send_signal(signal.SIGHUP)  # too late for a reload
        # Those that came before are still under way.
        assert await backends.count(ASLEEP) == 3
        assert server.process.returncode is None
        assert await server.stop(signal.SIGINT) == 128 + signal.SIGTERM
        assert await backends.count() == 0
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
    assert_tidy(server.log, signal.SIGTERM)
    assert [line["status"] for line in outcomes(tmp_path / "audit.jsonl")] == ["cancelled"] * 3


async def assert_turned_away(server: Served, path: str) -> None:
    async with httpx2.AsyncClient(timeout=30) as fresh:
        with contextlib.suppress(httpx2.ConnectError):
            assert (await fresh.get(server.origin + path)).status_code == 503


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("mode", MODES)
async def test_what_does_not_finish_in_time_is_cancelled_and_recorded(
    backends: Backends, policy: Path, tmp_path: Path, mode: str, number: signal.Signals
) -> None:
    audit = {"sink": "file", "path": "audit.jsonl"}
    http = {"allow_anonymous": True, "drain_timeout": 1.5}
    quick = "SELECT pg_sleep(0.2)"
    async with served(backends.dsn, policy, http, tmp_path, audit=audit) as server, server.client(mode=mode) as client:
        await client.list_tools()
        long = asyncio.create_task(client.call_tool("run_sql", {"sql": SLEEP}))
        await backends.until(1, ASLEEP)
        short = asyncio.create_task(client.call_tool("run_sql", {"sql": quick}))
        await backends.until(1, f"query = '{quick}' AND state = 'active'")
        assert await server.stop(number) == 128 + number
        assert (await short).structured_content["row_count"] == 1
        assert await backends.count() == 0
        with pytest.raises(Exception):  # noqa: B017, PT011 - the connection is gone; how that is told is the client's affair
            await long
    assert_tidy(server.log, number)
    assert sorted(line["status"] for line in outcomes(tmp_path / "audit.jsonl")) == ["cancelled", "ok"]


async def test_a_call_of_the_model_is_cancelled(backends: Backends, policy: Path, tmp_path: Path) -> None:
    with ScriptedModel([Hang(50)]) as model:
        settings = {"model": {"base_url": model.url, "key": "k", "timeout": 100.0}}
        http = {"allow_anonymous": True, "drain_timeout": 0.2}
        async with served(backends.dsn, policy, http, tmp_path, **settings) as server, server.client() as client:
            asking = asyncio.create_task(client.call_tool("ask", {"question": "How many orders are there?"}))
            async with asyncio.timeout(30):
                while not model.requests:  # noqa: ASYNC110 - of another thread
                    await asyncio.sleep(0.02)
            assert await server.stop(signal.SIGTERM) == 143
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
    assert_tidy(server.log, signal.SIGTERM)
    assert await backends.count() == 0


async def test_a_client_that_sends_no_more_of_its_request_does_not_keep_it(
    backends: Backends, policy: Path, tmp_path: Path
) -> None:
    http = {"allow_anonymous": True, "drain_timeout": 0.2}
    async with served(backends.dsn, policy, http, tmp_path) as server:
        host, _, port = server.origin.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        half = f"POST /mcp HTTP/1.1\r\nhost: {host}:{port}\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{{"
        writer.write(half.encode())
        await writer.drain()
        assert await server.stop(signal.SIGTERM) == 143
        writer.close()
    assert_tidy(server.log, signal.SIGTERM)
    assert reader.at_eof() or await reader.read() is not None


async def test_a_client_that_reads_no_answers_does_not_keep_it(
    backends: Backends, policy: Path, tmp_path: Path
) -> None:
    http = {"allow_anonymous": True, "drain_timeout": 0.2, "max_request_bytes": 100_000}
    async with served(backends.dsn, policy, http, tmp_path) as server, httpx2.AsyncClient(timeout=30) as opening:
        accept = {"accept": "application/json, text/event-stream"}
        body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INITIALIZE}
        opened = await opening.post(server.url, json=body, headers=accept)
        host, _, port = server.origin.removeprefix("http://").partition(":")
        request = json.dumps({"jsonrpc": "2.0", "id": 2, **call_of("run_sql", sql=LONG)})
        head = (
            f"POST /mcp HTTP/1.1\r\nhost: {host}:{port}\r\ncontent-type: application/json\r\n"
            f"accept: {accept['accept']}\r\nmcp-session-id: {opened.headers['mcp-session-id']}\r\n"
            f"mcp-protocol-version: 2025-06-18\r\ncontent-length: {len(request)}\r\n\r\n"
        )
        # A reader that wants nothing, behind the smallest window that there is.
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        with deaf:
            await asyncio.to_thread(deaf.connect, (host, int(port)))
            await asyncio.to_thread(deaf.sendall, (head + request).encode())
            await asyncio.to_thread(select.select, [deaf], [], [], 60)
            assert await server.stop(signal.SIGTERM) == 143
    assert_tidy(server.log, signal.SIGTERM)
    assert await backends.count() == 0


# -- over standard input and output ------------------------------------------------------------------------------------


class Child:
    """`pg-guard serve` with its streams in our hands."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def send(self, *messages: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        for message in messages:
            self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        await self.process.stdin.drain()

    async def begin(self) -> None:
        assert self.process.stdout is not None
        await self.send({"id": 1, "method": "initialize", "params": INITIALIZE})
        assert b"serverInfo" in await asyncio.wait_for(self.process.stdout.readline(), 60)
        await self.send({"method": "notifications/initialized"})

    async def call(self, number: int, tool: str, **arguments: Any) -> None:
        await self.send({"id": number, **call_of(tool, **arguments)})

    async def end(self, *numbers: signal.Signals) -> list[str]:
        """Send signals; the lines of its standard error."""
        for number in numbers:
            self.process.send_signal(number)
        _, errors = await asyncio.wait_for(self.process.communicate(), 60)
        return errors.decode().strip().splitlines()


@contextlib.asynccontextmanager
async def child(
    dsn: str, policy: Path, *arguments: str, stdout: int = subprocess.PIPE, **env: str
) -> AsyncIterator[Child]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pg_guard", "serve", "--policy", str(policy), *arguments,
        stdin=subprocess.PIPE, stdout=stdout, stderr=subprocess.PIPE,
        env={**os.environ, "PG_GUARD_DSN": dsn, **env},
    )  # fmt: skip
    try:
        yield Child(process)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@pytest.mark.parametrize("numbers", [(signal.SIGTERM,), (signal.SIGINT,), (signal.SIGTERM, signal.SIGTERM)])
async def test_over_stdio_statements_and_models_are_cancelled_and_recorded(
    backends: Backends, policy: Path, tmp_path: Path, numbers: tuple[signal.Signals, ...]
) -> None:
    audit = {"PG_GUARD_AUDIT__SINK": "file", "PG_GUARD_AUDIT__PATH": str(tmp_path / "audit.jsonl")}
    with ScriptedModel([Hang(50)]) as model:
        models = {"PG_GUARD_MODEL__BASE_URL": model.url, "PG_GUARD_MODEL__TIMEOUT": "100"}
        async with child(backends.dsn, policy, **audit, **models) as server:
            await server.begin()
            for number in (2, 3):
                await server.call(number, "run_sql", sql=SLEEP)
            await server.call(4, "ask", question="How many orders are there?")
            await backends.until(2, ASLEEP)
            async with asyncio.timeout(30):
                while not model.requests:  # noqa: ASYNC110 - of another thread
                    await asyncio.sleep(0.02)
            log = await server.end(*numbers)
    assert server.process.returncode == 128 + numbers[0]
    assert await backends.count() == 0
    assert_tidy(log, numbers[0])
    assert [line["status"] for line in outcomes(tmp_path / "audit.jsonl")] == ["cancelled"] * 2


@pytest.mark.parametrize("number", SIGNALS)
async def test_over_stdio_a_client_that_reads_no_answers_does_not_keep_it(
    backends: Backends, policy: Path, tmp_path: Path, number: signal.Signals
) -> None:
    path = tmp_path / "audit.jsonl"
    audit = {"PG_GUARD_AUDIT__SINK": "file", "PG_GUARD_AUDIT__PATH": str(path)}
    reading, writing = os.pipe()
    # Not a stream of this event loop, which would read ahead.
    async with child(backends.dsn, policy, stdout=writing, **audit) as server:
        os.close(writing)
        await server.send({"id": 1, "method": "initialize", "params": INITIALIZE})
        await asyncio.to_thread(os.read, reading, 10)
        await server.send({"method": "notifications/initialized"})
        for each in (2, 3):
            await server.call(each, "run_sql", sql=LONG)
        async with asyncio.timeout(60):
            while len(outcomes(path)) < 2:  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.02)
        # A pipe holds 64 KiB: the server's thread is stuck in a write.
        await server.end(number)
        os.close(reading)
    assert server.process.returncode == 128 + number
    assert await backends.count() == 0


# -- while it starts ---------------------------------------------------------------------------------------------------


def listening(transport: str) -> tuple[str, ...]:
    return ("--http", "127.0.0.1:0") if transport == "http" else ()


ANONYMOUS = {"PG_GUARD_HTTP__ALLOW_ANONYMOUS": "true"}


def environment(transport: str) -> dict[str, str]:
    return ANONYMOUS if transport == "http" else {}


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("number", SIGNALS)
async def test_it_ends_while_the_database_does_not_answer(policy: Path, transport: str, number: signal.Signals) -> None:
    async with (
        Relay(None) as nobody,
        child(nobody.dsn("shop"), policy, *listening(transport), **environment(transport)) as server,
    ):
        async with asyncio.timeout(60):
            while not nobody.accepted:  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.02)
        # A reload that comes too early is none, and no end.
        log = await server.end(signal.SIGHUP, number)
    assert server.process.returncode == 128 + number
    assert_tidy(log, number)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_it_ends_while_the_catalog_is_read(
    demo_dsn: str, backends: Backends, policy: Path, transport: str
) -> None:
    locking = await asyncpg.connect(demo_dsn)
    try:
        async with locking.transaction():
            # Every reader of comments waits.
            await locking.execute("LOCK TABLE pg_catalog.pg_description IN ACCESS EXCLUSIVE MODE")
            async with child(backends.dsn, policy, *listening(transport), **environment(transport)) as server:
                await backends.until(1, "wait_event_type = 'Lock'")
                log = await server.end(signal.SIGTERM)
            await backends.until(0)
    finally:
        await locking.close()
    assert server.process.returncode == 143
    assert_tidy(log, signal.SIGTERM)


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_it_ends_at_any_moment_of_its_start(backends: Backends, policy: Path, transport: str) -> None:
    for moment in range(6):
        async with child(backends.dsn, policy, *listening(transport), **environment(transport)) as server:
            # Not a moment that is waited for, but one that comes by chance, early or late.
            await asyncio.sleep(moment * 0.4)
            log = await server.end(signal.SIGTERM)
        # Before the first line of the program runs, the system ends it by itself.
        assert server.process.returncode in (143, -signal.SIGTERM)
        assert [line for line in log if UNTIDY.search(line)] == []
        await backends.until(0)


# -- a name that nobody knows ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("stopped", [True, False])
def test_a_name_that_takes_minutes_to_look_up_does_not_hold_it(
    policy: Path, tmp_path: Path, transport: str, stopped: bool
) -> None:
    """Neither when it is told to end nor when it gives up: asyncio's own threads would keep the process for minutes."""
    address = f"127.{os.getpid() % 250 + 1}.{os.getpid() // 250 % 250}.9"
    with silent_names(tmp_path, address) as words:
        if words is None:
            pytest.skip("needs the right to make namespaces and to listen on port 53")
        listen = ["--http", "127.0.0.1:0"] if transport == "http" else []
        process = subprocess.Popen(
            [*words, sys.executable, "-m", "pg_guard", "serve", "--policy", str(policy), *listen],
            env={
                **{name: value for name, value in os.environ.items() if not name.startswith("PG")},
                "PG_GUARD_DSN": "postgresql://reader@db.example/shop",
                "PG_GUARD_HTTP__ALLOW_ANONYMOUS": "true",
                "PG_GUARD_OBSERVABILITY__LISTEN": "127.0.0.1:0",
                "PG_GUARD_CACHE__STARTUP_TIMEOUT": "600" if stopped else "1",
            },
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert process.stderr is not None
            # The port of what is observed is there before any database is asked.
            assert "observe" in process.stderr.readline()
            if stopped:
                process.send_signal(signal.SIGTERM)
            _, said = process.communicate(timeout=60)
        finally:
            process.kill()
            process.wait()
    assert process.returncode == (143 if stopped else 2)
    assert not UNTIDY.search(said), said
