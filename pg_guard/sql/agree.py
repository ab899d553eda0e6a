"""Do both readings see the same? In: names and kinds from each. Out: the differences, as findings.

PostgreSQL's grammar decides what a statement means; sqlglot is the independent witness. Where they see other relations,
other columns or other kinds of statements, one of them was misled, and the text is refused: an attacker who finds a way
to mislead one of the two gains nothing.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from pg_guard.decision import Finding
from pg_guard.sql.parse import SqlglotReading

__all__ = ["differences"]

# sqlglot writes these words as columns where PostgreSQL's grammar has keywords or functions without parentheses.
_KEYWORDS = frozenset({"*"})


def differences(
    *,
    relations: AbstractSet[tuple[str, ...]],
    columns: AbstractSet[str],
    kinds: AbstractSet[str],
    fields: AbstractSet[str],
    witness: SqlglotReading,
) -> list[Finding]:
    """Compare what PostgreSQL's grammar saw with what sqlglot saw.

    Args:
        relations: Dotted names in FROM, as PostgreSQL's grammar folds them.
        columns: Last parts of column references; a star is ``*``.
        kinds: Kinds of all statements, nested ones included.
        fields: Fields selected from composite values, which sqlglot may write as columns.
        witness: sqlglot's side.
    """
    found = []
    if difference := relations ^ witness.relations:
        names = sorted(".".join(name) for name in difference)
        found.append(_finding("relations", names))
    theirs = {name for name in witness.columns if not name.startswith(".")}
    theirs_fields = {name[1:] for name in witness.columns if name.startswith(".")}
    extra = theirs - columns - fields - _KEYWORDS
    missing = columns - theirs - theirs_fields - _KEYWORDS
    if extra or missing:
        found.append(_finding("columns", sorted(extra | missing)))
    if kinds - {"explain", "show"} != witness.kinds:
        found.append(_finding("kinds of statements", sorted((kinds - {"explain", "show"}) ^ witness.kinds)))
    return found


def _finding(what: str, names: list[str]) -> Finding:
    shown = ", ".join(name[:60] for name in names[:5])
    return Finding(
        "sql/readings-differ",
        "high",
        f"PostgreSQL's grammar and the second reader (sqlglot) see different {what}: {shown}.",
        "Write the names plainly, without U& escapes, unusual quoting or rare operators.",
    )
