"""The pytest plugin. In: options and settings of pytest. Out: fixtures, and YAML tests as items when asked for.

It comes with every installation of pg-guard, so it does nothing unless a fixture is used or ``--pg-guard-collect`` is
given, and imports nothing of pg-guard before.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pg_guard.catalog.model import Catalog
    from pg_guard.guard import Guard
    from pg_guard.testing.model import Case, Result
    from pg_guard.testing.policies import PolicyTests
    from pg_guard.testing.rules import RuleTests

__all__ = ["guard", "pg_guard_catalog", "pg_guard_policy", "pytest_addoption", "pytest_collect_file"]

_CATALOG: pytest.StashKey[Catalog] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options and settings."""
    group = parser.getgroup("pg-guard", "pg-guard: policies for SQL")
    group.addoption("--pg-guard-policy", metavar="FILE", help="the policy of the fixture `guard`")
    group.addoption("--pg-guard-catalog", metavar="FILE", help="the catalog snapshot under which names are resolved")
    group.addoption(
        "--pg-guard-collect", action="store_true", help="collect the tests that policies and rules hold, as items"
    )
    parser.addini("pg_guard_policy", "the policy of the fixture `guard`, relative to this file's directory")
    parser.addini("pg_guard_catalog", "a catalog snapshot, relative to this file's directory")


@pytest.fixture(scope="session")
def pg_guard_policy(pytestconfig: pytest.Config) -> Path:
    """The policy file that ``--pg-guard-policy`` or the setting ``pg_guard_policy`` names."""
    path = _setting(pytestconfig, "pg_guard_policy")
    if path is None:
        raise pytest.UsageError("no policy: give --pg-guard-policy FILE, or set pg_guard_policy in pytest's settings")
    return path


@pytest.fixture(scope="session")
def pg_guard_catalog(pytestconfig: pytest.Config) -> Catalog | None:
    """The snapshot that ``--pg-guard-catalog`` or the setting ``pg_guard_catalog`` names; None when neither does."""
    return _catalog(pytestconfig)


@pytest.fixture(scope="session")
def guard(pg_guard_policy: Path, pg_guard_catalog: Catalog | None) -> Guard:
    """A guard with the policy, on the catalog if there is one."""
    from pg_guard.guard import Guard

    return Guard.load(pg_guard_policy, catalog=pg_guard_catalog)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect a policy or a rule, known by its key ``schema``."""
    if not parent.config.getoption("--pg-guard-collect") or file_path.suffix.lower() not in (".yaml", ".yml"):
        return None
    from pg_guard.testing.discover import kind_of

    if kind_of(file_path) not in ("policy", "rule"):
        return None
    # pytest types the keyword arguments of a node's constructor loosely.
    collector: pytest.Collector = _YamlFile.from_parent(parent, path=file_path)
    return collector


class _YamlFile(pytest.File):
    """One policy or rule."""

    def collect(self) -> Iterator[pytest.Item]:
        """An item for each test."""
        from pg_guard.testing.discover import kind_of

        name = str(self.path)
        tests: PolicyTests | RuleTests
        if kind_of(self.path) == "rule":
            from pg_guard.testing.rules import load_rule_tests
            from pg_guard.testing.run import catalog_for_tests

            tests = load_rule_tests(name, catalog_for_tests)
        else:
            from pg_guard.testing.policies import load_policy_tests

            tests = load_policy_tests(name, _catalog(self.config))
        for case in tests.cases:
            yield _YamlItem.from_parent(self, name=case.name, case=case, tests=tests)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:  # noqa: ARG002 - the hook's form
        """A file that cannot be used, with every problem on a line; anything else as pytest shows it."""
        from pg_guard.errors import PgGuardError, PolicyError

        if isinstance(excinfo.value, PolicyError):
            return "\n".join(str(problem) for problem in excinfo.value.problems)
        if isinstance(excinfo.value, PgGuardError):
            return str(excinfo.value)
        return super().repr_failure(excinfo)


class _FailedError(Exception):
    """A test that did not come out as expected."""

    def __init__(self, result: Result) -> None:
        super().__init__(result.failure)
        self.result = result


class _YamlItem(pytest.Item):
    """One test of a policy or a rule."""

    def __init__(self, *, case: Case, tests: PolicyTests | RuleTests, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.case = case
        self.tests = tests

    def runtest(self) -> None:
        """Decide the statement and compare."""
        result = self.tests.run(self.case)
        if result.failure:
            raise _FailedError(result)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:  # noqa: ARG002 - the hook's form
        """What was expected, the statement and the findings."""
        if not isinstance(excinfo.value, _FailedError):
            return super().repr_failure(excinfo)
        from pg_guard.testing.assertions import describe

        result = excinfo.value.result
        return f"{self.case.place}: {self.case.id}: {result.failure}\n{describe(result.case.sql, result.findings)}"

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """Where the test stands."""
        return self.path, max(self.case.line - 1, 0), self.case.id


def _setting(config: pytest.Config, name: str) -> Path | None:
    option = config.getoption("--" + name.replace("_", "-"))
    if option:
        return Path(config.invocation_params.dir, option)
    value = config.getini(name)
    return Path(config.inipath.parent if config.inipath is not None else config.rootpath, value) if value else None


def _catalog(config: pytest.Config) -> Catalog | None:
    if _CATALOG not in config.stash:
        path = _setting(config, "pg_guard_catalog")
        if path is None:
            return None
        from pg_guard.catalog.model import Catalog

        config.stash[_CATALOG] = Catalog.from_json(path)
    return config.stash[_CATALOG]
