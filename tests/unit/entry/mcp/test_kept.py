"""What waits for clients is bounded by number and size, and nobody drives out what others wait for."""

from __future__ import annotations

from pg_guard.entry.mcp.kept import Kept


def test_a_value_is_taken_once_and_by_its_owner_alone() -> None:
    kept: Kept[str] = Kept()
    name = kept.put("a", "value", 10)
    assert kept.take("b", name) is None
    assert kept.take("a", name) == "value"
    assert kept.take("a", name) is None


def test_who_has_the_most_loses_the_oldest() -> None:
    kept: Kept[int] = Kept(most=4)
    quiet = kept.put("quiet", 0)
    loud = [kept.put("loud", number) for number in range(10)]
    assert kept.take("quiet", quiet) == 0
    assert [kept.take("loud", name) for name in loud] == [None] * 7 + [7, 8, 9]


def test_together_they_have_a_size_and_the_newest_stays() -> None:
    kept: Kept[str] = Kept(most_bytes=100)
    quiet = kept.put("quiet", "small", 10)
    first = kept.put("loud", "first", 40)
    second = kept.put("loud", "second", 45)
    third = kept.put("loud", "third", 45)
    assert kept.take("loud", first) is None
    assert kept.take("loud", second) == "second"
    assert kept.take("quiet", quiet) == "small"
    assert kept.take("loud", third) == "third"
    huge = kept.put("loud", "huge", 10_000)
    assert kept.take("loud", huge) == "huge"


def test_what_has_no_size_gives_way_too() -> None:
    kept: Kept[str] = Kept(most_bytes=100)
    names = [kept.put("a", "empty") for _ in range(5)]
    huge = kept.put("b", "huge", 200)
    assert [kept.take("a", name) for name in names] == [None] * 5
    assert kept.take("b", huge) == "huge"
