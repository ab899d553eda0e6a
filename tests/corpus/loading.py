"""The corpus as values. In: tests/corpus/attacks/*.yaml and tests/corpus/benign/*.yaml. Out: one `Case` per statement.

A file holds related families of attacks (`family_group:`, each case names its `family`) or one group of honest statements
(`group:`), a policy for all of its cases, and the cases:

    family_group: columns       # or group: business-intelligence
    policy: demo                # policies/<name>.yaml, or tests/corpus/policies/<name>.yaml
    principal: {tenant_id: 42}  # optional: attributes for the guard
    cases:
      - id: revenue-by-month    # unique in the whole corpus, kebab-case
        sql: SELECT 1
        family: set-operations  # attacks: the technique
        works: leak             # attacks: how it shows its effect when nothing guards it (README.md)
        policy: tenant          # optional: another policy for this case
        todo: why the guard is known to decide wrongly today
        needs: libxml           # a part that not every build of PostgreSQL has
        note: for the reader

Anything else in a file is an error: a misspelled key must not switch a test off.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

__all__ = ["CORPUS", "POLICIES", "Case", "CorpusError", "Kind", "load_cases", "policy_path"]

Kind = Literal["attacks", "benign"]

CORPUS = Path(__file__).resolve().parent
POLICIES = CORPUS.parent.parent / "policies"

_FILE_KEYS = {"policy", "principal", "cases", "description"}
_CASE_KEYS = {"id", "sql", "family", "works", "policy", "principal", "todo", "ended_by", "needs", "note"}
_WORKS = {"leak", "oracle", "write", "session", "file", "load", "error"}
_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class CorpusError(ValueError):
    """A corpus file that cannot be used; the message names file and line."""


@dataclass(frozen=True)
class Case:
    """One statement of the corpus.

    Attributes:
        id: Unique in the corpus.
        group: Family of the attack, or group of the honest statement.
        sql: The text, byte for byte.
        policy: Name of the policy that decides.
        works: For attacks, what shows that it has an effect when unguarded (README.md); empty for honest statements.
        todo: Why the guard is known to decide wrongly, or an empty string.
        ended_by: For load that no text shows: what ends it behind the gate (``execution``), or an empty string.
        needs: A part of PostgreSQL that the server may lack, or an empty string.
        principal: Attributes of the asking principal, or None.
        file: Name of the file, as in ``benign/tpc.yaml``.
        line: Line of the case in the file, from 1.
    """

    id: str
    group: str
    sql: str
    policy: str
    works: str = ""
    todo: str = ""
    ended_by: str = ""
    needs: str = ""
    principal: dict[str, Any] | None = field(default=None, hash=False)
    file: str = ""
    line: int = 0

    @property
    def place(self) -> str:
        return f"{self.file}:{self.line} {self.id}"


def load_cases(kind: Kind) -> list[Case]:
    """All cases of one half of the corpus, in the order of files and lines.

    Raises:
        CorpusError: A file is not of the shape above; the message names file and line.
    """
    return list(_load(kind))


@cache
def _load(kind: Kind) -> tuple[Case, ...]:
    cases: list[Case] = []
    seen: dict[str, str] = {}
    for path in sorted((CORPUS / kind).glob("*.yaml")):
        for case in _read(path, kind):
            if case.id in seen:
                raise CorpusError(f"{case.place}: this id is taken by {seen[case.id]}")
            seen[case.id] = case.place
            cases.append(case)
    return tuple(cases)


def _read(path: Path, kind: Kind) -> list[Case]:
    name = f"{kind}/{path.name}"
    text = path.read_text(encoding="utf-8")
    root = yaml.compose(text, Loader=_Loader)
    document = yaml.load(text, Loader=_Loader)  # a SafeLoader that refuses duplicate keys
    group_key = "family_group" if kind == "attacks" else "group"
    if not isinstance(document, dict) or root is None:
        raise CorpusError(f"{name}: expected a map with {group_key} and cases")
    _no_others(document, _FILE_KEYS | {group_key}, f"{name}:1")
    group, policy, entries = document.get(group_key), document.get("policy", "demo"), document.get("cases")
    if not isinstance(group, str) or not isinstance(entries, list) or not entries:
        raise CorpusError(f"{name}:1: expected {group_key} and at least one case")
    cases = []
    for entry, line in zip(entries, _case_lines(root), strict=True):
        where = f"{name}:{line}"
        if not isinstance(entry, dict):
            raise CorpusError(f"{where}: a case is a map with id and sql")
        _no_others(entry, _CASE_KEYS, where)
        identifier, sql = entry.get("id"), entry.get("sql")
        if not isinstance(identifier, str) or not _ID.fullmatch(identifier):
            raise CorpusError(f"{where}: the id {identifier!r} is not kebab-case")
        chosen = entry.get("policy", policy)
        if not isinstance(chosen, str):
            raise CorpusError(f"{where} {identifier}: policy is not a name")
        if not isinstance(sql, str):
            raise CorpusError(f"{where} {identifier}: sql is not a text")
        family, works = entry.get("family"), entry.get("works")
        if kind == "attacks" and not (isinstance(family, str) and _ID.fullmatch(family) and works in _WORKS):
            raise CorpusError(
                f"{where} {identifier}: an attack has a family, in kebab-case, and works: {sorted(_WORKS)}"
            )
        if kind == "benign" and (family or works):
            raise CorpusError(f"{where} {identifier}: family and works belong to attacks")
        if entry.get("ended_by", "execution") != "execution" or ("ended_by" in entry and works != "load"):
            raise CorpusError(f"{where} {identifier}: ended_by is `execution`, and only load can be ended by it")
        cases.append(
            Case(
                id=identifier,
                group=family if isinstance(family, str) else group,
                sql=sql,
                policy=chosen,
                works=works or "",
                todo=entry.get("todo", ""),
                ended_by=entry.get("ended_by", ""),
                needs=entry.get("needs", ""),
                principal=entry.get("principal", document.get("principal")),
                file=name,
                line=line,
            )
        )
    return cases


def policy_path(name: str) -> Path:
    """The file of a policy: one that is shipped, else one of the corpus' own.

    Raises:
        CorpusError: Neither exists.
    """
    for candidate in (POLICIES / f"{name}.yaml", CORPUS / "policies" / f"{name}.yaml"):
        if candidate.is_file():
            return candidate
    raise CorpusError(f"no policy {name!r} in policies/ or tests/corpus/policies/")


def _case_lines(root: yaml.Node) -> list[int]:
    assert isinstance(root, yaml.MappingNode)
    for key, value in root.value:
        if key.value == "cases":
            return [item.start_mark.line + 1 for item in value.value]
    return []


def _no_others(entry: dict[str, Any], allowed: set[str], where: str) -> None:
    others = sorted(str(key) for key in entry if key not in allowed)
    if others:
        raise CorpusError(f"{where}: unknown key {', '.join(others)}")


class _Loader(yaml.SafeLoader):
    """SafeLoader that refuses a key that stands twice in one map: one of the two would be lost without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise CorpusError(f"line {node.start_mark.line + 1}: the key {key!r} stands twice")
        return super().construct_mapping(node, deep)
