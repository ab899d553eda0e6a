"""`pg-guard audit verify`: is an audit log as it was written? In: its files, in any order. Out: the first broken line, or none."""

from __future__ import annotations

import sys
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import click

from pg_guard.entry.cli.options import CONTEXT_SETTINGS, example, format_option
from pg_guard.errors import UsageError
from pg_guard.observe.audit_otlp import is_request, lines_of_request

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pg_guard.observe.audit_lines import Head
    from pg_guard.observe.audit_verify import VerifyReport

__all__ = ["verify"]

_MOST_BYTES: Final = 32 * 1024 * 1024


@click.command(
    context_settings=CONTEXT_SETTINGS,
    epilog=example(
        "pg-guard audit verify audit.jsonl",
        "pg-guard audit verify audit*.jsonl --anchors /mnt/elsewhere/anchors.jsonl --complete",
        "pg-guard audit-store export | pg-guard audit verify -",
        "pg-guard audit verify collected.json",
    ),
)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path())
@click.option("--anchors", metavar="FILE", type=click.Path(), help="Ends that the log is known to have had.")
@click.option("--complete", is_flag=True, help="The first line must be the first that was ever written.")
@click.option("--interleaved", is_flag=True, help="Lines of several chains may be mixed, as on standard output.")
@format_option
def verify(files: tuple[str, ...], anchors: str | None, complete: bool, interleaved: bool, output_format: str) -> int:
    """Follow the hash chain of an audit log.

    FILE... are the files of one log, in any order; - is standard input. A line that was changed, removed, added or moved
    is told. Lines cut off at the very end are told by --anchors, lines missing before the first one by --complete. Files
    that an OpenTelemetry collector has written (OTLP as JSON lines) may hold lines late or twice.

    Exit codes: 0 as it was written, 1 it is not, 2 wrong usage or an unreadable file.
    """
    from pg_guard.observe.audit_otlp import audit_lines
    from pg_guard.observe.audit_verify import Verifier
    from pg_guard.report.json import dump

    known = _anchors(anchors)
    ordered = _ordered(files)
    verifier: Verifier | None = None
    for file in ordered:
        with _opened(file) as stream:
            lines = _lines(stream)
            if verifier is None:
                first = next(lines, b"")
                verifier = Verifier(known, interleaved=interleaved, unordered=is_request(first))
                lines = chain((first,) if first else (), lines)
            if not verifier.read_numbered(audit_lines(lines), file):
                break
    assert verifier is not None  # at least one file is demanded
    report = verifier.finish(ordered[-1])
    if complete and report.broken is None:
        report.require_beginning(ordered[0])
    if output_format == "json":
        click.echo(dump({"schema": "pg-guard/audit-verify/v1", **report.to_dict()}), nl=False)
    else:
        _print(report)
    return 0 if report.broken is None else 1


def _anchors(path: str | None) -> list[Head]:
    if path is None:
        return []
    from pg_guard.observe.audit_anchors import read_anchors

    try:
        found, bad = read_anchors(Path(path))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: {_reason(error)}", hint="check the path and its permissions") from None
    if bad:
        click.echo(f"{path}:{bad[0]}: warning: not an anchor; {len(bad)} such line(s) are left out", err=True)
    if not found:
        raise UsageError(f"{path}: holds no anchors", hint="give the file that audit.anchors names")
    return found


def _ordered(files: Sequence[str]) -> list[str]:
    """The files by the number of their first line; those without a readable one keep their place at the end."""
    from pg_guard.observe.audit_lines import Unreadable, parse_line

    def number(file: str) -> tuple[float, str]:
        if file == "-":
            return 0, ""
        with _opened(file) as stream:
            line = stream.readline(_MOST_BYTES)
        lines = lines_of_request(line) if is_request(line) else [line]
        try:
            parsed = parse_line(lines[0]) if lines and lines[0] else None
        except Unreadable:
            return float("inf") if len(files) > 1 else 0, ""
        # A file that was begun and not yet written to is the last one. Numbers of several processes say nothing: their time does.
        if parsed is None:
            return float("inf"), ""
        return (0, str(parsed.content.get("time"))) if is_request(line) else (parsed.head.seq, "")

    return sorted(dict.fromkeys(files), key=number)


def _opened(file: str) -> IO[bytes]:
    if file == "-":
        return sys.stdin.buffer
    try:
        return Path(file).open("rb")
    except (OSError, ValueError) as error:
        raise UsageError(f"{file}: {_reason(error)}", hint="check the path and its permissions") from None


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    """The lines, none of them longer than any can be: what is no log must not fill the memory."""
    while line := stream.readline(_MOST_BYTES):
        yield line


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else "not a path"


def _print(report: VerifyReport) -> None:
    from pg_guard.report.text import plural
    from pg_guard.report.visible import one_line

    def say(text: str, **options: Any) -> None:
        click.echo(one_line(text), **options)

    if report.broken is not None:
        file, line, message = report.broken
        say(f"{file}:{line}: {message}" if line else f"{file}: {message}")
    held = f", {plural(report.anchors, 'anchor')} held" if report.anchors else ""
    right = f"{plural(report.lines, 'line')} with {plural(report.decisions, 'decision')}{held}"
    say(f"BROKEN after {right}" if report.broken is not None else f"intact: {right}")
    for name, (first, head) in report.chains.items():
        say(f"chain {name}: lines {first} to {head.seq}, the last with hash {head.hash}")
    for note in report.notes:
        say(f"note: {note}")
