"""The client's own model. In: a tool call of a client that offers sampling. Out: completions, without any key.

Up to protocol 2025-11-25 the server asks in the middle of the call. From 2026-07-28 on a call that needs the client's model
ends with what it wants to know, and the client sends it again with the answer: the question is then gone through anew,
with the answers that it already has, up to the point where the next one is missing. What its statements gave is kept between
the rounds, so that each runs once.
"""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any, Final

from mcp.shared.exceptions import MCPError
from mcp_types import (
    CreateMessageRequest,
    CreateMessageRequestParams,
    InputRequiredResult,
    SamplingMessage,
    TextContent,
)
from mcp_types.version import is_version_at_least

from pg_guard.ask.model import Completion, ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mcp.server.mcpserver import Context

    from pg_guard.ask.model import Message, Operation

__all__ = ["AnswerNeeded", "SamplingModel", "client_model"]

_ROUNDS_SINCE: Final = "2026-07-28"
_KEY: Final = "answer"
_MOST_TOKENS: Final = 2_000
# A client that answers without end would be asked without end.
_MOST_ANSWERS: Final = 30


class AnswerNeeded(BaseException):
    """The call goes on when the client has answered."""

    def __init__(self, params: CreateMessageRequestParams, answers: list[object]) -> None:
        super().__init__()
        self._params = params
        self._answers = answers

    def result(self, kept: str | None) -> InputRequiredResult:
        """What the call gives for now; `kept` is the name of what was kept for the next round."""
        return InputRequiredResult(
            input_requests={_KEY: CreateMessageRequest(params=self._params)},
            request_state=json.dumps({"answers": self._answers, "kept": kept}),
        )


def client_model(context: Context[Any, Any], max_tokens: int = _MOST_TOKENS) -> SamplingModel | None:
    """The client's model, if it offers one."""
    capabilities = context.client_capabilities
    if capabilities is None or capabilities.sampling is None:
        return None
    return SamplingModel(context, max_tokens)


class SamplingModel:
    """Asks the model of the client that made the call.

    Attributes:
        kept: The name of what an earlier round of the call has kept, if one has.
    """

    def __init__(self, context: Context[Any, Any], max_tokens: int) -> None:
        self._context = context
        self._max_tokens = max_tokens
        version = context.protocol_version
        self._in_rounds = version is not None and is_version_at_least(version, _ROUNDS_SINCE)
        self._answers, self.kept = _earlier_rounds(context) if self._in_rounds else ([], None)
        self._asked = 0

    @property
    def name(self) -> str:
        """What circuits call it: one per session would never open."""
        return "client"

    async def complete(self, messages: Sequence[Message], *, operation: Operation) -> Completion:  # noqa: ARG002 - one model for all
        """Answer a conversation; see `pg_guard.ask.model.LanguageModel`."""
        params = CreateMessageRequestParams(
            messages=[
                SamplingMessage(role=_role(each.role), content=TextContent(type="text", text=each.content))
                for each in messages
                if each.role != "system"
            ],
            system_prompt="\n\n".join(each.content for each in messages if each.role == "system") or None,
            max_tokens=self._max_tokens,
        )
        return self._recorded(params) if self._in_rounds else await self._ask(params)

    def _recorded(self, params: CreateMessageRequestParams) -> Completion:
        if self._asked < len(self._answers):
            self._asked += 1
            return _completion(self._answers[self._asked - 1])
        if len(self._answers) >= _MOST_ANSWERS:
            raise ModelError("MODEL_BAD_ANSWER", "the client's model was asked too often for one question")
        raise AnswerNeeded(params, self._answers)

    async def _ask(self, params: CreateMessageRequestParams) -> Completion:
        try:
            with warnings.catch_warnings():
                # The newest protocol asks in rounds instead; sessions of older ones cannot.
                warnings.simplefilter("ignore", DeprecationWarning)
                result = await self._context.session.create_message(
                    params.messages,
                    max_tokens=params.max_tokens,
                    system_prompt=params.system_prompt,
                    related_request_id=self._context.request_id,
                )
        except MCPError:
            raise ModelError(
                "MODEL_UNAVAILABLE", "the client's model did not answer", hint="allow sampling in the client"
            ) from None
        return _completion(getattr(result.content, "text", None))


def _role(role: str) -> Any:
    return "assistant" if role == "assistant" else "user"


def _completion(text: object) -> Completion:
    if not isinstance(text, str) or not text.strip():
        raise ModelError("MODEL_BAD_ANSWER", "the client's model gave no text")
    return Completion(text, "client")


def _earlier_rounds(context: Context[Any, Any]) -> tuple[list[object], str | None]:
    """Answers of earlier rounds and of this one, and what was kept; the SDK seals the state, and answers are the client's anyway."""
    state = json.loads(context.request_state) if context.request_state else {}
    answers: list[object] = list(state.get("answers", ()))
    given = (context.input_responses or {}).get(_KEY)
    if given is not None:
        answers.append(getattr(getattr(given, "content", None), "text", None))
    return answers, state.get("kept")
