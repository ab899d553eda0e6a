"""Is an audit log as it was written? In: its lines, and perhaps anchors. Out: the first broken line, and what cannot be told.

A chain shows each line that was changed, removed, added or moved. It cannot show that lines are missing at its very end, or
that all of it was written anew: that is what anchors are for. What is missing at the beginning is told by the first number; where
old lines were deleted because they were old, a later line says so and knows the hash of the last of them.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pg_guard.observe.audit_lines import GENESIS, Head, Parsed, Unreadable, parse_line
from pg_guard.observe.audit_order import Arrivals

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Broken", "Verifier", "VerifyReport"]

# Statements under way at a time are few; more than this are not remembered.
_MOST_OPEN: Final = 100_000
_MOST_NOTES: Final = 20
# Lines whose hashes a later chain may refer to.
_MOST_KNOWN: Final = 100_000


class Broken(NamedTuple):
    """Where a log is not what was written: the file, the line from 1 (0: the file as a whole), and why."""

    file: str
    line: int
    message: str


@dataclass
class VerifyReport:
    """The outcome.

    Attributes:
        lines: Lines that are right.
        decisions: How many of them are decisions.
        chains: First and last number of each chain, and its last hash.
        broken: The first place that is wrong.
        anchors: Anchors that the log holds to.
        notes: What a reader should know although it may be right.
        unfinished: Decisions to run a statement that no outcome refers to.
        pruned: Chains whose beginning was deleted because it was old, as the log itself says.
        absent: Chains of collected lines that anchors know and no line is of.
    """

    lines: int = 0
    decisions: int = 0
    chains: dict[str, tuple[int, Head]] = field(default_factory=dict)
    broken: Broken | None = None
    anchors: int = 0
    notes: list[str] = field(default_factory=list)
    unfinished: int = 0
    pruned: set[str] = field(default_factory=set)
    absent: set[str] = field(default_factory=set)

    def require_beginning(self, first_file: str) -> None:
        """Hold it for broken when a chain does not begin with its first line, and the log does not say that it was deleted."""
        for chain, (first, _) in self.chains.items():
            if first > 1 and chain not in self.pruned and self.broken is None:
                self.broken = Broken(first_file, 1, f"chain {chain} begins at line number {first}: lines are missing")
        for chain in sorted(self.absent):
            self.broken = self.broken or Broken(first_file, 0, f"an anchor knows chain {chain}, and no line is of it")

    def to_dict(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        return {
            "intact": self.broken is None,
            "lines": self.lines,
            "decisions": self.decisions,
            "unfinished": self.unfinished,
            "chains": [
                {"chain": chain, "first": first, "last": head.seq, "hash": head.hash, "pruned": chain in self.pruned}
                for chain, (first, head) in self.chains.items()
            ],
            "anchors": self.anchors,
            "broken": None if self.broken is None else self.broken._asdict(),
            "notes": list(self.notes),
        }


class Verifier:
    """Follows a chain through one file after the other; stops at the first line that breaks it.

    Args:
        anchors: Ends that the chain is known to have had.
        interleaved: Lines of several chains may be mixed, as when the outputs of processes are collected.
        unordered: Lines may come late, and the same line twice, as from a collector.
    """

    def __init__(self, anchors: Iterable[Head] = (), *, interleaved: bool = False, unordered: bool = False) -> None:
        self.report = VerifyReport()
        self._interleaved = interleaved or unordered
        self._arrivals: Arrivals[tuple[str, int]] | None = Arrivals() if unordered else None
        self._anchors: dict[tuple[str, int], str] = {(each.chain, each.seq): each.hash for each in anchors}
        self._met: set[tuple[str, int]] = set()
        self._open: OrderedDict[str, None] = OrderedDict()
        self._begins: dict[str, tuple[int, str]] = {}
        self._links: list[tuple[Head, Head, tuple[str, int]]] = []
        self._pruned: dict[Head, int] = {}
        self._known: OrderedDict[tuple[str, int], str] = OrderedDict()

    def read(self, lines: Iterable[bytes], file: str) -> bool:
        """Follow the lines of one file; False when the chain is broken."""
        return self.read_numbered(enumerate(lines, 1), file)

    def read_numbered(self, lines: Iterable[tuple[int, bytes]], file: str) -> bool:
        """The same for lines that come with their numbers, from 1."""
        if self.report.broken is not None:
            return False
        for number, line in lines:
            problem, parsed = _parsed(line)
            if parsed is None:
                self.report.broken = Broken(file, number, problem)
                return False
            for each, place in self._in_order(parsed, (file, number)):
                problem = self._problem(each, place)
                if problem:
                    self.report.broken = Broken(*place, problem)
                    return False
        return True

    def _in_order(self, parsed: Parsed, place: tuple[str, int]) -> Iterator[tuple[Parsed, tuple[str, int]]]:
        if self._arrivals is None:
            yield parsed, place
        else:
            yield from self._arrivals.put(parsed, place)

    def _problem(self, parsed: Parsed, place: tuple[str, int]) -> str:
        problem = self._place(parsed) or self._anchor(parsed.head) or self._recovery(parsed)
        if not problem:
            self._refer(parsed, place)
            self._count(parsed)
        return problem

    def _place(self, parsed: Parsed) -> str:
        """Does it follow on the line before?"""
        head, chains = parsed.head, self.report.chains
        known = chains.get(head.chain)
        if known is None:
            if head.seq == 1 and parsed.prev != GENESIS:
                return "not as it was written: a first line that refers to another"
            if chains and not self._interleaved:
                return f"another chain begins ({head.chain})"
            chains[head.chain] = (head.seq, head)
            self._begins[head.chain] = (head.seq, parsed.prev)
            return ""
        first, before = known
        if head.seq != before.seq + 1:
            missing = head.seq - before.seq - 1
            if missing > 0:
                return f"{missing} line(s) are missing: number {head.seq} stands behind {before.seq}"
            return f"out of order: number {head.seq} stands behind {before.seq}"
        if parsed.prev != before.hash:
            return f"the line before was another one: number {before.seq} has not the hash that this one refers to"
        chains[head.chain] = (first, head)
        return ""

    def _anchor(self, head: Head) -> str:
        expected = self._anchors.get((head.chain, head.seq))
        if expected is None:
            return ""
        if expected != head.hash:
            return f"the log was written anew: an anchor knows another line number {head.seq}"
        self._met.add((head.chain, head.seq))
        self.report.anchors += 1
        return ""

    def _recovery(self, parsed: Parsed) -> str:
        """A writer that found something wrong when it went on says so in the chain."""
        content = parsed.content
        if content.get("event") != "recovered":
            return ""
        if content.get("reason") == "missing lines":
            return (
                f"the lines {content.get('first')} to {content.get('last')} were missing when the writer went on here"
            )
        if len(self.report.notes) < _MOST_NOTES:
            self.report.notes.append(f"line number {parsed.head.seq}: the writer found: {content.get('reason')}")
        return ""

    def _refer(self, parsed: Parsed, place: tuple[str, int]) -> None:
        """Keep what a line says of other lines: of those that were deleted, and of the chain that it goes on from."""
        head, content = parsed.head, parsed.content
        if self._interleaved:
            self._known[head.chain, head.seq] = head.hash
            if len(self._known) > _MOST_KNOWN:
                self._known.popitem(last=False)
        if content.get("event") == "pruned" and isinstance(parts := content.get("parts"), list):
            # Of each part, as some of them may have stayed.
            self._pruned |= {last: head.seq for part in parts if (last := _head(part)) is not None}
        if content.get("event") == "started" and (after := _head(content.get("after"))) is not None:
            self._links.append((head, after, place))

    def _count(self, parsed: Parsed) -> None:
        self.report.lines += 1
        content = parsed.content
        decision_id = str(content.get("decision_id"))
        if content.get("event") == "outcome":
            self._open.pop(decision_id, None)
        elif content.get("event") == "decision":
            self.report.decisions += 1
            decision = content.get("decision")
            allowed = isinstance(decision, dict) and decision.get("allowed") is True
            if allowed and content.get("operation") in ("run", "explain"):
                self._open[decision_id] = None
                if len(self._open) > _MOST_OPEN:
                    self._open.popitem(last=False)
                    self.report.unfinished += 1

    def finish(self, last_file: str) -> VerifyReport:
        """Hold the end against the anchors, and give the report."""
        report = self.report
        if report.broken is None:
            self._finish_arrivals()
        report.unfinished += len(self._open)
        self._open.clear()
        if report.unfinished:
            report.notes.append(
                f"{report.unfinished} statement(s) have no outcome: under way at the end, or the server was killed"
            )
        if report.broken is None:
            self._finish_beginnings()
            self._finish_links()
        if report.broken is None:
            self._finish_anchors(last_file)
        if not report.lines and report.broken is None:
            report.notes.append("there is no line of an audit log in what was given")
        return report

    def _finish_arrivals(self) -> None:
        if self._arrivals is None:
            return
        for parsed, place in self._arrivals.rest():
            problem = self._problem(parsed, place)
            if problem:
                self.report.broken = Broken(*place, problem)
                return
        if self._arrivals.twice:
            self.report.notes.append(f"{self._arrivals.twice} line(s) came twice and are the same: sent again")

    def _finish_beginnings(self) -> None:
        """Where a chain begins later than with its first line: is what came before known to have been deleted?"""
        for chain, (first, prev) in self._begins.items():
            if first == 1:
                continue
            told = self._pruned.get(Head(chain, first - 1, prev))
            if told is None:
                what = "what came before is not in these files"
            else:
                what = f"what came before was deleted because it was old, as line number {told} says"
                self.report.pruned.add(chain)
            self.report.notes.insert(0, f"chain {chain} begins at line number {first}: {what}")

    def _finish_links(self) -> None:
        """A process that begins a new chain, because a line of the one before was not confirmed, says where that ended."""
        for head, after, place in self._links:
            first, last = self.report.chains.get(after.chain, (0, None))
            if last is None or after.seq < first:
                note = f"chain {head.chain} goes on from line number {after.seq} of chain {after.chain}, not in these files"
                self.report.notes.append(note)
                continue
            if after.seq > last.seq:
                message = (
                    f"the end of chain {after.chain} is cut off at {last.seq}: this line knows its line {after.seq}"
                )
            elif self._known.get((after.chain, after.seq), after.hash) != after.hash:
                message = f"chain {after.chain} was written anew: this line knows another line number {after.seq} of it"
            else:
                continue
            self.report.broken = Broken(*place, message)
            return

    def _finish_anchors(self, last_file: str) -> None:
        report = self.report
        for chain, seq in sorted(self._anchors, reverse=True):
            head = report.chains.get(chain, (0, None))[1]
            if head is None and self._arrivals is not None:
                # A collector's older files are somewhere else, with the chains of processes that have ended.
                report.absent.add(chain)
            elif head is None:
                report.broken = Broken(last_file, 0, f"an anchor knows chain {chain}, and no line is of it")
            elif seq > head.seq:
                report.broken = Broken(
                    last_file, 0, f"the end is cut off: an anchor knows line number {seq}, the last one is {head.seq}"
                )
            if report.broken is not None:
                return
        if report.absent:
            report.notes.append(f"anchors know {len(report.absent)} more chain(s), which are not in these files")
        if not self._anchors:
            report.notes.append("no anchors were given: lines missing at the very end cannot be told")


def _parsed(line: bytes) -> tuple[str, Parsed | None]:
    """A line, or what is wrong with it."""
    if not line.endswith(b"\n"):
        return "the end is torn, as in mid-write or after a crash: the next writer takes it off and says so", None
    try:
        return "", parse_line(line)
    except Unreadable as error:
        return str(error), None


def _head(value: object) -> Head | None:
    """The end of a chain, as another line tells it."""
    if not isinstance(value, dict):
        return None
    chain, seq, digest = value.get("chain"), value.get("seq"), value.get("hash")
    if not (isinstance(chain, str) and isinstance(seq, int) and isinstance(digest, str)):
        return None
    return Head(chain, seq, digest)
