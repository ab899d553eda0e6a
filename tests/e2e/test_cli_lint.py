"""`pg-guard lint` as repositories meet it: a process on real files, its reports, its exit codes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes
from xml.etree import ElementTree

import pytest
from mcp import Client, StdioServerParameters

from tests.sarif import problems
from tests.support.commands import assert_one_clear_line, run

if TYPE_CHECKING:
    from pg_guard.guard import Guard

ROOT = Path(__file__).resolve().parents[2]
POLICY = str(ROOT / "policies" / "demo.yaml")
DENIED = "SELECT name, salary FROM hr.employees"
ALLOWED = "SELECT status FROM orders"
FORMATS = ("text", "json", "sarif", "junit", "github")


def lint(
    *arguments: str | bytes, cwd: Path, stdin: str | bytes = b"", policy: str | None = POLICY, **changes: str
) -> subprocess.CompletedProcess[str]:
    command: list[str | bytes] = ["lint", *arguments]
    if policy is not None:
        command += ["--policy", policy]
    return run(*command, cwd=cwd, stdin=stdin, **changes)


def document(process: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert process.stdout, process.stderr
    loaded: dict[str, Any] = json.loads(process.stdout)
    return loaded


def counts(*arguments: str | bytes, cwd: Path, **options: Any) -> dict[str, int]:
    """The counts that are not zero."""
    found = document(lint(*arguments, "--format", "json", cwd=cwd, **options))["counts"]
    return {name: count for name, count in found.items() if count and name not in ("files", "statements")}


def run_of(process: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The run of a SARIF log that is valid."""
    log = document(process)
    assert problems(log) == []
    (run,) = log["runs"]
    assert isinstance(run, dict)
    return run


RULE = """\
schema: pg-guard/rule/v1
id: {pack}/PG900
name: {name}
title: Star in the output
status: stable
severity: {severity}
description: A star names no column.
rationale: Columns come and go.
references: ["https://www.postgresql.org/docs/current/sql-select.html"]
match:
  query: {{star: true}}
effect: {effect}
message: "the query selects *"
remediation: Name the columns.
tests:
  - {{name: star, sql: SELECT * FROM orders, expect: {effect}}}
  - {{name: named, sql: SELECT id FROM orders, expect: allow}}
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """Two rules of the same match: one warns, one denies."""
    path = tmp_path / "rules"
    path.mkdir()
    (path / "PG900_star.yaml").write_text(
        RULE.format(pack="team", name="no-star", severity="medium", effect="warn"), encoding="utf-8"
    )
    (path / "PG901_star.yaml").write_text(
        RULE.format(pack="team", name="never-star", severity="critical", effect="deny").replace("PG900", "PG901"),
        encoding="utf-8",
    )
    return path


# -- hostile names and texts, in every format ------------------------------------------------------------------------

HOSTILE_NAME = b"a,b%0A]]>:\xe6\x97\xa5 'q' \"d\" \x1b[31m\n::error::x\r.sql"
HOSTILE_SQL = (
    "SELECT '😀', ']]>', '%0A::error::x', '\x1b[31m', '&<>\"', '\u202e', e.* FROM hr.employees e\n"
    "WHERE name = '\ufffe\x07\n::warning::y'"
)


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    (tmp_path / os.fsdecode(HOSTILE_NAME)).write_text(f"SELECT 1;\n{HOSTILE_SQL};\n", encoding="utf-8", newline="")
    return tmp_path


@pytest.mark.parametrize("output_format", FORMATS)
def test_no_format_lets_a_hostile_file_through(hostile: Path, output_format: str) -> None:
    process = lint(".", "--format", output_format, cwd=hostile)
    assert (process.returncode, process.stderr) == (1, "")
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", process.stdout)
    # A workflow command begins a line; each of those here is one of ours.
    for line in process.stdout.split("\n"):
        if line.lstrip().startswith("::"):
            assert output_format == "github"
            assert line.startswith("::error file=")


def test_github_commands_say_the_place_and_are_escaped(hostile: Path) -> None:
    lines = lint(".", "--format", "github", cwd=hostile).stdout.splitlines()
    *commands, summary = lines
    assert re.fullmatch(r"1 file, 2 statements: 1 denied, \d findings", summary)
    name = r"a%2Cb%250A\]\]>%3A日 'q' \"d\" \\x1b\[31m%0A%3A%3Aerror%3A%3Ax%0D\.sql"
    pattern = (
        rf"::error file={name},line=(\d+),endLine=(\d+),col=(\d+),endColumn=(\d+),title=([a-z-]+/[a-z-]+)::([^\r\n]+)"
    )
    matches = [re.fullmatch(pattern, command) for command in commands]
    assert all(matches), commands
    source = HOSTILE_SQL.splitlines()[0]
    underlined = {
        match[5]: source[int(match[3]) - 1 : int(match[4]) - 1] for match in matches if match and match[1] == "2"
    }
    assert underlined["tables/denied"] == "hr.employees"
    assert underlined["columns/denied"] == "e.*"


def test_columns_of_sarif_count_utf_16_code_units(hostile: Path) -> None:
    run = run_of(lint(".", "--format", "sarif", cwd=hostile))
    assert run["columnKind"] == "utf16CodeUnits"
    units = HOSTILE_SQL.encode("utf-16-le")
    shown = {}
    for result in run["results"]:
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uriBaseId"] == "SRCROOT"
        assert unquote_to_bytes(place["artifactLocation"]["uri"]) == HOSTILE_NAME
        region = place["region"]
        if region["startLine"] == region["endLine"] == 2:
            text = units[2 * region["startColumn"] - 2 : 2 * region["endColumn"] - 2].decode("utf-16-le")
            shown[result["ruleId"]] = text
    assert shown["tables/denied"] == "hr.employees"
    assert shown["columns/denied"] == "e.*"


def test_junit_holds_the_hostile_text(hostile: Path) -> None:
    root = ElementTree.fromstring(lint(".", "--format", "junit", cwd=hostile).stdout)
    failures = root.findall(".//failure")
    assert failures
    assert "]]>" in (failures[0].text or "")


def test_a_file_name_that_is_no_utf_8(tmp_path: Path) -> None:
    name = b"caf\xe9.sql"
    Path(os.fsdecode(bytes(tmp_path) + b"/" + name)).write_text(DENIED)
    for output_format in FORMATS:
        process = lint(name, "--format", output_format, cwd=tmp_path)
        assert process.returncode == 1, process.stderr
    run = run_of(lint(name, "--format", "sarif", cwd=tmp_path))
    uri = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert unquote_to_bytes(uri) == name


# -- SARIF -----------------------------------------------------------------------------------------------------------


def test_sarif_describes_each_rule_that_it_names(tmp_path: Path, rules: Path) -> None:
    (tmp_path / "a.sql").write_text(f"{DENIED};\nSELECT * FROM (SELECT 1 AS a) s;\n\\i other.sql\n")
    process = lint("a.sql", "--rules", str(rules), "--format", "sarif", cwd=tmp_path)
    assert process.returncode == 1
    run = run_of(process)
    described = run["tool"]["driver"]["rules"]
    for result in run["results"]:
        assert described[result["ruleIndex"]]["id"] == result["ruleId"]
    by_id = {rule["id"]: rule for rule in described}
    assert set(by_id) == {"tables/denied", "team/PG900", "team/PG901", "lint/psql-command"}
    for rule in described:
        assert rule["helpUri"].startswith("https://")
        assert rule["help"]["markdown"]
        assert "security" in rule["properties"]["tags"]
        assert float(rule["properties"]["security-severity"]) > 0
    assert by_id["team/PG900"]["name"] == "no-star"
    assert by_id["team/PG900"]["defaultConfiguration"]["level"] == "warning"
    assert by_id["team/PG901"]["properties"]["security-severity"] == "9.5"
    assert "Columns come and go." in by_id["team/PG901"]["help"]["markdown"]
    levels = {result["ruleId"]: result["level"] for result in run["results"]}
    assert levels["team/PG900"] == "warning"
    assert levels["team/PG901"] == "error"
    assert run["automationDetails"]["id"].endswith("/")
    assert run["invocations"][0]["executionSuccessful"] is True


def test_fingerprints_stay_when_lines_move(tmp_path: Path) -> None:
    def prints(text: str) -> list[tuple[str, str]]:
        (tmp_path / "a.sql").write_text(text)
        run = run_of(lint("a.sql", "--format", "sarif", cwd=tmp_path))
        return [(result["ruleId"], result["partialFingerprints"]["pgGuardStatement/v1"]) for result in run["results"]]

    before = prints(f"{DENIED};\n{DENIED};\n")
    assert len(set(before)) == 2  # the second of two equal ones is another
    after = prints(
        f"-- a comment\n\n{ALLOWED};\nselect  name,\n  salary -- why\nfrom hr.employees;\n\n\n{DENIED};\n\\set x 1\n"
    )
    assert [entry for entry in after if entry[0] == "tables/denied"] == before
    other = prints("SELECT name, hired FROM hr.employees")
    assert not {mark for _, mark in other} & {mark for _, mark in before}


def test_names_in_sarif_are_relative_to_the_working_directory(tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "deep" / "a b#?.sql").write_text(DENIED)
    (tmp_path / "out.sql").write_text(DENIED)
    run = run_of(
        lint(str(tmp_path / "in" / "deep" / "a b#?.sql"), "../out.sql", "--format", "sarif", cwd=tmp_path / "in")
    )
    inside, outside = (result["locations"][0]["physicalLocation"]["artifactLocation"] for result in run["results"])
    assert inside == {"uri": "deep/a%20b%23%3F.sql", "uriBaseId": "SRCROOT"}
    assert outside == {"uri": (tmp_path / "out.sql").as_uri()}


def test_an_unreadable_file_is_in_every_report(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text(ALLOWED)
    (tmp_path / "b.sql").write_bytes(b"SELECT '\xe9'")
    for output_format in FORMATS:
        process = lint(".", "--format", output_format, cwd=tmp_path)
        assert process.returncode == 2
        if output_format != "github":
            assert process.stderr.startswith("pg-guard: error: b.sql: not UTF-8")
    run = run_of(lint(".", "--format", "sarif", cwd=tmp_path))
    (invocation,) = run["invocations"]
    assert (invocation["executionSuccessful"], invocation["exitCode"]) == (False, 2)
    (notification,) = invocation["toolExecutionNotifications"]
    assert notification["level"] == "error"
    assert "not UTF-8" in notification["message"]["text"]
    root = ElementTree.fromstring(lint(".", "--format", "junit", cwd=tmp_path).stdout)
    assert (root.get("errors"), len(root.findall(".//error"))) == ("1", 1)
    github = lint(".", "--format", "github", cwd=tmp_path)
    assert (github.stderr, github.stdout.startswith("::error file=b.sql,title=unreadable::b.sql: not UTF-8")) == (
        "",
        True,
    )


# -- JUnit -----------------------------------------------------------------------------------------------------------


def test_the_counts_of_junit_agree(tmp_path: Path, rules: Path) -> None:
    (tmp_path / "a.sql").write_text(
        f"{DENIED};\n{ALLOWED};\n-- pg-guard: allow tables/denied the yearly report\n{DENIED};\nSELECT * FROM (SELECT 1 AS a) s;\n"
    )
    (tmp_path / "b.sql").write_text(f"{ALLOWED};\n\\! rm x\n")
    arguments = (".", "--rules", str(rules / "PG900_star.yaml"))
    root = ElementTree.fromstring(lint(*arguments, "--format", "junit", cwd=tmp_path).stdout)
    cases = root.findall("testsuite/testcase")
    assert [suite.get("name") for suite in root] == ["a.sql", "b.sql"]
    for element in (root, *root):
        inner = element.findall(".//testcase")
        assert element.get("tests") == str(len(inner))
        for kind, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert element.get(kind) == str(sum(case.find(tag) is not None for case in inner))
    assert len(cases) == 6  # five statements, one command of psql
    assert (root.get("failures"), root.get("skipped"), root.get("errors")) == ("2", "1", "0")
    (skipped,) = root.iter("skipped")
    assert skipped.get("message") == "tables/denied allowed: the yearly report"
    (warned,) = root.iter("system-out")
    assert "team/PG900" in (warned.text or "")
    strict = ElementTree.fromstring(lint(*arguments, "--format", "junit", "--fail-on", "warn", cwd=tmp_path).stdout)
    assert strict.get("failures") == "3"


# -- allow comments --------------------------------------------------------------------------------------------------


def linted(texts: list[str], cwd: Path, *arguments: str) -> list[dict[str, Any]]:
    """What the JSON document says of each text, each in a file of its own, in one run."""
    names = [f"{number:02}.sql" for number in range(len(texts))]
    for name, text in zip(names, texts, strict=True):
        (cwd / name).write_text(text)
    files: list[dict[str, Any]] = document(lint(*names, "--format", "json", *arguments, cwd=cwd))["files"]
    return files


def test_an_allow_comment_with_a_reason_lifts_the_findings_of_its_statement(tmp_path: Path) -> None:
    texts = [
        f"-- pg-guard: allow tables/denied audited in HR-1\n{DENIED};",
        f"{DENIED}; -- pg-guard: allow tables/denied audited in HR-1",
        f"{DENIED} /* pg-guard: allow tables/denied audited in HR-1 */;",
        "SELECT name, -- pg-guard: allow tables/denied audited in HR-1\n salary FROM hr.employees;",
        f"/* pg-guard: allow columns/denied, tables/denied:\n   audited in HR-1 */\n-- x\n{DENIED} e WHERE e IS NULL",
        f"SELECT 1; /* PG: x */ {DENIED}; -- pg-guard: allow tables/denied - audited in HR-1\nSELECT 2",
    ]
    for text, file in zip(texts, linted(texts, tmp_path), strict=True):
        lifted = [entry for statement in file["statements"] for entry in statement["suppressed"]]
        assert {entry["rule"] for entry in lifted} >= {"tables/denied"}
        for entry in lifted:
            assert entry["suppressed"]["by"] == "comment"
            assert entry["suppressed"]["reason"] == "audited in HR-1"
            span = entry["suppressed"]["span"]
            assert "pg-guard: allow" in text[span["start"] : span["end"]]
        assert [statement["findings"] for statement in file["statements"] if statement["findings"]] == []
        assert file["findings"] == []
    assert lint(".", cwd=tmp_path).returncode == 0


def test_a_lifted_finding_is_suppressed_in_sarif(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text(f"{ALLOWED};\n-- pg-guard: allow tables/denied audited\n{DENIED};")
    process = lint("a.sql", "--format", "sarif", cwd=tmp_path)
    assert process.returncode == 0
    (result,) = run_of(process)["results"]
    (suppression,) = result["suppressions"]
    assert (suppression["kind"], suppression["justification"]) == ("inSource", "audited")
    assert suppression["location"]["physicalLocation"]["region"]["startLine"] == 2
    assert (
        lint("a.sql", cwd=tmp_path).stdout == "1 file, 2 statements: 0 denied, 0 findings, 1 suppressed by comments\n"
    )
    assert "::" not in lint("a.sql", "--format", "github", cwd=tmp_path).stdout


NOT_LIFTED = [
    # no reason: nothing is lifted, and that is a finding
    (f"-- pg-guard: allow tables/denied\n{DENIED}", {"tables/denied": "deny", "lint/allow-without-reason": "deny"}),
    (f"-- pg-guard: allow tables/denied -- 123 …\n{DENIED}", {"tables/denied": "deny", "lint/allow-without-reason": "deny"}),
    # nothing to lift
    (f"-- pg-guard: allow tables/denied old\n{ALLOWED}", {"lint/unused-allow": "warn"}),
    (f"-- pg-guard: allow tables/denid typo\n{DENIED}", {"tables/denied": "deny", "lint/unused-allow": "warn"}),
    (f"-- pg-guard: alow tables/denied typo\n{DENIED}", {"tables/denied": "deny", "lint/unused-allow": "warn"}),
    (f"-- pg-guard: allow\n{DENIED}", {"tables/denied": "deny", "lint/unused-allow": "warn"}),
    # too far away
    (f"-- pg-guard: allow tables/denied old\n\n{DENIED}", {"tables/denied": "deny", "lint/unused-allow": "warn"}),
    (f"{DENIED};\n-- pg-guard: allow tables/denied late\n", {"tables/denied": "deny", "lint/unused-allow": "warn"}),
    (f"-- pg-guard: allow tables/denied first only\n{ALLOWED};\n{DENIED}", {"tables/denied": "deny", "lint/unused-allow": "warn"}),
    # a group lifts warnings only, and a star alone nothing
    (f"-- pg-guard: allow tables/* all of it\n{DENIED}", {"tables/denied": "deny", "lint/unused-allow": "warn"}),
    (f"-- pg-guard: allow */* all of it\n{DENIED}", {"tables/denied": "deny", "lint/unused-allow": "warn"}),
    (f"-- pg-guard: allow * all of it\n{DENIED}", {"tables/denied": "deny", "lint/unused-allow": "warn"}),
    # no comment at all
    (f"{DENIED} WHERE '-- pg-guard: allow tables/denied in a text' <> ''", {"tables/denied": "deny"}),
    (f"-- see pg-guard: allow tables/denied reason\n{DENIED}", {"tables/denied": "deny"}),
    # another rule's comment
    ("-- pg-guard: allow columns/denied why\nDELETE FROM orders", {"statement/not-allowed": "deny", "lint/unused-allow": "warn"}),
    # comments cannot lift what is wrong with comments
    (f"-- pg-guard: allow lint/allow-without-reason because\n-- pg-guard: allow tables/denied\n{DENIED}",
    {"tables/denied": "deny", "lint/allow-without-reason": "deny", "lint/unused-allow": "warn"}),
]  # fmt: skip


def test_what_a_comment_does_not_lift(tmp_path: Path) -> None:
    for (text, expected), file in zip(NOT_LIFTED, linted([text for text, _ in NOT_LIFTED], tmp_path), strict=True):
        found = [*file["findings"], *(entry for statement in file["statements"] for entry in statement["findings"])]
        assert {entry["rule"]: entry["effect"] for entry in found} == expected, text
    assert lint("00.sql", cwd=tmp_path).returncode == 1
    assert lint("02.sql", cwd=tmp_path).returncode == 0  # only an unused comment


def test_names_and_groups_of_pack_rules(tmp_path: Path, rules: Path) -> None:
    text = "-- pg-guard: allow {} exported as it is\nSELECT * FROM orders"
    for allowed, left in (
        ("never-star", {"warnings": 1, "suppressed": 1}),
        ("team/*", {"findings": 1, "denied": 1, "suppressed": 1}),
        ("team/PG901, no-star", {"suppressed": 2}),
    ):
        (tmp_path / "a.sql").write_text(text.format(allowed))
        assert counts("a.sql", "--rules", str(rules), cwd=tmp_path, policy=None) == left


def test_a_comment_for_a_pack_that_is_not_loaded_is_let_be(tmp_path: Path, rules: Path) -> None:
    (tmp_path / "a.sql").write_text("-- pg-guard: allow other/PG101 checked by another job\nSELECT 1")
    assert counts("a.sql", cwd=tmp_path) == {}
    (tmp_path / "a.sql").write_text("-- pg-guard: allow team/PG900 checked by another job\nSELECT * FROM orders")
    only = counts("a.sql", "--rules", str(rules), "--select", "never-star,team/PG901", cwd=tmp_path, policy=None)
    assert only == {"denied": 1, "findings": 1, "filtered": 1}


def test_a_comment_lifts_a_command_of_psql(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text(
        "-- pg-guard: allow lint/psql-command reviewed by itself\n\\i other.sql\nSELECT 1;\n"
    )
    assert counts("a.sql", cwd=tmp_path) == {"suppressed": 1}


def test_comments_mean_nothing_to_the_guard(demo_guard: Guard, tmp_path: Path) -> None:
    text = f"/* pg-guard: allow tables/denied I may */ {DENIED} -- pg-guard: allow tables/denied I may"
    decision = demo_guard.check(text)
    assert not decision.allowed
    assert [finding.rule for finding in decision.findings] == [
        finding.rule for finding in demo_guard.check(DENIED).findings
    ]
    checked = subprocess.run(
        [sys.executable, "-m", "pg_guard", "check", text, "--policy", POLICY], capture_output=True, check=False
    )
    assert checked.returncode == 1
    (tmp_path / "a.sql").write_text(text)
    assert lint("a.sql", cwd=tmp_path).returncode == 0  # the same text, where reviewers read it


async def test_comments_mean_nothing_to_the_mcp_server(demo_dsn: str) -> None:
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "pg_guard", "serve", "--policy", POLICY],
        env={**os.environ, "PG_GUARD_DSN": demo_dsn},
    )
    async with Client(server, read_timeout_seconds=60) as client:
        answer = await client.call_tool(
            "run_sql", {"sql": f"/* pg-guard: allow tables/denied I may */ {DENIED} -- pg-guard: allow tables/denied x"}
        )
    assert answer.structured_content is not None
    assert answer.structured_content["decision"] == "deny"
    assert answer.structured_content["rows"] == []


# -- baselines -------------------------------------------------------------------------------------------------------


def test_a_baseline_lets_known_findings_pass_and_no_others(tmp_path: Path) -> None:
    source = tmp_path / "a.sql"
    source.write_text(f"{DENIED};\n{ALLOWED};\n")
    written = lint("a.sql", "--write-baseline", "known.json", cwd=tmp_path)
    assert written.returncode == 0
    assert "Wrote 1 known finding to known.json" in written.stderr
    assert "line" not in json.loads((tmp_path / "known.json").read_text())["findings"][0]
    arguments = ("a.sql", "--baseline", "known.json")
    assert lint(*arguments, cwd=tmp_path).returncode == 0
    # moved, and written in another way
    source.write_text(f"-- new\n\n{ALLOWED};\nselect name,\n salary\nfrom hr.employees ;\n")
    assert counts(*arguments, cwd=tmp_path) == {"baseline": 1}
    # a copy is new
    source.write_text(f"{DENIED};\n{DENIED};\n")
    assert counts(*arguments, cwd=tmp_path) == {"denied": 1, "findings": 1, "baseline": 1}
    assert lint(*arguments, cwd=tmp_path).returncode == 1
    # another statement is new, and the entry is stale
    source.write_text(f"{DENIED} WHERE name = 'x';\n")
    assert counts(*arguments, cwd=tmp_path) == {"denied": 1, "findings": 1, "stale": 1}
    # repaired: the stale entry is reported, in every form
    source.write_text(f"{ALLOWED};\n")
    process = lint(*arguments, cwd=tmp_path)
    assert process.returncode == 0
    assert "stale in the baseline: a.sql: tables/denied: select name , salary from hr . employees\n" in process.stdout
    run = run_of(lint(*arguments, "--format", "sarif", cwd=tmp_path))
    assert [entry["descriptor"]["id"] for entry in run["invocations"][0]["toolExecutionNotifications"]] == ["stale"]
    assert "::notice title=stale" in lint(*arguments, "--format", "github", cwd=tmp_path).stdout
    # and a run that writes the baseline anew drops it
    lint(*arguments, "--write-baseline", "known.json", cwd=tmp_path)
    assert json.loads((tmp_path / "known.json").read_text())["findings"] == []


def test_a_baseline_is_the_same_every_time(tmp_path: Path) -> None:
    for name in ("b.sql", "a.sql"):
        (tmp_path / name).write_text(f"{DENIED};\nDELETE FROM orders;\n\\i x.sql\n")
    for name in ("one.json", "two.json"):
        assert lint("b.sql", "a.sql", "--write-baseline", name, cwd=tmp_path).returncode == 0
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    assert counts(".", "--baseline", "one.json", cwd=tmp_path) == {"baseline": 6}


def test_entries_of_files_that_were_not_read_are_not_stale(tmp_path: Path) -> None:
    for name in ("a.sql", "b.sql"):
        (tmp_path / name).write_text(DENIED)
    lint(".", "--write-baseline", "known.json", cwd=tmp_path)
    assert counts("a.sql", "--baseline", "known.json", cwd=tmp_path) == {"baseline": 1}
    for name in ("./a.sql", str(tmp_path / "a.sql"), "../" + tmp_path.name + "/a.sql"):
        assert counts(name, "--baseline", "known.json", cwd=tmp_path) == {"baseline": 1}
    # A file that was renamed takes its entries along.
    (tmp_path / "b.sql").rename(tmp_path / "c.sql")
    assert counts(".", "--baseline", "known.json", cwd=tmp_path) == {"baseline": 2}
    # Copied from a file that is still there, it is new.
    (tmp_path / "c.sql").rename(tmp_path / "b.sql")
    (tmp_path / "d.sql").write_text(DENIED)
    assert counts("d.sql", "--baseline", "known.json", cwd=tmp_path) == {"denied": 1, "findings": 1}


def test_a_baseline_needs_every_file(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_bytes(b"\xff")
    process = lint("a.sql", "--write-baseline", "known.json", cwd=tmp_path)
    assert process.returncode == 2
    assert "the baseline was not written" in process.stderr
    assert not (tmp_path / "known.json").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a baseline"),
        (b"{", "known.json:1: not a baseline"),
        (b"[]", "its schema is not pg-guard/baseline/v1"),
        (b'{"schema": "pg-guard/lint/v1"}', "its schema is not pg-guard/baseline/v1"),
        (b'{"schema": "pg-guard/baseline/v1"}', "`findings` is not a list"),
        (b'{"schema": "pg-guard/baseline/v1", "findings": [{"rule": 1}]}', "entry 1"),
        (b"\xff\xfe", "known.json: not UTF-8"),
        (b"[" * 100_000, "not a baseline"),
    ],
)
def test_a_file_that_is_no_baseline_is_one_clear_line(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "a.sql").write_text(ALLOWED)
    (tmp_path / "known.json").write_bytes(content)
    assert_one_clear_line(lint("a.sql", "--baseline", "known.json", cwd=tmp_path), 2, message)


# -- what is looked at -----------------------------------------------------------------------------------------------


def test_packs_need_no_policy(tmp_path: Path, rules: Path) -> None:
    (tmp_path / "a.sql").write_text("SELECT * FROM hr.employees;\nINSERT INTO t SELECT * FROM u;\n")
    process = lint("a.sql", "--rules", str(rules), "--format", "json", cwd=tmp_path, policy=None)
    assert process.returncode == 1
    loaded = document(process)
    (file,) = loaded["files"]
    found = [entry["rule"] for statement in file["statements"] for entry in statement["findings"]]
    assert set(found) == {"team/PG900", "team/PG901"}
    # Nobody said whether an INSERT is allowed; that is told.
    (skipped,) = file["skipped"]
    assert skipped["span"]["line"] == 2
    assert "no policy says whether insert is allowed" in skipped["reason"]


def test_a_shipped_pack_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("SELECT rolname, rolpassword FROM pg_authid;\nSELECT 1;\n")
    process = lint("a.sql", "--pack", "core", "--format", "json", cwd=tmp_path, policy=None)
    assert process.returncode == 1
    loaded = document(process)
    first, second = loaded["files"][0]["statements"]
    assert "core/PG101" in [entry["rule"] for entry in first["findings"]]
    assert second["findings"] == []
    assert loaded["policy"].startswith("core ")
    both = document(lint("a.sql", "--pack", "core", "--format", "json", cwd=tmp_path))
    assert both["policy"].startswith("demo 1.0.0 + core ")
    assert {"tables/system", "core/PG101"} <= {entry["rule"] for entry in both["files"][0]["statements"][0]["findings"]}


def test_warnings_do_not_fail_unless_asked(tmp_path: Path, rules: Path) -> None:
    (tmp_path / "a.sql").write_text("SELECT * FROM orders")
    warning = ("a.sql", "--rules", str(rules / "PG900_star.yaml"))
    assert lint(*warning, cwd=tmp_path, policy=None).returncode == 0
    assert lint(*warning, "--fail-on", "warn", cwd=tmp_path, policy=None).returncode == 1
    assert counts(*warning, cwd=tmp_path, policy=None) == {"warnings": 1}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), {"denied": 1, "findings": 1, "warnings": 1}),
        (("--select", "team/PG900"), {"warnings": 1, "filtered": 1}),
        (("--select", "no-star"), {"warnings": 1, "filtered": 1}),
        (("--select", "team"), {"denied": 1, "findings": 1, "warnings": 1}),
        (("--select", "*/PG9*", "--ignore", "*/PG901"), {"warnings": 1, "filtered": 1}),
        (("--ignore", "no-star,never-star"), {"filtered": 2}),
        (("--min-severity", "high"), {"denied": 1, "findings": 1, "filtered": 1}),
        (("--min-severity", "critical", "--select", "no-star"), {"filtered": 2}),
    ],
)
def test_filters_count_what_they_hide(
    tmp_path: Path, rules: Path, options: tuple[str, ...], expected: dict[str, int]
) -> None:
    (tmp_path / "a.sql").write_text("SELECT * FROM orders")
    assert counts("a.sql", "--rules", str(rules), *options, cwd=tmp_path, policy=None) == expected


def test_what_is_filtered_out_is_told(tmp_path: Path, rules: Path) -> None:
    (tmp_path / "a.sql").write_text("SELECT * FROM orders")
    process = lint("a.sql", "--rules", str(rules), "--ignore", "team", cwd=tmp_path, policy=None)
    assert (process.returncode, process.stdout) == (0, "1 file, 1 statement: 0 denied, 0 findings, 2 filtered out\n")


@pytest.mark.parametrize(
    ("arguments", "policy", "part"),
    [
        (["a.sql"], None, "nothing says what to check"),
        (["a.sql", "--pack", "cor"], None, "did you mean 'core'?"),
        (["a.sql", "--pack", "../core"], None, "there is no rule pack"),
        (["a.sql", "--rules", "missing"], None, "missing: no such file"),
        (["a.sql", "--rules", "."], None, "holds no rule files"),
        (["a.sql", "--select", "tabels/denied"], POLICY, "--select tabels/denied: no rule of this run"),
        (["a.sql", "--embedded", "ruby"], POLICY, "'ruby' is not one of python, markdown, jinja"),
        (["a.sql", "--baseline", "missing.json"], POLICY, "missing.json"),
        (["a.sql", "--write-baseline", "missing/x.json"], POLICY, "missing"),
        (["x.py"], POLICY, "add --embedded python"),
        (["x.md"], POLICY, "add --embedded markdown"),
        (["-", "--stdin-name", "x.py"], POLICY, "add --embedded python"),
    ],
)
def test_wrong_usage_is_one_clear_line(tmp_path: Path, arguments: list[str], policy: str | None, part: str) -> None:
    for name in ("a.sql", "x.py", "x.md"):
        (tmp_path / name).write_text("")
    process = lint(*arguments, cwd=tmp_path, policy=policy)
    assert process.returncode == 2
    assert part in process.stderr
    assert process.stderr.startswith("pg-guard: error: ")
    assert "unexpected" not in process.stderr


def test_an_invalid_rule_exits_with_3(tmp_path: Path, rules: Path) -> None:
    (tmp_path / "a.sql").write_text(ALLOWED)
    (rules / "PG901_star.yaml").write_text("schema: pg-guard/rule/v1\nid: x\nwhat: 1\n")
    process = lint("a.sql", "--rules", str(rules), cwd=tmp_path, policy=None)
    assert (process.returncode, process.stdout) == (3, "")
    assert re.search(r"PG901_star\.yaml:3:1: error: ", process.stderr)


# -- reading files ---------------------------------------------------------------------------------------------------


def test_standard_input_has_a_name(tmp_path: Path) -> None:
    process = lint("-", "--stdin-name", "reports/a.sql", cwd=tmp_path, stdin=f"SELECT 1;\n{DENIED}")
    assert process.returncode == 1
    assert "--> reports/a.sql:2:26" in process.stdout
    unnamed = lint("-", cwd=tmp_path, stdin=DENIED)
    assert "--> standard input:1:26" in unnamed.stdout
    embedded = lint(
        "-", "--stdin-name", "x.md", "--embedded", "markdown", cwd=tmp_path, stdin=f"```sql\n{DENIED}\n```\n"
    )
    assert "--> x.md:2:26" in embedded.stdout
    broken = lint("-", "--stdin-name", "x.sql", cwd=tmp_path, stdin=b"\xff")
    assert broken.returncode == 2
    assert "x.sql: not UTF-8" in broken.stderr


def test_a_byte_order_mark_and_windows_line_ends_move_no_place(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_bytes(
        b"\xef\xbb\xbf-- pg-guard: allow columns/denied r\r\n" + DENIED.encode() + b";\r\n" + DENIED.encode() + b"\r\n"
    )
    run = run_of(lint("a.sql", "--format", "sarif", cwd=tmp_path))
    regions = [result["locations"][0]["physicalLocation"]["region"] for result in run["results"]]
    denied = {"startColumn": 26, "endColumn": 38}
    assert {"startLine": 2, "endLine": 2, **denied} in regions
    assert {"startLine": 3, "endLine": 3, **denied} in regions
    assert {"startLine": 1, "startColumn": 1, "endLine": 1, "endColumn": 36} in regions  # the unused comment


def test_a_very_large_file_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "dump.sql").open("wb") as stream:
        stream.truncate(50 * 1024 * 1024)
    (tmp_path / "a.sql").write_text(DENIED)
    process = lint(".", cwd=tmp_path)
    assert process.returncode == 2
    assert process.stderr.startswith("pg-guard: error: dump.sql: longer than 33554432 bytes")
    assert "a.sql:1:26" in process.stdout  # the others are checked


def test_a_function_body_is_one_statement(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text(
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC\n SELECT 1;\n SELECT CASE WHEN true THEN 2 END;\nEND;\nSELECT 3;\n"
    )
    (file,) = document(lint("a.sql", "--format", "json", cwd=tmp_path))["files"]
    assert [statement["kind"] for statement in file["statements"]][1:] == ["select"]
    assert {entry["rule"] for entry in file["statements"][0]["findings"]} == {"statement/not-allowed"}


def test_progress_is_told_after_two_seconds(tmp_path: Path) -> None:
    # The clock of the process runs fast: a test that waits would only test the machine.
    (tmp_path / "many.sql").write_text(f"{ALLOWED};\n" * 50)
    code = (
        "import itertools, sys, time\n"
        "ticks = itertools.count()\n"
        "time.monotonic = lambda: next(ticks) / 10\n"
        "from pg_guard.entry.cli.main import main\n"
        f"sys.argv = ['pg-guard', 'lint', 'many.sql', '-p', {POLICY!r}]\n"
        "main()\n"
    )
    process = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert re.match(r"Checked \d+ statements, 0 of 1 files \.\.\.\n", process.stderr)
    assert process.stdout == "1 file, 50 statements: 0 denied, 0 findings\n"


# -- SQL inside of other files ---------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(
        "QUERY = (\n"
        "    'SELECT name, '  # what is shown\n"
        '    "salary \\u0046ROM hr.employees WHERE id = %s"\n'
        ")\n"
        "\n"
        "def pay(cursor, table):\n"
        "    cursor.execute(QUERY, (1,))\n"
        "    cursor.execute(f'SELECT * FROM {table}')\n"
        "    print('SELECT salary FROM hr.employees')\n"
    )
    (tmp_path / "guide.md").write_text(
        "# Pay\n\n> ```sql\n> -- pg-guard: allow tables/denied an example of what is refused\n"
        f"> {DENIED};\n> ```\n\n```python\nx = 1\n```\n\n~~~PostgreSQL\nSELECT 1;\n{DENIED}\n~~~\n"
    )
    (tmp_path / "model.sql").write_text(
        "{{ config(materialized='view') }}\n"
        "SELECT {{ columns() }}, o.id\nFROM {{ ref('orders') }} o JOIN {{ source('hr', 'employees') }} e USING (id)\n"
        "{% if is_incremental() %}WHERE o.id > (SELECT max(id) FROM {{ this }}){% endif %}\n"
    )
    return tmp_path


def test_other_files_are_read_only_when_asked_for(project: Path) -> None:
    process = lint(".", "--format", "json", cwd=project)
    loaded = document(process)
    assert [file["path"] for file in loaded["files"]] == ["model.sql"]
    assert loaded["embedded"] == []
    assert loaded["files"][0]["language"] == "sql"
    asked = document(lint(".", "--embedded", "python,markdown", "--embedded", "jinja", "--format", "json", cwd=project))
    assert [(file["path"], file["language"]) for file in asked["files"]] == [
        ("app.py", "python"),
        ("guide.md", "markdown"),
        ("model.sql", "jinja"),
    ]
    assert asked["embedded"] == ["python", "markdown", "jinja"]
    text = lint(".", "--embedded", "python,markdown,jinja", cwd=project).stdout
    assert "(with SQL inside of python and markdown and jinja files)" in text


def test_places_in_other_files_are_those_of_the_file(project: Path) -> None:
    loaded = document(lint(".", "--embedded", "python,markdown,jinja", "--format", "json", cwd=project))
    shown = {}
    for file in loaded["files"]:
        text = (project / file["path"]).read_text()
        for statement in file["statements"]:
            for entry in statement["findings"]:
                span = entry["span"]
                assert text[: span["start"]].count("\n") + 1 == span["line"]
                shown.setdefault((file["path"], entry["rule"]), text[span["start"] : span["end"]])
    assert shown["app.py", "tables/denied"] == "hr.employees"
    assert shown["guide.md", "tables/denied"] == "hr.employees"
    assert shown["model.sql", "tables/denied"] == "{{ source('hr', 'employees') }}"
    (_, guide, _) = loaded["files"]
    assert [len(statement["suppressed"]) for statement in guide["statements"]] == [1, 0, 0]


def test_what_cannot_be_read_is_told(project: Path) -> None:
    arguments = (".", "--embedded", "python,markdown,jinja")
    loaded = document(lint(*arguments, "--format", "json", cwd=project))
    skipped = {
        file["path"]: [(entry["span"]["line"], entry["reason"]) for entry in file["skipped"]]
        for file in loaded["files"]
    }
    assert skipped["app.py"] == [(8, "an f-string, put together at run time")]
    assert skipped["guide.md"] == []
    assert [line for line, _ in skipped["model.sql"]] == [2, 4]
    assert loaded["counts"]["skipped"] == 3
    text = lint(*arguments, cwd=project).stdout
    assert "not read: app.py:8: an f-string, put together at run time\n" in text
    assert "not read: model.sql:2,4: a template expression; a placeholder stands for it\n" in text
    assert ", 3 places not read" in text
    run = run_of(lint(*arguments, "--format", "sarif", cwd=project))
    assert len(run["invocations"][0]["toolExecutionNotifications"]) == 3


def test_every_branch_of_a_template_is_checked(tmp_path: Path) -> None:
    # `where` of the policy demands a condition on web_events: the text without the branch has none.
    (tmp_path / "a.sql").write_text(
        "SELECT id FROM web_events\n{% if recent %}WHERE id = 5{% endif %};\n"
        "{% if a %}SELECT 1{% elif b %}SELECT salary FROM hr.employees{% else %}SELECT 2{% endif %};\n"
    )
    loaded = document(lint("a.sql", "--embedded", "jinja", "--format", "json", cwd=tmp_path))
    found = [
        (entry["rule"], entry["span"]["line"]) for s in loaded["files"][0]["statements"] for entry in s["findings"]
    ]
    assert sorted(found) == [("tables/denied", 3), ("where/missing", 1)]
    assert (loaded["counts"]["denied"], loaded["counts"]["findings"]) == (2, 2)


def test_what_branches_of_a_template_share_counts_once(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text(
        "{% if a %}WITH x AS (SELECT 1){% endif %} SELECT salary FROM hr.employees {% if b %}LIMIT 5{% else %}{% endif %}"
    )
    assert counts("a.sql", "--embedded", "jinja", cwd=tmp_path) == {"denied": 1, "findings": 1}


def test_files_that_their_language_does_not_accept(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("def f(:\n")
    (tmp_path / "b.sql").write_text("SELECT {% if x %} 1")
    (tmp_path / "c.sql").write_text("SELECT {{ 'open }}")
    process = lint(".", "--embedded", "python,jinja", cwd=tmp_path)
    assert process.returncode == 2
    errors = [line for line in process.stderr.splitlines() if not line.startswith("hint: ")]
    assert len(errors) == 3
    assert errors[0].startswith("pg-guard: error: a.py: not valid Python in line 1: ")
    assert errors[1].startswith("pg-guard: error: b.sql: not a valid template in line 1: `if` is not closed")
    assert errors[2].startswith("pg-guard: error: c.sql: not a valid template in line 1: ")


def test_a_log_for_code_scanning_leaves_lifted_findings_out(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text(f"-- pg-guard: allow tables/denied audited\n{DENIED};\nDELETE FROM orders;\n")
    run = run_of(lint("a.sql", "--format", "sarif", "--omit-suppressed", cwd=tmp_path))
    assert {result["ruleId"] for result in run["results"]} == {"statement/not-allowed"}
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["statement/not-allowed"]
    assert run["properties"]["counts"]["suppressed"] == 1
    assert_one_clear_line(lint("a.sql", "--omit-suppressed", cwd=tmp_path), 2, "is for --format sarif")


def test_a_template_that_is_read_as_sql_says_how_to_read_it(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("SELECT {{ columns }} FROM orders;\nSELEC 1;\n")
    (file,) = document(lint("a.sql", "--format", "json", cwd=tmp_path))["files"]
    first, second = (statement["findings"][0] for statement in file["statements"])
    assert first["rule"] == second["rule"] == "sql/syntax"
    assert "--embedded jinja" in first["remediation"]
    assert "--embedded jinja" not in second["remediation"]
