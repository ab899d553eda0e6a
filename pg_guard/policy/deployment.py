"""A deployment's own clauses as a policy. In: what its settings say, and a policy file or none. Out: the loaded policy.

Without a file the clauses are added to the shipped policy called starter, and their numbers take the place of its own. With a
file they are laid over it as a policy that extends it: they can only narrow, and of two numbers the smaller one holds. The
file's tests that expect a refusal hold for whatever is narrower, too, so they are kept; its other tests may not.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from pg_guard.errors import PolicyError, Problem
from pg_guard.policy.document import Document, KeyPath, Place
from pg_guard.policy.load import load_policy, settle
from pg_guard.policy.narrow import narrow
from pg_guard.policy.shipped import shipped_dir

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from pg_guard.policy.load import LoadedPolicy
    from pg_guard.policy.model import Policy

__all__ = ["DeploymentClauses", "load_deployment"]

_ALL: Final = "*"
_SETTING: Final = "security."


@dataclass(frozen=True, slots=True)
class DeploymentClauses:
    """What a deployment says beside, or instead of, a policy file. Each is named as in the settings' section ``security``.

    Attributes:
        blocked_tables: Patterns of tables that may not be read.
        blocked_columns: By pattern of tables, patterns of columns that may not be read.
        require_where: Tables whose rows a condition must restrict; ``*`` stands for all.
        max_join_tables: Tables of a join at most.
        allow_explain: Whether EXPLAIN is accepted; None leaves it as it is.
        blocked_functions: Patterns of functions that may not be called.
        timeout: Seconds of a statement at most.
        max_rows: Rows of a result at most.
        search_path: Schemas that names are looked for in; None leaves them as they are.
    """

    blocked_tables: tuple[str, ...] = ()
    blocked_columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    require_where: tuple[str, ...] = ()
    max_join_tables: int | None = None
    allow_explain: bool | None = None
    blocked_functions: tuple[str, ...] = ()
    timeout: float | None = None
    max_rows: int | None = None
    search_path: tuple[str, ...] | None = None

    def __bool__(self) -> bool:
        return self != DeploymentClauses()


def load_deployment(
    clauses: DeploymentClauses, base: str | os.PathLike[str] | None, *, environ: Mapping[str, str] | None = None
) -> LoadedPolicy:
    """Load the policy of a deployment.

    Args:
        clauses: What its settings say.
        base: Its policy file; without one, the clauses stand on the shipped starter.
        environ: Where the overlay ``PG_GUARD_POLICY__…`` is taken from; the process's own environment when left out.

    Raises:
        UsageError: The file cannot be read.
        PolicyError: There are errors; it holds all of them.
    """
    path = shipped_dir("policies") / "starter.yaml" if base is None else base
    below = load_policy(path, environ=environ)
    assert below.document is not None  # it was read from a file
    if base is None:
        return settle(_added(below.document, clauses), below.files)
    if not clauses:
        return below
    document, problems = narrow(below.document, _over(below.policy, below.document, clauses))
    if problems:
        raise PolicyError(tuple(problems))
    return settle(document, below.files)


class _Writer:
    """A document in the making, each of whose values knows the setting that it comes from."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data
        self._origins: dict[KeyPath, tuple[Document, KeyPath]] = {}

    def put(self, path: KeyPath, value: Any, setting: str) -> None:
        """Set a value."""
        self._section(path)[path[-1]] = value
        self._came_from(path, setting)

    def add(self, path: KeyPath, entries: tuple[Any, ...], setting: str) -> None:
        """Add to a list."""
        if entries:
            known = self._section(path).setdefault(path[-1], [])
            for entry in entries:
                self._came_from((*path, len(known)), setting)
                known.append(entry)

    def document(self, below: Document | None = None) -> Document:
        """What was written, on top of another document or alone."""
        if below is None:
            # A list or a section is where its first entry is.
            around = {
                path[:length]: origin
                for path, origin in reversed(self._origins.items())
                for length in range(1, len(path))
            }
            return Document(_SETTING.removesuffix("."), self.data, origins=around | self._origins)
        kept = {
            path: origin
            for path, origin in below.origins.items()
            if not any(path[: len(mine)] == mine for mine in self._origins)
        }
        return replace(below, data=self.data, origins=kept | self._origins)

    def _section(self, path: KeyPath) -> dict[Any, Any]:
        target: dict[Any, Any] = self.data
        for step in path[:-1]:
            target = target.setdefault(step, {})
        return target

    def _came_from(self, path: KeyPath, setting: str) -> None:
        # What stands in the environment is not repeated in messages.
        place = Place(f"{_SETTING}{setting}", secret=True)
        self._origins[path] = (Document(place.file, {}, {path: place}), path)


def _write(writer: _Writer, clauses: DeploymentClauses) -> None:
    """The clauses that are the same with and without a file."""
    writer.add(("tables", "deny"), clauses.blocked_tables, "blocked_tables")
    for table, columns in clauses.blocked_columns.items():
        writer.add(("columns", "deny", table), columns, "blocked_columns")
    tables = list(clauses.require_where)
    if tables:
        entry = {"table": _ALL} if _ALL in tables else {"table": tables}
        writer.add(("where",), (entry,), "require_where_clause")
    writer.add(("functions", "deny"), clauses.blocked_functions, "blocked_functions")
    if clauses.search_path is not None:
        writer.put(("search_path",), list(clauses.search_path), "search_path")


def _added(below: Document, clauses: DeploymentClauses) -> Document:
    """A document with the clauses added to it."""
    writer = _Writer(copy.deepcopy(below.data))
    writer.data["metadata"] = {
        "name": "settings",
        "version": below.data["metadata"]["version"],
        "description": "What the deployment's settings say, on top of the shipped policy starter.",
    }
    # They are about the starter as it is.
    writer.data.pop("tests", None)
    _write(writer, clauses)
    if clauses.allow_explain and "explain" not in writer.data["statements"]["allow"]:
        writer.add(("statements", "allow"), ("explain",), "allow_explain")
    for path, (setting, value) in _numbers(clauses).items():
        writer.put(path, value, setting)
    return writer.document(below)


def _over(policy: Policy, below: Document, clauses: DeploymentClauses) -> Document:
    """A document to be laid over another: what it says can only narrow."""
    data: dict[str, Any] = {key: below.data[key] for key in ("schema", "metadata") if key in below.data}
    if tests := [test for test in below.data.get("tests", ()) if test["expect"] == "deny"]:
        data["tests"] = tests
    writer = _Writer(data)
    _write(writer, clauses)
    kinds = list(policy.statements.allow)
    if clauses.allow_explain is False and "explain" in kinds:
        kinds.remove("explain")
        writer.put(("statements", "allow"), kinds, "allow_explain")
    elif clauses.allow_explain and "explain" not in kinds:
        message = f"the policy {below.file} does not allow explain"
        hint = "add explain to statements.allow there: settings can only narrow what a policy file allows"
        raise PolicyError((Problem(message, file=f"{_SETTING}allow_explain", hint=hint),))
    for (section, name), (setting, value) in _numbers(clauses).items():
        known = getattr(getattr(policy, section), name)
        if known is None or value < known:
            writer.put((section, name), value, setting)
    return writer.document()


def _numbers(clauses: DeploymentClauses) -> dict[tuple[str, str], tuple[str, float]]:
    """By key path of a policy, the setting that gives it a number, and the number."""
    numbers = {
        ("joins", "max_tables"): ("max_join_tables", clauses.max_join_tables),
        ("limits", "statement_timeout"): ("timeout", clauses.timeout),
        ("limits", "rows"): ("max_rows", clauses.max_rows),
    }
    return {path: (setting, value) for path, (setting, value) in numbers.items() if value is not None}
