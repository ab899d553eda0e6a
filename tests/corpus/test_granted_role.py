"""Attacks on tables, columns and rows, sent straight to PostgreSQL by the role that `pg-guard grants` makes: no guard stands between.

An attack counts as held when no canary comes out and the answer is the same whatever the hidden values are: each runs on two
copies of the bed that differ in those alone. What privileges cannot say is listed below, as it is in the script's own remarks.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

from pg_guard.advise.grants import plan_grants, render_sql
from pg_guard.advise.grants_model import GrantOptions
from pg_guard.catalog.model import Catalog
from pg_guard.demo.data import CANARIES
from pg_guard.demo.database import load_sample_database, with_database
from pg_guard.guard import Guard
from pg_guard.policy.load import load_policy
from pg_guard.policy.model import Policy
from tests.corpus.loading import load_cases, policy_path
from tests.corpus.simple_client import Client, Reply
from tests.support.granted import apply, as_role

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.corpus.loading import Case

HERE = Path(__file__).parent
FILES = (
    "attacks/tables.yaml",
    "attacks/columns.yaml",
    "attacks/inference.yaml",
    "attacks/tenant.yaml",
    "attacks/other.yaml",
)
BED, TWINS = "granted", {"hidden": "granted_hidden", "tenant": "granted_tenant"}
# About the text of a query, not about its rows: `where` without values.
NOT_A_PRIVILEGE = {"unconditioned-scan"}
# PostgreSQL's own catalogs show definitions to everybody.
CATALOGS = {"sequence-and-toast-index-tuple"}

CASES = [
    case for case in load_cases("attacks") if case.file in FILES and case.works in ("leak", "oracle")
]  # To PostgreSQL, (c).city of a table with denied columns reads the row as a whole; the guard sees that only one field is taken.
WHOLE_ROWS = {"pc-parenthesised-column"}
HONEST = load_cases("benign")

_OWN_DATABASE = re.compile(r'\bbed(?="?\s*\.)')


def _policy(name: str) -> Policy:
    policy = load_policy(policy_path(name)).policy
    if name != "tenant":
        return policy
    # The corpus demands any constant; rows can be held to the principal's own.
    document = policy.to_dict()
    for entry in document["where"]:
        entry["equals"] = {"tenant_id": ":tenant_id"}
    return Policy.model_validate(document)


@pytest.fixture(scope="module")
async def attack(server_dsn: str) -> Callable[[Case, str], Reply]:
    """A function that runs an attack as the role of its policy, on one of the databases."""
    dsn = await load_sample_database(server_dsn, name=BED)
    await apply(dsn, (HERE / "testbed.sql").read_text(encoding="utf-8"))
    admin = await asyncpg.connect(server_dsn)
    try:
        for kind, name in TWINS.items():
            await admin.execute(f"CREATE DATABASE {name} TEMPLATE {BED}")
            await apply(with_database(dsn, name), (HERE / "twins" / f"{kind}.sql").read_text(encoding="utf-8"))
    finally:
        await admin.close()
    catalog = await Catalog.from_database(dsn)
    for policy in sorted({case.policy for case in CASES}):
        for name in (BED, *TWINS.values()):
            guard = Guard(_policy(policy), replace(catalog, database=name))
            options = GrantOptions(f"granted_{policy}", row_security=True, revoke_public=True)
            await apply(with_database(dsn, name), render_sql(plan_grants(guard, options)))

    def run(case: Case, database: str) -> Reply:
        options = "-c%20statement_timeout%3D5s"
        if case.policy == "tenant":
            options += "%20-c%20pg_guard.tenant_id%3D1"
        uri = as_role(with_database(dsn, database), f"granted_{case.policy}")
        with Client(f"{uri}&options={options}") as client:
            client.run("BEGIN READ WRITE")
            return client.run(_OWN_DATABASE.sub(database, case.sql))

    return run


@pytest.mark.parametrize("file", FILES)
async def test_postgresql_holds_what_the_policy_denies(
    attack: Callable[[Case, str], Reply], file: str, record_property: Callable[[str, object], None]
) -> None:
    seen: Counter[str] = Counter()
    families: set[str] = set()
    leaks: list[str] = []
    for case in CASES:
        if case.file != file or not _held(case):
            continue
        seen["refused" if await _is_refused_or_leaks(attack, case, leaks) else "harmless"] += 1
        families.add(case.group)
    record_property(
        "differential",
        f"granted role, {file}: of {seen.total()} statements in {len(families)} families PostgreSQL refused {seen['refused']}, "
        f"{seen['harmless']} showed nothing hidden, {len(leaks)} leaked",
    )
    assert leaks == []
    assert seen.total() > 0


async def test_what_no_privilege_says_is_still_so(attack: Callable[[Case, str], Reply]) -> None:
    """Each exception leaks without the guard; one that does not any more has to go."""
    for family in NOT_A_PRIVILEGE | CATALOGS:
        leaks: list[str] = []
        for case in CASES:
            if family in (case.group, case.id):
                await _is_refused_or_leaks(attack, case, leaks)
        assert leaks, f"{family} is held now: it is no exception"


async def _is_refused_or_leaks(attack: Callable[[Case, str], Reply], case: Case, leaks: list[str]) -> bool:
    """Run it on both copies; a leak is put on the list. Did PostgreSQL refuse it?"""
    reply = await asyncio.to_thread(attack, case, BED)
    if reply.sqlstate == "42501" and not CANARIES.search(reply.text):
        return True  # privileges are asked for before a row is read, so no value can show
    twin = TWINS["tenant" if case.policy == "tenant" else "hidden"]
    other = await asyncio.to_thread(attack, case, twin)
    # Under the tenant policy no column is hidden: the canaries of the tenant's own rows may be read.
    canary = None if case.policy == "tenant" else CANARIES.search(reply.text)
    if canary or _told(reply) != _told(other):
        leaks.append(case.place)
    return bool(reply.sqlstate)


def _held(case: Case) -> bool:
    return case.group not in NOT_A_PRIVILEGE and case.id not in CATALOGS


def _told(reply: Reply) -> tuple[object, ...]:
    # Without ORDER BY the order of rows is the planner's choice.
    return sorted(map(repr, reply.rows)), reply.notices, reply.sqlstate


@pytest.fixture(scope="module")
async def honest_dsn(server_dsn: str) -> str:
    """A sample database of its own, with a role for each policy that honest statements are decided by."""
    dsn = await load_sample_database(server_dsn, name="granted_honest")
    catalog = await Catalog.from_database(dsn)
    for policy in sorted({case.policy for case in HONEST}):
        guard = Guard.load(policy_path(policy), catalog)
        await apply(dsn, render_sql(plan_grants(guard, GrantOptions(f"honest_{policy}", revoke_public=True))))
    return dsn


async def test_honest_statements_need_no_more_than_the_role_has(
    honest_dsn: str, record_property: Callable[[str, object], None]
) -> None:
    def refused() -> list[str]:
        places = []
        for policy in sorted({case.policy for case in HONEST}):
            with Client(f"{as_role(honest_dsn, f'honest_{policy}')}&options=-c%20statement_timeout%3D10s") as client:
                places += [
                    case.id for case in HONEST if case.policy == policy and client.run(case.sql).sqlstate == "42501"
                ]
        return places

    found = await asyncio.to_thread(refused)
    record_property("differential", f"granted role: of {len(HONEST)} honest statements privileges refused {len(found)}")
    assert set(found) == WHOLE_ROWS


def test_the_exceptions_are_few() -> None:
    held = [case for case in CASES if _held(case)]
    assert len(held) > 800
    assert len({case.group for case in held}) > 30
