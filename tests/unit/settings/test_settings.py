"""The deployment's settings: their sources in order, all errors at once, no secret in any print."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pg_guard.errors import PolicyError, UsageError
from pg_guard.settings import DatabaseSettings, load_settings

if TYPE_CHECKING:
    from pathlib import Path

YAML = """
policy: policies/all.yaml
databases:
  shop: {dsn: "postgresql://reader:hunter22@db.example/shop"}
  odd: {host: db.example, user: "re/ader", password: "p@ss", policy: odd.yaml}
model: {name: from-file, timeout: 7}
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "pg-guard.yaml"
    path.write_text(YAML, encoding="utf-8")
    return path


def test_a_file_alone(file: Path) -> None:
    settings = load_settings(file)
    assert settings.databases["shop"].uri("shop") == "postgresql://reader:hunter22@db.example/shop"
    assert settings.databases["odd"].uri("odd") == "postgresql://re%2Fader:p%40ss@db.example:5432/odd?sslmode=prefer"
    assert settings.model.timeout == 7


def test_paths_are_meant_from_the_files_directory(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    settings = load_settings(file)
    assert settings.policy == file.parent / "policies/all.yaml"
    assert settings.databases["odd"].policy == file.parent / "odd.yaml"


def test_the_environment_wins_over_the_files(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (file.parent / ".env").write_text("PG_GUARD_MODEL__NAME=from-dotenv\nPG_GUARD_MODEL__TIMEOUT=8\n", encoding="utf-8")
    monkeypatch.setenv("PG_GUARD_MODEL__NAME", "from-environment")
    settings = load_settings(file)
    assert (settings.model.name, settings.model.timeout) == ("from-environment", 8)
    assert load_settings(file, model={"name": "from-flag"}).model.name == "from-flag"


def test_databases_from_the_environment_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PG_GUARD_DATABASES__SHOP__DSN", "postgresql://db.example/shop")
    monkeypatch.setenv("PG_GUARD_POLICY", "policy.yaml")
    assert list(load_settings().databases) == ["shop"]


def test_all_errors_at_once_and_no_secret(file: Path) -> None:
    file.write_text(
        "databases: {shop: {password: hunter22, port: hunter22, colour: blue}}\nmodel: {timeout: -1}\n",
        encoding="utf-8",
    )
    with pytest.raises(PolicyError) as caught:
        load_settings(file)
    paths = {problem.path for problem in caught.value.problems}
    # The database has no policy, either.
    assert paths == {"databases", "databases.shop.port", "databases.shop.colour", "model.timeout"}
    assert "hunter22" not in "".join(map(str, caught.value.problems)) + str(caught.value)


def test_a_database_without_a_policy(file: Path) -> None:
    file.write_text("databases: {shop: {host: db.example}}", encoding="utf-8")
    with pytest.raises(PolicyError, match="no policy for the database shop"):
        load_settings(file)


def test_a_missing_file_and_one_that_is_no_yaml(file: Path) -> None:
    with pytest.raises(UsageError, match="no such settings file"):
        load_settings(file.with_name("none.yaml"))
    file.write_bytes(b"\xff\xfe: [")
    with pytest.raises(UsageError, match="cannot be read"):
        load_settings(file)


def test_no_print_shows_a_secret(file: Path) -> None:
    settings = load_settings(file)
    assert "hunter22" not in repr(settings) + str(settings) + settings.model_dump_json()


def test_a_socket_directory() -> None:
    settings = DatabaseSettings(host="/run/postgresql", database="shop")
    assert settings.uri("x") == "postgresql:///shop?host=/run/postgresql&port=5432&sslmode=prefer"
