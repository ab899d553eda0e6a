"""Errors become one clear line, a hint and the right exit code; secrets never appear."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import click
import pytest

from pg_guard.entry.cli.main import cli
from pg_guard.entry.cli.options import read_principal
from pg_guard.entry.cli.runner import INTERRUPTED, PgGuardGroup, redact, run
from pg_guard.errors import (
    CatalogError,
    CostError,
    DatabaseError,
    ExecutionError,
    InternalError,
    PgGuardError,
    PolicyError,
    Problem,
    UsageError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


def failing(error: BaseException) -> click.Group:
    @click.group(cls=PgGuardGroup)
    @click.option("--debug", is_flag=True)
    def group(debug: bool) -> None:
        pass

    @group.command()
    def fail() -> None:
        raise error

    return group


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("a\nb \x1b[2J", hint="do c"), 2),
        (CatalogError("no such snapshot"), 2),
        (DatabaseError("cannot connect"), 2),
        (ExecutionError("cancelled"), 1),
        (InternalError("a defect"), 2),
        (FileNotFoundError(2, "No such file or directory", "x.sql"), 2),
        (ZeroDivisionError("division by zero"), 2),
        (RecursionError(), 2),
    ],
)
def test_an_error_is_one_line_on_standard_error(error: Exception, code: int, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(failing(error), ["fail"]) == code
    out, err = capfd.readouterr()
    assert out == ""
    first, *rest = err.splitlines()
    assert first.startswith("pg-guard: error: ")
    assert all(line.startswith("hint: ") for line in rest)
    assert len(rest) <= 1
    assert "\x1b" not in err


def test_every_kind_of_error_has_its_own_exit_code() -> None:
    def tree(kind: type[PgGuardError]) -> Iterator[type[PgGuardError]]:
        yield kind
        for child in kind.__subclasses__():
            yield from tree(child)

    special = {PolicyError: PolicyError((Problem("wrong"),)), CostError: CostError(2.0, 1.0)}
    for kind in tree(PgGuardError):
        if kind.__module__ != "pg_guard.errors":
            continue  # raised inside of servers only, and made with arguments of their own
        error = special.get(kind) or kind("wrong")
        assert run(failing(error), ["fail"]) == kind.exit_code
        assert kind.exit_code != 0


def test_an_unexpected_error_shows_its_traceback_only_on_demand(capfd: pytest.CaptureFixture[str]) -> None:
    group = failing(ZeroDivisionError("oh"))
    run(group, ["fail"])
    assert "Traceback" not in capfd.readouterr().err
    assert run(group, ["--debug", "fail"]) == 2
    err = capfd.readouterr().err
    assert "Traceback" in err
    assert "pg-guard: error: unexpected ZeroDivisionError: oh" in err


def test_every_problem_of_a_policy_is_shown(capfd: pytest.CaptureFixture[str]) -> None:
    problems = (
        Problem("unknown key", "p.yaml", 3, 5, "tables.alow", "write allow"),
        Problem("is empty", "p.yaml", 9, 1, "where"),
        Problem("only a warning", "p.yaml", 9, 1, level="warning"),
    )
    assert run(failing(PolicyError(problems)), ["fail"]) == 3
    assert capfd.readouterr().err == (
        "pg-guard: error: the policy is invalid: 2 problems\n"
        "p.yaml:3:5: error: tables.alow: unknown key\n"
        "  hint: write allow\n"
        "p.yaml:9:1: error: where: is empty\n"
    )


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_an_interruption_is_one_line(error: BaseException, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(failing(error), ["fail"]) == INTERRUPTED
    assert capfd.readouterr().err == "pg-guard: error: interrupted\n"


@pytest.mark.parametrize(
    "text",
    [
        "cannot reach postgresql://bob:hunter2@db:5432/shop",
        "postgres://bob:hunter2/x@db",
        "postgresql://:hunter2@db/shop?sslmode=require",
        "host=db password=hunter2 dbname=x",
        "host=db password='hunter2 with blank' dbname=x",
        "postgresql://db/shop?user=bob&password=hunter2&sslmode=require",
        "postgresql://db/shop?sslpassword=hunter2",
    ],
)
def test_passwords_are_left_out(text: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert "hunter2" not in redact(text)
    assert "***" in redact(text)
    for error in (DatabaseError(text, hint=text), RuntimeError(text), OSError(5, text)):
        run(failing(error), ["--debug", "fail"])
    assert "hunter2" not in "".join(capfd.readouterr())


def test_the_password_of_the_environment_is_left_out_wherever_it_stands(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PG_GUARD_DSN", "postgresql://bob:hunter%402@db/shop")
    monkeypatch.setenv("PGPASSWORD", "swordfish")
    run(failing(RuntimeError("cannot use 'hunter@2', 'hunter%402' or 'swordfish'")), ["--debug", "fail"])
    err = capfd.readouterr().err
    assert "hunter" not in err
    assert "swordfish" not in err


def test_wrong_usage_names_the_help_page(capfd: pytest.CaptureFixture[str]) -> None:
    for arguments, command in (
        (["chek"], "pg-guard"),
        (["--nope"], "pg-guard"),
        (["check", "--nope"], "pg-guard check"),
        (["check", "SELECT 1"], "pg-guard check"),
        (["lint", "--policy", "x"], "pg-guard lint"),
        (["check", "x", "-p", "p", "--format", "xml"], "pg-guard check"),
    ):
        assert run(cli, arguments) == 2
        out, err = capfd.readouterr()
        assert out == ""
        lines = err.splitlines()
        assert lines[0].startswith("pg-guard: error: ")
        assert lines[-1] == f"hint: run `{command} --help`"


def test_output_that_nobody_reads_ends_quietly() -> None:
    script = (
        "import sys, click\n"
        "from pg_guard.entry.cli.runner import PgGuardGroup, run\n"
        "@click.group(cls=PgGuardGroup)\n"
        "def group(): pass\n"
        "@group.command()\n"
        "def flood():\n"
        "    for _ in range(100_000): click.echo('x' * 100)\n"
        "sys.exit(run(group, ['flood']))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(timeout=60) == 141


def test_principals_are_typed() -> None:
    assert read_principal(()) is None
    assert read_principal(
        ("tenant_id=42", "name=Bob=x", "zip=00123", 'code="7"', "ok=true", "x=", "n=null", "l=[1]")
    ) == {
        "tenant_id": 42,
        "name": "Bob=x",
        "zip": "00123",
        "code": "7",
        "ok": True,
        "x": "",
        "n": "null",
        "l": "[1]",
    }
    for wrong in (("tenant_id",), ("=1",), ("a=1", "a=2")):
        with pytest.raises(UsageError):
            read_principal(wrong)
