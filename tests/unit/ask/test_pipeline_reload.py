"""Policies and databases that are replaced while a question is under way: decided anew, and never answered with what was kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pg_guard.execute.databases import open_databases
from pg_guard.execute.deployed import deployed_policies
from pg_guard.guard import Guard
from pg_guard.policy.load import parse_policy
from pg_guard.settings import Settings
from tests.support.scripted_model import Say
from tests.unit.ask.test_pipeline import GOOD, POLICY, SURE, asking

if TYPE_CHECKING:
    from pathlib import Path

    from pg_guard.execute.database import Database


def put_in_force(database: Database, policy: str) -> None:
    loaded = parse_policy(policy)
    database.in_force.guard = Guard(loaded.policy, database.guard.catalog, loaded.packs)


async def test_what_was_kept_is_not_answered_under_another_policy(demo_dsn: str, tmp_path: Path) -> None:
    """Results wait between the rounds of a question that the client's own model answers."""
    async with asking(demo_dsn, tmp_path, [Say(GOOD), Say(SURE)] * 3) as ask:
        kept: dict[Any, Any] = {}
        first = await ask(outcomes=kept)
        [(_, result)] = kept.items()
        assert first.result is result is not None
        again = await ask(outcomes=kept)
        assert again.result is result
        put_in_force(ask.databases["shop"], POLICY.replace("rows: 50", "rows: 40"))
        other = await ask(outcomes=kept)
        assert other.result is not None
        assert other.result is not result
        assert first.result is not None
        assert other.result.rows == first.result.rows
        assert len(kept) == 2


async def test_a_policy_that_comes_while_the_model_writes_decides(demo_dsn: str, tmp_path: Path) -> None:
    async with asking(demo_dsn, tmp_path, [Say(GOOD), Say(SURE)], validation={"max_retries": 0}) as ask:

        async def progress(message: str, _: float) -> None:
            if message == "writing SQL":
                put_in_force(ask.databases["shop"], POLICY.replace('["hr.*"]', '["hr.*", orders]'))

        answer = await ask(progress=progress)
    assert answer.error is not None
    assert answer.error.code == "DENIED"
    assert answer.result is None


async def test_a_database_that_is_replaced_while_the_model_writes_is_asked(demo_dsn: str, tmp_path: Path) -> None:
    """The statement is decided and run on the new one; when there is none any more, it is not run."""
    async with asking(demo_dsn, tmp_path, [Say(GOOD), Say(SURE), Say(GOOD)]) as ask:
        old = ask.databases["shop"]
        settings = Settings.model_validate(
            {"databases": {"shop": {"dsn": demo_dsn}}, "policy": tmp_path / "policy.yaml"}
        )

        async def replace(message: str, _: float) -> None:
            if message == "writing SQL":
                policies = deployed_policies(settings)
                ask.databases.replace(await open_databases(settings, policies, ["shop"]))

        async def remove(message: str, _: float) -> None:
            if message == "writing SQL":
                ask.databases.replace({})

        answer = await ask(progress=replace)
        assert answer.error is None
        assert answer.result is not None
        assert ask.databases["shop"] is not old
        assert answer.version == ask.databases["shop"].version != old.version
        answer = await ask(progress=remove)
        assert answer.error is not None
        assert answer.error.code == "DATABASE_UNKNOWN"
        assert answer.result is None
