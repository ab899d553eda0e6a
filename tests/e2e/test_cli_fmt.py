"""`pg-guard fmt` as a process on real files."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from tests.support import commands

ROOT = Path(__file__).resolve().parents[2]
MESSY = "# why\nmode: enforce   # for now\nschema: pg-guard/policy/v1\nwhere:\n-   columns: [a]\n    table: t\n\n\n\n"
NEAT = "# why\nschema: pg-guard/policy/v1\nmode: enforce   # for now\nwhere:\n  - table: t\n    columns: [a]\n"
run = partial(commands.run, "fmt")


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    path.write_text(MESSY)
    return path


def test_a_file_is_laid_out_and_keeps_its_mode(policy: Path) -> None:
    policy.chmod(0o640)
    process = run("policy.yaml", cwd=policy.parent)
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout == "policy.yaml: changed\n1 file: 1 changed\n"
    assert policy.read_text() == NEAT
    assert policy.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in policy.parent.iterdir()] == ["policy.yaml"]
    assert run("policy.yaml", cwd=policy.parent).stdout == "1 file: 0 changed\n"


def test_check_and_diff_write_nothing_and_exit_with_1(policy: Path) -> None:
    before = policy.stat()
    checked = run("--check", "policy.yaml", cwd=policy.parent)
    assert (checked.returncode, checked.stdout) == (1, "policy.yaml: would change\n1 file: 1 would change\n")
    shown = run("--diff", "policy.yaml", cwd=policy.parent)
    assert shown.returncode == 1
    assert shown.stdout.startswith("--- policy.yaml\n+++ policy.yaml\n@@")
    assert "+schema: pg-guard/policy/v1\n" in shown.stdout
    assert shown.stderr == "1 file: 1 would change\n"
    assert policy.read_text() == MESSY
    assert (policy.stat().st_mtime_ns, policy.stat().st_ino) == (before.st_mtime_ns, before.st_ino)
    policy.write_text(NEAT)
    for flag in ("--check", "--diff"):
        assert run(flag, "policy.yaml", cwd=policy.parent).returncode == 0


def test_a_directory_means_the_files_that_are_ours(policy: Path) -> None:
    (policy.parent / "other.yaml").write_text("services: {a:   1}\n")
    (policy.parent / "broken.yml").write_text("a: [\n")
    (policy.parent / "sub").mkdir()
    (policy.parent / "sub" / "pack.yaml").write_text("version: 1.0.0\nname: x\nschema: pg-guard/pack/v1\n")
    process = run(".", cwd=policy.parent)
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout == "policy.yaml: changed\nsub/pack.yaml: changed\n2 files: 2 changed\n"
    assert (policy.parent / "other.yaml").read_text() == "services: {a:   1}\n"


def test_a_link_stays_a_link(policy: Path) -> None:
    link = policy.parent / "link.yaml"
    link.symlink_to("policy.yaml")
    assert run("link.yaml", cwd=policy.parent).returncode == 0
    assert link.is_symlink()
    assert policy.read_text() == NEAT


def test_a_file_that_cannot_be_laid_out_does_not_stop_the_others(policy: Path) -> None:
    bad = policy.parent / "bad.yaml"
    bad.write_text("schema: pg-guard/policy/v1\nmode: [\n")
    process = run("bad.yaml", "policy.yaml", cwd=policy.parent)
    assert process.returncode == 3
    assert "bad.yaml:3:1: error: not valid YAML" in process.stderr
    assert process.stdout == "policy.yaml: changed\n2 files: 1 changed, 1 failed\n"
    assert bad.read_text() == "schema: pg-guard/policy/v1\nmode: [\n"
    lost = policy.parent / "lost.yaml"
    lost.write_text("schema: pg-guard/policy/v1\ntests:\n- []\n# own\n- []  # note\n")
    process = run("lost.yaml", cwd=policy.parent)
    assert process.returncode == 2
    assert "lost.yaml: cannot be laid out without losing a comment; it was left as it is" in process.stderr


@pytest.mark.parametrize("directory", ["policies", "rules/core", "rules/pii"])
def test_what_is_shipped_can_be_laid_out(directory: str) -> None:
    process = run("--check", directory, cwd=ROOT)
    assert process.stderr == ""
    assert process.returncode in (0, 1)


def test_the_shipped_policies_are_laid_out() -> None:
    assert run("--check", "policies", cwd=ROOT).returncode == 0
