"""The pre-commit hooks and the GitHub Action: what they name exists, and what they run works on real files."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from pg_guard.entry.cli.lint import FORMATS
from pg_guard.entry.cli.main import cli
from tests.sarif import problems

ROOT = Path(__file__).resolve().parents[2]
POLICY = str(ROOT / "policies" / "demo.yaml")
DENIED = "SELECT name, salary FROM hr.employees"
HOOKS: list[dict[str, Any]] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
BIN = Path(sys.executable).parent


def command_of(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that a command line names, and the words that are left."""
    assert words[0] == "pg-guard"
    command: click.Command = cli
    words = words[1:]
    while isinstance(command, click.Group):
        command = command.commands[words.pop(0)]
    return command, words


def environment() -> dict[str, str]:
    names = {name: value for name, value in os.environ.items() if not name.startswith(("PG_GUARD", "GITHUB", "INPUT"))}
    return names | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1"}


# -- pre-commit ------------------------------------------------------------------------------------------------------


def hook(name: str) -> dict[str, Any]:
    (found,) = [entry for entry in HOOKS if entry["id"] == name]
    return found


@pytest.mark.parametrize("entry", HOOKS, ids=lambda entry: entry["id"])
def test_a_hook_has_what_pre_commit_wants(entry: dict[str, Any]) -> None:
    known = {"id", "name", "description", "entry", "language", "types", "types_or", "files", "args", "require_serial"}
    assert {"id", "name", "entry", "language"} <= entry.keys() <= known
    assert entry["language"] == "python"
    command, words = command_of(shlex.split(entry["entry"]))
    # Parsing alone: every option of the entry exists.
    command.make_context("x", [*words, "file"])
    if "files" in entry:
        assert re.compile(entry["files"])


def test_the_examples_above_the_hooks_can_be_parsed() -> None:
    comment = "".join(
        line.removeprefix("#")
        for line in (ROOT / ".pre-commit-hooks.yaml").read_text().splitlines(True)
        if line[0] == "#"
    )
    (config,) = [yaml.safe_load(block) for block in [comment[comment.index("  hooks:") :]]]
    for used in config["hooks"]:
        command, words = command_of(shlex.split(hook(used["id"])["entry"]))
        command.make_context("x", [*words, *used.get("args", []), "file"])


@pytest.mark.parametrize(
    ("name", "arguments", "good", "bad"),
    [
        ("pg-guard-lint", ["--policy", POLICY], {"a b.sql": "SELECT 1;"}, {"x.sql": DENIED}),
        (
            "pg-guard-lint-embedded",
            ["--policy", POLICY],
            {"a.py": "cursor.execute('SELECT 1')", "b.md": "text", "c.sql": "SELECT {{ x }}"},
            {"a.py": f"cursor.execute('{DENIED}')"},
        ),
        (
            "pg-guard-policy",
            [],
            {"p.yaml": "schema: pg-guard/policy/v1\nmetadata: {name: p}\n"},
            {"p.yaml": "schema: pg-guard/policy/v1\nmetadata: {name: p}\nwhat: 1\n"},
        ),
    ],
)
def test_a_hook_runs_on_the_files_that_pre_commit_gives_it(
    tmp_path: Path, name: str, arguments: list[str], good: dict[str, str], bad: dict[str, str]
) -> None:
    for files, fails in ((good, False), (bad, True)):
        for file, text in files.items():
            (tmp_path / file).write_text(text)
        process = subprocess.run(
            [*shlex.split(hook(name)["entry"]), *arguments, *files],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert (process.returncode != 0) is fails, process.stdout + process.stderr
        assert "Traceback" not in process.stderr


# -- GitHub ----------------------------------------------------------------------------------------------------------

STEPS: dict[str, dict[str, Any]] = {step.get("name", step.get("uses")): step for step in ACTION["runs"]["steps"]}
CHECK = STEPS["Check the SQL"]


def test_the_action_is_a_composite_one_whose_steps_say_their_shell() -> None:
    assert ACTION["runs"]["using"] == "composite"
    assert ACTION["name"]
    assert ACTION["description"]
    for step in ACTION["runs"]["steps"]:
        assert ("run" in step) != ("uses" in step)
        assert "run" not in step or step["shell"] == "bash"


def test_no_input_reaches_the_text_of_a_script() -> None:
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step.get("run", "")


def test_every_input_is_used_and_every_used_one_exists() -> None:
    used = set(re.findall(r"\$\{\{ inputs\.([a-z-]+) \}\}", (ROOT / "action.yml").read_text()))
    assert used == set(ACTION["inputs"])
    for name, given in ACTION["inputs"].items():
        assert given["description"], name
        assert "default" in given or given["required"]
    outputs = {value["value"] for value in ACTION["outputs"].values()}
    assert outputs == {"${{ steps.lint.outputs.report }}", "${{ steps.lint.outputs.exit-code }}"}
    assert CHECK["id"] == "lint"


def test_every_option_of_the_script_exists() -> None:
    options = {name for option in cli.commands["lint"].params for name in option.opts}
    named = set(re.findall(r"(?<=[( ])--[a-z][a-z-]*", CHECK["run"]))
    assert {
        "--format",
        "--policy",
        "--pack",
        "--catalog",
        "--baseline",
        "--embedded",
        "--fail-on",
        "--omit-suppressed",
    } == named
    assert named <= options
    for output_format in re.findall(r"^ *([a-z]+)\) report=", CHECK["run"], re.MULTILINE):
        assert output_format in FORMATS


def test_nothing_names_where_packages_come_from() -> None:
    for path in ("action.yml", ".pre-commit-hooks.yaml"):
        text = (ROOT / path).read_text()
        assert not re.search(r"--(?:extra-)?index-url|https?://(?!pre-commit\.com)", text)


def act(tmp_path: Path, **inputs: str) -> tuple[subprocess.CompletedProcess[str], dict[str, str]]:
    """Run the step as the runner does: inputs as variables, the same shell; the installation is this environment's."""
    temporary = tmp_path / "runner temp"
    programs = temporary / "pg-guard" / "bin"
    programs.mkdir(parents=True, exist_ok=True)
    if not (programs / "pg-guard").exists():
        (programs / "pg-guard").symlink_to(BIN / "pg-guard")
    output = tmp_path / "output.txt"
    output.write_text("")
    values = {name: str(given.get("default", "")) for name, given in ACTION["inputs"].items()} | inputs
    variables = {
        name: re.sub(r"\$\{\{ inputs\.([a-z-]+) \}\}", lambda match: values[match[1]], text)
        for name, text in CHECK["env"].items()
    }
    script = tmp_path / "step.sh"
    script.write_text(CHECK["run"])
    work = tmp_path / "work"
    work.mkdir(exist_ok=True)
    process = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
        cwd=work,
        env=environment() | variables | {"RUNNER_TEMP": str(temporary), "GITHUB_OUTPUT": str(output)},
        capture_output=True,
        text=True,
        check=False,
    )
    outputs = dict(line.split("=", 1) for line in output.read_text().splitlines())
    return process, outputs


def test_the_action_writes_a_sarif_log(tmp_path: Path) -> None:
    work = tmp_path / "work"
    (work / "a dir").mkdir(parents=True)
    (work / "a dir" / "x.sql").write_text(DENIED)
    process, outputs = act(tmp_path, paths="a dir\n", policy=POLICY)
    assert process.returncode == 1, process.stderr
    assert outputs["exit-code"] == "1"
    log = json.loads(Path(outputs["report"]).read_text())
    assert problems(log) == []
    (result,) = log["runs"][0]["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "a%20dir/x.sql"
    (work / "a dir" / "x.sql").write_text("SELECT 1")
    process, outputs = act(tmp_path, paths="a dir\n", policy=POLICY)
    assert (process.returncode, outputs["exit-code"]) == (0, "0")


@pytest.mark.parametrize(("output_format", "begin"), [("github", "::error file=x.sql"), ("text", "high tables/denied")])
def test_the_action_writes_to_the_log(tmp_path: Path, output_format: str, begin: str) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "x.sql").write_text(DENIED)
    process, outputs = act(tmp_path, policy=POLICY, format=output_format)
    assert process.returncode == 1
    assert process.stdout.startswith(begin)
    assert outputs == {"report": "", "exit-code": "1"}


def test_the_action_takes_packs_baselines_and_other_files(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "a.py").write_text("cursor.execute('SELECT rolpassword FROM pg_authid')")
    process, _ = act(tmp_path, packs="core", embedded="python", format="text")
    assert process.returncode == 1
    assert "core/PG101" in process.stdout
    subprocess.run(
        ["pg-guard", "lint", ".", "--pack", "core", "--embedded", "python", "--write-baseline", "known.json"],
        cwd=work,
        env=environment(),
        capture_output=True,
        check=True,
    )
    process, _ = act(tmp_path, packs="core", embedded="python", format="text", baseline="known.json")
    assert process.returncode == 0, process.stdout


def test_wrong_usage_of_the_action_is_told_and_leaves_no_report(tmp_path: Path) -> None:
    process, outputs = act(tmp_path, paths="$(touch owned); missing", policy=POLICY)
    assert process.returncode == 2
    assert "no such file or directory" in process.stderr
    assert outputs == {"report": "", "exit-code": "2"}
    assert list((tmp_path / "work").iterdir()) == []
