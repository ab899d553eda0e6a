"""What tests of the schema context share: guards over catalogs that are written down, not read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pg_guard.ask.context import ContextIndex
from pg_guard.guard import Guard
from pg_guard.policy.load import parse_policy
from tests.support.large_catalog import large_catalog

if TYPE_CHECKING:
    from pg_guard.catalog.model import Catalog


def guard_over(catalog: Catalog, policy: str = "") -> Guard:
    """A guard that permits everything but what `policy` forbids."""
    return Guard(parse_policy(f"schema: pg-guard/policy/v1\n{policy}").policy, catalog)


@pytest.fixture(scope="session")
def large_index() -> ContextIndex:
    """The index of 5,000 tables, all of them permitted."""
    return ContextIndex.build(guard_over(large_catalog()))
