"""What a language model is to the pipeline. In: messages. Out: a `Completion`, or a `ModelError` with a stable code.

Whatever a model writes is untrusted text: it proposes SQL, and the guard decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, TypeAlias

from pg_guard.errors import PgGuardError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Completion", "LanguageModel", "Message", "ModelError", "ModelErrorCode", "Operation", "Usage"]

Operation: TypeAlias = Literal["generate", "review"]
ModelErrorCode: TypeAlias = Literal[
    "MODEL_UNAVAILABLE", "MODEL_RATE_LIMITED", "MODEL_TIMEOUT", "MODEL_AUTH", "MODEL_BAD_ANSWER", "NO_MODEL"
]


class Message(NamedTuple):
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class Completion(NamedTuple):
    """What a model answered, and the tokens that it counted (0 where it did not say)."""

    text: str
    model: str = ""
    input_tokens: int = 0
    output_tokens: int = 0


class Usage(NamedTuple):
    """Model calls and tokens of one question."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def plus(self, completion: Completion) -> Usage:
        """With one more call."""
        return Usage(
            self.calls + 1, self.input_tokens + completion.input_tokens, self.output_tokens + completion.output_tokens
        )


class ModelError(PgGuardError):
    """A model cannot be asked, or its answer is none.

    Attributes:
        reason: The stable code, as in ``MODEL_TIMEOUT``.
        transient: The same call may succeed in a moment.
    """

    code = "model"

    def __init__(self, reason: ModelErrorCode, message: str, *, hint: str = "", transient: bool = False) -> None:
        super().__init__(message, hint=hint)
        self.reason = reason
        self.transient = transient


class LanguageModel(Protocol):
    """Any model."""

    @property
    def name(self) -> str:
        """What it is called, for circuits and reports."""

    async def complete(self, messages: Sequence[Message], *, operation: Operation) -> Completion:
        """Answer a conversation.

        Raises:
            ModelError: It cannot be asked, or gave no text.
        """
