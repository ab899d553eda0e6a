"""A soak by hand. In: seconds, a file. Out: how it goes, every 10 s; a table; JSON; exit code 1 when anything is wrong.

    python -m bench.soak 600 --json soak.json

See `tests.soak.run` for what happens; ``make soak`` runs it for 10 minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import time
from pathlib import Path

from tests.soak.run import soak


def main() -> int:
    """Run one, and say what it found."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("seconds", type=float, nargs="?", default=600.0)
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the mix of requests")
    parser.add_argument("--json", type=Path, help="write all figures to this file")
    options = parser.parse_args()
    # The clients' library tells of every connection that its user cuts off.
    logging.disable()
    report = asyncio.run(soak(options.seconds, seed=options.seed, say=say))
    say("")
    for name, value in report.figures.items():
        if isinstance(value, dict):
            say(f"{name}:")
            for key, each in value.items():
                say(f"    {key:<36} {each}")
        else:
            say(f"{name:<40} {value}")
    if options.json is not None:
        document = {
            "seed": options.seed,
            "figures": report.figures,
            "defects": report.defects,
            "samples": [vars(each) for third in report.samples for each in third],
        }
        options.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    for defect in report.defects:
        say(f"DEFECT: {defect}")
    say("all is well" if not report.defects else f"{len(report.defects)} defects (seed {options.seed})")
    return 1 if report.defects else 0


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
