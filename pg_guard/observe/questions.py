"""Questions for log lines. In: a question. Out: its frame without what it is about, or nothing, or the whole of it.

Which of its words is a name, an address or a diagnosis, nobody can tell a question by its looks. So that those stay that are in a
list, of words that ask and count; any other becomes ``?``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from pg_guard.observe.statements import Shown

__all__ = ["masked_question", "shown_question"]

_MOST_CHARACTERS: Final = 2_000
_WORD: Final = re.compile(r"\S+")
_EDGES: Final = "\"'()[]{}.,;:!?"
_WORDS: Final = """
    a about above after against ago all also am an and any are as ascending at average be because been before below between but
    by can could count counts current day days descending did different distinct do does during each earliest every find first
    for fraction from get give greater group grouped had has have highest hour hours how i if in is it its largest last latest
    least less list longest look lowest many maximum me mean median minimum minutes month monthly months more most much my
    newest no none not number numbers of often oldest on only or order ordered other our over per percent percentage please
    quarter quarterly rank ratio same share shortest should show since smallest so some sort sorted sum tell than that the their
    them then there these they this those to today together top total totals under until up us versus was we week weekly weeks
    were what when where which while who whom whose why will with within without would year yearly years yesterday you
"""
_KEPT: Final = frozenset(_WORDS.split())


def shown_question(how: Shown) -> Callable[[str], str | None]:
    """What log lines tell of a question: None for nothing."""
    if how == "none":
        return lambda _: None
    return _shortened if how == "full" else masked_question


def masked_question(question: str) -> str:
    """The question with ``?`` for each word that does not merely ask."""
    return _WORD.sub(lambda word: word[0] if word[0].strip(_EDGES).lower() in _KEPT else "?", _shortened(question))


def _shortened(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}…"
