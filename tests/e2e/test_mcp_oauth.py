"""Tokens of an authorization server, as clients bring them: a loopback issuer, a real child process, a real PostgreSQL 18."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.http_server import MODERN, Served, call, new_token, post, served
from tests.support.issuer import Issuer, rsa_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

ROOT = Path(__file__).resolve().parents[2]
DEMO = (ROOT / "policies" / "demo.yaml").read_text(encoding="utf-8")
AUDIENCE = "https://guard.example/mcp"


class Guarded(NamedTuple):
    server: Served
    issuer: Issuer
    token: str  # of the file
    unscoped: str  # of the file, too

    def jwt(self, **changed: Any) -> str:
        """A good token, unless something is changed."""
        return self.issuer.token(**({"aud": AUDIENCE, "scope": "sql:read other", "org_tenant": 1} | changed))


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer() as issuer:
        issuer.metadata = {"issuer": issuer.url, "jwks_uri": issuer.jwks_url}
        yield issuer


@pytest.fixture(scope="module")
async def guarded(demo_dsn: str, issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Guarded]:
    directory = tmp_path_factory.mktemp("oauth")
    policy = directory / "policy.yaml"
    text = DEMO.replace(
        "  - {table: web_events}\n",
        "  - {table: web_events}\n  - {table: orders, columns: [tenant_id], equals: {tenant_id: ':tenant_id'}}\n",
    ).partition("\ntests:")[0]
    named = "principals: {boss: {match: {subject: boss, issuer: 'http://127.0.0.1:*'}, attributes: {tenant_id: 2}}}\n"
    policy.write_text(f"{text}\n{named}", encoding="utf-8")
    token = new_token(directory / "tokens.yaml", "bi-2", "--attribute", "tenant_id=2", "--scope", "sql:read")
    unscoped = new_token(directory / "tokens.yaml", "plain")
    http = {
        "tokens": "tokens.yaml",
        "oauth": {
            "issuer": issuer.url,
            "audience": AUDIENCE,
            "scopes": ["sql:read"],
            "attributes": {"tenant_id": "org_tenant"},
        },
    }
    async with served(demo_dsn, policy, http, directory) as server:
        yield Guarded(server, issuer, token, unscoped)


def of_tenant(n: int) -> str:
    return f"SELECT DISTINCT tenant_id FROM orders WHERE tenant_id = {n}"


@pytest.mark.parametrize("mode", ["legacy", MODERN])
async def test_a_token_of_the_issuer_opens_the_door_to_its_tenant(guarded: Guarded, mode: str) -> None:
    async with guarded.server.client(guarded.jwt(), mode) as client:
        assert (await call(client, "run_sql", sql=of_tenant(1)))["rows"] == [[1]]
        assert (await call(client, "run_sql", sql=of_tenant(2)))["decision"] == "deny"
    async with guarded.server.client(guarded.jwt(org_tenant=None), mode) as client:
        assert (await call(client, "run_sql", sql=of_tenant(1)))["decision"] == "deny"
    async with guarded.server.client(guarded.jwt(org_tenant=None, sub="boss"), mode) as client:
        assert (await call(client, "run_sql", sql=of_tenant(2)))["rows"] == [[2]]


async def test_a_claim_that_is_no_plain_value_is_no_attribute(guarded: Guarded) -> None:
    for value in ([1], {"a": 1}, None):
        async with guarded.server.client(guarded.jwt(org_tenant=value)) as client:
            answer = await call(client, "run_sql", sql=of_tenant(1))
        assert {finding["rule"] for finding in answer["findings"]} == {"where/no-principal"}


async def test_people_of_one_client_do_not_share_cursors(guarded: Guarded) -> None:
    sql = "SELECT id FROM products ORDER BY id"
    async with (
        guarded.server.client(guarded.jwt(sub="ann")) as ann,
        guarded.server.client(guarded.jwt(sub="bob")) as bob,
        guarded.server.client(guarded.jwt(sub="ann", org_tenant=2)) as ann_elsewhere,
    ):
        first = await call(ann, "run_sql", sql=sql, page_rows=2)
        for thief in (bob, ann_elsewhere):
            stolen = await thief.call_tool("run_sql", {"cursor": first["next_cursor"]})
            assert stolen.is_error
        assert (await call(ann, "run_sql", cursor=first["next_cursor"]))["row_count"] == 2


async def test_people_of_one_client_do_not_share_sessions(guarded: Guarded) -> None:
    opened = await post(guarded.server, guarded.jwt(sub="ann"))
    session = {"mcp-session-id": opened.headers["mcp-session-id"], "mcp-protocol-version": "2025-06-18"}
    listing = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
    assert (await post(guarded.server, guarded.jwt(sub="bob"), body=listing, headers=session)).status_code == 404
    assert (await post(guarded.server, guarded.jwt(sub="ann"), body=listing, headers=session)).status_code == 200


async def test_tokens_of_the_file_are_accepted_beside(guarded: Guarded) -> None:
    async with guarded.server.client(guarded.token) as client:
        assert (await call(client, "run_sql", sql=of_tenant(2)))["rows"] == [[2]]
    assert (await post(guarded.server, guarded.unscoped)).status_code == 403


async def test_scopes_are_needed(guarded: Guarded) -> None:
    for changed in ({"scope": None}, {"scope": "sql:reader"}, {"scope": ""}, {"scope": 7}, {"scope": {"sql:read": 1}}):
        response = await post(guarded.server, guarded.jwt(**changed))
        assert response.status_code == 403, changed
        assert 'error="insufficient_scope"' in response.headers["www-authenticate"]
    for changed in ({"scope": None, "scp": ["sql:read"]}, {"scope": None, "scp": "sql:read"}):
        assert (await post(guarded.server, guarded.jwt(**changed))).status_code == 200, changed


async def test_clients_find_the_issuer_through_the_refusal(guarded: Guarded) -> None:
    refused = await post(guarded.server)
    assert refused.status_code == 401
    match = re.search(r'resource_metadata="([^"]+)"', refused.headers["www-authenticate"])
    assert match
    assert match[1] == "https://guard.example/.well-known/oauth-protected-resource/mcp"
    async with httpx2.AsyncClient() as client:
        found = (await client.get(f"{guarded.server.origin}/.well-known/oauth-protected-resource/mcp")).json()
    assert found["resource"] == AUDIENCE
    assert [url.rstrip("/") for url in found["authorization_servers"]] == [guarded.issuer.url]
    assert found["scopes_supported"] == ["sql:read"]


async def test_the_address_that_clients_use_is_a_host_of_the_server(guarded: Guarded) -> None:
    assert (await post(guarded.server, guarded.jwt(), headers={"host": "guard.example"})).status_code == 200
    assert (await post(guarded.server, guarded.jwt(), headers={"host": "guard.example.evil"})).status_code == 421


# -- forged and foreign ------------------------------------------------------------------------------------------------


def unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    return ".".join(
        base64.urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=") for each in (header, claims)
    )


def with_none(issuer: Issuer, algorithm: str) -> str:
    """A token without a signature."""
    claims = issuer.claims(aud=AUDIENCE, scope="sql:read")
    return unsigned({"alg": algorithm, "typ": "at+jwt", "kid": "key-1"}, claims) + "."


def with_public_key_as_secret(issuer: Issuer, form: str) -> str:
    """A token that whoever knows the public key can make, for a verifier that takes it for a shared secret."""
    public = issuer.keys["key-1"].public_key()
    secret = {
        "pem": lambda: public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "der": lambda: public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "jwk": lambda: json.dumps(issuer.jwks()["keys"][0]).encode(),
    }[form]()
    text = unsigned({"alg": "HS256", "typ": "at+jwt", "kid": "key-1"}, issuer.claims(aud=AUDIENCE, scope="sql:read"))
    signature = hmac.new(secret, text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def with_another_payload(good: str, **changed: Any) -> str:
    header, payload, signature = good.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))) | changed
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"{header}.{body}.{signature}"


NOW = int(time.time())
FORGED = {
    "audience of another": {"aud": "https://other.example/mcp"},
    "audience longer": {"aud": f"{AUDIENCE}/more"},
    "audience shorter": {"aud": "https://guard.example"},
    "audiences of others": {"aud": ["https://a.example", "https://b.example"]},
    "no audience": {"aud": None},
    "issuer of another": {"iss": "https://issuer.example"},
    "issuer in another form": {"iss": "SLASH"},
    "no issuer": {"iss": None},
    "expired": {"exp": NOW - 120},
    "no end": {"exp": None},
    "end is text": {"exp": "never"},
    "from the future": {"nbf": NOW + 36_000},
    "made in the future": {"iat": NOW + 36_000},
    "no subject": {"sub": None},
    "empty subject": {"sub": ""},
    "subject is a number": {"sub": 7},
    "bound to a key": {"cnf": {"jkt": "x"}},
    "unknown key": {"header": {"kid": "other"}, "key": rsa_key()},
    "key of another": {"key": rsa_key()},
    "an ID token": {"header": {"typ": "id_token+jwt"}},
    "a critical extension": {"header": {"crit": ["x"], "x": 1}},
    "algorithm not accepted": {"algorithm": "RS512"},
    "curve key, other curve": {"algorithm": "ES384", "key": ec.generate_private_key(ec.SECP384R1())},
}


@pytest.mark.parametrize("name", FORGED)
async def test_a_forged_or_foreign_token_is_refused(guarded: Guarded, name: str) -> None:
    changed = dict(FORGED[name])
    if changed.get("iss") == "SLASH":
        changed["iss"] = f"{guarded.issuer.url}/"
    assert (await post(guarded.server, guarded.jwt(**changed))).status_code == 401
    assert (await post(guarded.server, guarded.jwt())).status_code == 200


async def test_a_token_that_nobody_signed_is_refused(guarded: Guarded) -> None:
    forged = [with_none(guarded.issuer, algorithm) for algorithm in ("none", "None", "NONE", "")]
    forged += [with_public_key_as_secret(guarded.issuer, form) for form in ("pem", "der", "jwk")]
    good = guarded.jwt()
    forged += [
        with_another_payload(good, sub="boss"),
        with_another_payload(good, scope="sql:read admin"),
        good.rpartition(".")[0] + ".",
        good.rpartition(".")[0],
        good + "." + good,
        ".".join(["e30"] * 3),
        "..",
        "a.b.c",
        good.replace(".", "..", 1),
        "x" * 20_000,
    ]
    for token in forged:
        assert (await post(guarded.server, token)).status_code == 401, token[:80]


@pytest.mark.parametrize("name", ["jku", "x5u", "jwk"])
async def test_a_key_that_the_token_brings_is_not_used(guarded: Guarded, name: str) -> None:
    key = rsa_key()
    with Issuer() as evil:
        evil.keys = {"key-1": key}
        value = evil.jwks()["keys"][0] if name == "jwk" else evil.jwks_url
        token = guarded.jwt(key=key, header={"kid": "key-1", name: value})
        assert (await post(guarded.server, token)).status_code == 401
        assert evil.requests == []


async def test_signatures_of_curves_are_accepted(guarded: Guarded) -> None:
    token = guarded.jwt(algorithm="ES256", header={"kid": "curve-1"})
    assert (await post(guarded.server, token)).status_code == 200
    # One that is good for its own algorithm only.
    assert (
        await post(guarded.server, guarded.jwt(header={"kid": "curve-1"}, key=guarded.issuer.keys["key-1"]))
    ).status_code == 401


async def test_one_of_several_audiences_is_enough(guarded: Guarded) -> None:
    assert (await post(guarded.server, guarded.jwt(aud=["https://a.example", AUDIENCE]))).status_code == 200


async def test_invented_keys_do_not_make_the_server_ask_the_issuer_each_time(guarded: Guarded) -> None:
    before, key = len(guarded.issuer.requests), rsa_key()
    for n in range(20):
        assert (await post(guarded.server, guarded.jwt(header={"kid": f"new-{n}"}, key=key))).status_code == 401
    # Metadata and keys, once at most.
    assert len(guarded.issuer.requests) - before <= 2


async def test_the_log_holds_no_token(guarded: Guarded) -> None:
    good, bad = guarded.jwt(), guarded.jwt(sub="planted-subject-4711", exp=NOW - 900)
    await post(guarded.server, good)
    await post(guarded.server, bad)
    log = re.sub(r"\s+", "", "".join(guarded.server.log))
    for part in (*good.split("."), *bad.split("."), "planted-subject-4711", guarded.token):
        assert part not in log
