"""A pod without a cluster: the start script with the variables, arguments and files of the manifests, asked as probes ask.

Two things differ from a pod: where files lie, and which ports are served, for which any free ones are taken.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import signal
import socket
import subprocess
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
import yaml

from tests.deploy.container import Container, container
from tests.deploy.manifests import ROOT, by_kind, documents
from tests.support.http_server import INITIALIZE, call, new_token

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

KINDS = by_kind(documents(*sorted((ROOT / "deploy" / "kubernetes").glob("[!k]*.yaml"))))
(CONTAINER,) = KINDS["Deployment"]["spec"]["template"]["spec"]["containers"]
SCRAPE = "planted-scrape-token-9"


class Volume:
    """A directory as Kubernetes mounts a ConfigMap or a Secret: links, through `..data`, to a directory that is replaced whole."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._count = 0
        directory.mkdir()

    def write(self, files: dict[str, str]) -> None:
        self._count += 1
        newest = self.directory / f"..2026_{self._count}"
        newest.mkdir()
        for name, text in files.items():
            (newest / name).write_text(text, encoding="utf-8")
            (newest / name).chmod(0o440)
            with contextlib.suppress(FileExistsError):
                (self.directory / name).symlink_to(f"..data/{name}")
        (self.directory / "..data_tmp").symlink_to(newest.name)
        (self.directory / "..data_tmp").rename(self.directory / "..data")


class Pod(NamedTuple):
    container: Container
    config: Volume
    token: str
    scraper: str


@pytest.fixture(scope="module")
def redis_url() -> Iterator[str]:
    """A Redis for what replicas share."""
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert any("Ready to accept connections" in line for line in process.stdout)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.communicate(timeout=60)


@contextlib.asynccontextmanager
async def pod(directory: Path, dsn: str, redis_url: str) -> AsyncIterator[Pod]:
    """Start the container of the Deployment, and end it."""
    address = urlsplit(dsn)
    config, secrets = Volume(directory / "config"), Volume(directory / "secrets")
    token = new_token(directory / "tokens.yaml", "probe")
    scraper = new_token(directory / "tokens.yaml", "prometheus", "--scope", "observe")
    secrets.write(
        {
            "tokens.yaml": (directory / "tokens.yaml").read_text(),
            "scrape-token": SCRAPE,
            "reader-password": "not-asked-for",
            "redis-url": redis_url,
        }
    )
    data = dict(KINDS["ConfigMap"]["data"])
    data["pg-guard.yaml"] = data["pg-guard.yaml"].replace("/run/secrets/pg-guard", str(secrets.directory))
    config.write(data)
    places = {each["name"]: each["mountPath"] for each in CONTAINER["volumeMounts"]}
    environment = {
        each["name"]: each["value"]
        .replace(places["config"], str(config.directory))
        .replace(places["secrets"], str(secrets.directory))
        for each in CONTAINER["env"]
    }
    # Where the database is here.
    environment |= {
        "PG_GUARD_DATABASES__SHOP__HOST": parse_qs(address.query)["host"][0],
        "PG_GUARD_DATABASES__SHOP__USER": address.username or "",
        "PG_GUARD_DATABASES__SHOP__DATABASE": address.path.removeprefix("/"),
        "PG_GUARD_DATABASES__SHOP__SSL_MODE": "disable",
        "PG_GUARD_RELOAD__INTERVAL": "0.1",
        # As in every pod; among them those of a Service that is called pg-guard.
        "KUBERNETES_SERVICE_HOST": "10.0.0.1",
        "PG_GUARD_SERVICE_HOST": "10.0.0.2",
        "PG_GUARD_PORT_8080_TCP_ADDR": "10.0.0.2",
    }
    async with container(CONTAINER["args"], environment) as running:
        yield Pod(running, config, token, scraper)


@pytest.fixture(scope="module")
async def running(demo_dsn: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pod]:
    async with pod(tmp_path_factory.mktemp("pod"), demo_dsn, redis_url) as found:
        yield found


@pytest.mark.parametrize("probe", ["startupProbe", "readinessProbe", "livenessProbe"])
async def test_probes_are_answered_as_the_node_asks(running: Pod, probe: str) -> None:
    """From another machine, by the pod's address, without a token."""
    response = await running.container.get(CONTAINER[probe]["httpGet"]["path"], host="10.42.0.7:9187")
    assert response.status_code == 200


async def test_metrics_are_for_those_with_the_token(running: Pod) -> None:
    annotations = KINDS["Deployment"]["spec"]["template"]["metadata"]["annotations"]
    path = annotations["prometheus.io/path"]
    assert (await running.container.get(path, host="10.42.0.7:9187")).status_code == 401
    response = await running.container.get(path, host="10.42.0.7:9187", authorization=f"Bearer {SCRAPE}")
    assert response.status_code == 200
    assert "pg_guard_policy_info" in response.text


async def test_what_each_token_opens_is_what_the_page_says(running: Pod) -> None:
    scraper = {"authorization": f"Bearer {running.scraper}"}
    assert (await running.container.get("/metrics", host="10.42.0.7:9187", **scraper)).status_code == 200
    async with httpx2.AsyncClient(timeout=30) as client:
        reload = running.container.observed + "/admin/reload"
        assert (await client.post(reload, headers=scraper)).status_code in (401, 403)
        assert (await client.post(reload, headers={"authorization": f"Bearer {SCRAPE}"})).status_code == 401
    async with running.container.server.client(running.scraper) as client:
        assert await call(client, "list_databases")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("pg-guard:8080", 200),
        ("pg-guard.pg-guard.svc:8080", 200),
        ("pg-guard.pg-guard.svc.cluster.local:8080", 200),
        ("evil.example:8080", 421),
        ("pg-guard:9999", 421),
    ],
)
async def test_clients_come_by_the_names_of_the_service(running: Pod, host: str, status: int) -> None:
    headers = {
        "accept": "application/json, text/event-stream",
        "authorization": f"Bearer {running.token}",
        "host": host,
    }
    async with httpx2.AsyncClient(timeout=30) as client:
        response = await client.post(running.container.server.url, json=INITIALIZE, headers=headers)
    assert response.status_code == status


async def metrics_with(running: Pod, words: str) -> None:
    """Wait until metrics show something; they are not counted among a client's requests."""
    async with asyncio.timeout(60):
        while words not in (await running.container.get("/metrics", authorization=f"Bearer {SCRAPE}")).text:  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.1)


async def test_a_change_of_the_config_map_is_in_force_without_a_restart(running: Pod) -> None:
    sql = "SELECT count(*) FROM orders"
    policy = yaml.safe_load(KINDS["ConfigMap"]["data"]["policy.yaml"])
    settings = (running.config.directory / "pg-guard.yaml").read_text(encoding="utf-8")
    async with running.container.server.client(running.token) as client:
        assert (await call(client, "check_sql", sql=sql))["decision"] == "deny"
        policy["tables"]["allow"].append("public.orders")
        policy["metadata"]["version"] = "1.1.0"
        running.config.write({"policy.yaml": json.dumps(policy), "pg-guard.yaml": settings})
        await metrics_with(running, 'version="1.1.0"')
        assert (await call(client, "check_sql", sql=sql))["decision"] == "allow"
        policy["tables"]["alow"] = []
        running.config.write({"policy.yaml": json.dumps(policy), "pg-guard.yaml": settings})
        await metrics_with(running, 'pg_guard_last_reload_successful{database="shop"} 0.0')
        # The one before stays in force.
        assert (await call(client, "check_sql", sql=sql))["decision"] == "allow"


async def test_it_ends_within_its_grace(demo_dsn: str, redis_url: str, tmp_path: Path) -> None:
    async with pod(tmp_path, demo_dsn, redis_url) as found:
        grace = KINDS["Deployment"]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        found.container.server.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(grace):
            assert await found.container.server.process.wait() == 143
        log: list[Any] = [line for line in found.container.server.log if "error" in line.lower()]
    assert log == []
    assert not any(SCRAPE in line or found.token in line for line in found.container.server.log)
