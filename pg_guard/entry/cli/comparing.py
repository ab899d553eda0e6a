"""Two sides to compare. In: paths of policies or packs, and a catalog. Out: both loaded, and everything that differs."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pg_guard.compare.behaviour import compare_behaviour
from pg_guard.compare.reach import compare_reach
from pg_guard.compare.rules import compare_packs
from pg_guard.compare.statements import Statement
from pg_guard.compare.structure import compare_policies
from pg_guard.entry.cli.progress import Progress
from pg_guard.errors import UsageError
from pg_guard.guard import Guard
from pg_guard.policy.bundle import is_bundle
from pg_guard.policy.load import load_policy
from pg_guard.policy.packs import MANIFEST, load_pack

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pg_guard.catalog.model import Catalog
    from pg_guard.compare.changes import Change
    from pg_guard.policy.load import LoadedPolicy
    from pg_guard.policy.packs import Pack

__all__ = ["DIFF_SCHEMA", "Side", "compare_sides", "load_sides"]

DIFF_SCHEMA: Final = "pg-guard/diff/v1"


@dataclass(frozen=True)
class Side:
    """One of the two: a policy or a pack."""

    path: str
    policy: LoadedPolicy | None = None
    pack: Pack | None = None

    def guard(self, catalog: Catalog | None) -> Guard:
        """The guard that this side makes."""
        if self.policy is not None:
            return Guard(self.policy.policy, catalog, self.policy.packs)
        return Guard.from_packs([self.pack] if self.pack is not None else [], catalog)

    def tests(self) -> Iterator[Statement]:
        """The statements that its own tests hold."""
        if self.policy is not None:
            for test in self.policy.policy.tests:
                yield Statement(test.sql, f"{self.path}, test {test.name}")
        for rule in self.pack.rules if self.pack is not None else ():
            for rule_test in rule.tests:
                yield Statement(rule_test.sql, f"{rule.id}, test {rule_test.name}")

    def to_dict(self) -> dict[str, Any]:
        """Names it, as plain JSON values."""
        if self.policy is not None:
            metadata, digest = self.policy.policy.metadata, self.policy.policy.digest
            return {"path": self.path, "name": metadata.name, "version": metadata.version, "digest": digest}
        assert self.pack is not None  # a side has one of the two
        return {"path": self.path, "name": self.pack.name, "version": self.pack.version, "digest": self.pack.digest}


def load_sides(old: str, new: str) -> tuple[Side, Side]:
    """Load two policies, or two packs.

    Policies are taken as their files say, without this environment's overlay; the old one may hold exceptions that have
    expired since.

    Raises:
        UsageError: A path cannot be read, or one is a policy and the other a pack.
        PolicyError: One of them is not valid.
    """
    kinds = [_is_pack(path) for path in (old, new)]
    if kinds[0] != kinds[1]:
        pack, policy = (old, new) if kinds[0] else (new, old)
        raise UsageError(
            f"{pack} is a rule pack and {policy} is none", hint="compare two policies, or two directories of packs"
        )
    if kinds[0]:
        return Side(old, pack=load_pack(old)), Side(new, pack=load_pack(new))
    before = load_policy(old, environ={}, today=datetime.date.min)
    return Side(old, policy=before), Side(new, policy=load_policy(new, environ={}))


def _is_pack(path: str) -> bool:
    try:
        given = Path(path)
        if given.is_dir() and not (given / MANIFEST).is_file():
            raise UsageError(
                f"{path}: a directory without {MANIFEST}", hint="give a policy file, or the directory of a rule pack"
            )
        return given.is_dir() or given.name == MANIFEST or is_bundle(path)
    except (OSError, ValueError):  # too long, or a NUL character
        raise UsageError(f"{path[:80]!r}: not a path") from None


def compare_sides(
    old: Side,
    new: Side,
    *,
    catalog: Catalog | None,
    statements: Iterable[Statement],
    sources: list[str],
    principal: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Everything that differs, as the diff document, version 1.

    Args:
        old: The side before.
        new: The side after.
        catalog: Where names are resolved; with one, all relations and columns are compared.
        statements: What to show the difference on, beside the tests of both sides.
        sources: Where these statements come from, for the report.
        principal: Who asks, where a statement does not say.
    """
    changes = _structure(old, new, catalog)
    before, after = old.guard(catalog), new.guard(catalog)
    every = _once(old, new, statements)
    shifts = compare_behaviour(before, after, every, principal=principal, progress=Progress("statements compared"))
    reach = None
    if catalog is not None:
        reach = compare_reach(before, after, catalog, progress=Progress("relations compared"))
    counts = {
        direction: sum(change.direction == direction for change in changes)
        for direction in ("loosening", "tightening", "neutral")
    }
    return {
        "schema": DIFF_SCHEMA,
        "kind": "policy" if old.policy is not None else "pack",
        "old": old.to_dict(),
        "new": new.to_dict(),
        "loosened": bool(counts["loosening"]) or shifts.loosened or (reach is not None and reach.loosened),
        "structure": {**counts, "changes": [change.to_dict() for change in changes]},
        "behaviour": {"sources": sources, **shifts.to_dict()},
        "reach": reach.to_dict() if reach is not None else None,
    }


def _structure(old: Side, new: Side, catalog: Catalog | None) -> list[Change]:
    if old.pack is not None and new.pack is not None:
        return compare_packs(old.pack, new.pack)
    assert old.policy is not None  # both sides are of the same kind
    assert new.policy is not None
    return compare_policies(
        old.policy.policy, new.policy.policy, old_packs=old.policy.packs, new_packs=new.policy.packs, catalog=catalog
    )


def _once(old: Side, new: Side, statements: Iterable[Statement]) -> Iterator[Statement]:
    """The tests of both sides, each text once, and then the other statements."""
    seen: set[str] = set()
    for side in (old, new):
        for statement in side.tests():
            if statement.sql not in seen:
                seen.add(statement.sql)
                yield statement
    yield from statements
