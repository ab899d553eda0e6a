from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pg_guard.errors import PolicyError
from pg_guard.policy.load import LoadedPolicy, load_policy
from pg_guard.policy.model import CapabilityPattern

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "schema: pg-guard/policy/v1\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def extend(here: Path, base: str, top: str) -> LoadedPolicy:
    """Load a policy whose body begins on line 3, over a base whose body begins on line 2."""
    (here / "base.yaml").write_text(HEAD + base)
    (here / "top.yaml").write_text(HEAD + "extends: [./base.yaml]\n" + top)
    return load_policy("top.yaml", environ={})


def refusal(here: Path, base: str, top: str) -> list[str]:
    with pytest.raises(PolicyError) as caught:
        extend(here, base, top)
    return [str(problem) for problem in caught.value.problems]


def at(policy: Any, path: str) -> Any:
    for step in path.split("."):
        policy = getattr(policy, step)
    return policy


NARROWED = [
    ("mode: monitor", "mode: enforce", "mode", "enforce"),
    ("mode: monitor", "", "mode", "monitor"),
    ("statements: {allow: [select, explain]}", "statements: {allow: [select]}", "statements.allow", ("select",)),
    ("statements: {allow: [show]}", "", "statements.allow", ("show",)),
    ("", "statements: {allow: [show]}", "statements.allow", ("show",)),
    ("search_path: [a, b, c]", "search_path: [a, c]", "search_path", ("a", "c")),
    ("", "search_path: [a]", "search_path", ("a",)),
    ("tables: {deny: [a, b]}", "tables: {deny: [b, c]}", "tables.deny", ("a", "b", "c")),
    ("tables: {deny: [a]}", "tables: {deny: []}", "tables.deny", ("a",)),
    ("tables: {default: deny, allow: [a]}", "tables: {deny: [b]}", "tables.default", "deny"),
    ("tables: {default: deny, allow: ['hr.*']}", "tables: {allow: ['hr.j*']}", "tables.allow", ("hr.j*",)),
    ("tables: {default: deny, allow: ['a_*']}", "tables: {allow: ['a_b*']}", "tables.allow", ("a_b*",)),
    ("tables: {default: deny, allow: [orders]}", "tables: {allow: [app.orders]}", "tables.allow", ("app.orders",)),
    ("tables: {default: deny}", "tables: {allow: [anything]}", "tables.allow", ("anything",)),
    ("tables: {default: allow}", "tables: {default: deny, allow: [x]}", "tables.allow", ("x",)),
    ("joins: {max_tables: 6}", "joins: {max_tables: 4}", "joins.max_tables", 4),
    ("joins: {max_tables: 6}", "joins: {}", "joins.max_tables", 6),
    ("joins: {max_tables: null}", "joins: {max_tables: 4}", "joins.max_tables", 4),
    ("limits: {rows: 10}", "limits: {depth: 5}", "limits.rows", 10),
    ("limits: {depth: 9}", "limits: {rows: 5000}", "limits.rows", 5000),
    ("limits: {statement_timeout: 1min}", "limits: {statement_timeout: 59s}", "limits.statement_timeout", 59.0),
    ("limits: {result_bytes: 1MB}", "limits: {result_bytes: 900kB}", "limits.result_bytes", 900_000),
    ("functions: {deny: [a]}", "functions: {deny: [b, {capability: wal}]}", "functions.deny.0", "a"),
    ("functions: {allow: ['st_*']}", "functions: {allow: [st_area, 'st_area(geo)']}", "functions.allow.0", "st_area"),
    ("functions: {user_defined: allow_listed}", "functions: {user_defined: deny}", "functions.user_defined", "deny"),
    ("functions: {mode: denylist}", "functions: {allow: [f]}", "functions.mode", "allowlist"),
]


@pytest.mark.parametrize(("base", "top", "path", "value"), NARROWED)
def test_a_policy_may_narrow_what_it_extends(here: Path, base: str, top: str, path: str, value: object) -> None:
    found: Any = extend(here, base, top).policy
    for step in path.split("."):
        found = found[int(step)] if step.isdigit() else getattr(found, step)
    assert found == value


LOOSENED = [
    ("mode: enforce", "mode: monitor", "top.yaml:3:7: mode: allows more than base.yaml, which says enforce"),
    (
        "search_path: [a, b]",
        "search_path: [b, a]",
        'top.yaml:3:14: search_path: allows more than base.yaml, which says ["a',
    ),
    ("search_path: [a]", "search_path: [a, b]", "top.yaml:3:14: search_path: "),
    ("search_path: [a]", "search_path: null", "top.yaml:3:14: search_path: "),
    (
        "statements: {allow: [select]}",
        "statements: {allow: [select, show]}",
        "top.yaml:3:30: statements.allow[1]: allows more than base.yaml",
    ),
    ("tables: {default: deny}", "tables: {default: allow}", "top.yaml:3:19: tables.default: "),
    ("tables: {default: deny, allow: [a]}", "tables: {allow: [a, b]}", "top.yaml:3:21: tables.allow[1]: "),
    ("tables: {default: deny, allow: ['a*']}", "tables: {allow: ['*']}", "top.yaml:3:18: tables.allow[0]: "),
    # A name without wildcards marks a view as reviewed, and no wildcard of a base did that.
    ("tables: {default: deny, allow: ['a*']}", "tables: {allow: [ab]}", "top.yaml:3:18: tables.allow[0]: "),
    ("tables: {deny: [x]}", "tables: {allow: [ab]}", "top.yaml:3:18: tables.allow[0]: "),
    ("columns: {deny: {a: [x]}}", "tables: {default: deny, allow: ['a*', ab]}", "top.yaml:3:39: tables.allow[1]: "),
    # Nor does a wildcard open a system schema.
    ("tables: {default: deny, allow: ['*']}", "tables: {allow: ['pg_catalog.*']}", "top.yaml:3:18: tables.allow[0]: "),
    ("tables: {default: deny, allow: [hr.a]}", "tables: {allow: [a]}", "top.yaml:3:18: tables.allow[0]: "),
    ("joins: {max_tables: 6}", "joins: {max_tables: 7}", "top.yaml:3:21: joins.max_tables: "),
    ("joins: {max_tables: 6}", "joins: {max_tables: null}", "top.yaml:3:21: joins.max_tables: "),
    (
        "limits: {rows: 10}",
        "limits: {rows: 11}",
        "top.yaml:3:16: limits.rows: allows more than base.yaml, which says 10 ",
    ),
    ("limits: {result_bytes: 1MB}", "limits: {result_bytes: 1MiB}", "top.yaml:3:24: limits.result_bytes: "),
    ("functions: {mode: allowlist}", "functions: {mode: denylist}", "top.yaml:3:19: functions.mode: "),
    ("functions: {allow: [f]}", "functions: {mode: denylist}", "top.yaml:3:19: functions.mode: "),
    ("functions: {allow: [f]}", "functions: {allow: [g]}", "top.yaml:3:21: functions.allow[0]: "),
    ("functions: {allow: ['f(int)']}", "functions: {allow: [f]}", "top.yaml:3:21: functions.allow[0]: "),
    (
        "functions: {allow: [{capability: pure}]}",
        "functions: {allow: [{capability: [pure, clock]}]}",
        "top.yaml:3:21: functions.allow[0]: ",
    ),
    ("functions: {allow: [{capability: pure}]}", "functions: {allow: [lower]}", "top.yaml:3:21: functions.allow[0]: "),
    (
        "functions: {user_defined: deny}",
        "functions: {user_defined: allow_listed}",
        "top.yaml:3:27: functions.user_defined: ",
    ),
]


@pytest.mark.parametrize(("base", "top", "expected"), LOOSENED)
def test_a_loosening_is_refused_where_it_stands(here: Path, base: str, top: str, expected: str) -> None:
    (problem,) = refusal(here, base, top)
    assert problem.startswith(expected)
    assert "allows more than base.yaml" in problem


@pytest.mark.parametrize(("base", "top", "expected"), [case for case in LOOSENED if "{" in case[1]])
def test_a_reason_beside_it_permits_a_loosening(here: Path, base: str, top: str, expected: str) -> None:
    section = top.partition(":")[0]
    policy = extend(here, base, top.removesuffix("}") + ", reason: reviewed in March}").policy
    assert at(policy, f"{section}.reason") == "reviewed in March"


def test_a_reason_replaces_the_value_of_the_base(here: Path) -> None:
    top = "joins: {max_tables: 10, reason: quarter-end reports}"
    assert extend(here, "joins: {max_tables: 6}", top).policy.joins.max_tables == 10


def test_a_reason_in_one_section_says_nothing_of_another(here: Path) -> None:
    problems = refusal(
        here, "joins: {max_tables: 6}\nlimits: {rows: 5}", "joins: {max_tables: 9, reason: x}\nlimits: {rows: 6}"
    )
    assert [problem.split(": ")[1] for problem in problems] == ["limits.rows"]


def test_an_empty_reason_permits_nothing(here: Path) -> None:
    assert refusal(here, "joins: {max_tables: 6}", "joins: {max_tables: 9, reason: null}")


def test_a_reason_never_removes_a_denial(here: Path) -> None:
    base = "tables: {deny: [a]}\ncolumns: {deny: {t: [x]}}\nfunctions: {deny: [f]}"
    top = "tables: {deny: [], reason: r}\ncolumns: {deny: {}, reason: r}\nfunctions: {deny: [], reason: r}"
    policy = extend(here, base, top).policy
    assert (policy.tables.deny, policy.columns.deny, policy.functions.deny) == (("a",), {"t": ("x",)}, ("f",))


def test_denials_of_columns_are_joined(here: Path) -> None:
    policy = extend(here, "columns: {deny: {a: [x], b: [y]}}", "columns: {deny: {b: [z, y], c: [w]}}").policy
    assert policy.columns.deny == {"a": ("x",), "b": ("y", "z"), "c": ("w",)}


def test_where_requirements_are_joined_and_repetitions_go(here: Path) -> None:
    policy = extend(here, "where: [{table: a}, {table: b}]", "where: [{table: b}, {table: c, columns: [t]}]").policy
    assert [requirement.table for requirement in policy.where] == [("a",), ("b",), ("c",)]


def test_metadata_is_the_files_own_and_tests_are_not_inherited(here: Path) -> None:
    base = "metadata: {name: base}\ntests: [{name: x, sql: SELECT 1, expect: allow}]"
    policy = extend(here, base, "metadata: {name: top}").policy
    assert policy.metadata.name == "top"
    assert policy.tests == ()
    assert policy.extends == ()


def test_sections_left_out_come_from_the_base_with_their_places(here: Path) -> None:
    loaded = extend(here, "tables: {deny: ['*']}", "mode: enforce")
    assert [str(problem).split(" ")[0] for problem in loaded.problems] == ["base.yaml:2:17:"]
    assert loaded.sources == ("base.yaml", "top.yaml")


def test_places_survive_the_joining_of_lists(here: Path) -> None:
    loaded = extend(here, "tables: {deny: [a]}", "tables: {deny: [a, '*']}")
    assert loaded.policy.tables.deny == ("a", "*")
    assert [str(problem).split(" ")[0] for problem in loaded.problems] == ["top.yaml:3:20:"]


def write(here: Path, **files: str) -> None:
    for name, text in files.items():
        (here / f"{name}.yaml").write_text(HEAD + text)


def load(name: str) -> LoadedPolicy:
    return load_policy(name, environ={})


def problems_of(name: str) -> list[str]:
    with pytest.raises(PolicyError) as caught:
        load(name)
    return [str(problem) for problem in caught.value.problems]


def test_chains_narrow_step_by_step(here: Path) -> None:
    write(
        here,
        a="limits: {rows: 30}",
        b="extends: [a.yaml]\nlimits: {rows: 20}",
        c="extends: [b.yaml]\nlimits: {rows: 25}",
    )
    (problem,) = problems_of("c.yaml")
    assert problem.startswith("c.yaml:3:16: limits.rows: allows more than b.yaml, which says 20")


def test_of_two_bases_what_both_allow_remains(here: Path) -> None:
    write(
        here,
        a="limits: {rows: 30, depth: 5}\ntables: {default: deny, allow: ['app.*', x]}\n"
        "functions: {allow: [{capability: [pure, clock]}]}",
        b="limits: {rows: 20}\ntables: {default: deny, allow: ['app.t*', y]}\nfunctions: {allow: [{capability: pure}]}",
        c="extends: [a.yaml, b.yaml]",
    )
    policy = load("c.yaml").policy
    assert (policy.limits.rows, policy.limits.depth) == (20, 5)
    assert policy.tables.allow == ("app.t*",)
    assert policy.functions.allow == (CapabilityPattern(capability=("pure",)),)


def test_a_base_of_two_bases_is_read_once(here: Path) -> None:
    write(
        here,
        root="tables: {deny: [r]}",
        a="extends: [root.yaml]\ntables: {deny: [a]}",
        b="extends: [root.yaml]\ntables: {deny: [b]}",
        c="extends: [a.yaml, b.yaml]",
    )
    loaded = load("c.yaml")
    assert loaded.policy.tables.deny == ("r", "a", "b")
    assert loaded.sources == ("root.yaml", "a.yaml", "b.yaml", "c.yaml")


def test_paths_are_relative_to_the_file_that_names_them(here: Path) -> None:
    (here / "sub").mkdir()
    (here / "sub" / "a.yaml").write_text(HEAD + "extends: [../b.yaml]")
    write(here, b="limits: {rows: 7}", c="extends: [sub/a.yaml]")
    loaded = load("c.yaml")
    assert loaded.policy.limits.rows == 7
    assert loaded.sources == ("b.yaml", "sub/a.yaml", "c.yaml")


def test_a_missing_base_is_named_where_it_is_asked_for(here: Path) -> None:
    write(here, a="extends:\n  - nowhere.yaml")
    (problem,) = problems_of("a.yaml")
    assert problem.startswith("a.yaml:3:5: extends[0]: cannot read nowhere.yaml: no such file or directory")


def test_a_directory_is_not_a_base(here: Path) -> None:
    write(here, a="extends: [.]")
    (problem,) = problems_of("a.yaml")
    assert problem.startswith("a.yaml:2:11: extends[0]: cannot read .: is a directory")


def test_circles_are_refused(here: Path) -> None:
    write(here, a="extends: [b.yaml]", b="extends: [./a.yaml]", c="extends: [c.yaml]")
    assert problems_of("a.yaml") == [
        "b.yaml:2:11: extends[0]: the policy extends itself: a.yaml → b.yaml → a.yaml (break the circle)"
    ]
    assert problems_of("c.yaml") == [
        "c.yaml:2:11: extends[0]: the policy extends itself: c.yaml → c.yaml (break the circle)"
    ]


def test_long_chains_are_refused(here: Path) -> None:
    write(here, **{f"p{n}": f"extends: [p{n + 1}.yaml]" for n in range(12)}, p12="")
    (problem,) = problems_of("p0.yaml")
    assert problem.startswith("p10.yaml:2:11: extends[0]: more than 10 policies extend each other")
    assert load("p2.yaml").sources[0] == "p12.yaml"


def test_problems_of_bases_come_with_their_own_places_and_before(here: Path) -> None:
    write(here, base="mode: x\ncolumns: {on_star: omit}", top="extends: [base.yaml, gone.yaml]\nmode: y")
    assert [problem.split(": ")[0] for problem in problems_of("top.yaml")] == [
        "base.yaml:2:7",
        "base.yaml:3:20",
        "top.yaml:2:22",
        "top.yaml:3:7",
    ]


def test_a_base_that_is_not_yaml_is_reported(here: Path) -> None:
    (here / "base.yaml").write_text("a: [")
    write(here, top="extends: [base.yaml]")
    (problem,) = problems_of("top.yaml")
    assert problem.startswith("base.yaml:1:5: not valid YAML")


def test_of_two_bases_neither_reviews_views_over_what_the_other_denies(here: Path) -> None:
    write(
        here,
        a="tables: {deny: ['hr.*'], allow: [report]}",
        b="tables: {allow: [team, report]}",
        c="extends: [a.yaml, b.yaml]",
        d="extends: [b.yaml, a.yaml]",
    )
    assert load("c.yaml").policy.tables.allow == ("report",)
    assert load("d.yaml").policy.tables.allow == ("report",)


@pytest.mark.parametrize("base", ["functions: {deny: [pg_sleep]}", "functions: {mode: allowlist, allow: [lower]}"])
def test_a_view_that_an_extension_reviews_may_not_call_what_the_base_denies(here: Path, base: str) -> None:
    write(here, base=base, top="extends: [base.yaml]\ntables: {allow: [public.report]}")
    (problem,) = problems_of("top.yaml")
    assert "counts as reviewed" in problem
    write(here, base=base, top="extends: [base.yaml]\ntables: {allow: [public.report], reason: reviewed by data}")
    assert load("top.yaml").policy.tables.allow == ("public.report",)
