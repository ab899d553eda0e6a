"""What every check of an audit gets. In: a policy and an estate. Out: an `AuditSubject` with what both say together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, cast

import yaml

from pg_guard.advise.reach import READABLE, Reach, Reads, is_user_schema

if TYPE_CHECKING:
    from pg_guard.advise.surroundings import Estate, Surroundings
    from pg_guard.catalog.model import Catalog, Function, Relation
    from pg_guard.decision import Severity
    from pg_guard.policy.model import Policy

__all__ = ["AuditSubject", "Danger", "load_dangers"]

_DATA: Final = Path(__file__).with_name("dangers.yaml")


class Danger(NamedTuple):
    """How bad something is, and why."""

    severity: Severity
    why: str


@lru_cache(maxsize=1)
def load_dangers() -> dict[str, dict[str, Danger]]:
    """``dangers.yaml``: by section and name, what to warn of."""
    data = yaml.safe_load(_DATA.read_text(encoding="utf-8"))
    return {
        section: {
            name: Danger(cast("Severity", entry[0]), ", ".join(map(str, entry[1:]))) for name, entry in names.items()
        }
        for section, names in data.items()
    }


@dataclass(frozen=True)
class AuditSubject:
    """A policy, the database it is for, and what leads where under it."""

    policy: Policy
    estate: Estate

    @property
    def catalog(self) -> Catalog:
        """The database's catalog."""
        return self.estate.catalog

    @property
    def around(self) -> Surroundings:
        """Role, privileges, settings."""
        return self.estate.around

    @cached_property
    def reach(self) -> Reach:
        """What the policy denies, and what leads there."""
        return Reach(self.policy, self.catalog)

    @cached_property
    def relations(self) -> tuple[Relation, ...]:
        """Relations of users that can be read."""
        return tuple(each for each in self.catalog.relations if each.kind in READABLE and is_user_schema(each.schema))

    @cached_property
    def denied(self) -> tuple[Relation, ...]:
        """Those of them that the policy denies by name."""
        return tuple(each for each in self.relations if self.reach.tables.denied(each.key))

    @cached_property
    def permitted(self) -> tuple[Relation, ...]:
        """Those of them that the policy permits by name."""
        return tuple(each for each in self.relations if self.reach.tables.permitted(each.key))

    @cached_property
    def functions(self) -> tuple[tuple[Function, Reads], ...]:
        """Functions of users, those of extensions left out, with what they read."""
        return tuple(
            (each, self.reach.function(each))
            for each in self.catalog.functions
            if not each.extension
            and (is_user_schema(each.schema) or each.planted)
            and each.result.name not in ("trigger", "event_trigger")
        )

    def allowed(self, function: Function) -> bool:
        """May the policy's reader call the function?"""
        return not self.reach.functions.judge(function, {})
