"""Spans: what they tell and what not, how they nest, and that without the variables nothing of OpenTelemetry's SDK is loaded."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from pg_guard.decision import Decision, Finding
from pg_guard.errors import ExecutionError
from pg_guard.observe.observer import Observer
from pg_guard.observe.spans import CleanExporter
from pg_guard.observe.tracing import Tracing, is_configured

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "4711-of-the-data"


class Recorded:
    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracing = Tracing(provider)
        self.observer = Observer(tracing=self.tracing)

    @property
    def spans(self) -> dict[str, ReadableSpan]:
        return {span.name: span for span in self._exporter.get_finished_spans()}


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    found = Recorded()
    yield found
    found.tracing.close()


class Completion:
    input_tokens, output_tokens = 30, 4


async def complete() -> Completion:
    return Completion()


def attributes(span: ReadableSpan) -> dict[str, object]:
    return dict(span.attributes or {})


async def test_the_spans_of_a_question_nest_and_carry_no_data(recorded: Recorded) -> None:
    observer = recorded.observer
    decision = Decision(
        "deny", None, (Finding("tables/denied", "high", SECRET, SECRET),), f"SELECT '{SECRET}'", "select"
    )
    with observer.span("pg_guard.question"):
        await observer.model_call("generate", "m", complete)
        with observer.deciding("shop") as span:
            identifier = observer.decided("shop", decision, span)
        async with observer.executing("shop") as execution:
            execution.rows = 7
        await observer.model_call("review", "m", complete)
    spans = recorded.spans
    question = spans["pg_guard.question"]
    assert set(spans) == {
        "pg_guard.question", "pg_guard.generation", "pg_guard.decision", "pg_guard.execution", "pg_guard.review",
    }  # fmt: skip
    for name, span in spans.items():
        if name != "pg_guard.question":
            assert span.parent is not None
            assert span.parent.span_id == question.context.span_id
        assert SECRET not in str(span.to_json())
    assert attributes(spans["pg_guard.decision"]) == {
        "db.namespace": "shop",
        "pg_guard.decision.id": identifier,
        "pg_guard.decision.effect": "deny",
        "pg_guard.decision.rules": ("tables/denied",),
        "pg_guard.statement.kind": "select",
    }
    assert attributes(spans["pg_guard.execution"])["db.response.returned_rows"] == 7
    assert attributes(spans["pg_guard.generation"])["gen_ai.usage.input_tokens"] == 30


async def test_a_failure_is_told_by_its_code(recorded: Recorded) -> None:
    with pytest.raises(ExecutionError):
        async with recorded.observer.executing("shop"):
            raise ExecutionError(f"invalid value {SECRET}", sqlstate="22P02")
    span = recorded.spans["pg_guard.execution"]
    assert not span.status.is_ok
    assert span.status.description == "execution"
    assert attributes(span)["db.response.status_code"] == "22P02"
    assert span.events == ()
    assert SECRET not in str(span.to_json())


async def test_spans_of_tasks_belong_to_who_started_them(recorded: Recorded) -> None:
    async def question(name: str) -> None:
        with recorded.observer.span(name):
            await asyncio.create_task(inner(name))

    async def inner(name: str) -> None:
        with recorded.observer.span(f"{name}.inner"):
            await asyncio.sleep(0)

    await asyncio.gather(question("a"), question("b"))
    spans = recorded.spans
    for name in ("a", "b"):
        parent = spans[f"{name}.inner"].parent
        assert parent is not None
        assert parent.span_id == spans[name].context.span_id


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://localhost:4318/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "console"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}, False),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318"}, False),
        ({"OTEL_SERVICE_NAME": "guard"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": " "}, False),
    ],
)
def test_the_standard_variables_decide(environment: dict[str, str], expected: bool) -> None:
    assert is_configured(environment) is expected


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**kept, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_without_the_variables_the_sdk_is_not_loaded() -> None:
    code = (
        "import sys; from pg_guard.observe.tracing import open_tracing; from pg_guard.observe.observer import Observer\n"
        "assert open_tracing() is None\n"
        "print([name for name in sys.modules if name.startswith(('opentelemetry', 'prometheus_client'))])"
    )
    result = run(code)
    assert (result.returncode, result.stdout.strip()) == (0, "[]"), result.stderr


def test_without_the_extra_a_line_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['opentelemetry.sdk'] = None\n"
        "from pg_guard.observe.tracing import open_tracing; assert open_tracing() is None"
    )
    result = run(code, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    assert result.returncode == 0, result.stderr
    assert "install pg-guard[otel]" in result.stderr


def test_an_exporter_for_the_console_writes_to_standard_error() -> None:
    code = (
        "from pg_guard.observe.tracing import open_tracing\n"
        "tracing = open_tracing()\n"
        "with tracing.span('pg_guard.question'): pass\n"
        "tracing.close()"
    )
    result = run(code, OTEL_TRACES_EXPORTER="console")
    assert result.returncode == 0, result.stderr
    assert result.stdout == ""
    assert '"name": "pg_guard.question"' in result.stderr
    assert '"service.name": "pg-guard"' in result.stderr


def test_an_unknown_exporter_is_told() -> None:
    result = run(
        "from pg_guard.observe.tracing import open_tracing; assert open_tracing() is None",
        OTEL_TRACES_EXPORTER="zipkin",
    )
    assert result.returncode == 0, result.stderr
    assert "OTEL_TRACES_EXPORTER takes otlp, console and none" in result.stderr


# -- spans of the MCP library ------------------------------------------------------------------------------------------------


def test_of_spans_of_others_nothing_goes_out_that_clients_or_errors_say() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(CleanExporter(exporter)))
    foreign, own = provider.get_tracer("mcp-python-sdk"), provider.get_tracer("pg_guard")
    sent = {
        "mcp.method.name": "tools/call",
        "mcp.protocol.version": SECRET,
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": SECRET,
        "gen_ai.prompt.name": SECRET,
        "jsonrpc.request.id": SECRET,
        "error.type": f"{SECRET} {SECRET}",
    }
    with (
        pytest.raises(ValueError, match=SECRET),
        own.start_as_current_span("pg_guard.question") as parent,
        # As the library does: the exception with its traceback, and its text as the status.
        foreign.start_as_current_span(f"tools/call {SECRET}", attributes=sent) as span,
    ):
        raise ValueError(SECRET)
    with foreign.start_as_current_span("tools/call ask", attributes=sent | {"gen_ai.tool.name": "ask"}):
        pass
    with foreign.start_as_current_span(f"made/up {SECRET}", attributes={"mcp.method.name": "made/up"}):
        pass
    found = {each.name: each for each in exporter.get_finished_spans()}
    assert set(found) == {"pg_guard.question", "tools/call other", "tools/call ask", "other"}
    failed = found["tools/call other"]
    assert failed.status.status_code.name == "ERROR"
    assert failed.context == span.get_span_context()
    assert failed.parent is not None
    assert failed.parent.span_id == parent.get_span_context().span_id
    assert attributes(failed) == {
        "mcp.method.name": "tools/call",
        "mcp.protocol.version": "other",
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "other",
    }
    del found["pg_guard.question"]
    assert SECRET not in "".join(each.to_json() for each in found.values())
    provider.shutdown()
