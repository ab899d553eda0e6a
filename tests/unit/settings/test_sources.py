"""Where settings come from: secrets in files, names that nothing knows, the order of sources, and who said what."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pg_guard.errors import PolicyError, UsageError
from pg_guard.settings import load_settings
from pg_guard.settings.container import container_sign

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("PG_GUARD_")]:
        monkeypatch.delenv(name)
    return tmp_path


def problems(file: Path | None = None) -> list[str]:
    with pytest.raises(PolicyError) as caught:
        load_settings(file)
    return [str(problem) for problem in caught.value.problems]


def test_secrets_from_files_of_every_source(empty_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {"key": "sk-1\n", "pw": " two words\r\n", "token": "t\n\n"}.items():
        (empty_directory / name).write_bytes(text.encode())
    (empty_directory / ".env").write_text("PG_GUARD_OBSERVABILITY__TOKEN_FILE=token\n", encoding="utf-8")
    file = empty_directory / "pg-guard.yaml"
    file.write_text("policy: p.yaml\ndatabases: {shop: {password_file: pw}}\n", encoding="utf-8")
    monkeypatch.setenv("PG_GUARD_MODEL__KEY_FILE", str(empty_directory / "key"))
    settings = load_settings(file)
    assert settings.model.key is not None
    assert settings.model.key.get_secret_value() == "sk-1"
    password = settings.databases["shop"].password
    assert password is not None
    assert password.get_secret_value() == " two words"  # only the last line break goes
    assert settings.observability.token is not None
    assert settings.observability.token.get_secret_value() == "t\n"
    assert {path.name for path in settings.files} == {"pg-guard.yaml", ".env", "key", "pw", "token"}
    assert all(path.is_absolute() for path in settings.files)


def test_a_secret_of_the_environment_wins_over_a_file_that_a_lower_source_names(
    empty_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (empty_directory / "key").write_text("from-file", encoding="utf-8")
    (empty_directory / ".env").write_text("PG_GUARD_MODEL__KEY_FILE=key\n", encoding="utf-8")
    assert load_settings().model.key.get_secret_value() == "from-file"  # type: ignore[union-attr]
    monkeypatch.setenv("PG_GUARD_MODEL__KEY", "from-environment")
    assert load_settings().model.key.get_secret_value() == "from-environment"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "no such file"), (b"", "is empty"), (b"\n", "is empty"), (b"\xff\xfe", "no text"), (b"a\0b", "NUL")],
)
def test_files_that_hold_no_secret(
    empty_directory: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, said: str
) -> None:
    if content is not None:
        (empty_directory / "key").write_bytes(content)
    monkeypatch.setenv("PG_GUARD_MODEL__KEY_FILE", "key")
    (problem,) = problems()
    assert said in problem
    assert "model.key_file" in problem


def test_a_secret_and_its_file(empty_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (empty_directory / "key").write_text("s3cret", encoding="utf-8")
    monkeypatch.setenv("PG_GUARD_MODEL__KEY_FILE", "key")
    monkeypatch.setenv("PG_GUARD_MODEL__KEY", "s3cret-too")
    (problem,) = problems()
    assert "both give the value" in problem
    assert "s3cret" not in problem


def test_the_audit_logs_own_key_file_is_still_a_path(empty_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (empty_directory / "key").write_bytes(os.urandom(40))  # no text: the audit log reads it as bytes
    monkeypatch.setenv("PG_GUARD_AUDIT__KEY_FILE", "key")
    settings = load_settings()
    assert settings.audit.key is None
    assert str(settings.audit.key_file) == "key"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("PG_GUARD_SECURTY__BLOCKED_TABLES", "PG_GUARD_SECURITY__BLOCKED_TABLES"),
        ("PG_GUARD_SECURITY__BLOCKED_TABLE", "did you mean blocked_tables?"),
        ("PG_GUARD_NONSENSE", "remove it"),
        # Kubernetes' own names end so, too.
        ("PG_GUARD_DATABASE__SHOP__PORT", "PG_GUARD_DATABASES__SHOP__PORT"),
        ("pg_guard_nonsense", "remove it"),
        # The overlay of policies, and commands, read names as they are written here.
        ("pg_guard_policy__tables__deny", "write PG_GUARD_POLICY__TABLES__DENY"),
        ("PG_GUARD_policy__mode", "write PG_GUARD_POLICY__MODE"),
        ("pg_guard_dsn", "write PG_GUARD_DSN"),
    ],
)
def test_a_mistyped_variable_is_no_silence(monkeypatch: pytest.MonkeyPatch, name: str, hint: str) -> None:
    monkeypatch.setenv(name, '["hr.*"]')
    (problem,) = problems()
    assert hint in problem


def test_a_mistyped_variable_of_dotenv(empty_directory: Path) -> None:
    (empty_directory / ".env").write_text("PG_GUARD_SECURTY__MAX_ROWS=1\nOTHERS=1\n", encoding="utf-8")
    (problem,) = problems()
    assert problem.startswith(".env")


def test_variables_that_others_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kubernetes gives these to every pod beside a Service called pg-guard."""
    before = load_settings().model_dump()
    for name in (
        "PG_GUARD_SERVICE_HOST",
        "PG_GUARD_SERVICE_PORT",
        "PG_GUARD_SERVICE_PORT_HTTP",
        "PG_GUARD_PORT",
        "PG_GUARD_PORT_8080_TCP",
        "PG_GUARD_PORT_8080_TCP_ADDR",
        "PG_GUARD_METRICS_SERVICE_HOST",
        "PG_GUARD_DSN",
        "PG_GUARD_DEBUG",
        "PG_GUARD_KEY_PASSPHRASE",
    ):
        monkeypatch.setenv(name, "tcp://10.0.0.1:80")
    assert load_settings().model_dump() == before


def test_mistyped_and_repeated_keys_of_a_file_with_their_lines(empty_directory: Path) -> None:
    file = empty_directory / "pg-guard.yaml"
    file.write_text("securty: {}\nmodel: {timeout: 1}\nlogging: {levle: info}\nmodel: {timeout: 2}\n", encoding="utf-8")
    said = problems(file)
    assert any(each.startswith(f"{file}:1:1: securty") and "did you mean security" in each for each in said)
    assert any(each.startswith(f"{file}:3:11: logging.levle") and "did you mean level" in each for each in said)
    assert any(each.startswith(f"{file}:4:1: model: is there twice") for each in said)
    assert len(said) == 3


def test_lists_that_are_no_json_and_all_other_mistakes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PG_GUARD_SECURITY__BLOCKED_TABLES", "audit_*,hr.*")
    monkeypatch.setenv("PG_GUARD_SECURITY__BLOCKED_COLUMNS", "{users: password}")
    monkeypatch.setenv("PG_GUARD_SECURITY__MAX_ROWS", "many")
    monkeypatch.setenv("PG_GUARD_DATABASES__SHOP__HOST", "db")
    said = problems()
    assert sum("write lists and maps as JSON" in each for each in said) == 2
    assert any(each.startswith("PG_GUARD_SECURITY__MAX_ROWS: ") for each in said)
    assert len(said) == 3  # `security` says something, so the database has a policy


def test_a_database_without_a_policy_is_told_together_with_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PG_GUARD_DATABASES__SHOP__HOST", "db")
    monkeypatch.setenv("PG_GUARD_DATABASES__SHOP__PORT", "http")
    assert len(problems()) == 2


def test_security_that_blocks_nothing_is_no_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PG_GUARD_DATABASES__SHOP__HOST", "db")
    monkeypatch.setenv("PG_GUARD_SECURITY__ROLE", "reader")
    monkeypatch.setenv("PG_GUARD_SECURITY__MAX_ROWS", "5")
    (problem,) = problems()
    assert "no policy for the database shop" in problem


def test_two_policy_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PG_GUARD_POLICY", "a.yaml")
    monkeypatch.setenv("PG_GUARD_SECURITY__POLICY_FILE", "b.yaml")
    (problem,) = problems()
    assert "give one of them" in problem


def test_the_policy_file_under_either_name_and_roles(empty_directory: Path) -> None:
    file = empty_directory / "pg-guard.yaml"
    file.write_text(
        "security: {policy_file: p/a.yaml, role: reader}\ndatabases: {a: {}, b: {role: other, policy: b.yaml}}\n",
        encoding="utf-8",
    )
    settings = load_settings(file)
    assert settings.policy_of("a") == empty_directory / "p/a.yaml"
    assert settings.policy_of("b") == empty_directory / "b.yaml"
    assert (settings.role_of("a"), settings.role_of("b")) == ("reader", "other")


def test_each_value_knows_its_source(empty_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = empty_directory / "pg-guard.yaml"
    file.write_text("model: {timeout: 1, name: a, max_tokens: 7, temperature: 1}\n", encoding="utf-8")
    (empty_directory / ".env").write_text("PG_GUARD_MODEL__NAME=b\nPG_GUARD_MODEL__MAX_TOKENS=8\n", encoding="utf-8")
    monkeypatch.setenv("PG_GUARD_MODEL__MAX_TOKENS", "9")
    settings = load_settings(file, model={"temperature": 0})
    assert (settings.model.timeout, settings.model.name, settings.model.max_tokens) == (1, "b", 9)
    assert settings.origins["model", "timeout"] == str(file)
    assert settings.origins["model", "name"] == ".env, PG_GUARD_MODEL__NAME"
    assert settings.origins["model", "max_tokens"] == "PG_GUARD_MODEL__MAX_TOKENS"
    assert settings.origins["model", "temperature"] == "flag"
    assert ("validation", "enabled") not in settings.origins


def test_another_dotenv_and_none(empty_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (empty_directory / ".env").write_text("PG_GUARD_SERVICE_NAME=here\n", encoding="utf-8")
    (empty_directory / "other").write_text("PG_GUARD_SERVICE_NAME=there\n", encoding="utf-8")
    assert load_settings().service_name == "here"
    monkeypatch.setenv("PG_GUARD_ENV_FILE", "other")
    assert load_settings().service_name == "there"
    monkeypatch.setenv("PG_GUARD_ENV_FILE", "")
    assert load_settings().service_name == "pg-guard"
    monkeypatch.setenv("PG_GUARD_ENV_FILE", "missing")
    with pytest.raises(UsageError, match="is no file"):
        load_settings()


def test_dotenv_sets_no_key_of_a_policy(empty_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a server is started, a model's tools may write files."""
    monkeypatch.setenv("PG_GUARD_POLICY__MODE", "enforce")
    assert dict(load_settings().overlay) == {"PG_GUARD_POLICY__MODE": "enforce"}
    (empty_directory / ".env").write_text(
        "PG_GUARD_POLICY__TABLES__DENY=[]\npg_guard_policy__mode=monitor\n", encoding="utf-8"
    )
    said = problems()
    assert any("PG_GUARD_POLICY__TABLES__DENY sets a key of the policy" in each for each in said)
    assert any("pg_guard_policy__mode sets a key of the policy" in each for each in said)


def test_signs_of_a_container(tmp_path: Path) -> None:
    assert container_sign({}, tmp_path) == ""
    assert container_sign({"KUBERNETES_SERVICE_HOST": ""}, tmp_path) == ""
    assert "KUBERNETES_SERVICE_HOST" in container_sign({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, tmp_path)
    (tmp_path / ".dockerenv").touch()
    assert container_sign({}, tmp_path) == "/.dockerenv is there"


def test_in_a_container_defaults_change_and_nothing_that_is_set(
    empty_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    settings = load_settings()
    assert settings.logging.format == "json"
    assert settings.origins["logging", "format"] == "container"
    file = empty_directory / "pg-guard.yaml"
    file.write_text("logging: {format: console}\n", encoding="utf-8")
    assert load_settings(file).logging.format == "console"


BOMB = "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{p: *a{n - 1}, q: *a{n - 1}}}\n" for n in range(1, 40))


@pytest.mark.parametrize("text", ["- a", "a: [", "a: &x [*x]", "a: &x {b: *x}", BOMB, "{" * 3000, "\0"])
def test_files_that_are_no_settings(empty_directory: Path, text: str) -> None:
    file = empty_directory / "pg-guard.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises((UsageError, PolicyError)):
        load_settings(file)
