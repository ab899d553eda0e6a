"""Bearer tokens of one's own. In: a file of hashed tokens and what a request brought. Out: who it is, or None.

The file (`pg-guard/tokens/v1`) holds no token, only hashes; `pg-guard token` writes it. A token has 256 random bits, so
SHA-256 is enough: a slow hash protects what people can guess. The file is read again when it changes, so that a revoked
token ends with the next request. A file that cannot be used lets nobody in.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import hashlib
import hmac
import logging
import os
import re
import secrets
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal, NamedTuple

import yaml
from mcp.server.auth.provider import AccessToken
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator

from pg_guard.entry.mcp.principals import ATTRIBUTES, IDENTITY
from pg_guard.errors import UsageError
from pg_guard.packaging.files import write_atomically
from pg_guard.policy.document import MAX_BYTES, read_document
from pg_guard.policy.inputs import read_regular
from pg_guard.policy.values import Day  # noqa: TC001 - pydantic reads it

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = [
    "SCHEMA",
    "TOKEN_PREFIX",
    "NewToken",
    "TokenEntry",
    "TokenFile",
    "check_mode",
    "locked",
    "new_token",
    "read_tokens",
    "write_tokens",
]

SCHEMA: Final = "pg-guard/tokens/v1"
TOKEN_PREFIX: Final = "pgg_"  # noqa: S105 - what all tokens have in common
"""Every token begins with it, so that scanners for leaked secrets can find one."""

_HEADER: Final = "# Bearer tokens of pg-guard, hashed. Written by `pg-guard token`; it keeps no comments.\n"
_MODE: Final = 0o600
_HIDDEN: Final = "(not kept)"

_log = logging.getLogger(__name__)


def _name(text: str) -> str:
    # No slash and no colon, so that no client of an issuer, whose id is often an address, can have such a name.
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,99}", text):
        raise ValueError("must begin with a letter or digit and have only those and . _ @ -, at most 100")
    return text


def _digest(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", text):
        raise ValueError("must be 64 hexadecimal digits")
    return text


def _key(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,62}", text):
        raise ValueError(f"{text!r} cannot be named in a policy: write letters, digits and underscores")
    if text in IDENTITY:
        raise ValueError(f"{text} is known from the token itself and cannot be an attribute")
    return text


def _scope(text: str) -> str:
    if not re.fullmatch(r"[\x21\x23-\x5b\x5d-\x7e]{1,200}", text):
        raise ValueError("must be printable, without spaces, quotes and backslashes (RFC 6749)")
    return text


class TokenEntry(BaseModel):
    """One token, without what it is."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)

    name: Annotated[str, AfterValidator(_name)]
    """Whose it is; `client` to a policy."""
    sha256: Annotated[str, AfterValidator(_digest)]
    """The SHA-256 of the token, in hexadecimal."""
    attributes: dict[Annotated[str, AfterValidator(_key)], bool | int | float | str] = Field(default_factory=dict)
    """Values that ``:name`` in a policy stands for."""
    scopes: tuple[Annotated[str, AfterValidator(_scope)], ...] = ()
    """What it is for."""
    created: Day | None = None
    """The day it was made."""
    expires: Day | None = None
    """Its last day in UTC; it does not end when left out."""

    def expired(self, today: datetime.date) -> bool:
        """Whether its last day is over."""
        return self.expires is not None and self.expires < today

    def ends_at(self) -> int | None:
        """The second, since 1970, at which it ends."""
        if self.expires is None:
            return None
        midnight = datetime.datetime.combine(self.expires, datetime.time(), datetime.UTC)
        return int((midnight + datetime.timedelta(days=1)).timestamp())


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    schema_: Literal["pg-guard/tokens/v1"] = Field(alias="schema")
    tokens: tuple[TokenEntry, ...] = ()

    @field_validator("tokens")
    @classmethod
    def _unique(cls, tokens: tuple[TokenEntry, ...]) -> tuple[TokenEntry, ...]:
        for key in ("name", "sha256"):
            values = [getattr(token, key) for token in tokens]
            if len(set(values)) != len(values):
                raise ValueError(f"two tokens have the same {key}")
        return tokens


class NewToken(NamedTuple):
    """A token, to be shown once, and the hash that is kept."""

    token: str
    sha256: str


def new_token() -> NewToken:
    """Make a token of 256 random bits."""
    token = TOKEN_PREFIX + secrets.token_urlsafe(32)
    return NewToken(token, _hash(token))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


# -- the file ----------------------------------------------------------------------------------------------------------


def read_tokens(path: Path) -> tuple[TokenEntry, ...]:
    """Read a file of tokens.

    Raises:
        UsageError: It cannot be read, or is not such a file; no hash is in the message.
    """
    try:
        raw = read_regular(path, MAX_BYTES)
    except FileNotFoundError:
        raise UsageError(
            f"{path}: there is no such file of tokens", hint="make one: pg-guard token new NAME --file FILE"
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"{path}: cannot be read ({reason.lower()})") from None
    document, problems = read_document(raw, str(path))
    if document is None or problems:
        raise UsageError(str(problems[0]) if problems else f"{path}: is empty")
    try:
        return _File.model_validate(document.data).tokens
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise UsageError(
            f"{path}: {where}: {first['msg'].removeprefix('Value error, ')}",
            hint=f"it must be a file of the schema {SCHEMA}, as `pg-guard token` writes it",
        ) from None


def write_tokens(path: Path, entries: Sequence[TokenEntry]) -> None:
    """Replace a file of tokens, whole, readable by its owner alone.

    Raises:
        UsageError: It cannot be written.
    """
    data = {
        "schema": SCHEMA,
        "tokens": [entry.model_dump(mode="json", exclude_defaults=True) for entry in entries],
    }
    target = Path(os.path.realpath(path))
    owner = None
    with contextlib.suppress(OSError):
        found = target.stat()
        owner = (found.st_uid, found.st_gid)
        target.chmod(_MODE)
    text = _HEADER + yaml.safe_dump(data, sort_keys=False, allow_unicode=False, default_flow_style=None, width=1000)
    write_atomically(str(path), text.encode(), mode=_MODE)
    if owner is not None and os.geteuid() == 0:
        # The server that reads it may not run as root.
        os.chown(target, *owner)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other `pg-guard token` commands from the file: between reading and writing, nothing is lost.

    Raises:
        UsageError: Its directory cannot be opened.
    """
    directory = Path(os.path.realpath(path)).parent
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise UsageError(f"{directory}: cannot be opened ({(error.strerror or '').lower()})") from None
    try:
        # The directory and not the file, which every change replaces.
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def check_mode(path: Path) -> str:
    """Look who may use the file.

    Returns:
        A warning when others may read it, or an empty string.

    Raises:
        UsageError: Others may write it, and so let themselves in; or it is not there.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read ({(error.strerror or '').lower()})",
            hint="make one: pg-guard token new NAME --file FILE",
        ) from None
    if mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise UsageError(f"{path}: others may write this file of tokens (mode {mode:04o})", hint=f"chmod 600 {path}")
    if mode & (stat.S_IRGRP | stat.S_IROTH):
        return f"{path}: others may read this file of hashed tokens (mode {mode:04o}); chmod 600 is enough"
    return ""


# -- the verifier ------------------------------------------------------------------------------------------------------


class TokenFile:
    """Verifies tokens of a file; a `TokenVerifier` of the SDK.

    Args:
        path: The file.
        resource: The address of this server, which its tokens are for.

    Raises:
        UsageError: The file cannot be used.
    """

    def __init__(self, path: Path, *, resource: str | None = None) -> None:
        self._path = path
        self._resource = resource
        self._seen = self._state()
        self._entries = read_tokens(path)

    async def verify_token(self, token: str) -> AccessToken | None:
        """Whose token it is, or None."""
        entry = self._find(_hash(token))
        if entry is None or entry.expired(datetime.datetime.now(datetime.UTC).date()):
            return None
        return AccessToken(
            # Who it is stays with the request; the secret need not.
            token=_HIDDEN,
            client_id=entry.name,
            scopes=list(entry.scopes),
            expires_at=entry.ends_at(),
            resource=self._resource,
            subject=None,
            claims={ATTRIBUTES: dict(entry.attributes)},
        )

    def _find(self, digest: str) -> TokenEntry | None:
        self._read_again_if_changed()
        found = None
        for entry in self._entries:  # all of them: the time does not tell which one
            if hmac.compare_digest(entry.sha256, digest):
                found = entry
        return found

    def _read_again_if_changed(self) -> None:
        state = self._state()
        if state == self._seen:
            return
        self._seen = state
        try:
            check_mode(self._path)
            self._entries = read_tokens(self._path)
        except UsageError as error:
            self._entries = ()
            _log.error("no bearer token is accepted until this is repaired: %s", error)

    def _state(self) -> tuple[int, ...]:
        try:
            found = self._path.stat()
        except OSError:
            return ()
        return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_mode)
