"""The audit log of a real server: what clients did is in it, before it ran and whatever happened; and the commands that read it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from pg_guard.observe.audit_file import parts_of
from pg_guard.observe.audit_lines import parse_line
from tests.support.http_server import call as call_over_http
from tests.support.http_server import new_token, served
from tests.support.mcp_client import call, connected, error_of
from tests.support.scripted_model import Say, ScriptedModel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT = Path(__file__).resolve().parents[2]
POLICY = ROOT / "policies" / "demo.yaml"
SLOW = (
    "SELECT count(*) FROM order_items a JOIN order_items b ON a.quantity = b.quantity"
    " JOIN order_items c ON b.quantity = c.quantity"
)


def environment(dsn: str, path: Path, **more: str) -> dict[str, str]:
    audit = {"SINK": "file", "PATH": str(path)} | more
    return {"PG_GUARD_DSN": dsn, **{f"PG_GUARD_AUDIT__{name}": value for name, value in audit.items()}}


def command(*arguments: str | Path, stdin: bytes | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG_GUARD")}
    done = subprocess.run(
        [sys.executable, "-m", "pg_guard", *map(str, arguments)],
        input=stdin, capture_output=True, timeout=120, check=False, env=kept | {"COLUMNS": "120", **env}, cwd=ROOT,
    )  # fmt: skip
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())


def lines(path: Path) -> list[dict[str, Any]]:
    return [parse_line(line).content for line in path.read_bytes().splitlines(keepends=True)] if path.exists() else []


def decisions(path: Path) -> list[dict[str, Any]]:
    return [line for line in lines(path) if line["event"] == "decision"]


def outcome(path: Path, decision: dict[str, Any]) -> dict[str, Any] | None:
    found = [
        line for line in lines(path) if line["event"] == "outcome" and line["decision_id"] == decision["decision_id"]
    ]
    assert len(found) <= 1
    return found[0] if found else None


def intact(path: Path, *arguments: str | Path) -> str:
    done = command("audit", "verify", *sorted(path.parent.glob("audit*.jsonl")), *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def wait_until_running(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        for _ in range(1200):
            if await connection.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE query = $1 AND state = 'active'", SLOW
            ):
                return
            await asyncio.sleep(0.05)
    finally:
        await connection.close()
    raise AssertionError("the statement does not run")


# -- what is recorded --------------------------------------------------------------------------------------------------------


async def test_every_statement_is_recorded_with_what_came_of_it(demo_dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    async with connected("--policy", POLICY, env=environment(demo_dsn, path)) as client:
        await call(client, "run_sql", sql="SELECT id FROM orders ORDER BY id")
        await call(client, "run_sql", sql="SELECT * FROM hr.payroll")
        await call(client, "run_sql", sql="SELECT 1 / (id - id) FROM orders")
        await call(client, "explain_sql", sql="SELECT id FROM orders")
        await call(client, "explain_sql", sql="SELECT * FROM audit.api_keys")
        await call(client, "check_sql", sql="SELECT 1")
        await call(client, "explain_denial", sql="DROP TABLE orders")
    found = decisions(path)
    assert [line["decision"]["statement"] for line in found] == [
        "SELECT id FROM orders ORDER BY id",
        "SELECT * FROM hr.payroll",
        "SELECT 1 / (id - id) FROM orders",
        "SELECT id FROM orders",
        "SELECT * FROM audit.api_keys",
        "SELECT 1",
        "DROP TABLE orders",
    ]
    assert [line["operation"] for line in found] == ["run", "run", "run", "explain", "explain", "check", "check"]
    assert [line["decision"]["effect"] for line in found] == [
        "allow",
        "deny",
        "allow",
        "allow",
        "deny",
        "allow",
        "deny",
    ]
    assert [line["principal"] for line in found] == [None] * 7
    ran, denied, failed, explained, *others = [outcome(path, line) for line in found]
    assert ran is not None
    assert (ran["status"], ran["rows"], ran["truncated"], ran["error"]) == ("ok", 500, True, None)
    assert denied is None
    assert failed is not None
    assert (failed["status"], failed["error"], failed["sqlstate"]) == ("error", "execution", "22012")
    assert explained is not None
    assert (explained["status"], explained["rows"]) == ("ok", None)
    assert others == [None] * 3
    assert "tables/denied" in {finding["rule"] for finding in found[1]["decision"]["findings"]}
    assert "intact: 10 lines with 7 decisions" in intact(path, "--complete")


async def test_statements_of_a_question_carry_its_id(demo_dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    script = [
        Say("SELECT * FROM hr.payroll"),
        Say("SELECT count(*) FROM orders"),
        Say("SELECT count(*) FROM customers"),
    ]
    with ScriptedModel(script) as model:
        env = environment(demo_dsn, path) | {
            "PG_GUARD_MODEL__BASE_URL": model.url,
            "PG_GUARD_MODEL__KEY": "k",
            "PG_GUARD_VALIDATION__ENABLED": "false",
        }
        async with connected("--policy", POLICY, env=env) as client:
            await call(client, "ask", question="How many orders are there?")
            await call(client, "ask", question="How many customers are there?", return_type="sql")
    first, second, third = decisions(path)
    assert first["question_id"] == second["question_id"]
    assert third["question_id"] not in (None, first["question_id"])
    assert [line["operation"] for line in (first, second, third)] == ["run", "run", "check"]
    assert outcome(path, first) is None
    assert outcome(path, second) is not None


async def test_monitor_mode_is_recorded_for_what_it_is(demo_dsn: str, tmp_path: Path) -> None:
    policy, path = tmp_path / "monitor.yaml", tmp_path / "audit.jsonl"
    policy.write_text(POLICY.read_text(encoding="utf-8").replace("mode: enforce", "mode: monitor"), encoding="utf-8")
    async with connected("--policy", policy, env=environment(demo_dsn, path)) as client:
        answer = await call(client, "run_sql", sql="SELECT count(*) FROM web_events")
    assert answer["row_count"] == 1
    (line,) = decisions(path)
    assert (line["decision"]["effect"], line["decision"]["mode"], line["decision"]["would_deny"]) == (
        "allow",
        "monitor",
        True,
    )
    done = outcome(path, line)
    assert done is not None
    assert (done["status"], done["rows"]) == ("ok", 1)
    # Under the policy that enforces it is the same judgement: it would be, and is, denied.
    replayed = command("replay", path, "--policy", POLICY, "--dsn", demo_dsn, "--format", "json")
    assert replayed.returncode == 0, replayed.stdout
    assert json.loads(replayed.stdout)["records"] == 1


async def test_who_asks_over_http_is_recorded(demo_dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    token = new_token(tmp_path / "tokens.yaml", "bi-7", "--attribute", "tenant_id=42")
    audit = {"sink": "file", "path": "audit.jsonl"}
    async with (
        served(demo_dsn, POLICY, {"tokens": "tokens.yaml"}, tmp_path, audit=audit) as server,
        server.client(token) as client,
    ):
        await call_over_http(client, "run_sql", sql="SELECT 1")
    (line,) = decisions(path)
    assert line["principal"]["client"] == "bi-7"
    assert line["principal"]["attributes"]["tenant_id"] == 42
    assert token not in path.read_text()


async def test_standard_output_is_for_http_alone(demo_dsn: str, tmp_path: Path) -> None:
    done = command("serve", "--policy", POLICY, PG_GUARD_DSN=demo_dsn, PG_GUARD_AUDIT__SINK="stdout")
    assert (done.returncode, done.stdout) == (2, "")
    assert "standard output belongs to the protocol" in done.stderr
    async with served(demo_dsn, POLICY, {"allow_anonymous": True}, tmp_path, audit={"sink": "stdout"}) as server:
        async with server.client() as client:
            await call_over_http(client, "run_sql", sql="SELECT 1")
        assert await server.stop(signal.SIGTERM) == 128 + signal.SIGTERM
    found = [json.loads(line) for line in server.log if line.startswith('{"schema":"pg-guard/audit-line/v1"')]
    assert [line["event"] for line in found] == ["decision", "outcome"]


async def test_no_secret_is_in_the_log(demo_dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    parts = urlsplit(demo_dsn)
    user, _, host = parts.netloc.rpartition("@")
    dsn = parts._replace(netloc=f"{user.partition(':')[0] or 'postgres'}:hunter22secret@{host}").geturl()
    env = environment(dsn, path, MASKING="literals", KEY="hunter22" * 4)
    async with connected("--policy", POLICY, env=env, errors=tmp_path / "errors") as client:
        await call(client, "run_sql", sql="SELECT 1 / (id - id) FROM orders")
        await call(client, "run_sql", sql="SELECT no_such_column FROM orders")
    assert len(decisions(path)) == 2
    assert "hunter22" not in path.read_text() + (tmp_path / "errors").read_text()


# -- durable before it runs ----------------------------------------------------------------------------------------------------


async def test_the_record_stands_in_the_file_while_the_statement_runs_and_after_a_kill(
    demo_dsn: str, tmp_path: Path
) -> None:
    path = tmp_path / "audit.jsonl"
    audit = {"sink": "file", "path": "audit.jsonl"}
    http = {"allow_anonymous": True}
    async with served(demo_dsn, POLICY, http, tmp_path, audit=audit) as server:
        client = asyncio.create_task(_run_over_http(server, SLOW))
        await wait_until_running(demo_dsn)
        (line,) = lines(path)
        assert line["decision"]["statement"] == SLOW
        server.process.kill()
        await server.process.wait()
        client.cancel()
        await asyncio.gather(client, return_exceptions=True)
    # The next server goes on in the same chain.
    async with served(demo_dsn, POLICY, http, tmp_path, audit=audit) as server, server.client() as again:
        await call_over_http(again, "run_sql", sql="SELECT 1")
    assert [each["event"] for each in lines(path)] == ["decision", "decision", "outcome"]
    assert "1 statement(s) have no outcome" in intact(path, "--complete")


async def _run_over_http(server: Any, sql: str) -> None:
    async with server.client() as client:
        await client.call_tool("run_sql", {"sql": sql})


async def test_a_cancelled_statement_has_an_outcome(demo_dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    async with connected("--policy", POLICY, env=environment(demo_dsn, path)) as client:
        running = asyncio.create_task(client.call_tool("run_sql", {"sql": SLOW}))
        async with asyncio.timeout(60):
            # A statement of an earlier test may still be ending on the same server: first this one is recorded.
            while not (path.exists() and decisions(path)):  # noqa: ASYNC110 - nothing tells; a small file
                await asyncio.sleep(0.05)
        await wait_until_running(demo_dsn)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await call(client, "run_sql", sql="SELECT 1")
        slow, _ = decisions(path)
        # PostgreSQL answers to a cancellation when it can; a client that closes at once may end the server before.
        async with asyncio.timeout(60):
            while outcome(path, slow) is None:  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.05)
    done = outcome(path, slow)
    assert done is not None
    assert done["status"] == "cancelled"
    intact(path, "--complete")


async def test_a_server_that_is_told_to_end_loses_no_line(demo_dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    audit = {"sink": "file", "path": "audit.jsonl", "anchors": "anchors.jsonl"}
    async with served(
        demo_dsn, POLICY, {"allow_anonymous": True, "drain_timeout": 0.5}, tmp_path, audit=audit
    ) as server:
        client = asyncio.create_task(_run_over_http(server, SLOW))
        await wait_until_running(demo_dsn)
        await server.stop(signal.SIGTERM)
        client.cancel()
        await asyncio.gather(client, return_exceptions=True)
    (line,) = decisions(path)
    done = outcome(path, line)
    assert done is not None
    assert done["status"] in ("cancelled", "error")
    assert "1 anchor held" in intact(path, "--complete", "--anchors", tmp_path / "anchors.jsonl")


async def test_two_servers_share_a_file_and_parts_are_made(demo_dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    env = environment(demo_dsn, path, ROTATE_BYTES="20000", FSYNC="never")
    async with (
        connected("--policy", POLICY, env=env) as one,
        connected("--policy", POLICY, env=env) as two,
    ):
        await asyncio.gather(
            *(call(client, "run_sql", sql=f"SELECT {n} AS n") for n in range(40) for client in (one, two))
        )
    assert len(parts_of(path)) > 2
    assert "intact: 160 lines with 80 decisions" in intact(path, "--complete")


# -- when it cannot be written ---------------------------------------------------------------------------------------------------


@asynccontextmanager
async def with_little_room(env: dict[str, str], errors: Path) -> AsyncIterator[Client]:
    """A server whose files may have no more than 32 KiB."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG_GUARD")}
    parameters = StdioServerParameters(
        command="bash",
        args=[
            "-c",
            'ulimit -S -f 32; exec "$@"',
            "-",
            sys.executable,
            "-m",
            "pg_guard",
            "serve",
            "--policy",
            str(POLICY),
        ],
        env=kept | env | {"PYTHONDONTWRITEBYTECODE": "1"},
    )
    with errors.open("w", encoding="utf-8") as log:
        async with Client(stdio_client(parameters, errlog=log), read_timeout_seconds=60) as client:
            yield client


@pytest.mark.parametrize("tool", ["run_sql", "explain_sql", "check_sql"])
async def test_closed_nothing_runs_when_the_disk_is_full(demo_dsn: str, tmp_path: Path, tool: str) -> None:
    path, errors = tmp_path / "audit.jsonl", tmp_path / "errors"
    async with with_little_room(environment(demo_dsn, path), errors) as client:
        statement = "SELECT '" + "x" * 6_000 + "' AS x"
        results = [await client.call_tool(tool, {"sql": statement}) for _ in range(8)]
    failed = [result for result in results if result.is_error or (result.structured_content or {}).get("error")]
    assert failed
    for result in results:
        if result.is_error:
            assert error_of(result).startswith("AUDIT_UNAVAILABLE: ")
            assert str(tmp_path) not in error_of(result)
        elif result in failed:
            # It ran, and what came of it could not be recorded: nothing is handed out.
            assert result.structured_content["error"]["code"] == "AUDIT_UNAVAILABLE"
            assert not result.structured_content.get("rows")
    assert any(result.is_error for result in results)
    assert len(decisions(path)) == sum(not result.is_error for result in results)
    intact(path, "--complete")


async def test_open_it_goes_on_with_a_warning(demo_dsn: str, tmp_path: Path) -> None:
    path, errors = tmp_path / "audit.jsonl", tmp_path / "errors"
    async with with_little_room(environment(demo_dsn, path, FAIL="open"), errors) as client:
        for _ in range(8):
            answer = await call(client, "run_sql", sql="SELECT '" + "x" * 6_000 + "' AS x")
            assert answer["row_count"] == 1
    assert len(decisions(path)) < 8
    assert "fail: open" in errors.read_text()
    intact(path, "--complete")


async def test_a_question_is_told_the_code_as_well(demo_dsn: str, tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    with ScriptedModel([Say("SELECT '" + "x" * 12_000 + "' AS x")]) as model:
        env = environment(demo_dsn, path) | {
            "PG_GUARD_MODEL__BASE_URL": model.url,
            "PG_GUARD_VALIDATION__ENABLED": "false",
        }
        async with with_little_room(env, tmp_path / "errors") as client:
            answers = [await call(client, "ask", question="What is x?") for _ in range(3)]
    assert answers[-1]["error"]["code"] == "AUDIT_UNAVAILABLE"
    assert not answers[-1]["rows"]


def test_a_place_that_cannot_be_written_stops_the_start(demo_dsn: str, tmp_path: Path) -> None:
    done = command("serve", "--policy", POLICY, **environment(demo_dsn, tmp_path / "absent" / "audit.jsonl"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "the audit log cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


# -- commands ------------------------------------------------------------------------------------------------------------------


@pytest.fixture
async def written(demo_dsn: str, tmp_path: Path) -> Path:
    path = tmp_path / "audit.jsonl"
    async with connected(
        "--policy", POLICY, env=environment(demo_dsn, path, ANCHORS=str(tmp_path / "anchors"))
    ) as client:
        for n in range(3):
            await call(client, "run_sql", sql=f"SELECT id FROM orders WHERE id = {n}")
        await call(client, "run_sql", sql="SELECT * FROM hr.payroll")
    return path


def test_tampering_ends_verify_with_1_and_its_place(written: Path) -> None:
    whole = written.read_bytes().splitlines(keepends=True)
    assert len(whole) == 7
    anchors = ("--anchors", written.parent / "anchors")
    for changed, place in (
        ([*whole[:3], whole[3].replace(b'"rows":1', b'"rows":9').replace(b'"rows":0', b'"rows":9'), *whole[4:]], 4),
        ([*whole[:2], *whole[3:]], 3),
        ([*whole[:3], whole[1], *whole[3:]], 4),
        ([*whole[:2], whole[3], whole[2], *whole[4:]], 3),
        ([*whole[:6], whole[6][:-20]], 7),
    ):
        written.write_bytes(b"".join(changed))
        done = command("audit", "verify", written)
        assert done.returncode == 1, place
        assert done.stdout.startswith(f"{written}:{place}: ")
    written.write_bytes(b"".join(whole[:5]))
    assert command("audit", "verify", written).returncode == 0
    cut = command("audit", "verify", written, *anchors, "--format", "json")
    assert cut.returncode == 1
    document = json.loads(cut.stdout)
    assert document["intact"] is False
    assert "the end is cut off" in document["broken"]["message"]
    written.write_bytes(b"".join(whole))
    assert command("audit", "verify", "-", *anchors, stdin=b"".join(whole)).returncode == 0


def test_verify_says_what_cannot_be_read(tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    for arguments in ([absent], [tmp_path], [__file__, "--anchors", absent], [__file__, "--anchors", __file__]):
        done = command("audit", "verify", *arguments)
        assert done.returncode == 2, done.stdout
        assert done.stderr.count("pg-guard: error: ") == 1
        assert "Traceback" not in done.stderr


def test_the_audit_of_a_policy_is_as_it_was(demo_dsn: str, tmp_path: Path) -> None:
    output = tmp_path / "report.json"
    done = command("audit", "--policy", POLICY, "--dsn", demo_dsn, "-f", "json", "-o", output, "--fail-on", "none")
    assert done.returncode == 0, done.stderr
    assert json.loads(output.read_text())["schema"] == "pg-guard/audit/v1"
    missing = command("audit", "--dsn", demo_dsn)
    assert missing.returncode == 2
    assert "Missing option '-p' / '--policy'" in missing.stderr


def test_replay_decides_the_log_again(written: Path, demo_dsn: str, tmp_path: Path) -> None:
    same = command("replay", written, "--policy", POLICY, "--dsn", demo_dsn)
    assert same.returncode == 0, same.stdout
    assert "4 statements replayed" in same.stdout
    stricter = tmp_path / "stricter.yaml"
    text = POLICY.read_text(encoding="utf-8").partition("\ntests:")[0]
    stricter.write_text(text.replace('deny: ["', 'deny: ["orders", "', 1), encoding="utf-8")
    other = command("replay", written, "--policy", stricter, "--dsn", demo_dsn, "--format", "json")
    assert other.returncode == 1, other.stdout + other.stderr
    # The last line, torn off, is only warned of.
    torn = command("replay", "-", "-p", POLICY, "--dsn", demo_dsn, stdin=written.read_bytes()[:-30])
    assert torn.returncode == 0
    assert "torn" in torn.stderr


@pytest.mark.parametrize("masking", ["literals", "statement"])
async def test_replay_says_how_many_it_cannot_decide_again(demo_dsn: str, tmp_path: Path, masking: str) -> None:
    path, key = tmp_path / "audit.jsonl", tmp_path / "key"
    key.write_text("0123456789abcdef" * 2)
    env = environment(demo_dsn, path, MASKING=masking, KEY_FILE=str(key))
    async with connected("--policy", POLICY, env=env) as client:
        for name in ("Zyxwvut", "Zyxwvut", "Abcdefg"):
            await call(client, "run_sql", sql=f"SELECT id FROM orders WHERE status = '{name}'")
    assert "Zyxwvut" not in path.read_text()
    one, two, three = (line["decision"]["statement"] for line in decisions(path))
    assert one == two != three
    done = command("replay", path, "--policy", POLICY, "--dsn", demo_dsn, "--format", "json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["not_replayed"] == {
        "count": 3,
        "reasons": {"the statement is masked: it differs from its digest": 3},
    }


async def test_a_table_takes_the_log_and_gives_it_back(demo_dsn: str, server_dsn: str) -> None:
    admin = await asyncpg.connect(server_dsn)
    await admin.execute("CREATE DATABASE audit_of_servers")
    store = urlsplit(server_dsn)._replace(path="/audit_of_servers").geturl()
    try:
        env = {"PG_GUARD_DSN": demo_dsn, "PG_GUARD_AUDIT__SINK": "postgresql", "PG_GUARD_AUDIT__DSN": store}
        early = command("serve", "--policy", POLICY, **env)
        assert early.returncode == 2
        assert "guard_audit" in early.stderr
        made = command("audit-store", "migrate", "--dsn", store, "--keep", "12")
        assert made.returncode == 0, made.stderr
        assert made.stdout.count("created line_") == 4
        assert command("audit-store", "migrate", PG_GUARD_AUDIT__DSN=store).stdout == "nothing to do\n"
        async with connected("--policy", POLICY, env=env) as client:
            await call(client, "run_sql", sql="SELECT 1 AS one")
            await call(client, "run_sql", sql="SELECT * FROM hr.payroll")
        exported = command("audit-store", "export", PG_GUARD_AUDIT__DSN=store)
        assert exported.returncode == 0, exported.stderr
        verified = command("audit", "verify", "-", "--complete", stdin=exported.stdout.encode())
        assert "intact: 3 lines with 2 decisions" in verified.stdout
        replayed = command("replay", "-", "-p", POLICY, "--dsn", demo_dsn, stdin=exported.stdout.encode())
        assert "2 statements replayed" in replayed.stdout
    finally:
        await admin.execute("DROP DATABASE audit_of_servers WITH (FORCE)")
        await admin.close()
