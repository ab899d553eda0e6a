"""Questions in log lines: of what they are about, nothing is told unless the settings say so."""

from __future__ import annotations

import pytest

from pg_guard.observe.questions import masked_question, shown_question


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("How many orders are there?", "How many ? are there?"),
        ("What did anna.miller@example.com buy on 2024-01-02?", "What did ? ? on ?"),
        ("show the SALARY of Miller, 42", "show the ? of ? ?"),
        ("top 10 customers by 'secret' (per month)", "top ? ? by ? (per month)"),
        ("wie viele Bestellungen?", "? ? ?"),
        ("患者は何人ですか", "?"),
        ("of\nthe\tcity\u2028x\x1b[31m", "of\nthe\t? ?"),
        ("", ""),
    ],
)
def test_only_words_that_ask_stay(question: str, expected: str) -> None:
    masked = masked_question(question)
    assert masked.replace("\u2028", " ") == expected


def test_the_settings_decide() -> None:
    question = "How much does Miller earn?"
    assert shown_question("none")(question) is None
    assert shown_question("masked")(question) == "How much does ? ?"
    assert shown_question("full")(question) == question
    assert len(shown_question("full")("x" * 100_000) or "") < 3_000
