"""Key pairs of pack authors. In: file names and passphrases. Out: key files, and signatures made with them.

A private key is PEM (PKCS 8) in a file that only its owner may read, encrypted when there is a passphrase. Its text
and its passphrase never appear in a message.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pg_guard.errors import UsageError
from pg_guard.policy.inputs import read_bytes, read_regular
from pg_guard.policy.signature import KeyFormatError, PackSignature, PublicKey, message_to_sign

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = ["PUBLIC_SUFFIX", "Signer", "generate_keys", "load_public_key", "load_signer"]

PUBLIC_SUFFIX: Final = ".pub"
_MAX_KEY: Final = 20_000
_PRIVATE_MODE: Final = 0o600
_PUBLIC_MODE: Final = 0o644


class Signer:
    """A private key in memory.

    Attributes:
        public: The key that verifies what it signs.
    """

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = PublicKey(key.public_key().public_bytes_raw())

    def sign(self, listing: str) -> PackSignature:
        """Sign a pack's listing (`pg_guard.policy.signature.list_files`)."""
        return PackSignature(self.public, self._key.sign(message_to_sign(listing)))


def generate_keys(path: str, passphrase: str | None = None) -> PublicKey:
    """Make a key pair: the private key in `path`, with mode 0600, and the public one in `path` + ``.pub``.

    Args:
        path: The file of the private key; neither file may exist.
        passphrase: Encrypts the private key; not encrypted when left out.

    Raises:
        UsageError: A file exists or cannot be written, or the passphrase is empty.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        KeySerializationEncryption,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
    )

    encryption: KeySerializationEncryption = NoEncryption()
    if passphrase is not None:
        if not passphrase:
            raise UsageError("the passphrase is empty", hint="give one, or leave the key unencrypted")
        encryption = BestAvailableEncryption(passphrase.encode("utf-8", "surrogateescape"))
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    if os.path.lexists(path + PUBLIC_SUFFIX):  # before the private key is written, not after
        raise UsageError(f"{path}{PUBLIC_SUFFIX}: exists already", hint="name another file")
    _create(path, private, _PRIVATE_MODE)
    _create(path + PUBLIC_SUFFIX, public, _PUBLIC_MODE)
    return PublicKey(key.public_key().public_bytes_raw())


def _create(path: str, content: bytes, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    except FileExistsError:
        raise UsageError(f"{path}: exists already", hint="a key is never overwritten; name another file") from None
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}", hint="check the directory") from None
    except ValueError:
        raise UsageError("the key's path holds a NUL character") from None
    with open(descriptor, "wb") as stream:  # noqa: PTH123 - a descriptor, not a path
        os.fchmod(descriptor, mode)  # whatever the umask
        stream.write(content)


def load_public_key(given: str) -> PublicKey:
    """Read a public key: ``ed25519:BASE64``, or the path of a file that holds it or PEM.

    Raises:
        UsageError: It cannot be read, or holds no ed25519 public key.
    """
    is_text = given.startswith("ed25519:")
    try:
        return PublicKey.parse(given if is_text else _read(given, "the public key").decode("ascii", "replace"))
    except KeyFormatError as error:
        raise UsageError(f"{'the key' if is_text else given} {error.message}", hint=error.hint) from None


def load_signer(path: str, ask: Callable[[], str | None]) -> Signer:
    """Read a private key.

    Args:
        path: Its file.
        ask: Gives the passphrase, called only when the key is encrypted; None when nobody can be asked.

    Raises:
        UsageError: It cannot be read, or is no ed25519 private key, or the passphrase is missing or wrong.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    pem = _read(path, "the private key")
    if b"PRIVATE KEY-----" not in pem:
        if b"PUBLIC KEY-----" in pem or pem.startswith(b"ed25519:"):
            raise UsageError(f"{path} holds a public key, where the private one is wanted")
        raise UsageError(f"{path} holds no private key", hint="make one with: pg-guard packs keygen")
    passphrase = None
    if b"BEGIN ENCRYPTED PRIVATE KEY" in pem:
        passphrase = ask()
        if not passphrase:
            hint = "set PG_GUARD_KEY_PASSPHRASE, or run the command in a terminal"
            raise UsageError(f"{path} is encrypted, and there is no passphrase", hint=hint)
    try:
        key = load_pem_private_key(pem, passphrase.encode("utf-8", "surrogateescape") if passphrase else None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # the library tells a wrong passphrase by a ValueError
        reason = "the passphrase is wrong, or the key is damaged" if passphrase else "the key is damaged, or of a kind"
        raise UsageError(f"{path}: {reason}{'' if passphrase else ' that is not known'}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(f"{path} holds a key that is not an ed25519 one", hint="make one with: pg-guard packs keygen")
    return Signer(key)


def is_readable_by_others(path: str) -> bool:
    """Whether the file of a private key may be read by more than its owner."""
    return bool(Path(path).stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))


def _read(path: str, what: str) -> bytes:
    try:
        # A private key may come through a pipe, as in --key <(vault …); a public one is a plain file.
        content = (read_bytes if "private" in what else read_regular)(Path(path), _MAX_KEY)
    except OSError as error:
        raise UsageError(f"cannot read {what} {path}: {(error.strerror or str(error)).lower()}") from None
    except ValueError:
        raise UsageError(f"the path of {what} holds a NUL character") from None
    if len(content) > _MAX_KEY:
        raise UsageError(f"{path} is larger than any key")
    return content
