"""The unit of systemd: its shape, and what systemd's own tools say of it where they are installed."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from pg_guard.entry.cli.main import cli
from tests.deploy.manifests import ROOT, SPARE_SECONDS, documents, settings_of, variable_is_known

if TYPE_CHECKING:
    from pathlib import Path

DIRECTORY = ROOT / "deploy" / "systemd"
UNIT = (DIRECTORY / "pg-guard.service").read_text(encoding="utf-8")
(SETTINGS,) = documents(DIRECTORY / "pg-guard.yaml")


def entries() -> list[tuple[str, str, str]]:
    """Section, key and value of each line."""
    found, section = [], ""
    for line in UNIT.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found.append((section, key, value))
    return found


def values(key: str) -> list[str]:
    return [value for _, name, value in entries() if name == key]


def variables() -> dict[str, str]:
    return dict(word.split("=", 1) for value in values("Environment") for word in shlex.split(value))


def test_what_it_runs_exists() -> None:
    (serve,) = values("ExecStart")
    (before,) = values("ExecStartPre")
    assert before.startswith("-")  # the server says itself what is wrong, with an exit code that counts
    for line, name in ((serve, "serve"), (before.removeprefix("-"), "wait")):
        program, command, *words = shlex.split(line)
        assert (program, command) == ("/opt/pg-guard/bin/pg-guard", name)
        context = cli.commands[name].make_context(name, words)
        if name == "serve":
            assert context.params["http_address"].startswith("127.0.0.1:")
            assert context.params["observe_address"].startswith("127.0.0.1:")
        else:
            assert float(values("TimeoutStartSec")[0]) > context.params["seconds"] + SPARE_SECONDS
    assert values("ExecReload") == ["/bin/kill -HUP $MAINPID"]


def test_it_starts_again_unless_that_would_not_help() -> None:
    assert values("Restart") == ["on-failure"]
    assert values("RestartPreventExitStatus") == ["3"]  # invalid settings
    assert values("SuccessExitStatus") == ["130 143"]
    settings = settings_of(SETTINGS)
    assert float(values("TimeoutStopSec")[0]) >= settings.http.drain_timeout + SPARE_SECONDS


def test_secrets_are_credentials_and_nowhere_else() -> None:
    credentials = dict(value.split(":", 1) for value in values("LoadCredential"))
    assert all(source.startswith("/etc/pg-guard/credentials/") for source in credentials.values())
    named = {
        name: value for name, value in variables().items() if name.endswith("_FILE") and name != "PG_GUARD_ENV_FILE"
    }
    assert {value.removeprefix("%d/") for value in named.values()} == set(credentials)
    settings = settings_of(SETTINGS)
    for name in settings.databases:
        assert f"PG_GUARD_DATABASES__{name.upper()}__PASSWORD_FILE" in named
    for name in variables():
        assert variable_is_known(name), name
    example = (DIRECTORY / "pg-guard.env").read_text(encoding="utf-8")
    for name, _ in re.findall(r"^#?([A-Z][A-Z_]+)=(.*)$", example, re.MULTILINE):
        assert variable_is_known(name), name
        assert not re.search("KEY|PASSWORD|TOKEN|DSN", name)


def test_what_is_kept_lies_where_it_may_write() -> None:
    (state,) = values("StateDirectory")
    settings = settings_of(SETTINGS)
    for path in (settings.http.tokens, settings.audit.path):
        assert str(path).startswith(f"/var/lib/{state}/")
    assert values("ProtectSystem") == ["strict"]
    assert values("ReadWritePaths") == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("NoNewPrivileges", "yes"), ("CapabilityBoundingSet", ""), ("ProtectHome", "yes"), ("PrivateTmp", "yes"),
        ("PrivateDevices", "yes"), ("ProtectKernelTunables", "yes"), ("ProtectProc", "invisible"), ("RestrictNamespaces", "yes"),
        ("RestrictSUIDSGID", "yes"), ("LockPersonality", "yes"), ("MemoryDenyWriteExecute", "yes"), ("UMask", "0077"),
        ("SystemCallArchitectures", "native"), ("RestrictAddressFamilies", "AF_INET AF_INET6 AF_UNIX"),
    ],
)  # fmt: skip
def test_it_is_hardened(key: str, value: str) -> None:
    assert values(key) == [value]
    assert values("User") == values("Group") == ["pg-guard"]


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that exists."""
    path = tmp_path / "pg-guard.service"
    path.write_text(UNIT.replace("/opt/pg-guard/bin/pg-guard", "/bin/true"), encoding="utf-8")
    return path


def systemd_version() -> int:
    if shutil.which("systemd-analyze") is None:
        return 0
    shown = subprocess.run(["systemd-analyze", "--version"], capture_output=True, text=True, check=False).stdout
    return int(match[1]) if (match := re.match(r"systemd (\d+)", shown)) else 0


@pytest.mark.skipif(systemd_version() < 250, reason="systemd-analyze is not installed, or older than 250")
def test_systemd_reads_it_without_a_word(unit: Path) -> None:
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.skipif(systemd_version() < 250, reason="systemd-analyze is not installed, or older than 250")
def test_systemd_finds_it_little_exposed(unit: Path) -> None:
    """From 0 to 10, as systemd counts; a plain service has 9.6."""
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", unit],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


@pytest.mark.skipif(shutil.which("systemd-sysusers") is None, reason="systemd-sysusers is not installed")
def test_the_account_can_be_made(tmp_path: Path) -> None:
    command = ["systemd-sysusers", f"--root={tmp_path}", "--dry-run", "-"]
    text = (DIRECTORY / "pg-guard.sysusers").read_text(encoding="utf-8")
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "Creating user 'pg-guard'" in done.stdout + done.stderr
