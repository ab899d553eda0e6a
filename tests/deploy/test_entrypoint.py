"""The start of the container as a process: what it runs, what it refuses, and how signals reach it, also as process 1."""

from __future__ import annotations

import ast
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.request import urlopen

import pytest
import yaml

from tests.support.examples import clean_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
ENTRYPOINT = ROOT / "deploy" / "docker" / "entrypoint.sh"
PASSWORD = "planted-Password-42"
POLICY = "schema: pg-guard/policy/v1\nmetadata: {name: shop, version: 1.0.0}\n"


def namespaces_can_be_made() -> bool:
    try:
        made = subprocess.run(["unshare", "--fork", "--pid", "--mount-proc", "true"], capture_output=True, check=False)
    except OSError:
        return False
    return made.returncode == 0


class Container:
    """The script, started as the image starts it."""

    def __init__(self, *arguments: str, before: tuple[str, ...] = (), **environment: str) -> None:
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self.process = subprocess.Popen(
            [*before, str(ENTRYPOINT), *arguments],
            cwd="/", env=clean_environment() | {"PATH": path, "PG_GUARD_ENV_FILE": ""} | environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for number in (*self.children(), self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        self.process.communicate(timeout=60)

    def children(self) -> list[int]:
        """The processes that it has started itself."""
        with contextlib.suppress(OSError):
            return [
                int(word)
                for word in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
            ]
        return []

    def ended(self) -> tuple[int, str, str]:
        """Exit code, standard output and standard error."""
        output, errors = self.process.communicate(timeout=120)
        assert PASSWORD not in output + errors
        return self.process.returncode, output, errors

    def said(self, words: str) -> str:
        """The first line of standard error with these words."""
        assert self.process.stderr is not None
        lines = []
        for line in self.process.stderr:
            lines.append(line)
            if words in line:
                return line
        raise AssertionError("".join(lines))


@pytest.fixture
def config(tmp_path: Path, demo_dsn: str) -> Path:
    """Settings of a server on the sample database; its address is a secret in a file."""
    (tmp_path / "policy.yaml").write_text(POLICY, encoding="utf-8")
    (tmp_path / "dsn").write_text(demo_dsn + "\n", encoding="utf-8")
    path = tmp_path / "pg-guard.yaml"
    settings = {
        "policy": "policy.yaml",
        "databases": {"shop": {"dsn_file": "dsn"}},
        "http": {"allow_anonymous": True},
        "audit": {"sink": "stdout"},
    }
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


@pytest.fixture
def nowhere(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Settings of a server whose database never answers."""
    (tmp_path / "other.yaml").write_text(POLICY, encoding="utf-8")
    (tmp_path / "password").write_text(PASSWORD, encoding="utf-8")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and does not listen
        yield {
            "PG_GUARD_POLICY": str(tmp_path / "other.yaml"),
            "PG_GUARD_DATABASES__SHOP__HOST": "127.0.0.1",
            "PG_GUARD_DATABASES__SHOP__PORT": str(unused.getsockname()[1]),
            "PG_GUARD_DATABASES__SHOP__USER": "reader",
            "PG_GUARD_DATABASES__SHOP__PASSWORD_FILE": str(tmp_path / "password"),
        }


# -- what it runs ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [[], ["pg-guard"]])
def test_other_commands_run_as_they_are(first: list[str]) -> None:
    with Container(*first, "check", "SELECT salary FROM hr.employees", "--policy", f"{ROOT}/policies/demo.yaml") as run:
        code, output, errors = run.ended()
    assert (code, errors) == (1, "")
    assert output.startswith("denied: 1 finding")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--version"], 0, "pg-guard "),
        (["--help"], 0, "Usage: pg-guard"),
        (["serve", "--help"], 0, "Usage: pg-guard serve"),
        (["serve", "--http", "0.0.0.0:1", "-h"], 0, "Usage: pg-guard serve"),
        (["lint", "--no-such-option"], 2, "No such option"),
        (["no-such-command"], 2, "No such command"),
        ([""], 2, "No such command"),
        (["sh", "-c", "id"], 2, "No such command"),
    ],
)
def test_arguments_go_to_the_program(arguments: list[str], code: int, said: str, nowhere: dict[str, str]) -> None:
    with Container(*arguments, **nowhere) as run:
        found, output, errors = run.ended()
    assert found == code
    assert said in output + errors
    assert "waiting" not in errors


# -- before it serves --------------------------------------------------------------------------------------------------


def test_invalid_settings_end_it_at_once_with_every_problem(tmp_path: Path, nowhere: dict[str, str]) -> None:
    wrong = nowhere | {
        "PG_GUARD_HTTP__MAX_SESSIONS": "none",
        "PG_GUARD_AUDIT__SINK": "paper",
        "PG_GUARD_NO_SUCH_THING": PASSWORD,
        "PG_GUARD_DATABASES__SHOP__PASSWORD_FILE": str(tmp_path / "no-such-file"),
    }
    with Container("serve", "--http", "127.0.0.1:0", **wrong) as run:
        code, output, errors = run.ended()
    assert (code, output) == (3, "")
    for words in ("http.max_sessions", "audit.sink", "PG_GUARD_NO_SUCH_THING", "no-such-file"):
        assert words in errors, words
    assert "waiting" not in errors


def test_an_invalid_policy_ends_it_at_once(tmp_path: Path, nowhere: dict[str, str]) -> None:
    (tmp_path / "other.yaml").write_text(POLICY + "tabels: {}\nlimitz: {}\n", encoding="utf-8")
    with Container("serve", **nowhere) as run:
        code, _, errors = run.ended()
    assert code == 3
    assert "tabels" in errors
    assert "limitz" in errors
    assert "waiting" not in errors


def test_a_database_that_never_answers_is_waited_for_within_the_bound(nowhere: dict[str, str]) -> None:
    with Container("serve", PG_GUARD_WAIT_TIMEOUT="3", **nowhere) as run:
        code, output, errors = run.ended()
    assert (code, output) == (2, "")
    assert "pg-guard: waiting for shop: nothing answers at 127.0.0.1" in errors
    assert "pg-guard: error: database shop: nothing answers at 127.0.0.1" in errors


def test_without_a_bound_nothing_is_waited_for(nowhere: dict[str, str]) -> None:
    with Container("serve", PG_GUARD_WAIT_TIMEOUT="0", **nowhere) as run:
        code, _, errors = run.ended()
    assert code == 2
    assert "database shop:" not in errors  # said by `wait`
    assert "nothing answers at 127.0.0.1" in errors


@pytest.mark.parametrize("seconds", ["soon", "-1", "1; touch /tmp/pg-guard-was-here"])
def test_a_bound_that_is_none_is_refused(seconds: str, nowhere: dict[str, str]) -> None:
    with Container("serve", PG_GUARD_WAIT_TIMEOUT=seconds, **nowhere) as run:
        code, _, errors = run.ended()
    assert code == 2
    assert "--timeout" in errors
    assert not Path("/tmp/pg-guard-was-here").exists()


@pytest.mark.parametrize(
    ("given", "shared"),
    [
        ([], []),
        (["--policy", "a b.yaml", "--dsn", "x://y"], ["--policy", "a b.yaml", "--dsn", "x://y"]),
        (["--policy=it's.yaml", "--dsn=x://y?a=b"], ["--policy=it's.yaml", "--dsn=x://y?a=b"]),
        (["--http", "127.0.0.1:0", "-p", "$x.yaml", "--observe", "[::1]:0"], ["-p", "$x.yaml"]),
        (["-p*.yaml", "--tokens", "--config", "--config", "s.yaml"], ["-p*.yaml", "--config", "s.yaml"]),
        (["--http=127.0.0.1:0", "--config=s.yaml", "--tokens=--policy"], ["--config=s.yaml"]),
        (["--dsn", "--help"], ["--dsn", "--help"]),
        (["--config"], ["--config"]),
    ],
)
def test_options_of_serve_hold_for_what_comes_before(given: list[str], shared: list[str], tmp_path: Path) -> None:
    """With a program in the place of pg-guard that writes down what it is called with."""
    program, calls = tmp_path / "pg-guard", tmp_path / "calls"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nopen({str(calls)!r}, 'a').write(repr(sys.argv[1:]) + chr(10))\n"
    )
    program.chmod(0o755)
    with Container("serve", *given, PATH=f"{tmp_path}{os.pathsep}{os.environ['PATH']}") as run:
        assert run.ended() == (0, "", "")
    assert [ast.literal_eval(line) for line in calls.read_text().splitlines()] == [
        ["config", "validate", *shared],
        ["wait", *shared],
        ["serve", *given],
    ]


def test_a_server_on_standard_output_has_it_for_itself(config: Path) -> None:
    with Container("serve", "--config", str(config), PG_GUARD_AUDIT__SINK="none") as run:
        code, output, errors = run.ended()
    # Its input is at its end: the client has gone.
    assert (code, output) == (0, ""), errors


# -- signals -----------------------------------------------------------------------------------------------------------


def test_it_becomes_the_server_which_ends_by_sigterm(config: Path) -> None:
    with Container("serve", "--config", str(config), "--http", "127.0.0.1:0", "--observe", "127.0.0.1:0") as run:
        address = run.said("pg-guard: observe ").split()[-1]
        run.said("pg-guard: serving ")
        words = Path(f"/proc/{run.process.pid}/cmdline").read_bytes().split(b"\0")
        assert b"serve" in words
        assert not any(word.endswith((b"bash", b"entrypoint.sh")) for word in words)
        assert run.children() == []
        with urlopen(address, timeout=30) as answer:
            assert answer.status == 200
        run.process.send_signal(signal.SIGTERM)
        code, output, errors = run.ended()
    assert (code, output) == (143, "")
    assert "stopped by SIGTERM" in errors


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_while_it_waits_ends_it(number: signal.Signals, code: int, nowhere: dict[str, str]) -> None:
    with Container("serve", PG_GUARD_WAIT_TIMEOUT="3600", **nowhere) as run:
        run.said("waiting for shop")
        children = run.children()
        assert children
        run.process.send_signal(number)
        assert run.ended()[0] == code
        assert not any(Path(f"/proc/{child}").exists() for child in children)


def test_a_signal_at_any_moment_ends_it(nowhere: dict[str, str]) -> None:
    for step in range(8):
        with Container("serve", PG_GUARD_WAIT_TIMEOUT="3600", **nowhere) as run:
            time.sleep(
                0.05 + step * 0.2
            )  # not for a condition: the moments differ, from before the traps to the waiting
            run.process.send_signal(signal.SIGTERM)
            # Before the traps are set, the shell dies of it.
            assert run.ended()[0] in (143, -signal.SIGTERM)


@pytest.mark.skipif(not namespaces_can_be_made(), reason="a process 1 of its own needs the right to make namespaces")
@pytest.mark.parametrize("serves", [False, True])
def test_as_process_1_it_ends_by_sigterm(serves: bool, config: Path, nowhere: dict[str, str]) -> None:
    """The kernel keeps from process 1 every signal that it has not asked for."""
    given = {"PG_GUARD_CONFIG": str(config)} if serves else {**nowhere, "PG_GUARD_WAIT_TIMEOUT": "3600"}
    arguments = ["serve", "--http", "127.0.0.1:0"] if serves else ["serve"]
    with Container(*arguments, before=("unshare", "--fork", "--pid", "--mount-proc"), **given) as run:
        run.said("pg-guard: serving" if serves else "waiting for shop")
        (first,) = run.children()
        status = Path(f"/proc/{first}/status").read_text()
        assert "\nNSpid:\t" + str(first) + "\t1\n" in status
        os.kill(first, signal.SIGTERM)
        code, _, _ = run.ended()
    assert code == 143
