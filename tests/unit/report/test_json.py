"""The JSON report: the decision record, in plain ASCII, the same every time."""

from __future__ import annotations

import json

from pg_guard.decision import Decision, Finding, Span
from pg_guard.report.json import dump, render_decision

SQL = "SELECT '\x1b[2J\u202e\ud800日本' , ssn"
DECISION = Decision(
    "deny",
    None,
    (Finding("columns/denied", "high", "customers.ssn is hidden", "Leave it out.", Span.of(SQL, 20, 23)),),
    statement=SQL,
    kind="select",
    relations=("public.customers",),
    functions=("now",),
    policy="demo 1.0.0",
    digests={"policy": "ab"},
    timings_us={"parse": 3},
)


def test_the_document_is_the_decision_record() -> None:
    assert json.loads(render_decision(DECISION)) == DECISION.to_dict()
    assert json.loads(render_decision(DECISION))["schema"] == "pg-guard/decision/v1"


def test_the_text_is_plain_ascii_without_controls() -> None:
    text = render_decision(DECISION)
    assert text.isascii()
    assert text.replace("\n", "").isprintable()
    assert text.endswith("}\n")


def test_keys_keep_their_order() -> None:
    assert dump({"b": 1, "a": [True, None, 1.5]}) == '{\n  "b": 1,\n  "a": [\n    true,\n    null,\n    1.5\n  ]\n}\n'
