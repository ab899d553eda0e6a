"""`pg-guard audit` as its users meet it: a process, a report, its exit code, on real databases and real roles."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from rich.cells import cell_len

from tests.odd_database import OddDatabase, load_odd_database
from tests.support.commands import run

ROOT = Path(__file__).resolve().parents[2]
DEMO_POLICY = str(ROOT / "policies" / "demo.yaml")
POLICY = """
schema: pg-guard/policy/v1
metadata: {name: odd, version: "1"}
tables:
  default: allow
  allow: [app.v_staff, "App.*", "pg_catalog.pg_stats"]
  deny: ["personalwesen.*", app.secret_notes, app.no_such_table, "old_*"]
columns:
  deny:
    app.kunden: [kontonummer, Benutzerpasswort, telefonnummer, geheimzahl]
    app.kontakte: [email]
where:
  - {table: [app.kunden, app.factures, app.orders, app.notes], columns: [tenant_id]}
functions:
  allow: [{capability: [pure, aggregate, type-io]}, "app.reveal_slowly", "app.anything(text)", no_such_function]
  user_defined: allow_listed
"""


def audit(dsn: str, policy: str | Path, *options: str) -> dict[str, Any]:
    process = run("audit", "--dsn", dsn, "--policy", str(policy), "--format", "json", *options)
    assert process.returncode in (0, 1), process.stderr
    document: dict[str, Any] = json.loads(process.stdout)
    assert document["schema"] == "pg-guard/audit/v1"
    assert process.returncode == int(document["failed"])
    return document


def found(document: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {(each["id"].removeprefix("audit/"), each["severity"], each["object"]) for each in document["findings"]}


@pytest.fixture(scope="module")
async def odd(server_dsn: str) -> OddDatabase:
    return await load_odd_database(server_dsn, "odd_audit")


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("policy") / "odd.yaml"
    path.write_text(POLICY)
    return path


@pytest.fixture(scope="module")
def document(odd: OddDatabase, policy: Path) -> dict[str, Any]:
    return audit(odd.reader, policy)


# -- what is found -----------------------------------------------------------------------------------------------------


def test_the_demo_database_and_its_policy(demo_dsn: str) -> None:
    document = audit(demo_dsn, DEMO_POLICY)
    assert (document["database"], document["role"], document["policy"]) == ("shop", "postgres", "demo 1.0.0")
    assert document["failed"]
    assert found(document) >= {
        ("role-superuser", "critical", "role postgres"),
        ("definer-public", "high", "function public.badge(int4)"),
        ("definer-search-path", "medium", "function public.badge(int4)"),
        ("view-shows-protected", "medium", "view analytics.team"),
        ("view-shows-protected", "medium", "view analytics.team_report"),
        ("view-shows-protected", "medium", "view analytics.customer_export"),
    }
    # Nothing is said of what is in order.
    assert not {each["id"] for each in document["findings"]} & {"audit/pattern-unmatched", "audit/column-unmatched"}
    (export,) = [each for each in document["findings"] if each["object"] == "view analytics.customer_export"]
    assert export["remediation"] == {
        "form": "yaml",
        "text": "columns:\n  deny:\n    analytics.customer_export: [token]",
    }


def test_names_that_match_nothing(document: dict[str, Any]) -> None:
    assert found(document) >= {
        ("pattern-unmatched", "medium", "tables.deny app.no_such_table"),
        ("pattern-unmatched", "low", "tables.deny old_*"),
        ("pattern-unmatched", "low", "tables.allow App.*"),
        ("column-unmatched", "medium", "columns.deny app.kunden: geheimzahl"),
        ("function-unmatched", "low", "functions.allow no_such_function"),
    }
    assert not [each for each in document["findings"] if each["object"].endswith("personalwesen.*")]


def test_ways_to_protected_data(document: dict[str, Any]) -> None:
    assert found(document) >= {
        ("view-reviewed", "medium", "view app.v_staff"),
        ("view-shows-protected", "medium", "view app.v_shows"),
        ("view-shows-protected", "medium", "view app.v_chooses"),
        ("matview-holds-protected", "medium", "materialized view app.m_copy"),
        ("function-reads-protected", "high", "function app.reveal_slowly(int4)"),
        ("function-reads-protected", "low", "function app.reveal(int4)"),
        ("function-unclear", "medium", "function app.anything(text)"),
        ("definer-public", "high", "function app.reveal(int4)"),
        ("definer-search-path", "medium", "function app.reveal(int4)"),
        ("parent-shows-protected", "medium", "table app.notes"),
        ("key-copies-protected", "high", "column app.newsletter.subscriber"),
        ("index-holds-protected", "low", "index on app.kunden"),
        ("system-permitted", "high", "relation pg_catalog.pg_stats"),
        ("published", "medium", "publication odd_publication"),
        ("foreign-table", "low", "foreign table app.remote"),
    }
    views = {each["object"] for each in document["findings"] if each["id"].startswith("audit/view")}
    assert "view app.v_clean" not in views
    assert not [each for each in document["findings"] if "app.net" in each["object"] or "app.touch" in each["object"]]


def test_what_the_role_may_do_past_the_guard(document: dict[str, Any]) -> None:
    role = "role odd_audit_reader"
    assert found(document) >= {
        ("role-writes", "high", "schema app"),
        ("role-writes", "high", "schema reference"),
        ("role-creates-in-schema", "high", "schema app"),
        ("search-path-writable", "high", "schema app"),
        ("role-membership", "medium", role),
        ("role-connects", "low", role),
        ("role-temporary", "low", "database odd_audit"),
        ("role-reads-protected", "medium", "schema personalwesen"),
        ("role-reads-protected-columns", "medium", "table app.kunden"),
    }
    ids = {each["id"] for each in document["findings"]}
    assert not ids & {"audit/role-superuser", "audit/role-owns", "audit/role-creates-roles", "audit/setting-encryption"}
    # The role was given one column of it, and not the denied one.
    assert ("role-reads-protected-columns", "medium", "table app.kontakte") not in found(document)
    (writes,) = [
        each for each in document["findings"] if each["id"] == "audit/role-writes" and each["object"] == "schema app"
    ]
    assert writes["objects"] == ["app.orders"]
    assert "DELETE, INSERT" in writes["message"]


def test_tenant_columns_that_do_not_hold(document: dict[str, Any]) -> None:
    messages = {each["id"]: each for each in document["findings"] if each["id"].startswith("audit/tenant-")}
    assert messages["audit/tenant-missing"]["objects"] == ["app.notes"]
    assert messages["audit/tenant-nullable"]["objects"] == ["app.factures"]
    assert messages["audit/tenant-index"]["objects"] == ["app.factures", "app.kunden"]
    assert messages["audit/tenant-row-security"]["objects"] == ["app.factures", "app.kunden"]
    assert messages["audit/tenant-unguarded"]["objects"] == ["app.events"]
    assert messages["audit/tenant-unguarded"]["severity"] == "high"
    assert messages["audit/tenant-indirect"]["objects"] == ["app.order_lines"]


async def test_the_remedies_in_sql_remove_what_they_are_for(server_dsn: str, policy: Path) -> None:
    """Run by the owner, each remedy works as it is written, and the finding is gone."""
    odd = await load_odd_database(server_dsn, "odd_remedied")
    before = audit(odd.reader, policy)
    connection = await asyncpg.connect(odd.owner)
    try:
        for finding in before["findings"]:
            if finding["remediation"]["form"] == "sql" and finding["id"] not in (
                "audit/role-connects",  # other databases belong to other tests
                "audit/tenant-index",
            ):
                await connection.execute(finding["remediation"]["text"])
    finally:
        await connection.close()
    after = {each["id"] for each in audit(odd.reader, policy)["findings"]}
    remedied = {each["id"] for each in before["findings"] if each["remediation"]["form"] == "sql"}
    assert remedied & after == {
        "audit/role-connects",
        "audit/tenant-index",
        # The policy itself allows this one, and only the policy can change that.
        "audit/function-reads-protected",
    }


async def test_an_audit_leaves_the_database_as_it_is(odd: OddDatabase, policy: Path) -> None:
    objects = "SELECT (SELECT count(*) FROM pg_class) + (SELECT count(*) FROM pg_proc) + (SELECT count(*) FROM pg_auth_members)"
    connection = await asyncpg.connect(odd.owner)
    try:
        before = await connection.fetchval(objects)
        audit(odd.owner, policy)
        assert await connection.fetchval(objects) == before
    finally:
        await connection.close()


def test_a_starter_policy_has_no_names_that_match_nothing(odd: OddDatabase, tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    assert run("init", "--dsn", odd.reader, "--output", str(path)).returncode == 0
    document = audit(odd.reader, path)
    ids = {each["id"] for each in document["findings"] if each["severity"] not in ("info", "low")}
    assert not ids & {
        "audit/pattern-unmatched",
        "audit/column-unmatched",
        "audit/view-shows-protected",
        "audit/matview-holds-protected",
        "audit/key-copies-protected",
        "audit/tenant-unguarded",
        "audit/system-permitted",
    }


# -- forms of the report -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", ["60", "100"])
def test_the_text_keeps_to_the_width(odd: OddDatabase, policy: Path, width: str) -> None:
    process = run("audit", "--dsn", odd.reader, "--policy", str(policy), COLUMNS=width)
    assert process.returncode == 1
    assert all(line.endswith(" ...") for line in process.stderr.splitlines())  # progress
    assert max(cell_len(line) for line in process.stdout.splitlines()) <= int(width)
    first, *_ = process.stdout.splitlines()
    assert first.startswith("audit of policy odd 1 on database odd_audit")
    assert re.search(r"^high audit/function-reads-protected: ", process.stdout, re.MULTILINE)
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", process.stdout)


class Page(HTMLParser):
    """Tags with their attributes, and the text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_holds_everything_and_runs_nothing(odd: OddDatabase, policy: Path, tmp_path: Path) -> None:
    output = tmp_path / "audit.html"
    process = run(
        "audit", "--dsn", odd.reader, "-p", str(policy), "--format", "html", "-o", str(output), "--fail-on", "none"
    )
    assert (process.returncode, process.stdout) == (0, "")
    text = output.read_text(encoding="utf-8")
    page = Page()
    page.feed(text)
    assert not {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe", "object", "form", "b"}
    assert not [
        name for _, attributes in page.tags for name in attributes if name in ("src", "href") or name[:2] == "on"
    ]
    assert "url(" not in text
    assert "@import" not in text
    assert "audit/function-reads-protected" in page.text
    assert "Its body reads app.kunden.Benutzerpasswort" in page.text


def test_names_from_the_database_cannot_leave_their_place(odd: OddDatabase, tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(
        "schema: pg-guard/policy/v1\ncolumns:\n  deny:\n"
        '    \'"Odd.Schema*".*\': ["パスワード", \'"pass*word"\', "e-mail?address"]\n'
    )
    options = ["audit", "--dsn", odd.reader, "-p", str(path)]
    html = run(*options, "--format", "html").stdout
    assert "表 &lt;b&gt;&amp;" in html
    assert "<b>" not in html
    markdown = run(*options, "--format", "markdown").stdout
    assert "表 \\<b\\>\\&" in markdown
    assert "Two Lines" in markdown  # on one line, whatever it is called
    sql = json.loads(run(*options, "--format", "json").stdout)["findings"]
    remedies = [each["remediation"]["text"] for each in sql if "Two Lines" in each["object"]]
    assert remedies
    assert all('"Odd.Schema*".U&"Two\\+00000aLines"' in remedy for remedy in remedies)


def test_markdown_has_a_section_for_each_finding(odd: OddDatabase, policy: Path) -> None:
    process = run("audit", "--dsn", odd.reader, "-p", str(policy), "--format", "markdown")
    document = audit(odd.reader, policy)
    headings = re.findall(r"^## (\w+) (audit/[\w-]+): ", process.stdout, re.MULTILINE)
    assert headings == [(each["severity"], each["id"]) for each in document["findings"]]
    assert process.stdout.count("```") % 2 == 0
    assert f"| high | {document['counts']['high']} |" in process.stdout


# -- exit codes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("level", "code"), [("low", 1), ("medium", 1), ("high", 1), ("critical", 0), ("none", 0)])
def test_fail_on_is_the_severity_that_counts(odd: OddDatabase, policy: Path, level: str, code: int) -> None:
    process = run("audit", "--dsn", odd.reader, "-p", str(policy), "--fail-on", level, "--format", "json")
    assert process.returncode == code
    assert json.loads(process.stdout)["fail_on"] == level


def test_wrong_usage_is_one_clear_line(odd: OddDatabase, policy: Path, tmp_path: Path) -> None:
    invalid = tmp_path / "invalid.yaml"
    invalid.write_text("schema: pg-guard/policy/v1\ntabels: {}\n")
    for code, arguments in (
        (2, ["--policy", str(policy)]),
        (2, ["--policy", "missing.yaml", "--dsn", odd.reader]),
        (2, ["--policy", str(policy), "--dsn", odd.reader, "--output", str(tmp_path)]),
        (2, ["--policy", str(policy), "--dsn", odd.reader, "--output", str(tmp_path / "no" / "x")]),
        (2, ["--policy", str(policy), "--dsn", odd.reader, "--fail-on", "info"]),
        (2, ["--policy", str(policy), "--dsn", "postgresql://bob:hunter2@/x?host=/nowhere"]),
        (3, ["--policy", str(invalid), "--dsn", odd.reader]),
    ):
        process = run("audit", *arguments, cwd=tmp_path)
        assert process.returncode == code, arguments
        assert process.stdout == ""
        lines = [line for line in process.stderr.splitlines() if not line.endswith(" ...")]
        assert lines[0].startswith("pg-guard: error: ")
        assert "unexpected" not in lines[0]
        assert "hunter2" not in process.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["invalid.yaml"]
