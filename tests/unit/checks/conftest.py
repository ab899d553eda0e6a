"""A decision under a policy given as text, on the sample database."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest

from pg_guard.guard import Guard
from pg_guard.policy.load import parse_policy

if TYPE_CHECKING:
    from collections.abc import Callable

    from pg_guard.catalog.model import Catalog
    from pg_guard.decision import Decision


@pytest.fixture(scope="session")
def decide(demo_catalog: Catalog) -> Callable[[str, str], Decision]:
    """From a policy's text (without its header) and a statement to the decision."""

    @cache
    def guard(policy: str) -> Guard:
        text = f"schema: pg-guard/policy/v1\nsearch_path: [public]\n{policy}\n"
        return Guard(parse_policy(text).policy, demo_catalog)

    def decide(policy: str, sql: str) -> Decision:
        return guard(policy).check(sql)

    return decide
