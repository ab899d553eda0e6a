"""A pack's files before anything in them is read. In: a directory or a bundle, and perhaps a key. Out: their bytes.

The signature is verified here, on the bytes, so that what is parsed afterwards is what the signer saw.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from pg_guard.errors import PolicyError, Problem, UsageError
from pg_guard.policy.bundle import MAX_FILES, is_bundle, read_bundle
from pg_guard.policy.document import MAX_BYTES
from pg_guard.policy.inputs import read_regular
from pg_guard.policy.signature import SIGNATURE_FILE, PackSignature, PublicKey, list_files

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["MANIFEST", "OpenedPack", "open_pack", "pack_directory"]

MANIFEST: Final = "pack.yaml"
_HINT: Final = "restore the files; if you changed them yourself, sign them again with: pg-guard packs sign"


class OpenedPack(NamedTuple):
    """The files of a pack.

    Attributes:
        place: Its directory, or its bundle.
        files: By path, the content of ``pack.yaml`` and of everything that could be taken for a rule.
        signature: A signature that is valid for them; None when there is none, or when it was not looked at.
    """

    place: Path
    files: Mapping[str, bytes]
    signature: PackSignature | None


def open_pack(path: str | os.PathLike[str], key: PublicKey | None = None, *, verify: bool = True) -> OpenedPack:
    """Read a pack's files.

    Args:
        path: Its directory, the ``pack.yaml`` in it, or a bundle.
        key: The key that must have signed it; any, or none, when left out.
        verify: Look at the signature of a directory; False only while a pack is written.

    Raises:
        UsageError: There is no pack at the path, or it cannot be read.
        PolicyError: It is a bundle and damaged, or its signature is not valid or not the key's.
    """
    name = os.fspath(path)
    if is_bundle(name) and not Path(name).is_dir():
        bundle = read_bundle(name, key)
        if MANIFEST not in bundle.files:
            raise PolicyError((Problem(f"the bundle has no {MANIFEST}", name),), subject="the pack is")
        return OpenedPack(Path(name), bundle.files, bundle.signature)
    directory = pack_directory(path)
    files = {each: _read(directory / each) for each in [MANIFEST, *_rule_files(directory)]}
    return OpenedPack(directory, files, _signature(directory, files, key) if verify else None)


def pack_directory(path: str | os.PathLike[str]) -> Path:
    """The directory of the pack at a path, which may also be its ``pack.yaml``.

    Raises:
        UsageError: There is none.
    """
    try:
        given = Path(path)
        directory = given.parent if given.name == MANIFEST else given
        if (directory / MANIFEST).exists():
            return directory
    except ValueError:  # a NUL character
        raise UsageError("the pack's path holds a NUL character") from None
    except OSError as error:
        raise UsageError(f"cannot read {given}: {(error.strerror or str(error)).lower()}") from None
    raise UsageError(f"there is no pack at {given}: it has no {MANIFEST}", hint="give the directory of a rule pack")


def _rule_files(directory: Path) -> list[str]:
    """Everything that could be taken for a rule; what the manifest does not list is an error later."""
    found = (path for path in directory.rglob("*") if path.suffix.lower() in (".yaml", ".yml"))
    inside = (path.relative_to(directory) for path in found if path != directory / MANIFEST)
    # Kubernetes keeps the files of a mounted ConfigMap in such a directory, beside links to them.
    names = sorted(path.as_posix() for path in inside if not path.parts[0].startswith(".."))
    if len(names) > MAX_FILES:
        raise UsageError(f"{directory}: more than {MAX_FILES:,} files, which no pack needs")
    return names


def _read(path: Path) -> bytes:
    try:
        return read_regular(path, MAX_BYTES)  # one byte too many is enough to refuse it
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise UsageError(f"cannot read {path}: {reason}") from None


def _signature(directory: Path, files: Mapping[str, bytes], key: PublicKey | None) -> PackSignature | None:
    path = directory / SIGNATURE_FILE
    if not os.path.lexists(path):
        if key is not None:
            _refuse(directory / MANIFEST, f"the pack is not signed, and must be by {key}", "ask its author to sign it")
        return None
    try:
        signature = PackSignature.from_file(_read(path).decode("ascii", "replace"))
    except ValueError:
        _refuse(path, "not a signature", "sign the pack with: pg-guard packs sign")
    if not signature.is_valid(list_files(files)):
        _refuse(path, "the signature is not one of these files: the pack was changed after it was signed", _HINT)
    if key is not None and signature.key != key:
        _refuse(path, f"the pack is signed by {signature.key}, not by {key}", "do not use it")
    return signature


def _refuse(path: Path, message: str, hint: str) -> NoReturn:
    raise PolicyError((Problem(message, str(path), 1, 1, hint=hint),), subject="the pack is")
