"""What `pg-guard packs` does with its arguments. In: names, paths, the environment. Out: packs, documents, passphrases."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from pg_guard.errors import PgGuardError, PolicyError, UsageError
from pg_guard.packaging.describe import signature_state
from pg_guard.policy.bundle import BUNDLE_SUFFIX, is_bundle
from pg_guard.policy.opened import MANIFEST
from pg_guard.policy.packs import Pack, load_pack, write_manifest
from pg_guard.policy.shipped import shipped_dir
from pg_guard.policy.signature import SIGNATURE_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pg_guard.policy.rules import RuleFile

__all__ = [
    "PASSPHRASE_VARIABLE",
    "Entry",
    "ask_passphrase",
    "list_packs",
    "listing_document",
    "listing_lines",
    "locate",
    "make_directory",
    "new_passphrase",
    "pack_document",
    "read_target",
    "rule_document",
    "update_digests",
]

PACKS_SCHEMA: Final = "pg-guard/packs/v1"
PASSPHRASE_VARIABLE: Final = "PG_GUARD_KEY_PASSPHRASE"  # noqa: S105 - the name of a variable, not its value
_HERE: Final = "packs"
"""Where packs of a repository lie."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One pack of a list: the pack, or what is wrong with it."""

    path: str
    origin: str
    pack: Pack | None = None
    problems: tuple[str, ...] = ()


def locate(name: str) -> str:
    """The path of a pack: that of its directory or bundle as given, or of a shipped one or one in ./packs by its name.

    Raises:
        UsageError: There is none.
    """
    try:
        plain = "/" not in name and os.sep not in name and not is_bundle(name)
        if plain:
            for place in (shipped_dir("rules"), Path(_HERE)):
                for path in (place / name, place / f"{name}{BUNDLE_SUFFIX}"):
                    if (path / MANIFEST).is_file() or (is_bundle(path.name) and path.exists()):
                        return str(path)
        if Path(name).exists():
            return name
    except ValueError:
        raise UsageError("the pack's path holds a NUL character") from None
    except OSError as error:
        raise UsageError(f"cannot read {name}: {(error.strerror or str(error)).lower()}") from None
    known = sorted(path.parent.name for path in shipped_dir("rules").glob(f"*/{MANIFEST}"))
    hint = f"known are: {', '.join(known)}" if plain and known else "give the directory or the bundle of a rule pack"
    raise UsageError(f"there is no rule pack {name!r}", hint=hint)


def read_target(target: str) -> tuple[Pack, RuleFile | None]:
    """Read ``PACK`` or ``PACK/RULE``.

    Raises:
        UsageError: There is no such pack or rule.
        PolicyError: The pack is not valid.
    """
    head, slash, last = target.rpartition("/")
    wanted = last if slash and last.upper().startswith("PG") and last[2:].isdigit() else ""
    if not wanted:
        return load_pack(locate(target)), None
    pack = load_pack(locate(head))
    rule = pack.rule(f"{pack.name}/{last.upper()}")
    if rule is None:
        hint = f"see them with: pg-guard packs show {head}"
        raise UsageError(f"the pack {pack.name!r} has no rule {last}", hint=hint)
    return pack, rule


def list_packs(directories: tuple[str, ...]) -> tuple[Entry, ...]:
    """The shipped packs, and those in directories; ./packs when none is named.

    Raises:
        UsageError: A directory that is named cannot be looked into.
    """
    if "" in directories:
        raise UsageError("a directory's name is empty", hint="write . for this one")
    places = [("shipped", shipped_dir("rules"))]
    if directories:
        places += [("found", Path(directory)) for directory in directories]
    elif Path(_HERE).is_dir():
        places.append(("found", Path(_HERE)))
    return tuple(_entry(path, origin) for origin, place in places for path in _packs_in(place))


def _packs_in(place: Path) -> list[Path]:
    try:
        found = sorted(place.iterdir())
    except OSError as error:
        raise UsageError(f"{place}: {(error.strerror or str(error)).lower()}", hint="check the path") from None
    except ValueError:
        raise UsageError("a path holds a NUL character") from None
    return [path for path in found if (path / MANIFEST).is_file() or (is_bundle(path.name) and not path.is_dir())]


def _entry(path: Path, origin: str) -> Entry:
    try:
        return Entry(str(path), origin, load_pack(path))
    except PolicyError as error:
        return Entry(str(path), origin, problems=tuple(str(problem) for problem in error.problems))
    except PgGuardError as error:
        return Entry(str(path), origin, problems=(error.message,))


def listing_lines(entries: tuple[Entry, ...]) -> Iterator[str]:
    """The list as text: a line for each pack, and below it where it is."""
    if not entries:
        yield "no packs"
    for entry in entries:
        place = "comes with pg-guard" if entry.origin == "shipped" else entry.path
        if entry.pack is None:
            more = len(entry.problems) - 1
            yield f"{entry.path}: invalid: {entry.problems[0]}{f' (and {more} more)' if more else ''}"
            continue
        pack = entry.pack
        rules = f"{len(pack.rules):,} rule{'' if len(pack.rules) == 1 else 's'}"
        yield f"{pack.name} {pack.version}: {rules}, {signature_state(pack)}, {place}"
        yield f"  sha256:{pack.digest}"


def listing_document(entries: tuple[Entry, ...]) -> dict[str, Any]:
    """The list as plain JSON values."""
    return {
        "schema": PACKS_SCHEMA,
        "packs": [
            {
                "path": entry.path,
                "origin": entry.origin,
                "problems": list(entry.problems),
                **(_summary(entry.pack) if entry.pack is not None else {}),
            }
            for entry in entries
        ],
    }


def _summary(pack: Pack) -> dict[str, Any]:
    return {
        "name": pack.name,
        "version": pack.version,
        "title": pack.title,
        "rules": len(pack.rules),
        "digest": f"sha256:{pack.digest}",
        "signed_by": pack.signed_by or None,
    }


def pack_document(pack: Pack) -> dict[str, Any]:
    """A pack as plain JSON values."""
    return {
        **_summary(pack),
        "path": str(pack.path),
        "description": pack.description,
        "owner": pack.owner,
        "licence": pack.licence,
        "requires": pack.requires,
        "files": {name: f"sha256:{digest}" for name, digest in pack.files.items()},
        "rules": [
            {
                "id": rule.id,
                "title": rule.title,
                "effect": rule.effect,
                "severity": rule.severity,
                "status": rule.status,
            }
            for rule in pack.rules
        ],
    }


def rule_document(rule: RuleFile) -> dict[str, Any]:
    """A rule as plain JSON values, as its file has them."""
    return rule.model_dump(mode="json", by_alias=True)


def make_directory(path: str) -> Path:
    """The directory, made when there is none.

    Raises:
        UsageError: It cannot be made, or is something else.
    """
    if not path:
        raise UsageError("the output's name is empty", hint="write . for this directory")
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise UsageError(f"{path}: is not a directory", hint="name a directory") from None
    except OSError as error:
        raise UsageError(f"{path}: {(error.strerror or str(error)).lower()}", hint="check the path") from None
    except ValueError:
        raise UsageError("the path of the output holds a NUL character") from None
    return Path(path)


def update_digests(path: str) -> list[str]:
    """Write a pack's digests, and look whether it loads.

    Returns:
        What was done, in lines.

    Raises:
        UsageError: There is no pack at the path, or its manifest cannot be written.
        PolicyError: The pack is not valid for another reason.
    """
    from pg_guard.packaging.seal import read_unsigned

    if is_bundle(path) and not Path(path).is_dir():
        raise UsageError(f"{path}: a bundle is not written to", hint="give the directory of the pack")
    manifest = write_manifest(path)
    pack = read_unsigned(path)
    lines = [f"{manifest}: the digests of {len(pack.files)} file{'' if len(pack.files) == 1 else 's'}"]
    if (manifest.parent / SIGNATURE_FILE).exists():
        lines.append(f"{manifest.parent / SIGNATURE_FILE}: is of the files before; sign the pack again")
    return lines


def ask_passphrase() -> str | None:
    """The passphrase of a private key: from the environment, else from whoever sits at the terminal."""
    if given := os.environ.get(PASSPHRASE_VARIABLE):
        return given
    if not sys.stdin.isatty():
        return None
    return str(click.prompt("Passphrase", hide_input=True, err=True))


def new_passphrase(*, ask: bool) -> str | None:
    """The passphrase of a new private key; None leaves it unencrypted.

    Raises:
        UsageError: One is asked for, and there is nobody to ask.
    """
    if given := os.environ.get(PASSPHRASE_VARIABLE):
        return given
    if not ask:
        return None
    if not sys.stdin.isatty():
        raise UsageError("there is no terminal to ask for a passphrase", hint=f"set {PASSPHRASE_VARIABLE}")
    return str(click.prompt("Passphrase", hide_input=True, confirmation_prompt=True, err=True))
