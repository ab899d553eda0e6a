"""`pg-guard init` as its users meet it: a process, a file, a real database with everything that is odd in it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from pg_guard.catalog.model import Catalog
from pg_guard.guard import Guard
from tests.odd_database import OddDatabase, load_odd_database
from tests.support.commands import assert_one_clear_line, run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LEAKING = ("app.v_chooses", "app.v_staff", "app.v_over_view", "app.v_roles")


def write(dsn: str, path: Path, *options: str) -> str:
    process = run("init", "--dsn", dsn, "--output", str(path), *options)
    assert process.returncode == 0, process.stderr
    assert process.stdout == ""
    assert f"Wrote {path}" in process.stderr
    return path.read_text(encoding="utf-8")


def assert_valid(path: Path, dsn: str | None) -> dict[str, Any]:
    """No problem, no warning, every embedded test passes; the report of the one policy."""
    source = ["--dsn", dsn] if dsn else []
    process = run("policy", "validate", str(path), "--format", "json", *source)
    assert process.returncode == 0, process.stdout + process.stderr
    document: dict[str, Any] = json.loads(process.stdout)
    (report,) = document["policies"]
    assert report["problems"] == []
    assert document["counts"]["failed"] == 0
    return dict(report)


def checked(path: Path, catalog: Catalog, sql: str) -> tuple[str, set[str]]:
    decision = Guard.load(path, catalog=catalog).check(sql)
    return decision.effect, {finding.rule for finding in decision.findings}


@pytest.fixture(scope="module")
async def odd(server_dsn: str) -> OddDatabase:
    return await load_odd_database(server_dsn, "odd_init")


@pytest.fixture(scope="module")
async def odd_catalog(odd: OddDatabase) -> Catalog:
    return await Catalog.from_database(odd.reader)


@pytest.fixture(scope="module")
def starter(odd: OddDatabase, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("starter") / "policy.yaml"
    write(odd.reader, path)
    return path


# -- the demo database -------------------------------------------------------------------------------------------------


def test_the_demo_database_gets_a_policy_that_hides_what_its_own_policy_hides(
    demo_dsn: str, demo_catalog: Catalog, tmp_path: Path
) -> None:
    path = tmp_path / "policy.yaml"
    text = write(demo_dsn, path)
    assert_valid(path, demo_dsn)
    assert_valid(path, None)
    for sql in (
        "SELECT * FROM hr.payroll",
        "SELECT * FROM audit.log",
        "SELECT * FROM audit_trail",
        'SELECT * FROM "Secret Stuff"',
        "SELECT * FROM analytics.team_report",
        "SELECT password_hash FROM customers",
        "SELECT card_token FROM customers",
        "SELECT ssn FROM customers",
        "SELECT token FROM analytics.customer_export",
        "SELECT badge(1)",
    ):
        assert checked(path, demo_catalog, sql)[0] == "deny", sql
    for sql in (
        "SELECT status, count(*) FROM orders GROUP BY status",
        "SELECT name, city FROM customers",
        "SELECT id, name FROM analytics.customer_export",
        "SELECT * FROM analytics.product_sales",
        "SELECT kind, count(*) FROM web_events WHERE occurred_at > '2026-02-01' GROUP BY kind",
    ):
        assert checked(path, demo_catalog, sql) == ("allow", set()), sql
    assert '  - password_hash  # comment: "Never shown to anyone"\n' in text
    assert "# tenant_id: 3 tables have it; no foreign key says what it means\n" in text


def test_strict_denies_what_is_only_suspicious(demo_dsn: str, demo_catalog: Catalog, tmp_path: Path) -> None:
    path = tmp_path / "strict.yaml"
    write(demo_dsn, path, "--strict")
    assert_valid(path, demo_dsn)
    policy = yaml.safe_load(path.read_text())
    assert "preferences" in policy["columns"]["deny"]["public.customers"]
    assert policy["where"][0]["columns"] == ["tenant_id"]
    assert "public.orders" in policy["tables"]["allow"]
    assert not any("*" in pattern for pattern in policy["tables"]["allow"])
    # A view that is named exactly counts as reviewed: that is for people to write.
    assert not any(pattern.startswith("analytics.") for pattern in policy["tables"]["allow"])
    assert checked(path, demo_catalog, "SELECT * FROM analytics.daily_sales")[0] == "deny"
    assert checked(path, demo_catalog, "SELECT count(*) FROM orders") == ("deny", {"where/missing"})
    assert checked(path, demo_catalog, "SELECT count(*) FROM orders WHERE tenant_id = 1")[0] == "allow"


# -- the odd database --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [[], ["--strict"], ["--schema", "app"], ["--schema", "Odd.Schema*"]], ids=str)
def test_the_policy_of_an_odd_database_is_valid_and_its_tests_pass(
    odd: OddDatabase, tmp_path: Path, options: Sequence[str]
) -> None:
    path = tmp_path / "policy.yaml"
    for dsn in (odd.reader, odd.owner) if not options else (odd.reader,):
        write(dsn, path, "--force", *options)
        report = assert_valid(path, dsn)
        assert len(report["tests"]) >= 10
        assert report["reviewed"] == []
    assert_valid(path, None)


def test_each_kind_of_clause_has_an_allow_and_a_deny(starter: Path) -> None:
    tests = yaml.safe_load(starter.read_text())["tests"]
    assert {rule for test in tests for rule in test.get("rules", ())} >= {
        "statement/not-allowed",
        "tables/denied",
        "tables/system",
        "columns/denied",
        "where/missing",
        "joins/too-many",
        "functions/denied",
        "load/too-large",
    }
    allowed = [test["name"] for test in tests if test["expect"] == "allow"]
    assert allowed == [
        "an ordinary count",
        "permitted columns",
        "rows of one tenant",
        "a join",
        "ordinary functions",
        "small ranges",
    ]


def test_sensitive_columns_are_denied_in_every_language_with_the_reason(starter: Path) -> None:
    text = starter.read_text()
    policy = yaml.safe_load(text)
    denied = policy["columns"]["deny"]
    assert set(denied["app.kunden"]) == {"geburtsdatum", "telefonnummer", "kontonummer", "Benutzerpasswort", "notiz"}
    assert set(denied["app.factures"]) == {"numero_securite_sociale", "mot_de_passe", "courriel", "remarque"}
    assert "app.orders" not in denied  # email_sent_at and token_count are about it
    for line in (
        "      - kontonummer  # name: payment card or bank account (de)",
        "      - mot_de_passe  # name: credential (fr)",
        '      - remarque  # comment: "Données personnelles"',
        "      # - vorname  # name: name of a person (de)",
        "      - client_ip  # name: address of a device (en)",
        "      - subscriber  # refers to app.kontakte.email",
    ):
        assert line in text.splitlines()
    # A comment of the database cannot end the comment of the policy.
    assert re.search(r'^      - notiz  # comment: "Vertraulich, nur für den Vertrieb # und', text, re.MULTILINE)


def test_views_that_leak_are_denied(odd_catalog: Catalog, starter: Path) -> None:
    policy = yaml.safe_load(starter.read_text())
    assert set(LEAKING) <= set(policy["tables"]["deny"])
    assert "app.v_clean" not in policy["tables"]["deny"]
    assert policy["columns"]["deny"]["app.v_shows"] == ["p"]
    assert policy["columns"]["deny"]["app.m_copy"] == ["t"]
    for view in LEAKING:
        effect, rules = checked(starter, odd_catalog, f"SELECT count(*) FROM {view}")
        assert (effect, "tables/denied" in rules) == ("deny", True), view
    assert checked(starter, odd_catalog, "SELECT p FROM app.v_shows")[0] == "deny"


def test_a_denied_child_is_not_read_through_its_parent(odd: OddDatabase, odd_catalog: Catalog, tmp_path: Path) -> None:
    for options in ([], ["--strict"]):
        path = tmp_path / f"policy{len(options)}.yaml"
        write(odd.reader, path, *options)
        for sql in ("SELECT * FROM app.notes", "SELECT body FROM app.secret_notes"):
            assert checked(path, odd_catalog, sql)[0] == "deny", (options, sql)


def test_tenants_are_found_by_foreign_keys(odd_catalog: Catalog, starter: Path) -> None:
    text = starter.read_text()
    tenants, themselves = yaml.safe_load(text)["where"]
    assert tenants == {"columns": ["tenant_id"], "table": ["app.events", "app.factures", "app.kunden", "app.orders"]}
    assert themselves == {"columns": ["id"], "table": ["app.tenants"]}
    assert "  # tenant_id: 4 tables refer by it to app.tenants(id)" in text
    assert "      - app.factures  # foreign key, may be null, no index" in text
    assert "    # - app.order_lines  # no tenant_id, and belongs to tenants by order_id → app.orders" in text
    assert checked(starter, odd_catalog, "SELECT sum(montant) FROM app.factures") == ("deny", {"where/missing"})
    assert checked(starter, odd_catalog, "SELECT sum(montant) FROM app.factures WHERE tenant_id = 3")[0] == "allow"
    assert checked(starter, odd_catalog, "SELECT * FROM app.v_clean WHERE tenant_id = 3")[0] == "allow"


def test_names_of_any_kind_survive_yaml_and_patterns(odd_catalog: Catalog, starter: Path) -> None:
    odd_table, lines, strange = '"Odd.Schema*"."ta""ble.x*"', '"Odd.Schema*"."Two\nLines"', '"Odd.Schema*"."表 <b>&"'
    for allowed in (
        f"SELECT id, plain FROM {odd_table}",
        f'SELECT id, "null", "yes" FROM {lines}',
        f'SELECT "{{{{ 7 * 7 }}}}" FROM {strange}',
    ):
        assert checked(starter, odd_catalog, allowed) == ("allow", set()), allowed
    for denied in (
        f'SELECT "pass*word" FROM {odd_table}',
        f'SELECT "we.ird email" FROM {odd_table}',
        f'SELECT " spaces phone " FROM {odd_table}',
        f'SELECT "e-mail\naddress" FROM {lines}',
        f'SELECT "パスワード" FROM {strange}',
        'SELECT 1 FROM "Odd.Schema*"."api_keys"""',
    ):
        assert checked(starter, odd_catalog, denied)[0] == "deny", denied


def test_functions_are_suggested_only_when_they_are_harmless(starter: Path) -> None:
    lines = starter.read_text().splitlines()
    assert '    # - "app.net(numeric)"  # sql, immutable, reads no table' in lines
    assert '    # - "app.tenant_total(int4)"  # sql, stable, reads app.orders' in lines
    suggested = [
        line for line in lines if line.startswith("    # - ") and "(" in line.partition("#")[2].partition("#")[0]
    ]
    assert len(suggested) == 2
    notes = "\n".join(lines)
    assert "app.reveal(int4): security definer, runs as postgres; reads personalwesen.angestellte" in notes
    assert "app.reveal_slowly(int4): reads app.kunden.Benutzerpasswort" in notes
    assert "app.anything(text): runs SQL that it puts together" in notes
    assert "app.touch" not in notes


def test_the_file_holds_no_secret_and_no_host(odd: OddDatabase, tmp_path: Path) -> None:
    dsn = odd.reader.replace("_reader@", "_reader:hunter2@")
    text = write(dsn, tmp_path / "policy.yaml", "--schema", "app")
    assert "hunter2" not in text
    assert "odd_init_reader" not in text
    assert "secret-host" not in text
    assert str(tmp_path) not in text
    assert "host=" not in text


def test_the_same_database_gives_the_same_bytes(odd: OddDatabase, starter: Path) -> None:
    first = run("init", "--dsn", odd.reader, "--output", "-")
    second = run("init", "--output", "-", PG_GUARD_DSN=odd.reader, TZ="Asia/Tokyo", LC_ALL="C", PYTHONHASHSEED="7")
    assert (first.returncode, second.returncode) == (0, 0)
    assert first.stdout == second.stdout == starter.read_text()


def test_a_file_that_exists_is_left_alone(odd: OddDatabase, tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text("mine\n")
    assert_one_clear_line(run("init", "--dsn", odd.reader, cwd=tmp_path), 2, "exists already")
    assert path.read_text() == "mine\n"
    assert_one_clear_line(run("init", "--dsn", odd.reader, "--output", str(tmp_path)), 2, "is a directory")
    assert_one_clear_line(
        run("init", "--dsn", odd.reader, "--output", str(tmp_path / "no" / "x.yaml")), 2, "does not exist"
    )
    forced = run("init", "--dsn", odd.reader, "--force", cwd=tmp_path)
    assert forced.returncode == 0, forced.stderr
    assert path.read_text().startswith("# A starter policy for the database odd_init, ")
    assert [each.name for each in tmp_path.iterdir()] == ["policy.yaml"]


def test_a_role_that_sees_nothing_is_told_what_it_needs(odd: OddDatabase, tmp_path: Path) -> None:
    assert_one_clear_line(run("init", "--dsn", odd.blind, cwd=tmp_path), 2, "may not look into any schema with tables")
    for schema, words in (("closed", "may not look into the schema 'closed'"), ("ap", "there is no schema 'ap'")):
        assert_one_clear_line(run("init", "--dsn", odd.reader, "--schema", schema, cwd=tmp_path), 2, words)
    near = run("init", "--dsn", odd.reader, "--schema", "ap", cwd=tmp_path)
    assert "hint: did you mean 'app'?" in near.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_database_without_tables_is_no_place_for_a_policy(server_dsn: str, tmp_path: Path) -> None:
    assert_one_clear_line(run("init", "--dsn", server_dsn, cwd=tmp_path), 2, "has no table or view yet")


def test_the_schema_that_was_asked_for_is_open_whatever_its_name(
    odd: OddDatabase, odd_catalog: Catalog, tmp_path: Path
) -> None:
    path = tmp_path / "policy.yaml"
    text = write(odd.reader, path, "--schema", "personalwesen", "--schema", "reference")
    policy = yaml.safe_load(text)
    assert policy["tables"]["allow"] == ["personalwesen.*", "reference.*"]
    assert policy["columns"]["deny"]["personalwesen.angestellte"] == ["gehalt"]
    assert "# Left out: schema app: not named by --schema." in text
    assert checked(path, odd_catalog, "SELECT name FROM personalwesen.angestellte")[0] == "allow"
    assert checked(path, odd_catalog, "SELECT count(*) FROM app.orders")[0] == "deny"
