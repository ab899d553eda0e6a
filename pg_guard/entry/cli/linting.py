"""Lint files. In: files, a guard, filters. Out: what each statement was decided, with places in the file.

read → find SQL in it → split → check each statement → filter → allow comments → report
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pg_guard.entry.cli.allowing import Target, allow_findings, attach, read_comments
from pg_guard.entry.cli.embedded.readers import is_template, language_of, read_fragments
from pg_guard.entry.cli.files import read_sql
from pg_guard.entry.cli.filters import Filters
from pg_guard.entry.cli.psql import read_script, tokens
from pg_guard.errors import UsageError
from pg_guard.report.excerpt import Source
from pg_guard.report.fingerprint import Fingerprints, normalise
from pg_guard.report.linted import (
    LINT_SCHEMA,
    CheckedStatement,
    FileReport,
    LintFinding,
    LintReport,
    Skipped,
    Suppression,
)
from pg_guard.report.rulebook import rulebook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pg_guard.decision import Decision, Finding, Span
    from pg_guard.entry.cli.allowing import Allowance
    from pg_guard.entry.cli.embedded.fragments import Fragment
    from pg_guard.entry.cli.files import SqlFile
    from pg_guard.entry.cli.psql import Script
    from pg_guard.guard import Guard
    from pg_guard.report.linted import Language
    from pg_guard.report.rulebook import RuleInfo

__all__ = ["LINT_SCHEMA", "Linter"]

# Names that a template puts together are not known yet; that they are placeholders is reported as skipped.
_NOT_ALLOWED = "statement/not-allowed"
_SYNTAX = "sql/syntax"
_UNKNOWN = frozenset({"sql/unknown-name", "functions/unknown"})


@dataclass(slots=True)
class _Raw:
    """A finding on its way: where it is, what it belongs to, what lifts it."""

    finding: Finding
    owner: int | None  # index of its statement
    text: str  # what its fingerprint is made of
    suppression: Suppression | None = None


@dataclass(slots=True)
class _Gathered:
    """A file while it is read."""

    source: Source
    statements: list[tuple[Span, Decision]] = field(default_factory=list)
    by_start: dict[int, int] = field(default_factory=dict)
    repeated: set[int | None] = field(default_factory=set)
    raw: list[_Raw] = field(default_factory=list)
    filtered: defaultdict[int | None, int] = field(default_factory=lambda: defaultdict(int))
    seen: set[tuple[Span | None, str, str]] = field(default_factory=set)
    allowances: dict[tuple[int, int], Allowance] = field(default_factory=dict)
    in_part: list[Skipped] = field(default_factory=list)

    def statement(self, span: Span, decision: Decision) -> int:
        """Add a statement and return its index.

        In the texts of a template's branches it may begin at the same place: then it is one, as long as its longest
        form, and refused when one of its forms is.
        """
        index = self.by_start.setdefault(span.start, len(self.statements))
        if index == len(self.statements):
            self.statements.append((span, decision))
            return index
        known_span, known = self.statements[index]
        refused = not decision.allowed or decision.would_deny
        self.statements[index] = (span if span.end > known_span.end else known_span, decision if refused else known)
        return index


@dataclass(frozen=True)
class Linter:
    """Checks files with one guard.

    Attributes:
        guard: Decides on each statement.
        rules: What is known of each rule.
        filters: Which findings are looked at.
        principal: As for `Guard.check`.
        with_policy: False when the guard is made of packs alone: then no policy says which kinds of statements are
            allowed, and one that the packs' guard does not let pass is reported as read in part.
        progress: Called after each statement with the number of files that are done, and of statements.
    """

    guard: Guard
    rules: Mapping[str, RuleInfo] = field(default_factory=rulebook)
    filters: Filters = field(default_factory=Filters)
    principal: Mapping[str, Any] | None = None
    with_policy: bool = True
    progress: Callable[[int, int], None] | None = None

    def report(self, files: Iterable[SqlFile]) -> LintReport:
        """Check every statement of every file; a file that cannot be read is reported and does not stop the others."""
        reports: list[FileReport] = []
        done = 0
        for file in files:
            report = self.file(file, len(reports), done)
            reports.append(report)
            done += len(report.statements)
        return LintReport(self._name(), tuple(reports), self.rules)

    def _name(self) -> str:
        """The policy and the packs that it does not name itself."""
        metadata = self.guard.policy.metadata
        used = {use.use for use in self.guard.policy.packs}
        packs = [f"{pack.name} {pack.version}" for pack in self.guard.packs if pack.name not in used]
        return " + ".join([f"{metadata.name} {metadata.version}", *packs] if self.with_policy else packs)

    def file(self, file: SqlFile, files_done: int = 0, statements_done: int = 0) -> FileReport:
        """Check every statement of a file; the numbers are those of the files before it, for the progress."""
        try:
            source = Source(read_sql(file.path, file.name))
            language = language_of(source.text, file.language)
        except UsageError as error:
            return FileReport(file.name, Source(""), file.language, error=error)
        try:
            reading = read_fragments(source.text, language)
        except UsageError as error:
            named = UsageError(f"{file.name}: {error.message}", hint=error.hint)
            return FileReport(file.name, source, language, error=named)

        def tell() -> None:
            if self.progress is not None:
                self.progress(files_done, statements_done + len(gathered.statements))

        gathered = _Gathered(source)
        for fragment in reading.fragments:
            self._fragment(fragment, gathered, tell)
        self._comments(gathered)
        unread = [Skipped(source.span(start, end), reason) for start, end, reason in reading.unread]
        skipped = tuple(sorted({*unread, *gathered.in_part}, key=lambda entry: (entry.span.start, entry.reason)))
        return self._finish(file.name, language, gathered, skipped)

    def _fragment(self, fragment: Fragment, into: _Gathered, tell: Callable[[], None]) -> None:
        inner = into.source if fragment.text == into.source.text else Source(fragment.text)
        script = read_script(inner)
        raw: list[tuple[Finding, int | None, str]] = [
            (finding, None, _line_of(inner, finding)) for finding in script.findings
        ]
        owners: list[int] = []
        for index, (start, end) in enumerate(script.statements):
            text = script.text[start:end]
            place = into.source.span(*fragment.place(start, end))
            decision = self._decide(text, fragment, (start, end), place, into)
            normal = normalise(text) if decision.findings else ""
            owners.append(into.statement(place, decision))
            raw += [(_at(_hinted(finding, text), inner, start, end), index, normal) for finding in decision.findings]
            tell()
        allowances = self._allowances(inner, script)
        by_end = _by_end(allowances)
        for finding, number, normal in raw:
            owner = None if number is None else owners[number]
            end = script.statements[number][1] if number is not None else finding.span.end if finding.span else -1
            # Offered to the comments first, so that a comment is not called unused for what a filter hides.
            suppression = _suppression(by_end.get(end, ()), finding, self.rules, fragment, into.source)
            self._add(_Raw(_in_file(finding, fragment, into.source), owner, normal, suppression), into)
        for allowance in allowances:
            comment = allowance.comment
            known = into.allowances.setdefault(fragment.place(comment.start, comment.end), allowance)
            known.used |= allowance.used
            known.target = known.target or allowance.target

    def _add(self, raw: _Raw, into: _Gathered) -> None:
        span = raw.finding.span
        key = (span, raw.finding.rule, raw.finding.message)
        if key in into.seen:
            into.repeated.add(raw.owner)  # the same place in the text of another branch
            return
        into.seen.add(key)
        if self.filters.keeps(raw.finding, self.rules):
            into.raw.append(raw)
        else:
            into.filtered[raw.owner] += 1

    def _decide(self, text: str, fragment: Fragment, bounds: tuple[int, int], place: Span, into: _Gathered) -> Decision:
        """The guard's decision without what nobody said: what a template fills in, kinds that no policy is about.

        Both are reported as not read.
        """
        decision = self.guard.check(text, principal=self.principal)
        start, end = bounds
        findings: list[Finding] = []
        reasons: list[str] = []
        for finding in decision.findings:
            if finding.rule == _NOT_ALLOWED and not self.with_policy:
                reasons.append(f"no policy says whether {decision.kind} is allowed; only rules of packs looked at it")
            elif finding.rule == _SYNTAX and fragment.in_placeholder(start, end):
                reasons.append(f"a statement that is none with placeholders in it: {finding.message}")
            elif not (finding.rule in _UNKNOWN and _about_placeholder(finding, fragment, start)):
                findings.append(finding)
        if len(findings) == len(decision.findings):
            return decision
        first_line = into.source.span(place.start, _first_line_end(into.source, place))
        into.in_part += [Skipped(first_line, reason) for reason in dict.fromkeys(reasons)]
        denied = any(finding.effect == "deny" for finding in findings)
        return replace(decision, findings=tuple(findings), effect="deny" if denied else "allow", would_deny=denied)

    def _allowances(self, inner: Source, script: Script) -> list[Allowance]:
        if "pg-guard" not in inner.text:
            return []
        every = tokens(script.text)
        comments = read_comments(script.text, every)
        return attach(script.text, comments, _targets(script, every)) if comments else []

    def _comments(self, into: _Gathered) -> None:
        """Report what is wrong with the allow comments themselves, once all findings were offered to them."""
        if not into.allowances:
            return
        may_fire = {rule: self.filters.names(rule, self.rules) for rule in self.rules}
        for (start, end), allowance in sorted(into.allowances.items(), key=lambda item: item[0]):
            text = " ".join(into.source.text[start:end].split())
            for finding in allow_findings(allowance, self.rules, may_fire):
                self._add(_Raw(replace(finding, span=into.source.span(start, end)), None, text), into)

    def _finish(self, name: str, language: Language, gathered: _Gathered, skipped: tuple[Skipped, ...]) -> FileReport:
        """Give each finding its fingerprint, in the order of their places, and put the statements together."""
        fingerprints = Fingerprints()
        owned: defaultdict[int | None, list[LintFinding]] = defaultdict(list)
        for raw in sorted(gathered.raw, key=lambda raw: raw.finding.span.start if raw.finding.span else 0):
            fingerprint = fingerprints.next(raw.finding.rule, raw.text)
            owned[raw.owner].append(LintFinding(raw.finding, fingerprint, raw.text, raw.suppression))
        statements = tuple(
            CheckedStatement(span, decision, tuple(owned[index]), gathered.filtered[index], index in gathered.repeated)
            for index, (span, decision) in enumerate(gathered.statements)
        )
        return FileReport(
            name,
            gathered.source,
            language,
            statements,
            tuple(owned[None]),
            skipped,
            gathered.filtered[None],
        )


def _at(finding: Finding, source: Source, start: int, end: int) -> Finding:
    """The finding with its place in the text; without a place, it points at the statement's first line."""
    if finding.span is not None:
        return replace(finding, span=source.span(start + finding.span.start, start + finding.span.end))
    newline = source.text.find("\n", start, end)
    return replace(finding, span=source.span(start, end if newline < 0 else newline))


def _in_file(finding: Finding, fragment: Fragment, source: Source) -> Finding:
    span = finding.span
    return finding if span is None else replace(finding, span=source.span(*fragment.place(span.start, span.end)))


def _first_line_end(source: Source, span: Span) -> int:
    newline = source.text.find("\n", span.start, span.end)
    return span.end if newline < 0 else newline


def _line_of(source: Source, finding: Finding) -> str:
    """The underlined text of a finding that belongs to no statement, on one line."""
    span = finding.span
    return " ".join(source.text[span.start : span.end].split()) if span else ""


def _hinted(finding: Finding, text: str) -> Finding:
    """A syntax error in what looks like a template says how to read it as one."""
    if finding.rule != _SYNTAX or not is_template(text):
        return finding
    return replace(finding, remediation="It looks like a template; to read it as one, add --embedded jinja.")


def _about_placeholder(finding: Finding, fragment: Fragment, start: int) -> bool:
    span = finding.span
    return span is not None and fragment.in_placeholder(start + span.start, start + span.end)


def _targets(script: Script, every: Iterable[Any]) -> list[Target]:
    """Statements from their first token on, and psql commands, in the order of the text."""
    places = [token.start for token in every if not token.comment]
    position = 0
    found = []
    for start, end in script.statements:
        while position < len(places) and places[position] < start:
            position += 1
        first = places[position] if position < len(places) else start
        found.append(Target(first if first < end else start, end))
    found += [Target(finding.span.start, finding.span.end) for finding in script.findings if finding.span]
    return sorted(found)


def _by_end(allowances: Iterable[Allowance]) -> dict[int, list[Allowance]]:
    """The comments by the end of what they stand at; no two statements or commands end at the same place."""
    found: dict[int, list[Allowance]] = {}
    for allowance in allowances:
        if allowance.target is not None:
            found.setdefault(allowance.target.end, []).append(allowance)
    return found


def _suppression(
    allowances: Iterable[Allowance], finding: Finding, rules: Mapping[str, RuleInfo], fragment: Fragment, source: Source
) -> Suppression | None:
    """What lifts a finding: the first of the comments at its statement, or at the command that it is about."""
    lifting = [allowance.comment for allowance in allowances if allowance.lifts(finding, rules)]
    if not lifting:
        return None
    comment = lifting[0]
    return Suppression("comment", comment.reason, source.span(*fragment.place(comment.start, comment.end)))
