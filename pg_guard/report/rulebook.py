"""What is known of each rule. In: the packs in use. Out: a title, a description and references for each rule id.

Policy clauses have fixed ids (`BUILT_IN`); rules of packs describe themselves. Reports for programs (SARIF) and the
comments that lift a finding by its rule's name look here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pg_guard.decision import Severity

__all__ = ["BUILT_IN", "RuleInfo", "pack_rule", "rulebook"]

_POSTGRESQL = "https://www.postgresql.org/docs/current/"


@dataclass(frozen=True, slots=True)
class RuleInfo:
    """A rule as reports describe it.

    Attributes:
        id: The stable id, as in ``tables/denied`` or ``core/PG101``.
        name: The name that reads well in ``allow <name>``, as in ``credential-catalog-read``.
        title: One sentence without a full stop.
        description: One paragraph.
        severity: How bad a finding of it usually is.
        effect: ``deny`` or ``warn``, as the rule has it before a policy changes that.
        security: False for rules about quality, speed or the tool itself.
        tags: As in a rule file: ``cwe.522``, ``attack.t1003``.
        remediation: What to do, in one sentence; empty when each finding says it.
        rationale: Why the rule exists; may be empty.
        false_positives: Where it is known to be wrong.
        references: Pages to read, the best one first.
    """

    id: str
    name: str
    title: str
    description: str
    severity: Severity
    effect: str = "deny"
    security: bool = True
    tags: tuple[str, ...] = ()
    remediation: str = ""
    rationale: str = ""
    false_positives: tuple[str, ...] = ()
    references: tuple[str, ...] = ()

    @property
    def group(self) -> str:
        """What stands before the slash: a section of the policy, or a pack."""
        return self.id.partition("/")[0]


def _clause(
    rule: str,
    title: str,
    description: str,
    severity: Severity,
    page: str,
    *tags: str,
    effect: str = "deny",
    security: bool = True,
) -> RuleInfo:
    name = rule.replace("/", "-")
    references = (_POSTGRESQL + page,)
    return RuleInfo(rule, name, title, description, severity, effect, security, tags, references=references)


BUILT_IN: Final[tuple[RuleInfo, ...]] = (
    _clause(
        "statement/not-allowed",
        "Kind of statement that the policy does not allow",
        "The statement is, or holds at some depth, a kind that `statements.allow` does not list, or it locks rows or "
        "writes.",
        "high",
        "sql-commands.html",
        "cwe.284",
    ),
    _clause(
        "statement/multiple",
        "More than one statement",
        "The text holds more than one statement; a guard decides on one at a time.",
        "high",
        "protocol-flow.html",
        "cwe.89",
    ),
    _clause(
        "tables/denied",
        "Use of a denied relation",
        "The statement reads a relation that `tables` denies, directly or through a view, a partition, a parent or a "
        "child.",
        "high",
        "ddl-priv.html",
        "cwe.200",
        "cwe.284",
    ),
    _clause(
        "tables/system",
        "Use of a system relation",
        "The statement reads a system catalog or a system view.",
        "high",
        "catalogs.html",
        "cwe.497",
    ),
    _clause(
        "columns/denied",
        "Use of a denied column",
        "The statement uses a column that `columns.deny` hides: by name, by a star, as part of a whole row, or through "
        "a view.",
        "high",
        "ddl-priv.html",
        "cwe.200",
    ),
    _clause(
        "where/missing",
        "Required condition is missing",
        "A use of a relation lacks the condition that `where` requires of every scan of it.",
        "high",
        "queries-table-expressions.html",
        "cwe.639",
    ),
    _clause(
        "joins/cartesian",
        "Join that no condition links",
        "A join pairs each row of one relation with each row of another, and `joins.cartesian` does not permit that.",
        "medium",
        "queries-table-expressions.html",
        "cwe.400",
    ),
    _clause(
        "where/no-principal",
        "Required attribute is missing",
        "`where.equals` names an attribute of who asks, and who asks has none.",
        "high",
        "ddl-rowsecurity.html",
        "cwe.639",
    ),
    _clause(
        "where/other-value",
        "Rows of somebody else",
        "A use of a relation is not held to the one value that `where.equals` requires.",
        "high",
        "ddl-rowsecurity.html",
        "cwe.639",
    ),
    _clause(
        "joins/too-many",
        "Too many relations in one SELECT",
        "A SELECT joins more relations than `joins.max_tables`.",
        "medium",
        "explicit-joins.html",
        "cwe.400",
    ),
    _clause(
        "functions/denied",
        "Call that the policy does not permit",
        "The statement calls a function, an operator or a cast that `functions` does not permit.",
        "high",
        "functions.html",
        "cwe.749",
    ),
    _clause(
        "functions/unknown",
        "Call of an unknown function",
        "The statement calls a function that does not exist, so nobody knows what it would do.",
        "medium",
        "typeconv-func.html",
    ),
    _clause(
        "limits/sql-bytes",
        "Statement is too long",
        "The text is longer than `limits.sql_bytes`.",
        "medium",
        "limits.html",
        "cwe.770",
    ),
    _clause(
        "limits/tokens",
        "Statement has too many tokens",
        "The text has more tokens than `limits.tokens`.",
        "medium",
        "limits.html",
        "cwe.770",
    ),
    _clause(
        "limits/depth",
        "Statement is nested too deep",
        "The statement is nested deeper than `limits.depth`, or deeper than PostgreSQL's parser goes.",
        "medium",
        "limits.html",
        "cwe.674",
    ),
    _clause(
        "limits/columns",
        "Too many columns",
        "A star stands for more columns than can be returned, or the statement has too many of them.",
        "medium",
        "limits.html",
        "cwe.770",
    ),
    _clause(
        "limits/in-list",
        "IN list is too long",
        "An IN list has more entries than `limits.in_list`.",
        "medium",
        "functions-comparisons.html",
        "cwe.770",
    ),
    _clause(
        "load/unbounded-recursion",
        "Recursion without an end",
        "Nothing in the text ends a recursive common table expression.",
        "high",
        "queries-with.html",
        "cwe.674",
        "cwe.835",
    ),
    _clause(
        "load/too-large",
        "Call that makes too much",
        "A call asks for too many rows or characters, as in `generate_series` or `repeat`.",
        "high",
        "functions-srf.html",
        "cwe.770",
    ),
    _clause(
        "load/json-path",
        "SQL/JSON path that explodes",
        "A SQL/JSON path descends to all levels more than once.",
        "medium",
        "functions-json.html",
        "cwe.400",
    ),
    _clause(
        "load/product",
        "Product of relations",
        "Relations that no equality links make a product of more rows than `limits.product_rows`, by the catalog's "
        "estimates.",
        "medium",
        "queries-table-expressions.html",
        "cwe.400",
    ),
    _clause(
        "load/regular-expression",
        "Regular expression that may run without end",
        "A constant regular expression may take time beyond any bound.",
        "medium",
        "functions-matching.html",
        "cwe.1333",
    ),
    _clause(
        "sql/empty",
        "No statement",
        "There is no statement in the text.",
        "low",
        "sql-syntax.html",
        security=False,
    ),
    _clause(
        "sql/encoding",
        "Text that PostgreSQL cannot receive",
        "The text is not UTF-8, or holds a NUL or half of a surrogate pair.",
        "high",
        "multibyte.html",
        "cwe.176",
    ),
    _clause(
        "sql/syntax",
        "Syntax error",
        "PostgreSQL's grammar does not accept the text.",
        "low",
        "sql-syntax.html",
        security=False,
    ),
    _clause(
        "sql/readings-differ",
        "Two readings of the statement differ",
        "PostgreSQL's grammar and sqlglot read the statement differently; one of them is misled.",
        "high",
        "sql-syntax-lexical.html",
        "cwe.436",
    ),
    _clause(
        "sql/unknown-name",
        "Name that does not exist",
        "The statement names a relation, column, type or operator that does not exist or is ambiguous.",
        "medium",
        "ddl-schemas.html",
    ),
    _clause(
        "sql/unsupported",
        "Something that this version does not understand",
        "What is not understood is refused, because nobody knows what it would do.",
        "medium",
        "sql-commands.html",
    ),
    _clause(
        "lint/psql-command",
        "Command of psql",
        "A command of psql is not SQL; what it runs or reads was not checked.",
        "medium",
        "app-psql.html",
    ),
    _clause(
        "lint/allow-without-reason",
        "Allow comment without a reason",
        "A comment `pg-guard: allow RULE` lifts a finding only when it says why.",
        "medium",
        "sql-syntax-lexical.html#SQL-SYNTAX-COMMENTS",
        security=False,
    ),
    _clause(
        "lint/unused-allow",
        "Allow comment that lifts nothing",
        "A comment `pg-guard: allow RULE` stands where no finding of that rule is; it would hide a later one.",
        "low",
        "sql-syntax-lexical.html#SQL-SYNTAX-COMMENTS",
        effect="warn",
        security=False,
    ),
    _clause(
        "check/failed",
        "Defect of a check of the deployment's own",
        "A check that a deployment added to the guard raised an error; the statement is refused.",
        "high",
        "sql-commands.html",
        security=False,
    ),
    _clause(
        "internal/error",
        "Defect of pg-guard",
        "A check failed in a way that nobody foresaw; the statement is refused.",
        "high",
        "sql-commands.html",
        security=False,
    ),
)
"""The rules that no pack holds; `docs/reference.md` lists the same ids."""

_NO_SECURITY: Final = frozenset({"quality", "performance"})


def pack_rule(rule: Any) -> RuleInfo:
    """The description of a rule of a pack.

    Args:
        rule: A `pg_guard.policy.rules.RuleFile`; only its documented attributes are read.
    """
    return RuleInfo(
        rule.id,
        rule.name,
        rule.title,
        rule.description.strip() or rule.title,
        rule.severity,
        rule.effect,
        rule.id.partition("/")[0] not in _NO_SECURITY,
        tuple(rule.tags),
        rule.remediation.strip(),
        rule.rationale.strip(),
        tuple(rule.false_positives),
        tuple(rule.references),
    )


def rulebook(packs: Iterable[Any] = ()) -> dict[str, RuleInfo]:
    """All rules by id: the built-in ones, then those of `packs` (each with a ``rules`` attribute)."""
    rules = {rule.id: rule for rule in BUILT_IN}
    for pack in packs:
        rules.update((rule.id, pack_rule(rule)) for rule in pack.rules)
    return rules
