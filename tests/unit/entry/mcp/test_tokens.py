"""The file of bearer tokens: what is in it, who may use it, and how it changes."""

from __future__ import annotations

import datetime
import re
import stat
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from pg_guard.entry.mcp.principals import ATTRIBUTES, principal_key
from pg_guard.entry.mcp.tokens import (
    TokenEntry,
    TokenFile,
    check_mode,
    locked,
    new_token,
    read_tokens,
    write_tokens,
)
from pg_guard.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

TODAY = datetime.datetime.now(datetime.UTC).date()
DAY = datetime.timedelta(days=1)
ZEROS = "0" * 64


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tokens.yaml"


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def write(path: Path, text: str | None) -> None:
    if text is None:
        path.unlink()
    else:
        path.write_text(text, encoding="utf-8")


def open_to_the_group(path: Path) -> None:
    path.chmod(0o620)


async def test_a_token_is_known_by_its_hash(path: Path) -> None:
    made = new_token()
    write_tokens(
        path,
        [
            TokenEntry(name="other", sha256=ZEROS),
            TokenEntry(name="bi-7", sha256=made.sha256, attributes={"tenant_id": 42, "eu": True}, scopes=("a", "b")),
        ],
    )
    assert made.token not in read(path)
    found = await TokenFile(path, resource="https://guard.example/mcp").verify_token(made.token)
    assert found is not None
    assert (found.client_id, found.subject, found.scopes) == ("bi-7", None, ["a", "b"])
    assert found.resource == "https://guard.example/mcp"
    assert found.claims == {ATTRIBUTES: {"tenant_id": 42, "eu": True}}
    assert made.token not in repr(found)
    assert made.sha256 not in repr(found)


async def test_what_is_not_the_token_is_nobody(path: Path) -> None:
    made = new_token()
    write_tokens(path, [TokenEntry(name="bi-7", sha256=made.sha256)])
    verifier = TokenFile(path)
    for text in ("", made.sha256, made.token + " ", made.token.upper(), made.token[:-1], "bi-7", "\ud800", "é" * 100):
        assert await verifier.verify_token(text) is None


@pytest.mark.parametrize(
    ("expires", "accepted"), [(TODAY - DAY, False), (TODAY, True), (TODAY + DAY, True), (None, True)]
)
async def test_a_token_ends_after_its_last_day(path: Path, expires: datetime.date | None, accepted: bool) -> None:
    made = new_token()
    write_tokens(path, [TokenEntry(name="bi-7", sha256=made.sha256, expires=expires)])
    found = await TokenFile(path).verify_token(made.token)
    assert (found is not None) is accepted
    if found is not None and expires is not None:
        end = datetime.datetime.combine(expires + DAY, datetime.time(), datetime.UTC)
        assert found.expires_at == end.timestamp()


async def test_changes_count_at_once_and_a_broken_file_lets_nobody_in(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = new_token(), new_token()
    write_tokens(path, [TokenEntry(name="one", sha256=one.sha256)])
    verifier = TokenFile(path)

    async def known() -> list[bool]:
        return [await verifier.verify_token(each.token) is not None for each in (one, two)]

    assert await known() == [True, False]
    write_tokens(path, [TokenEntry(name="two", sha256=two.sha256)])
    assert await known() == [False, True]
    good = read(path)
    for broken in (
        "",
        "schema: pg-guard/tokens/v2\ntokens: []",
        good.replace("name:", "names:"),
        good + "tokens: []\n",
    ):
        write(path, broken)
        assert await known() == [False, False]
    assert "no bearer token is accepted" in caplog.text
    assert two.sha256 not in caplog.text
    write(path, None)
    assert await known() == [False, False]
    write_tokens(path, [TokenEntry(name="two", sha256=two.sha256)])
    assert await known() == [False, True]
    open_to_the_group(path)
    assert await known() == [False, False]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "tokens.yaml"),
        ("tokens: []", "schema"),
        ("schema: pg-guard/tokens/v1\nmore: 1", "more"),
        (f"schema: pg-guard/tokens/v1\ntokens: [{{name: a, sha256: '{ZEROS}x'}}]", "tokens.0.sha256: must be 64"),
        ("schema: pg-guard/tokens/v1\ntokens: [{name: a}]", "tokens.0.sha256"),
        (f"schema: pg-guard/tokens/v1\ntokens: [{{name: a/b, sha256: '{ZEROS}'}}]", "tokens.0.name: must begin"),
        (
            f"schema: pg-guard/tokens/v1\ntokens: [{{name: a, sha256: '{ZEROS}', attributes: {{client: x}}}}]",
            "client is known",
        ),
        (
            f"schema: pg-guard/tokens/v1\ntokens: [{{name: a, sha256: '{ZEROS}', attributes: {{x: [1]}}}}]",
            "attributes.x",
        ),
        (f"schema: pg-guard/tokens/v1\ntokens: [{{name: a, sha256: '{ZEROS}', expires: 2027}}]", "expires"),
        (f"schema: pg-guard/tokens/v1\ntokens: [{{name: a, sha256: '{ZEROS}', expires: 2027-02-30}}]", "expires"),
        (f"schema: pg-guard/tokens/v1\ntokens: [{{name: a, name: b, sha256: '{ZEROS}'}}]", "duplicate key"),
        ("schema: pg-guard/tokens/v1\ntokens: !!python/object:os.system {}", "tokens.yaml:2"),
        (
            f"schema: pg-guard/tokens/v1\ntokens: [{{name: a, sha256: '{ZEROS}'}}, {{name: a, sha256: '{'1' * 64}'}}]",
            "two tokens have the same name",
        ),
        (
            f"schema: pg-guard/tokens/v1\ntokens: [{{name: a, sha256: '{ZEROS}'}}, {{name: b, sha256: '{ZEROS}'}}]",
            "two tokens have the same sha256",
        ),
    ],
)
def test_a_file_that_is_wrong_says_where_and_keeps_hashes_to_itself(path: Path, text: str, message: str) -> None:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=re.escape(message)) as caught:
        read_tokens(path)
    assert "tokens.yaml" in str(caught.value)
    assert ZEROS not in str(caught.value)


def test_who_may_use_the_file(path: Path) -> None:
    with pytest.raises(UsageError, match="pg-guard token new"):
        check_mode(path)
    write_tokens(path, [])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert check_mode(path) == ""
    for mode in (0o640, 0o604):
        path.chmod(mode)
        assert "chmod 600" in check_mode(path)
    for mode in (0o660, 0o602, 0o666):
        path.chmod(mode)
        with pytest.raises(UsageError, match="others may write"):
            check_mode(path)
    write_tokens(path, [])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_change_leaves_a_link_a_link_and_no_other_file(path: Path, tmp_path: Path) -> None:
    write_tokens(path, [])
    link = tmp_path / "link.yaml"
    link.symlink_to(path)
    write_tokens(link, [TokenEntry(name="a", sha256=ZEROS)])
    assert link.is_symlink()
    assert [entry.name for entry in read_tokens(path)] == ["a"]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["link.yaml", "tokens.yaml"]


def test_changes_at_one_time_are_all_kept(path: Path) -> None:
    write_tokens(path, [])

    def add(n: int) -> None:
        with locked(path):
            write_tokens(path, (*read_tokens(path), TokenEntry(name=f"t{n}", sha256=f"{n:064x}")))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(40)))
    assert {entry.name for entry in read_tokens(path)} == {f"t{n}" for n in range(40)}


def test_tokens_are_long_and_never_the_same() -> None:
    tokens = {new_token().token for _ in range(100)}
    assert len(tokens) == 100
    # 32 bytes in base64.
    assert all(re.fullmatch(r"pgg_[A-Za-z0-9_-]{43}", token) for token in tokens)


def test_callers_are_one_only_if_all_that_is_known_is_the_same() -> None:
    callers = [
        None,
        {"client": "anonymous"},
        {"client": "app"},
        {"client": "app", "tenant_id": 1},
        {"client": "app", "tenant_id": "1"},
        {"client": "app", "tenant_id": 2},
        {"client": "app", "subject": "ann"},
        {"client": "app", "subject": "bob"},
        {"client": "app", "subject": "ann", "issuer": "https://a.example"},
    ]
    assert len({principal_key(each) for each in callers}) == len(callers)
    assert principal_key({"client": "a", "x": 1}) == principal_key({"x": 1, "client": "a"})
