"""Files of authors. In: paths as the user gave them. Out: the YAML files that they name; and files written whole."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pg_guard.errors import UsageError
from pg_guard.policy.document import MAX_BYTES
from pg_guard.policy.inputs import read_regular

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["find_yaml_files", "read_yaml", "write_atomically"]

_OURS: Final = re.compile(rb"^\s*[\"']?schema[\"']?\s*:\s*[\"']?pg-guard/(?:policy|rule|pack)/", re.MULTILINE)


def find_yaml_files(paths: Iterable[str]) -> list[str]:
    """Files as they are, and below directories the YAML files whose ``schema`` is one of pg-guard's.

    Directories whose name starts with a dot are passed over; a file that is named twice is taken once.

    Raises:
        UsageError: A path does not exist, cannot be looked into, or nothing was found.
    """
    found: dict[str, str] = {}
    for path in paths:
        try:
            is_directory = stat.S_ISDIR(Path(path).stat().st_mode)
        except OSError as error:
            raise UsageError(f"{path}: {(error.strerror or str(error)).lower()}", hint="check the path") from None
        except ValueError:
            raise UsageError("a path holds a NUL character") from None
        for file in _walk(path) if is_directory else [path]:
            found.setdefault(os.path.realpath(file), file)
    if not found:
        raise UsageError("no policy, rule or pack was found", hint="name a file, or a directory that holds some")
    return list(found.values())


def _walk(directory: str) -> Iterator[str]:
    def stop(error: OSError) -> None:
        raise UsageError(f"{error.filename}: {error.strerror}", hint="check the permissions") from None

    for here, directories, files in os.walk(directory, onerror=stop):
        directories[:] = sorted(name for name in directories if not name.startswith("."))
        for name in sorted(files):
            path = str(Path(here, name))
            if name.lower().endswith((".yaml", ".yml")) and Path(path).is_file() and _OURS.search(read_yaml(path)):
                yield path


def read_yaml(path: str) -> bytes:
    """Read a policy, a rule or a manifest; one byte more than it may have, when there are more.

    Raises:
        UsageError: It cannot be read.
    """
    try:
        return read_regular(Path(path), MAX_BYTES)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from None
    except ValueError:
        raise UsageError("a path holds a NUL character") from None


def write_atomically(path: str, content: bytes, *, mode: int | None = None) -> None:
    """Write a file: readers see the old content or the new one, whole; a link stays a link.

    Args:
        path: The file, new or old; an old one keeps its mode.
        content: All of its bytes.
        mode: The mode of a new file; the umask's when left out.

    Raises:
        UsageError: It cannot be written.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}")
    try:
        if target.exists():
            mode = stat.S_IMODE(target.stat().st_mode)
        with temporary.open("xb") as stream:
            if mode is not None:
                os.fchmod(stream.fileno(), mode)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(target)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {(error.strerror or str(error)).lower()}") from None
    except ValueError:
        raise UsageError("a path holds a NUL character") from None
    finally:
        with contextlib.suppress(OSError, ValueError):
            temporary.unlink(missing_ok=True)
