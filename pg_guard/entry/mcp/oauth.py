"""Tokens of an authorization server. In: a JWT that a request brought. Out: who it is, or None.

An OAuth 2.1 resource server: a token counts when the configured issuer signed it, for this server, and it is in force (RFC
9068, RFC 8725). Whatever is wrong with one, the answer is the same; the log has the kind of fault at the level INFO, never
the token.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import jwt
from mcp.server.auth.provider import AccessToken

from pg_guard.entry.mcp.keys import IssuerKeys
from pg_guard.entry.mcp.principals import ATTRIBUTES, IDENTITY
from pg_guard.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp.server.auth.provider import TokenVerifier

    from pg_guard.settings import OAuthSettings

__all__ = ["LEEWAY_SECONDS", "AnyVerifier", "JwtVerifier"]

LEEWAY_SECONDS: Final = 30
"""By which the clocks of issuer and server may differ."""

_MOST_CHARACTERS: Final = 16_384
_REQUIRED: Final = ("exp", "iss", "aud", "sub")
# An ID token or a logout token is no access token, whoever it is for.
_TYPES: Final = frozenset({"jwt", "at+jwt", "application/at+jwt"})
_CLIENT_CLAIMS: Final = ("client_id", "azp", "cid", "appid")
_HIDDEN: Final = "(not kept)"

_log = logging.getLogger(__name__)


class _RefusedError(Exception):
    """The token does not count; the text says why, without anything of the token."""


class JwtVerifier:
    """Verifies tokens of one issuer; a `TokenVerifier` of the SDK.

    Args:
        settings: Issuer, audience, algorithms, attributes.
        keys: Keys of the issuer; those that it publishes when left out.

    Raises:
        UsageError: An address is not https, or an attribute has a name that is taken.
    """

    def __init__(self, settings: OAuthSettings, keys: IssuerKeys | None = None) -> None:
        if taken := sorted(IDENTITY & set(settings.attributes)):
            raise UsageError(
                f"http.oauth.attributes: {taken[0]} is known from the token itself", hint="choose another name"
            )
        self._settings = settings
        self._resource = settings.resource or settings.audience
        self._keys = keys or IssuerKeys(settings)

    async def verify_token(self, token: str) -> AccessToken | None:
        """Whose token it is, or None."""
        try:
            return self._access(await self._claims(token))
        except _RefusedError as error:
            reason = str(error)
        except Exception as error:  # noqa: BLE001 - whatever a token does to a parser, it does not count
            # Texts of these errors can repeat parts of the token.
            reason = type(error).__name__
        _log.info("a token was refused: %s", reason)
        return None

    async def _claims(self, token: str) -> dict[str, Any]:
        """What a valid token says."""
        if len(token) > _MOST_CHARACTERS:
            raise _RefusedError("too long")
        header = jwt.get_unverified_header(token)
        algorithm, kid = header.get("alg"), header.get("kid")
        if algorithm not in self._settings.algorithms:
            raise _RefusedError("its algorithm is not accepted")
        if "crit" in header:
            raise _RefusedError("it has an extension that is not supported")
        if str(header.get("typ", "JWT")).lower() not in _TYPES:
            raise _RefusedError("it is no access token")
        key = await self._keys.find(kid, algorithm)
        if key is None:
            raise _RefusedError("there is no key for it")
        claims = jwt.decode(
            token,
            key.key,
            algorithms=[algorithm],
            audience=self._settings.audience,
            issuer=self._settings.issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": list(_REQUIRED), "enforce_minimum_key_length": True},
        )
        if not claims["sub"]:
            raise _RefusedError("its subject is empty")
        if "cnf" in claims:
            # RFC 7800: it counts only with a proof of possession, which a bearer does not give.
            raise _RefusedError("it is bound to a key")
        return claims

    def _access(self, claims: dict[str, Any]) -> AccessToken:
        attributes = {
            name: claims[claim]
            for name, claim in self._settings.attributes.items()
            if isinstance(claims.get(claim), (str, int, float))
        }
        client = next((claims[name] for name in _CLIENT_CLAIMS if isinstance(claims.get(name), str)), None)
        return AccessToken(
            # Who it is stays with the request; the secret need not.
            token=_HIDDEN,
            # Not the subject: a policy that knows a client of some name does not mean a person of that name.
            client_id=client or self._settings.issuer,
            scopes=_scopes(claims),
            expires_at=int(claims["exp"]) + LEEWAY_SECONDS,
            resource=self._resource,
            subject=claims["sub"],
            claims={"iss": self._settings.issuer, ATTRIBUTES: attributes},
        )


class AnyVerifier:
    """Accepts what one of several verifiers accepts.

    Args:
        verifiers: In the order in which they are asked.
    """

    def __init__(self, verifiers: Sequence[TokenVerifier]) -> None:
        self._verifiers = tuple(verifiers)

    async def verify_token(self, token: str) -> AccessToken | None:
        """Whose token it is, or None."""
        for verifier in self._verifiers:
            if (found := await verifier.verify_token(token)) is not None:
                return found
        return None


def _scopes(claims: dict[str, Any]) -> list[str]:
    """Scopes as `scope` has them, or `scp` of some issuers."""
    value = claims.get("scope", claims.get("scp", ""))
    if isinstance(value, str):
        return value.split()
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
