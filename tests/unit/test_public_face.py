"""What `import pg_guard` offers is a promise: this test changes only together with the changelog."""

from __future__ import annotations

import importlib.metadata
import inspect
import pickle
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pg_guard
from pg_guard.decision import Decision

FACE = {
    "Catalog",
    "CatalogError",
    "DatabaseError",
    "Decision",
    "ExecutionError",
    "Finding",
    "Guard",
    "InternalError",
    "PgGuardError",
    "Policy",
    "PolicyError",
    "Record",
    "Span",
    "Statement",
    "UNKNOWN",
    "UsageError",
    "__version__",
}


def test_the_names_are_these() -> None:
    assert set(pg_guard.__all__) == FACE
    assert len(pg_guard.__all__) == len(FACE)
    for name in FACE:
        assert getattr(pg_guard, name) is not None
    assert set(dir(pg_guard)) >= FACE


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Gaurd"):
        _ = pg_guard.Gaurd  # type: ignore[attr-defined]


def test_the_signatures_are_these() -> None:
    def parameters(function: object) -> list[str]:
        assert callable(function)
        return [str(parameter.name) for parameter in inspect.signature(function).parameters.values()]

    assert parameters(pg_guard.Guard) == ["policy", "catalog", "packs", "checks"]
    assert parameters(pg_guard.Guard.load) == ["path", "catalog", "checks"]
    assert parameters(pg_guard.Guard.check) == ["self", "sql", "principal"]
    assert parameters(pg_guard.Catalog.from_json) == ["path"]
    assert parameters(pg_guard.Catalog.to_json) == ["self", "path"]
    assert parameters(pg_guard.Catalog.from_database) == ["dsn", "timeout"]
    assert not inspect.iscoroutinefunction(pg_guard.Guard.check)
    assert inspect.iscoroutinefunction(pg_guard.Catalog.from_database)


def test_the_decision_record_has_these_keys() -> None:
    assert list(Decision("deny", None, ()).to_dict()) == [
        "schema",
        "effect",
        "allowed",
        "mode",
        "would_deny",
        "kind",
        "statement",
        "sql",
        "findings",
        "relations",
        "functions",
        "policy",
        "digests",
        "timings_us",
    ]


def test_every_error_is_in_the_tree_and_drawn_in_its_docstring() -> None:
    from pg_guard import errors

    for name in FACE:
        value = getattr(pg_guard, name)
        if name.endswith("Error"):
            assert issubclass(value, pg_guard.PgGuardError)
            assert re.search(rf"{name}\s+{value.code}\s+{value.exit_code}\b", errors.__doc__ or "") or (
                value is pg_guard.PgGuardError
            )


def test_the_version_is_that_of_the_distribution() -> None:
    assert importlib.metadata.version("pg-guard") == pg_guard.__version__


def test_the_package_is_typed() -> None:
    assert (Path(pg_guard.__file__).parent / "py.typed").is_file()


def test_decisions_pass_between_processes() -> None:
    decision = Decision("deny", None, (pg_guard.Finding("a/b", "low", "m", "r", pg_guard.Span(0, 1, 1, 1)),))
    assert pickle.loads(pickle.dumps(decision)) == decision


def test_importing_the_package_alone_is_light() -> None:
    code = "import sys, pg_guard; print([m for m in ('mcp', 'sqlglot', 'asyncpg', 'pydantic') if m in sys.modules])"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert output.stdout.strip() == "[]"
