"""What a policy says about rule packs: which, in which version, with which parameters, changes and exceptions."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from pg_guard.catalog.model import Catalog, Column, Name, Relation
from pg_guard.checks import pack as pack_module
from pg_guard.checks.pack import PackCheck
from pg_guard.demo.snapshot import snapshot_file
from pg_guard.errors import PolicyError
from pg_guard.guard import Guard
from pg_guard.policy.load import load_policy, parse_policy
from pg_guard.policy.packs import load_pack, write_manifest

HEAD = "schema: pg-guard/policy/v1\nsearch_path: [public]\n"
RULE = """\
schema: pg-guard/rule/v1
id: acme/PG{number}
name: rule-{number}
title: A rule
severity: medium
description: It is described.
rationale: It is bad.
{match}
message: fired
remediation: Do not.
"""
PARAMETER = """\
parameters:
  names: {default: [ssn]}
match: {column: {name: $names}}
effect: deny
"""
LARGE = """\
parameters:
  rows: {default: 10}
match: {relation: {rows_over: $rows}}
effect: warn
unresolved: skip
"""


def catalog_of(*names: tuple[str, str], columns: tuple[str, ...] = ()) -> Catalog:
    own = tuple(Column(name, Name("pg_catalog", "text")) for name in columns)
    return Catalog(relations=tuple(Relation(schema, name, "table", own) for schema, name in names))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with `packs/acme` in it, which is also the working directory."""
    directory = tmp_path / "packs" / "acme"
    directory.mkdir(parents=True)
    (directory / "pack.yaml").write_text("schema: pg-guard/pack/v1\nname: acme\nversion: 1.2.3\ntitle: Acme\n")
    for number, match in ((101, PARAMETER), (102, LARGE)):
        (directory / f"PG{number}_rule.yaml").write_text(RULE.format(number=number, match=match))
    write_manifest(directory)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return Catalog.from_json(snapshot_file())


def guard(body: str, catalog: Catalog | None = None) -> Guard:
    loaded = parse_policy(HEAD + body, "p.yaml")
    return Guard(loaded.policy, catalog, loaded.packs)


def rules(body: str, sql: str, catalog: Catalog | None = None) -> dict[str, str]:
    return {each.rule: each.effect for each in guard(body, catalog).check(sql).findings if "acme" in each.rule}


def problems(body: str) -> list[str]:
    with pytest.raises(PolicyError) as caught:
        parse_policy(HEAD + body, "p.yaml")
    return [str(problem) for problem in caught.value.problems]


# -- packs -----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("here")
def test_rules_of_a_pack_are_in_force(catalog: Catalog) -> None:
    assert rules("packs: [{use: acme}]", "SELECT ssn FROM customers", catalog) == {
        "acme/PG101": "deny",
        "acme/PG102": "warn",
    }
    assert rules("packs: []", "SELECT ssn FROM customers", catalog) == {}


def test_a_policy_file_finds_the_packs_beside_it(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "p.yaml").write_text(HEAD + "packs: [{use: acme}]")
    monkeypatch.chdir("/")
    assert [pack.name for pack in Guard.load(here / "p.yaml").packs] == ["acme"]


def test_a_policy_finds_the_packs_beside_what_it_extends(here: Path) -> None:
    (here / "p.yaml").write_text(HEAD + "packs: [{use: acme}]")
    (here / "sub").mkdir()
    (here / "sub" / "top.yaml").write_text("schema: pg-guard/policy/v1\nextends: [../p.yaml]")
    assert [pack.name for pack in load_policy(here / "sub" / "top.yaml", environ={}).packs] == ["acme"]


@pytest.mark.usefixtures("here")
def test_decisions_carry_the_digests_of_packs() -> None:
    with_pack, without = guard("packs: [{use: acme}]"), guard("")
    digests = with_pack.check("SELECT 1").digests
    assert digests["pack:acme"] == load_pack("packs/acme").digest
    assert len(digests["packs"]) == 64
    assert "packs" not in without.check("SELECT 1").digests
    assert with_pack.digest != without.digest
    before = with_pack.digest
    file = Path("packs/acme/PG101_rule.yaml")
    file.write_text(file.read_text().replace("severity: medium", "severity: high"))
    write_manifest("packs/acme")
    assert guard("packs: [{use: acme}]").digest != before


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("packs: [{use: acmee}]", "p.yaml:3:15: packs[0].use: there is no rule pack 'acmee' (did you mean 'acme'?)"),
        (
            'packs: [{use: acme, version: "~=2.0"}]',
            "p.yaml:3:30: packs[0].version: the pack 'acme' is 1.2.3, which '~=2.0' does not accept",
        ),
        ("packs: [{use: acme, version: newest}]", "p.yaml:3:30: packs[0].version: 'newest' is not a list of versions"),
        (
            "packs: [{use: acme, parameters: {name: [a]}}]",
            "p.yaml:3:34: packs[0].parameters.name: no rule of 'acme' has a parameter 'name' (did you mean 'names'?)",
        ),
        (
            "packs: [{use: acme, parameters: {names: 5}}]",
            "p.yaml:3:41: packs[0].parameters.names: is not text or a list of texts, as acme/PG101 wants it",
        ),
        (
            "packs: [{use: acme, parameters: {rows: many}}]",
            "p.yaml:3:40: packs[0].parameters.rows: is not a number, as acme/PG102 wants it",
        ),
        (
            "packs: [{use: acme, parameters: {rows: true}}]",
            "p.yaml:3:40: packs[0].parameters.rows: is not a number, as acme/PG102 wants it",
        ),
        (
            "packs: [{use: acme, parameters: {names: []}}]",
            "p.yaml:3:41: packs[0].parameters.names: is empty, so that acme/PG101 would look for nothing",
        ),
        ("packs: [{use: acme, pin: 1}]", "p.yaml:3:21: packs[0].pin: unknown key 'pin'"),
        (
            "packs: [{use: acme}]\nrules: {acme/PG1O1: {effect: warn, reason: x}}",
            "p.yaml:4:9: rules[\"acme/PG1O1\"]: there is no rule 'acme/PG1O1' in the packs of this policy (did you mean ",
        ),
        (
            "rules: {acme/PG101: {effect: warn, reason: x}}",
            "p.yaml:3:9: rules[\"acme/PG101\"]: the policy does not use the pack 'acme' (add it under packs, as in - {use: acme})",
        ),
        (
            "packs: [{use: acme}]\nrules: {acme/PG101: {effect: warn}}",
            "p.yaml:4:21: rules[\"acme/PG101\"]: the key 'reason' is missing",
        ),
        (
            "packs: [{use: acme}]\nrules: {acme/PG101: {effect: none, reason: x}}",
            "p.yaml:4:30: rules[\"acme/PG101\"].effect: 'none' is not",
        ),
        (
            "packs: [{use: acme}]\nexceptions: [{id: E, rules: [acme/PG999], reason: r, approved_by: me, expires: 2999-01-01}]",
            "p.yaml:4:30: exceptions[0].rules[0]: there is no rule 'acme/PG999' in the packs of this policy",
        ),
        (
            "packs: [{use: acme}]\nexceptions: [{id: E, rules: [acme/PG101], reason: r, approved_by: me, expires: 2020-01-01}]",
            "p.yaml:4:80: exceptions[0].expires: the exception expired on 2020-01-01",
        ),
        (
            "packs: [{use: acme}]\nexceptions: [{id: E, rules: [tables/denied], reason: r, approved_by: me, expires: 2999-01-01}]",
            "p.yaml:4:30: exceptions[0].rules[0]: the policy does not use the pack 'tables'",
        ),
    ],
)
def test_each_fault_has_its_place(body: str, expected: str) -> None:
    (found,) = problems(body)
    assert found.startswith(expected)


def test_a_damaged_pack_stops_the_policy_that_uses_it(here: Path) -> None:
    file = here / "packs" / "acme" / "PG101_rule.yaml"
    file.write_text(file.read_text().replace("deny", "warn"))
    (found,) = problems("packs: [{use: acme}]")
    assert "packs/acme/pack.yaml:6:" in found


def test_a_policy_as_a_value_takes_the_packs_that_it_is_given(here: Path) -> None:
    policy = parse_policy(HEAD + "packs: [{use: acme}]", "p.yaml").policy
    pack = load_pack(here / "packs" / "acme")
    assert Guard(policy, packs=[pack]).packs == (pack,)
    with pytest.raises(PolicyError, match="there is no rule pack 'acme'"):
        Guard(policy)
    with pytest.raises(PolicyError, match="'acme' is not among those given"):
        Guard(policy, packs=[])
    with pytest.raises(PolicyError, match="two of the packs given have the same name"):
        Guard(policy, packs=[pack, pack])


# -- parameters and changes ------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("here")
def test_parameters_take_the_place_of_defaults(catalog: Catalog) -> None:
    body = "packs: [{use: acme, parameters: {names: [email, '*_on'], rows: 1e12}}]"
    assert rules(body, "SELECT email FROM customers", catalog) == {"acme/PG101": "deny"}
    assert rules(body, "SELECT opened_on FROM stores", catalog) == {"acme/PG101": "deny"}
    assert rules(body, "SELECT ssn FROM customers", catalog) == {}


@pytest.mark.usefixtures("here")
def test_a_pack_that_is_used_twice_is_in_force_twice(catalog: Catalog) -> None:
    body = "packs: [{use: acme}, {use: acme, parameters: {names: [email]}}]"
    for column in ("ssn", "email"):
        assert rules(body, f"SELECT {column} FROM customers", catalog)["acme/PG101"] == "deny"


@pytest.mark.usefixtures("here")
def test_a_policy_changes_the_effect_of_a_rule(catalog: Catalog) -> None:
    body = "packs: [{{use: acme}}]\nrules: {{acme/PG101: {{effect: {}, reason: tuning}}}}"
    sql = "SELECT ssn FROM customers"
    assert rules(body.format("warn"), sql, catalog)["acme/PG101"] == "warn"
    assert guard(body.format("warn"), catalog).check(sql).allowed
    assert "acme/PG101" not in rules(body.format("off"), sql, catalog)


@pytest.mark.usefixtures("here")
def test_a_warning_that_is_made_to_deny_fires_on_what_is_not_known() -> None:
    sql = "SELECT x.a FROM t x"
    assert "acme/PG102" not in rules("packs: [{use: acme}]", sql)
    change = "rules: {acme/PG102: {effect: deny, reason: strict}}"
    assert rules(f"packs: [{{use: acme}}]\n{change}", sql)["acme/PG102"] == "deny"


# -- exceptions ------------------------------------------------------------------------------------------------------

EXCEPTION = """\
packs: [{use: acme}]
exceptions:
  - {id: EX-14, rules: [acme/PG101], tables: [customers], reason: close, approved_by: me, expires: 2999-12-31}
"""


@pytest.mark.usefixtures("here")
def test_an_exception_of_the_policy_lifts_its_rule_for_its_tables(catalog: Catalog) -> None:
    (found,) = [
        each
        for each in guard(EXCEPTION, catalog).check("SELECT ssn FROM customers").findings
        if each.rule == "acme/PG101"
    ]
    assert found.effect == "warn"
    assert "EX-14" in found.message
    other = EXCEPTION.replace("[customers]", "[orders]")
    assert rules(other, "SELECT ssn FROM customers", catalog)["acme/PG101"] == "deny"


@pytest.mark.usefixtures("here")
def test_an_exception_ends_while_the_guard_lives(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    living = guard(EXCEPTION, catalog)
    (check,) = [each for each in living._program.checks if isinstance(each, PackCheck)]
    assert check.today is pack_module.utc_today
    assert living.check("SELECT ssn FROM customers").allowed
    object.__setattr__(check, "today", lambda: datetime.date(3000, 1, 1))
    assert not living.check("SELECT ssn FROM customers").allowed


def test_the_day_is_that_of_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Clock:
            return cls(2026, 1, 1, 23, 30, tzinfo=datetime.timezone(datetime.timedelta(hours=-2))).astimezone(tz)

    monkeypatch.setattr(pack_module.datetime, "datetime", Clock)
    assert pack_module.utc_today() == datetime.date(2026, 1, 2)


@pytest.mark.usefixtures("here")
def test_an_exception_that_cannot_matter_is_warned_of() -> None:
    off = EXCEPTION + "rules: {acme/PG101: {effect: off, reason: x}}"
    (warning,) = parse_policy(HEAD + off, "p.yaml").problems
    assert str(warning).startswith("p.yaml:5:25: exceptions[0].rules[0]: 'acme/PG101' lifts nothing: the rule is off")
    every = EXCEPTION.replace("[customers]", "['*']")
    (warning,) = parse_policy(HEAD + every, "p.yaml").problems
    assert "exceptions[0].tables: covers every relation" in str(warning)
    assert warning.level == "warning"


def test_tables_of_an_exception_that_nothing_matches_are_warned_of(here: Path) -> None:
    (here / "p.yaml").write_text(HEAD + EXCEPTION)
    (warning,) = load_policy("p.yaml", environ={}, catalog=catalog_of(("public", "orders"))).problems
    assert "exceptions[0].tables[0]: 'customers' matches no relation of the catalog" in str(warning)
    assert load_policy("p.yaml", environ={}, catalog=catalog_of(("public", "customers"))).problems == ()


def test_a_parameter_that_names_no_column_is_warned_of(here: Path) -> None:
    policy = "packs:\n  - use: acme\n    parameters:\n      names: [SSN, sssn, '*_token']\n      rows: 5\n"
    (here / "p.yaml").write_text(HEAD + policy)
    catalog = catalog_of(("public", "customers"), columns=("id", "ssn"))
    assert [str(problem).split(" (")[0] for problem in load_policy("p.yaml", environ={}, catalog=catalog).problems] == [
        "p.yaml:6:20: packs[0].parameters.names[1]: 'sssn' matches no column of the catalog",
        "p.yaml:6:26: packs[0].parameters.names[2]: '*_token' matches no column of the catalog",
    ]
    assert load_policy("p.yaml", environ={}).problems == ()
    (here / "p.yaml").write_text(HEAD + policy.replace("[SSN, sssn, '*_token']", "sssn"))
    (warning,) = load_policy("p.yaml", environ={}, catalog=catalog).problems
    assert str(warning).startswith("p.yaml:6:14: packs[0].parameters.names: 'sssn' matches no column")
    assert "the rules that use it find nothing by it" in warning.hint


def test_a_mistyped_tenant_column_is_warned_of(here: Path, demo_catalog: Catalog) -> None:
    (here / "p.yaml").write_text(HEAD + "packs: [{use: multitenant, parameters: {tenant_columns: [tenant]}}]\n")
    (warning,) = load_policy("p.yaml", environ={}, catalog=demo_catalog).problems
    assert "parameters.tenant_columns[0]: 'tenant' matches no column of the catalog" in str(warning)
    (here / "p.yaml").write_text(HEAD + "packs: [{use: multitenant, parameters: {tenant_columns: [tenant_id]}}]\n")
    assert load_policy("p.yaml", environ={}, catalog=demo_catalog).problems == ()


# -- extension -------------------------------------------------------------------------------------------------------


def extended(here: Path, base: str, top: str, other: str | None = None) -> dict[str, str]:
    """Effects on a column that the pack denies, under a policy that extends one or two others."""
    (here / "base.yaml").write_text(HEAD + base)
    bases = "base.yaml" if other is None else "base.yaml, other.yaml"
    if other is not None:
        (here / "other.yaml").write_text(HEAD + other)
    (here / "top.yaml").write_text(f"schema: pg-guard/policy/v1\nextends: [{bases}]\n{top}")
    loaded = load_policy(here / "top.yaml", environ={})
    decision = Guard(loaded.policy, Catalog.from_json(snapshot_file()), loaded.packs).check("SELECT ssn FROM customers")
    return {each.rule: each.effect for each in decision.findings if each.rule == "acme/PG101"}


USE = "packs: [{use: acme}]\n"
OFF = "rules: {acme/PG101: {effect: off, reason: tuning}}\n"
WARN = "rules: {acme/PG101: {effect: warn, reason: tuning}}\n"
LIFT = "exceptions: [{id: E, rules: [acme/PG101], reason: r, approved_by: me, expires: 2999-01-01}]\n"
DENY = {"acme/PG101": "deny"}


def test_an_extension_keeps_the_packs_of_its_base(here: Path) -> None:
    assert extended(here, USE, "") == DENY
    assert extended(here, USE, "packs: []") == DENY
    assert extended(here, "", USE) == DENY


def test_an_extension_that_loosens_says_why(here: Path) -> None:
    assert extended(here, USE, OFF) == {}
    assert extended(here, USE, LIFT) == {"acme/PG101": "warn"}
    for loosening in (OFF, LIFT):
        with pytest.raises(PolicyError, match="the key 'reason' is missing"):
            extended(here, USE, loosening.replace("reason: tuning", "").replace("reason: r, ", ""))


def test_an_extension_cannot_weaken_a_parameter_without_a_reason(here: Path) -> None:
    narrower = "packs: [{use: acme, parameters: {names: [nothing]}}]"
    assert extended(here, USE, narrower) == DENY
    assert extended(here, USE, narrower.replace("}}]", "}, reason: tuning}]")) == {}


def test_of_two_bases_neither_loosens_the_other(here: Path) -> None:
    assert extended(here, USE, "", USE + OFF) == DENY
    assert extended(here, USE + OFF, "", USE) == DENY
    assert extended(here, USE + WARN, "", USE + OFF) == {"acme/PG101": "warn"}
    assert extended(here, USE + OFF, "", USE + OFF) == {}
    assert extended(here, USE, "", USE + LIFT) == DENY
    assert extended(here, USE + LIFT, "", USE + LIFT) == {"acme/PG101": "warn"}
    # A base that does not use the pack has no say about its rules.
    assert extended(here, USE + OFF, "", "") == {}
    assert extended(here, "", "", USE + LIFT) == {"acme/PG101": "warn"}
    # Not even by a reason: that counts against a base, not against a sibling.
    replaced = "packs: [{use: acme, parameters: {names: [nothing]}, reason: tuning}]\n"
    assert extended(here, USE, "", replaced) == DENY


@pytest.mark.usefixtures("here")
def test_the_environment_can_set_packs_and_their_faults_name_the_variable(here: Path) -> None:
    (here / "p.yaml").write_text(HEAD)
    environ = {"PG_GUARD_POLICY__PACKS": '[{"use": "acme"}]'}
    assert [pack.name for pack in load_policy("p.yaml", environ=environ).packs] == ["acme"]
    with pytest.raises(PolicyError, match="PG_GUARD_POLICY__PACKS"):
        load_policy("p.yaml", environ={"PG_GUARD_POLICY__PACKS": '[{"use": "acmee"}]'})
