"""The HTTP server as clients see it: a real client, a real child process, a real PostgreSQL 18, tokens of a file."""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import httpx2
import pytest
import yaml
from mcp.shared.exceptions import MCPError

from tests.support.http_server import INITIALIZE, MODERN, Served, call, new_token, post, revoke_token, served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROOT = Path(__file__).resolve().parents[2]
DEMO = (ROOT / "policies" / "demo.yaml").read_text(encoding="utf-8")
MODES = ["legacy", MODERN]

SLOW = (
    "SELECT count(*) FROM order_items a JOIN order_items b ON a.quantity = b.quantity"
    " JOIN order_items c ON b.quantity = c.quantity"
)

BUSY = "SELECT 1 FROM order_items a JOIN order_items b ON a.quantity = b.quantity"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("http")


@pytest.fixture(scope="module")
def policy(directory: Path) -> Path:
    """The demo's, with orders held to the caller's tenant."""
    path = directory / "policy.yaml"
    changed = DEMO.replace(
        "  - {table: web_events}\n",
        "  - {table: web_events}\n  - {table: [orders, customers], columns: [tenant_id],"
        " equals: {tenant_id: ':tenant_id'}}\n",
    )
    assert changed != DEMO
    path.write_text(changed.partition("\ntests:")[0], encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def tokens(directory: Path) -> dict[str, str]:
    path = directory / "tokens.yaml"
    made = {f"bi-{n}": new_token(path, f"bi-{n}", "--attribute", f"tenant_id={n}") for n in (1, 2)}
    made["nobody"] = new_token(path, "nobody")
    made["late"] = new_token(path, "late", "--expires", "2999-12-31")
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    yesterday = datetime.datetime.now(datetime.UTC).date() - datetime.timedelta(days=1)
    data["tokens"][-1]["expires"] = yesterday.isoformat()
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    return made


@pytest.fixture(scope="module")
async def server(demo_dsn: str, policy: Path, tokens: dict[str, str], directory: Path) -> AsyncIterator[Served]:
    """One server for all tests that do not end it."""
    http = {"tokens": "tokens.yaml", "max_request_bytes": 20_000, "allowed_origins": ["https://app.example"]}
    async with served(demo_dsn, policy, http, directory) as server:
        yield server


def of_tenant(n: int) -> str:
    return f"SELECT DISTINCT tenant_id FROM orders WHERE tenant_id = {n}"


@pytest.mark.parametrize("mode", [*MODES, "auto"])
async def test_tools_work(server: Served, tokens: dict[str, str], mode: str) -> None:
    async with server.client(tokens["bi-1"], mode) as client:
        assert "run_sql" in {tool.name for tool in (await client.list_tools()).tools}
        answer = await call(client, "run_sql", sql="SELECT 1 AS one")
        denied = await call(client, "run_sql", sql="SELECT * FROM hr.payroll")
    assert answer["rows"] == [[1]]
    assert denied["decision"] == "deny"


# -- who may come in ---------------------------------------------------------------------------------------------------


async def test_without_a_token_there_is_nothing(server: Served) -> None:
    for response in (await post(server), await post(server, headers={"mcp-protocol-version": MODERN})):
        assert response.status_code == 401
        assert response.headers["www-authenticate"].startswith("Bearer ")
        assert "pg-guard" not in response.text
    async with httpx2.AsyncClient() as client:
        assert (await client.get(server.url)).status_code == 401
        assert (await client.delete(server.url)).status_code == 401
        assert (await client.get(f"{server.origin}/")).status_code == 404


async def test_only_tokens_of_the_file_that_are_in_force_count(server: Served, tokens: dict[str, str]) -> None:
    assert (await post(server, tokens["bi-1"])).status_code == 200
    good = tokens["bi-1"]
    digest = hashlib.sha256(good.encode()).hexdigest()
    for wrong in (
        tokens["late"],
        good[:-1],
        good + "A",
        good.swapcase(),
        digest,
        "pgg_",
        "a.b.c",
        "x" * 9_000,
    ):
        assert (await post(server, wrong)).status_code == 401, wrong
    # Another scheme, another place.
    assert (await post(server, headers={"authorization": f"Basic {good}"})).status_code == 401
    async with httpx2.AsyncClient() as client:
        response = await client.post(f"{server.url}?access_token={good}", json=INITIALIZE)
    assert response.status_code == 401


async def test_a_revoked_token_ends_with_the_next_request(
    server: Served, tokens: dict[str, str], directory: Path
) -> None:
    path = directory / "tokens.yaml"
    token = new_token(path, "short")
    async with server.client(token, "legacy") as client:
        assert (await call(client, "run_sql", sql="SELECT 1 AS one"))["rows"] == [[1]]
        revoke_token(path, "short")
        assert (await post(server, token)).status_code == 401
        with pytest.raises(MCPError):
            await client.call_tool("run_sql", {"sql": "SELECT 1"})
    assert (await post(server, tokens["bi-1"])).status_code == 200


async def test_a_broken_file_of_tokens_lets_nobody_in(server: Served, tokens: dict[str, str], directory: Path) -> None:
    path = directory / "tokens.yaml"
    before = path.read_bytes()
    try:
        path.write_text("schema: pg-guard/tokens/v1\ntokens: [", encoding="utf-8")
        assert (await post(server, tokens["bi-1"])).status_code == 401
        path.write_bytes(before)
        path.chmod(0o666)
        assert (await post(server, tokens["bi-1"])).status_code == 401
    finally:
        path.write_bytes(before)
        path.chmod(0o600)
    assert (await post(server, tokens["bi-1"])).status_code == 200


async def test_a_session_belongs_to_its_token(server: Served, tokens: dict[str, str]) -> None:
    opened = await post(server, tokens["bi-1"])
    session = {"mcp-session-id": opened.headers["mcp-session-id"], "mcp-protocol-version": "2025-06-18"}
    listing = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
    assert (await post(server, tokens["bi-2"], body=listing, headers=session)).status_code == 404
    assert (await post(server, tokens["bi-1"], body=listing, headers=session)).status_code == 200


# -- what a principal may see ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
async def test_each_token_sees_its_own_rows_only(server: Served, tokens: dict[str, str], mode: str) -> None:
    for mine, other in ((1, 2), (2, 1)):
        async with server.client(tokens[f"bi-{mine}"], mode) as client:
            own = await call(client, "run_sql", sql=of_tenant(mine))
            foreign = await call(client, "run_sql", sql=of_tenant(other))
            every = await call(client, "run_sql", sql="SELECT count(*) FROM orders")
            checked = await call(client, "check_sql", sql=of_tenant(other))
        assert (own["decision"], own["rows"]) == ("allow", [[mine]])
        for answer in (foreign, every, checked):
            assert answer["decision"] == "deny"
        assert {finding["rule"] for finding in foreign["findings"]} == {"where/other-value"}
    async with server.client(tokens["nobody"], mode) as client:
        answer = await call(client, "run_sql", sql=of_tenant(1))
    assert answer["decision"] == "deny"
    assert {finding["rule"] for finding in answer["findings"]} == {"where/no-principal"}


async def test_many_clients_at_once_are_never_taken_for_each_other(server: Served, tokens: dict[str, str]) -> None:
    async def ask(mine: int, mode: str) -> None:
        async with server.client(tokens[f"bi-{mine}"], mode) as client:
            for _ in range(5):
                own, foreign = await asyncio.gather(
                    call(client, "run_sql", sql=of_tenant(mine)), call(client, "run_sql", sql=of_tenant(3 - mine))
                )
                assert own["rows"] == [[mine]]
                assert foreign["decision"] == "deny"

    await asyncio.gather(*(ask(mine, mode) for mine in (1, 2) for mode in MODES for _ in range(3)))


async def test_a_cursor_belongs_to_its_token(server: Served, tokens: dict[str, str]) -> None:
    sql = "SELECT id FROM products ORDER BY id"
    async with server.client(tokens["bi-1"]) as one, server.client(tokens["bi-2"]) as two:
        first = await call(one, "run_sql", sql=sql, page_rows=3)
        stolen = await two.call_tool("run_sql", {"cursor": first["next_cursor"]})
        second = await call(one, "run_sql", cursor=first["next_cursor"])
    assert stolen.is_error
    assert "CURSOR_UNKNOWN" in stolen.content[0].text
    assert [row[0] for row in first["rows"] + second["rows"]] == sorted(
        row[0] for row in first["rows"] + second["rows"]
    )
    assert second["row_count"] == 3


async def test_an_idempotency_key_belongs_to_its_token(server: Served, tokens: dict[str, str]) -> None:
    sql = "SELECT tenant_id FROM orders WHERE tenant_id = 1 LIMIT 1"
    answers = []
    for name in ("bi-1", "bi-2"):
        async with server.client(tokens[name]) as client:
            answers.append(await call(client, "run_sql", sql=sql, idempotency_key="same"))
    assert [answer["decision"] for answer in answers] == ["allow", "deny"]
    assert answers[1]["rows"] == []


# -- what is no request of ours ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["2025-06-18", MODERN])
async def test_pages_of_other_origins_and_rebound_names_are_refused(
    server: Served, tokens: dict[str, str], version: str
) -> None:
    async def status(**headers: str) -> int:
        given = {"mcp-protocol-version": version} | headers
        return (await post(server, tokens["bi-1"], headers=given)).status_code

    port = server.origin.rpartition(":")[2]
    assert await status(origin="https://evil.example") == 403
    assert await status(origin="null") == 403
    assert await status(origin="https://app.example.evil.example") == 403
    assert await status(host="evil.example") == 421
    assert await status(host=f"evil.example:{port}") == 421
    assert await status(host=f"127.0.0.1.evil.example:{port}") == 421
    for good in ({"host": f"localhost:{port}"}, {"origin": "https://app.example"}):
        assert await status(**good) not in (403, 421)


async def test_a_page_of_a_permitted_origin_may_read(server: Served, tokens: dict[str, str]) -> None:
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}
    async with httpx2.AsyncClient() as client:
        good = await client.options(server.url, headers={"origin": "https://app.example", **asked})
        bad = await client.options(server.url, headers={"origin": "https://appXexample", **asked})
    answer = await post(server, tokens["bi-1"], headers={"origin": "https://app.example"})
    assert good.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://app.example"
    assert "access-control-allow-credentials" not in answer.headers
    assert bad.status_code == 400
    assert "access-control-allow-origin" not in bad.headers


@pytest.mark.parametrize("version", ["2025-06-18", MODERN])
async def test_an_oversized_body_is_refused(server: Served, tokens: dict[str, str], version: str) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b" " * 1_000

    headers = {
        "authorization": f"Bearer {tokens['bi-1']}",
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": version,
    }
    async with httpx2.AsyncClient() as client:
        declared = await client.post(server.url, content=b" " * 30_000, headers=headers)
        streamed = await client.post(server.url, content=chunks(), headers=headers)
    assert (declared.status_code, streamed.status_code) == (413, 413)


async def test_a_body_that_is_no_request_is_an_error_of_the_client(server: Served, tokens: dict[str, str]) -> None:
    for body in (b"{", b"[]", b"null", b"\xff", b"1" * 5_000, b"[" * 5_000):
        async with httpx2.AsyncClient() as client:
            for version in ("2025-06-18", MODERN):
                response = await client.post(
                    server.url,
                    content=body,
                    headers={
                        "authorization": f"Bearer {tokens['bi-1']}",
                        "content-type": "application/json",
                        "accept": "application/json, text/event-stream",
                        "mcp-protocol-version": version,
                    },
                )
                assert 400 <= response.status_code < 500, (body[:10], version, response.text)


# -- cancelling and ending ---------------------------------------------------------------------------------------------


async def wait_for_running(
    connection: asyncpg.Connection[Any], count: int, sql: str = SLOW, state: str = "active"
) -> bool:
    for _ in range(600):
        found = await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE query = $1 AND state LIKE $2", sql, state
        )
        if found == count:
            return True
        await asyncio.sleep(0.05)
    return False


@pytest.mark.parametrize("mode", MODES)
async def test_a_cancelled_call_is_cancelled_in_postgresql(
    server: Served, tokens: dict[str, str], demo_dsn: str, mode: str
) -> None:
    connection = await asyncpg.connect(demo_dsn)
    try:
        async with server.client(tokens["bi-1"], mode) as client:
            running = asyncio.create_task(client.call_tool("run_sql", {"sql": SLOW}))
            assert await wait_for_running(connection, 1)
            running.cancel()
            assert await wait_for_running(connection, 0)
            assert (await call(client, "run_sql", sql="SELECT 1 AS one"))["rows"] == [[1]]
    finally:
        await connection.close()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_server_and_what_runs(
    demo_dsn: str,
    policy: Path,
    tokens: dict[str, str],
    directory: Path,
    mode: str,
    number: signal.Signals,
    tmp_path: Path,
) -> None:
    http = {"tokens": str(directory / "tokens.yaml"), "drain_timeout": 0.5}
    connection = await asyncpg.connect(demo_dsn)
    try:
        async with served(demo_dsn, policy, http, tmp_path) as server, server.client(tokens["bi-1"], mode) as client:
            running = asyncio.create_task(client.call_tool("run_sql", {"sql": SLOW}))
            assert await wait_for_running(connection, 1)
            assert await server.stop(number) == 128 + number
            assert await wait_for_running(connection, 0, state="%")  # not even an idle backend
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    finally:
        await connection.close()
    assert f"pg-guard: stopped by {number.name}" in server.log
    assert "Traceback" not in "\n".join(server.log)


@pytest.mark.parametrize("mode", MODES)
async def test_what_is_under_way_may_finish(
    demo_dsn: str, policy: Path, tokens: dict[str, str], directory: Path, mode: str, tmp_path: Path
) -> None:
    http = {"tokens": str(directory / "tokens.yaml"), "drain_timeout": 60}
    # Long enough to be seen while it runs, and of an end.
    sql = f"SELECT count(*) FROM ({BUSY}) AS busy"
    connection = await asyncpg.connect(demo_dsn)
    try:
        async with served(demo_dsn, policy, http, tmp_path) as server, server.client(tokens["bi-1"], mode) as client:
            await client.list_tools()  # the client holds answers against their schema
            running = asyncio.create_task(call(client, "run_sql", sql=sql))
            assert await wait_for_running(connection, 1, sql)
            server.process.send_signal(signal.SIGTERM)
            answer = await running
            assert await asyncio.wait_for(server.process.wait(), 60) == 143
    finally:
        await connection.close()
    assert answer["error"] is None
    assert answer["row_count"] == 1


# -- secrets -----------------------------------------------------------------------------------------------------------


async def test_no_line_of_the_log_holds_a_secret(server: Served, tokens: dict[str, str], directory: Path) -> None:
    planted = "planted-4711-secret"
    await post(server, planted)
    await post(server, headers={"authorization": f"Basic {planted}", "cookie": planted})
    async with httpx2.AsyncClient() as client:
        await client.get(f"{server.url}?token={planted}")
        await client.get(f"{server.origin}/{planted}")
    async with server.client(tokens["bi-1"]) as client:
        await client.call_tool("run_sql", {"sql": f"SELECT '{planted}'::int"})
        await client.call_tool(planted, {})
        await client.call_tool("run_sql", {"sql": 7, planted: planted})
    # Lines of the log are folded.
    log = re.sub(r"\s+", "", "".join(server.log))
    digests = re.findall(r"[0-9a-f]{64}", (directory / "tokens.yaml").read_text(encoding="utf-8"))
    assert len(digests) >= 4
    for secret in (planted, *tokens.values(), *digests):
        assert secret not in log


# -- starting ----------------------------------------------------------------------------------------------------------


def start(dsn: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pg_guard", "serve", "--policy", str(ROOT / "policies" / "demo.yaml"), *arguments],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "PG_GUARD_DSN": dsn, **environment},
    )  # fmt: skip


ANONYMOUS = {"PG_GUARD_HTTP__ALLOW_ANONYMOUS": "true"}
OAUTH = {"PG_GUARD_HTTP__OAUTH__ISSUER": "https://issuer.example", "PG_GUARD_HTTP__OAUTH__AUDIENCE": "api://guard"}


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (["--http", "127.0.0.1:0"], {}, "neither tokens nor an issuer"),
        (["--http", "0.0.0.0:0"], {}, "neither tokens nor an issuer"),
        (["--http", "0.0.0.0:0"], ANONYMOUS, "which others can reach"),
        (["--http", "127.0.0.1:0", "--tokens", "missing.yaml"], {}, "missing.yaml"),
        (["--http", "127.0.0.1:0", "--tokens", "OPEN"], {}, "others may write"),
        (["--http", "127.0.0.1:0", "--tokens", "GOOD"], ANONYMOUS, "allow_anonymous together with"),
        (["--http", "0.0.0.0:0", "--tokens", "GOOD"], {}, "http.allowed_hosts"),
        (["--http", "127.0.0.1:0"], OAUTH, "is not the address of this server"),
        (["--http", "8080"], ANONYMOUS, "HOST:PORT"),
        (["--http", "127.0.0.1:99999"], ANONYMOUS, "HOST:PORT"),
        (["--http", "203.0.113.9:0"], ANONYMOUS, "--http 203.0.113.9:0"),
        (["--tokens", "GOOD"], {}, "--tokens is for --http"),
    ],
)
def test_what_cannot_be_meant_does_not_start(
    tmp_path: Path, arguments: list[str], environment: dict[str, str], message: str
) -> None:
    for name, mode in (("GOOD", 0o600), ("OPEN", 0o622)):
        path = tmp_path / name
        path.write_text("schema: pg-guard/tokens/v1\ntokens: []\n", encoding="utf-8")
        path.chmod(mode)
    given = [str(tmp_path / each) if each in ("GOOD", "OPEN") else each for each in arguments]
    result = start("postgresql://u:hunter2secret@127.0.0.1:1/none", *given, **environment)
    assert result.returncode == 2
    assert message in result.stderr
    assert result.stderr.startswith("pg-guard: error: ")
    assert "hunter2secret" not in result.stderr


@pytest.fixture
def policy_of_a_local_user(policy: Path, tmp_path: Path) -> Path:
    path = tmp_path / "policy.yaml"
    given = "principals: {local: {match: {client: anonymous}, attributes: {tenant_id: 2}}}\n"
    path.write_text(policy.read_text(encoding="utf-8") + "\n" + given, encoding="utf-8")
    return path


async def test_loopback_may_be_anonymous(demo_dsn: str, policy_of_a_local_user: Path, tmp_path: Path) -> None:
    async with served(demo_dsn, policy_of_a_local_user, {"allow_anonymous": True}, tmp_path) as server:
        for mode in MODES:
            async with server.client(mode=mode) as client:
                assert (await call(client, "run_sql", sql=of_tenant(2)))["rows"] == [[2]]
                assert (await call(client, "run_sql", sql=of_tenant(1)))["decision"] == "deny"
        assert (await post(server, headers={"host": "evil.example"})).status_code == 421
        assert (await post(server, headers={"origin": "http://evil.example"})).status_code == 403
