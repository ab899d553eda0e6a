"""The documentation says what the code does: examples run, and everything that exists is mentioned."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click
import pytest

from pg_guard.decision import Decision
from pg_guard.entry.cli.linting import LINT_SCHEMA
from pg_guard.entry.cli.main import cli
from pg_guard.entry.cli.runner import INTERRUPTED, OUTPUT_CLOSED
from pg_guard.entry.cli.validating import VALIDATE_SCHEMA
from pg_guard.errors import PgGuardError
from pg_guard.guard import Guard
from pg_guard.policy.load import parse_policy
from pg_guard.policy.model import Policy
from pg_guard.policy.overlay import PREFIX
from pg_guard.policy.packs import shipped_packs
from pg_guard.settings import Settings
from tests.corpus.loading import load_cases

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
REFERENCE = (ROOT / "docs" / "reference.md").read_text()
# Written from the code; tests/e2e/test_docs_reference.py keeps it current.
ERRORS = (ROOT / "docs" / "reference" / "errors.md").read_text()
CODE = {path: path.read_text() for path in sorted((ROOT / "pg_guard").rglob("*.py"))}


class Block(NamedTuple):
    language: str
    text: str
    line: int
    exit_code: int | None  # None: not marked as runnable


def blocks(markdown: str) -> list[Block]:
    pattern = re.compile(r"(?:<!-- runnable(?:: exit (\d+))? -->\n)?```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    return [
        Block(
            match[2],
            match[3],
            markdown.count("\n", 0, match.start()) + 1,
            int(match[1] or 0) if match[0].startswith("<!--") else None,
        )
        for match in pattern.finditer(markdown)
    ]


def commands(command: click.Command, name: str = "pg-guard") -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        for child in command.commands.values():
            yield from commands(child, f"{name} {child.name}")


COMMANDS = dict(commands(cli))


def environment() -> dict[str, str]:
    names = {name: value for name, value in os.environ.items() if not name.startswith("PG_GUARD")}
    return names | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1"}


RUNNABLE = [block for block in blocks(README) if block.exit_code is not None]


@pytest.mark.parametrize("block", RUNNABLE, ids=lambda block: f"line-{block.line}")
def test_a_runnable_block_of_the_readme_runs(block: Block) -> None:
    command = {"python": [sys.executable, "-W", "error", "-c"], "sh": ["bash", "-euo", "pipefail", "-c"]}[
        block.language
    ]
    result = subprocess.run(
        [*command, block.text], cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == block.exit_code, result.stderr
    assert result.stderr == ""
    assert "tables/denied" in result.stdout


def test_the_readme_has_runnable_blocks_of_both_kinds() -> None:
    assert {block.language for block in RUNNABLE} == {"python", "sh"}


def test_the_policy_of_the_readme_is_valid_and_its_tests_pass() -> None:
    (block,) = [block for block in blocks(README) if block.language == "yaml"]
    loaded = parse_policy(block.text, "README.md")
    assert loaded.problems == ()
    guard = Guard(loaded.policy)
    assert loaded.policy.tests
    for test in loaded.policy.tests:
        decision = guard.check(test.sql)
        assert decision.effect == test.expect
        assert set(test.rules) <= {finding.rule for finding in decision.findings}


def test_the_client_configurations_of_the_readme_are_such_that_work() -> None:
    documents = [json.loads(block.text) for block in blocks(README) if block.language == "json"]
    servers = [
        server
        for document in documents
        for key in ("mcpServers", "servers")
        for server in document.get(key, {}).values()
    ]
    local = [server for server in servers if "command" in server]
    remote = [server for server in servers if "url" in server]
    assert len(local) == 2
    assert len(local) + len(remote) == len(servers) == 3
    for server in local:
        command, *arguments = server["args"]
        assert Path(server["command"]).name == "pg-guard"
        # Parsing alone: the command is not run.
        COMMANDS[f"pg-guard {command}"].make_context(command, arguments)
        assert set(server["env"]) == {"PG_GUARD_DSN"}
    for server in remote:
        assert server["url"].endswith("/mcp")
        assert server["headers"]["Authorization"].startswith("Bearer ")
    asked = {each["id"] for document in documents for each in document.get("inputs", ())}
    assert set(re.findall(r"\$\{input:(\w+)\}", json.dumps(servers))) == asked
    for name in ("Claude Desktop", "Cursor", "VS Code", "pg-guard serve --policy policy.yaml --http"):
        assert name in README


def test_every_command_line_of_the_documentation_can_be_parsed() -> None:
    found = 0
    pages = (ROOT / name for name in ("SECURITY.md", "docs/testing.md"))
    for markdown in (README, REFERENCE, *(page.read_text() for page in pages)):
        lines = re.findall(r"^(?:PG_GUARD_DSN=\S+ )?pg-guard (.*)$", markdown, re.MULTILINE)
        # What a pipe leads to is a command of its own.
        lines = [part for line in lines for part in line.split(" | pg-guard ")]
        for line in [*lines, *re.findall(r"`pg-guard ((?:check|lint|serve|catalog|policy) --?[^`]*)`", markdown)]:
            words = shlex.split(line, comments=True)
            name = "pg-guard"
            while words and f"{name} {words[0]}" in COMMANDS:
                name += f" {words.pop(0)}"
            COMMANDS[name].make_context(name, words)
            found += 1
    assert found >= 5


def test_two_commands_stand_on_the_first_screen() -> None:
    first = "\n".join(README.splitlines()[:25])
    for line in ("git clone", "cd pg-guard", "make demo", "make test"):
        assert line in first
    makefile = (ROOT / "Makefile").read_text()
    assert re.search("^demo:", makefile, re.MULTILINE)
    assert re.search("^test:", makefile, re.MULTILINE)


def test_the_output_of_the_demo_is_a_captured_one() -> None:
    match = re.search(r"<!-- demo-output -->\n(.*)<!-- /demo-output -->", README, re.DOTALL)
    assert match
    (block,) = blocks(match[1])
    assert "denied" in block.text.lower()
    assert max(len(line) for line in block.text.splitlines()) <= 120


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_in_the_reference(name: str) -> None:
    command = COMMANDS[name]
    if not isinstance(command, click.Group) or name == "pg-guard":
        assert re.search(rf"^### `{name}\b", REFERENCE, re.MULTILINE)
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            for spelling in (*parameter.opts, *parameter.secondary_opts):
                assert re.search(rf"`{spelling}(?![\w-])", REFERENCE), spelling
            for variable in [parameter.envvar] if isinstance(parameter.envvar, str) else []:
                assert f"`{variable}" in REFERENCE


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_every_help_page_ends_with_an_example(name: str, flag: str) -> None:
    command = COMMANDS[name]
    with pytest.raises(click.exceptions.Exit) as caught:
        command.make_context(name, [flag])
    assert caught.value.exit_code == 0
    page = command.get_help(click.Context(command, info_name=name))
    head, _, examples = page.rpartition("\n\n")
    assert examples.lstrip().startswith("Example")
    assert "pg-guard" in examples
    assert "Options:" in head
    assert max(len(line) for line in page.splitlines()) <= 90


def error_classes(kind: type[PgGuardError] = PgGuardError) -> Iterator[type[PgGuardError]]:
    yield kind
    for child in kind.__subclasses__():
        if child.__module__.startswith("pg_guard."):
            yield from error_classes(child)


@pytest.mark.parametrize("kind", list(error_classes()), ids=lambda kind: kind.__name__)
def test_every_error_code_is_in_the_reference(kind: type[PgGuardError]) -> None:
    # A module with errors of its own is named in pg_guard/entry/reference/errors.py.
    assert f"| `{kind.code}` | `{kind.__name__}` | {kind.exit_code} |" in ERRORS


def test_every_exit_code_is_in_the_reference() -> None:
    table = REFERENCE.partition("## Exit codes")[2].partition("## ")[0]
    codes = {0, 1, INTERRUPTED, OUTPUT_CLOSED, 128 + signal.SIGTERM, *(kind.exit_code for kind in error_classes())}
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)} == codes


def strings() -> set[str]:
    """Every string constant of the package, docstrings included."""
    return {
        node.value
        for code in CODE.values()
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_the_rule_ids_of_the_code_are_those_of_the_reference() -> None:
    table = REFERENCE.partition("## Rule ids")[2].partition("\n## ")[0]
    documented = set(re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE))
    in_code = {text for text in strings() if re.fullmatch(r"[a-z]+/[a-z]+(-[a-z]+)*", text)}
    # Methods of MCP look the same.
    in_code = {text for text in in_code if not text.endswith(("/list", "/call", "/read", "/get"))}
    assert in_code - documented - {"application/json", "text/plain", "http/protobuf"} == set()
    assert documented - in_code == set()


def test_every_environment_variable_is_in_the_reference() -> None:
    found = {word for text in strings() for word in re.findall(r"\b_?PG_GUARD_[A-Z_]+|\bPG[A-Z]{4,}\b", text)}
    internal = {"_PG_GUARD_COMPLETE"}  # between click and the shell's completion script
    overlay = {name for name in found if name.startswith(PREFIX)}
    assert PREFIX in REFERENCE
    # docs/reference/settings.md has them all: it is written from the same model.
    settings = {
        name for name in found if name.removeprefix("PG_GUARD_").partition("__")[0].lower() in Settings.model_fields
    }
    settings = {name for name in settings if "__" in name}
    missing = {name for name in found - internal - overlay - settings if not re.search(rf"`{name}\b", REFERENCE)}
    assert missing == set()


def test_every_section_of_a_policy_is_in_the_reference() -> None:
    for name, field in Policy.model_fields.items():
        assert f"`{field.alias or name}`" in REFERENCE


def test_every_document_format_is_in_the_reference() -> None:
    for schema in (LINT_SCHEMA, VALIDATE_SCHEMA, Decision("deny", None, ()).to_dict()["schema"]):
        assert f"`{schema}`" in REFERENCE


@pytest.mark.parametrize("path", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs/reference.md"])
def test_links_lead_somewhere(path: str) -> None:
    page = ROOT / path
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_the_guarantees_name_tests_that_exist() -> None:
    text = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w./-]+)`", text)
    assert len(named) > 15
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_figures_of_the_readme_are_true() -> None:
    """tests/corpus shows that no attack passes and no honest statement is refused; `todo` would be an exception to that."""
    table = README.partition("<!-- figures -->")[2].partition("<!-- /figures -->")[0]
    attacks, honest, rules, packs = (
        int(word.replace(",", "")) for word in re.findall(r"\b(\d[\d,]*) (?:attacks|honest|rules|packs)", table)
    )
    assert re.findall(r"\| (0 \w+) \|$", table, re.MULTILINE) == ["0 escape", "0 refused"]
    cases = {"attacks": load_cases("attacks"), "honest": load_cases("benign")}
    assert [case.place for half in cases.values() for case in half if case.todo] == []
    shipped = shipped_packs()
    # A round number that is true, and not long out of date.
    for said, real in (
        (attacks, len(cases["attacks"])),
        (honest, len(cases["honest"])),
        (rules, sum(len(pack.rules) for pack in shipped)),
    ):
        assert said < real < said * 1.2 + 50
    assert packs == len(shipped)
