"""Who asks. In: what the transport knows of a request. Out: properties that a policy's `principals` match, or None.

Over HTTP it comes from the verified token of the request; on standard input and output from what the server was started
with, if anything.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from contextvars import ContextVar
from typing import TYPE_CHECKING

from mcp.server.auth.middleware.auth_context import get_access_token

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["ATTRIBUTES", "IDENTITY", "acting_as", "current_principal", "principal_key"]

_current: ContextVar[Mapping[str, object] | None] = ContextVar("principal", default=None)

# Under this claim a token's own attributes reach the policy; see `pg_guard.entry.mcp.tokens`.
ATTRIBUTES = "pg_guard_attributes"

IDENTITY = frozenset({"client", "subject", "issuer", "scopes"})
"""Properties that say who asks; no attribute may have one of these names."""


def current_principal() -> Mapping[str, object] | None:
    """Properties of who asks, as in ``{"client": "bi-7", "tenant_id": 42}``; None where the transport knows nobody."""
    token = get_access_token()
    if token is None:
        return _current.get()
    claims = token.claims or {}
    attributes = claims.get(ATTRIBUTES)
    known: dict[str, object] = dict(attributes) if isinstance(attributes, dict) else {}
    # What identifies the caller comes from the verified token alone; attributes cannot replace it.
    known = {key: value for key, value in known.items() if key not in IDENTITY}
    known |= {"client": token.client_id, "scopes": " ".join(token.scopes)}
    if token.subject is not None:
        known["subject"] = token.subject
    if "iss" in claims:
        known["issuer"] = str(claims["iss"])
    return known


def principal_key(principal: Mapping[str, object] | None) -> str:
    """A short name of who asks, for rate limits, cursors and idempotency keys.

    Two callers share it only if all that is known of them is the same: several people may use one client, and one person
    may ask for several tenants.
    """
    if not principal:
        return "anonymous"
    whole = json.dumps(principal, sort_keys=True, default=str, ensure_ascii=True)
    return f"{principal.get('client', '')}:{hashlib.sha256(whole.encode()).hexdigest()[:32]}"


@contextlib.contextmanager
def acting_as(principal: Mapping[str, object] | None) -> Iterator[None]:
    """Everything inside is asked by this principal."""
    token = _current.set(principal)
    try:
        yield
    finally:
        _current.reset(token)
