"""Questions in plain language. In: the model, and how its answers are checked. Out: settings of both."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr

from pg_guard.settings.section import Count, Seconds, Section

__all__ = ["ModelSettings", "ValidationSettings"]


class ModelSettings(Section):
    """The language model that writes SQL: any server that speaks OpenAI's protocol."""

    base_url: str | None = None
    """Address of the server; OpenAI's own when left out."""
    key: SecretStr | None = None
    """Key of the server; without one, `ask` uses MCP sampling where the client offers it."""
    name: str = "gpt-5-mini"
    """The model."""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    """Sampling temperature; the server's own default when left out."""
    max_tokens: Count = 2_000
    """Tokens of one answer at most."""
    timeout: Seconds = 30.0
    """Seconds for one answer."""
    context_tokens: Count = 6_000
    """Tokens that the description of the schema may take."""


class ValidationSettings(Section):
    """How questions and answers are checked."""

    enabled: bool = True
    """Let the model judge whether a result answers the question."""
    confidence_threshold: Annotated[int, Field(ge=0, le=100)] = 60
    """Below this confidence an answer carries LOW_CONFIDENCE."""
    max_retries: Annotated[int, Field(ge=0, le=10)] = 2
    """Further tries after a refusal or a database error."""
    timeout: Seconds = 15.0
    """Seconds for the judgement."""
    sample_rows: Annotated[int, Field(ge=1, le=1_000)] = 10
    """Rows that the judgement sees at most."""
    max_question_length: Count = 4_000
    """Characters of a question at most."""
    total_timeout: Seconds = 120.0
    """Seconds for one question, from its arrival to its answer."""
