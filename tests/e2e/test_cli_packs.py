"""`pg-guard packs` as a process on real packs, keys and bundles."""

from __future__ import annotations

import json
import os
import pty
import stat
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from tests.support import commands
from tests.support.commands import environment

ROOT = Path(__file__).resolve().parents[2]
RULE = """\
schema: pg-guard/rule/v1
id: acme/PG{number}
name: {name}
title: Read of {name}
severity: high
description: The statement reads {name}.
rationale: It is nobody's business.
match: {{relation: {{name: {name}}}}}
effect: deny
message: "{name} was read"
remediation: Leave it out.
tests:
  - {{name: direct, sql: SELECT * FROM {name}, expect: deny}}
  - {{name: other, sql: SELECT 1, expect: allow}}
"""
run = partial(commands.run, cwd=ROOT)


def done(*arguments: str, cwd: Path = ROOT, **changes: str) -> str:
    process = run(*arguments, cwd=cwd, **changes)
    assert process.returncode == 0, process.stderr
    return process.stdout


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A repository with a pack of its own, and a policy that uses it."""
    pack = tmp_path / "packs" / "acme"
    pack.mkdir(parents=True)
    (pack / "pack.yaml").write_text("schema: pg-guard/pack/v1\nname: acme\nversion: 1.2.0\ntitle: Rules of Acme\n")
    for number, name in (("101", "salaries"), ("102", "payroll")):
        (pack / f"PG{number}_{name}.yaml").write_text(RULE.format(number=number, name=name))
    done("packs", "update", "packs/acme", cwd=tmp_path)
    (tmp_path / "policy.yaml").write_text("schema: pg-guard/policy/v1\npacks: [{use: acme}]\n")
    return tmp_path


def check(here: Path, sql: str = "SELECT * FROM salaries") -> subprocess.CompletedProcess[str]:
    return run("check", sql, "--policy", "policy.yaml", cwd=here)


# -- looking at packs ------------------------------------------------------------------------------------------------


def test_list_names_shipped_packs_and_found_ones(here: Path) -> None:
    text = done("packs", "list", cwd=here)
    assert "core 1.0.0: " in text
    assert "acme 1.2.0: 2 rules, not signed, packs/acme\n  sha256:" in text
    document = json.loads(done("packs", "list", "--format", "json", cwd=here))
    assert document["schema"] == "pg-guard/packs/v1"
    found = {pack["name"]: pack for pack in document["packs"]}
    assert found["core"]["origin"] == "shipped"
    assert (found["acme"]["origin"], found["acme"]["rules"], found["acme"]["signed_by"]) == ("found", 2, None)
    elsewhere = done("packs", "list", str(here / "packs"))
    assert f"acme 1.2.0: 2 rules, not signed, {here / 'packs' / 'acme'}" in elsewhere


def test_a_damaged_pack_does_not_stop_the_list(here: Path) -> None:
    (here / "packs" / "acme" / "PG101_salaries.yaml").write_text("x")
    (here / "packs" / "bad.pgpack").write_text("x")
    process = run("packs", "list", cwd=here)
    assert process.returncode == 3
    assert "core 1.0.0" in process.stdout
    assert "packs/acme: invalid: packs/acme/pack.yaml:" in process.stdout
    assert "packs/bad.pgpack: invalid: packs/bad.pgpack:1:1: not a bundle" in process.stdout


def test_show_tells_all_of_a_pack_or_of_a_rule(here: Path) -> None:
    text = done("packs", "show", "acme", cwd=here)
    assert text.startswith("acme 1.2.0: Rules of Acme\n")
    assert "  acme/PG101  deny  high      Read of salaries\n" in text
    for target in ("acme/PG101", "packs/acme/PG101", "./packs/acme/pg101"):
        rule = done("packs", "show", target, cwd=here)
        assert rule.startswith("acme/PG101 salaries: Read of salaries\ndeny, high, experimental\n")
        assert "Fires on\n  relation, where name is salaries\n" in rule
        assert "SELECT * FROM salaries" in rule
    record = json.loads(done("packs", "show", "acme/PG102", "-f", "json", cwd=here))
    assert (record["id"], record["match"]) == ("acme/PG102", {"relation": {"name": "payroll"}})
    assert json.loads(done("packs", "show", "core", "-f", "json"))["name"] == "core"
    for missing in ("acme/PG999", "nothing", "./nothing", "nothing/PG101"):
        process = run("packs", "show", missing, cwd=here)
        assert process.returncode == 2
        assert process.stderr.startswith("pg-guard: error: ")


def test_docs_are_pages_that_are_the_same_each_time(here: Path) -> None:
    assert done("packs", "docs", "acme", "--output", "site/acme", cwd=here) == "site/acme: 3 pages\n"
    first = {path.name: path.read_bytes() for path in (here / "site" / "acme").iterdir()}
    assert set(first) == {"index.md", "PG101_salaries.md", "PG102_payroll.md"}
    done("packs", "docs", "packs/acme", "--output", "site/acme", cwd=here)
    assert {path.name: path.read_bytes() for path in (here / "site" / "acme").iterdir()} == first


# -- writing packs ---------------------------------------------------------------------------------------------------


def test_a_new_rule_becomes_part_of_the_pack(here: Path) -> None:
    text = done("packs", "new-rule", "packs/acme", "bonus-read", cwd=here)
    assert text.startswith("packs/acme/PG103_bonus_read.yaml: ")
    process = run("packs", "verify", "acme", cwd=here)
    assert process.returncode == 3
    assert "the file 'PG103_bonus_read.yaml' is not listed" in process.stderr
    done("packs", "update", "packs/acme", cwd=here)
    assert "3 rules" in done("packs", "verify", "acme", cwd=here)
    again = run("packs", "new-rule", "packs/acme", "bonus-read", cwd=here)
    assert again.returncode == 2
    assert "a rule has this name already" in again.stderr


def test_verify_names_the_file_and_the_line(here: Path) -> None:
    rule = here / "packs" / "acme" / "PG102_payroll.yaml"
    rule.write_text(rule.read_text().replace("severity: high", "severity: huge"))
    process = run("packs", "verify", "packs/acme", cwd=here)
    assert (process.returncode, process.stdout) == (3, "")
    assert "packs/acme/PG102_payroll.yaml:5:11: error: severity: " in process.stderr
    assert "packs/acme/pack.yaml:" in process.stderr
    assert "Traceback" not in process.stderr


# -- keys, signatures, bundles ---------------------------------------------------------------------------------------


@pytest.fixture
def public(here: Path) -> str:
    """A key pair, ``acme.key`` and ``acme.key.pub``; the public key as one line."""
    text = done("packs", "keygen", "acme.key", cwd=here)
    assert text.startswith("ed25519:")
    assert stat.S_IMODE((here / "acme.key").stat().st_mode) == 0o600
    return text.strip()


def test_a_signature_is_verified_with_the_public_key(here: Path, public: str) -> None:
    done("packs", "sign", "packs/acme", "--key", "acme.key", cwd=here)
    for key in (public, "acme.key.pub"):
        assert f"signed by {public}\n" in done("packs", "verify", "acme", "--key", key, cwd=here)
    assert "(give --key to say who must have signed it)" in done("packs", "verify", "acme", cwd=here)
    other = done("packs", "keygen", "other.key", cwd=here).strip()
    process = run("packs", "verify", "acme", "--key", other, cwd=here)
    assert process.returncode == 3
    assert "packs/acme/pack.sig:1:1: error: the pack is signed by" in process.stderr
    unsigned = run("packs", "verify", "core", "--key", public, cwd=here)
    assert unsigned.returncode == 3
    assert "the pack is not signed" in unsigned.stderr


def test_a_bundle_is_one_file_that_a_policy_can_use(here: Path, public: str) -> None:
    bundle = ["packs", "bundle", "packs/acme", "--output", "acme.pgpack", "--key", "acme.key"]
    assert done(*bundle, cwd=here) == f"acme.pgpack: acme 1.2.0, signed by {public}\n"
    raw = (here / "acme.pgpack").read_bytes()
    done(*bundle, cwd=here)
    assert (here / "acme.pgpack").read_bytes() == raw
    assert f"signed by {public}\n" in done("packs", "verify", "acme.pgpack", "--key", public, cwd=here)
    use = f"schema: pg-guard/policy/v1\npacks:\n  - use: acme\n    path: acme.pgpack\n    signed_by: {public}\n"
    (here / "policy.yaml").write_text(use)
    denied = check(here)
    assert (denied.returncode, denied.stderr) == (1, "")
    assert "acme/PG101" in denied.stdout
    assert check(here, "SELECT * FROM orders").returncode == 0

    damaged = raw.replace(b"severity: high", b"severity: info")
    assert damaged != raw
    (here / "acme.pgpack").write_bytes(damaged)
    for process in (check(here), run("packs", "verify", "acme.pgpack", cwd=here)):
        assert (process.returncode, process.stdout) == (3, "")
        assert "acme.pgpack:3:1: error: the file PG101_salaries.yaml is not the one that is listed" in process.stderr

    done("packs", "bundle", "packs/acme", "--output", "acme.pgpack", cwd=here)  # right, but not signed
    unsigned = check(here)
    assert unsigned.returncode == 3
    assert "acme.pgpack:2:1: error: the bundle is not signed" in unsigned.stderr


def test_a_bundle_is_found_by_the_name_of_its_pack(here: Path) -> None:
    done("packs", "bundle", "packs/acme", "--output", "packs/acme.pgpack", cwd=here)
    (here / "packs" / "acme").rename(here / "elsewhere")
    assert check(here).returncode == 1
    assert "acme 1.2.0" in done("packs", "list", cwd=here)
    (here / "packs" / "acme.pgpack").rename(here / "packs" / "other.pgpack")
    (here / "policy.yaml").write_text("schema: pg-guard/policy/v1\npacks: [{use: other}]\n")
    process = check(here)
    assert process.returncode == 3
    assert "here is the pack 'acme', not 'other'" in process.stderr


@pytest.mark.parametrize(
    ("use", "message"),
    [
        ("{use: acme, path: missing.pgpack}", "missing.pgpack"),
        ("{use: acme, path: missing}", "there is no pack at missing"),
        ("{use: other, path: packs/acme}", "the pack there is 'acme', not 'other'"),
        ("{use: acme, signed_by: ed25519:AAAA}", "is not an ed25519 public key on one line"),
        ("{use: acme, signed_by: 7}", "is not text"),
        ("{use: acme}, {use: acme, path: packs/acme}", "the pack 'acme' is used from two places"),
    ],
)
def test_a_use_that_cannot_be_is_one_clear_problem(here: Path, use: str, message: str) -> None:
    (here / "policy.yaml").write_text(f"schema: pg-guard/policy/v1\npacks: [{use}]\n")
    process = check(here)
    assert (process.returncode, process.stdout) == (3, "")
    assert message in process.stderr
    assert "policy is invalid: 1 problem" in process.stderr


def test_the_path_of_a_pack_is_relative_to_the_policy_that_names_it(here: Path) -> None:
    (here / "base").mkdir()
    (here / "base" / "base.yaml").write_text("schema: pg-guard/policy/v1\npacks: [{use: acme, path: ../packs/acme}]\n")
    (here / "policy.yaml").write_text("schema: pg-guard/policy/v1\nextends: [base/base.yaml]\n")
    assert check(here).returncode == 1


def test_an_encrypted_key_takes_its_passphrase_from_the_environment(here: Path) -> None:
    secret = "correct horse battery"
    done("packs", "keygen", "acme.key", cwd=here, PG_GUARD_KEY_PASSPHRASE=secret)
    assert "ENCRYPTED" in (here / "acme.key").read_text()
    sign = ["packs", "sign", "packs/acme", "--key", "acme.key"]
    without = run(*sign, cwd=here)
    assert without.returncode == 2
    assert "acme.key is encrypted, and there is no passphrase" in without.stderr
    wrong = run(*sign, cwd=here, PG_GUARD_KEY_PASSPHRASE="wrong horse")
    assert wrong.returncode == 2
    assert "the passphrase is wrong, or the key is damaged" in wrong.stderr
    assert "wrong horse" not in wrong.stderr
    assert done(*sign, cwd=here, PG_GUARD_KEY_PASSPHRASE=secret)
    asked = run("packs", "keygen", "b.key", "--passphrase", cwd=here)
    assert asked.returncode == 2
    assert "there is no terminal to ask for a passphrase" in asked.stderr


def test_a_passphrase_is_asked_for_on_a_terminal_and_never_shown(here: Path) -> None:
    done("packs", "keygen", "acme.key", cwd=here, PG_GUARD_KEY_PASSPHRASE="correct horse")
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "pg_guard", "packs", "sign", "packs/acme", "--key", "acme.key"],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=environment(),
        cwd=here,
        start_new_session=True,
    )
    os.close(slave)
    shown = b""
    while b"Passphrase" not in shown:
        shown += os.read(master, 4096)
    os.write(master, b"correct horse\n")
    assert process.wait(timeout=60) == 0
    shown += os.read(master, 4096)
    os.close(master)
    assert b"correct horse" not in shown
    assert b"signed by" in shown


def test_a_private_key_that_others_can_read_is_warned_of(here: Path, public: str) -> None:
    (here / "acme.key").chmod(0o644)
    process = run("packs", "sign", "packs/acme", "--key", "acme.key", cwd=here)
    assert process.returncode == 0
    assert process.stderr == "warning: others can read acme.key; run chmod 600 on it\n"
    assert public in process.stdout


def test_no_private_key_is_ever_shown(here: Path, public: str) -> None:
    secret = (here / "acme.key").read_text().splitlines()[1]
    for arguments in (
        ["packs", "verify", "acme", "--key", "acme.key"],
        ["packs", "sign", "acme.key", "--key", "acme.key"],
        ["packs", "keygen", "acme.key"],
        ["--debug", "packs", "bundle", "packs/acme", "-o", "x.pgpack", "--key", "acme.key.pub"],
        ["packs", "show", "acme.key"],
        ["fmt", "acme.key"],
    ):
        process = run(*arguments, cwd=here)
        assert process.returncode in (2, 3)
        assert secret[:12] not in process.stdout + process.stderr
    assert public.startswith("ed25519:")
