"""A starter policy's text. In: a `Plan`. Out: commented YAML that loads, has no warning, and whose own tests pass.

INVARIANT: the text depends on the plan alone: no time, no host, no role, no path.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pg_guard.advise.plan import CAPABILITIES, GENERAL_COLUMNS, PACKS, Line, Plan
from pg_guard.advise.proofs import Proof, choose_proofs
from pg_guard.advise.quoting import comment, printable, scalar
from pg_guard.errors import InternalError, PolicyError, UsageError
from pg_guard.policy.document import MAX_BYTES
from pg_guard.policy.load import parse_policy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pg_guard.catalog.model import Catalog
    from pg_guard.policy.model import Policy

__all__ = ["Starter", "write_starter"]

_WHY_CELLS: Final = 110
_FILE: Final = "starter policy"


@dataclass(frozen=True, slots=True)
class Starter:
    """A starter policy.

    Attributes:
        text: The file's content.
        policy: What it says.
        tests: How many tests it holds.
    """

    text: str
    policy: Policy
    tests: int


def write_starter(plan: Plan, catalog: Catalog) -> Starter:
    """Write a plan as a policy file, with tests that pass on this catalog and without one.

    Raises:
        UsageError: The database is too large for one policy file.
    """
    text = _compose(plan, ())
    if len(text.encode()) > MAX_BYTES * 9 // 10:
        raise UsageError(
            "a policy for so many tables would be larger than a policy file may be",
            hint="write one for some of the schemas, with --schema",
        )
    draft = _parse(text)
    proofs = choose_proofs(draft, catalog)
    text = _compose(plan, proofs)
    return Starter(text, _parse(text), len(proofs))


def _parse(text: str) -> Policy:
    try:
        loaded = parse_policy(text, _FILE)
    except PolicyError as error:
        if any(problem.file != _FILE for problem in error.problems):
            raise  # a rule pack that is damaged is no matter of this text
        raise InternalError(
            f"the starter policy cannot be read back: {error.problems[0]}", hint="report it with the names it mentions"
        ) from error
    if loaded.problems:
        raise InternalError(
            f"the starter policy has a warning: {loaded.problems[0]}", hint="report it with the names it mentions"
        )
    return loaded.policy


class _Writer:
    def __init__(self) -> None:
        self._lines: list[str] = []

    def line(self, text: str = "", why: str = "") -> None:
        self._lines.append(f"{text}  # {comment(why, _WHY_CELLS)}" if why else text)

    def note(self, text: str, indent: int = 0) -> None:
        self._lines.append(f"{' ' * indent}# {comment(text, 160)}")

    def items(self, lines: Iterable[Line], indent: int, *, active: bool = True) -> None:
        """A list, one item a line; suggestions as comments in the same place."""
        for each in lines:
            mark = "" if each.active and active else "# "
            self.line(f"{' ' * indent}{mark}- {scalar(each.value)}", each.why)

    def text(self) -> str:
        return "\n".join(self._lines) + "\n"


def _compose(plan: Plan, proofs: tuple[Proof, ...]) -> str:
    writer = _Writer()
    _head(writer, plan)
    _tables(writer, plan)
    _columns(writer, plan)
    _where(writer, plan)
    _functions(writer, plan)
    _limits(writer, plan)
    _tests(writer, proofs)
    return writer.text()


def _head(writer: _Writer, plan: Plan) -> None:
    writer.note(f"A starter policy for the database {printable(plan.database)}, written by `pg-guard init`.")
    writer.note(f"Made from the catalog of PostgreSQL {plan.major}: names, types, comments and keys. No row was read.")
    writer.note(
        "Every line says why it is there. Read them all: a name can mislead, and what no name tells is not here."
    )
    writer.note("A commented line that begins with a dash is a suggestion: remove its # to use it.")
    writer.note("Then:  pg-guard policy validate POLICY --dsn URI   and   pg-guard audit --policy POLICY --dsn URI")
    for sentence in plan.left_out:
        writer.note(f"Left out: schema {sentence}.")
    name = plan.database[:200] if plan.database.strip() else "starter"
    writer.line("schema: pg-guard/policy/v1")
    writer.line("metadata:")
    writer.line(f"  name: {scalar(name)}")
    writer.line("  version: 0.1.0")
    writer.line("  description: A starter policy made from the catalog; not reviewed yet.")
    writer.line("mode: enforce", "monitor decides and records, but refuses nothing")
    writer.line()
    writer.line("packs:", "rules that come with pg-guard; `pg-guard packs list` shows them all")
    for each in PACKS:
        writer.line(f"  - {{use: {each}}}")
    writer.line()
    writer.line("statements:")
    writer.line("  allow: [select]", "reads; explain and show can be added, nothing that writes can")
    if plan.search_path:
        listed = ", ".join(scalar(each) for each in plan.search_path)
        writer.line(f"search_path: [{listed}]", "what the role's own search_path finds among the schemas below")
    else:
        writer.note("search_path: none; names are looked up as the role's own settings say")
    writer.line()


def _tables(writer: _Writer, plan: Plan) -> None:
    writer.line("tables:")
    writer.line("  default: deny", "what is not listed stays closed, also schemas that are made tomorrow")
    writer.line("  allow:" if any(each.active for each in plan.allow) else "  allow: []")
    writer.items(plan.allow, 4)
    if any(each.active for each in plan.deny):
        writer.line("  deny:")
    else:
        writer.line("  deny: []", "to use a suggestion below, remove the [] here and the # there" if plan.deny else "")
    writer.items(plan.deny, 4)
    for sentence in plan.notes:
        writer.note(sentence, 2)
    writer.line()


def _columns(writer: _Writer, plan: Plan) -> None:
    writer.line("columns:")
    writer.line("  on_star: deny", "SELECT * over a denied column is refused")
    writer.line("  deny:")
    writer.line('    "*":', "in every relation, also in those that are made tomorrow")
    writer.items((Line(each, "") for each in GENERAL_COLUMNS), 6)
    for relation, lines in plan.columns:
        if any(each.active for each in lines):
            writer.line(f"    {scalar(relation)}:")
            writer.items(lines, 6)
        else:
            writer.line(f"    # {scalar(relation)}:")
            for each in lines:
                writer.line(f"    #   - {scalar(each.value)}", each.why)
    writer.line()


def _where(writer: _Writer, plan: Plan) -> None:
    active = any(each.active for each in plan.where)
    if not (plan.where or plan.where_notes or plan.large):
        writer.note("where: no column tells tenants apart by its name and keys, and no table is large")
        writer.line("where: []")
        writer.line()
        return
    if active:
        writer.line("where:", "columns that each use of a table must hold to constants or parameters")
    else:
        writer.line("where: []", "to use a suggestion below, remove the [] here and the # there")
    # Active entries first, so that the list begins with what counts.
    for requirement in sorted(plan.where, key=lambda each: not each.active):
        for sentence in requirement.evidence:
            writer.note(sentence, 2)
        mark = "" if requirement.active else "# "
        columns = ", ".join(scalar(each) for each in requirement.columns)
        writer.line(f"  {mark}- columns: [{columns}]")
        writer.line(f"  {mark}  table:")
        for line in requirement.tables:
            writer.line(f"  {mark}    - {scalar(line.value)}", line.why)
    if active:
        writer.note(
            "To hold a column to the caller's own value and no other, write equals: in place of columns:, as in", 2
        )
        writer.note('  equals: {tenant_id: ":tenant_id"}', 2)
    for sentence in plan.where_notes:
        writer.note(sentence, 2)
    if plan.large:
        writer.note("Large tables: a condition that restricts them keeps queries quick.", 2)
        for line in plan.large:
            writer.line(f"  # - table: {scalar(line.value)}", line.why)
    writer.line()


def _functions(writer: _Writer, plan: Plan) -> None:
    writer.line("functions:")
    writer.line("  mode: allowlist", "a function is refused unless a line below allows it")
    writer.line("  allow:")
    writer.line(f"    - {{capability: [{', '.join(CAPABILITIES[plan.strict])}]}}")
    if plan.functions:
        writer.note("Functions of this database; they need `user_defined: allow_listed` below.", 4)
        writer.items(plan.functions, 4)
    if plan.function_notes:
        writer.note("Not suggested, or not needed:", 4)
        for sentence in plan.function_notes:
            writer.note(f"  {sentence}", 4)
    writer.line("  user_defined: deny", "allow_listed: those that `allow` names")
    writer.line()


def _limits(writer: _Writer, plan: Plan) -> None:
    biggest = f"{len(plan.large)} large tables: see where" if plan.large else "no large table was seen"
    writer.line("joins:")
    writer.line(f"  max_tables: {plan.max_tables}", f"relations in one SELECT level; {biggest}")
    writer.line("limits:")
    writer.line(f"  rows: {plan.rows}", "most rows that are returned")
    writer.line(f"  result_bytes: {'1MB' if plan.strict else '10MB'}")
    writer.line(f"  statement_timeout: {plan.timeout}")
    writer.line()


def _tests(writer: _Writer, proofs: tuple[Proof, ...]) -> None:
    if not proofs:
        writer.line("tests: []")
        return
    writer.line("tests:", "run by `pg-guard policy validate`")
    for proof in proofs:
        writer.line(f"  - name: {scalar(proof.name)}")
        writer.line(f"    sql: {scalar(proof.sql)}")
        writer.line(f"    expect: {proof.expect}")
        if proof.rule:
            writer.line(f"    rules: [{proof.rule}]")
