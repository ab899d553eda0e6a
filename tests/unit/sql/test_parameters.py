"""Parameters that touch what follows: drivers and generators write ``$1,$2`` without a space, sqlglot reads a quoted text there."""

from __future__ import annotations

import pytest

from pg_guard import Guard
from pg_guard.policy.load import parse_policy
from pg_guard.sql.parse import tokenize
from pg_guard.sql.text import admit

GUARD = Guard(parse_policy("schema: pg-guard/policy/v1\ntables: {deny: [hidden]}\n").policy)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id FROM t WHERE id IN ($1,$2)",
        "SELECT id FROM t WHERE id IN ($1,$1,$1,$2)",
        "SELECT $1,$2,$3 FROM t",
        "SELECT id FROM t WHERE (a,b)=($1,$2)",
        "SELECT id FROM t WHERE id=$1/$2+$3::int-$4",
        "SELECT id FROM t WHERE a IN ($1,$2) AND b='$1,$2' AND \"c$1,$d\"=$3",
        "SELECT id FROM t WHERE a<$1/*$1,$*/AND b>$2 -- $1,$2",
        "SELECT id FROM t WHERE a=$$x$1,$y$$ AND id IN ($1,$2)",
        "SELECT id FROM t WHERE a=$x$,$1,$$x$ AND id IN ($1,$2)",
    ],
)
def test_they_are_read(sql: str) -> None:
    assert GUARD.check(sql).allowed
    tokens = tokenize(admit(sql, max_bytes=20_000))
    assert [sql[token.start : token.end + 1] for token in tokens if token.text.isdigit()] == [
        token.text for token in tokens if token.text.isdigit()
    ]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT $1,$2 FROM hidden",
        "SELECT id FROM t WHERE id IN ($1,$2) UNION SELECT id FROM hidden WHERE id IN ($3,$4)",
        "SELECT $1,$2 FROM t WHERE EXISTS (SELECT FROM hidden WHERE a=$1,$)",
        "SELECT 1 FROM t WHERE a IN ($1,$2)/*$1,$*/AND b IN (SELECT b FROM hidden)/*$1,$*/",
        "SELECT $1,$2 FROM t; DROP TABLE t",
        "SELECT E'\\'$1,$2' FROM hidden WHERE a IN ($1,$2)",
    ],
)
def test_nothing_hides_between_them(sql: str) -> None:
    assert not GUARD.check(sql).allowed
