"""The HTTP transport. In: who may connect, and how much of it. Out: settings of both."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from pg_guard.settings.section import Count, Seconds, Section

__all__ = ["HttpSettings", "OAuthSettings"]


class OAuthSettings(Section):
    """Tokens of an authorization server (OAuth 2.1 resource server)."""

    issuer: str
    """The `iss` that tokens must have."""
    audience: str
    """The `aud` that tokens must have: this server's own address."""
    jwks_url: str | None = None
    """Where the issuer's keys are; found through its metadata when left out."""
    scopes: tuple[str, ...] = ()
    """Scopes that a token must have."""
    algorithms: tuple[Literal["RS256", "RS384", "RS512", "ES256", "ES384", "PS256", "EdDSA"], ...] = ("RS256", "ES256")
    """Signature algorithms that are accepted."""
    resource: str | None = None
    """Address of this server as clients use it, as in `https://guard.example/mcp`; `audience` when left out."""
    attributes: dict[str, str] = Field(default_factory=dict)
    """By attribute of the principal, the claim that it comes from, as in `tenant_id: org_tenant`."""


class HttpSettings(Section):
    """The HTTP transport."""

    listen: str | None = None
    """Listen there for HTTP clients, as in `127.0.0.1:8080`, instead of standard input and output; as `--http`."""
    tokens: Path | None = None
    """File of bearer tokens, hashed, as `pg-guard token` writes it."""
    oauth: OAuthSettings | None = None
    """Accept tokens of an authorization server."""
    allowed_origins: tuple[str, ...] = ()
    """Origins of browsers that may connect; none when left out."""
    allowed_hosts: tuple[str, ...] = ()
    """Further values of the Host header beside the address that is bound, as in `guard.example:*`."""
    max_request_bytes: Count = 1_000_000
    """Largest request."""
    allow_anonymous: bool = False
    """Accept requests without a token; only on a loopback address."""
    max_connections: Count = 1_000
    """Connections, and requests, at a time; further ones are answered with 503."""
    max_sessions: Count = 1_000
    """Sessions of clients of older protocols at a time."""
    session_idle: Seconds = 1_800.0
    """Seconds after which a session without any request ends."""
    drain_timeout: Annotated[float, Field(ge=0, le=600)] = 5.0
    """Seconds that requests under way get to finish when the server is told to end; then they are cancelled."""
