"""Pages of a result: whole together, for the one who asked, once, for a while."""

from __future__ import annotations

from pg_guard.decision import Decision
from pg_guard.entry.mcp.cursors import Cursors
from pg_guard.execute.executor import QueryResult, ResultColumn

DECISION = Decision("allow", "SELECT n", ())


def version_1(_: str) -> str:
    return "1"


def result(rows: int, *, truncated: bool = False) -> QueryResult:
    return QueryResult((ResultColumn("n", "int4"),), [[n] for n in range(rows)], rows, truncated, 1.0)


def test_pages_together_are_the_result() -> None:
    cursors = Cursors()
    page = cursors.first("a", "shop", DECISION, result(7), 3, "1")
    rows, places = list(page.result.rows), [page.first_row]
    while page.cursor is not None:
        following = cursors.next("a", page.cursor, version_1)
        assert following is not None
        page = following
        rows += page.result.rows
        places.append(page.first_row)
        assert page.database == "shop"
    assert rows == [[n] for n in range(7)]
    assert places == [0, 3, 6]


def test_a_result_of_one_page_has_no_cursor() -> None:
    assert Cursors().first("a", "shop", DECISION, result(3), 3, "1").cursor is None


def test_a_cursor_is_of_no_use_to_others_and_stays_good_for_its_owner() -> None:
    cursors = Cursors()
    cursor = cursors.first("a", "shop", DECISION, result(4), 2, "1").cursor
    assert cursor is not None
    assert cursors.next("b", cursor, version_1) is None
    assert cursors.next("a", cursor, version_1) is not None
    assert cursors.next("a", cursor, version_1) is None


def test_a_cursor_that_is_too_old_gives_nothing() -> None:
    cursors = Cursors(seconds=-1)
    cursor = cursors.first("a", "shop", DECISION, result(4), 2, "1").cursor
    assert cursor is not None
    assert cursors.next("a", cursor, version_1) is None


def test_the_oldest_results_go_first() -> None:
    cursors = Cursors(most=2)
    made = [cursors.first("a", "shop", DECISION, result(4), 2, "1").cursor for _ in range(3)]
    found = [cursors.next("a", cursor, version_1) is not None for cursor in made if cursor is not None]
    assert found == [False, True, True]


def test_a_cursor_ends_with_the_policy_that_allowed_it() -> None:
    cursors = Cursors()
    versions: dict[str, str | None] = {"shop": "2"}
    for now in ("2", None):
        versions["shop"] = now
        cursor = cursors.first("a", "shop", DECISION, result(4), 2, "1").cursor
        assert cursor is not None
        assert cursors.next("a", cursor, versions.get) is None
        assert cursors.next("a", cursor, version_1) is None
