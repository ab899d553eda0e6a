"""Kleene's logic over records: what a rule fires on, and on which records."""

from __future__ import annotations

from itertools import product
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pg_guard.catalog.model import Name
from pg_guard.checks.matching import FALSE, TRUE, UNSURE, All, AnyOf, Condition, Index, NotOf, solve
from pg_guard.checks.terms import UNKNOWN, Attribute, Fact, Possible, View, amounts, one_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pg_guard.checks.matching import Fired, Match

VIEW: Any = SimpleNamespace()


def fact(records: Iterable[Any], *, certain: bool = True, name: str = "thing") -> Fact:
    kept = tuple(records)
    return Fact(
        name,
        "",
        lambda _: kept,
        (
            Attribute("name", "text", "", lambda _, record: record.name),
            Attribute("flag", "flag", "", lambda _, record: record.flag),
            *amounts("size", "", lambda _, record: record.size),
            Attribute("both", "flag", "", lambda _, record, wanted: record.flag and wanted(record.name), needs="name"),
        ),
        place=lambda record: 0,
        certain=lambda record: certain,
    )


def thing(name: Any = "a", flag: Any = True, size: Any = 1.0) -> Any:
    return SimpleNamespace(name=name, flag=flag, size=size)


def ask(match: Match) -> tuple[int, tuple[Fired, ...]]:
    hits, failures = Index([match]).ask(VIEW)
    assert failures == []
    return solve(match, hits)


def is_a(value: Any) -> bool:
    return bool(value == "a")


@pytest.mark.parametrize(
    ("value", "truth"),
    [
        ("a", TRUE),
        ("b", FALSE),
        (None, FALSE),
        (UNKNOWN, UNSURE),
        (Possible(("a", "b")), UNSURE),
        (Possible(("a", "a")), TRUE),
        (Possible(("b", "c")), FALSE),
        (frozenset({"a", "b"}), TRUE),
        (frozenset({"b"}), FALSE),
        (frozenset({"b", UNKNOWN}), UNSURE),
        (frozenset({"a", UNKNOWN}), TRUE),
        (Possible((frozenset({"a"}), frozenset({"b"}))), UNSURE),
        (Possible((frozenset({"a"}), frozenset({"a", "b"}))), TRUE),
    ],
)
def test_a_condition_is_true_false_or_unknown_by_the_value(value: Any, truth: int) -> None:
    condition = Condition(fact([thing(value)]), {"name": is_a})
    assert ask(condition)[0] == truth
    assert ask(NotOf(condition))[0] == TRUE - truth


def test_every_attribute_must_hold_on_the_same_record() -> None:
    tests = {"name": is_a, "flag": lambda value: value is True}
    assert ask(Condition(fact([thing("a", flag=False), thing("b", flag=True)]), tests))[0] == FALSE
    truth, fired = ask(Condition(fact([thing("a", flag=False), thing("a", flag=True)]), tests))
    assert truth == TRUE
    assert [each.record.flag for each in fired] == [True]


def test_an_unknown_attribute_beside_one_that_fails_is_false() -> None:
    tests = {"name": is_a, "flag": lambda value: value is True}
    assert ask(Condition(fact([thing("b", flag=UNKNOWN)]), tests)) == (FALSE, ())
    assert ask(Condition(fact([thing("a", flag=UNKNOWN)]), tests))[0] == UNSURE


def test_a_record_that_may_not_be_there_is_unknown() -> None:
    assert ask(Condition(fact([thing("a")], certain=False), {"name": is_a}))[0] == UNSURE


def test_one_sure_record_makes_it_true_and_the_unsure_are_told_too() -> None:
    truth, fired = ask(Condition(fact([thing(UNKNOWN), thing("b"), thing("a")]), {"name": is_a}))
    assert truth == TRUE
    assert [each.certain for each in fired] == [False, True]


def test_a_condition_without_attributes_holds_for_any_record() -> None:
    assert ask(Condition(fact([thing()]), {}))[0] == TRUE
    assert ask(Condition(fact([]), {}))[0] == FALSE


def test_numbers_are_compared_and_may_be_unknown() -> None:
    def over(size: Any) -> int:
        return ask(Condition(fact([thing(size=size)]), {"size_over": lambda value: value > 10}))[0]

    assert [over(10.0), over(11.0), over(UNKNOWN), over(None)] == [FALSE, TRUE, UNSURE, FALSE]


def test_an_attribute_about_another_is_asked_for_each_condition_by_itself() -> None:
    things = fact([thing("a"), thing("b")])
    first = Condition(things, {"name": is_a, "both": lambda value: value is True})
    second = Condition(things, {"name": lambda _: True, "both": lambda value: value is True})
    hits, _ = Index([first, second]).ask(VIEW)
    assert [each.record.name for each in hits[first]] == ["a"]
    assert [each.record.name for each in hits[second]] == ["a", "b"]


TRUTHS = {TRUE: "a", UNSURE: UNKNOWN, FALSE: "b"}


@pytest.mark.parametrize(("one", "other"), list(product(TRUTHS, repeat=2)))
def test_any_all_and_not_follow_kleene(one: int, other: int) -> None:
    def parts() -> tuple[Match, ...]:
        return tuple(
            Condition(fact([thing(TRUTHS[truth])], name=f"fact{truth}"), {"name": is_a}) for truth in (one, other)
        )

    assert ask(AnyOf(parts()))[0] == max(one, other)
    assert ask(All(parts()))[0] == min(one, other)
    assert ask(NotOf(AnyOf(parts())))[0] == TRUE - max(one, other)
    assert ask(NotOf(All(parts())))[0] == TRUE - min(one, other)


def test_the_first_condition_of_all_gives_the_place_and_the_others_have_a_part() -> None:
    first = Condition(fact([thing("a", size=1.0), thing("a", size=2.0)], name="first"), {"name": is_a})
    second = Condition(fact([thing("a", size=3.0)], name="second"), {"name": is_a})
    absent = NotOf(Condition(fact([], name="third"), {}))
    truth, fired = ask(All((absent, first, second)))
    assert truth == TRUE
    assert [each.record.size for each in fired] == [1.0, 2.0]
    assert [[other.record.size for other in each.others] for each in fired] == [[3.0], [3.0]]


def test_records_of_a_branch_that_fails_are_not_told() -> None:
    met = Condition(fact([thing("a", size=1.0)], name="first"), {"name": is_a})
    unmet = Condition(fact([thing("b", size=2.0)], name="second"), {"name": is_a})
    assert ask(All((met, unmet))) == (FALSE, ())
    assert [each.record.size for each in ask(AnyOf((met, unmet)))[1]] == [1.0]
    assert [each.record.size for each in ask(AnyOf((All((met, unmet)), met)))[1]] == [1.0]


names = st.sampled_from(["a", "b", "c", None, UNKNOWN, Possible(("a", "b")), frozenset({"a", "c"})])
flags = st.sampled_from([True, False, UNKNOWN])
sizes = st.sampled_from([1.0, 5.0, None, UNKNOWN])
records = st.lists(st.builds(thing, names, flags, sizes), max_size=4)
wanted = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from("abc").map(lambda text: lambda value: value == text),
        "flag": st.booleans().map(lambda flag: lambda value: value is flag),
        "size_over": st.sampled_from([0, 3, 9]).map(lambda bound: lambda value: value > bound),
    },
)


def plainly(record: Any, tests: Any) -> int:
    """The same by the definition, one attribute after the other."""
    truth = TRUE
    for name, test in tests.items():
        value = getattr(record, name.removesuffix("_over"))
        if isinstance(value, Possible):
            met = {TRUE if test(each) else FALSE for each in value.values}
            own = met.pop() if len(met) == 1 else UNSURE
        elif isinstance(value, frozenset):
            own = TRUE if any(map(test, value)) else FALSE
        else:
            own = FALSE if value is None else UNSURE if value is UNKNOWN else TRUE if test(value) else FALSE
        truth = min(truth, own)
    return truth


@given(records, st.lists(wanted, min_size=1, max_size=5))
def test_asking_all_conditions_at_once_is_asking_each_by_itself(drawn: list[Any], written: list[Any]) -> None:
    things = fact(drawn)
    asked = [Condition(things, tests) for tests in written]
    hits, _ = Index(asked).ask(VIEW)
    for condition in asked:
        expected = max((plainly(record, condition.tests) for record in drawn), default=FALSE)
        assert solve(condition, hits)[0] == expected
        fired = [(id(each.record), each.certain) for each in hits.get(condition, ())]
        assert fired == [
            (id(each), plainly(each, condition.tests) == TRUE) for each in drawn if plainly(each, condition.tests)
        ]


def test_a_fact_that_fails_does_not_hide_the_others() -> None:
    def broken(view: View) -> Any:
        raise RuntimeError("boom")

    good = Condition(fact([thing("a")]), {"name": is_a})
    bad = Condition(Fact("broken", "", broken, ()), {})
    hits, failures = Index([bad, good]).ask(VIEW)
    assert list(hits) == [good]
    assert [(each.name, type(error)) for each, error in failures] == [("broken", RuntimeError)]


def test_an_attribute_is_not_asked_for_when_no_condition_is_left_that_wants_it() -> None:
    asked: list[str] = []
    counted = Fact(
        "counted",
        "",
        lambda _: (thing("a"), thing("b")),
        (
            Attribute("name", "text", "", lambda _, record: record.name),
            Attribute("costly", "flag", "", lambda _, record: asked.append(record.name) or True),
        ),
    )
    hits, _ = Index([Condition(counted, {"name": is_a, "costly": lambda value: value})]).ask(VIEW)
    assert len(hits) == 1
    assert asked == ["a"]


def test_long_texts_are_not_kept() -> None:
    many = frozenset({"x" * 3000, "y" * 3000, UNKNOWN})
    condition = Condition(fact([thing("x" * 10_000), thing(Name("a", "b")), thing(many)]), {"name": is_a})
    index = Index([condition])
    index.ask(VIEW)
    (column,) = index._facts[0]._columns
    assert list(column.kept) == [Name("a", "b")]


def test_one_of_nothing_is_unknown() -> None:
    assert one_of([]) is UNKNOWN
    assert one_of(["a", "a"]) == "a"
    assert one_of(["a", "b"]) == Possible(("a", "b"))
