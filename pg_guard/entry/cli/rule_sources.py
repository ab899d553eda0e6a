"""Rules from the command line. In: names of packs, paths of packs and rule files, perhaps a policy. Out: packs and a `Guard`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pg_guard.errors import PolicyError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pg_guard.catalog.model import Catalog
    from pg_guard.errors import Problem
    from pg_guard.guard import Guard
    from pg_guard.policy.packs import Pack

__all__ = ["build_guard", "load_packs", "load_rules"]


def build_guard(policy_path: str | None, packs: tuple[Pack, ...], catalog: Catalog | None) -> Guard:
    """A guard of a policy and of packs; packs that the policy does not use are added to its own.

    Raises:
        UsageError: There is neither a policy nor a pack.
        PolicyError: The policy cannot be used.
    """
    from pg_guard.guard import Guard

    if policy_path is None:
        if not packs:
            raise UsageError(
                "nothing says what to check", hint="give --policy FILE, --pack NAME or --rules PATH, or several of them"
            )
        return Guard.from_packs(packs, catalog)
    if not packs:
        return Guard.load(policy_path, catalog)
    from pg_guard.policy.load import load_policy

    loaded = load_policy(policy_path)
    own = {pack.name for pack in loaded.packs}
    return Guard(loaded.policy, catalog, (*loaded.packs, *(pack for pack in packs if pack.name not in own)))


def load_packs(names: Iterable[str], rules: Iterable[str]) -> tuple[Pack, ...]:
    """Load packs by name, and rules by path.

    Args:
        names: Names of packs that come with pg-guard; also several, joined by commas.
        rules: Directories of packs, directories of rule files, or single rule files.

    Raises:
        UsageError: There is none of a name, or nothing at a path.
        PolicyError: One of them is not valid.
    """
    from pg_guard.policy.packs import find_pack

    found: dict[str, Pack] = {}
    for name in (word.strip() for given in names for word in given.split(",")):
        found.setdefault(name, find_pack(name))
    for path in rules:
        pack = load_rules(path)
        if pack.name in found:
            raise UsageError(f"{path}: the rules of a pack {pack.name!r} were given before", hint="name each pack once")
        found[pack.name] = pack
    return tuple(found.values())


def load_rules(path: str) -> Pack:
    """Load what stands at a path: a pack, a directory of rule files, or one rule file.

    A pack's digests are checked; loose files have none.

    Raises:
        UsageError: There is nothing, or nothing that could be a rule.
        PolicyError: A file is not valid; all problems are in it.
    """
    from pg_guard.policy.bundle import is_bundle
    from pg_guard.policy.document import MAX_BYTES
    from pg_guard.policy.inputs import read_regular
    from pg_guard.policy.packs import Pack, load_pack
    from pg_guard.policy.rules import read_rule

    place = Path(path)
    if not place.exists():
        raise UsageError(f"{path}: no such file or directory", hint="check the path")
    if place.name == "pack.yaml" or (place / "pack.yaml").is_file() or (is_bundle(path) and place.is_file()):
        return load_pack(place)
    files = sorted(place.glob("*.yaml")) if place.is_dir() else [place]
    if not files:
        raise UsageError(f"{path}: holds no rule files", hint="a rule file ends in .yaml")
    rules = []
    problems: list[Problem] = []
    for file in files:
        rule, found = read_rule(read_regular(file, MAX_BYTES), str(file))
        problems += found
        if rule is not None:
            rules.append(rule)
    if problems:
        raise PolicyError(tuple(problems), subject="the rules are")
    rules.sort(key=lambda rule: rule.id)
    return Pack(path, "0", path, "", place, tuple(rules), {})
