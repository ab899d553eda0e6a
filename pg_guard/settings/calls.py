"""Failures and overload. In: limits, retries, circuits. Out: settings of them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr

from pg_guard.settings.section import Count, Seconds, Section

__all__ = ["CallSettings", "ResilienceSettings"]


class CallSettings(Section):
    """What happens when a model, or a database, fails."""

    concurrency: Count = 20
    """Calls that run at a time."""
    retries: Annotated[int, Field(ge=0, le=10)] = 1
    """Further tries after a transient error: a lost connection, a time-out, a server that is busy. Never after a denial."""
    retry_delay: Seconds = 0.2
    """Seconds before the first retry."""
    retry_max_delay: Seconds = 5.0
    """Seconds before any retry at most."""
    backoff_factor: Annotated[float, Field(ge=1, le=10)] = 2.0
    """By which each delay grows."""
    breaker_threshold: Count = 5
    """Failures in a row that open a circuit."""
    breaker_recovery: Seconds = 30.0
    """Seconds until an open circuit lets a try through."""


class ResilienceSettings(Section):
    """What happens when something fails, or too much is asked at once."""

    model: CallSettings = CallSettings(concurrency=10, retries=2)
    """Calls of the language model."""
    database: CallSettings = CallSettings()
    """Statements, a circuit for each database."""
    queue_size: Annotated[int, Field(ge=0)] = 200
    """Requests that may wait; further ones are told that the server is busy."""
    queue_timeout: Seconds = 30.0
    """Seconds that a request waits at most."""
    requests_per_minute: Annotated[int, Field(ge=0)] = 0
    """Requests that one principal may make in a minute; 0 for no limit."""
    redis_url: SecretStr | None = None
    """Where several replicas share rate limits and circuits; in memory when left out."""
