"""A pack in one file. In: a pack's files, or a bundle. Out: the bundle's bytes, or the files after all is verified.

The form, made so that everything can be verified before anything is parsed, unpacked or written:

    pg-guard/bundle/v1
    signature: ed25519:KEY SIGNATURE      or  signature: none
    SHA256 SIZE PATH                      a line for each file, by path; the listing is what is signed
                                          (an empty line)
    the bytes of the files, one after the other, and nothing else

There is nothing to unfold and nothing to follow: no compression, no links, no modes, no times. The same files and key
always give the same bytes.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from pg_guard.errors import PolicyError, Problem
from pg_guard.policy.inputs import read_regular
from pg_guard.policy.signature import SIGNATURE_FILE, PackSignature, PublicKey, list_files

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["BUNDLE_SCHEMA", "BUNDLE_SUFFIX", "Bundle", "encode_bundle", "is_bundle", "parse_bundle", "read_bundle"]

BUNDLE_SCHEMA: Final = "pg-guard/bundle/v1"
BUNDLE_SUFFIX: Final = ".pgpack"
MAX_BUNDLE: Final = 16 * 1024 * 1024
MAX_FILE: Final = 1_000_000
MAX_FILES: Final = 2_000
MAX_LISTING: Final = 512 * 1024
_FIRST: Final = f"{BUNDLE_SCHEMA}\n".encode()
_LINE: Final = re.compile(r"([0-9a-f]{64}) (0|[1-9][0-9]{0,9}) ([ -~]+)")
# Names that are the same file on every system: no separators of other systems, no hidden files, no device names.
_STEP: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,119}(?<!\.)")
_MAX_STEPS: Final = 3


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose listing fits its files.

    Attributes:
        files: The content of each file, by path.
        signature: The signature, which is valid for the key that it names; None when the bundle is not signed.
        digest: SHA-256 of the whole bundle, in hexadecimal.
    """

    files: Mapping[str, bytes]
    signature: PackSignature | None
    digest: str


def is_bundle(name: str) -> bool:
    """Whether the name of a pack is that of a bundle: a path that ends with ``.pgpack``."""
    return name.endswith(BUNDLE_SUFFIX)


def path_problem(path: str) -> str:
    """Why a path may not stand in a pack; empty when it may."""
    steps = path.split("/")
    if path.startswith("/") or ".." in steps:
        return "leads out of the pack"
    if path == SIGNATURE_FILE:
        return "is that of the signature, which stands in the header"
    if len(steps) > _MAX_STEPS or not all(_STEP.fullmatch(step) for step in steps):
        return "is not a path of letters, digits, '_', '-' and '.'"
    return ""


def encode_bundle(files: Mapping[str, bytes], signature: PackSignature | None = None) -> bytes:
    """Put files into one.

    Args:
        files: The content of each file, by path; ``pack.sig`` is left out.
        signature: One for `list_files` of the same files.

    Raises:
        PolicyError: A path is not one that a pack may have, or a limit is passed.
    """
    listing = list_files(files)
    head = f"{BUNDLE_SCHEMA}\nsignature: {signature or 'none'}\n{listing}\n"
    paths = [line.split(" ", 2)[2] for line in listing.splitlines()]
    text = head.encode() + b"".join(files[path] for path in paths)
    parse_bundle(text, "the bundle")  # whatever a reader would refuse is not written
    return text


def read_bundle(path: str | os.PathLike[str], key: PublicKey | None = None) -> Bundle:
    """Read and verify a bundle.

    Args:
        path: The file.
        key: The key that must have signed it; any, or none, when left out.

    Raises:
        PolicyError: It cannot be read, is damaged, or is not signed by the key.
    """
    name = os.fspath(path)
    try:
        raw = read_regular(Path(name), MAX_BUNDLE)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise PolicyError((Problem(f"the bundle cannot be read: {reason}", name),), subject="the pack is") from None
    except ValueError:
        raise PolicyError((Problem("the bundle's path holds a NUL character"),), subject="the pack is") from None
    return parse_bundle(raw, name, key)


def parse_bundle(raw: bytes, file: str, key: PublicKey | None = None) -> Bundle:
    """Verify a bundle's bytes; `file` names them in messages. Otherwise as `read_bundle`."""
    if len(raw) > MAX_BUNDLE:
        _refuse(file, 0, f"the bundle is larger than {MAX_BUNDLE:,} bytes, which no pack needs")
    if not raw.startswith(_FIRST):
        _refuse(file, 1, f"not a bundle: its first line is not {BUNDLE_SCHEMA}", "make one with: pg-guard packs bundle")
    end = raw.find(b"\n\n", 0, MAX_LISTING)
    if end < 0:
        _refuse(file, 1, f"the listing of its files does not end within {MAX_LISTING:,} bytes")
    try:
        lines = raw[:end].decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        _refuse(file, raw.count(b"\n", 0, error.start) + 1, "the listing holds a byte that is not ASCII")
    if len(lines) < 3:
        _refuse(file, len(lines), "the bundle lists no files")
    listing = "".join(f"{line}\n" for line in lines[2:])
    signature = _signature(lines[1], listing, file, key)
    return Bundle(_split(raw[end + 2 :], lines[2:], file), signature, hashlib.sha256(raw).hexdigest())


def _signature(line: str, listing: str, file: str, key: PublicKey | None) -> PackSignature | None:
    label, _, value = line.partition(": ")
    if label != "signature":
        _refuse(file, 2, "the line of the signature is missing", _AGAIN)
    if value == "none":
        if key is not None:
            _refuse(file, 2, f"the bundle is not signed, and must be by {key}", "ask its author for a signed one")
        return None
    try:
        signature = PackSignature.parse(value)
    except ValueError:
        _refuse(file, 2, "the signature cannot be read", _AGAIN)
    if not signature.is_valid(listing):
        _refuse(file, 2, "the signature is not one of these files: the bundle was changed after it was signed", _AGAIN)
    if key is not None and signature.key != key:
        _refuse(file, 2, f"the bundle is signed by {signature.key}, not by {key}", "do not use it")
    return signature


def _split(body: bytes, lines: list[str], file: str) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    position, last, folded = 0, "", set[str]()
    if len(lines) > MAX_FILES:
        _refuse(file, 3, f"the bundle lists more than {MAX_FILES:,} files")
    for number, line in enumerate(lines, 3):
        match = _LINE.fullmatch(line)
        if match is None:
            _refuse(file, number, "not a line of the form SHA256 SIZE PATH", _AGAIN)
        digest, size, path = match[1], int(match[2]), match[3]
        if problem := path_problem(path):
            _refuse(file, number, f"the path {path!r} {problem}")
        if path <= last or path.lower() in folded:
            _refuse(file, number, f"the path {path!r} is listed twice or out of order", _AGAIN)
        if size > MAX_FILE:
            _refuse(file, number, f"the file {path} is larger than {MAX_FILE:,} bytes, which no rule needs")
        content = body[position : position + size]
        if len(content) < size:
            _refuse(file, number, f"the bundle ends inside of the file {path}", _AGAIN)
        if hashlib.sha256(content).hexdigest() != digest:
            _refuse(file, number, f"the file {path} is not the one that is listed: its SHA-256 differs", _AGAIN)
        files[path] = content
        folded.add(path.lower())
        position, last = position + size, path
    if position != len(body):
        _refuse(file, 0, f"{len(body) - position:,} bytes follow the last file", _AGAIN)
    return files


_AGAIN: Final = "do not use it; get the bundle again from its author"


def _refuse(file: str, line: int, message: str, hint: str = "") -> NoReturn:
    raise PolicyError((Problem(message, file, line, 1 if line else 0, hint=hint),), subject="the pack is")
