"""`pg-guard wait` as a process: databases that answer, come up late, never come, or let nobody in."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

from pg_guard.demo import embedded
from pg_guard.demo.embedded import EmbeddedServer, start
from pg_guard.entry.cli.wait import REFUSED_SECONDS
from tests.support.examples import clean_environment
from tests.support.names import silent_names

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
POLICY = ROOT / "policies" / "demo.yaml"
PASSWORD = "planted-Password-42"
COMMAND = [sys.executable, "-m", "pg_guard", "wait", "--policy", str(POLICY)]
# Every address of 127/8 is this machine on Linux, so a server can be given one before it runs.
ADDRESS = f"127.{os.getpid() % 250 + 1}.{os.getpid() // 250 % 250}.7"
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127/8 as its own addresses")


def waiting(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *arguments], cwd="/", env=clean_environment() | environment, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Its exit code and what it said; standard output stays empty."""
    output, errors = process.communicate(timeout=120)
    assert output == ""
    assert PASSWORD not in errors
    assert "Traceback" not in errors
    return process.returncode, errors


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server of this module's own, whose roles other than the superuser need a password."""
    with start(tmp_path_factory.mktemp("strict")) as server:
        rules = server.data_directory / "pg_hba.conf"
        rules.write_text("local all postgres trust\nlocal all all scram-sha-256\n", encoding="utf-8")
        psql(server, f"SELECT pg_reload_conf(); CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'")
        yield server


def psql(server: EmbeddedServer, sql: str) -> None:
    import asyncio

    async def run() -> None:
        connection = await asyncpg.connect(server.dsn)
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    with asyncio.Runner() as runner:
        runner.run(run())


def uri(server: EmbeddedServer, role: str, database: str = "postgres", password: str = PASSWORD) -> str:
    return f"postgresql://{role}:{password}@/{database}?host={server.socket_directory}&port=5432"


def test_databases_that_answer_are_not_waited_for(strict: EmbeddedServer) -> None:
    process = waiting(
        PG_GUARD_DATABASES__ONE__DSN=uri(strict, "reader"), PG_GUARD_DATABASES__TWO__DSN=strict.dsn
    )  # fmt: skip
    assert ended(process) == (0, "")


@needs_linux
def test_a_server_that_comes_up_late_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process = waiting("--dsn", f"postgresql://postgres:{PASSWORD}@{ADDRESS}:5432/postgres")
    try:
        assert process.stderr is not None
        told = process.stderr.readline()
        assert told == f"pg-guard: waiting for postgres: nothing answers at {ADDRESS}:5432\n"
        assert process.poll() is None
        monkeypatch.setitem(embedded.SETTINGS, "listen_addresses", ADDRESS)
        with start(tmp_path / "late"):
            code, _ = ended(process)
        assert code == 0
    finally:
        process.kill()
        process.wait()


def test_one_that_never_comes_is_told_when_the_bound_is_reached(strict: EmbeddedServer) -> None:
    nowhere = free_port()
    process = waiting(
        "--timeout", "3",
        PG_GUARD_DATABASES__GONE__DSN=f"postgresql://reader:{PASSWORD}@127.0.0.1:{nowhere}/shop",
        PG_GUARD_DATABASES__UNKNOWN__DSN=f"postgresql://reader:{PASSWORD}@no-such-host.invalid/shop",
        PG_GUARD_DATABASES__THERE__DSN=strict.dsn,
    )  # fmt: skip
    code, said = ended(process)
    assert code == 2
    assert f"pg-guard: error: database gone: nothing answers at 127.0.0.1:{nowhere}\n" in said
    assert "pg-guard: error: database unknown: " in said
    assert "no-such-host.invalid" in said
    assert "hint: check host and port" in said
    assert "pg-guard: waiting for gone: " in said
    assert "database there" not in said


def test_one_that_never_speaks_is_given_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host, port = silent.getsockname()
        code, said = ended(waiting("--timeout", "1", "--dsn", f"postgresql://reader:{PASSWORD}@{host}:{port}/shop"))
    assert code == 2
    assert said.startswith(f"pg-guard: error: database shop: no answer from {host}:{port} in time\n")


def test_without_time_there_is_one_try(strict: EmbeddedServer) -> None:
    assert ended(waiting("--timeout", "0", "--dsn", strict.dsn)) == (0, "")
    code, said = ended(waiting("--timeout", "0", "--dsn", f"postgresql://reader@127.0.0.1:{free_port()}/shop"))
    assert (code, "waiting" in said) == (2, False)


@pytest.mark.parametrize(
    ("role", "database", "password", "said"),
    [
        ("reader", "postgres", "a-wrong-one", "refused the password of role reader"),
        ("nobody-yet", "postgres", PASSWORD, "refused the password of role nobody-yet"),
        ("reader", "no_such_database", PASSWORD, "database no_such_database does not exist"),
    ],
)
def test_a_refused_login_is_told(strict: EmbeddedServer, role: str, database: str, password: str, said: str) -> None:
    code, errors = ended(waiting("--timeout", "1", "--dsn", uri(strict, role, database, password)))
    assert code == 2
    assert said in errors
    assert password not in errors


def test_a_refused_login_is_not_waited_for_to_the_end(strict: EmbeddedServer) -> None:
    started = time.monotonic()
    code, errors = ended(waiting("--timeout", "3600", "--dsn", uri(strict, "reader", password="a-wrong-one")))
    assert code == 2
    assert "refused the password" in errors
    # It asked again until then, and the rest of the hour was not waited for.
    assert time.monotonic() - started >= REFUSED_SECONDS - 1


def test_a_role_that_is_made_in_time_is_let_in(strict: EmbeddedServer) -> None:
    process = waiting("--dsn", uri(strict, "late_reader"))
    assert process.stderr is not None
    assert "refused the password of role late_reader" in process.stderr.readline()
    psql(strict, f"CREATE ROLE late_reader LOGIN PASSWORD '{PASSWORD}'")
    assert ended(process)[0] == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_it_at_once(number: signal.Signals, code: int) -> None:
    process = waiting("--timeout", "3600", "--dsn", f"postgresql://reader@127.0.0.1:{free_port()}/shop")
    assert process.stderr is not None
    process.stderr.readline()
    process.send_signal(number)
    assert ended(process) == (code, f"pg-guard: stopped by {number.name}\n")


def test_settings_are_held_against_the_same_model_as_those_of_serve(tmp_path: Path) -> None:
    config = tmp_path / "pg-guard.yaml"
    config.write_text("http: {max_sessions: none}\ndatabases: {shop: {port: 0}}\n", encoding="utf-8")
    code, said = ended(waiting("--config", str(config)))
    assert code == 3
    assert "http.max_sessions" in said
    assert "databases.shop.port" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--dsn", f"postgresql://reader:{PASSWORD}#@localhost/shop"], "the connection string cannot be used"),
        (["--timeout", "-1"], "--timeout"),
        (["--timeout", "nan"], "--timeout"),
        ([], "no database given"),
    ],
)
def test_what_cannot_be_meant_ends_at_once(arguments: list[str], said: str) -> None:
    code, errors = ended(waiting(*arguments))
    assert code == 2
    assert said in errors


@pytest.fixture
def without_names(tmp_path: Path) -> Iterator[list[str]]:
    """Words before a command for which looking up a name takes minutes."""
    with silent_names(tmp_path, ADDRESS) as words:
        if words is None:
            pytest.skip("needs the right to make namespaces and to listen on port 53")
        yield words


@pytest.mark.parametrize("stopped", [False, True])
def test_a_name_that_takes_minutes_to_look_up_does_not_hold_it(without_names: list[str], stopped: bool) -> None:
    process = subprocess.Popen(
        [*without_names, *COMMAND, "--dsn", "postgresql://reader@db.example/shop", "--timeout", "3600" if stopped else "3"],
        cwd="/", env=clean_environment(), text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        if stopped:
            assert process.stderr is not None
            assert "no answer from db.example in time" in process.stderr.readline()
            process.send_signal(signal.SIGTERM)
        # Looking it up once would take longer than this waits.
        code, said = ended(process)
        assert code == (143 if stopped else 2)
        assert "stopped by SIGTERM" in said if stopped else "no answer from db.example in time" in said
    finally:
        process.kill()
        process.wait()


def test_no_connection_stays_behind(strict: EmbeddedServer) -> None:
    ended(waiting("--dsn", uri(strict, "reader")))
    deadline = time.monotonic() + 30
    sql = "DO $$ BEGIN ASSERT NOT EXISTS (SELECT FROM pg_stat_activity WHERE usename = 'reader'); END $$"
    while True:
        with contextlib.suppress(asyncpg.AssertError):
            psql(strict, sql)
            return
        assert time.monotonic() < deadline
        time.sleep(0.05)
