"""Packs on disk: what was audited is what is loaded."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from pg_guard.errors import PolicyError, UsageError
from pg_guard.policy.packs import find_pack, load_pack, shipped_packs, write_manifest

if TYPE_CHECKING:
    from pathlib import Path

RULE = """\
schema: pg-guard/rule/v1
id: acme/PG{number}
name: {name}
title: A rule
severity: low
description: It is described.
rationale: It is bad.
match: {{column: {{name: {name}}}}}
message: fired
remediation: Do not.
effect: deny
"""
MANIFEST = """\
# What this is.
schema: pg-guard/pack/v1
name: acme
version: 1.2.3  # of the pack
files:
  PG999_gone.yaml: sha256:0
title: Rules of Acme
requires: ">=0"
"""


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    directory = tmp_path / "packs" / "acme"
    directory.mkdir(parents=True)
    (directory / "pack.yaml").write_text(MANIFEST)
    (directory / "README.md").write_text("Not a rule.")
    for number, name in ((101, "ssn"), (102, "iban")):
        (directory / f"PG{number}_{name}.yaml").write_text(RULE.format(number=number, name=name))
    write_manifest(directory)
    return directory


def problems(directory: Path) -> list[str]:
    with pytest.raises(PolicyError) as caught:
        load_pack(directory)
    return [str(problem).replace(f"{directory}/", "") for problem in caught.value.problems]


def test_a_pack_is_loaded_with_its_digests(pack: Path) -> None:
    loaded = load_pack(pack)
    assert (loaded.name, loaded.version, loaded.title) == ("acme", "1.2.3", "Rules of Acme")
    assert [rule.id for rule in loaded.rules] == ["acme/PG101", "acme/PG102"]
    assert list(loaded.files) == ["PG101_ssn.yaml", "PG102_iban.yaml"]
    assert loaded.digest == load_pack(pack / "pack.yaml").digest
    assert loaded.rule("acme/PG102") is loaded.rules[1]
    assert loaded.rule("acme/PG103") is None


def test_writing_digests_keeps_the_rest_of_the_file(pack: Path) -> None:
    text = (pack / "pack.yaml").read_text()
    assert text.startswith("# What this is.\n")
    assert "version: 1.2.3  # of the pack\n" in text
    assert "PG999_gone" not in text
    assert 'requires: ">=0"\n' in text
    write_manifest(pack)
    assert (pack / "pack.yaml").read_text() == text


def test_a_changed_file_is_refused_and_changes_the_digest(pack: Path) -> None:
    before = load_pack(pack).digest
    file = pack / "PG101_ssn.yaml"
    file.write_text(file.read_text().replace("severity: low", "severity: info"))
    (problem,) = problems(pack)
    assert problem.startswith("pack.yaml:8:")  # the digest's own place
    assert "'PG101_ssn.yaml' is not the one that the digest is of" in problem
    assert load_pack(pack, verify=False).rules[0].severity == "info"
    write_manifest(pack)
    assert load_pack(pack).digest != before


def test_a_missing_file_is_refused(pack: Path) -> None:
    (pack / "PG101_ssn.yaml").unlink()
    (problem,) = problems(pack)
    assert "the file 'PG101_ssn.yaml' is missing" in problem


@pytest.mark.parametrize("name", ["PG103_more.yaml", "notes.yml", "deep/PG103_more.yaml"])
def test_a_file_that_is_not_listed_is_refused(pack: Path, name: str) -> None:
    (pack / name).parent.mkdir(exist_ok=True)
    (pack / name).write_text(RULE.format(number=103, name="more"))
    assert any(f"the file '{name}' is not listed" in problem for problem in problems(pack))


def test_two_rules_of_one_id_are_refused(pack: Path) -> None:
    (pack / "PG101_other.yaml").write_text(RULE.format(number=101, name="other"))
    write_manifest(pack)
    (problem,) = problems(pack)
    assert "two rules have the id 'acme/PG101'" in problem


def test_a_rule_of_another_pack_or_name_is_refused(pack: Path) -> None:
    (pack / "PG103_more.yaml").write_text(RULE.format(number=104, name="more").replace("acme/", "core/"))
    write_manifest(pack)
    assert problems(pack) == [
        "PG103_more.yaml:1:1: id: 'core/PG104' is not a rule of the pack 'acme'",
        "PG103_more.yaml:1:1: id: the file is not named as its rule (name it PG104_more.yaml)",
    ]


def test_every_fault_of_every_file_is_told_in_its_place(pack: Path) -> None:
    for name in ("PG101_ssn.yaml", "PG102_iban.yaml"):
        (pack / name).write_text((pack / name).read_text().replace("column:", "colum:"))
    write_manifest(pack)
    assert [problem.split(" ")[0] for problem in problems(pack)] == ["PG101_ssn.yaml:8:9:", "PG102_iban.yaml:8:9:"]


@pytest.mark.parametrize(
    ("written", "instead", "expected"),
    [
        ("name: acme", "name: ../acme", "pack.yaml:3:7: name: '../acme' does not have the form"),
        ("version: 1.2.3", "version: newest", "pack.yaml:4:10: version: 'newest' is not a version"),
        ("title: Rules", "titel: Rules", "unknown key 'titel' (did you mean 'title'?)"),
        ('">=0"', '">=99"', "the pack needs pg-guard >=99"),
        ('">=0"', "new", "'new' is not a list of versions"),
        ("schema: pg-guard/pack/v1", "schema: pg-guard/pack/v2", "pack.yaml:2:9: schema:"),
        ("sha256:", "md5:", "does not have the form"),
    ],
)
def test_each_fault_of_a_manifest_is_told(pack: Path, written: str, instead: str, expected: str) -> None:
    file = pack / "pack.yaml"
    file.write_text(file.read_text().replace(written, instead))
    assert any(expected in problem for problem in problems(pack))


def test_a_pack_is_found_by_name(pack: Path) -> None:
    assert find_pack("acme", [pack.parent]).name == "acme"
    with pytest.raises(UsageError, match="there is no rule pack 'acme'"):
        find_pack("acme")
    with pytest.raises(UsageError, match="did you mean 'acme'"):
        find_pack("acmee", [pack.parent])


@pytest.mark.parametrize("name", ["../acme", "acme/../acme", "/etc", "", ".", "acme\n", "ACME"])
def test_a_name_leads_nowhere_else(pack: Path, name: str) -> None:
    with pytest.raises(UsageError):
        find_pack(name, [pack.parent])


def test_a_shipped_pack_cannot_be_replaced_by_one_beside_the_policy(pack: Path) -> None:
    shutil.copytree(pack, pack.parent / "core")
    assert find_pack("core", [pack.parent]).path != pack.parent / "core"


def test_there_is_no_pack_where_there_is_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no pack"):
        load_pack(tmp_path)
    with pytest.raises(UsageError):
        load_pack("a\0b")


def test_the_shipped_packs_are_as_they_were_audited() -> None:
    packs = shipped_packs()
    assert "core" in {pack.name for pack in packs}
    ids = [rule.id for pack in packs for rule in pack.rules]
    assert len(ids) == len(set(ids))
