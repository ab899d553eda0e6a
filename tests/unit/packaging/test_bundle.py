"""Signatures and bundles: what is signed is what is read, and nothing is read that was not verified."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from pg_guard.errors import PgGuardError, PolicyError, UsageError
from pg_guard.packaging.keys import Signer, generate_keys, load_public_key, load_signer
from pg_guard.packaging.seal import bundle_pack, sign_pack, verify_pack
from pg_guard.policy.bundle import MAX_FILE, MAX_FILES, encode_bundle, parse_bundle, read_bundle
from pg_guard.policy.packs import find_pack, load_pack, write_manifest
from pg_guard.policy.signature import PackSignature, PublicKey, list_files

FILES = {"pack.yaml": b"name: x\n", "PG101_a.yaml": b"id: x/PG101\n", "empty.yaml": b""}


@pytest.fixture
def signer() -> Signer:
    return Signer(Ed25519PrivateKey.generate())


def problem(error: pytest.ExceptionInfo[PolicyError]) -> str:
    return str(error.value.problems[0])


# -- bundles ---------------------------------------------------------------------------------------------------------


def test_a_bundle_gives_its_files_back(signer: Signer) -> None:
    signed = encode_bundle(FILES, signer.sign(list_files(FILES)))
    bundle = parse_bundle(signed, "x.pgpack", signer.public)
    assert dict(bundle.files) == FILES
    assert bundle.signature is not None
    assert bundle.signature.key == signer.public
    assert bundle.digest == hashlib.sha256(signed).hexdigest()
    assert parse_bundle(encode_bundle(FILES), "x.pgpack").signature is None


def test_the_same_files_give_the_same_bytes(signer: Signer) -> None:
    turned = dict(reversed(list(FILES.items())))
    assert encode_bundle(FILES) == encode_bundle(turned)
    sign = signer.sign
    assert encode_bundle(FILES, sign(list_files(FILES))) == encode_bundle(turned, sign(list_files(turned)))


def test_every_changed_byte_of_a_signed_bundle_is_found(signer: Signer) -> None:
    raw = encode_bundle(FILES, signer.sign(list_files(FILES)))
    for position in range(len(raw)):
        for change in (1, 0x20):
            damaged = raw[:position] + bytes([raw[position] ^ change]) + raw[position + 1 :]
            with pytest.raises(PolicyError):
                parse_bundle(damaged, "x.pgpack", signer.public)


def test_a_signature_has_one_text(signer: Signer) -> None:
    text = str(signer.sign("x"))
    # Four bits of the last digit before "==" stand for nothing: the next digit would mean the same bytes.
    twin = f"{text[:-3]}{chr(ord(text[-3]) + 1)}=="
    assert PackSignature.parse(text).is_valid("x")
    with pytest.raises(ValueError, match="not a signature"):
        PackSignature.parse(twin)


def test_every_cut_and_every_addition_is_found(signer: Signer) -> None:
    raw = encode_bundle(FILES, signer.sign(list_files(FILES)))
    for length in range(len(raw)):
        with pytest.raises(PolicyError):
            parse_bundle(raw[:length], "x.pgpack", signer.public)
    with pytest.raises(PolicyError, match="1 bytes follow the last file"):
        parse_bundle(raw + b"\n", "x.pgpack", signer.public)


def test_a_bundle_of_another_signer_or_of_none_is_refused(signer: Signer) -> None:
    other = Signer(Ed25519PrivateKey.generate())
    with pytest.raises(PolicyError) as caught:
        parse_bundle(encode_bundle(FILES, other.sign(list_files(FILES))), "x.pgpack", signer.public)
    assert problem(caught).startswith("x.pgpack:2:1: the bundle is signed by ed25519:")
    with pytest.raises(PolicyError) as caught:
        parse_bundle(encode_bundle(FILES), "x.pgpack", signer.public)
    assert "the bundle is not signed" in problem(caught)


def test_the_key_that_a_signature_names_cannot_be_exchanged(signer: Signer) -> None:
    other = Signer(Ed25519PrivateKey.generate())
    forged = PackSignature(signer.public, other.sign(list_files(FILES)).signature)
    with pytest.raises(PolicyError, match="changed after it was signed"):
        parse_bundle(handmade(FILES, str(forged)), "x.pgpack", signer.public)


def handmade(files: dict[str, bytes], signature: str = "none", lines: list[str] | None = None) -> bytes:
    """A bundle without the checks of the writer."""
    listed = lines or [
        f"{hashlib.sha256(content).hexdigest()} {len(content)} {path}" for path, content in files.items()
    ]
    head = "\n".join(["pg-guard/bundle/v1", f"signature: {signature}", *listed, "", ""])
    return head.encode() + b"".join(files.values())


@pytest.mark.parametrize(
    "path",
    [
        "../pack.yaml", "/etc/passwd", "a/../../b", "a//b", "a/", "", ".", "..", ".hidden", "a\\b", "C:x", "a b",
        "a\tb", "ü", "x" * 200, "a/b/c/d", "pack.sig", "con.", "~/x", "a\x00b", "-x",
    ],
)  # fmt: skip
def test_a_path_that_leads_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(PolicyError):
        parse_bundle(handmade({path: b"x"}), "x.pgpack")
    if path != "pack.sig":
        with pytest.raises(PolicyError):
            encode_bundle({path: b"x"})


def test_paths_come_once_and_in_order() -> None:
    for names in (["b", "a"], ["A", "a"], ["a.yaml", "A.yaml"]):
        with pytest.raises(PolicyError, match="listed twice or out of order"):
            parse_bundle(handmade(dict.fromkeys(names, b"")), "x.pgpack")
    line = f"{hashlib.sha256(b'').hexdigest()} 0 a"
    with pytest.raises(PolicyError, match="listed twice or out of order"):
        parse_bundle(handmade({}, lines=[line, line]), "x.pgpack")


def test_sizes_and_counts_are_bounded() -> None:
    digest = hashlib.sha256(b"").hexdigest()
    with pytest.raises(PolicyError, match="larger than 1,000,000 bytes"):
        parse_bundle(handmade({}, lines=[f"{digest} {MAX_FILE + 1} a"]), "x.pgpack")
    with pytest.raises(PolicyError, match="the bundle ends inside of the file a"):
        parse_bundle(handmade({}, lines=[f"{digest} {MAX_FILE} a"]), "x.pgpack")
    with pytest.raises(PolicyError, match="lists more than"):
        parse_bundle(handmade({}, lines=[f"{digest} 0 a{number:05}" for number in range(MAX_FILES + 1)]), "x.pgpack")
    with pytest.raises(PolicyError, match="larger than"):
        parse_bundle(b"pg-guard/bundle/v1\n" + bytes(17_000_000), "x.pgpack")
    for size in ("-1", "01", "1e3", "99999999999"):
        with pytest.raises(PolicyError, match="SHA256 SIZE PATH"):
            parse_bundle(handmade({}, lines=[f"{digest} {size} a"]), "x.pgpack")


def test_a_bundle_is_a_regular_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pgpack")
    (tmp_path / "directory.pgpack").mkdir()
    for name, reason in (("pipe", "not a regular file"), ("directory", "is a directory"), ("missing", "no such file")):
        with pytest.raises(PolicyError, match=reason):
            read_bundle(tmp_path / f"{name}.pgpack")


# -- packs -----------------------------------------------------------------------------------------------------------


def test_a_signed_directory_and_its_bundle_are_the_same_pack(pack: Path, signer: Signer) -> None:
    plain = load_pack(pack)
    sign_pack(str(pack), signer)
    signed = load_pack(pack, key=signer.public)
    output = pack.parent / "acme.pgpack"
    bundle_pack(str(pack), str(output))
    bundled = load_pack(output, key=signer.public)
    assert plain.digest == signed.digest == bundled.digest
    assert (plain.signed_by, signed.signed_by, bundled.signed_by) == ("", str(signer.public), str(signer.public))
    assert bundled.rules == plain.rules
    assert find_pack("acme", [output.parent]).path == pack  # a directory comes before a bundle of the same name
    first = output.read_bytes()
    bundle_pack(str(pack), str(output), signer)
    assert output.read_bytes() == first


@pytest.mark.parametrize("victim", ["PG101_salaries.yaml", "pack.yaml", "pack.sig"])
def test_a_change_after_the_signature_is_found(pack: Path, signer: Signer, victim: str) -> None:
    sign_pack(str(pack), signer)
    text = (pack / victim).read_bytes()
    (pack / victim).write_bytes(text.replace(b"acme", b"acne") if victim != "pack.sig" else text[:-8] + b"AAAAAA=\n")
    for key in (None, signer.public):
        with pytest.raises(PolicyError) as caught:
            load_pack(pack, key=key)
        assert f"{pack / 'pack.sig'}:1:1: " in problem(caught)


def test_digests_that_are_written_again_do_not_hide_a_change(pack: Path, signer: Signer) -> None:
    sign_pack(str(pack), signer)
    rule = pack / "PG101_salaries.yaml"
    rule.write_text(rule.read_text().replace("severity: high", "severity: low"))
    write_manifest(pack)
    with pytest.raises(PolicyError, match="changed after it was signed"):
        load_pack(pack)


def test_a_file_that_is_added_is_found_with_and_without_a_signature(pack: Path, signer: Signer) -> None:
    sign_pack(str(pack), signer)
    (pack / "PG103_more.yaml").write_text((pack / "PG101_salaries.yaml").read_text())
    with pytest.raises(PolicyError, match="changed after it was signed"):
        verify_pack(str(pack))
    (pack / "pack.sig").unlink()
    with pytest.raises(PolicyError, match="is not listed"):
        verify_pack(str(pack))


def test_verify_finds_what_does_not_belong_to_a_pack(pack: Path) -> None:
    (pack / "README.md").write_text("for people")
    assert verify_pack(str(pack)).name == "acme"
    (pack / "notes.txt").write_text("x")
    (pack / "link.md").symlink_to("/etc/passwd")
    with pytest.raises(PolicyError) as caught:
        verify_pack(str(pack))
    assert {Path(each.file).name for each in caught.value.problems} == {"notes.txt", "link.md"}


def test_what_would_not_load_is_not_signed(pack: Path, signer: Signer) -> None:
    (pack / "PG101_salaries.yaml").write_text("nonsense")
    for act in (lambda: sign_pack(str(pack), signer), lambda: bundle_pack(str(pack), str(pack.parent / "x.pgpack"))):
        with pytest.raises(PolicyError):
            act()
    assert not (pack / "pack.sig").exists()
    assert not (pack.parent / "x.pgpack").exists()


def test_a_bundle_without_a_manifest_is_no_pack(tmp_path: Path) -> None:
    (tmp_path / "x.pgpack").write_bytes(encode_bundle({"PG101_a.yaml": b"x"}))
    with pytest.raises(PolicyError, match=r"the bundle has no pack\.yaml"):
        load_pack(tmp_path / "x.pgpack")


def test_a_bundle_whose_rules_are_not_those_of_its_manifest_is_refused(pack: Path) -> None:
    files = {path.name: path.read_bytes() for path in pack.iterdir()}
    files["PG101_salaries.yaml"] += b"# more\n"
    (pack.parent / "x.pgpack").write_bytes(encode_bundle(files))
    with pytest.raises(PolicyError, match="is not the one that the digest is of"):
        load_pack(pack.parent / "x.pgpack")


# -- keys ------------------------------------------------------------------------------------------------------------


def test_a_key_pair_signs_and_verifies(tmp_path: Path) -> None:
    path = str(tmp_path / "a.key")
    public = generate_keys(path)
    assert stat.S_IMODE(Path(path).stat().st_mode) == 0o600
    signer = load_signer(path, lambda: pytest.fail("nobody is asked"))
    assert signer.public == public == load_public_key(f"{path}.pub") == load_public_key(str(public))
    assert signer.sign("x").is_valid("x")
    assert not signer.sign("x").is_valid("y")
    assert PackSignature.parse(str(signer.sign("x"))) == signer.sign("x")


def test_a_private_key_is_encrypted_when_there_is_a_passphrase(tmp_path: Path) -> None:
    path = str(tmp_path / "a.key")
    public = generate_keys(path, "correct horse")
    assert "ENCRYPTED" in Path(path).read_text()
    assert load_signer(path, lambda: "correct horse").public == public
    for given, reason in ((None, "there is no passphrase"), ("wrong", "the passphrase is wrong")):
        with pytest.raises(UsageError, match=reason):
            load_signer(path, lambda given=given: given)  # type: ignore[misc] # mypy cannot infer the default's type


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    generate_keys(str(path))
    before = path.read_bytes()
    (tmp_path / "b.key.pub").write_text("x")
    (tmp_path / "c.key").symlink_to(tmp_path / "target")
    for name in ("a.key", "b.key", "c.key"):
        with pytest.raises(UsageError, match="exists already"):
            generate_keys(str(tmp_path / name))
    assert path.read_bytes() == before
    assert not (tmp_path / "b.key").exists()
    assert not (tmp_path / "target").exists()


def test_a_wrong_key_is_a_clear_error_and_never_repeated(tmp_path: Path) -> None:
    path = tmp_path / "a.key"
    generate_keys(str(path))
    rsa = generate_private_key(65537, 2048)
    (tmp_path / "rsa").write_bytes(rsa.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "rsa.pub").write_bytes(rsa.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    secret = path.read_text().splitlines()[1]
    (tmp_path / "damaged").write_text(f"-----BEGIN PRIVATE KEY-----\n{secret[:20]}\n-----END PRIVATE KEY-----\n")
    (tmp_path / "damaged.pub").write_text("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")
    (tmp_path / "huge").write_bytes(bytes(100_000))
    messages = []
    for name in ("a.key.pub", "rsa", "damaged", "huge", "missing", "."):
        with pytest.raises(UsageError) as caught:
            load_signer(str(tmp_path / name), lambda: None)
        messages.append(str(caught.value))
    for name in ("a.key", "rsa", "rsa.pub", "damaged.pub", "huge", "missing", "."):
        with pytest.raises(UsageError) as caught:
            load_public_key(str(tmp_path / name))
        messages.append(str(caught.value))
    for text in ("ed25519:", "ed25519:AAAA", "ed25519:" + "A" * 44):
        with pytest.raises(UsageError) as caught:
            load_public_key(text)
        messages.append(str(caught.value))
    assert not any(secret[:16] in message for message in messages)
    assert len(set(messages)) > 8


@pytest.mark.parametrize("text", ["", "x", "pg-guard/signature/v1\n", "pg-guard/signature/v1\ned25519:AA AA\n"])
def test_a_file_that_is_no_signature_is_refused(pack: Path, text: str) -> None:
    (pack / "pack.sig").write_text(text)
    with pytest.raises(PgGuardError, match="not a signature"):
        load_pack(pack)


def test_a_public_key_has_one_text() -> None:
    key = Signer(Ed25519PrivateKey.generate()).public
    assert PublicKey.parse(f"  {key}\n") == key
