"""An issuer's signature keys. In: where they are, and what a token names. Out: the one key to verify it with, or None.

Keys are fetched when the first token comes and kept for a while. A key that nobody knows makes the server look again, but
only from time to time: a token costs nothing to invent. Only keys of the accepted algorithms count, and only in the one
algorithm that fits their kind, so that a public key never serves as a shared secret.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import time
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import httpx2
import jwt

from pg_guard.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pg_guard.settings import OAuthSettings

__all__ = ["PAUSE_SECONDS", "IssuerKeys", "is_safe_url"]

FRESH_SECONDS: Final = 600.0
"""How long keys are used without another look."""
STALE_SECONDS: Final = 3_600.0
"""How long keys are used while the issuer does not answer; a key that it took back lives no longer than that."""
PAUSE_SECONDS: Final = 30.0
"""How long the issuer is left alone after a try."""
FETCH_SECONDS: Final = 5.0
_MOST_BYTES: Final = 256 * 1024
_MOST_KEYS: Final = 100

# By algorithm, the kind of key and its curve.
_KINDS: Final = {
    "RS256": ("RSA", None),
    "RS384": ("RSA", None),
    "RS512": ("RSA", None),
    "PS256": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "EdDSA": ("OKP", "Ed25519"),
}

_log = logging.getLogger(__name__)


class _FetchError(Exception):
    """The issuer's answer cannot be used; the text says why, without what came."""


class IssuerKeys:
    """The keys of one issuer.

    Args:
        settings: Issuer, address of its keys, accepted algorithms.
        clock: Seconds of a clock that never goes back.

    Raises:
        UsageError: An address is neither https nor on this machine.
    """

    def __init__(self, settings: OAuthSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        for name, url in (("issuer", settings.issuer), ("jwks_url", settings.jwks_url)):
            if url is not None and not is_safe_url(url):
                raise UsageError(f"http.oauth.{name}: {url} is not an https address", hint="write https://…")
        self._issuer = settings.issuer
        self._url = settings.jwks_url
        self._algorithms = frozenset(settings.algorithms)
        self._clock = clock
        self._keys: tuple[dict[str, Any], ...] = ()
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._fetching = asyncio.Lock()

    async def find(self, kid: str | None, algorithm: str) -> jwt.PyJWK | None:
        """The key for a token's header.

        Args:
            kid: What the token calls its key; without it, there must be one key only that fits.
            algorithm: The token's algorithm; one that is not accepted has no key.
        """
        found = self._match(kid, algorithm)
        # While somebody looks again, others go on with what is known.
        if found is None or (not self._younger_than(FRESH_SECONDS) and not self._fetching.locked()):
            await self._look_again()
            found = self._match(kid, algorithm)
        return None if found is None else jwt.PyJWK(found, algorithm)

    def _match(self, kid: str | None, algorithm: str) -> dict[str, Any] | None:
        if algorithm not in self._algorithms or not self._younger_than(STALE_SECONDS):
            return None
        kind, curve = _KINDS[algorithm]
        fitting = [
            key
            for key in self._keys
            if key["kty"] == kind
            and (curve is None or key.get("crv") == curve)
            and key.get("alg") in (None, algorithm)
            and (kid is None or key.get("kid") == kid)
        ]
        return fitting[0] if len(fitting) == 1 else None

    def _younger_than(self, seconds: float) -> bool:
        return self._fetched_at is not None and self._clock() - self._fetched_at < seconds

    async def _look_again(self) -> None:
        async with self._fetching:
            if self._tried_at is not None and self._clock() - self._tried_at < PAUSE_SECONDS:
                return
            self._tried_at = self._clock()
            try:
                async with asyncio.timeout(FETCH_SECONDS), httpx2.AsyncClient(follow_redirects=False) as client:
                    url = self._url or await self._discover(client)
                    self._keys = _usable_keys(await _fetch(client, url))
            except (_FetchError, httpx2.HTTPError, httpx2.InvalidURL, TimeoutError) as error:
                reason = str(error) if isinstance(error, _FetchError) else type(error).__name__
                _log.warning("keys of the issuer %s: not fetched: %s", self._issuer, reason)
                return
            self._fetched_at = self._clock()

    async def _discover(self, client: httpx2.AsyncClient) -> str:
        """Where the keys are, by the issuer's metadata (RFC 8414, OpenID Connect Discovery)."""
        for url in _metadata_urls(self._issuer):
            try:
                metadata = await _fetch(client, url)
            except _FetchError:
                continue
            # Section 3.3 of RFC 8414: metadata of another issuer is not to be used.
            if metadata.get("issuer") != self._issuer:
                raise _FetchError("its metadata names another issuer")
            found = metadata.get("jwks_uri")
            if isinstance(found, str) and is_safe_url(found):
                return found
            raise _FetchError("its metadata has no usable jwks_uri")
        raise _FetchError("it has no metadata; set http.oauth.jwks_url")


def is_safe_url(url: str) -> bool:
    """Whether what comes from there cannot be changed on the way: https, or this very machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if not host or parts.username is not None or parts.password is not None:
        return False
    if parts.scheme == "https":
        return True
    return parts.scheme == "http" and (host == "localhost" or _is_loopback(host))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _metadata_urls(issuer: str) -> tuple[str, ...]:
    parts = urlsplit(issuer)
    root, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    return (
        f"{root}/.well-known/oauth-authorization-server{path}",
        f"{root}{path}/.well-known/openid-configuration",
    )


async def _fetch(client: httpx2.AsyncClient, url: str) -> dict[str, Any]:
    """A JSON object, of a bounded size."""
    async with client.stream("GET", url, headers={"accept": "application/json"}) as response:
        if response.status_code != httpx2.codes.OK:
            raise _FetchError(f"status {response.status_code}")
        body = bytearray()
        async for part in response.aiter_bytes():
            body += part
            if len(body) > _MOST_BYTES:
                raise _FetchError(f"more than {_MOST_BYTES:,} bytes")
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        raise _FetchError("not JSON") from None
    if not isinstance(data, dict):
        raise _FetchError("not a JSON object")
    return data


def _usable_keys(document: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    """Public keys for signatures."""
    keys = document.get("keys")
    if not isinstance(keys, list):
        raise _FetchError("not a key set")
    return tuple(
        key
        for key in keys[:_MOST_KEYS]
        if isinstance(key, dict)
        and key.get("kty") in ("RSA", "EC", "OKP")
        and key.get("use") in (None, "sig")
        and ("key_ops" not in key or (isinstance(key["key_ops"], list) and "verify" in key["key_ops"]))
        # Whoever publishes a private key lets everybody sign with it.
        and "d" not in key
    )
