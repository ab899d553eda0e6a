"""A model behind OpenAI's protocol. In: settings. Out: completions by the `openai` client, errors with stable codes.

The client's own retries are off: `pg_guard.resilience` decides about them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import openai

from pg_guard.ask.model import Completion, ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openai.types.chat import ChatCompletion

    from pg_guard.ask.model import Message, Operation
    from pg_guard.settings import ModelSettings

__all__ = ["OpenAIModel"]


class OpenAIModel:
    """A model of OpenAI or of any server that speaks its protocol. Close it with `close`.

    Args:
        settings: Address, key and limits.
    """

    def __init__(self, settings: ModelSettings) -> None:
        self._settings = settings
        key = settings.key.get_secret_value() if settings.key is not None else "none"
        self._client = openai.AsyncOpenAI(
            api_key=key, base_url=settings.base_url, timeout=settings.timeout, max_retries=0
        )

    @property
    def name(self) -> str:
        """The model's name."""
        return self._settings.name

    async def close(self) -> None:
        """Close its connections."""
        await self._client.close()

    async def complete(self, messages: Sequence[Message], *, operation: Operation) -> Completion:  # noqa: ARG002 - one model for all
        """Answer a conversation; see `LanguageModel`."""
        settings = self._settings
        options: dict[str, Any] = {} if settings.temperature is None else {"temperature": settings.temperature}
        # Servers beside OpenAI's own know the older name.
        limit = "max_completion_tokens" if settings.base_url is None else "max_tokens"
        options[limit] = settings.max_tokens
        try:
            answer: ChatCompletion = await self._client.chat.completions.create(
                model=settings.name,
                messages=[{"role": each.role, "content": each.content} for each in messages],  # type: ignore[misc]  # one dict for three roles
                **options,
            )
        except openai.OpenAIError as error:
            raise _as_model_error(error, settings.timeout) from None
        except ValueError:
            # The client lets errors of its JSON reader through.
            raise ModelError(
                "MODEL_BAD_ANSWER", "the model's answer cannot be read", hint="check model.base_url"
            ) from None
        return _completion(answer)


def _completion(answer: ChatCompletion) -> Completion:
    # A server that is none of OpenAI's may leave anything out.
    choices = getattr(answer, "choices", None) or []
    text = getattr(getattr(choices[0], "message", None), "content", None) if choices else None
    if not isinstance(text, str) or not text.strip():
        raise ModelError("MODEL_BAD_ANSWER", "the model gave no text", hint="try again, or raise model.max_tokens")
    usage = getattr(answer, "usage", None)
    return Completion(
        text,
        str(getattr(answer, "model", "") or ""),
        _count(getattr(usage, "prompt_tokens", 0)),
        _count(getattr(usage, "completion_tokens", 0)),
    )


def _count(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _as_model_error(error: openai.OpenAIError, timeout: float) -> ModelError:
    """The error's kind alone: a server's own text may repeat the prompt or the key."""
    if isinstance(error, openai.APITimeoutError):
        return ModelError(
            "MODEL_TIMEOUT",
            f"the model did not answer within {timeout:g} s",
            hint="try again, or raise model.timeout",
            transient=True,
        )
    if isinstance(error, openai.APIConnectionError):
        return ModelError(
            "MODEL_UNAVAILABLE", "the model cannot be reached", hint="check model.base_url", transient=True
        )
    if isinstance(error, openai.RateLimitError):
        return ModelError(
            "MODEL_RATE_LIMITED", "the model is asked too often", hint="try again in a moment", transient=True
        )
    if isinstance(error, (openai.AuthenticationError, openai.PermissionDeniedError)):
        return ModelError("MODEL_AUTH", "the model refused the key", hint="check model.key and model.name")
    if isinstance(error, openai.APIStatusError):
        return ModelError(
            "MODEL_UNAVAILABLE",
            f"the model answered with status {error.status_code}",
            hint="check model.name and model.base_url" if error.status_code < 500 else "try again in a moment",
            transient=error.status_code >= 500,
        )
    return ModelError("MODEL_BAD_ANSWER", "the model's answer cannot be read", hint="check model.base_url")
