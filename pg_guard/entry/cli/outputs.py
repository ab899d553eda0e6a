"""Where a command's result goes. In: a text and perhaps a file's name. Out: the text there, whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import click

from pg_guard.errors import UsageError

__all__ = ["check_output", "write_output"]


def check_output(output: str | None) -> None:
    """Refuse a file that cannot be written, before the work begins.

    Raises:
        UsageError: Its directory does not exist, or it is a directory itself.
    """
    if output is None:
        return
    if not output or "\0" in output:
        raise UsageError(f"--output {output!r}: not a path")
    if not Path(output).absolute().parent.is_dir():
        raise UsageError(f"{output}: its directory does not exist", hint="create the directory first")
    if Path(output).is_dir():
        raise UsageError(f"{output}: is a directory", hint="name a file")


def write_output(text: str, output: str | None) -> None:
    """Print a text, or write it to a file, which is replaced at once when all is written.

    Raises:
        UsageError: The file cannot be written.
    """
    if output is None:
        click.echo(text, nl=False)
        return
    target = Path(output)
    try:
        if target.exists() and not target.is_file():  # a pipe or a device, as in /dev/stdout
            target.write_text(text, encoding="utf-8", errors="backslashreplace")
            return
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.absolute().parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as stream:
                stream.write(text)
            mask = os.umask(0)
            os.umask(mask)
            Path(name).chmod(0o666 & ~mask)
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(f"{output}: {error.strerror or error}", hint="check the path and its permissions") from None
