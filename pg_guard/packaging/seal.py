"""Verify, sign and bundle packs. In: a pack and perhaps a key. Out: what is wrong with it, a signature, one file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pg_guard.errors import PolicyError, Problem, UsageError
from pg_guard.packaging.files import write_atomically
from pg_guard.policy.bundle import BUNDLE_SUFFIX, encode_bundle, is_bundle
from pg_guard.policy.opened import MANIFEST, open_pack
from pg_guard.policy.packs import Pack, load_pack, read_pack
from pg_guard.policy.signature import SIGNATURE_FILE, list_files

if TYPE_CHECKING:
    from pg_guard.packaging.keys import Signer
    from pg_guard.policy.signature import PublicKey

__all__ = ["bundle_pack", "read_unsigned", "sign_pack", "verify_pack"]

_COMPANIONS: Final = frozenset({"README.md", "CHANGELOG.md", "LICENSE", "LICENSE.md", "LICENSE.txt", "NOTICE"})
"""Texts for people that may lie in a pack's directory; nothing reads them, and no bundle holds them."""


def verify_pack(path: str, key: PublicKey | None = None) -> Pack:
    """Load a pack and look for everything that an auditor would refuse.

    Args:
        path: Its directory or its bundle.
        key: The key that must have signed it.

    Raises:
        UsageError: There is no pack at the path, or it cannot be read.
        PolicyError: The signature, a digest, a rule or an id is wrong, or there are files that do not belong to it.
    """
    problems: list[Problem] = []
    directory = Path(path).parent if Path(path).name == MANIFEST else Path(path)
    if directory.is_dir():
        problems += _strangers(directory)
    try:
        pack = load_pack(path, key=key)
    except PolicyError as error:
        raise PolicyError((*error.problems, *problems), subject="the pack is") from None
    if problems:
        raise PolicyError(tuple(problems), subject="the pack is")
    return pack


def _strangers(directory: Path) -> list[Problem]:
    """What lies in the directory and is not part of the pack."""
    problems = []
    for here, directories, files in os.walk(directory):
        directories[:] = sorted(
            name for name in directories if not (name.startswith(".git") and here == str(directory))
        )
        links = [name for name in directories if Path(here, name).is_symlink()]
        for name in sorted([*links, *files]):
            path = Path(here, name)
            inside = path.relative_to(directory).as_posix()
            if path.is_symlink():
                problems.append(Problem("a link, where a pack has files only", str(path), hint="put the file there"))
            elif not path.is_file():
                problems.append(Problem("not a regular file", str(path), hint="remove it"))
            elif not (
                inside in _COMPANIONS
                or inside in (MANIFEST, SIGNATURE_FILE)
                or inside.startswith(".git")
                or inside.lower().endswith((".yaml", ".yml"))
            ):
                problems.append(Problem("not a file of the pack", str(path), hint="remove it"))
    return problems


def sign_pack(path: str, signer: Signer) -> Path:
    """Sign a pack's directory: write ``pack.sig``, for the files as they are.

    Returns:
        The signature's file.

    Raises:
        UsageError: There is no pack at the path, or the signature cannot be written.
        PolicyError: The pack is not valid; nothing is signed that would not load.
    """
    if is_bundle(path) and not Path(path).is_dir():
        raise UsageError(
            f"{path}: a bundle is signed when it is made", hint="use: pg-guard packs bundle PACK --key FILE"
        )
    opened = open_pack(path, verify=False)  # an old signature does not fit any more, which is why a new one is made
    read_pack(opened)
    target = opened.place / SIGNATURE_FILE
    if target.is_symlink():
        raise UsageError(f"{target}: a link, where a pack has files only", hint="remove it")
    write_atomically(str(target), signer.sign(list_files(opened.files)).to_file().encode())
    return target


def read_unsigned(path: str) -> Pack:
    """Load a pack whose signature, if there is one, need not fit.

    Raises:
        UsageError: There is no pack at the path, or it cannot be read.
        PolicyError: The pack is not valid.
    """
    return read_pack(open_pack(path, verify=False))


def bundle_pack(path: str, output: str, signer: Signer | None = None) -> tuple[Pack, str]:
    """Put a pack into one file.

    Args:
        path: Its directory.
        output: The bundle to write or replace; its name ends with ``.pgpack``.
        signer: Signs the bundle; without it, the bundle has the signature of the directory, if there is one.

    Returns:
        The pack, and the public key that signed the bundle, or an empty text.

    Raises:
        UsageError: There is no pack at the path, or the bundle cannot be written.
        PolicyError: The pack is not valid.
    """
    if not output.endswith(BUNDLE_SUFFIX):
        raise UsageError(f"{output}: not the name of a bundle", hint=f"name it for example acme{BUNDLE_SUFFIX}")
    if Path(output).is_dir():
        raise UsageError(f"{output}: is a directory", hint="name a file")
    opened = open_pack(path, verify=signer is None)
    pack = read_pack(opened)
    signature = signer.sign(list_files(opened.files)) if signer is not None else opened.signature
    write_atomically(output, encode_bundle(opened.files, signature))
    return pack, str(signature.key) if signature is not None else ""
