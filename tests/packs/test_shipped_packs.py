"""Every rule that is shipped: documented, tested from both sides, and its working statements work on PostgreSQL 18.

`rule_ids.txt` lists every id that was ever shipped with its name. Ids are permanent: a rule that goes leaves its line
there, marked ``retired``, so that no other rule takes its id.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pg_guard.demo.database import load_sample_database
from pg_guard.demo.embedded import start
from pg_guard.policy.packs import load_pack
from pg_guard.policy.shipped import shipped_dir
from pg_guard.testing.database import run_statements
from pg_guard.testing.policies import run_policy
from pg_guard.testing.rules import RuleTests, cover_rule, load_rule_tests
from pg_guard.testing.run import catalog_for_tests

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pg_guard.testing.model import Result

FILES = sorted(shipped_dir("rules").glob("*/PG*.yaml"))
PACKS = sorted(path.parent for path in shipped_dir("rules").glob("*/pack.yaml"))
POLICIES = sorted(shipped_dir("policies").glob("*.yaml"))
REGISTER = Path(__file__).with_name("rule_ids.txt")
# Numbers of ids by pack, so that two packs never come near each other.
NUMBERS = {
    "core": range(100, 300),
    "pii": range(300, 400),
    "performance": range(400, 500),
    "quality": range(500, 600),
    "multitenant": range(600, 700),
    "compliance": range(700, 800),
}


def rule_id(path: Path) -> str:
    return f"{path.parent.name}/{path.name.partition('_')[0]}"


each_rule = pytest.mark.parametrize("path", FILES, ids=rule_id)


@cache
def load(path: Path) -> RuleTests:
    return load_rule_tests(str(path), catalog_for_tests)


@cache
def outcomes(path: Path) -> tuple[Result, ...]:
    tests = load(path)
    return tuple(tests.run(case) for case in tests.cases)


@pytest.fixture(scope="session")
async def disposable_dsn(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The sample database on a server of its own: the statements may do to it what they are refused for."""
    with start(tmp_path_factory.mktemp("packs")) as server:
        yield await load_sample_database(server.dsn)


# -- rules -------------------------------------------------------------------------------------------------------------


@each_rule
def test_the_tests_of_a_rule_pass(path: Path) -> None:
    failed = [
        f"{result.case.place} {result.case.name}: {result.failure}" for result in outcomes(path) if result.failure
    ]
    assert failed == []


@each_rule
def test_a_rule_is_tested_from_both_sides(path: Path) -> None:
    rule = load(path).rule
    assert cover_rule(rule.id, rule.title, str(path), outcomes(path)).missing == ""


@each_rule
def test_a_statement_that_must_not_fire_names_what_exists(path: Path) -> None:
    # A rule that finds nothing because there is no such table proves nothing.
    empty = [result.note for result in outcomes(path) if result.case.expect == "allow" and result.note]
    assert empty == []


@each_rule
async def test_what_works_on_postgresql_works(path: Path, disposable_dsn: str) -> None:
    cases = [case for case in load(path).cases if case.works_on is not None]
    assert all(case.works_on == 18 for case in cases), "only PostgreSQL 18 is at hand"
    ran = await run_statements(disposable_dsn, [case.sql for case in cases], read_only=False)
    assert [f"{case.place}: {one.error}" for case, one in zip(cases, ran, strict=True) if one.error] == []


@each_rule
def test_a_rule_says_what_it_is_for(path: Path) -> None:
    rule = load(path).rule
    for text in (rule.title, rule.description, rule.rationale, rule.message, rule.remediation):
        assert text.strip()
    assert rule.references, "a reader wants to check the reason"
    assert rule.false_positives, "say whom the rule disturbs"
    assert rule.tags
    assert rule.description.strip() != rule.rationale.strip()


@each_rule
def test_file_name_id_and_name_agree(path: Path) -> None:
    rule = load(path).rule
    assert rule.id == rule_id(path)
    assert path.name == f"{rule.id.partition('/')[2]}_{rule.name.replace('-', '_')}.yaml"
    assert int(rule.id.partition("/PG")[2]) in NUMBERS[path.parent.name]


@each_rule
def test_a_rule_begins_with_its_schema_for_editors(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# yaml-language-server: $schema=")
    assert (path.parent / first.partition("=")[2]).resolve().is_file()


# -- all together ------------------------------------------------------------------------------------------------------


def register() -> dict[str, tuple[str, bool]]:
    """By id, the rule's name and whether it is retired."""
    entries = {}
    for line in REGISTER.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            identifier, name, *rest = line.split()
            assert identifier not in entries, f"{identifier} stands twice"
            entries[identifier] = (name, rest == ["retired"])
    return entries


def test_ids_and_names_are_unique() -> None:
    rules = [load(path).rule for path in FILES]
    assert len({rule.id for rule in rules}) == len(rules)
    numbers = [rule.id.partition("/")[2] for rule in rules]
    assert len(set(numbers)) == len(numbers)
    assert len({(rule.pack, rule.name) for rule in rules}) == len(rules)


def test_ids_are_never_reused() -> None:
    known = register()
    shipped = {load(path).rule.id: load(path).rule.name for path in FILES}
    new = sorted(f"{identifier} {name}" for identifier, name in shipped.items() if identifier not in known)
    assert new == [], f"add to {REGISTER.name}"
    assert [identifier for identifier, name in shipped.items() if known[identifier] != (name, False)] == []
    gone = [identifier for identifier, (_, retired) in known.items() if identifier not in shipped and not retired]
    assert gone == [], f"mark as retired in {REGISTER.name}"


@pytest.mark.parametrize("path", PACKS, ids=lambda path: path.name)
def test_the_digests_of_a_pack_hold(path: Path) -> None:
    pack = load_pack(path)
    assert pack.name == path.name
    assert {rule.id for rule in pack.rules} == {rule_id(file) for file in FILES if file.parent == path}
    assert pack.description
    assert pack.owner
    assert pack.licence


def test_the_packs_are_whole() -> None:
    assert {path.name for path in PACKS} == set(NUMBERS)
    assert len(FILES) >= 80


# -- policies ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_the_tests_of_a_shipped_policy_pass(path: Path) -> None:
    suite = run_policy(str(path), coverage=True, environ={})
    assert suite.valid, suite.problems
    missing = [clause.path for clause in suite.clauses if not clause.covered]
    # Functions that are allowed with their argument types are found by a catalog only.
    wanted = [f"functions.allow[{index}]" for index in (1, 2, 3)] if path.stem == "demo" else []
    assert missing == wanted
    assert [result.failure for result in suite.results if result.failure] == []
    assert path.read_text(encoding="utf-8").startswith("# yaml-language-server: $schema=")
