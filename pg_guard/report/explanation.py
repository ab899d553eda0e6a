"""An explained decision as a document. In: an `Explanation`, the policy's places. Out: plain JSON values, version 1.

The text and the HTML page are written from this document alone, so all three say the same.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from pg_guard.facts.predicates import Prover
from pg_guard.facts.scopes import Cte, Level, Query, Source
from pg_guard.report.called import capabilities_of
from pg_guard.report.checked import checked_clauses
from pg_guard.report.clauses import ClauseFinder, without_clause

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pg_guard.catalog.model import Name
    from pg_guard.decision import Finding
    from pg_guard.explanation import Explanation
    from pg_guard.facts.model import Facts, ScanUse
    from pg_guard.policy.document import Document
    from pg_guard.report.places import Clause

__all__ = ["EXPLANATION_SCHEMA", "explanation_document"]

EXPLANATION_SCHEMA: Final = "pg-guard/explanation/v1"
_MOST_COLUMNS: Final = 500
"""Columns of one source or one output list; more would only hide what matters."""


def explanation_document(
    explanation: Explanation, document: Document | None = None, *, files: Iterable[str] = ()
) -> dict[str, Any]:
    """The explanation, version 1, as plain JSON values.

    Args:
        explanation: What `Guard.explain` gave.
        document: The effective policy with its places; without it, clauses have no file.
        files: The files that the policy was made of.

    Returns:
        Offsets count characters of the statement from 0, lines and columns from 1; ``facts``, ``scopes`` and ``readings``
        are None where the statement could not be read.
    """
    trace = explanation.trace
    facts = trace.facts
    finder = ClauseFinder(explanation, document)
    return {
        "schema": EXPLANATION_SCHEMA,
        "decision": explanation.decision.to_dict(),
        "reasons": [
            _reason(index, finding, finder.find(finding)) for index, finding in enumerate(explanation.decision.findings)
        ],
        "facts": _Facts(explanation, facts).document() if facts is not None else None,
        "scopes": _Scopes(explanation, facts).document() if facts is not None else None,
        "readings": _readings(explanation, facts) if facts is not None else None,
        "checked": checked_clauses(explanation, document) if facts is not None else [],
        "policy_files": list(files),
        "timings_us": trace.timings_us | explanation.decision.timings_us,
    }


def _reason(index: int, finding: Finding, clauses: Iterable[Clause]) -> dict[str, Any]:
    rows = [each.to_dict() for each in clauses]
    return {"finding": index, "clauses": rows, "note": "" if rows else without_clause(finding)}


class _Places:
    """Byte offsets of facts as places in the statement; each is worked out once."""

    def __init__(self, explanation: Explanation) -> None:
        self._text = explanation.trace.text
        self._known: dict[int, dict[str, int] | None] = {}

    def of(self, location: int) -> dict[str, int] | None:
        if location not in self._known:
            span = self._text.span(location) if self._text is not None else None
            self._known[location] = span.to_dict() if span is not None else None
        return self._known[location]

    def all(self, locations: Iterable[int]) -> list[dict[str, int]]:
        return [place for each in dict.fromkeys(locations) if (place := self.of(each)) is not None]


def _names(names: Iterable[Name]) -> list[str]:
    return [str(name) for name in names]


def _group(rows: Iterable[tuple[Any, int]]) -> dict[Any, list[int]]:
    grouped: dict[Any, list[int]] = {}
    for key, location in rows:
        grouped.setdefault(key, []).append(location)
    return grouped


class _Facts:
    def __init__(self, explanation: Explanation, facts: Facts) -> None:
        self.explanation, self.facts = explanation, facts
        self.places = _Places(explanation)

    def document(self) -> dict[str, Any]:
        facts = self.facts
        return {
            "kind": facts.kind,
            "statements": [
                {"kind": use.kind, "depth": use.depth, "span": self.places.of(use.location)} for use in facts.statements
            ],
            "relations": self.relations(),
            "columns": self.columns(),
            "functions": self.functions(),
            "operators": sorted({str(name) for name, _ in facts.operators}),
            "types": sorted({str(use.name) for use in facts.types}),
            "scans": self.scans(),
            "joins": [{"tables": each.tables, "span": self.places.of(each.location)} for each in facts.joins],
            "parameters": len(facts.parameters),
            "in_lists": sorted((length for length, _ in facts.lists), reverse=True),
        }

    def relations(self) -> list[dict[str, Any]]:
        rows = ((use._replace(location=-1, alias=""), use.location) for use in self.facts.relations)
        return [
            {
                "names": _names(use.names),
                "kind": use.kind,
                "known": use.known,
                "how": use.how,
                "via": _names(use.via),
                "places": self.places.all(locations),
            }
            for use, locations in _group(rows).items()
        ]

    def columns(self) -> list[dict[str, Any]]:
        grouped: dict[tuple[Any, ...], dict[str, Any]] = {}
        for use in self.facts.columns:
            key = (use.relations, use.name, use.via, use.certain)
            row = grouped.setdefault(key, {"uses": {}, "star": False, "whole_row": False, "locations": []})
            row["uses"][use.use] = None
            row["star"] |= use.star
            row["whole_row"] |= use.whole_row
            row["locations"].append(use.location)
        return [
            {
                "relations": _names(relations),
                "name": name,
                "uses": list(row["uses"]),
                "star": row["star"],
                "whole_row": row["whole_row"],
                "certain": certain,
                "via": _names(via),
                "places": self.places.all(row["locations"]),
            }
            for (relations, name, via, certain), row in grouped.items()
        ]

    def functions(self) -> list[dict[str, Any]]:
        rows = []
        for use, locations in _group(
            (each._replace(location=-1), each.location) for each in self.facts.functions
        ).items():
            capabilities = capabilities_of(use)
            rows.append(
                {
                    "name": f"{use.schema}.{use.name}" if use.schema else use.name,
                    "position": use.position,
                    "known": use.known,
                    "capabilities": None if capabilities is None else sorted(capabilities),
                    "overloads": [
                        f"{each.key}({', '.join(arg.name for arg in each.args)})" for each in use.candidates[:20]
                    ],
                    "literals": [{"argument": index + 1, "text": text} for index, text in use.literals],
                    "via": _names(use.via),
                    "places": self.places.all(locations),
                }
            )
        return rows

    def scans(self) -> list[dict[str, Any]]:
        prover = Prover()
        numbers = {id(level): number for number, level in enumerate(self.facts.levels, 1)}
        return [
            {
                "relations": _names(scan.relation.names),
                "alias": scan.source.alias,
                "scope": numbers.get(id(scan.level)),
                "restricted": prover.restricted(scan.level, scan.source),
                "held": _held(prover, scan),
                "via": _names(scan.via),
                "span": self.places.of(scan.location),
            }
            for scan in self.facts.scans
        ]


def _held(prover: Prover, scan: ScanUse) -> list[str]:
    source = scan.source
    columns = source.columns if source.columns is not None else source.named.values()
    held = (column.stored for column in columns if prover.held(scan.level, source, column))
    return list(dict.fromkeys(held))


class _Scopes:
    """Every SELECT level: what stands in its FROM, and what comes out."""

    def __init__(self, explanation: Explanation, facts: Facts) -> None:
        self.facts = facts
        self.places = _Places(explanation)
        self.numbers = {id(level): number for number, level in enumerate(facts.levels, 1)}

    def document(self) -> list[dict[str, Any]]:
        return [self.level(number, level) for number, level in enumerate(self.facts.levels, 1)]

    def level(self, number: int, level: Level) -> dict[str, Any]:
        outputs = level.outputs or (level.owner.outputs if level.owner is not None else [])
        return {
            "scope": number,
            "role": _role(level),
            "inside": self.numbers.get(id(level.outer)) if level.outer is not None else None,
            "limited": level.limited,
            "limit": int(level.most) if level.most is not None and math.isfinite(level.most) else None,
            "grouped": level.group is not None,
            "aggregated": level.has_aggregate,
            "sources": [self.source(source) for source in level.sources],
            "outputs": [
                {"name": output.name, "from": [f"{base.relation}.{base.column}" for base in output.base]}
                for output in outputs[:_MOST_COLUMNS]
            ],
            "span": self.places.of(level.location),
        }

    def source(self, source: Source) -> dict[str, Any]:
        known = source.columns if source.columns is not None else ()
        return {
            "alias": source.alias,
            "kind": source.kind,
            "resolves_to": self.target(source),
            "columns": None if source.columns is None else [column.name for column in known[:_MOST_COLUMNS]],
            "via": _names(source.via),
        }

    def target(self, source: Source) -> list[str]:
        if source.relation is not None:
            return [str(source.relation.key)]
        if source.relation_names:
            return _names(source.relation_names)
        if source.cte is not None:
            return [f"WITH {source.cte.name}"]
        if source.query is not None:
            level = next(iter(_levels(source.query)), None)
            number = self.numbers.get(id(level)) if level is not None else None
            return [f"scope {number}" if number is not None else source.query.kind]
        return [f"{use.schema}.{use.name}" if use.schema else use.name for use in source.calls]


def _levels(query: Query) -> Iterable[Level]:
    if query.level is not None:
        yield query.level
    for part in (query.left, query.right):
        if part is not None:
            yield from _levels(part)


def _role(level: Level) -> str:
    user: object = level.owner
    branch = False
    while isinstance(user, Query):
        branch = branch or isinstance(user.user, Query)
        user = user.user
    if isinstance(user, Cte):
        role = f"WITH {user.name}"
    elif isinstance(user, Source):
        role = f"FROM {user.alias}" if user.alias else "FROM"
    else:
        role = "the statement" if level.outer is None else "sub-select"
    return f"{role}, a branch" if branch else role


def _readings(explanation: Explanation, facts: Facts) -> dict[str, Any]:
    trace = explanation.trace
    witness = trace.witness

    def side(
        relations: Iterable[tuple[str, ...]], columns: Iterable[str], kinds: Iterable[str]
    ) -> dict[str, list[str]]:
        join: Callable[[tuple[str, ...]], str] = ".".join
        return {
            "relations": sorted(map(join, set(relations))),
            "columns": sorted(set(columns)),
            "kinds": sorted(set(kinds)),
        }

    return {
        "compared": trace.compared,
        "agree": not any(finding.rule == "sql/readings-differ" for finding in explanation.decision.findings),
        "postgresql": side(facts.raw_relations, (parts[-1] for parts in facts.raw_columns), facts.raw_kinds),
        "sqlglot": side(witness.relations, witness.columns, witness.kinds) if witness is not None else None,
    }
