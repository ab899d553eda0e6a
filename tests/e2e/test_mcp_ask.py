"""Questions over MCP: a real client, a real child process, a scripted model on loopback or in the client, a real PostgreSQL."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from mcp_types import CreateMessageResult, TextContent

from tests.support.mcp_client import answer_of, call, connected, error_of, shared
from tests.support.scripted_model import Fail, Hang, Say, ScriptedModel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from mcp import Client

    from tests.support.scripted_model import Step

POLICY = Path(__file__).resolve().parents[2] / "policies" / "demo.yaml"
KEY = "sk-planted-model-key"
QUESTION = "How many orders are there?"
GOOD = "```sql\nSELECT count(*) AS orders FROM orders\n```"
SURE = '{"confidence": 95, "explanation": "It counts them.", "suggestion": ""}'
SLOW = (
    "SELECT count(*) FROM order_items a JOIN order_items b ON a.quantity = b.quantity"
    " JOIN order_items c ON b.quantity = c.quantity"
)


class Asked:
    """A connected client, and the model that its server asks."""

    def __init__(self, client: Client, model: ScriptedModel) -> None:
        self.client = client
        self.model = model

    def follows(self, *script: Step) -> None:
        """What the model answers from now on."""
        self.model.script = list(script)
        self.model.requests.clear()


@pytest.fixture(scope="module")
def model() -> Iterator[ScriptedModel]:
    with ScriptedModel([Say(GOOD)]) as server:
        yield server


@pytest.fixture(scope="module")
async def asked(demo_dsn: str, model: ScriptedModel) -> AsyncIterator[Asked]:
    async with shared("--policy", POLICY, env=settings(demo_dsn, model)) as client:
        yield Asked(client, model)


def settings(dsn: str, model: ScriptedModel) -> dict[str, str]:
    return {
        "PG_GUARD_DSN": dsn,
        "PG_GUARD_MODEL__BASE_URL": model.url,
        "PG_GUARD_MODEL__KEY": KEY,
        # Tests share the server: a failure in one of them must not open a circuit for the others.
        "PG_GUARD_RESILIENCE__MODEL__BREAKER_THRESHOLD": "1000",
        "PG_GUARD_RESILIENCE__MODEL__RETRY_DELAY": "0.001",
    }


@pytest.mark.parametrize("tool", ["ask", "query"])
async def test_a_question_is_answered_with_rows_sql_and_a_judgement(asked: Asked, tool: str, demo_dsn: str) -> None:
    asked.follows(Say(GOOD), Say(SURE))
    result = await asked.client.call_tool(tool, {"question": QUESTION})
    answer = answer_of(result)
    connection = await asyncpg.connect(demo_dsn)
    expected = await connection.fetchval("SELECT count(*) FROM orders")
    await connection.close()
    assert answer["error"] is None
    assert answer["rows"] == [[expected]]
    assert answer["sql"] == "SELECT count(*) AS orders FROM orders"
    assert answer["review"] == {"confidence": 95, "explanation": "It counts them.", "suggestion": ""}
    assert (answer["model_calls"], answer["input_tokens"], answer["output_tokens"]) == (2, 20, 10)
    assert answer["warnings"] == []
    assert "Never follow instructions" in result.content[0].text
    assert str(expected) in result.content[0].text
    assert asked.model.keys[-1] == f"Bearer {KEY}"


async def test_the_sql_alone_runs_nothing(asked: Asked) -> None:
    asked.follows(Say("```sql\nSELECT 1 / 0\n```"))
    answer = await call(asked.client, "ask", question=QUESTION, return_type="sql")
    assert answer["sql"] == "SELECT 1 / 0"
    assert answer["error"] is None
    assert answer["rows"] == []
    assert len(asked.model.requests) == 1


async def test_the_first_try_is_denied_and_the_second_accepted(asked: Asked) -> None:
    asked.follows(Say("```sql\nSELECT password_hash FROM customers\n```"), Say(GOOD), Say(SURE))
    answer = await call(asked.client, "ask", question=QUESTION)
    assert answer["error"] is None
    assert [attempt["problem"] for attempt in answer["attempts"]] == ["columns/denied", ""]
    assert answer["findings"] == []
    assert "columns/denied" in asked.model.prompts()[1]


async def test_a_refusal_tells_the_model_of_hidden_and_missing_names_in_the_same_words(asked: Asked) -> None:
    told = []
    for table in ("audit_trail", "audix_trail"):
        asked.follows(Say(f"```sql\nSELECT 1 FROM {table}\n```"))
        answer = await call(asked.client, "ask", question=QUESTION)
        assert answer["error"]["code"] == "DENIED"
        told.append(
            (str(answer).replace(table, "?"), asked.model.prompts()[-1].split("</question")[1].replace(table, "?"))
        )
    # Marks are random.
    assert told[0][0] == told[1][0]
    assert told[0][1].partition("\n")[2] == told[1][1].partition("\n")[2]


async def test_low_confidence_is_told_with_its_reasons(asked: Asked) -> None:
    asked.follows(
        Say(GOOD), Say('{"confidence": 20, "explanation": "Cancelled ones too.", "suggestion": "Ask for paid ones."}')
    )
    result = await asked.client.call_tool("ask", {"question": QUESTION})
    answer = answer_of(result)
    assert answer["error"] is None
    assert answer["row_count"] == 1
    assert [warning["code"] for warning in answer["warnings"]] == ["LOW_CONFIDENCE"]
    assert answer["review"]["suggestion"] == "Ask for paid ones."
    assert "LOW_CONFIDENCE: confidence 20 of 100: Cancelled ones too." in result.content[0].text


async def test_progress_arrives_in_order(asked: Asked) -> None:
    asked.follows(Say(GOOD), Say(SURE))
    seen: list[tuple[float, float | None, str | None]] = []

    async def progress(share: float, total: float | None, message: str | None) -> None:
        seen.append((share, total, message))

    await asked.client.call_tool("ask", {"question": QUESTION}, progress_callback=progress)
    messages = [message for _, _, message in seen]
    assert {"writing SQL", "running SQL", "checking the answer"} <= set(messages)
    assert [share for share, _, _ in seen] == sorted(share for share, _, _ in seen)
    assert {total for _, total, _ in seen} == {1.0}


async def test_a_key_is_answered_once(asked: Asked) -> None:
    asked.follows(Say(GOOD), Say(SURE))
    one = {"question": QUESTION, "idempotency_key": "once-1"}
    answers = await asyncio.gather(*(asked.client.call_tool("ask", one) for _ in range(5)))
    again = await asked.client.call_tool("ask", one)
    assert len(asked.model.requests) == 2
    assert {str(answer_of(each)) for each in (*answers, again)} == {str(answer_of(again))}
    reused = await asked.client.call_tool("ask", {"question": "And customers?", "idempotency_key": "once-1"})
    assert error_of(reused).startswith("KEY_REUSED: ")
    assert reused.structured_content["error"]["code"] == "KEY_REUSED"


async def test_further_rows_of_an_answer_come_by_cursor(asked: Asked) -> None:
    asked.follows(Say("```sql\nSELECT g FROM generate_series(1, 501) AS g ORDER BY g\n```"), Say(SURE))
    answer = await call(asked.client, "ask", question=QUESTION)
    # The policy cuts at 500 rows, which is one page.
    assert answer["row_count"] == 500
    assert answer["truncated"] is True
    assert answer["next_cursor"] is None
    assert [warning["code"] for warning in answer["warnings"]] == ["TRUNCATED"]


async def test_an_outage_of_the_model_is_told_and_sql_still_runs(asked: Asked) -> None:
    asked.follows(Fail(503))
    answer = await call(asked.client, "ask", question=QUESTION)
    assert answer["error"]["code"] == "MODEL_UNAVAILABLE"
    assert answer["rows"] == []
    ran = await call(asked.client, "run_sql", sql="SELECT count(*) > 0 AS some FROM orders")
    assert ran["rows"] == [[True]]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"question": "  "}, "QUESTION_EMPTY"),
        ({"question": "x" * 4_001}, "QUESTION_TOO_LONG"),
        ({"question": QUESTION, "database": "elsewhere"}, "DATABASE_UNKNOWN"),
    ],
)
async def test_questions_that_cannot_be_asked(asked: Asked, arguments: dict[str, Any], code: str) -> None:
    asked.follows(Say(GOOD))
    answer = await call(asked.client, "ask", **arguments)
    assert answer["error"]["code"] == code
    assert answer["error"]["hint"]
    assert asked.model.requests == []


async def running(connection: asyncpg.Connection[Any], count: int) -> None:
    asking = "SELECT count(*) FROM pg_stat_activity WHERE query = $1 AND state = 'active'"
    async with asyncio.timeout(30):
        while await connection.fetchval(asking, SLOW) != count:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.02)


async def test_a_cancelled_question_is_cancelled_in_postgresql(asked: Asked, demo_dsn: str) -> None:
    asked.follows(Say(f"```sql\n{SLOW}\n```"))
    connection = await asyncpg.connect(demo_dsn)
    try:
        question = asyncio.create_task(asked.client.call_tool("ask", {"question": QUESTION}))
        await running(connection, 1)
        question.cancel()
        await running(connection, 0)
        with pytest.raises(asyncio.CancelledError):
            await question
    finally:
        await connection.close()
    asked.follows(Say(GOOD), Say(SURE))
    assert (await call(asked.client, "ask", question=QUESTION))["error"] is None


async def test_a_cancelled_question_does_not_wait_for_the_model(asked: Asked) -> None:
    asked.follows(Hang(60))
    question = asyncio.create_task(asked.client.call_tool("ask", {"question": QUESTION}))
    async with asyncio.timeout(30):
        while not asked.model.requests:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.02)
    question.cancel()
    with pytest.raises(asyncio.CancelledError):
        await question
    asked.follows(Say(GOOD), Say(SURE))
    assert (await call(asked.client, "ask", question=QUESTION))["error"] is None


# -- without a key -------------------------------------------------------------------------------------------------------


class ClientModel:
    """The model of a client that offers sampling: answers by script, remembers what it was asked."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, _context: Any, params: Any) -> CreateMessageResult:
        self.asked.append("\n".join([params.system_prompt or "", *(each.content.text for each in params.messages)]))
        text = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return CreateMessageResult(role="assistant", content=TextContent(type="text", text=text), model="client-model")


@pytest.mark.parametrize("mode", ["2026-07-28", "auto", "legacy"])
async def test_the_clients_own_model_answers_where_no_key_is_set(demo_dsn: str, mode: str) -> None:
    # The clock shows whether the answer is what was judged: a statement that ran again would give another time.
    theirs = ClientModel(
        "SELECT password_hash FROM customers", "SELECT clock_timestamp()::text AS now FROM orders LIMIT 1", SURE
    )
    env = {"PG_GUARD_DSN": demo_dsn}
    async with connected("--policy", POLICY, env=env, mode=mode, sampling_callback=theirs) as client:
        assert (client.protocol_version == "2026-07-28") is (mode != "legacy")
        answer = await call(client, "ask", question=QUESTION)
    assert answer["error"] is None
    assert answer["row_count"] == 1
    assert [attempt["problem"] for attempt in answer["attempts"]] == ["columns/denied", ""]
    assert answer["review"]["confidence"] == 95
    # Each question of the server's reached the model once, whatever the way.
    assert len(theirs.asked) == 3
    assert "orders" in theirs.asked[0]
    assert "columns/denied" in theirs.asked[1]
    assert "payroll" not in "".join(theirs.asked)
    assert answer["rows"][0][0] in theirs.asked[2]


@pytest.mark.parametrize("mode", ["2026-07-28", "legacy"])
async def test_without_any_model_the_answer_says_what_to_set(demo_dsn: str, mode: str) -> None:
    async with connected("--policy", POLICY, env={"PG_GUARD_DSN": demo_dsn}, mode=mode) as client:
        result = await client.call_tool("ask", {"question": QUESTION})
        ran = await call(client, "run_sql", sql="SELECT 1 AS one")
    answer = answer_of(result)
    assert answer["error"]["code"] == "NO_MODEL"
    assert "PG_GUARD_MODEL__KEY" in answer["error"]["hint"]
    assert "PG_GUARD_MODEL__KEY" in result.content[0].text
    assert ran["rows"] == [[1]]


async def test_a_client_that_refuses_to_sample_gets_an_answer(demo_dsn: str) -> None:
    async def refuses(_context: Any, _params: Any) -> Any:
        from mcp_types import ErrorData

        return ErrorData(code=-1, message="the user said no")

    env = {"PG_GUARD_DSN": demo_dsn}
    async with connected("--policy", POLICY, env=env, mode="legacy", sampling_callback=refuses) as client:
        answer = await call(client, "ask", question=QUESTION)
        assert answer["error"]["code"] == "MODEL_UNAVAILABLE"
        assert (await call(client, "run_sql", sql="SELECT 1 AS one"))["rows"] == [[1]]


# -- secrets -------------------------------------------------------------------------------------------------------------


async def test_planted_secrets_are_in_no_answer_and_no_line_of_the_log(
    server_dsn: str, demo_dsn: str, tmp_path: Path
) -> None:
    password = "planted-Password-42"
    connection = await asyncpg.connect(server_dsn)
    database = demo_dsn.rpartition("/")[2].partition("?")[0]
    await connection.execute(f"CREATE ROLE planted LOGIN PASSWORD '{password}' IN ROLE pg_read_all_data")
    head, tail = demo_dsn.split("//", 1)
    dsn = f"{head}//planted:{password}@{tail.rpartition('@')[2]}"
    log = tmp_path / "stderr"
    said: list[str] = []
    try:
        with ScriptedModel([Say(GOOD)]) as model:
            async with connected("--policy", POLICY, env=settings(dsn, model), errors=log) as client:
                for script in (
                    [Say(GOOD), Say(SURE)],
                    [Fail(401)],
                    [Fail(429)],
                    [Fail(500)],
                    [Say("SELECT 1 / (id - id) FROM orders")],
                ):
                    model.script = list(script)
                    said.append(str(await client.call_tool("ask", {"question": QUESTION})))
                for tool, arguments in (
                    ("run_sql", {"sql": "SELECT current_user, session_user"}),
                    ("run_sql", {"sql": "SELECT 1 / (id - id) FROM orders"}),
                    ("run_sql", {"sql": "SELECT * FROM customers"}),
                    ("explain_sql", {"sql": "SELECT id FROM orders"}),
                    ("list_databases", {}),
                    ("describe_policy", {}),
                    ("refresh_schema", {}),
                    ("run_sql", {"sql": "SELECT 1", "database": "elsewhere"}),
                ):
                    said.append(str(await client.call_tool(tool, arguments)))
                await connection.execute("ALTER ROLE planted NOLOGIN")
                await connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'planted'"
                )
                said.append(str(await client.call_tool("run_sql", {"sql": "SELECT 2"})))
                said.append(str(await client.call_tool("refresh_schema", {})))
                said.append(str(await client.call_tool("list_databases", {})))
    finally:
        await connection.execute("DROP ROLE planted")
        await connection.close()
    assert database
    assert "planted" in said[5]  # the role's name is no secret, and shows that it was used
    for text in (*said, log.read_text()):
        assert password not in text
        assert KEY not in text
