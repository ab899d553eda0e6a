"""Overload and failure: bounded queues, circuits, retries of what is transient, one answer per key, shared state."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from pg_guard.errors import UsageError
from pg_guard.resilience.errors import Busy, CircuitOpen, KeyReused, RateLimited
from pg_guard.resilience.guarded import Resilience
from pg_guard.resilience.once import Once
from pg_guard.settings import CallSettings, ResilienceSettings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path


class TransientError(Exception):
    transient = True


class FinalError(Exception):
    pass


def limits(**given: object) -> ResilienceSettings:
    """With quick retries; what belongs to calls is given to those of models and of databases alike."""
    calls: dict[str, object] = {"retry_delay": 0.001, "retry_max_delay": 0.002, "retries": 0}
    calls |= {name: given.pop(name) for name in CallSettings.model_fields.keys() & given.keys()}
    return ResilienceSettings.model_validate({"model": calls, "database": calls} | given)


def make(**given: object) -> Resilience:
    return Resilience(limits(**given))


class Scripted:
    """Fails in the given order, then answers with how often it was called."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.calls = 0

    async def __call__(self) -> int:
        self.calls += 1
        await asyncio.sleep(0)
        if self.failures:
            raise self.failures.pop(0)
        return self.calls


# -- slots ---------------------------------------------------------------------------------------------------------------


async def test_no_more_run_at_a_time_than_there_are_slots() -> None:
    resilience = make(concurrency=3, queue_size=100)
    running = most = 0

    async def work() -> None:
        nonlocal running, most
        async with resilience.query_slot():
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.001)
            running -= 1

    await asyncio.gather(*(work() for _ in range(50)))
    assert most == 3
    assert resilience.snapshot()["queries"] == {"running": 0, "waiting": 0}


async def test_a_full_queue_says_busy_at_once() -> None:
    resilience = make(concurrency=1, queue_size=2)
    release = asyncio.Event()

    async def work() -> None:
        async with resilience.query_slot():
            await release.wait()

    tasks = [asyncio.create_task(work()) for _ in range(3)]
    await asyncio.sleep(0.01)
    assert resilience.snapshot()["queries"] == {"running": 1, "waiting": 2}
    with pytest.raises(Busy, match="1 statements run and 2 wait"):
        await work()
    release.set()
    await asyncio.gather(*tasks)


async def test_a_long_wait_ends_with_busy() -> None:
    resilience = make(concurrency=1, queue_timeout=0.02)
    async with resilience.model_slot():
        with pytest.raises(Busy, match="no slot became free"):
            async with resilience.model_slot():
                pytest.fail("there is only one slot")
    async with resilience.model_slot():
        assert resilience.snapshot()["models"] == {"running": 1, "waiting": 0}


async def test_a_cancelled_wait_leaves_the_queue() -> None:
    resilience = make(concurrency=1)
    async with resilience.query_slot():
        waiting = asyncio.create_task(resilience.query_slot().__aenter__())
        await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert resilience.snapshot()["queries"] == {"running": 1, "waiting": 0}
    async with resilience.query_slot():
        pass


# -- retries and circuits ------------------------------------------------------------------------------------------------


async def test_transient_errors_are_retried() -> None:
    call = Scripted(TransientError(), TransientError())
    assert await make(retries=2).call_model("m", call) == 3


async def test_retries_end() -> None:
    call = Scripted(*(TransientError() for _ in range(9)))
    with pytest.raises(TransientError):
        await make(retries=2).call_model("m", call)
    assert call.calls == 3


async def test_other_errors_are_not_retried_and_open_no_circuit() -> None:
    resilience = make(retries=3, breaker_threshold=1)
    for _ in range(4):
        call = Scripted(FinalError())
        with pytest.raises(FinalError):
            await resilience.call_database("shop", call)
        assert call.calls == 1
    assert resilience.snapshot()["circuits"] == {"database:shop": "closed"}


async def test_a_circuit_opens_and_recovers() -> None:
    resilience = make(breaker_threshold=2, breaker_recovery=0.05)
    for _ in range(2):
        with pytest.raises(TransientError):
            await resilience.call_model("m", Scripted(TransientError()))
    assert resilience.snapshot()["circuits"] == {"model:m": "opened"}
    untouched = Scripted()
    with pytest.raises(CircuitOpen) as caught:
        await resilience.call_model("m", untouched)
    assert untouched.calls == 0
    assert 0 <= caught.value.retry_after <= 0.05
    # Another circuit is closed: a model that fails leaves the databases alone.
    assert await resilience.call_database("shop", Scripted()) == 1
    await asyncio.sleep(0.06)
    assert await resilience.call_model("m", Scripted()) == 1
    assert resilience.snapshot()["circuits"]["model:m"] == "closed"


async def test_a_failed_trial_opens_the_circuit_again() -> None:
    resilience = make(breaker_threshold=1, breaker_recovery=0.05)
    with pytest.raises(TransientError):
        await resilience.call_model("m", Scripted(TransientError()))
    await asyncio.sleep(0.06)
    with pytest.raises(TransientError):
        await resilience.call_model("m", Scripted(TransientError()))
    with pytest.raises(CircuitOpen):
        await resilience.call_model("m", Scripted())


DAY = 86_400


@pytest.mark.parametrize("jump", [-DAY, DAY])
async def test_a_circuit_recovers_in_time_when_the_clock_is_set(monkeypatch: pytest.MonkeyPatch, jump: int) -> None:
    wall = time.time
    resilience = make(breaker_threshold=1, breaker_recovery=0.05)
    for _ in range(2):
        with pytest.raises(TransientError):
            await resilience.call_model("m", Scripted(TransientError()))
        monkeypatch.setattr(time, "time", lambda: wall() + jump)

        async def told_to_wait() -> float:
            try:
                return 0.0 * await resilience.call_model("m", Scripted())
            except CircuitOpen as error:
                return error.retry_after

        async with asyncio.timeout(30):
            while wait := await told_to_wait():
                # Nobody is told to come back tomorrow.
                assert wait <= 0.05
                await asyncio.sleep(wait)
        assert resilience.snapshot()["circuits"] == {"model:m": "closed"}
        monkeypatch.setattr(time, "time", wall)


async def test_a_clock_that_is_set_locks_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    wall = time.time
    resilience = make(requests_per_minute=2)
    for jump in (0, -DAY, DAY, 0):
        monkeypatch.setattr(time, "time", lambda jump=jump: wall() + jump)
        for _ in range(2):
            async with resilience.query_slot("a"):
                pass
        with pytest.raises(RateLimited):
            async with resilience.query_slot("a"):
                pytest.fail("the third request of a minute")


async def test_a_cancelled_call_says_nothing_against_the_other_side() -> None:
    resilience = make(breaker_threshold=1)

    async def forever() -> None:
        await asyncio.Event().wait()

    task = asyncio.create_task(resilience.call_database("shop", forever))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await resilience.call_database("shop", Scripted()) == 1


# -- rates ---------------------------------------------------------------------------------------------------------------


async def test_each_principal_has_a_rate_of_its_own() -> None:
    resilience = make(requests_per_minute=2)
    for _ in range(2):
        async with resilience.query_slot("a"):
            pass
    with pytest.raises(RateLimited, match="more than 2 requests in a minute"):
        async with resilience.query_slot("a"):
            pytest.fail("the third request of a minute")
    async with resilience.query_slot("b"):
        pass


# -- idempotency ---------------------------------------------------------------------------------------------------------


async def test_one_key_is_answered_once() -> None:
    resilience, call = make(), Scripted()
    answers = await asyncio.gather(*(resilience.once("k", "q", call) for _ in range(10)))
    assert answers == [1] * 10
    assert await resilience.once("k", "q", call) == 1
    assert await resilience.once("other", "q", call) == 2
    assert await resilience.once(None, "q", call) == 3


async def test_a_key_belongs_to_one_request() -> None:
    resilience, call = make(), Scripted()
    await resilience.once("k", "q", call)
    with pytest.raises(KeyReused):
        await resilience.once("k", "another", call)


async def test_a_failure_is_not_remembered() -> None:
    resilience, call = make(), Scripted(FinalError())
    with pytest.raises(FinalError):
        await resilience.once("k", "q", call)
    assert await resilience.once("k", "q", call) == 2


async def test_work_ends_when_nobody_waits_for_it() -> None:
    resilience = make()
    ended: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    tasks = [asyncio.create_task(resilience.once("k", "q", work)) for _ in range(2)]
    await asyncio.sleep(0.01)
    tasks[0].cancel()
    await asyncio.sleep(0.01)
    assert ended == []
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert ended == ["cancelled"]
    assert await resilience.once("k", "q", Scripted()) == 1


# -- shared state --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed")
    pytest.importorskip("redis", reason="the redis package is not installed")
    directory: Path = tmp_path_factory.mktemp("redis")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(directory)]
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL) as process:
        try:
            for _ in range(200):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                import time

                time.sleep(0.05)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()


async def test_replicas_share_rates_and_circuits(redis_url: str) -> None:
    shared = {"redis_url": SecretStr(redis_url), "requests_per_minute": 2, "breaker_threshold": 1}
    one, other = make(**shared), make(**shared)
    for resilience in (one, other):
        async with resilience.query_slot("shared"):
            pass
    with pytest.raises(RateLimited):
        async with one.query_slot("shared"):
            pytest.fail("the third request of a minute")
    with pytest.raises(TransientError):
        await one.call_model("shared", Scripted(TransientError()))
    with pytest.raises(CircuitOpen):
        await other.call_model("shared", Scripted())
    await asyncio.gather(one.close(), other.close())


async def test_without_redis_each_replica_goes_on_alone(caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("redis", reason="the redis package is not installed")
    secret = "redis://:hunter22@127.0.0.1:9/0"
    resilience = make(redis_url=SecretStr(secret), requests_per_minute=1)
    async with resilience.query_slot("a"):
        pass
    with pytest.raises(RateLimited):
        async with resilience.query_slot("a"):
            pytest.fail("the second request of a minute")
    assert await resilience.call_model("m", Scripted()) == 1
    await resilience.close()
    assert "not shared" in caplog.text
    assert "hunter22" not in caplog.text


async def test_an_address_that_is_none() -> None:
    with pytest.raises(UsageError, match="shared state cannot be set up"):
        make(redis_url=SecretStr("nonsense://x"))


# -- other limits while it runs ----------------------------------------------------------------------------------------


async def test_slots_can_become_more_and_fewer_while_they_are_held() -> None:
    resilience = make(concurrency=2, queue_size=100)
    running, most = 0, 0
    release = asyncio.Event()

    async def work() -> None:
        nonlocal running, most
        async with resilience.query_slot():
            running += 1
            most = max(most, running)
            await release.wait()
            running -= 1

    tasks = [asyncio.create_task(work()) for _ in range(10)]
    for wanted in (4, 1, 3):
        resilience.adopt(limits(concurrency=wanted, queue_size=100))
        await asyncio.sleep(0.01)
        # Who has a slot keeps it.
        assert running == 4
    release.set()
    await asyncio.gather(*tasks)
    assert most == 4
    assert resilience.snapshot()["queries"] == {"running": 0, "waiting": 0}
    most = 0
    await asyncio.gather(*(work() for _ in range(10)))
    assert most <= 3
    resilience.adopt(limits(concurrency=1, queue_size=0))
    async with resilience.query_slot():
        with pytest.raises(Busy):
            await work()


async def test_a_circuit_takes_other_limits() -> None:
    resilience = make(breaker_threshold=5)
    failing = Scripted(*(TransientError() for _ in range(10)))
    for _ in range(2):
        with pytest.raises(TransientError):
            await resilience.call_database("shop", failing)
    resilience.adopt(limits(breaker_threshold=3))
    with pytest.raises(TransientError):
        await resilience.call_database("shop", failing)
    with pytest.raises(CircuitOpen):
        await resilience.call_database("shop", failing)
    # The time until it is tried again is counted anew.
    resilience.adopt(limits(breaker_threshold=3, breaker_recovery=0.001))
    await asyncio.sleep(0.01)
    assert await resilience.call_database("shop", Scripted()) == 1


async def test_answers_that_are_kept_have_a_size_together() -> None:
    once = Once(most_bytes=100)
    runs: list[str] = []

    def answer(text: str) -> Callable[[], Awaitable[str]]:
        async def run() -> str:
            runs.append(text[0])
            return text

        return run

    for text in ("a" * 40, "b" * 40, "c" * 40):
        assert await once.run(text[0], "", answer(text), len) == text
    runs.clear()
    # The oldest has made room; the others are known.
    for text in ("c" * 40, "b" * 40, "a" * 40):
        assert await once.run(text[0], "", answer(text), len) == text
    assert runs == ["a"]
