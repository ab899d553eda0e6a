"""The packs that only warn, on honest statements: what they say is known here, one by one, so that noise is a failing test.

Rules on style and previews speak often and are counted instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pg_guard.guard import Guard
from pg_guard.policy.packs import load_pack
from pg_guard.policy.shipped import shipped_dir
from tests.corpus.loading import load_cases

if TYPE_CHECKING:
    from pg_guard.catalog.model import Catalog

SPOKEN = {
    "performance/PG411": {"pd-typeconv-union", "rs-around-20"},
    "performance/PG416": {"lex-long-in-list"},
    "quality/PG505": {
        "agg-array-agg-ordered", "agg-array-agg-slice", "agg-json-agg", "arr-aggregate-compare", "ev-06", "ev-13",
        "join-using", "join-using-with-customers", "js-row-to-json-subquery", "pd-queries-with-factorised", "str-parse-path",
        "uuid-values", "we-condition-32", "we-in-list", "we-join-on-customer",
    },
    "quality/PG506": {"limit-all"},
    "quality/PG508": {"ar-rating-distribution"},
    "quality/PG511": {"dt-between-symmetric", "rs-between-and-equal", "h7-volume-shipping", "we-between"},
    "quality/PG513": {
        "join-natural", "join-natural-left", "nm-natural-join-of-derived", "pc-self-join-natural-subqueries", "rs-held-23",
        "we-condition-20",
    },
    "quality/PG514": {"pd-queries-lateral-circle"},
    "quality/PG515": {"cte-unused"},
    "quality/PG516": {"agg-having-only", "tb-having-hack"},
    "quality/PG519": {"lm-low-stock", "mb-share-of-where", "mb-uncompiled-boolean", "ml-boolean-comparison"},
    "quality/PG520": {"cast-char-types", "fmt-currency", "lex-national-string", "ml-boolean-comparison", "sx-type-names"},
    "quality/PG521": {"dt-typed-literals", "sx-type-names"},
    "quality/PG523": {"lk-liquid-true", "rd-parameterised-report", "rs-held-13", "se-false-filter", "sx-no-from-where"},
    "quality/PG526": {
        "ar-overlapping-availability", "ar-store-distance", "ar-top-n-lateral", "cte-referenced-thrice", "h18-large-volume-customer",
        "join-full-outer", "join-inner-left-right-full", "join-parenthesised", "join-self-inequality", "like-non-constant",
        "ml-cross-sell", "nm-merge-column-of-using", "nm-two-ctes-same-inner-name", "rs-self-join",
        "rs-untouched-tables-are-free", "str-levenshtein-free-similarity", "t2s-store-region",
    },
    "quality/PG532": {"dt-special-values", "ev-part-40"},
}  # fmt: skip
COUNTED = {"quality/PG500": 25, "quality/PG509": 65, "quality/PG510": 60, "quality/PG534": 240}
"""On style, at severity info: most statements that each may speak of."""


@pytest.fixture(scope="session")
def heard(demo_catalog: Catalog) -> dict[str, set[str]]:
    """By rule, the honest statements that it speaks of."""
    packs = [load_pack(shipped_dir("rules") / name) for name in ("performance", "quality")]
    guard = Guard.from_packs(packs, demo_catalog)
    found: dict[str, set[str]] = {}
    for case in load_cases("benign"):
        for finding in guard.check(case.sql).findings:
            found.setdefault(finding.rule, set()).add(case.id)
    return found


def test_what_the_packs_say_of_honest_statements_is_known(heard: dict[str, set[str]]) -> None:
    assert {rule: cases for rule, cases in heard.items() if rule not in COUNTED} == SPOKEN


@pytest.mark.parametrize(("rule", "most"), COUNTED.items())
def test_style_is_no_louder_than_it_was(heard: dict[str, set[str]], rule: str, most: int) -> None:
    assert 0 < len(heard[rule]) <= most
