"""The schema that SARIF tests validate by refuses what the official one refuses."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest

from tests.sarif import problems

if TYPE_CHECKING:
    from collections.abc import Callable

VALID: dict[str, Any] = {
    "$schema": "https://example.com/sarif.json",
    "version": "2.1.0",
    "runs": [
        {
            "tool": {"driver": {"name": "x", "rules": []}},
            "columnKind": "utf16CodeUnits",
            "results": [
                {
                    "ruleId": "a",
                    "message": {"text": "b"},
                    "level": "error",
                    "partialFingerprints": {"primaryLocationLineHash": "ab:1"},
                    "locations": [
                        {
                            "physicalLocation": {
                                "artifactLocation": {"uri": "a.sql", "uriBaseId": "SRCROOT"},
                                "region": {"startLine": 1, "startColumn": 1, "endLine": 1, "endColumn": 2},
                            }
                        }
                    ],
                    "suppressions": [{"kind": "inSource"}],
                }
            ],
        }
    ],
}


def result(log: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = log["runs"][0]["results"][0]
    return found


def region(log: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = result(log)["locations"][0]["physicalLocation"]["region"]
    return found


def test_a_valid_log_has_no_problem() -> None:
    assert problems(VALID) == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda log: log.pop("version"),
        lambda log: log.update(version="2.0.0"),
        lambda log: log.pop("runs"),
        lambda log: log["runs"][0].pop("tool"),
        lambda log: log["runs"][0].update(columnKind="bytes"),
        lambda log: log["runs"][0]["tool"]["driver"].pop("name"),
        lambda log: log["runs"][0]["tool"]["driver"].update(rules=[{"name": "without id"}]),
        lambda log: result(log).pop("message"),
        lambda log: result(log).update(message={"markdown": "x"}),
        lambda log: result(log).update(level="fatal"),
        lambda log: result(log).update(unknown=1),
        lambda log: result(log).update(partialFingerprints={"primaryLocationLineHash": 1}),
        lambda log: result(log).update(suppressions=[{"justification": "no kind"}]),
        lambda log: result(log).update(suppressions=[{"kind": "inSource", "state": "accepted"}]),
        lambda log: result(log).update(baselineState="known"),
        lambda log: region(log).update(startLine=0),
        lambda log: region(log).update(startColumn=0),
        lambda log: region(log).pop("startLine"),
        lambda log: result(log)["locations"][0]["physicalLocation"].pop("artifactLocation"),
    ],
    ids=range(19),
)
def test_a_damaged_log_has_one(damage: Callable[[dict[str, Any]], object]) -> None:
    log = copy.deepcopy(VALID)
    damage(log)
    assert problems(log)
