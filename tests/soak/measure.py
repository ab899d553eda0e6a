"""What a process holds. In: its id. Out: memory, descriptors and threads, as the kernel counts them."""

from __future__ import annotations

import contextlib
import statistics
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Sample", "descriptors", "median", "sample"]

KILOBYTES = 1024.0


@dataclass(frozen=True)
class Sample:
    """A process at one moment.

    Attributes:
        seconds: Since the load began.
        megabytes: Memory of its own (RssAnon): without files, whose pages come and go with what other processes map.
        resident: All of it in MB (VmRSS).
        descriptors: Open ones.
        threads: Of the system.
    """

    seconds: float
    megabytes: float
    resident: float
    descriptors: int
    threads: int


def sample(pid: int, seconds: float) -> Sample:
    """Measure a process."""
    process = Path(f"/proc/{pid}")
    fields = {}
    for line in (process / "status").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        fields[name] = value.split()
    own, resident = (int(fields[name][0]) / KILOBYTES for name in ("RssAnon", "VmRSS"))
    return Sample(seconds, own, resident, len(list((process / "fd").iterdir())), int(fields["Threads"][0]))


def descriptors(pid: int) -> Counter[str]:
    """Open descriptors by kind: ``socket``, ``pipe``, ``anon_inode``, or the name of a file."""
    kinds: Counter[str] = Counter()
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            target = str(each.readlink())
            kinds[target.partition(":")[0] if not target.startswith("/") else Path(target).name] += 1
    return kinds


def median(samples: Sequence[Sample]) -> float:
    """The median of their memory, in MB."""
    return statistics.median(each.megabytes for each in samples)
