"""`pg-guard explain` as its users meet it: a process, its output as text, JSON and HTML, its exit code."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from tests.support import commands
from tests.support.commands import assert_one_clear_line
from tests.support.packs import write_pack

ROOT = Path(__file__).resolve().parents[2]
POLICY = str(ROOT / "policies" / "demo.yaml")
DENIED = "SELECT name, salary FROM hr.employees"
ALLOWED = "SELECT status, count(*) FROM orders o WHERE o.id = 7 GROUP BY status"
HOSTILE = "SELECT '<script>alert(1)</script>' AS \"<img src=x onerror=y>\", '\x1b[31m\u202e' FROM hr.employees"
run = partial(commands.run, "explain")


def document(*arguments: str, code: int = 0, stdin: bytes = b"") -> dict[str, Any]:
    process = run(*arguments, "--policy", POLICY, "--format", "json", stdin=stdin)
    assert (process.returncode, process.stderr) == (code, "")
    loaded: dict[str, Any] = json.loads(process.stdout)
    return loaded


class Page(HTMLParser):
    """Checks that elements are closed in order, and gathers what a test asks for."""

    VOID = frozenset({"meta", "link", "br", "img", "input", "hr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        for tag in set(self.open):
            self.texts[tag] = self.texts.get(tag, "") + data


def test_a_denial_names_the_clause_its_place_and_its_line() -> None:
    process = run(DENIED, "--policy", POLICY)
    assert (process.returncode, process.stderr) == (1, "")
    line = next(
        number for number, text in enumerate(Path(POLICY).read_text().splitlines(), 1) if 'deny: ["hr.*"' in text
    )
    assert process.stdout.startswith("denied: 1 finding (policy demo 1.0.0)\n")
    assert re.search(rf"= clause: tables\.deny\[0\] \(.*demo\.yaml:{line}:10\)", process.stdout.replace("\n", ""))
    assert f'{line} | deny: ["hr.*"' in process.stdout
    assert "hr.employees matches hr.*." in process.stdout
    assert "FIRED tables/denied" in process.stdout


def test_an_allowed_statement_says_what_was_checked() -> None:
    process = run(ALLOWED, "--policy", POLICY)
    assert (process.returncode, process.stderr) == (0, "")
    assert "FIRED" not in process.stdout
    assert process.stdout.count("nothing fired") >= 8
    for expected in (
        "public.orders.status: output, group",
        "count: aggregate, pure",
        "public.orders as o: id held to constants",
        "o = public.orders",
        "they agree",
        "policy sha256: ",
    ):
        assert expected in process.stdout


@pytest.mark.parametrize("sql", [DENIED, ALLOWED, HOSTILE, "SELEC", "SELECT 1; SELECT 2", "SELECT '日本語' " * 50])
def test_it_is_good_in_60_columns(sql: str) -> None:
    process = run("-", "--policy", POLICY, COLUMNS="60", stdin=sql.encode())
    assert process.returncode in (0, 1)
    assert max(cell_len(line) for line in process.stdout.splitlines()) <= 60
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", process.stdout)


def test_the_json_form_holds_decision_facts_scopes_and_readings() -> None:
    found = document("WITH r AS (SELECT id FROM orders WHERE id IN (1, 2)) SELECT upper(x.id::text) FROM r x LIMIT 5")
    assert found["schema"] == "pg-guard/explanation/v1"
    assert found["decision"]["schema"] == "pg-guard/decision/v1"
    assert found["reasons"] == []
    assert [row["held"] for row in found["facts"]["scans"]] == [["id"]]
    assert [row["names"] for row in found["facts"]["relations"]] == [["public.orders"]]
    assert {"upper"} <= {row["name"] for row in found["facts"]["functions"]}
    inner, outer = found["scopes"]
    assert (inner["role"], outer["role"], outer["limit"]) == ("WITH r", "the statement", 5)
    assert outer["sources"] == [{"alias": "x", "kind": "cte", "resolves_to": ["WITH r"], "columns": ["id"], "via": []}]
    assert outer["outputs"][0]["from"] == ["public.orders.id"]
    assert (found["readings"]["compared"], found["readings"]["agree"]) == ("names", True)
    assert found["policy_files"] == [POLICY]
    assert set(found["timings_us"]) > {"total", "facts", "checks"}


@pytest.mark.parametrize(
    ("sql", "paths"),
    [
        ("SELECT * FROM hr.employees", {"tables.deny[0]"}),
        ("SELECT card_token FROM customers", {"columns.deny.customers[1]"}),
        ("SELECT national_id FROM orders", {'columns.deny["*"][1]'}),
        ("SELECT * FROM web_events", {"where[0]"}),
        ("SELECT pg_sleep(1)", {"functions.allow"}),
        ("DELETE FROM orders", {"statements.allow"}),
        ("SELECT count(*) FROM pg_catalog.pg_authid", {"tables.allow"}),
        ("SELECT * FROM " + ", ".join(f"orders o{number}" for number in range(9)), {"joins.max_tables"}),
        ("SELECT 1 /* " + "x" * 20_001 + " */", {"limits.sql_bytes"}),
        ("SELECT * FROM generate_series(1, 10000000)", {"limits.generated_rows"}),
        ("SELECT repeat('x', 100000000)", {"limits.generated_bytes"}),
        ("SELECT 1 FROM orders WHERE id IN (" + ",".join(["1"] * 4001) + ")", {"limits.in_list"}),
        ("SELEC", set()),
        ("SELECT 1; SELECT 2", set()),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
def test_each_finding_is_led_back_to_its_clause(sql: str, paths: set[str]) -> None:
    found = document("-", code=1, stdin=sql.encode())
    clauses = [clause for reason in found["reasons"] for clause in reason["clauses"]]
    assert paths <= {clause["path"] for clause in clauses}
    assert bool(clauses) == bool(paths)
    for clause in clauses:
        if clause["stated"]:
            assert Path(clause["file"]) == Path(POLICY)
            assert Path(POLICY).read_text().splitlines()[clause["line"] - 1] == clause["text"]


def test_a_clause_of_an_extended_policy_is_shown_in_its_own_file(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("schema: pg-guard/policy/v1\ntables:\n  deny: [secret]\n")
    top = tmp_path / "top.yaml"
    top.write_text("schema: pg-guard/policy/v1\nextends: [base.yaml]\ncolumns: {deny: {t: [a]}}\n")
    process = run("SELECT a FROM t, secret", "--policy", str(top), "--format", "json")
    clauses = [clause for reason in json.loads(process.stdout)["reasons"] for clause in reason["clauses"]]
    places = {(clause["path"], Path(clause["file"]).name, clause["line"]) for clause in clauses}
    assert places == {("tables.deny[0]", "base.yaml", 3), ("columns.deny.t[0]", "top.yaml", 3)}


RULE = """\
schema: pg-guard/rule/v1
id: mine/PG100
name: read-of-orders
title: Read of orders
severity: high
description: It reads orders.
rationale: Because.
match:
  any:
    - column: {star: true}
    - relation: {name: [public.customers, public.orders]}
effect: deny
message: "{relation} is read"
remediation: Do not.
tests:
  - {name: orders, sql: SELECT id FROM orders, expect: deny}
  - {name: nothing, sql: SELECT 1, expect: allow}
"""


def test_a_rule_of_a_pack_is_shown_by_the_condition_that_fired(tmp_path: Path) -> None:
    pack = write_pack(tmp_path / "packs" / "mine", RULE)
    policy = tmp_path / "p.yaml"
    policy.write_text(
        "schema: pg-guard/policy/v1\n"
        "packs: [{use: mine}]\n"
        "rules: {mine/PG100: {effect: warn, reason: while it is new}}\n"
    )
    process = run("SELECT id FROM public.orders", "--policy", str(policy), "--format", "json")
    assert process.returncode == 0, process.stderr
    found = json.loads(process.stdout)
    assert [finding["rule"] for finding in found["decision"]["findings"]] == ["mine/PG100"]
    rule, use, override = found["reasons"][0]["clauses"]
    assert (rule["path"], rule["value"]) == ("mine/PG100 match.any[1].relation.name[1]", "public.orders")
    assert (Path(rule["file"]), rule["line"]) == (pack / "PG100_read_of_orders.yaml", 11)
    assert "relation: {name: [public.customers, public.orders]}" in rule["text"]
    assert (use["path"], use["line"]) == ("packs[0]", 2)
    assert (override["path"], override["line"], override["value"]) == ('rules["mine/PG100"]', 3, "warn")
    (row,) = [row for row in found["checked"] if row["clause"] == "packs[0]"]
    assert (row["fired"], row["said"]) == (["mine/PG100"], "mine 1.0.0: 1 rule in force.")


def test_a_condition_on_who_asks_is_led_back_to_its_clause(tmp_path: Path) -> None:
    policy = tmp_path / "p.yaml"
    policy.write_text(
        "schema: pg-guard/policy/v1\nwhere:\n  - {table: other}\n  - {table: orders, equals: {tenant_id: ':tenant_id'}}\n"
    )
    arguments = ("SELECT id FROM orders WHERE tenant_id = 1", "--policy", str(policy), "--format", "json")
    assert run(*arguments, "--principal", "tenant_id=1").returncode == 0
    for principal in ([], ["--principal", "tenant_id=2"]):
        process = run(*arguments, *principal)
        assert process.returncode == 1
        ((clause,),) = [reason["clauses"] for reason in json.loads(process.stdout)["reasons"]]
        assert (clause["path"], clause["line"]) == ("where[1]", 4)


def test_a_value_of_the_environment_is_named_and_not_shown() -> None:
    process = run(
        "SELECT id FROM orders", "--policy", POLICY, "--format", "json", PG_GUARD_POLICY__TABLES__DENY='["orders"]'
    )
    ((clause,),) = [reason["clauses"] for reason in json.loads(process.stdout)["reasons"]]
    assert (clause["file"], clause["text"], clause["value"]) == ("PG_GUARD_POLICY__TABLES__DENY", "", "")


def test_the_page_is_self_contained_and_well_formed() -> None:
    process = run(DENIED, "--policy", POLICY, "--format", "html")
    assert (process.returncode, process.stderr) == (1, "")
    page = Page(process.stdout)
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "link", "img", "iframe", "object", "form"}
    attributes = {(name, value) for _, attrs in page.tags for name, value in attrs.items()}
    assert not any(name == "style" or name.startswith("on") for name, _ in attributes)
    assert all(value is not None and value.startswith("#") for name, value in attributes if name in ("href", "src"))
    assert "url(" not in page.texts["style"]
    assert "@import" not in page.texts["style"]
    assert ("http-equiv", "Content-Security-Policy") in attributes
    policy = next(attrs["content"] or "" for tag, attrs in page.tags if "http-equiv" in attrs and tag == "meta")
    digest = base64.b64encode(hashlib.sha256(page.texts["style"].encode()).digest()).decode()
    assert policy.startswith("default-src 'none'; ")
    assert f"style-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy
    assert page.texts["mark"] == "hr.employees"
    assert "tables.deny[0]" in page.texts["article"]


def test_the_page_is_accessible() -> None:
    page = Page(run(ALLOWED, "--policy", POLICY, "--format", "html").stdout)
    tags = [tag for tag, _ in page.tags]
    assert ("html", {"lang": "en"}) in page.tags
    assert tags.count("h1") == 1
    assert tags.count("main") == 1
    assert tags.count("table") == tags.count("caption") > 4
    assert all(attrs.get("scope") in ("col", "row") for tag, attrs in page.tags if tag == "th")
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    referred = {attrs["aria-labelledby"] for _, attrs in page.tags if "aria-labelledby" in attrs}
    assert referred <= set(ids)
    assert "prefers-color-scheme: dark" in page.texts["style"]
    assert "@media print" in page.texts["style"]


def luminance(color: str) -> float:
    channels = [int(color[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_colours_have_the_contrast_that_wcag_asks_for(theme: int) -> None:
    """WCAG 2.2, success criterion 1.4.3: 4.5 to 1 for text."""
    style = Page(run("SELECT 1", "--policy", POLICY, "--format", "html").stdout).texts["style"]
    root = re.findall(r":root \{(.*?)\}", style, re.DOTALL)[theme]
    colors = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", root))
    pairs = [
        (text, ground) for text in ("text", "soft", "deny", "warn", "allow", "link") for ground in ("ground", "panel")
    ]
    for text, ground in [*pairs, ("text", "deny-ground"), ("text", "warn-ground")]:
        dark, light = sorted((luminance(colors[text]), luminance(colors[ground])))
        assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, ground)


def test_hostile_text_reaches_no_browser_as_markup() -> None:
    process = run("-", "--policy", POLICY, "--format", "html", stdin=HOSTILE.encode())
    assert process.returncode == 1
    page = Page(process.stdout)
    assert not {tag for tag, _ in page.tags} & {"script", "img"}
    assert "<script>alert(1)</script>" in page.texts["pre"]
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", process.stdout)


def test_a_file_is_read_and_a_file_is_written(tmp_path: Path) -> None:
    query = tmp_path / "q.sql"
    query.write_text(f"-- salaries\n{DENIED};\n")
    target = tmp_path / "why.html"
    target.write_text("old")
    process = run(str(query), "--policy", POLICY, "--format", "html", "--output", str(target))
    assert (process.returncode, process.stdout, process.stderr) == (1, "", "")
    assert "q.sql" in target.read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["q.sql", "why.html"]
    text = run(str(query), "--policy", POLICY)
    assert "q.sql:2:26" in text.stdout


def test_names_are_resolved_on_a_database(demo_dsn: str) -> None:
    process = run("SELECT * FROM orders", "--policy", POLICY, "--format", "json", PG_GUARD_DSN=demo_dsn)
    assert process.returncode == 0, process.stderr
    found = json.loads(process.stdout)
    (scope,) = found["scopes"]
    assert scope["sources"][0]["resolves_to"] == ["public.orders"]
    assert "customer_id" in scope["sources"][0]["columns"]
    assert set(found["decision"]["digests"]) >= {"policy", "catalog", "statement"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["missing.sql", "--policy", POLICY],
        [".", "--policy", POLICY],
        ["SELECT 1", "--policy", "missing.yaml"],
        ["SELECT 1"],
        ["--policy", POLICY],
        ["SELECT 1", "--policy", POLICY, "--output", "missing/x.html"],
        ["SELECT 1", "--policy", POLICY, "--output", "."],
        ["SELECT 1", "--policy", POLICY, "--format", "xml"],
        ["SELECT 1", "--policy", POLICY, "--catalog", POLICY],
    ],
    ids=lambda arguments: "-".join(arguments)[:40].replace("/", "_"),
)
def test_wrong_usage_is_one_clear_line(arguments: list[str]) -> None:
    assert_one_clear_line(run(*arguments), 2)


def test_a_statement_that_is_not_utf_8_and_one_that_is_endless(tmp_path: Path) -> None:
    assert_one_clear_line(run("-", "--policy", POLICY, stdin=b"SELECT '\xe9'"), 2)
    long = tmp_path / "long.sql"
    long.write_bytes(b"SELECT '" + b"x" * 50_000_000 + b"'")
    assert_one_clear_line(run(str(long), "--policy", POLICY), 2)


def test_an_invalid_policy_exits_with_3(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("schema: pg-guard/policy/v1\ntabels: {}\n")
    process = run("SELECT 1", "--policy", str(path))
    assert (process.returncode, process.stdout) == (3, "")
    assert "bad.yaml:2:1: error: " in process.stderr
