"""The embedded server: several side by side, in awkward paths, and nothing left behind however its parent ends."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import asyncpg
import pytest

from pg_guard.demo import embedded
from pg_guard.demo.embedded import SOCKET_NAME, SOCKET_PATH_LIMIT, start
from pg_guard.errors import DatabaseError, UsageError
from tests.support.processes import processes_of
from tests.support.waiting import wait_until


def fetch(dsn: str, sql: str) -> object:
    async def run() -> object:
        connection = await asyncpg.connect(dsn)
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    return asyncio.run(run())


@pytest.fixture
def open_directory():
    """A directory that every account may enter, with a space and special characters in its path."""
    directory = Path(tempfile.mkdtemp(prefix="pg test é+%& ", dir="/tmp"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


def wait_until_gone(directory: Path) -> None:
    wait_until(
        lambda: not processes_of(directory) and not directory.exists(), f"{directory} and its processes are gone"
    )


def test_server_is_postgresql_18_for_a_superuser(server_dsn):
    assert fetch(server_dsn, "SHOW server_version") >= "18"
    assert fetch(server_dsn, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    assert fetch(server_dsn, "SHOW listen_addresses") == ""


def test_two_servers_in_paths_with_spaces_and_of_great_length_run_side_by_side(tmp_path):
    long_path = tmp_path / "with space" / ("x" * 120) / "é"
    with start(long_path) as one, start(tmp_path / "two") as two:
        for server in (one, two):
            assert len(os.fsencode(server.socket_directory / SOCKET_NAME)) <= SOCKET_PATH_LIMIT
            assert fetch(server.dsn, "SELECT 1") == 1
        first, second = [fetch(s.dsn, "SELECT system_identifier FROM pg_control_system()") for s in (one, two)]
        assert first != second
    wait_until_gone(one.socket_directory)
    wait_until_gone(two.socket_directory)


def test_a_temporary_directory_with_a_space_gives_a_usable_dsn(open_directory, monkeypatch):
    monkeypatch.setattr(embedded.tempfile, "gettempdir", lambda: str(open_directory))
    with start(open_directory) as server:
        assert server.socket_directory.parent == open_directory
        assert fetch(server.dsn, "SELECT 1") == 1


def test_client_environment_does_not_matter(tmp_path, monkeypatch):
    monkeypatch.setenv("PGPORT", "6000")
    monkeypatch.setenv("PGDATA", "/nowhere")
    monkeypatch.setenv("PGHOST", "nowhere.invalid")
    with start(tmp_path) as server:
        assert fetch(server.dsn, "SELECT 1") == 1


def test_stop_leaves_nothing_and_may_be_called_twice(tmp_path):
    server = start(tmp_path)
    assert server.running
    server.stop()
    server.stop()
    assert not server.running
    wait_until_gone(server.socket_directory)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_stays_when_the_parent_is_ended(tmp_path, number):
    program = (
        "import sys, time, pathlib; from pg_guard.demo.embedded import start\n"
        "server = start(pathlib.Path(sys.argv[1])); print(server.socket_directory, flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    with parent:
        assert parent.stdout is not None
        directory = Path(parent.stdout.readline().strip())
        assert processes_of(directory)
        parent.send_signal(number)
        parent.wait(30)
    wait_until_gone(directory)


def test_a_detached_server_outlives_its_parent_until_its_keeper_is_ended(tmp_path):
    program = (
        "import sys, pathlib; from pg_guard.demo.embedded import start\n"
        "server = start(pathlib.Path(sys.argv[1]), detached=True)\n"
        "print(server.socket_directory, server.keeper_pid, server.dsn, sep='\\n')"
    )
    output = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    directory, keeper, dsn = Path(output[0]), int(output[1]), output[2]
    try:
        assert fetch(dsn, "SELECT 1") == 1
    finally:
        os.kill(keeper, signal.SIGTERM)
    wait_until_gone(directory)


def test_data_survives_a_stop_where_the_directory_can_be_entered(open_directory):
    with start(open_directory) as server:
        fetch(server.dsn, "CREATE TABLE kept AS SELECT 7 AS n")
        assert server.data_directory == open_directory / "data"
    with start(open_directory) as server:
        assert fetch(server.dsn, "SELECT n FROM kept") == 7


def test_a_temporary_directory_is_removed_at_the_end(open_directory):
    server = start(open_directory / "below", temporary=True)
    assert (open_directory / "below" / "postgresql.log").exists()
    server.stop()
    assert not (open_directory / "below").exists()


def test_no_permission_outside_of_the_given_directory_changes(tmp_path):
    def modes() -> list[int]:
        return [path.stat().st_mode for path in (tmp_path, *tmp_path.parents)]

    before = modes()
    with start(tmp_path / "below"):
        assert modes() == before


def test_missing_wheel_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(embedded.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError) as caught:
        start(tmp_path)
    assert caught.value.hint == "run: pip install 'pg-guard[demo]'"


def test_a_server_that_cannot_start_is_reported_with_its_last_words(tmp_path, monkeypatch):
    monkeypatch.setitem(embedded.SETTINGS, "shared_buffers", "nonsense")
    before = set(Path(embedded.tempfile.gettempdir()).glob("pg-guard-*"))
    with pytest.raises(DatabaseError, match="shared_buffers"):
        start(tmp_path)
    assert set(Path(embedded.tempfile.gettempdir()).glob("pg-guard-*")) <= before


@pytest.mark.skipif(os.geteuid() != 0, reason="only as root is the server's account another one")
def test_programs_below_a_closed_directory_are_copied_not_opened(tmp_path, monkeypatch):
    package = embedded._find_installation()
    closed = tmp_path / "site-packages"
    for name in (package.name, f"{package.name}.libs"):
        source = package.with_name(name)
        if source.exists():
            shutil.copytree(source, closed / name, ignore=shutil.ignore_patterns("pginstall", "include"))
    closed.chmod(0o700)
    monkeypatch.setattr(embedded, "_find_installation", lambda: closed / package.name)
    with start(tmp_path / "data") as server:
        assert fetch(server.dsn, "SELECT 1") == 1
        assert closed.stat().st_mode & 0o777 == 0o700
