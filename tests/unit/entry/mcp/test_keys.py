"""An issuer's keys: fetched, kept, looked for again, and never more than what they are for."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from jwt.algorithms import RSAAlgorithm

from pg_guard.entry.mcp.keys import FRESH_SECONDS, PAUSE_SECONDS, STALE_SECONDS, IssuerKeys, is_safe_url
from pg_guard.entry.mcp.oauth import JwtVerifier
from pg_guard.errors import UsageError
from pg_guard.settings import OAuthSettings
from tests.support.issuer import Issuer, rsa_key

if TYPE_CHECKING:
    from collections.abc import Iterator

AUDIENCE = "https://guard.example/mcp"


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer() as issuer:
        yield issuer


@pytest.fixture
def clock() -> Clock:
    return Clock()


def settings(issuer: Issuer, **changed: Any) -> OAuthSettings:
    return OAuthSettings(**({"issuer": issuer.url, "audience": AUDIENCE, "jwks_url": issuer.jwks_url} | changed))


def verifier(issuer: Issuer, clock: Clock, **changed: Any) -> JwtVerifier:
    given = settings(issuer, **changed)
    return JwtVerifier(given, IssuerKeys(given, clock=clock))


async def test_keys_are_fetched_once_and_kept(issuer: Issuer, clock: Clock) -> None:
    verify = verifier(issuer, clock)
    for _ in range(5):
        assert await verify.verify_token(issuer.token(aud=AUDIENCE)) is not None
    assert issuer.requests == ["/keys"]
    clock.now += FRESH_SECONDS
    assert await verify.verify_token(issuer.token(aud=AUDIENCE)) is not None
    assert issuer.requests == ["/keys"] * 2


async def test_a_new_key_is_looked_for_but_not_all_the_time(issuer: Issuer, clock: Clock) -> None:
    verify = verifier(issuer, clock)
    assert await verify.verify_token(issuer.token(aud=AUDIENCE)) is not None
    issuer.rotate()
    assert await verify.verify_token(issuer.token(aud=AUDIENCE)) is None
    clock.now += PAUSE_SECONDS
    assert await verify.verify_token(issuer.token(aud=AUDIENCE)) is not None
    assert issuer.requests == ["/keys"] * 2


async def test_a_key_that_was_taken_back_counts_no_more(issuer: Issuer, clock: Clock) -> None:
    verify = verifier(issuer, clock)
    old = issuer.token(aud=AUDIENCE)
    assert await verify.verify_token(old) is not None
    issuer.rotate()
    del issuer.keys["key-1"]
    clock.now += FRESH_SECONDS
    assert await verify.verify_token(old) is None


async def test_an_issuer_that_does_not_answer_is_lived_with_for_a_while(
    issuer: Issuer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    verify = verifier(issuer, clock)
    token = issuer.token(aud=AUDIENCE)
    assert await verify.verify_token(token) is not None
    issuer.documents["/keys"] = (500, b"{}")
    clock.now += STALE_SECONDS - 1
    assert await verify.verify_token(token) is not None
    assert "not fetched: status 500" in caplog.text
    clock.now += 2
    assert await verify.verify_token(token) is None


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (302, b"", "status 302"),
        (200, b"<html>", "not JSON"),
        (200, b"[" * 100_000, "not JSON"),
        (200, b"[]", "not a JSON object"),
        (200, b"{}", "not a key set"),
        (200, b" " * 300_000, "more than"),
    ],
)
async def test_what_is_no_key_set_is_not_used(
    issuer: Issuer, clock: Clock, caplog: pytest.LogCaptureFixture, status: int, body: bytes, reason: str
) -> None:
    issuer.documents["/keys"] = (status, body)
    assert await verifier(issuer, clock).verify_token(issuer.token(aud=AUDIENCE)) is None
    assert reason in caplog.text


async def test_entries_that_are_no_keys_do_not_hide_those_that_are(issuer: Issuer, clock: Clock) -> None:
    odd: list[Any] = [
        None,
        7,
        [],
        {},
        {"kty": "RSA"},
        {"kty": "RSA", "kid": "key-1", "key_ops": 7},
        {"kty": 3, "kid": "x"},
    ]
    issuer.documents["/keys"] = (200, json.dumps({"keys": odd + issuer.jwks()["keys"]}).encode())
    assert await verifier(issuer, clock).verify_token(issuer.token(aud=AUDIENCE)) is not None


@pytest.mark.parametrize(
    "changed",
    [
        {"use": "enc"},
        {"key_ops": ["sign"]},
        {"alg": "RS512"},
        {"alg": "HS256"},
        {"kty": "oct"},
        {"kid": "other"},
        {"n": "AQAB"},
    ],
)
async def test_a_key_for_something_else_is_not_used(issuer: Issuer, clock: Clock, changed: dict[str, Any]) -> None:
    keys = [key | changed for key in issuer.jwks()["keys"] if key["kid"] == "key-1"]
    issuer.documents["/keys"] = (200, json.dumps({"keys": keys}).encode())
    assert await verifier(issuer, clock).verify_token(issuer.token(aud=AUDIENCE)) is None


async def test_a_key_that_anybody_can_sign_with_is_not_used(issuer: Issuer, clock: Clock) -> None:
    private = {**RSAAlgorithm.to_jwk(issuer.keys["key-1"], as_dict=True), "kid": "key-1"}
    assert "d" in private
    del private["key_ops"]
    issuer.documents["/keys"] = (200, json.dumps({"keys": [private]}).encode())
    assert await verifier(issuer, clock).verify_token(issuer.token(aud=AUDIENCE)) is None


async def test_two_keys_of_one_name_are_none(issuer: Issuer, clock: Clock) -> None:
    good = issuer.jwks()["keys"][0]
    other = Issuer._public(issuer, "key-1", rsa_key())
    issuer.documents["/keys"] = (200, json.dumps({"keys": [good, other]}).encode())
    assert await verifier(issuer, clock).verify_token(issuer.token(aud=AUDIENCE)) is None


async def test_a_token_without_a_key_id_needs_a_single_key_that_fits(issuer: Issuer, clock: Clock) -> None:
    verify = verifier(issuer, clock)
    token = issuer.token(aud=AUDIENCE, key=issuer.keys["key-1"], header={"kid": None} | {})
    assert await verify.verify_token(token) is not None  # the other key is of another kind
    issuer.rotate()
    clock.now += FRESH_SECONDS
    assert await verify.verify_token(token) is None


@pytest.mark.filterwarnings("ignore:The RSA key is 1024 bits")
async def test_a_short_key_is_not_used(issuer: Issuer, clock: Clock) -> None:
    issuer.keys["key-1"] = rsa_key(1024)
    assert await verifier(issuer, clock).verify_token(issuer.token(aud=AUDIENCE)) is None


async def test_keys_are_found_through_the_metadata(issuer: Issuer, clock: Clock) -> None:
    issuer.metadata = {"issuer": issuer.url, "jwks_uri": issuer.jwks_url}
    assert await verifier(issuer, clock, jwks_url=None).verify_token(issuer.token(aud=AUDIENCE)) is not None
    issuer.documents["/.well-known/openid-configuration"] = (200, json.dumps(issuer.metadata).encode())
    issuer.metadata = None
    assert await verifier(issuer, clock, jwks_url=None).verify_token(issuer.token(aud=AUDIENCE)) is not None


@pytest.mark.parametrize(
    ("metadata", "reason"),
    [
        (None, "set http.oauth.jwks_url"),
        ({"issuer": "https://other.example", "jwks_uri": "SELF"}, "names another issuer"),
        ({"issuer": "SELF"}, "no usable jwks_uri"),
        ({"issuer": "SELF", "jwks_uri": "http://keys.example"}, "no usable jwks_uri"),
        ({"issuer": "SELF", "jwks_uri": "file:///etc/passwd"}, "no usable jwks_uri"),
        ({"issuer": "SELF", "jwks_uri": 7}, "no usable jwks_uri"),
    ],
)
async def test_metadata_that_cannot_be_trusted_is_not_used(
    issuer: Issuer, clock: Clock, caplog: pytest.LogCaptureFixture, metadata: dict[str, Any] | None, reason: str
) -> None:
    own = {"issuer": issuer.url, "jwks_uri": issuer.jwks_url}
    if metadata is not None:
        issuer.metadata = {key: own[key] if value == "SELF" else value for key, value in metadata.items()}
    assert await verifier(issuer, clock, jwks_url=None).verify_token(issuer.token(aud=AUDIENCE)) is None
    assert reason in caplog.text


def test_addresses_are_https_or_of_this_machine() -> None:
    for good in (
        "https://a.example",
        "https://a.example:8443/x",
        "http://127.0.0.1:1/x",
        "http://localhost",
        "http://[::1]/",
    ):
        assert is_safe_url(good), good
    for bad in ("http://a.example", "http://127.0.0.1.a.example", "http://localhost.a.example", "ftp://localhost", "a.example",
                "", "https://", "https://u:p@a.example", "http://[::1", "file:///x"):  # fmt: skip
        assert not is_safe_url(bad), bad
    with pytest.raises(UsageError, match=r"http\.oauth\.jwks_url"):
        IssuerKeys(OAuthSettings(issuer="https://a.example", audience="x", jwks_url="http://a.example/keys"))


def test_attributes_cannot_take_the_names_of_an_identity() -> None:
    for name in ("client", "subject", "issuer", "scopes"):
        with pytest.raises(UsageError, match=name):
            JwtVerifier(OAuthSettings(issuer="https://a.example", audience="x", attributes={name: "claim"}))


async def test_what_is_known_of_a_caller(issuer: Issuer, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    verify = verifier(issuer, clock, attributes={"tenant_id": "org", "team": "groups"})
    token = issuer.token(aud=AUDIENCE, org=42, groups=["a"], scope="x y", client_id=None)
    found = await verify.verify_token(token)
    assert found is not None
    assert (found.client_id, found.subject, found.scopes, found.resource) == (issuer.url, "ann", ["x", "y"], AUDIENCE)
    assert found.claims == {"iss": issuer.url, "pg_guard_attributes": {"tenant_id": 42}}
    assert token not in repr(found)
    assert await verify.verify_token(issuer.token(aud="other-planted", org=42)) is None
    assert "InvalidAudienceError" in caplog.text
    assert "planted" not in caplog.text
