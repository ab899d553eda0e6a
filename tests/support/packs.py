"""Packs as files. In: a directory and the text of a rule. Out: a pack that loads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pg_guard.policy.packs import write_manifest

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["write_pack"]


def write_pack(directory: Path, rule: str) -> Path:
    """Write the pack `mine` with the one rule mine/PG100, sealed."""
    directory.mkdir(parents=True)
    (directory / "pack.yaml").write_text(
        "schema: pg-guard/pack/v1\nname: mine\nversion: 1.0.0\ntitle: Mine\nfiles: {}\n"
    )
    (directory / "PG100_read_of_orders.yaml").write_text(rule)
    write_manifest(directory)
    return directory
