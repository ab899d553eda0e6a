"""Rule packs, version 1. In: a directory with ``pack.yaml`` and a file per rule. Out: a `Pack`, or every problem with its place.

``pack.yaml`` holds the digest of every rule file, so that what was audited is what is loaded: a file that was changed,
added or removed since then is an error. `write_manifest` records the digests after an edit.
"""

import difflib
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Final, Literal

from packaging.specifiers import SpecifierSet
from pydantic import BaseModel, ConfigDict, Field

from pg_guard._version import __version__
from pg_guard.errors import PolicyError, Problem, UsageError
from pg_guard.policy.bundle import BUNDLE_SUFFIX
from pg_guard.policy.document import MAX_BYTES, Document, read_document
from pg_guard.policy.inputs import read_regular
from pg_guard.policy.opened import MANIFEST, OpenedPack, open_pack, pack_directory
from pg_guard.policy.rules import RuleFile, read_rule
from pg_guard.policy.shipped import shipped_dir
from pg_guard.policy.signature import PublicKey
from pg_guard.policy.validate import validate_model
from pg_guard.policy.values import Version, VersionSpecifier

if TYPE_CHECKING:
    from pg_guard.policy.document import KeyPath

__all__ = [
    "MANIFEST",
    "PACK_SCHEMA",
    "Pack",
    "PackManifest",
    "find_pack",
    "load_pack",
    "pack_directory",
    "read_pack",
    "shipped_packs",
    "write_manifest",
]

PACK_SCHEMA: Final = "pg-guard/pack/v1"
_RULE_FILE: Final = re.compile(r"PG[0-9]{3,5}_[a-z0-9_]+\.yaml")
_PACK_NAME: Final = r"^[a-z][a-z0-9-]*$"


class PackManifest(BaseModel):
    """``pack.yaml``: what a pack is and the digest of each of its files."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    schema_: Literal["pg-guard/pack/v1"] = Field(default="pg-guard/pack/v1", alias="schema")
    """The format and its version."""
    name: Annotated[str, Field(pattern=_PACK_NAME, max_length=60)]
    """The pack's name: the first half of the ids of its rules."""
    version: Version
    """The pack's version, as in PEP 440; write it in quotes when it looks like a number."""
    title: Annotated[str, Field(min_length=1)]
    """What the pack is, in a few words."""
    description: str = ""
    """What it is for."""
    owner: str = ""
    """Who answers for it."""
    licence: str = ""
    """Under which it may be used, as an SPDX identifier."""
    requires: VersionSpecifier = ""
    """Versions of pg-guard that it works with, as in ``>=0.1``; any when left out."""
    files: Mapping[str, Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]] = Field(default_factory=dict)
    """By name, the digest of each rule file, as ``sha256:`` and 64 hexadecimal digits."""


@dataclass(frozen=True)
class Pack:
    """A rule pack that was loaded.

    Attributes:
        path: Its directory or its bundle.
        rules: Its rules, by id.
        files: By name, the SHA-256 digest of each rule file, in hexadecimal.
        signed_by: The key, as ``ed25519:BASE64``, whose signature was found valid; empty when the pack is not signed.
    """

    name: str
    version: str
    title: str
    description: str
    path: Path
    rules: tuple[RuleFile, ...]
    files: Mapping[str, str]
    owner: str = ""
    licence: str = ""
    requires: str = ""
    signed_by: str = ""

    @cached_property
    def digest(self) -> str:
        """SHA-256, in hexadecimal, of the pack's name, version and files."""
        canonical = json.dumps([self.name, self.version, dict(self.files)], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def rule(self, rule_id: str) -> RuleFile | None:
        """The rule of this id."""
        return next((rule for rule in self.rules if rule.id == rule_id), None)


def load_pack(path: str | os.PathLike[str], *, verify: bool = True, key: PublicKey | None = None) -> Pack:
    """Load a pack.

    Args:
        path: Its directory, the ``pack.yaml`` in it, or a bundle (``.pgpack``).
        verify: Refuse files that differ from the digests in ``pack.yaml``; False only while a pack is written.
        key: The key that must have signed the pack; verified before anything in it is parsed.

    Raises:
        UsageError: There is no pack at the path, or it cannot be read.
        PolicyError: It is not valid; all problems are in it.
    """
    return read_pack(open_pack(path, key, verify=verify), verify=verify)


def read_pack(opened: OpenedPack, *, verify: bool = True) -> Pack:
    """The same from files that are in memory.

    Raises:
        PolicyError: It is not valid; all problems are in it.
    """
    directory = opened.place
    problems: list[Problem] = []
    manifest, document, found = _read_manifest(directory, opened.files[MANIFEST])
    problems += found
    contents = {name: raw for name, raw in opened.files.items() if name != MANIFEST}
    digests = {name: hashlib.sha256(raw).hexdigest() for name, raw in contents.items()}
    if manifest is not None and document is not None:
        problems += _check_requirement(document, manifest)
        if verify:
            problems += _compare(document, manifest, digests)
    rules: list[RuleFile] = []
    for name, raw in contents.items():
        rule, found_in_rule = read_rule(raw, str(directory / name))
        problems += found_in_rule
        if rule is not None:
            problems += _check_identity(rule, name, str(directory / name), manifest)
            rules.append(rule)
    problems += _check_unique(rules, directory)
    if problems or manifest is None:
        raise PolicyError(tuple(problems), subject="the pack is")
    return Pack(
        manifest.name,
        manifest.version,
        manifest.title,
        manifest.description,
        directory,
        tuple(sorted(rules, key=lambda rule: rule.id)),
        MappingProxyType(digests),
        manifest.owner,
        manifest.licence,
        manifest.requires,
        "" if opened.signature is None else str(opened.signature.key),
    )


def shipped_packs() -> tuple[Pack, ...]:
    """The packs that come with pg-guard, by name.

    Raises:
        PolicyError: One of them is damaged.
    """
    return tuple(load_pack(path) for path in _packs_in(shipped_dir("rules")))


def find_pack(name: str, search: Iterable[str | os.PathLike[str]] = (), *, key: PublicKey | None = None) -> Pack:
    """The pack of a name: a shipped one, else the first in one of the directories, as a directory or as a bundle.

    Args:
        name: The pack's name, which is also that of its directory or bundle (``acme/`` or ``acme.pgpack``).
        search: Directories to look in beside the shipped packs.
        key: The key that must have signed it.

    Raises:
        UsageError: There is none.
        PolicyError: It is not valid.
    """
    places = [shipped_dir("rules"), *map(Path, search)]
    if re.match(_PACK_NAME, name):  # anything else could lead out of the directories
        for place in places:
            if (place / name / MANIFEST).is_file():
                return _named(name, load_pack(place / name, key=key))
            if (bundle := place / f"{name}{BUNDLE_SUFFIX}").exists():
                return _named(name, load_pack(bundle, key=key))
    known = [path.name for place in places for path in _packs_in(place)]
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"known are: {', '.join(known)}" if known else "there are none"
    raise UsageError(f"there is no rule pack {name!r}", hint=hint)


def _named(name: str, pack: Pack) -> Pack:
    if pack.name != name:
        hint = f"name it {pack.name}, as its {MANIFEST} does"
        raise PolicyError(
            (Problem(f"here is the pack {pack.name!r}, not {name!r}", str(pack.path), hint=hint),),
            subject="the pack is",
        )
    return pack


def write_manifest(path: str | os.PathLike[str]) -> Path:
    """Record the digests of a pack's files in its ``pack.yaml``; the rest of that file stays as it is.

    Returns:
        The ``pack.yaml``.

    Raises:
        UsageError: There is no pack at the path, or it cannot be read or written.
    """
    directory = pack_directory(path)
    manifest = directory / MANIFEST
    text = _read(manifest).decode("utf-8", "surrogateescape")
    # Everything from the key `files` to the next key of the top level is replaced, so that comments elsewhere stay.
    kept = re.sub(r"(?m)^files:.*(?:\n(?:[ \t#].*)?)*(?:\n|\Z)", "", text)
    lines = [
        f"  {name}: sha256:{hashlib.sha256(_read(directory / name)).hexdigest()}" for name in _rule_files(directory)
    ]
    files = "\n".join(["files:", *lines]) if lines else "files: {}"
    _replace(manifest, f"{kept.rstrip()}\n{files}\n")
    return manifest


# -- reading ---------------------------------------------------------------------------------------------------------


def _packs_in(place: Path) -> list[Path]:
    if not place.is_dir():
        return []
    return sorted(path.parent for path in place.glob(f"*/{MANIFEST}"))


def _rule_files(directory: Path) -> list[str]:
    """Everything in the directory that could be taken for a rule; what a pack does not list is an error."""
    found = (path for path in directory.rglob("*") if path.suffix.lower() in (".yaml", ".yml"))
    return sorted(path.relative_to(directory).as_posix() for path in found if path != directory / MANIFEST)


def _read(path: Path) -> bytes:
    try:
        return read_regular(path, MAX_BYTES)  # one byte too many is enough to refuse it
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise UsageError(f"cannot read {path}: {reason}") from None


def _replace(path: Path, text: str) -> None:
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", errors="surrogateescape", newline="\n", dir=path.parent, delete=False
        ) as draft:
            draft.write(text)
        Path(draft.name).chmod(path.stat().st_mode)
        Path(draft.name).replace(path)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise UsageError(f"cannot write {path}: {reason}") from None


def _read_manifest(directory: Path, raw: bytes) -> tuple[PackManifest | None, Document | None, Sequence[Problem]]:
    document, problems = read_document(raw, str(directory / MANIFEST))
    if document is None:
        return None, None, problems
    manifest, invalid = validate_model(document, PackManifest, PACK_SCHEMA)
    return manifest, document, [*problems, *invalid]


# -- checks ----------------------------------------------------------------------------------------------------------


def _check_requirement(document: Document, manifest: PackManifest) -> list[Problem]:
    if SpecifierSet(manifest.requires).contains(__version__, prereleases=True):
        return []
    message = f"the pack needs pg-guard {manifest.requires}, this is {__version__}"
    return [document.problem(("requires",), message, hint="use another version of the pack or of pg-guard")]


def _compare(document: Document, manifest: PackManifest, digests: Mapping[str, str]) -> list[Problem]:
    hint = "restore the file; if you changed it yourself, run: pg-guard packs update DIRECTORY"
    problems = []
    for name, stated in manifest.files.items():
        path: KeyPath = ("files", name)
        if name not in digests:
            problems.append(document.problem(path, f"the file {name!r} is missing", hint=hint, key=True))
        elif stated != f"sha256:{digests[name]}":
            problems.append(
                document.problem(path, f"the file {name!r} is not the one that the digest is of", hint=hint)
            )
    for name in digests:
        if name not in manifest.files:
            message = f"the file {name!r} is not listed"
            problems.append(document.problem(("files",), message, hint=hint.replace("restore", "remove"), key=True))
    return problems


def _check_identity(rule: RuleFile, name: str, file: str, manifest: PackManifest | None) -> list[Problem]:
    problems = []
    if manifest is not None and rule.pack != manifest.name:
        problems.append(Problem(f"{rule.id!r} is not a rule of the pack {manifest.name!r}", file, 1, 1, "id"))
    number = rule.id.partition("/")[2]
    if not _RULE_FILE.fullmatch(name) or not name.startswith(f"{number}_"):
        wanted = f"{number}_{rule.name.replace('-', '_')}.yaml"
        problems.append(Problem("the file is not named as its rule", file, 1, 1, "id", f"name it {wanted}"))
    return problems


def _check_unique(rules: list[RuleFile], directory: Path) -> list[Problem]:
    problems = []
    for what in ("id", "name"):
        seen: set[str] = set()
        for rule in rules:
            word = getattr(rule, what)
            if word in seen:
                message = f"two rules have the {what} {word!r}"
                problems.append(Problem(message, str(directory), path=what, hint="ids are never reused"))
            seen.add(word)
    return problems
