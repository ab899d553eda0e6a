"""A small authorization server on loopback: metadata, a key set, and tokens of any kind, good and forged.

    with Issuer() as issuer:
        token = issuer.token(aud="https://guard.example/mcp")

`issuer.requests` holds the paths that were asked for; `issuer.rotate()` publishes a further key and signs with it.
"""

from __future__ import annotations

import json
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from tests.support.loopback import LoopbackServer, QuietHandler

__all__ = ["Issuer", "rsa_key"]


def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    """A fresh key."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


class Issuer(LoopbackServer):
    """The server; use it as a context manager."""

    def __init__(self) -> None:
        self.keys: dict[str, Any] = {"key-1": rsa_key(), "curve-1": ec.generate_private_key(ec.SECP256R1())}
        self.current = "key-1"
        self.metadata: dict[str, Any] | None = None
        self.documents: dict[str, tuple[int, bytes]] = {}
        self.requests: list[str] = []
        outer = self

        class Handler(QuietHandler):
            def do_GET(self) -> None:  # noqa: N802 - as the base class calls it
                outer.requests.append(self.path)
                self.answer(*outer._answer(self.path))

        super().__init__(Handler)

    @property
    def url(self) -> str:
        """What its tokens have as `iss`."""
        return self.origin

    @property
    def jwks_url(self) -> str:
        """Where its keys are."""
        return f"{self.url}/keys"

    def jwks(self) -> dict[str, Any]:
        """Its public keys."""
        return {"keys": [self._public(kid, key) for kid, key in self.keys.items()]}

    def rotate(self) -> None:
        """Publish a further key, and sign with it."""
        self.current = f"key-{len(self.keys) + 1}"
        self.keys[self.current] = rsa_key()

    def claims(self, **changed: Any) -> dict[str, Any]:
        """Claims of a good token but for `aud`; one that is None is left out."""
        now = int(time.time())
        claims = {"iss": self.url, "sub": "ann", "client_id": "app-1", "iat": now, "nbf": now, "exp": now + 300}
        return {key: value for key, value in (claims | changed).items() if value is not None}

    def token(
        self, *, key: Any = None, algorithm: str = "RS256", header: dict[str, Any] | None = None, **claims: Any
    ) -> str:
        """A signed token; a header that is None is left out."""
        headers = {"kid": self.current, "typ": "at+jwt"} | (header or {})
        return jwt.encode(
            self.claims(**claims),
            self.keys[headers["kid"]] if key is None else key,
            algorithm=algorithm,
            headers={name: value for name, value in headers.items() if value is not None},
        )

    def _public(self, kid: str, key: Any) -> dict[str, Any]:
        public = key.public_key()
        kind = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
        return {**kind.to_jwk(public, as_dict=True), "kid": kid, "use": "sig", "key_ops": ["verify"]}

    def _answer(self, path: str) -> tuple[int, bytes]:
        if path in self.documents:
            return self.documents[path]
        if path == "/keys":
            return 200, json.dumps(self.jwks()).encode()
        if path == "/.well-known/oauth-authorization-server" and self.metadata is not None:
            return 200, json.dumps(self.metadata).encode()
        return 404, b"{}"
