"""The server as containers run it: an account without a name and a home, no capability, and not one place that can be written."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from pg_guard.demo import embedded
from pg_guard.demo.embedded import start
from tests.support.examples import clean_environment
from tests.support.http_server import Served, call

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
NUMBER = 65532
# Every address of 127/8 is this machine on Linux.
ADDRESS = f"127.{os.getpid() % 250 + 1}.{os.getpid() // 250 % 250}.9"
POLICY = "schema: pg-guard/policy/v1\nmetadata: {name: shop, version: 1.0.0}\ntables: {default: allow}\n"
_CLOSED = (
    "mount -o remount,bind,ro / && umount -l /dev/shm 2>/dev/null; "
    f"exec setpriv --reuid={NUMBER} --regid={NUMBER} --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all --"
    # setpriv itself may still pass closed directories; what the shell starts may not.
    """ sh -c 'exec "$@"' sh "$@\""""
)
ALONE = ("unshare", "--mount", "--propagation", "private", "sh", "-c", _CLOSED, "sh")
# As MemoryDenyWriteExecute of systemd does: PR_SET_MDWE, for this process and what it becomes.
NO_NEW_CODE = "import ctypes, os, sys; ctypes.CDLL(None).prctl(65, 1, 0, 0, 0); os.execvp(sys.argv[1], sys.argv[1:])"


def environment() -> dict[str, str]:
    kept = {name: value for name, value in clean_environment().items() if name in ("PATH", "LANG", "LC_ALL")}
    packages = [str(ROOT), sysconfig.get_paths()["purelib"]]
    return kept | {"PYTHONPATH": os.pathsep.join(packages), "HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"}


def interpreter() -> str | None:
    """A Python of this version that the account can start, and that finds this checkout and its packages."""
    name = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    for program in (os.path.realpath(sys.executable), shutil.which(name, path="/usr/bin:/usr/local/bin")):
        words = [program or "", "-c", f"import click; open({str(ROOT / 'pg_guard' / '__init__.py')!r})"]
        with contextlib.suppress(OSError):
            if subprocess.run([*ALONE, *words], env=environment(), capture_output=True, check=False).returncode == 0:
                return program
    return None


PYTHON = interpreter() if os.geteuid() == 0 and sys.platform == "linux" else None
pytestmark = pytest.mark.skipif(
    PYTHON is None, reason="needs root, the right to make namespaces, and a Python and a checkout that others can read"
)


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*ALONE, *words], cwd="/", env=environment(), capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture(scope="module")
def dsn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that other accounts reach: by TCP."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(embedded.SETTINGS, "listen_addresses", ADDRESS)
        with start(tmp_path_factory.mktemp("server")):
            yield f"postgresql://postgres@{ADDRESS}:5432/postgres"


@pytest.fixture
def config(dsn: str) -> Iterator[Path]:
    """Settings that the account can read: pytest's own directories are closed to others."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="pg-guard-config-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        (directory / "policy.yaml").write_text(POLICY, encoding="utf-8")
        (directory / "dsn").write_text(dsn, encoding="utf-8")
        path = directory / "pg-guard.yaml"
        settings = {
            "policy": "policy.yaml",
            "databases": {"shop": {"dsn_file": "dsn"}},
            "http": {"allow_anonymous": True},
            "audit": {"sink": "stdout"},
        }
        path.write_text(yaml.safe_dump(settings), encoding="utf-8")
        yield path


def test_nothing_can_be_written() -> None:
    assert PYTHON is not None
    program = """
import os, tempfile
assert (os.getuid(), os.getgid(), os.getgroups()) == (65532, 65532, [])
assert "\\nCapEff:\\t0000000000000000\\n" in open("/proc/self/status").read()
try:
    tempfile.gettempdir()
except FileNotFoundError:
    print("nowhere")
"""
    done = run(PYTHON, "-c", program)
    assert (done.returncode, done.stdout) == (0, "nowhere\n"), done.stderr


@pytest.mark.parametrize("strict", [False, True], ids=["container", "no-new-code"])
async def test_it_starts_serves_and_ends(config: Path, strict: bool) -> None:
    import asyncio

    assert PYTHON is not None
    before = (PYTHON, "-c", NO_NEW_CODE) if strict else ()
    process = await asyncio.create_subprocess_exec(
        *ALONE, *before, PYTHON, "-m", "pg_guard", "serve", "--config", str(config), "--http", "127.0.0.1:0",
        "--observe", "127.0.0.1:0",
        cwd="/", env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        server, observed = Served(process, ""), ""
        async with asyncio.timeout(60):
            while not server.url:
                line = await said(process)
                server.log.append(line)
                if line.startswith("pg-guard: observe "):
                    observed = line.rpartition(":")[2].partition("/")[0]
                if line.startswith("pg-guard: serving "):
                    server.url = line.rpartition(" ")[2]
        async with server.client() as client:
            answer = await call(client, "run_sql", sql="SELECT 40 + 2 AS n")
        assert answer["rows"] == [[42]]
        healthy = run(PYTHON, "-I", str(ROOT / "deploy/docker/healthcheck.py"), "1", observed)
        assert healthy.returncode == 0
        assert healthy.stdout == f'1: ConnectionRefusedError\n{observed}: {{"status":"ok"}}\n'
        process.send_signal(signal.SIGTERM)
        output, errors = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 143, errors
        # Two lines of the audit log: the decision and what came of it.
        assert output.count(b"\n") >= 2
        assert b"Traceback" not in errors
        assert b"denied" not in errors.lower()
        assert [line for line in server.log if "warning" in line.lower()] == []
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def said(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    line = await process.stderr.readline()
    assert line, "it has ended"
    return line.decode().rstrip("\n")


def test_the_check_of_health_fails_where_nothing_answers() -> None:
    assert PYTHON is not None
    done = run(PYTHON, "-I", str(ROOT / "deploy/docker/healthcheck.py"), "1")
    assert (done.returncode, done.stdout, done.stderr) == (1, "1: ConnectionRefusedError\n", "")


@pytest.mark.parametrize("words", [["wait"], ["config", "validate"]])
def test_what_comes_before_runs_too(words: list[str], config: Path) -> None:
    assert PYTHON is not None
    done = run(PYTHON, "-m", "pg_guard", *words, "--config", str(config))
    assert done.returncode == 0, done.stderr
