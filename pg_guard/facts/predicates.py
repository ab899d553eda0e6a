"""A small prover for conditions on scans. In: the levels of a statement. Out: which columns of a scan are held to constants.

**Held.** A column of a scan is *held* when every row of the scan that can take part in the result has, in that column, a
value from a fixed set of literals and parameters (or NULL). Rows with other values then cannot change the result, also not
by their absence. The prover concludes this from

- ``column = constant`` either way round, ``IN (constants)``, ``IN (VALUES …)``, ``= ANY`` of an array of constants or of a
  parameter, ``IS NOT DISTINCT FROM literal``, ``BETWEEN`` twice the same constant, row equality and row IN lists, each also under
  ``IS TRUE``. The operator must be PostgreSQL's own; casts count where they keep distinct values distinct;
- conjunctions of these in WHERE and in the ON of inner joins; USING and NATURAL joins as equalities;
- the ON of an outer join, for scans of its nullable side; for all scans, when a condition in WHERE that is never true of NULL
  makes the join an inner one;
- disjunctions in which every branch holds the column;
- equality chains: ``a.x = b.x AND a.x = 42`` holds both;
- ``column IN (SELECT y …)`` and ``= ANY (SELECT y …)`` and ``= (SELECT y …)`` where the sub-select holds y; ``EXISTS`` and
  ``IN`` of a SELECT whose WHERE holds the column, or equates it to one that is held inside. Not where an aggregate without
  GROUP BY, HAVING alone or an empty grouping set gives a row though WHERE accepts none (`Level.answers_alone`);
- HAVING, for columns that are grouped by outside of grouping sets;
- ``unnest`` of an array of constants or of a parameter in FROM, as a list of constants;
- derived tables, views and CTEs, upwards (an output that is a constant or a held column is held outside) and downwards (a
  condition outside reaches the scan inside) where PostgreSQL itself could push the condition down: no LIMIT or OFFSET, the
  column grouped by when there is a GROUP BY, in PARTITION BY of every window, in DISTINCT ON, no set-returning output; through
  every branch of a set operation; through a CTE only when *all* its uses hold the column, never into a recursive one;
- recursive CTEs, upwards, by induction over their two terms;
- outer references: a column of an outer level that is held there, or by what its source is (a derived table, a CTE), is a
  constant inside.

Everything else is given up, and then the requirement counts as not met: ranges, NOT, functions of the column, CASE,
``= ALL``, ``IS NOT DISTINCT FROM $1`` (it may be NULL), FILTER, the ON of a FULL JOIN, grouping sets, casts with a modifier,
comparison of int8 or numeric with a float, COLLATE of the deployment's own, other functions in FROM, current_setting(…),
and statements that ask more than `_MOST_QUESTIONS`.

Out of its reach: how long a statement takes, errors that an expression raises on rows that PostgreSQL drops later, what
EXPLAIN tells of row counts, and which values the constants are.

**Held to given values.** A `Prover` with `only` counts no other constants and no parameters, so what it proves held has one of
these values in every row that matters: the condition behind ``equals``. It reads constants by their text: a literal, cast to
nothing but an integer, numeric, text or uuid type without a length.

**Restricted** is the weaker property behind a requirement without columns: some condition really narrows the scan.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from pg_guard.facts import operands
from pg_guard.facts.formula import Closure, Condition, Equal, Held, InQuery, Matches, Or, Restricts
from pg_guard.facts.narrowing import query_is_narrow
from pg_guard.facts.tautologies import covered
from pg_guard.facts.validity import columns_of, exact_column, keep_values, pushes_down, valid_conditions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pg_guard.facts.scopes import Cte, Level, Query, Source, SourceColumn

__all__ = ["Prover"]


# Each disjunction is weighed against all other conditions; more of them than an author would write prove nothing.
MOST_DISJUNCTIONS = 50
# Questions on one level that may be open at a time, and those that are asked for one statement.
_MOST_AROUND = 2
_MOST_QUESTIONS = 4_000


class Prover:
    """Answers questions on the scans of one statement; see the module's docstring for what it proves.

    Every step that it cannot justify yields "not held", so a wrong answer can only refuse.
    """

    def __init__(self, only: frozenset[str] | None = None) -> None:
        """Make a prover.

        Args:
            only: The texts of the constants that count, as in ``{"42"}``; None for all constants and parameters.
        """
        self._only = only
        self._running: set[_Question] = set()
        self._answers: dict[_Question, Closure] = {}
        # How often an answer was cut short; an answer that rests on a cut is not kept.
        self._cuts = 0
        self._asked = 0
        self._assumed: dict[Cte, frozenset[int]] = {}

    def held(self, level: Level, source: Source, column: SourceColumn) -> bool:
        """Is `column` of `source` held for every row of that scan which takes part in the result?"""
        return self._closure(level, source, push=True).holds(column)

    def _counts(self, values: frozenset[str] | None) -> bool:
        return self._only is None or (values is not None and values <= self._only)

    def restricted(self, level: Level, source: Source) -> bool:
        """Is the scan of `source` narrowed by some condition?"""
        return source in self._closure(level, source, push=True).restricted

    # -- one level ---------------------------------------------------------------------------------------------------

    def _closure(self, level: Level, target: Source | None, *, push: bool) -> Closure:
        """What holds for the rows of a level; with a `target`, for those to which it contributes a row of its own."""
        key = (level, target, push)
        if (known := self._answers.get(key)) is not None:
            return known
        closure = Closure()
        around = sum(running[0] is level for running in self._running)
        if key in self._running or around >= _MOST_AROUND or self._asked >= _MOST_QUESTIONS:
            # INVARIANT: a question that comes up while it is being answered is answered "nothing holds"; so is one
            # that would make the search long, as when many sub-selects of a level ask for what holds around them.
            self._cuts += 1
            return closure
        self._asked += 1
        self._running.add(key)
        cuts = self._cuts
        try:
            conditions = valid_conditions(level, target, self._pushed(level) if push else ())
            self._apply(closure, level, conditions)
        finally:
            self._running.discard(key)
        if (cuts == self._cuts or not self._running) and not self._assumed:
            self._answers[key] = closure
        return closure

    def _apply(self, closure: Closure, level: Level, conditions: list[Condition]) -> None:
        equalities: list[Equal] = []
        disjunctions: list[Or] = []
        seen: list[SourceColumn] = []
        for condition in conditions:
            if isinstance(condition, Equal) and keep_values(condition.left.type, condition.right.type):
                closure.join(condition.left, condition.right)
                equalities.append(condition)
                seen += [condition.left, condition.right]
            elif isinstance(condition, Or):
                disjunctions.append(condition)
        for condition in conditions:
            if isinstance(condition, Held) and self._counts(condition.values):
                closure.hold(condition.column)
        for condition in conditions:
            if isinstance(condition, Restricts):
                closure.restricted.add(condition.column.source)
            elif isinstance(condition, InQuery):
                if not closure.holds(condition.column) and self.output_held(condition.query, condition.output):
                    closure.hold(condition.column)
                if query_is_narrow(condition.query, limits=condition.alone):
                    closure.restricted.add(condition.column.source)
            elif isinstance(condition, Matches) and not closure.holds(condition.column):
                inside = self._closure(condition.level, None, push=False)
                if inside.holds(condition.inner):
                    closure.hold(condition.column)
        for column in seen:
            if not closure.holds(column) and self._held_elsewhere(level, column):
                closure.hold(column)
        for disjunction in disjunctions[:MOST_DISJUNCTIONS]:
            self._apply_or(closure, level, conditions, disjunction)
        self._spread(closure, equalities)

    def _apply_or(self, closure: Closure, level: Level, conditions: list[Condition], disjunction: Or) -> None:
        rest = [condition for condition in conditions if condition is not disjunction]
        columns: set[SourceColumn] | None = None
        sources: set[Source] | None = None
        for branch in disjunction.branches:
            inner = Closure()
            self._apply(inner, level, [*(each for each in rest if not isinstance(each, Or)), *branch])
            held = {column for column in columns_of([*rest, *branch]) if inner.holds(column)}
            columns = held if columns is None else columns & held
            sources = set(inner.restricted) if sources is None else sources & inner.restricted
        for column in columns or ():
            closure.hold(column)
        closure.restricted |= (sources or set()) - covered(disjunction.branches)

    @staticmethod
    def _spread(closure: Closure, equalities: list[Equal]) -> None:
        """A scan that is joined by equality to a narrowed source is narrowed too."""
        changed = True
        while changed:
            changed = False
            for left, right in equalities:
                a, b = left.source, right.source
                for one, other in ((a, b), (b, a)):
                    if one not in closure.restricted and other is not one:
                        narrow = other in closure.restricted or (
                            other.query is not None and query_is_narrow(other.query)
                        )
                        if narrow or closure.holds(left):
                            closure.restricted.add(one)
                            changed = True

    def _held_elsewhere(self, level: Level, column: SourceColumn) -> bool:
        """Held by what the column's source is: a derived table's output, or a column of an outer level."""
        source = column.source
        if column.merged:
            return all(self._held_elsewhere(level, part) for part in column.merged)
        if source not in level.sources:
            outer = level.outer
            while outer is not None:
                if source in outer.sources:
                    around = self._closure(outer, source, push=True)
                    return around.holds(column) or self._held_elsewhere(outer, column)
                outer = outer.outer
            return False
        index = _index(source, column)
        if index is None:
            return False
        if source.cte is not None:
            return self.cte_held(source.cte, index)
        if index in source.given:
            return self._only is None
        return source.query is not None and self.output_held(source.query, index)

    # -- upwards: what a query guarantees for its outputs --------------------------------------------------------------

    def output_held(self, query: Query, index: int) -> bool:
        """Does every row of the query have a constant in this output?"""
        if query.kind == "setop":
            assert query.left is not None
            assert query.right is not None
            if query.operation == "EXCEPT":
                return self.output_held(query.left, index)
            if query.operation == "INTERSECT" and self.output_held(query.left, index):
                return True
            return self.output_held(query.left, index) and self.output_held(query.right, index)
        if index >= len(query.outputs):
            return False
        expr = query.outputs[index].expr
        # A literal output (a forged `42 AS tenant_id`) is constant, but says nothing about the rows it was read from;
        # it may hold what is joined to it, as any constant may.
        if expr.constant:
            return expr.value is not None and self._counts(operands.texts((expr,)))
        column = exact_column(expr)
        if column is None or query.level is None:
            return False
        # A row that an aggregate gives without input meets no condition of WHERE, and may show a column from around it.
        own = column.source.level is query.level
        if own or not query.level.answers_alone:
            closure = self._closure(query.level, column.source, push=False)
            if closure.holds(column):
                return True
        return self._held_elsewhere(query.level, column)

    def cte_held(self, cte: Cte, index: int) -> bool:
        """The same for a CTE; of a recursive one by induction over its two terms."""
        if cte in self._assumed:
            return index in self._assumed[cte]
        if cte.query is None:
            return False
        if not cte.recursive_uses:
            return self.output_held(cte.query, index)
        left, right = cte.query.left, cte.query.right
        if left is None or right is None:
            return False
        held = frozenset(each for each in range(len(left.outputs)) if self.output_held(left, each))
        while True:
            self._assumed[cte] = held
            try:
                kept = frozenset(each for each in held if self.output_held(right, each))
            finally:
                del self._assumed[cte]
            if kept == held:
                return index in held
            held = kept

    # -- downwards: what the query around a level demands of its rows --------------------------------------------------

    def _pushed(self, level: Level) -> Iterable[Condition]:
        query = level.owner
        if query is None or query.user is None or query.limited:
            return  # nobody around it demands anything, whatever its outputs are
        for index, output in enumerate(query.outputs):
            if output.expr.probe is None:
                continue
            held, narrowed = self._demanded(query, index)
            column = exact_column(output.expr)
            if held and column is not None and pushes_down(level, output, exact=True):
                yield Held(column, self._only)
            elif (held or narrowed) and pushes_down(level, output, exact=False):
                # It may be IS NULL that narrows, which shows no row of an outer join's nullable side.
                yield Restricts(output.expr.probe, strict=False)

    def _demanded(self, query: Query, index: int) -> tuple[bool, bool]:
        """(held, narrowed): what the readers of a query demand of one of its outputs."""
        from pg_guard.facts.scopes import Cte, Query  # the cycle of types is only resolved at run time here

        user = query.user
        if user is None or query.limited:
            return False, False
        if isinstance(user, Query):
            if index >= len(user.outputs) or not keep_values(
                query.outputs[index].expr.type, user.outputs[index].expr.type
            ):
                # The set operation rounds, so several values here are one value there.
                return False, False
            return self._demanded(user, index)
        if isinstance(user, Cte):
            if user.recursive_uses or not user.uses:
                return False, False
            demands = [self._demanded_by(source, index) for source in user.uses]
            return all(held for held, _ in demands), all(narrowed for _, narrowed in demands)
        return self._demanded_by(user, index)

    def _demanded_by(self, source: Source, index: int) -> tuple[bool, bool]:
        level = source.level
        if level is None or source.columns is None or index >= len(source.columns):
            return False, False
        column = source.columns[index]
        closure = self._closure(level, source, push=True)
        narrowed = any(
            isinstance(condition, (Restricts, Held)) and condition.column is column
            for condition, valid in level.conditions
            if valid is None or id(source) in valid
        )
        return closure.holds(column), narrowed or closure.holds(column)


_Question: TypeAlias = "tuple[Level, Source | None, bool]"


def _index(source: Source, column: SourceColumn) -> int | None:
    for index, each in enumerate(source.columns or ()):
        if each is column:
            return index
    return None
