"""Do both readings see the same? In: names and kinds from each. Out: the differences, as findings.

PostgreSQL's grammar decides what a statement means; sqlglot is the independent witness. Where they see other relations or
other kinds of statements, one of them was misled, and the text is refused: an attacker who finds a way to mislead one of
the two gains nothing. What misleads is lexical (quotes, escapes, comments), while sqlglot's grammar has honest gaps: where
it does not know a construct, or takes a word for a column, the two scanners are compared token by token instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from postgast import scan

from pg_guard.decision import Finding

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from sqlglot import Token

    from pg_guard.sql.parse import SqlglotReading
    from pg_guard.sql.text import SqlText

__all__ = ["differences", "lexical_differences"]


def differences(
    sql: SqlText,
    tokens: list[Token],
    *,
    relations: AbstractSet[tuple[str, ...]],
    columns: AbstractSet[str],
    kinds: AbstractSet[str],
    fields: AbstractSet[str],
    witness: SqlglotReading,
) -> list[Finding]:
    """Compare what PostgreSQL's grammar saw with what sqlglot saw.

    Args:
        sql: The text.
        tokens: sqlglot's tokens of it.
        relations: Dotted names in FROM, as PostgreSQL's grammar folds them.
        columns: Last parts of column references; a star is ``*``.
        kinds: Kinds of all statements, nested ones included.
        fields: Fields selected from composite values, which sqlglot may write as columns.
        witness: sqlglot's side.
    """
    found = []
    # FROM current_date is a table to sqlglot and a keyword to PostgreSQL.
    words = {name for name in witness.relations if len(name) == 1 and name[0] in fields}
    if difference := relations ^ (witness.relations - (words - relations)):
        names = sorted(".".join(name) for name in difference)
        found.append(_finding("relations", names))
    theirs = {name for name in witness.columns if not name.startswith(".")}
    theirs_fields = {name[1:] for name in witness.columns if name.startswith(".")}
    # sqlglot's grammar takes some words for columns (NFC NORMALIZED) and some columns for words (module -> 'a'). Where
    # both scanners see the same tokens, PostgreSQL's grammar is right about them by definition.
    differing = (theirs - columns - fields) | (columns - theirs - theirs_fields)
    if differing - {"*"} and (lexical := lexical_differences(sql, tokens)):
        found += [_finding("columns", sorted(differing)), *lexical]
    if kinds - {"explain", "show"} != witness.kinds:
        found.append(_finding("kinds of statements", sorted((kinds - {"explain", "show"}) ^ witness.kinds)))
    return found


def lexical_differences(sql: SqlText, tokens: list[Token]) -> list[Finding]:
    """Compare the two scanners, for a text whose grammar sqlglot does not know.

    What misleads a reader is where quotes, strings and comments begin and end. Where every token of one scanner starts
    inside of a token of the other, and quoted texts have the same borders, both see the same names and words; what they
    mean together is then PostgreSQL's grammar's to say.
    """
    theirs = [(token.start, token.end + 1) for token in tokens]
    own = []
    for token in scan(sql.text).tokens:
        start, end = sql.char(token.start), sql.char(token.end)
        if not sql.text.startswith(("--", "/*"), start):
            own.append((start, end))
    quoted = {(start, end) for start, end in own if sql.text[start] in "\"'"}
    quoted_theirs = {(start, end) for start, end in theirs if sql.text[start] in "\"'"}
    stray = _outside(own, theirs) + _outside(theirs, own)
    # A string continued on another line is one token to PostgreSQL and several to sqlglot.
    apart = [span for span in quoted ^ quoted_theirs if not any(a <= span[0] and span[1] <= b for a, b in quoted)]
    if not stray and not apart:
        return []
    return [_finding("tokens", sorted({sql.text[start:end] for start, end in (*stray, *apart)}))]


def _outside(spans: list[tuple[int, int]], others: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans that start outside of all others; both are in order."""
    found = []
    index = 0
    for start, end in spans:
        while index < len(others) and others[index][1] <= start:
            index += 1
        if index == len(others) or start < others[index][0]:
            found.append((start, end))
    return found


def _finding(what: str, names: list[str]) -> Finding:
    shown = ", ".join(name[:60] for name in names[:5])
    return Finding(
        "sql/readings-differ",
        "high",
        f"PostgreSQL's grammar and the second reader (sqlglot) see different {what}: {shown}.",
        "Write the names plainly, without U& escapes, unusual quoting or rare operators.",
    )
