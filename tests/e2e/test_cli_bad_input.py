"""Every kind of bad file, given to every command that reads one.

Each ends with code 2 or 3 and with messages that name the file (and the line, where there is one), without a traceback,
within bounded memory, and in the end: a file that hangs a command fails the test by its time-out.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
GOOD = "schema: pg-guard/policy/v1\n"
RULE = (ROOT / "rules" / "core" / "PG101_credential_catalog_read.yaml").read_text(encoding="utf-8")
MANIFEST = "schema: pg-guard/pack/v1\nname: core\nversion: 1.0.0\ntitle: x\n"
MEMORY = 2_000_000_000
"""Bytes of address space: what the parsers need, and far less than a bomb would take."""

# One process runs all commands on one bad file, because most of the time goes into the imports.
DRIVER = """
import contextlib, io, json, resource, sys
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]), int(sys.argv[1])))
from pg_guard.entry.cli.main import cli
from pg_guard.entry.cli.runner import run
for arguments in json.loads(sys.argv[2]):
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(cli, arguments)
    texts = []
    for stream in (out, err):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode())
    print(json.dumps([arguments, code, *texts]), flush=True)
"""


class Outcome(NamedTuple):
    arguments: list[str]
    code: int
    stdout: str
    stderr: str


def run_all(commands: list[list[str]], cwd: Path) -> list[Outcome]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    process = subprocess.run(
        [sys.executable, "-c", DRIVER, str(MEMORY), json.dumps(commands)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=cwd,
        env=kept | {"NO_COLOR": "1", "PYTHONWARNINGS": "error", "COLUMNS": "200"},
        timeout=280,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert process.stderr == ""
    return [Outcome(*json.loads(line)) for line in process.stdout.splitlines()]


def assert_clear(outcome: Outcome, names: str, place: str = "") -> None:
    """One message, or one for each problem, that names the file; nothing of Python; never 0 or 1."""
    told = f"{outcome.arguments}: {outcome.code}\n{outcome.stdout}{outcome.stderr}"
    assert outcome.code in (2, 3), told
    text = outcome.stdout + outcome.stderr
    assert "Traceback" not in text, told
    assert "unexpected" not in text, told
    assert names in text, told
    if place:
        assert re.search(place, text), told
    assert len(text) < 4_000, told
    assert all(ord(character) >= 0x20 or character == "\n" for character in text), told


# -- policies --------------------------------------------------------------------------------------------------------


def write(text: str | bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(text.encode() if isinstance(text, str) else text) and None


def cyclic(path: Path) -> None:
    path.write_text(GOOD + "extends: [other.yaml]\n")
    path.with_name("other.yaml").write_text(GOOD + f"extends: [{path.name}]\n")


def sparse(path: Path) -> None:
    """50 MB that take no room on the disk."""
    with path.open("wb") as stream:
        stream.write(GOOD.encode())
        stream.truncate(50_000_000)


def tampered_pack(path: Path) -> None:
    pack = path.parent / "packs" / "core2"
    pack.mkdir(parents=True)
    (pack / "PG101_credential_catalog_read.yaml").write_text(RULE.replace("core/PG", "core2/PG"))
    (pack / "pack.yaml").write_text(
        MANIFEST.replace("core", "core2") + f"files:\n  PG101_credential_catalog_read.yaml: sha256:{'0' * 64}\n"
    )
    path.write_text(GOOD + "packs: [{use: core2}]\n")


def tampered_bundle(path: Path) -> None:
    text = f"pg-guard/bundle/v1\nsignature: none\n{'0' * 64} 3 pack.yaml\n\nabc"
    path.with_name("x.pgpack").write_text(text)
    path.write_text(GOOD + "packs: [{use: core, path: x.pgpack}]\n")


BOMB = (
    GOOD
    + "a: &a [x, x, x, x, x, x, x, x, x]\n"
    + "".join(
        f"{new}: &{new} [{', '.join(f'*{old}' for _ in range(9))}]\n"
        for old, new in zip("abcdefghij", "bcdefghijk", strict=True)
    )
)


class Bad(NamedTuple):
    """A kind of bad file: how to make it, and the place or the words that its message must have."""

    make: Callable[[Path], object]
    place: str


POLICIES = {
    "unknown-key": Bad(write(GOOD + "tabels: {deny: [a]}\n"), r"bad\.yaml:2:1: .*unknown key"),
    "wrong-type": Bad(write(GOOD + "joins: {max_tables: many}\n"), r"bad\.yaml:2:21: .*whole number"),
    "cyclic-extends": Bad(cyclic, r"(bad|other)\.yaml:2:11: .*extends itself"),
    "missing-base": Bad(write(GOOD + "extends: [gone.yaml]\n"), r"bad\.yaml:2:11: .*cannot read \S*gone\.yaml"),
    "missing-pack": Bad(write(GOOD + "packs: [{use: gone}]\n"), r"bad\.yaml:2:15: .*there is no rule pack 'gone'"),
    "tampered-bundle": Bad(tampered_bundle, r"x\.pgpack:3:1: .*SHA-256 differs"),
    "tampered-pack": Bad(tampered_pack, r"core2/pack\.yaml:6:39: .*not the one that the digest is of"),
    "expired-exception": Bad(
        write(
            GOOD + "packs: [{use: core}]\nexceptions:\n  - {id: E, rules: [core/PG101], reason: r, approved_by: a, "
            "expires: 2020-01-01}\n"
        ),
        r"bad\.yaml:4:\d+: .*expired on 2020-01-01",
    ),
    "invalid-utf-8": Bad(write(GOOD.encode() + b"metadata: {name: \xff}\n"), r"bad\.yaml:2:18: .*not UTF-8"),
    "50-mb": Bad(sparse, r"bad\.yaml: .*larger than 1,000,000 bytes"),
    "empty": Bad(write(""), r"bad\.yaml:1:1: .*empty"),
    "alias-bomb": Bad(write(BOMB), r"bad\.yaml:\d+:\d+: .*aliases unfold to more than"),
    "deep": Bad(write(GOOD + "metadata: " + "[" * 100_000), r"bad\.yaml:2:\d+: .*nested deeper than"),
    "deep-blocks": Bad(
        write(GOOD + "".join(f"{' ' * depth}a:\n" for depth in range(1000))), r"bad\.yaml:\d+:\d+: .*nested deeper than"
    ),
    "nul": Bad(write(GOOD + "metadata: {name: a\0b}\n"), r"bad\.yaml:2:19: .*U\+0000"),
    "binary": Bad(write(bytes(range(256))), r"bad\.yaml:\d+:\d+: "),
    "not-yaml": Bad(write(GOOD + "tables: [\n"), r"bad\.yaml:\d+:1: .*not valid YAML"),
    "no-mapping": Bad(write("- a\n"), r"bad\.yaml:1:1: .*not a mapping"),
    "tag": Bad(write(GOOD + "metadata: !!python/object/apply:os.system [id]\n"), r"bad\.yaml:2:11: .*not allowed"),
    "duplicate-key": Bad(write(GOOD + "mode: enforce\nmode: monitor\n"), r"bad\.yaml:3:1: .*duplicate key"),
    "directory": Bad(lambda path: path.mkdir(), "is a directory"),
    "missing": Bad(lambda _: None, "no such file"),
    "pipe": Bad(os.mkfifo, "nobody writes|not a regular file"),
    "device": Bad(lambda path: path.symlink_to("/dev/zero"), "larger than|not a regular file"),
    "self-link": Bad(lambda path: path.symlink_to(path.name), "symbolic links"),
    "no-permission": Bad(lambda path: (path.write_text(GOOD), path.chmod(0)), "permission denied"),
}
DSN = "postgresql://nobody@127.0.0.1:1/x"
POLICY_COMMANDS = [
    ["check", "SELECT 1", "--policy", "bad.yaml"],
    ["explain", "SELECT 1", "--policy", "bad.yaml"],
    ["lint", "good.sql", "--policy", "bad.yaml"],
    ["policy", "validate", "bad.yaml"],
    ["test", "bad.yaml"],
    ["diff", "bad.yaml", "good.yaml"],
    ["diff", "good.yaml", "bad.yaml"],
    ["replay", "log.jsonl", "--policy", "bad.yaml"],
    ["serve", "--policy", "bad.yaml", "--dsn", DSN],
    ["audit", "--policy", "bad.yaml", "--dsn", DSN],
    ["fmt", "bad.yaml"],
]
# What is no fault of the layout.
FORMATTED_ALL_THE_SAME = {
    "unknown-key", "wrong-type", "cyclic-extends", "missing-base", "missing-pack", "tampered-bundle", "tampered-pack",
    "expired-exception",
}  # fmt: skip


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "good.sql").write_text("SELECT 1;\n")
    (tmp_path / "log.jsonl").write_text("")
    return tmp_path


def skip_as_root(kind: str) -> None:
    if kind == "no-permission" and os.geteuid() == 0:
        pytest.skip("nothing is forbidden to root")


@pytest.mark.parametrize("kind", POLICIES)
def test_a_bad_policy_is_one_clear_error_of_every_command(kind: str, here: Path) -> None:
    skip_as_root(kind)
    POLICIES[kind].make(here / "bad.yaml")
    commands = [
        command
        for command in POLICY_COMMANDS
        if not (command[0] == "fmt" and kind in FORMATTED_ALL_THE_SAME)
        and not (command[0] == "diff" and kind == "expired-exception")  # it compares policies of any day
    ]
    # Where a directory is as good as a file, one without a policy in it is an error all the same.
    outcomes = run_all(commands, here)
    assert len(outcomes) == len(commands)
    for outcome in outcomes:
        place = POLICIES[kind].place
        if kind == "directory" and outcome.arguments[0] in ("test", "fmt", "diff"):
            place = ""
        assert_clear(outcome, "", place)


# -- rules, packs and bundles ----------------------------------------------------------------------------------------

RULES = {
    "unknown-key": Bad(write(RULE.replace("severity:", "severty:")), r"PG101_\w+\.yaml:\d+:1: .*unknown key"),
    "wrong-type": Bad(write(RULE.replace("severity: critical", "severity: [1]")), r"PG101_\w+\.yaml:\d+:\d+: .*severity"),
    "unknown-fact": Bad(write(RULE.replace("- relation:", "- relaton:", 1)), r"PG101_\w+\.yaml:\d+:\d+: .*relaton"),
    "unknown-attribute": Bad(write(RULE.replace("how: scan", "hew: scan")), r"PG101_\w+\.yaml:\d+:\d+: .*hew"),
    "unknown-parameter": Bad(write(RULE.replace("how: scan", "how: $way")), r"PG101_\w+\.yaml:\d+:\d+: .*way"),
    "deep-match": Bad(
        write(RULE.partition("match:")[0] + "match: " + "{not: " * 500 + "x" + "}" * 500 + "\n"),
        r"PG101_\w+\.yaml:\d+:\d+: .*nested deeper",
    ),
    **{
        kind: Bad(bad.make, bad.place.replace(r"bad\.yaml", r"PG101_\w+\.yaml"))
        for kind, bad in POLICIES.items()
        if kind
        in {"invalid-utf-8", "50-mb", "alias-bomb", "nul", "not-yaml", "duplicate-key", "missing", "pipe", "no-permission"}
    },
}  # fmt: skip
RULE_FILE = "packs/core/PG101_credential_catalog_read.yaml"
RULE_COMMANDS = [
    ["test", RULE_FILE],
    ["lint", "good.sql", "--rules", RULE_FILE],
    ["fmt", RULE_FILE],
]
PACK_COMMANDS = [
    ["test", "packs/core"],
    ["lint", "good.sql", "--rules", "packs/core"],
    ["packs", "show", "packs/core"],
    ["packs", "show", "packs/core/PG101"],
    ["packs", "verify", "packs/core"],
    ["packs", "docs", "packs/core", "--output", "site"],
    ["packs", "bundle", "packs/core", "--output", "x.pgpack"],
    ["packs", "sign", "packs/core", "--key", "a.key"],
    ["diff", "packs/core", "packs/good"],
    ["diff", "packs/good", "packs/core"],
]


@pytest.fixture
def packs(here: Path) -> Path:
    from pg_guard.packaging.keys import generate_keys
    from pg_guard.policy.packs import write_manifest

    for name in ("core", "good"):
        (here / "packs" / name).mkdir(parents=True)
        (here / "packs" / name / "pack.yaml").write_text(MANIFEST)
        (here / "packs" / name / Path(RULE_FILE).name).write_text(RULE)
        write_manifest(here / "packs" / name)
    generate_keys(str(here / "a.key"))
    return here


@pytest.mark.parametrize("kind", RULES)
def test_a_bad_rule_is_one_clear_error_of_every_command(kind: str, packs: Path) -> None:
    skip_as_root(kind)
    (packs / RULE_FILE).unlink()
    RULES[kind].make(packs / RULE_FILE)
    readable = kind in ("unknown-key", "wrong-type", "unknown-fact", "unknown-attribute", "unknown-parameter")
    commands = [command for command in RULE_COMMANDS if not (command[0] == "fmt" and readable)]
    for outcome in run_all([*commands, *PACK_COMMANDS], packs):
        # The digest of a file that is gone is missed in the manifest, and a directory without rules is none to test.
        alone = outcome.arguments in commands or kind != "missing"
        assert_clear(outcome, "", RULES[kind].place if alone else "")
    assert not (packs / "x.pgpack").exists()
    assert not (packs / "packs" / "core" / "pack.sig").exists()
    assert not (packs / "site").exists() or list((packs / "site").iterdir()) == []


MANIFESTS = {
    "unknown-key": Bad(write(MANIFEST + "author: x\n"), r"pack\.yaml:5:1: .*unknown key"),
    "wrong-type": Bad(write(MANIFEST + "files: [a]\n"), r"pack\.yaml:5:8: .*mapping"),
    "wrong-digest": Bad(write(MANIFEST + f"files: {{{Path(RULE_FILE).name}: x}}\n"), r"pack\.yaml:5:\d+: "),
    "wrong-version": Bad(write(MANIFEST.replace("1.0.0", "one")), r"pack\.yaml:3:10: "),
    "newer": Bad(write(MANIFEST + "requires: '>=99'\n"), r"pack\.yaml:5:11: .*needs pg-guard"),
    "path": Bad(write(MANIFEST + f"files: {{../../x.yaml: sha256:{'0' * 64}}}\n"), r"pack\.yaml:5:\d+: .*x\.yaml"),
    **{
        kind: Bad(bad.make, bad.place.replace(r"bad\.yaml", r"pack\.yaml"))
        for kind, bad in POLICIES.items()
        if kind
        in {"invalid-utf-8", "50-mb", "empty", "directory", "missing", "pipe", "no-permission"}
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", MANIFESTS)
def test_a_bad_manifest_is_one_clear_error_of_every_command(kind: str, packs: Path) -> None:
    skip_as_root(kind)
    manifest = packs / "packs" / "core" / "pack.yaml"
    manifest.unlink()
    MANIFESTS[kind].make(manifest)
    place = MANIFESTS[kind].place
    writing = [["packs", "new-rule", "packs/core", "some-name"], ["packs", "update", "packs/core"]]
    # `test` runs the rules of a directory, whatever its manifest says; `lint` takes one without a manifest for loose rules.
    commands = [command for command in PACK_COMMANDS if command[0] not in ("test", "lint")]
    if place.startswith(r"pack\.yaml"):
        commands += [["lint", "good.sql", "--rules", "packs/core"]]
        writing = writing[:0] if kind not in ("invalid-utf-8", "50-mb") else writing[:1]  # `update` may repair it
    for outcome in run_all([*commands, *writing], packs):
        assert_clear(outcome, "", place if place.startswith(r"pack\.yaml") else "")


def bundle(*lines: str, body: str = "") -> Callable[[Path], None]:
    return write("\n".join(["pg-guard/bundle/v1", *lines, "", ""]) + body)


EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
BUNDLES = {
    "empty": Bad(write(""), r"x\.pgpack:1:1: .*not a bundle"),
    "zip": Bad(write(b"PK\x03\x04" + bytes(100)), r"x\.pgpack:1:1: .*not a bundle"),
    "header-alone": Bad(bundle(), r"x\.pgpack:1:1: "),
    "no-files": Bad(bundle("signature: none"), r"x\.pgpack:2:1: .*lists no files"),
    "tampered": Bad(bundle("signature: none", f"{EMPTY} 3 pack.yaml", body="abc"), r"x\.pgpack:3:1: .*SHA-256"),
    "cut": Bad(bundle("signature: none", f"{EMPTY} 9 pack.yaml", body="abc"), r"x\.pgpack:3:1: .*ends inside"),
    "longer": Bad(bundle("signature: none", f"{EMPTY} 0 pack.yaml", body="abc"), r"x\.pgpack: .*follow the last file"),
    "traversal": Bad(bundle("signature: none", f"{EMPTY} 0 ../pack.yaml"), r"x\.pgpack:3:1: .*leads out of the pack"),
    "absolute": Bad(bundle("signature: none", f"{EMPTY} 0 /etc/x"), r"x\.pgpack:3:1: .*leads out of the pack"),
    "duplicate": Bad(bundle("signature: none", *[f"{EMPTY} 0 pack.yaml"] * 2), r"x\.pgpack:4:1: .*listed twice"),
    "huge-file": Bad(bundle("signature: none", f"{EMPTY} 9999999999 a"), r"x\.pgpack:3:1: .*larger than"),
    "bad-signature": Bad(bundle("signature: ed25519:x y", f"{EMPTY} 0 a"), r"x\.pgpack:2:1: .*signature"),
    "no-manifest": Bad(bundle("signature: none", f"{EMPTY} 0 a.yaml"), r"x\.pgpack: .*has no pack\.yaml"),
    "bad-manifest": Bad(bundle("signature: none", f"{EMPTY} 0 pack.yaml"), r"x\.pgpack/pack\.yaml:1:1: .*empty"),
    "invalid-utf-8": Bad(write(b"pg-guard/bundle/v1\nsignature: \xff\n\n"), r"x\.pgpack:2:1: .*ASCII"),
    "nul": Bad(write(b"pg-guard/bundle/v1\nsignature: none\n\0\n\n"), r"x\.pgpack:3:1: "),
    "50-mb": Bad(
        lambda path: (path.write_text("pg-guard/bundle/v1\n"), os.truncate(path, 50_000_000)),
        r"x\.pgpack: .*larger than",
    ),
    "directory": Bad(lambda path: path.mkdir(), "x.pgpack"),
    "missing": Bad(lambda _: None, "x.pgpack"),
    "pipe": Bad(os.mkfifo, r"x\.pgpack: .*not a regular file"),
    "device": Bad(lambda path: path.symlink_to("/dev/zero"), r"x\.pgpack: .*not a regular file"),
    "no-permission": Bad(lambda path: (path.write_text("x"), path.chmod(0)), r"x\.pgpack: .*permission denied"),
}


@pytest.mark.parametrize("kind", BUNDLES)
def test_a_bad_bundle_is_one_clear_error_of_every_command(kind: str, here: Path) -> None:
    skip_as_root(kind)
    BUNDLES[kind].make(here / "x.pgpack")
    (here / "bad.yaml").write_text(GOOD + "packs: [{use: core, path: x.pgpack}]\n")
    commands = [
        ["packs", "show", "x.pgpack"],
        ["packs", "verify", "x.pgpack"],
        ["packs", "docs", "x.pgpack", "--output", "site"],
        ["check", "SELECT 1", "--policy", "bad.yaml"],
        ["policy", "validate", "bad.yaml"],
        ["lint", "good.sql", "--rules", "x.pgpack"],
    ]
    for outcome in run_all(commands, here):
        assert_clear(outcome, "", BUNDLES[kind].place)


# -- statements ------------------------------------------------------------------------------------------------------

STATEMENTS = {
    "invalid-utf-8": Bad(write(b"SELECT 1;\nSELECT '\xff'\n"), r"bad\.sql: not UTF-8.*line 2"),
    "50-mb": Bad(lambda path: (path.write_text("SELECT 1;"), os.truncate(path, 50_000_000)), r"bad\.sql: longer than"),
    "directory": Bad(lambda path: path.mkdir(), r"bad\.sql|no \.sql file"),
    "missing": Bad(lambda _: None, r"bad\.sql"),
    "pipe": Bad(os.mkfifo, r"bad\.sql: .*nobody writes"),
    "device": Bad(lambda path: path.symlink_to("/dev/zero"), r"bad\.sql: longer than"),
    "self-link": Bad(lambda path: path.symlink_to(path.name), r"bad\.sql"),
    "no-permission": Bad(lambda path: (path.write_text("SELECT 1"), path.chmod(0)), r"bad\.sql: Permission denied"),
}


@pytest.mark.parametrize("kind", STATEMENTS)
def test_a_bad_file_of_statements_is_one_clear_error_of_every_command(kind: str, here: Path) -> None:
    skip_as_root(kind)
    STATEMENTS[kind].make(here / "bad.sql")
    commands = [
        ["check", "--file", "bad.sql", "--policy", "good.yaml"],
        ["lint", "bad.sql", "--policy", "good.yaml"],
        *([["diff", "good.yaml", "good.yaml", "--corpus", "bad.sql"]] if kind != "directory" else []),
        *([["explain", "bad.sql", "--policy", "good.yaml"]] if kind not in ("missing", "self-link") else []),
    ]
    for outcome in run_all(commands, here):
        assert_clear(outcome, "", STATEMENTS[kind].place)


def test_odd_statements_are_decided_and_never_break_a_command(here: Path) -> None:
    """A text that is no statement is a denial with a finding, not an error."""
    for number, text in enumerate((b"", b"\0", b"SELECT '\0'", b"(" * 20_000, b"\xef\xbb\xbfSELEC", b"'" * 9_999)):
        (here / f"{number}.sql").write_bytes(text)
    for outcome in run_all(
        [["check", "--file", f"{number}.sql", "--policy", "good.yaml"] for number in range(6)], here
    ):
        assert outcome.code == 1, outcome
        assert "denied: " in outcome.stdout
        assert outcome.stderr == ""


# -- catalogs, keys --------------------------------------------------------------------------------------------------

CATALOGS = {
    "empty": Bad(write(""), r"bad\.json"),
    "no-json": Bad(write("{\n 'a'"), r"bad\.json: .*line 2"),
    "other": Bad(write("{}"), r"bad\.json: not a catalog snapshot"),
    "newer": Bad(write('{"schema": "pg-guard/catalog/v9"}'), r"bad\.json: this pg-guard reads"),
    "wrong-type": Bad(write('{"schema": "pg-guard/catalog/v1", "relations": 1}'), r"bad\.json: a damaged catalog"),
    "deep": Bad(write("[" * 100_000), r"bad\.json: not a catalog snapshot"),
    "invalid-utf-8": Bad(write(b'{"schema": "\xff"}'), r"bad\.json: .*not UTF-8"),
    "nul": Bad(write("\0"), r"bad\.json"),
    "directory": Bad(lambda path: path.mkdir(), r"bad\.json"),
    "missing": Bad(lambda _: None, r"bad\.json"),
    "50-mb": Bad(lambda path: (path.write_text("["), os.truncate(path, 50_000_000)), r"bad\.json"),
    "device": Bad(lambda path: path.symlink_to("/dev/zero"), r"bad\.json"),
}


@pytest.mark.parametrize("kind", CATALOGS)
def test_a_bad_catalog_is_one_clear_error_of_every_command(kind: str, here: Path) -> None:
    CATALOGS[kind].make(here / "bad.json")
    commands = [
        ["check", "SELECT 1", "--policy", "good.yaml", "--catalog", "bad.json"],
        ["explain", "SELECT 1", "--policy", "good.yaml", "--catalog", "bad.json"],
        ["lint", "good.sql", "--policy", "good.yaml", "--catalog", "bad.json"],
        ["policy", "validate", "good.yaml", "--catalog", "bad.json"],
        ["test", "good.yaml", "--catalog", "bad.json"],
        ["diff", "good.yaml", "good.yaml", "--catalog", "bad.json"],
        ["replay", "log.jsonl", "--policy", "good.yaml", "--catalog", "bad.json"],
    ]
    for outcome in run_all(commands, here):
        assert_clear(outcome, "", CATALOGS[kind].place)


@pytest.mark.parametrize(
    "make",
    [
        write(""), write("x"), write(b"\xff\0"), write("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
        sparse, Path.mkdir, os.mkfifo, lambda path: path.symlink_to("/dev/zero"), lambda _: None,
    ],
    ids=["empty", "text", "binary", "damaged", "50-mb", "directory", "pipe", "device", "missing"],
)  # fmt: skip
def test_a_bad_key_is_one_clear_error_of_every_command(make: Callable[[Path], object], packs: Path) -> None:
    make(packs / "bad.key")
    commands = [
        ["packs", "sign", "packs/core", "--key", "bad.key"],
        ["packs", "bundle", "packs/core", "--output", "x.pgpack", "--key", "bad.key"],
        ["packs", "verify", "packs/core", "--key", "bad.key"],
    ]
    for outcome in run_all(commands, packs):
        assert_clear(outcome, "bad.key")
        assert outcome.code == 2
    assert not (packs / "x.pgpack").exists()


@pytest.mark.parametrize("path", ["", "x" * 5000, "a/" * 3000], ids=["nothing", "long", "deep"])
def test_a_path_that_cannot_be_one_is_one_clear_error(path: str, packs: Path) -> None:
    commands = [
        ["check", "SELECT 1", "--policy", path],
        ["check", "--file", path, "--policy", "good.yaml"],
        ["policy", "validate", path],
        ["lint", path, "--policy", "good.yaml"],
        ["lint", "good.sql", "--rules", path],
        *([["test", path]] if path else []),  # which means this directory
        ["fmt", path],
        ["diff", path, "good.yaml"],
        ["replay", path, "--policy", "good.yaml"],
        ["packs", "show", path],
        ["packs", "verify", path],
        ["packs", "list", path],
        ["packs", "update", path],
        ["packs", "new-rule", path, "name"],
        ["packs", "sign", "packs/core", "--key", path],
        ["packs", "verify", "packs/core", "--key", path],
        ["packs", "docs", "packs/core", "--output", path],
        ["packs", "bundle", "packs/core", "--output", f"{path}.pgpack" if path else path],
        ["packs", "keygen", path],
        ["check", "SELECT 1", "--policy", "good.yaml", "--catalog", path or "."],
    ]
    for outcome in run_all(commands, packs):
        assert outcome.code in (2, 3), outcome
        assert outcome.stdout + outcome.stderr
        assert "Traceback" not in outcome.stderr
        assert "unexpected" not in outcome.stderr, outcome
