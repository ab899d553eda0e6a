"""The shipped names of the sample database are those that an embedded PostgreSQL gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pg_guard.catalog.model import Catalog
from pg_guard.demo.snapshot import read_sample_catalog, snapshot_file

if TYPE_CHECKING:
    from pathlib import Path


async def test_the_shipped_snapshot_is_current(demo_dsn: str, tmp_path: Path) -> None:
    fresh = tmp_path / "demo.json"
    (await read_sample_catalog(demo_dsn)).to_json(fresh)
    # By lines first: a difference is then shown as the relation or function that differs.
    assert fresh.read_text(encoding="utf-8").splitlines() == snapshot_file().read_text(encoding="utf-8").splitlines()
    assert Catalog.from_json(fresh).digest == Catalog.from_json(snapshot_file()).digest
