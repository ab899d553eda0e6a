"""Who asks. In: `principals` of a policy and what is known of a caller. Out: the attributes that ``:name`` stands for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pg_guard.policy.model import Principal

__all__ = ["Principals"]

Scalar: TypeAlias = "str | int | float | bool"


@dataclass(frozen=True)
class _Kind:
    match: tuple[tuple[str, re.Pattern[str]], ...]
    attributes: tuple[tuple[str, Scalar], ...]

    def fits(self, given: Mapping[str, object]) -> bool:
        return all(
            isinstance(value := given.get(key), (str, int)) and pattern.fullmatch(str(value))
            for key, pattern in self.match
        )


class Principals:
    """`principals`, compiled.

    Args:
        entries: By name, the properties that a caller must have and the attributes that it then gets.
    """

    def __init__(self, entries: Mapping[str, Principal]) -> None:
        self._kinds = tuple(
            _Kind(
                tuple((key, _glob(pattern)) for key, pattern in entry.match.items()),
                tuple(entry.attributes.items()),
            )
            for entry in entries.values()
        )

    def attributes(self, given: Mapping[str, object] | None) -> dict[str, Scalar]:
        """The attributes of a caller.

        What the policy gives to a kind of caller replaces what the caller brings. An attribute to which two kinds that fit
        give different values has none, so that a condition on it refuses; so has one that is not a plain value.
        """
        known: dict[str, Scalar] = {
            key: value for key, value in (given or {}).items() if isinstance(value, (str, int, float))
        }
        decided: dict[str, Scalar] = {}
        disputed: set[str] = set()
        for kind in self._kinds:
            if not kind.fits(given or {}):
                continue
            for key, value in kind.attributes:
                if key in decided and (type(decided[key]), decided[key]) != (type(value), value):
                    disputed.add(key)
                decided[key] = value
        return {key: value for key, value in (known | decided).items() if key not in disputed}


def _glob(pattern: str) -> re.Pattern[str]:
    """A pattern with ``*`` as its only wildcard; neighbouring stars are one, so that matching stays linear in practice."""
    parts = [re.escape(part) for part in re.sub(r"\*+", "*", pattern).split("*")]
    return re.compile("[^\x00]*?".join(parts))
