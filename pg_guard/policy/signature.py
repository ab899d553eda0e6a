"""Who vouches for a pack. In: a pack's files, a signature, a public key. Out: whether the key's owner signed the files.

What is signed is the listing of a pack: one line for each file, with its SHA-256, its size and its path, in the order
of the paths. So a signature covers every byte of every file, is checked before any of them is parsed, and is the same
for a directory (``pack.sig`` beside ``pack.yaml``) and for a bundle (a line of its header).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "SIGNATURE_FILE",
    "KeyFormatError",
    "PackSignature",
    "PublicKey",
    "list_files",
    "message_to_sign",
]

SIGNATURE_FILE: Final = "pack.sig"
SIGNATURE_SCHEMA: Final = "pg-guard/signature/v1"
_KEY_TEXT: Final = re.compile(r"ed25519:([A-Za-z0-9+/]{43}=)")
_SIGNATURE_TEXT: Final = re.compile(r"(ed25519:\S{44}) ([A-Za-z0-9+/]{86}==)")
# Tells this use of a key from every other one, so that no other signature can be passed off as one of a pack.
_DOMAIN: Final = SIGNATURE_SCHEMA.encode() + b"\n"


class KeyFormatError(ValueError):
    """A text that should hold a key and does not; the message never repeats the text.

    Callers turn it into a `UsageError`, or into a problem with the place that names the key.

    Args:
        message: The end of a sentence that begins with what should hold the key.
        hint: What to do.
    """

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class PublicKey(NamedTuple):
    """An ed25519 public key.

    Attributes:
        raw: Its 32 bytes.
    """

    raw: bytes

    def __str__(self) -> str:
        return f"ed25519:{base64.b64encode(self.raw).decode()}"

    @property
    def fingerprint(self) -> str:
        """The first 16 hexadecimal digits of the key's SHA-256: short enough to compare by eye."""
        return hashlib.sha256(self.raw).hexdigest()[:16]

    @classmethod
    def parse(cls, text: str) -> PublicKey:
        """Read ``ed25519:BASE64``, or the PEM form.

        Raises:
            KeyFormatError: It is neither, or a key of another algorithm, or a private key.
        """
        stripped = text.strip()
        if match := _KEY_TEXT.fullmatch(stripped):
            return cls(base64.b64decode(match[1]))
        if "PRIVATE KEY" in stripped:
            hint = "give the public key, and keep the private one to yourself"
            raise KeyFormatError("holds a private key, where the public one is wanted", hint=hint)
        if not stripped.startswith("-----BEGIN PUBLIC KEY-----"):
            hint = "a public key is PEM, or one line: ed25519:BASE64"
            raise KeyFormatError("holds no ed25519 public key", hint=hint)
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        try:
            key = load_pem_public_key(stripped.encode())
        except (ValueError, UnsupportedAlgorithm):
            raise KeyFormatError("has a damaged PEM block", hint="copy the whole file again") from None
        if not isinstance(key, Ed25519PublicKey):
            raise KeyFormatError("holds a key that is not an ed25519 one", hint="make one with: pg-guard packs keygen")
        return cls(key.public_bytes_raw())


class PackSignature(NamedTuple):
    """A signature, and the key that is said to have made it.

    Attributes:
        key: The signer's public key, as the signer wrote it; it proves nothing by itself.
        signature: 64 bytes.
    """

    key: PublicKey
    signature: bytes

    def __str__(self) -> str:
        return f"{self.key} {base64.b64encode(self.signature).decode()}"

    def to_file(self) -> str:
        """The text of ``pack.sig``."""
        return f"{SIGNATURE_SCHEMA}\n{self}\n"

    @classmethod
    def parse(cls, text: str) -> PackSignature:
        """Read what `str` gives.

        Raises:
            ValueError: It is something else.
        """
        match = _SIGNATURE_TEXT.fullmatch(text)
        if match is None:
            raise ValueError("not a signature")
        try:
            signature = cls(PublicKey.parse(match[1]), base64.b64decode(match[2], validate=True))
        except (KeyFormatError, binascii.Error):
            raise ValueError("not a signature") from None
        if str(signature) != text:  # base64 has unused bits at its end; one text stands for one signature
            raise ValueError("not a signature")
        return signature

    @classmethod
    def from_file(cls, text: str) -> PackSignature:
        """Read the text of ``pack.sig``.

        Raises:
            ValueError: It is something else.
        """
        schema, _, line = text.partition("\n")
        if schema != SIGNATURE_SCHEMA or not line.endswith("\n"):
            raise ValueError("not a signature file")
        return cls.parse(line.removesuffix("\n"))

    def is_valid(self, listing: str) -> bool:
        """Whether the key that the signature names really made it for these files."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.key.raw).verify(self.signature, message_to_sign(listing))
        except (InvalidSignature, ValueError):
            return False
        return True


def list_files(files: Mapping[str, bytes]) -> str:
    """The listing of files: a line ``SHA256 SIZE PATH`` for each, by path; ``pack.sig`` itself is left out."""
    return "".join(
        f"{hashlib.sha256(content).hexdigest()} {len(content)} {path}\n"
        for path, content in sorted(files.items())
        if path != SIGNATURE_FILE
    )


def message_to_sign(listing: str) -> bytes:
    """The bytes that a signature is made of."""
    return _DOMAIN + listing.encode()
