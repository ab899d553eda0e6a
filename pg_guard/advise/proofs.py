"""Tests for a starter policy. In: the policy, its catalog. Out: one allow and one deny per kind of clause, each of which passes.

Candidates are tried on the guard, with the catalog and without: whatever a database looks like, a test that does not
pass under both is not written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pg_guard.advise.quoting import relation_sql, sql_name
from pg_guard.guard import Guard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pg_guard.catalog.model import Catalog, Relation
    from pg_guard.policy.model import Policy

__all__ = ["Proof", "choose_proofs"]

_LITERALS = ("1", "'a'", "'00000000-0000-0000-0000-000000000000'")
_MOST_RELATIONS = 200
"""So many are tried for a kind of clause; one is needed."""


class Proof(NamedTuple):
    """An embedded test of a policy."""

    name: str
    sql: str
    expect: str
    rule: str = ""


def choose_proofs(policy: Policy, catalog: Catalog) -> tuple[Proof, ...]:
    """The first candidate of each kind that passes, in the order of the policy's sections."""
    chooser = _Chooser(policy, catalog)
    found: list[Proof] = []
    for candidates in (
        chooser.reads(),
        chooser.writes(),
        chooser.columns(),
        chooser.denied_columns(),
        chooser.denied_relations(),
        chooser.other_relations(),
        chooser.held(),
        chooser.not_held(),
        chooser.joins(),
        chooser.too_many_joins(),
        iter([Proof("ordinary functions", "SELECT lower('A'), round(1.5), now()", "allow")]),
        iter([Proof("ordinary functions", "SELECT lower('A'), round(1.5)", "allow")]),
        iter([Proof("no files", "SELECT pg_read_file('/etc/passwd')", "deny", "functions/denied")]),
        iter([Proof("small ranges", "SELECT count(*) FROM (VALUES (1), (2)) AS v (n)", "allow")]),
        iter([Proof("no endless ranges", "SELECT repeat('x', 1000000000)", "deny", "load/too-large")]),
    ):
        proof = next((each for each in candidates if chooser.passes(each)), None)
        if proof is not None and all(proof.name != each.name for each in found):
            found.append(proof)
    return tuple(found)


class _Chooser:
    def __init__(self, policy: Policy, catalog: Catalog) -> None:
        self._policy = policy
        self._catalog = catalog
        self._with = Guard(policy, catalog)
        self._without = Guard(policy)
        # Names without quotes first: a test is also an example.
        visible = sorted(self._with.visible_relations(), key=lambda each: '"' in relation_sql(each.key))
        self._visible = visible[:_MOST_RELATIONS]

    def passes(self, proof: Proof) -> bool:
        """Does the guard decide as the test expects, whether or not it sees the catalog?"""
        for guard in (self._with, self._without):
            decision = guard.check(proof.sql)
            if decision.effect != proof.expect:
                return False
            if proof.rule and proof.rule not in {finding.rule for finding in decision.findings}:
                return False
        return True

    def _conditions(self, relation: Relation) -> Iterator[str]:
        """WHERE clauses that may satisfy what the policy demands of the relation."""
        columns = [name for group in self._with.requirements(relation) for name in group]
        if not columns:
            yield ""
            return
        for literal in _LITERALS:
            yield " WHERE " + " AND ".join(f"{sql_name(name)} = {literal}" for name in dict.fromkeys(columns))

    def _counts(self, relation: Relation) -> Iterator[str]:
        for condition in self._conditions(relation):
            yield _select("count(*)", relation, condition)

    def reads(self) -> Iterator[Proof]:
        # Tables first: a view's meaning may change.
        for relation in sorted(self._visible, key=lambda each: each.kind != "table"):
            for sql in self._counts(relation):
                yield Proof("an ordinary count", sql, "allow")
        yield Proof("an ordinary count", "SELECT 1", "allow")

    def writes(self) -> Iterator[Proof]:
        for relation in self._visible:
            sql = " ".join(("DELETE FROM", relation_sql(relation.key)))
            yield Proof("no writes", sql, "deny", "statement/not-allowed")

    def _guarded(self) -> Iterator[tuple[Relation, str]]:
        for relation in self._visible:
            shown = {column.name for column in self._with.visible_columns(relation)}
            hidden = [column.name for column in relation.columns if column.name not in shown]
            if hidden:
                yield relation, hidden[0]

    def columns(self) -> Iterator[Proof]:
        for relation, _ in self._guarded():
            shown = self._with.visible_columns(relation)
            if not shown:
                continue
            listed = ", ".join(sql_name(column.name) for column in shown[:3])
            for condition in self._conditions(relation):
                sql = _select(listed, relation, condition)
                yield Proof("permitted columns", sql, "allow")

    def denied_columns(self) -> Iterator[Proof]:
        for relation, column in self._guarded():
            for condition in self._conditions(relation):
                sql = _select(sql_name(column), relation, condition)
                yield Proof("no denied column", sql, "deny", "columns/denied")
        yield Proof("no denied column", "SELECT user_password FROM t", "deny", "columns/denied")

    def denied_relations(self) -> Iterator[Proof]:
        visible = {each.key for each in self._with.visible_relations()}
        for relation in sorted(self._catalog.relations, key=lambda each: '"' in relation_sql(each.key)):
            if relation.kind in ("table", "partitioned", "foreign", "view", "matview") and relation.key not in visible:
                sql = _select("count(*)", relation)
                if relation.schema not in ("pg_catalog", "information_schema") and self._policy.tables.deny:
                    yield Proof("no denied relation", sql, "deny", "tables/denied")

    def other_relations(self) -> Iterator[Proof]:
        yield Proof("no system catalogs", "SELECT count(*) FROM pg_catalog.pg_authid", "deny", "tables/system")

    def held(self) -> Iterator[Proof]:
        for relation in self._visible:
            if self._with.requirements(relation):
                for sql in self._counts(relation):
                    yield Proof("rows of one tenant", sql, "allow")

    def not_held(self) -> Iterator[Proof]:
        for relation in self._visible:
            for group in self._with.requirements(relation):
                sql = _select("count(*)", relation)
                yield Proof("not the rows of all tenants", sql, "deny", "where/missing")
                if group:
                    column = sql_name(group[0])
                    sql = f"{sql} WHERE {column} = {column}"
                    yield Proof("not the rows of all tenants", sql, "deny", "where/missing")

    def joins(self) -> Iterator[Proof]:
        yield Proof("a join", _chain(2), "allow")

    def too_many_joins(self) -> Iterator[Proof]:
        if self._policy.joins.max_tables is not None:
            yield Proof("not too many tables", _chain(self._policy.joins.max_tables + 1), "deny", "joins/too-many")


def _chain(count: int) -> str:
    joined = [f"JOIN (VALUES (1)) AS t{number} (n) USING (n)" for number in range(2, count + 1)]
    return " ".join(("SELECT count(*) FROM (VALUES (1)) AS t1 (n)", *joined))


def _select(listed: str, relation: Relation, condition: str = "") -> str:
    """A statement for a test; names are quoted, and it is only read by the guard."""
    return " ".join(("SELECT", listed, "FROM", relation_sql(relation.key))) + condition
