"""Errors of overload. In: what is full, open or used up. Out: errors with stable codes that a client can act on.

PgGuardError
└── ResilienceError
    ├── Busy           BUSY            the queue is full, or the wait was too long
    ├── CircuitOpen    CIRCUIT_OPEN    it has failed too often; it is tried again later
    ├── RateLimited    RATE_LIMITED    one principal asks too much
    └── KeyReused      KEY_REUSED      an idempotency key came with another request
"""

from __future__ import annotations

from typing import ClassVar

from pg_guard.errors import PgGuardError

__all__ = ["Busy", "CircuitOpen", "KeyReused", "RateLimited", "ResilienceError"]


class ResilienceError(PgGuardError):
    """Root of these errors; nothing was done, so that the request may be sent again."""

    code: ClassVar[str] = "RESILIENCE"


class Busy(ResilienceError):  # noqa: N818 - named for what a client is told
    """The queue is full, or a request waited too long in it."""

    code = "BUSY"


class CircuitOpen(ResilienceError):  # noqa: N818 - as above
    """A model or a database has failed too often in a row.

    Attributes:
        retry_after: Seconds until it is tried again.
    """

    code = "CIRCUIT_OPEN"

    def __init__(self, message: str, *, hint: str = "", retry_after: float = 0.0) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class RateLimited(ResilienceError):  # noqa: N818 - as above
    """One principal has used up what it may ask for in a minute."""

    code = "RATE_LIMITED"


class KeyReused(ResilienceError):  # noqa: N818 - as above
    """An idempotency key came again with another request."""

    code = "KEY_REUSED"
