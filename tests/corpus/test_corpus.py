"""Every attack is refused, every honest statement is allowed as it stands, and each decision is on record.

A case with `todo:` is decided wrongly today: it is expected to fail, counted in the summary, and an error as soon as
it is decided rightly. A changed decision or finding changes a snapshot; accept it with `--snapshot-update` once read.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from syrupy.extensions.single_file import SingleFileAmberSnapshotExtension

from tests.corpus.loading import load_cases

if TYPE_CHECKING:
    from collections.abc import Callable

    from _pytest.mark import ParameterSet
    from syrupy.assertion import SnapshotAssertion

    from pg_guard.decision import Decision
    from tests.corpus.loading import Case, Kind

    Decide = Callable[[Case], Decision]
    Record = Callable[[str, object], None]

# What the corpus is at least; a file that is lost must not go unseen.
HONEST_STATEMENTS, HONEST_GROUPS = 600, 15


def _params(kind: Kind) -> list[ParameterSet]:
    return [
        pytest.param(
            case,
            id=case.id,
            marks=pytest.mark.xfail(raises=AssertionError, strict=True, reason=case.todo) if case.todo else (),
        )
        for case in load_cases(kind)
    ]


def _files(kind: Kind) -> list[ParameterSet]:
    files: dict[str, list[Case]] = {}
    for case in load_cases(kind):
        files.setdefault(case.file, []).append(case)
    return [
        pytest.param(tuple(cases), id=file.partition("/")[2].removesuffix(".yaml")) for file, cases in files.items()
    ]


@pytest.mark.parametrize("case", _params("attacks"))
def test_an_attack_is_refused(case: Case, decide_attack: Decide, record_property: Record) -> None:
    decision = decide_attack(case)
    record_property("corpus", _entry("attacks", case, decision))
    if case.ended_by:
        # test_load_is_ended.py shows that the executor ends it. Once the guard sees it, the mark has to go.
        assert decision.allowed, f"{case.place} is refused now: remove ended_by"
        return
    assert not decision.allowed, f"{case.place} is allowed:\n{case.sql}"
    assert decision.sql is None
    assert decision.findings, f"{case.place} is refused without a reason"


@pytest.mark.parametrize("case", _params("benign"))
def test_an_honest_statement_is_allowed(case: Case, decide_honest: Decide, record_property: Record) -> None:
    decision = decide_honest(case)
    record_property("corpus", _entry("benign", case, decision))
    assert decision.allowed, f"{case.place} is refused:\n{case.sql}\n{_text(case, decision)}"
    # INVARIANT: nothing is rewritten, so PostgreSQL gets the text byte for byte.
    assert decision.sql == case.sql


@pytest.mark.parametrize("cases", _files("attacks"))
def test_decisions_on_attacks(cases: tuple[Case, ...], decide_attack: Decide, snapshot: SnapshotAssertion) -> None:
    text = "\n".join(_text(case, decide_attack(case)) for case in cases)
    assert text == snapshot(extension_class=SingleFileAmberSnapshotExtension)


@pytest.mark.parametrize("cases", _files("benign"))
def test_decisions_on_honest(cases: tuple[Case, ...], decide_honest: Decide, snapshot: SnapshotAssertion) -> None:
    text = "\n".join(_text(case, decide_honest(case)) for case in cases)
    assert text == snapshot(extension_class=SingleFileAmberSnapshotExtension)


def test_the_corpus_is_whole() -> None:
    honest = load_cases("benign")
    assert len(honest) >= HONEST_STATEMENTS
    assert len({case.group for case in honest}) >= HONEST_GROUPS
    texts = Counter(case.sql for case in honest)
    assert [case.place for case in honest if texts[case.sql] > 1] == [], "the same text counts twice"


def _entry(kind: Kind, case: Case, decision: Decision) -> dict[str, object]:
    # Plain values only: worker processes send them to the one that prints.
    return {
        "kind": kind,
        "place": case.place,
        "group": case.group,
        "allowed": decision.allowed,
        "rules": [finding.rule for finding in decision.findings],
        "todo": case.todo,
        "ended_by": case.ended_by,
    }


def _text(case: Case, decision: Decision) -> str:
    lines = sorted(
        f"  {finding.rule} @{finding.span.line}:{finding.span.column} {finding.message}"
        if finding.span
        else f"  {finding.rule} @- {finding.message}"
        for finding in decision.findings
    )
    return "\n".join([f"{case.id}: {decision.effect}", *lines])
