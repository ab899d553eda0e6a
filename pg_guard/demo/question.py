"""A question of the demo. In: what the server asks the client's model. Out: canned answers, and what came of the question.

The client offers MCP sampling, so that the server needs no model of its own and no key. Its model is a script: it first
writes what the policy refuses, repairs that when it is told why, and then judges the result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pg_guard.demo.database import CANARIES

if TYPE_CHECKING:
    from mcp.client.session import ClientRequestContext
    from mcp_types import CreateMessageRequestParams, CreateMessageResult

__all__ = ["QUESTION", "REFUSED_BY", "Asked", "CannedModel"]

QUESTION = "Which three cities bring the most revenue?"
REFUSED_BY = "columns/denied"
_FIRST = """\
```sql
SELECT c.city, c.card_token, sum(o.total) AS revenue
FROM customers c JOIN orders o ON o.customer_id = c.id
GROUP BY c.city, c.card_token ORDER BY revenue DESC LIMIT 3
```"""
_REPAIRED = """\
```sql
SELECT c.city, sum(o.total) AS revenue
FROM customers c JOIN orders o ON o.customer_id = c.id
GROUP BY c.city ORDER BY revenue DESC LIMIT 3
```"""
_JUDGEMENT = '{"confidence": 93, "explanation": "It adds up all orders by the city of the customer.", "suggestion": ""}'


class CannedModel:
    """The model of the demo's client: a callback for sampling. It answers by what was said so far, not by the turn."""

    async def __call__(
        self,
        context: ClientRequestContext,  # noqa: ARG002 - of the protocol
        params: CreateMessageRequestParams,
    ) -> CreateMessageResult:
        """Answer a request of the server."""
        from mcp_types import CreateMessageResult, TextContent

        text = _FIRST if len(params.messages) == 1 else _REPAIRED
        if "You judge" in (params.system_prompt or ""):
            text = _JUDGEMENT
        return CreateMessageResult(role="assistant", content=TextContent(type="text", text=text), model="canned")


class Asked(NamedTuple):
    """What came of the question.

    Attributes:
        answer: The structured content of ``ask``.
        leaked: A canary stood somewhere in the response.
        milliseconds: From the question to the answer, with all that the model was asked.
    """

    answer: dict[str, Any]
    leaked: bool
    milliseconds: float

    @classmethod
    def of(cls, response: str, answer: dict[str, Any], milliseconds: float) -> Asked:
        """From a response in full."""
        return cls(answer, CANARIES.search(response) is not None, milliseconds)

    @property
    def as_expected(self) -> bool:
        """The first try was refused, the second answered, and nothing leaked."""
        problems = [attempt["problem"] for attempt in self.answer.get("attempts", ())]
        return (
            not self.leaked
            and not self.answer.get("error")
            and problems == [REFUSED_BY, ""]
            and self.answer.get("row_count") == 3
            and (self.answer.get("review") or {}).get("confidence") == 93
        )
