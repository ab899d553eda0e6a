"""A pack in a mounted ConfigMap: links into a directory of the version, which is no part of the pack."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pg_guard.errors import PolicyError
from pg_guard.policy.packs import load_pack
from pg_guard.policy.shipped import shipped_dir

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def mounted(tmp_path: Path) -> Path:
    """The shipped pack `multitenant`, as a volume would hold it."""
    pack = tmp_path / "multitenant"
    version = pack / "..2026_03_01_12_00_00.123456789"
    version.mkdir(parents=True)
    (pack / "..data").symlink_to(version.name)
    for file in (shipped_dir("rules") / "multitenant").iterdir():
        (version / file.name).write_bytes(file.read_bytes())
        (pack / file.name).symlink_to(f"..data/{file.name}")
    return pack


def test_it_is_the_pack(mounted: Path) -> None:
    assert load_pack(mounted).digest == load_pack(shipped_dir("rules") / "multitenant").digest


def test_other_directories_are_still_looked_at(mounted: Path) -> None:
    (mounted / "more").mkdir()
    (mounted / "more" / "PG999_extra.yaml").write_text("{}", encoding="utf-8")
    with pytest.raises(PolicyError, match="not listed"):
        load_pack(mounted)
