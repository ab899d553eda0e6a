"""The packs that a policy uses. In: a merged policy and where to look. Out: the packs, and a problem for each that cannot be used.

Here everything is checked that needs both sides: that a pack exists in a version that is accepted, that rules and
parameters which the policy names are there, that a parameter's value fits.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from packaging.specifiers import SpecifierSet

from pg_guard.checks.pack import ActiveRule, Lift, PackCheck, Template
from pg_guard.checks.patterns import NameSet
from pg_guard.checks.written import read_match
from pg_guard.errors import PolicyError, UsageError
from pg_guard.policy.document import Document
from pg_guard.policy.model import Functions, Limits, Metadata, Policy, Statements, Tables
from pg_guard.policy.packs import Pack, find_pack, load_pack
from pg_guard.policy.signature import PublicKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pg_guard.errors import Problem
    from pg_guard.policy.model import PackUse
    from pg_guard.policy.rules import RuleFile

__all__ = [
    "active_rules",
    "open_policy",
    "pack_check",
    "pack_digests",
    "packs_of",
    "resolve_packs",
    "search_path_of",
]

_MOST: Final = 2**31 - 1


def search_path_of(files: Iterable[Path]) -> tuple[Path, ...]:
    """Where packs are looked for beside those that are shipped: ``packs/`` beside each file of a policy."""
    return tuple(dict.fromkeys(file.parent / "packs" for file in files))


def resolve_packs(
    document: Document, policy: Policy, search: Iterable[str | os.PathLike[str]] = ()
) -> tuple[tuple[Pack, ...], list[Problem]]:
    """Find and load the packs that a policy uses, and check what it says about them.

    Args:
        document: The merged policy, for the places of problems.
        policy: The same as a value.
        search: Directories to look in beside the shipped packs.

    Returns:
        The packs, in the order of their first use; and the problems.
    """
    search = tuple(search)
    packs: dict[str, Pack] = {}
    problems: list[Problem] = []
    missing: set[str] = set()
    for index, use in enumerate(policy.packs):
        if use.use not in packs and use.use not in missing:
            try:
                packs[use.use] = _open(document, index, use, search)
            except UsageError as error:
                problems.append(document.problem(("packs", index, "use"), error.message, hint=error.hint))
            except PolicyError as error:
                problems += error.problems
        if use.use in packs:
            problems += _check_place(document, index, policy)
            problems += _check_use(document, index, use, packs[use.use])
        else:
            missing.add(use.use)
    if not missing:
        problems += _check_rules(document, policy, packs)
    return tuple(packs.values()), problems


def _open(document: Document, index: int, use: PackUse, search: tuple[str | os.PathLike[str], ...]) -> Pack:
    key = PublicKey.parse(use.signed_by) if use.signed_by else None
    if use.path is None:
        return find_pack(use.use, search, key=key)
    written_in = document.place(("packs", index, "path"))[0].file
    pack = load_pack(Path(written_in).parent / use.path, key=key)
    if pack.name != use.use:
        message = f"the pack there is {pack.name!r}, not {use.use!r}"
        raise PolicyError((document.problem(("packs", index, "path"), message, hint=f"write use: {pack.name}"),))
    return pack


def packs_of(policy: Policy, packs: Iterable[Pack] | None = None) -> tuple[Pack, ...]:
    """The packs that a policy uses, where it was not loaded from a file.

    Args:
        policy: The policy.
        packs: The packs to take them from; the shipped ones when left out.

    Raises:
        PolicyError: One is missing or does not fit.
    """
    document = Document(policy.metadata.name, {})
    if packs is None:
        found, problems = resolve_packs(document, policy)
    else:
        found, problems = tuple(packs), []
        given = {pack.name: pack for pack in found}
        if len(given) < len(found):
            problems.append(document.problem(("packs",), "two of the packs given have the same name"))
        for index, use in enumerate(policy.packs):
            if use.use in given:
                problems += _check_use(document, index, use, given[use.use])
            else:
                path = ("packs", index, "use")
                problems.append(document.problem(path, f"the rule pack {use.use!r} is not among those given"))
        if not problems:
            problems = _check_rules(document, policy, given)
    if problems:
        raise PolicyError(tuple(problems))
    return found


def active_rules(policy: Policy, packs: Iterable[Pack]) -> Iterator[ActiveRule]:
    """The rules that a policy puts in force: of each use of a pack, with its parameters, the policy's changes and exceptions.

    Packs that the policy does not use are in force, too, as they are.
    """
    by_name = {pack.name: pack for pack in packs}
    used = [(by_name[use.use], dict(use.parameters)) for use in policy.packs if use.use in by_name]
    named = {use.use for use in policy.packs}
    used += [(pack, {}) for name, pack in by_name.items() if name not in named]
    for pack, parameters in used:
        for rule in pack.rules:
            override = policy.rules.get(rule.id)
            effect = override.effect if override is not None else rule.effect
            if effect == "off":
                continue
            yield ActiveRule(
                rule.id,
                rule.severity,
                effect,
                rule.compile(parameters),
                Template(rule.message),
                Template(rule.remediation),
                # INVARIANT: what denies is never passed over because something is not known.
                skip_unknown=rule.unresolved == "skip" and effect == "warn",
                lifts=_lifts(policy, rule.id),
            )


def pack_check(policy: Policy, packs: Iterable[Pack]) -> PackCheck | None:
    """The check for all rules of all packs; None when there are none."""
    rules = tuple(active_rules(policy, packs))
    return PackCheck(rules) if rules else None


def open_policy() -> Policy:
    """A policy that permits whatever can be understood, so that nothing but rules has a say."""
    return Policy(
        metadata=Metadata(name="packs"),
        statements=Statements(allow=("select", "explain", "show")),
        tables=Tables(allow=("pg_catalog.*", "information_schema.*")),
        functions=Functions(mode="denylist", allow=("*",), user_defined="allow_listed"),
        limits=Limits(sql_bytes=1_000_000, tokens=50_000, generated_rows=_MOST, product_rows=_MOST, in_list=_MOST),
    )


def pack_digests(packs: Iterable[Pack]) -> dict[str, str]:
    """For a decision's record: the digest of each pack as ``pack:<name>``, and of all together as ``packs``."""
    each = {f"pack:{pack.name}": pack.digest for pack in packs}
    together = hashlib.sha256(json.dumps(each, sort_keys=True, separators=(",", ":")).encode())
    return {**each, "packs": together.hexdigest()}


def _lifts(policy: Policy, rule: str) -> tuple[Lift, ...]:
    return tuple(
        # A pattern that allows matches exactly, letter case included.
        Lift(entry.id, NameSet(entry.tables, fold=False) if entry.tables else None, entry.expires)
        for entry in policy.exceptions
        if rule in entry.rules
    )


# -- what a policy says about packs ----------------------------------------------------------------------------------


def _check_use(document: Document, index: int, use: PackUse, pack: Pack) -> list[Problem]:
    problems = []
    here = ("packs", index)
    if use.signed_by and pack.signed_by != use.signed_by:
        message = f"the pack {pack.name!r} is not signed by this key"
        problems.append(document.problem((*here, "signed_by"), message, hint="use the pack that its author signed"))
    if use.version is not None and not SpecifierSet(use.version).contains(pack.version, prereleases=True):
        message = f"the pack {pack.name!r} is {pack.version}, which {use.version!r} does not accept"
        hint = f"accept {pack.version}, or install another version of the pack"
        problems.append(document.problem((*here, "version"), message, hint=hint))
    declaring: dict[str, list[RuleFile]] = {}
    for rule in pack.rules:
        for name in rule.parameters:
            declaring.setdefault(name, []).append(rule)
    for name, value in use.parameters.items():
        path = (*here, "parameters", name)
        if name not in declaring:
            message = f"no rule of {pack.name!r} has a parameter {name!r}"
            problems.append(document.problem(path, message, hint=_meant(name, declaring), key=True))
            continue
        for rule in declaring[name]:
            wanted = _form(rule.parameters[name].default)
            if _form(value) != wanted:
                problems.append(document.problem(path, f"is not {wanted}, as {rule.id} wants it"))
                break
            if value == () and rule.parameters[name].default != ():
                message = f"is empty, so that {rule.id} would look for nothing"
                problems.append(document.problem(path, message, hint="turn the rule off under rules, with a reason"))
                break
            _, faults = read_match(rule.match, rule.settings({name: value}))
            if faults:
                problems.append(document.problem(path, f"does not fit {rule.id}: {faults[0].message}"))
                break
    return problems


def _check_place(document: Document, index: int, policy: Policy) -> list[Problem]:
    """A pack is taken from one place, however often it is used."""
    use = policy.packs[index]
    first = next(place for place, other in enumerate(policy.packs) if other.use == use.use)
    if _place(document, first, policy.packs[first]) == _place(document, index, use):
        return []
    message = f"the pack {use.use!r} is used from two places"
    return [document.problem(("packs", index), message, hint="give each use the same path")]


def _place(document: Document, index: int, use: PackUse) -> str | None:
    if use.path is None:
        return None
    return os.path.normpath(Path(document.place(("packs", index, "path"))[0].file).parent / use.path)


def _form(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, (int, float)):
        return "a number"
    return "text or a list of texts"


def _check_rules(document: Document, policy: Policy, packs: dict[str, Pack]) -> list[Problem]:
    known = {rule.id for pack in packs.values() for rule in pack.rules}
    named = [(("rules", rule), rule, True) for rule in policy.rules]
    for index, entry in enumerate(policy.exceptions):
        named += [(("exceptions", index, "rules", place), rule, False) for place, rule in enumerate(entry.rules)]  # type: ignore[misc] # key paths of different lengths
    problems = []
    for path, rule, is_key in named:
        if rule in known:
            continue
        pack, _, number = rule.partition("/")
        if number and pack not in packs:
            message, hint = f"the policy does not use the pack {pack!r}", f"add it under packs, as in - {{use: {pack}}}"
        else:
            message, hint = f"there is no rule {rule!r} in the packs of this policy", _meant(rule, known)
        problems.append(document.problem(path, message, hint=hint, key=is_key))
    return problems


def _meant(word: str, known: Iterable[str]) -> str:
    known = sorted(known)
    close = difflib.get_close_matches(word, known, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"one of: {', '.join(known)}" if 0 < len(known) <= 12 else ""
