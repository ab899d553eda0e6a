"""A model for a soak. In: prompts whose question says what is to go wrong. Out: statements with numbers, or failures.

A question ends in ``soak:17 good``: 17 is the number for the statement; the word is one of `WAYS`.
"""

from __future__ import annotations

import re
from typing import Any

from tests.support.scripted_model import Cut, Fail, Garbage, Hang, Say, ScriptedModel, Step

__all__ = ["WAYS", "Model"]

WAYS = ("good", "good", "good", "denied", "broken", "repaired", "late", "garbage", "refused")
SURE = '{"confidence": 95, "explanation": "it counts the orders", "suggestion": ""}'
LATE = 1.5
_ASKED = re.compile(r"soak:(\d+) (\w+)")


class Model(ScriptedModel):
    """The server; `state` is ``up``, ``slow`` or ``down``."""

    def __init__(self) -> None:
        super().__init__([Say("")])
        self.state = "up"
        self.calls = 0

    def _next(self, request: dict[str, Any], key: str) -> Step:
        self.calls += 1
        text = "\n".join(str(each["content"]) for each in request["messages"])
        step = self._answer(text)
        if self.state == "down":
            return Cut() if self.calls % 2 else Fail(503)
        if self.state == "slow" and isinstance(step, Say):
            return Hang(LATE, step.text)
        return step

    def _answer(self, text: str) -> Step:
        if "You judge" in text:
            return Say(SURE)
        found = _ASKED.search(text)
        if found is None:
            return Fail(400)
        number, way = found.groups()
        good = f"```sql\nSELECT status, count(*) AS n FROM orders GROUP BY status /*soak:{number}*/\n```"
        again = f"soak:{number}*/" in text  # the conversation holds what was tried before
        steps: dict[str, Step] = {
            "denied": Say(f"SELECT * FROM hr.payroll /*soak:{number}*/"),
            "broken": Say("There is no statement for this."),
            "repaired": Say(good if again else f"SELECT no_such_column FROM orders /*soak:{number}*/"),
            "late": Hang(LATE * 2, good),
            "garbage": Garbage(),
            "refused": Fail(429),
        }
        return steps.get(way, Say(good))
