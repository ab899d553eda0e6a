"""`pg-guard config` as a process, `.env.example`, and a server whose policy is nothing but variables."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from pg_guard.policy.load import load_policy
from pg_guard.settings import Settings, load_settings
from tests.support.commands import COMMAND, environment, run
from tests.support.mcp_client import answer_of, connected

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / ".env.example"
SECRET = "hunter22"
FILE = f"""
databases:
  shop: {{dsn: "postgresql://reader:{SECRET}@db.example/shop"}}
  staff: {{host: db.example, user: reader, password: {SECRET}, policy: staff.yaml}}
model: {{key: {SECRET}, timeout: 7}}
security: {{blocked_tables: ["audit_*"], max_rows: 50}}
"""
STAFF = "schema: pg-guard/policy/v1\nmetadata: {name: staff, version: 3.0.0}\ntables: {deny: [payroll]}\n"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "pg-guard.yaml").write_text(FILE, encoding="utf-8")
    (tmp_path / "staff.yaml").write_text(STAFF, encoding="utf-8")
    return tmp_path


def test_show_tells_values_and_sources_and_no_secret(directory: Path) -> None:
    process = run("config", "show", "--config", "pg-guard.yaml", cwd=directory, PG_GUARD_VALIDATION__MAX_RETRIES="1")
    assert (process.returncode, process.stderr) == (0, "")
    lines = process.stdout.splitlines()
    assert "model.timeout: 7.0  # pg-guard.yaml" in lines
    assert "validation.max_retries: 1  # PG_GUARD_VALIDATION__MAX_RETRIES" in lines
    assert 'databases.shop.dsn: "**********"  # pg-guard.yaml' in lines
    assert not any(line.startswith("cache.") for line in lines)
    everything = run("config", "show", "--config", "pg-guard.yaml", "--all", cwd=directory)
    assert "cache.interval: 300.0" in everything.stdout.splitlines()
    as_json = run("config", "show", "--config", "pg-guard.yaml", "--format", "json", cwd=directory)
    document = json.loads(as_json.stdout)
    assert document["settings"]["model"]["timeout"] == 7
    assert document["sources"]["model.timeout"] == "pg-guard.yaml"
    assert SECRET not in process.stdout + everything.stdout + as_json.stdout


def test_validate_tells_which_policy_each_database_has(directory: Path) -> None:
    process = run("config", "validate", "--config", "pg-guard.yaml", cwd=directory)
    assert process.returncode == 0, process.stderr
    assert re.search(r"^shop: policy settings 1\.0\.0, digest \w{12}$", process.stdout, re.MULTILINE)
    assert re.search(r"^staff: policy staff 3\.0\.0, digest \w{12}$", process.stdout, re.MULTILINE)
    document = json.loads(
        run("config", "validate", "--config", "pg-guard.yaml", "--format", "json", cwd=directory).stdout
    )
    assert document["databases"]["staff"]["sources"][0] == str(directory / "staff.yaml")
    assert set(document["databases"]["staff"]["sources"][1:]) == {"security.blocked_tables", "security.max_rows"}


def test_validate_reports_settings_and_policies_with_all_their_problems(directory: Path) -> None:
    (directory / "pg-guard.yaml").write_text(FILE + "moedl: {}\ncache: {interval: soon}\n", encoding="utf-8")
    process = run("config", "validate", "--config", "pg-guard.yaml", cwd=directory, PG_GUARD_SECURTY__ROLE="x")
    assert (process.returncode, process.stdout) == (3, "")
    assert "the settings are invalid: 3 problems" in process.stderr
    for part in ("pg-guard.yaml:7:1", "did you mean model?", "cache.interval", "PG_GUARD_SECURTY__ROLE"):
        assert part in process.stderr
    (directory / "pg-guard.yaml").write_text(FILE, encoding="utf-8")
    (directory / "staff.yaml").write_text(STAFF + "nonsense: 1\njoins: {max_tables: 0}\n", encoding="utf-8")
    process = run("config", "validate", "--config", "pg-guard.yaml", cwd=directory)
    assert process.returncode == 3
    assert "nonsense" in process.stderr
    assert "joins.max_tables" in process.stderr
    assert SECRET not in process.stderr


def test_validate_of_what_is_not_there(directory: Path) -> None:
    assert run("config", "validate", "--config", "none.yaml", cwd=directory).returncode == 2
    (directory / "staff.yaml").unlink()
    process = run("config", "validate", "--config", "pg-guard.yaml", cwd=directory)
    assert process.returncode == 2
    assert "staff.yaml" in process.stderr


def test_the_effective_policy_can_be_loaded_again(directory: Path) -> None:
    for name in ("shop", "staff"):
        process = run("config", "policy", name, "--config", "pg-guard.yaml", cwd=directory)
        assert process.returncode == 0, process.stderr
        copy = directory / f"{name}-copy.yaml"
        copy.write_text(process.stdout, encoding="utf-8")
        validated = json.loads(
            run("config", "validate", "--config", "pg-guard.yaml", "--format", "json", cwd=directory).stdout
        )
        assert load_policy(copy, environ={}).policy.digest == validated["databases"][name]["digest"]
    process = run("config", "policy", "--config", "pg-guard.yaml", cwd=directory)
    assert process.returncode == 2
    assert "name one of: shop, staff" in process.stderr


# -- .env.example ------------------------------------------------------------------------------------------------------


def test_the_example_is_current() -> None:
    # After a change of a setting: make reference
    assert EXAMPLE.read_text(encoding="utf-8") == run("config", "example").stdout


def test_the_example_names_every_setting_and_what_it_says_are_the_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("PG_GUARD_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pg_guard.settings.load.container_sign", lambda *_: "")
    found = dict(re.findall(r"^#(PG_GUARD_\w+)=(.*)$", EXAMPLE.read_text(encoding="utf-8"), re.MULTILINE))
    expected = set(_variables(Settings.model_json_schema(), "PG_GUARD_"))
    others = {"PG_GUARD_DSN"}
    assert set(found) - others == expected
    values = "".join(f"{name}={value}\n" for name, value in found.items() if value and name not in others)
    # What must be there once the section is, and has no default.
    values += "PG_GUARD_HTTP__OAUTH__ISSUER=https://i.example\nPG_GUARD_HTTP__OAUTH__AUDIENCE=https://a.example\n"
    (tmp_path / ".env").write_text(values + "PG_GUARD_POLICY=policy.yaml\n", encoding="utf-8")
    settings = load_settings()
    given = json.loads(settings.model_dump_json())
    plain: Any = {
        "policy": "policy.yaml",
        "databases": {"shop": {}},
        "http": {"oauth": {"issuer": "https://i.example", "audience": "https://a.example"}},
    }
    (tmp_path / ".env").unlink()
    assert given == json.loads(load_settings(**plain).model_dump_json())


def _variables(schema: dict[str, Any], prefix: str) -> list[str]:
    """The variables that the schema of the settings stands for, found by another way than the example's own."""
    definitions = schema["$defs"]

    def walk(properties: dict[str, Any], path: str) -> list[str]:
        names = []
        for name, form in properties.items():
            here = path + name.upper()
            choices = [form, *form.get("anyOf", ())]
            references = [each["$ref"] for each in choices if "$ref" in each]
            by_name = [
                each["additionalProperties"]["$ref"]
                for each in choices
                if "$ref" in (each.get("additionalProperties") or {})
            ]
            if references:
                names += walk(definitions[references[0].rpartition("/")[2]]["properties"], f"{here}__")
            elif by_name:
                names += walk(definitions[by_name[0].rpartition("/")[2]]["properties"], f"{here}__SHOP__")
            else:
                names.append(here)
        return names

    return walk(schema["properties"], prefix)


# -- a server without any file -----------------------------------------------------------------------------------------


async def test_a_server_whose_policy_is_variables(demo_dsn: str, tmp_path: Path) -> None:
    (tmp_path / "dsn").write_text(demo_dsn + "\n", encoding="utf-8")
    env = {
        "PG_GUARD_DSN_FILE": str(tmp_path / "dsn"),
        "PG_GUARD_ENV_FILE": "",
        "PG_GUARD_SECURITY__BLOCKED_TABLES": '["hr.*"]',
        "PG_GUARD_SECURITY__BLOCKED_COLUMNS": '{"customers": ["email"]}',
        "PG_GUARD_SECURITY__REQUIRE_WHERE_CLAUSE": '["orders"]',
        "PG_GUARD_SECURITY__MAX_JOIN_TABLES": "2",
        "PG_GUARD_SECURITY__BLOCKED_FUNCTIONS": '["upper"]',
        "PG_GUARD_SECURITY__ALLOW_EXPLAIN": "true",
        "PG_GUARD_SECURITY__MAX_ROWS": "3",
    }
    async with connected(env=env, errors=tmp_path / "errors.txt") as client:
        for sql, rule in {
            "SELECT * FROM hr.payroll": "tables/denied",
            "SELECT email FROM customers": "columns/denied",
            "SELECT * FROM customers": "columns/denied",
            "SELECT id FROM orders": "where/missing",
            "SELECT c.id FROM customers c JOIN orders o ON o.customer_id = c.id JOIN customers d ON d.id = c.id"
            " WHERE o.id = 1": "joins/too-many",
            "SELECT upper(name) FROM customers": "functions/denied",
        }.items():
            answer = answer_of(await client.call_tool("run_sql", {"sql": sql}))
            assert answer["decision"] == "deny"
            assert rule in {finding["rule"] for finding in answer["findings"]}, sql
        answer = answer_of(await client.call_tool("run_sql", {"sql": "SELECT id, name FROM customers ORDER BY id"}))
        assert len(answer["rows"]) == 3
        answer = answer_of(await client.call_tool("run_sql", {"sql": "SELECT id FROM orders WHERE id = 1"}))
        assert answer["rows"] == [[1]]


async def test_a_server_that_is_told_where_to_listen_by_a_variable(demo_dsn: str, tmp_path: Path) -> None:
    process = run(
        "serve",
        cwd=tmp_path,
        PG_GUARD_DSN=demo_dsn,
        PG_GUARD_SECURITY__BLOCKED_TABLES='["hr.*"]',
        PG_GUARD_HTTP__LISTEN="127.0.0.1:0",
    )
    # It is HTTP, which nobody may use without tokens.
    assert process.returncode == 2
    assert "neither tokens nor an issuer" in process.stderr


@pytest.mark.parametrize("set_by_hand", [False, True])
def test_in_a_container_what_was_chosen_is_printed_where_it_matters(tmp_path: Path, set_by_hand: bool) -> None:
    reader, terminal = os.openpty()
    process = subprocess.run(
        [*COMMAND, "serve", "--dsn", "postgresql://reader@127.0.0.1:1/shop"],
        env=environment(
            PG_GUARD_SECURITY__BLOCKED_TABLES='["hr.*"]',
            KUBERNETES_SERVICE_HOST="10.0.0.1",
            **({"PG_GUARD_LOGGING__FORMAT": "console"} if set_by_hand else {}),
        ),
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stderr=terminal,
        timeout=60,
        check=False,
    )
    os.close(terminal)
    told = os.read(reader, 65_536).decode()
    os.close(reader)
    assert process.returncode == 2
    said = "in a container ($KUBERNETES_SERVICE_HOST is set): logging.format is json unless it is set" in told
    assert said is not set_by_hand


def test_a_dsn_and_a_file_of_it(tmp_path: Path) -> None:
    (tmp_path / "dsn").write_text("postgresql://reader@127.0.0.1:1/shop", encoding="utf-8")
    process = run("config", "show", cwd=tmp_path, PG_GUARD_DSN="postgresql://x/y", PG_GUARD_DSN_FILE="dsn")
    assert process.returncode == 2
    assert "PG_GUARD_DSN_FILE as well" in process.stderr


def test_the_url_of_dotenv(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        f"PG_GUARD_DSN=postgresql://reader:{SECRET}@db.example/shop\nPG_GUARD_SECURITY__MAX_JOIN_TABLES=4\n",
        encoding="utf-8",
    )
    process = run("config", "validate", cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    assert process.stdout.startswith("shop: policy settings")


@pytest.mark.parametrize(
    "planted",
    [
        "PG_GUARD_POLICY=open.yaml",
        "PG_GUARD_SECURITY__POLICY_FILE=open.yaml",
        "PG_GUARD_DATABASES__SHOP__POLICY=open.yaml",
        'PG_GUARD_DATABASES={"shop":{"policy":"open.yaml"}}',
        "PG_GUARD_POLICY__TABLES__DENY=[]",
        "PG_GUARD_POLICY__MODE=monitor",
    ],
)
def test_a_planted_dotenv_cannot_take_the_place_of_the_policy_of_the_flags(directory: Path, planted: str) -> None:
    (directory / "open.yaml").write_text("schema: pg-guard/policy/v1\nmetadata: {name: open, version: 1.0.0}\n")
    (directory / ".env").write_text(planted + "\n", encoding="utf-8")
    dsn = "postgresql://reader@db.example/shop"
    process = run("config", "validate", "--policy", "staff.yaml", cwd=directory, PG_GUARD_DSN=dsn)
    assert process.returncode == 3 or process.stdout.startswith("shop: policy staff 3.0.0"), process.stdout
    process = run("config", "policy", "--policy", "staff.yaml", cwd=directory, PG_GUARD_DSN=dsn)
    assert process.returncode == 3 or "- payroll" in process.stdout


def test_environment_is_clean() -> None:
    """What these tests give is all that there is."""
    assert not [name for name in environment() if name.startswith("PG_GUARD")]


def test_yaml_of_the_effective_policy_is_yaml(directory: Path) -> None:
    text = run("config", "policy", "shop", "--config", "pg-guard.yaml", cwd=directory).stdout
    assert yaml.safe_load(text)["limits"]["rows"] == 50
