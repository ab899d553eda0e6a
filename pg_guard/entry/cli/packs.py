"""`pg-guard packs`: rule packs for those who audit and write them. In: packs, names, keys. Out: reports, pages, packs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from pg_guard.entry.cli.options import CONTEXT_SETTINGS, example, format_option, terminal
from pg_guard.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pg_guard.packaging.keys import Signer

__all__ = ["packs"]

_F = TypeVar("_F", bound="Callable[..., Any]")

_LIST = "pg-guard packs list"
_SHOW = "pg-guard packs show core/PG101"
_VERIFY = "pg-guard packs verify acme.pgpack --key acme.pub"
_DOCS = "pg-guard packs docs core --output site/core"
_NEW_RULE = "pg-guard packs new-rule packs/acme salary-read"
_UPDATE = "pg-guard packs update packs/acme"
_KEYGEN = "pg-guard packs keygen acme.key"
_SIGN = "pg-guard packs sign packs/acme --key acme.key"
_BUNDLE = "pg-guard packs bundle packs/acme --output acme.pgpack --key acme.key"

_pack_argument = click.argument("pack", metavar="PACK", type=click.Path())


def _key_option(*, required: bool = False) -> Callable[[_F], _F]:
    return click.option(
        "--key",
        "key_path",
        metavar="FILE",
        type=click.Path(),
        required=required,
        help="The private key. A passphrase is read from PG_GUARD_KEY_PASSPHRASE, or asked for.",
    )


@click.group(context_settings=CONTEXT_SETTINGS, epilog=example(_LIST, _SHOW, _VERIFY))
def packs() -> None:
    """Audit, write, sign and bundle rule packs.

    A PACK is the name of one that comes with pg-guard or lies in ./packs, or the path of its directory or bundle.
    """


@packs.command("list", context_settings=CONTEXT_SETTINGS, epilog=example(_LIST, "pg-guard packs list shared/packs"))
@click.argument("directories", metavar="[DIRECTORY]...", nargs=-1, type=click.Path())
@format_option
def list_(directories: tuple[str, ...], output_format: str) -> int:
    """List the packs that come with pg-guard, and those in directories.

    Without a DIRECTORY, ./packs is looked into, if there is one.

    Exit codes: 0 listed, 2 a missing directory, 3 a pack is invalid.
    """
    from pg_guard.entry.cli.packing import list_packs, listing_document, listing_lines
    from pg_guard.report import json

    entries = list_packs(directories)
    if output_format == "json":
        click.echo(json.dump(listing_document(entries)), nl=False)
    else:
        _echo(listing_lines(entries))
    return 3 if any(entry.problems for entry in entries) else 0


@packs.command(context_settings=CONTEXT_SETTINGS, epilog=example(_SHOW, "pg-guard packs show packs/acme -f json"))
@click.argument("pack", metavar="PACK[/RULE]", type=click.Path())
@format_option
def show(pack: str, output_format: str) -> int:
    """Show a pack, or all of one rule: what it fires on, why, and its tests.

    Exit codes: 0 shown, 2 no such pack or rule, 3 the pack is invalid.
    """
    from pg_guard.entry.cli.packing import pack_document, read_target, rule_document
    from pg_guard.packaging.describe import pack_lines, rule_lines
    from pg_guard.report import json

    found, rule = read_target(pack)
    if output_format == "json":
        click.echo(json.dump(rule_document(rule) if rule is not None else pack_document(found)), nl=False)
    else:
        width = terminal().width
        _echo(rule_lines(rule, width) if rule is not None else pack_lines(found, width))
    return 0


@packs.command(context_settings=CONTEXT_SETTINGS, epilog=example(_VERIFY, "pg-guard packs verify core"))
@_pack_argument
@click.option(
    "--key", "key", metavar="PUBLIC", help="The public key that must have signed it: a file, or ed25519:BASE64."
)
@format_option
def verify(pack: str, key: str | None, output_format: str) -> int:
    """Verify a pack's signature, digests, files and rules.

    Exit codes: 0 all is right, 2 no such pack or key, 3 something is wrong.
    """
    from pg_guard.entry.cli.packing import locate, pack_document
    from pg_guard.packaging.describe import signature_state
    from pg_guard.packaging.keys import load_public_key
    from pg_guard.packaging.seal import verify_pack
    from pg_guard.report import json
    from pg_guard.report.text import plural

    public = load_public_key(key) if key is not None else None
    found = verify_pack(locate(pack), public)
    if output_format == "json":
        click.echo(json.dump(pack_document(found)), nl=False)
        return 0
    trust = "" if public is not None or not found.signed_by else " (give --key to say who must have signed it)"
    signed = f"{signature_state(found)}{trust}"
    rules = plural(len(found.rules), "rule")
    _echo([f"{found.path}: {found.name} {found.version} is right: {rules}, {signed}", f"  sha256:{found.digest}"])
    return 0


@packs.command(context_settings=CONTEXT_SETTINGS, epilog=example(_DOCS))
@_pack_argument
@click.option("-o", "--output", required=True, metavar="DIRECTORY", type=click.Path(), help="Where the pages go.")
def docs(pack: str, output: str) -> int:
    """Write a Markdown page for each rule, and an index.

    The same pack gives the same bytes. MkDocs shows the directory as it is.

    Exit codes: 0 written, 2 no such pack or directory, 3 the pack is invalid.
    """
    from pg_guard.entry.cli.packing import make_directory, read_target
    from pg_guard.packaging.docs import render_docs
    from pg_guard.packaging.files import write_atomically
    from pg_guard.report.text import plural

    found, rule = read_target(pack)
    if rule is not None:
        raise UsageError(f"{pack} is a rule", hint=f"give the pack alone: {found.name}")
    directory = make_directory(output)
    pages = render_docs(found)
    for name, text in pages.items():
        write_atomically(str(directory / name), text.encode())
    _echo([f"{output}: {plural(len(pages), 'page')}"])
    return 0


@packs.command("new-rule", context_settings=CONTEXT_SETTINGS, epilog=example(_NEW_RULE))
@_pack_argument
@click.argument("name", metavar="NAME")
def new_rule(pack: str, name: str) -> int:
    """Write a rule to fill in, with the next free number.

    PACK is a directory. NAME is words in small letters with hyphens. What is written loads; its tests fail until they
    are written.

    Exit codes: 0 written, 2 a name that is taken or cannot be one, 3 the pack's manifest is invalid.
    """
    from pg_guard.packaging.scaffold import new_rule as write_rule

    file = write_rule(pack, name)
    _echo([f"{file}: fill it in, then run:", f"  pg-guard packs update {pack}", f"  pg-guard test {pack}"])
    return 0


@packs.command(context_settings=CONTEXT_SETTINGS, epilog=example(_UPDATE))
@_pack_argument
def update(pack: str) -> int:
    """Write the digests of a pack's files into its pack.yaml, after an edit.

    Exit codes: 0 written, 2 no such pack, 3 the pack is invalid.
    """
    from pg_guard.entry.cli.packing import update_digests

    _echo(update_digests(pack))
    return 0


@packs.command(context_settings=CONTEXT_SETTINGS, epilog=example(_KEYGEN))
@click.argument("file", metavar="FILE", type=click.Path())
@click.option("--passphrase", is_flag=True, help="Ask for a passphrase; PG_GUARD_KEY_PASSPHRASE is taken in any case.")
def keygen(file: str, passphrase: bool) -> int:
    """Make a key pair: FILE for signing, FILE.pub for verifying.

    The private key can be read by its owner alone, and is encrypted when there is a passphrase.

    Exit codes: 0 made, 2 a file exists or cannot be written.
    """
    from pg_guard.entry.cli.packing import new_passphrase
    from pg_guard.packaging.keys import PUBLIC_SUFFIX, generate_keys

    public = generate_keys(file, new_passphrase(ask=passphrase))
    click.echo(f"{file}: the private key; keep it to yourself", err=True)
    click.echo(f"{file}{PUBLIC_SUFFIX}: the public key, also as one line:", err=True)
    click.echo(str(public))
    return 0


@packs.command(context_settings=CONTEXT_SETTINGS, epilog=example(_SIGN))
@_pack_argument
@_key_option(required=True)
def sign(pack: str, key_path: str) -> int:
    """Sign a pack's directory: write pack.sig for its files as they are.

    Exit codes: 0 signed, 2 no such pack or key, 3 the pack is invalid.
    """
    from pg_guard.packaging.seal import sign_pack

    signer = _signer(key_path)
    file = sign_pack(pack, signer)
    _echo([f"{file}: signed by {signer.public}"])
    return 0


@packs.command(context_settings=CONTEXT_SETTINGS, epilog=example(_BUNDLE))
@_pack_argument
@click.option("-o", "--output", required=True, metavar="FILE", type=click.Path(), help="The bundle, as in acme.pgpack.")
@_key_option()
def bundle(pack: str, output: str, key_path: str | None) -> int:
    """Put a pack into one file, which is verified before anything in it is read.

    The same files and key give the same bytes. Without a key, the bundle has the signature of the directory, if any.

    Exit codes: 0 written, 2 no such pack or key, 3 the pack is invalid.
    """
    from pg_guard.entry.cli.packing import locate
    from pg_guard.packaging.seal import bundle_pack

    signer = _signer(key_path) if key_path is not None else None
    found, signed_by = bundle_pack(locate(pack), output, signer)
    _echo([f"{output}: {found.name} {found.version}, {f'signed by {signed_by}' if signed_by else 'not signed'}"])
    return 0


def _signer(path: str) -> Signer:
    from pg_guard.entry.cli.packing import ask_passphrase
    from pg_guard.packaging.keys import is_readable_by_others, load_signer

    signer = load_signer(path, ask_passphrase)
    if is_readable_by_others(path):
        click.echo(f"warning: others can read {path}; run chmod 600 on it", err=True)
    return signer


def _echo(lines: Iterable[str]) -> None:
    """Print lines that others wrote; the blanks at their beginnings stay."""
    from pg_guard.entry.cli.runner import redact
    from pg_guard.report.visible import visible

    for line in lines:
        click.echo(redact(visible(line)))
