"""The guard on one screen. In: a text and a compiled policy. Out: a `Decision`, whatever happens.

    admit → read_postgres → extract → tokenize + read_sqlglot → differences → checks → decision

`Guard.check` never raises: an outcome that nobody foresaw is a refusal with a finding.
"""

from __future__ import annotations

import hashlib
import json
import time
from typing import TYPE_CHECKING

from pg_guard.checks.base import Subject
from pg_guard.decision import SEVERITIES, Decision, Finding
from pg_guard.explanation import Explanation, Trace
from pg_guard.facts.extract import extract
from pg_guard.facts.model import Note
from pg_guard.facts.reader import Reader, TooDeep
from pg_guard.facts.views import ViewShapes
from pg_guard.policy.compile import compile_policy
from pg_guard.policy.custom import check_names, with_checks
from pg_guard.policy.load import load_policy
from pg_guard.policy.using import open_policy, pack_digests, packs_of
from pg_guard.policy.visibility import Visibility
from pg_guard.sql.agree import differences, lexical_differences
from pg_guard.sql.parse import read_sqlglot, tokenize
from pg_guard.sql.text import HARD_TOKENS, Refusal, SqlText, admit
from pg_guard.sql.witness import explained, read_postgres

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping

    from sqlglot import Token

    from pg_guard.catalog.model import Catalog, Column, Relation
    from pg_guard.checks.custom import CheckFunction
    from pg_guard.facts.model import Facts
    from pg_guard.policy.model import Policy
    from pg_guard.policy.packs import Pack

__all__ = ["Guard"]

# libpg_query's nodes nest about three deep for one level that an author would count.
_NODES_PER_LEVEL = 3


class Guard:
    """Decides on statements under one policy.

    Immutable after construction, without I/O, and safe to share between threads.

    Args:
        policy: The policy.
        catalog: The database's catalog. Without one, names are taken as written, and a star over a relation with
            denied columns is refused.
        packs: The rule packs to take those of the policy from; packs that it does not name are in force, too. When left
            out, the policy's packs are those that come with pg-guard.
        checks: Checks of one's own, asked about every statement that can be read (`pg_guard.checks.custom`). They can
            add findings and take none away; one that raises refuses the statement.

    Raises:
        PolicyError: A pack that the policy uses is missing or does not fit.
    """

    def __init__(
        self,
        policy: Policy,
        catalog: Catalog | None = None,
        packs: Iterable[Pack] | None = None,
        checks: Iterable[CheckFunction] = (),
    ) -> None:
        self.policy = policy
        self.catalog = catalog
        self.packs = packs_of(policy, packs)
        self._program = with_checks(compile_policy(policy, catalog, self.packs), checks)
        self._shapes = ViewShapes()
        self._visibility = Visibility(self._program, self._shapes)
        self._digests = {"policy": policy.digest} | ({"catalog": catalog.digest} if catalog is not None else {})
        if self.packs:
            self._digests |= pack_digests(self.packs)
        if own := check_names(self._program):
            self._digests["checks"] = _digest("\n".join(own))

    @classmethod
    def from_packs(cls, packs: Iterable[Pack], catalog: Catalog | None = None) -> Guard:
        """A guard with the rules of packs and hardly anything else, for linting and for tests of rules.

        It permits what can be understood; no deployment should run under it.
        """
        return cls(open_policy(), catalog, packs)

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], catalog: Catalog | None = None, checks: Iterable[CheckFunction] = ()
    ) -> Guard:
        """Load a policy file, with the policies that it extends, the environment's overlay and its rule packs.

        Packs are looked for among those that come with pg-guard, then in ``packs/`` beside the policy; `checks` are as
        for the class.

        Raises:
            UsageError: The file cannot be read.
            PolicyError: It is not a valid policy; all problems are in it.
        """
        loaded = load_policy(path)
        return cls(loaded.policy, catalog, loaded.packs, checks)

    def check(
        self,
        sql: str | bytes,
        principal: Mapping[str, object] | None = None,
    ) -> Decision:
        """Decide on one statement.

        Args:
            sql: The text, as the database would receive it.
            principal: What is known of who asks, as in ``{"client": "bi-7", "tenant_id": 42}``; `principals` of the policy
                may add attributes to it or replace them.

        Returns:
            The decision, with every finding. Any text gets one; nothing is raised.
        """
        return self._run(sql, principal, None)

    def explain(
        self,
        sql: str | bytes,
        principal: Mapping[str, object] | None = None,
    ) -> Explanation:
        """Decide as `check` does, and tell what the decision was made of: the facts, both readings, time by stage.

        Args and guarantees are those of `check`; it takes somewhat longer.
        """
        trace = Trace()
        return Explanation(self._run(sql, principal, trace), trace, self._program, self.packs)

    def _run(self, sql: str | bytes, principal: Mapping[str, object] | None, trace: Trace | None) -> Decision:
        started = time.perf_counter_ns()
        facts: Facts | None = None
        try:
            text = admit(sql, max_bytes=self.policy.limits.sql_bytes)
            facts, findings = self._examine(text, self._program.principals.attributes(principal), trace)
        except Refusal as refusal:
            findings = [refusal.finding]
        except RecursionError:
            findings = [_too_deep(None, -1, self.policy.limits.depth)]
        except Exception as error:  # noqa: BLE001 - whatever fails, the answer is a refusal, never an exception
            findings = [_internal(error)]
        return self._decide(sql, facts, findings, (time.perf_counter_ns() - started) // 1000)

    def _examine(
        self, text: SqlText, principal: Mapping[str, object], trace: Trace | None
    ) -> tuple[Facts | None, list[Finding]]:
        limits = self.policy.limits
        most_tokens = min(limits.tokens, HARD_TOKENS)
        if trace is not None:
            trace.text = text
            trace.mark("admit")
        reading = read_postgres(text)
        if trace is not None:
            trace.mark("read by PostgreSQL's grammar")
        # Each token has at least one byte, so only a long text can have too many.
        tokens = tokenize(text) if len(text.data) > most_tokens else None
        if tokens is not None and len(tokens) > most_tokens:
            return None, [_too_many_tokens(len(tokens), most_tokens)]
        if len(reading.statements) != 1:
            return None, [_count_finding(text, reading.places)]
        reader = Reader(
            self._program.names,
            self._shapes,
            max_depth=limits.depth * _NODES_PER_LEVEL,
            expand=self._program.expand,
            detailed=self._program.detailed,
        )
        try:
            facts = extract(reader, reading.statements[0])
        except TooDeep as deep:
            return None, [_too_deep(text, deep.location, limits.depth)]
        if self.catalog is not None and self.catalog.encoding not in ("UTF8", "SQL_ASCII"):
            _refuse_foreign_folding(facts, self.catalog.encoding)
        subject = Subject(text, facts, self._program.names, principal)
        if trace is not None:
            trace.subject = subject
            trace.mark("facts")
        findings = [finding for check in self._program.checks for finding in check(subject)]
        if trace is not None:
            trace.mark("checks")
        if facts.kind in ("select", "explain"):
            # Other kinds are already refused, or (SHOW) have no names; sqlglot keeps most of them as opaque text.
            findings += _compare(text, tokens, facts, trace)
        if trace is not None:
            trace.mark("read by sqlglot and compared")
        return facts, findings

    def _decide(self, sql: object, facts: Facts | None, findings: list[Finding], elapsed_us: int) -> Decision:
        statement = sql if isinstance(sql, str) else _readable(sql)
        findings.sort(key=_order)
        deny = any(finding.effect == "deny" for finding in findings)
        # A text that could not be read is never run, not even under monitor: nobody knows what it would do.
        enforced = deny and (self.policy.mode == "enforce" or facts is None or not isinstance(sql, str))
        metadata = self.policy.metadata
        return Decision(
            effect="deny" if enforced else "allow",
            sql=None if enforced else statement,
            findings=tuple(dict.fromkeys(findings)),
            statement=statement,
            kind=facts.kind if facts is not None else "unknown",
            mode=self.policy.mode,
            would_deny=deny,
            relations=_sorted_names(facts) if facts is not None else (),
            functions=_sorted_functions(facts) if facts is not None else (),
            policy=f"{metadata.name} {metadata.version}",
            digests=self._digests | {"statement": _digest(statement)},
            timings_us={"total": elapsed_us},
        )

    @property
    def digest(self) -> str:
        """SHA-256, in hexadecimal, of all that decides: the policy, its packs, the catalog."""
        return _digest(json.dumps(self._digests, sort_keys=True))

    def attributes(self, principal: Mapping[str, object] | None) -> dict[str, str | int | float | bool]:
        """What ``:name`` stands for when this principal asks, after `principals` of the policy."""
        return self._program.principals.attributes(principal)

    @property
    def search_path(self) -> tuple[str, ...]:
        """The search_path under which names were resolved; statements must run under the same."""
        return self._program.names.search_path

    # -- what a client may be shown ------------------------------------------------------------------------------------

    def visible_relations(self) -> tuple[Relation, ...]:
        """Relations that the policy permits, in the order of the catalog; empty without a catalog."""
        return self._visibility.relations

    def visible_columns(self, relation: Relation) -> tuple[Column, ...]:
        """Columns of a relation that the policy permits, in order; through views by what flows into them."""
        return self._visibility.columns(relation)

    def reviewed_relations(self) -> tuple[Relation, ...]:
        """Views that `tables.allow` names exactly although they read what the policy denies: declared exceptions."""
        return self._visibility.reviewed()

    def requirements(self, relation: Relation) -> tuple[tuple[str, ...], ...]:
        """Conditions that each use of a relation must carry: the columns to hold, or () for any restriction."""
        return self._visibility.requirements(relation)


def _compare(text: SqlText, tokens: list[Token] | None, facts: Facts, trace: Trace | None) -> list[Finding]:
    try:
        if facts.kind == "explain":
            text, tokens = explained(text), None
        tokens = tokens if tokens is not None else tokenize(text)
        witness = read_sqlglot(text, tokens)
    except Refusal as refusal:
        return [refusal.finding]
    if trace is not None:
        trace.witness = witness
        trace.compared = "tokens" if witness is None else "names"
    if witness is None:
        return lexical_differences(text, tokens)
    return differences(
        text,
        tokens,
        relations=frozenset(facts.raw_relations),
        columns=frozenset(parts[-1] for parts in facts.raw_columns),
        kinds=frozenset(facts.raw_kinds) | {use.kind for use in facts.statements},
        fields=frozenset(facts.raw_fields),
        witness=witness,
    )


def _refuse_foreign_folding(facts: Facts, encoding: str) -> None:
    """In single-byte encodings PostgreSQL folds letters beyond ASCII by its locale; libpg_query does not."""
    names = {part for parts in (*facts.raw_relations, *facts.raw_columns) for part in parts}
    names |= {use.name for use in facts.functions if not use.via}
    strange = sorted(name for name in names if not name.isascii())
    if strange:
        facts.notes.append(
            Note(
                "sql/unsupported",
                f'The name "{strange[0]}" has letters beyond ASCII, which a database in {encoding} may fold in its own way.',
                "Use names of ASCII letters, or a database in UTF8.",
                -1,
            )
        )


def _order(finding: Finding) -> tuple[int, int, str, str]:
    return (
        -SEVERITIES.index(finding.severity),
        finding.span.start if finding.span is not None else -1,
        finding.rule,
        finding.message,
    )


def _sorted_names(facts: Facts) -> tuple[str, ...]:
    return tuple(sorted({str(name) for use in facts.relations for name in use.names[:1]}))


def _sorted_functions(facts: Facts) -> tuple[str, ...]:
    return tuple(sorted({f"{use.schema}.{use.name}" if use.schema else use.name for use in facts.functions}))


def _readable(sql: object) -> str:
    if isinstance(sql, (bytes, bytearray, memoryview)):
        return bytes(sql).decode("utf-8", "replace")
    return ""


def _digest(statement: str) -> str:
    return hashlib.sha256(statement.encode("utf-8", "surrogatepass")).hexdigest()


def _internal(error: Exception) -> Finding:
    return Finding(
        "internal/error",
        "high",
        f"The guard failed on this statement ({type(error).__name__}), so it is refused.",
        "Report the statement as a defect of pg-guard; meanwhile write it in another way.",
    )


def _too_many_tokens(count: int, limit: int) -> Finding:
    return Finding(
        "limits/tokens",
        "medium",
        f"The statement has {count} tokens; the limit is {limit}.",
        "Send a shorter statement.",
    )


def _too_deep(text: SqlText | None, location: int, limit: int) -> Finding:
    return Finding(
        "limits/depth",
        "medium",
        f"The statement is nested deeper than {limit} levels.",
        "Flatten it: use CTEs instead of nested queries.",
        text.span(location) if text is not None else None,
    )


def _count_finding(text: SqlText, places: tuple[tuple[int, int], ...]) -> Finding:
    if not places:
        return Finding("sql/empty", "low", "There is no statement in the text.", "Send one SELECT.")
    return Finding(
        "statement/multiple",
        "critical",
        f"The text holds {len(places)} statements; only one may run.",
        "Send one statement at a time.",
        text.span(places[1][0]),
    )
