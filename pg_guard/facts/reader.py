"""The state of one extraction. In: a text, names, limits. Out: `Facts`, filled by the modules that read parts of a tree.

A `Reader` is used for one text by one thread. Parts that cannot be understood become a `Note`, which refuses the
statement: nothing that was not understood is ever allowed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pg_guard.catalog.model import Name
from pg_guard.decision import Finding
from pg_guard.facts import implicit
from pg_guard.facts.details import Details
from pg_guard.facts.model import ColumnUse, Facts, FunctionUse, Note, RelationUse, TypeUse, Use
from pg_guard.facts.names import PG, SYSTEM_COLUMNS, UNKNOWN, Names, declared_arguments
from pg_guard.facts.resolution import RECORD
from pg_guard.facts.scopes import Base, Expr, Scope, Source, SourceColumn
from pg_guard.sql.text import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pg_guard.catalog.model import Function
    from pg_guard.decision import Named
    from pg_guard.facts.views import ViewShapes

__all__ = ["Reader", "TooDeep"]


MOST_COLUMNS = 1664  # MaxTupleAttributeNumber in src/include/access/htup_details.h
MOST_STARRED = 20_000


class TooDeep(Exception):  # noqa: N818 - an outcome of reading, turned into a finding
    """The statement is nested deeper than the policy's `limits.depth`."""

    def __init__(self, location: int) -> None:
        super().__init__("too deep")
        self.location = location


class Reader:
    """One extraction's state.

    Args:
        names: Look-ups on the catalog.
        shapes: What each view of the catalog shows, shared by all readers of a guard.
        max_depth: `limits.depth`: nesting of queries and expressions.
        expand: Views to be read in place, because a requirement holds for scans inside of them.
        detailed: Gather how the statement is built, too (`pg_guard.facts.shapes_model`), for rules that ask for it.
    """

    def __init__(
        self,
        names: Names,
        shapes: ViewShapes,
        *,
        max_depth: int = 64,
        expand: frozenset[Name] = frozenset(),
        detailed: bool = False,
    ) -> None:
        self.names = names
        self.shapes = shapes
        self.facts = Facts()
        self.details = Details() if detailed else None
        self.max_depth = max_depth
        self.expand = expand
        self.depth = 0
        self.starred = 0
        self.location = -1
        self.via: tuple[Name, ...] = ()
        # True while the column is read of which a field is selected: `(home).size` shows nothing else of it.
        self.selecting = False
        # Inside of a view's definition every place is that of the view's name in the statement.
        self.fixed_location: int | None = None

    def enter(self, location: int = -1) -> None:
        """Go one level deeper; `leave` must follow unless this raises.

        Raises:
            TooDeep: The budget is used up.
        """
        self.depth += 1
        if self.depth > self.max_depth:
            raise TooDeep(location if location >= 0 else self.location)

    def spend(self, columns: int) -> None:
        """Count columns that a star brings in.

        Raises:
            Refusal: Too many: PostgreSQL refuses more than 1,664 in one list, and stars over CTEs that double each other
                would otherwise never end.
        """
        self.starred += columns
        if columns > MOST_COLUMNS or self.starred > MOST_STARRED:
            raise Refusal(
                Finding(
                    "limits/columns",
                    "medium",
                    f"A star stands for more columns than can be returned ({MOST_COLUMNS}), or the statement has too many of them.",
                    "Name the columns that you need.",
                )
            )

    def leave(self) -> None:
        """Go back up one level."""
        self.depth -= 1

    def at(self, location: int) -> int:
        """The place to report for a node of the tree that is being read."""
        if self.fixed_location is not None:
            return self.fixed_location
        if location >= 0:
            self.location = location
            return location
        return self.location

    def note(self, rule: str, message: str, remediation: str, location: int = -1, about: Named | None = None) -> None:
        """Record something that refuses the statement; `about` is the missing name that it is about."""
        self.facts.notes.append(Note(rule, message, remediation, self.at(location), about))

    def unsupported(self, what: str, location: int = -1) -> None:
        """Record a construct that is not understood."""
        self.note(
            "sql/unsupported",
            f"{what} is not understood by this version of pg-guard.",
            "Write the query without it.",
            location,
        )

    # -- columns -----------------------------------------------------------------------------------------------------

    def use_column(
        self, column: SourceColumn, use: Use, location: int, *, star: bool = False, whole_row: bool = False
    ) -> Expr:
        """Record that a column is read, and tell what is known of it."""
        self._record_column(column, use, self.at(location), star, whole_row)
        type_ = column.type
        while len(column.merged) == 1:
            column = column.merged[0]
        return Expr(type_, (column,), column, probe=column, fields=column.fields)

    def _record_column(self, column: SourceColumn, use: Use, place: int, star: bool, whole_row: bool) -> None:
        if column.merged:
            for part in column.merged:
                self._record_column(part, use, place, star, whole_row)
            return
        source = column.source
        if source.relation is None and not source.relation_names:
            return
        relations = (source.relation.key,) if source.relation is not None else source.relation_names
        self.facts.columns.append(ColumnUse(relations, column.stored, use, place, star, whole_row, self.via))
        own = relations[0]
        if column.type is not None and column.type.schema != PG and not self.selecting:
            self.use_nested(column.type, use, place, (*self.via, own))
        for base in column.base:
            if base != (own, column.stored):
                self.facts.columns.append(
                    ColumnUse((base.relation,), base.column, use, place, star, whole_row, (*self.via, own))
                )

    def use_nested(self, type_: Name, use: Use, place: int, via: tuple[Name, ...]) -> None:
        """Record that a value is read whole which holds rows: so are all their columns."""
        if self.names.types is None:
            return
        nested = self.names.types.nested(type_)
        for relation, name in nested:
            self.facts.columns.append(ColumnUse((relation,), name, use, place, whole_row=True, via=via))
        for relation in dict.fromkeys(relation for relation, _ in nested):
            self.use_row_type(relation, place)

    def use_row_type(self, name: Name, place: int) -> None:
        """Record that a value is read which is a row of a stored relation, copied from it or not."""
        relation = self.names.catalog.relation_index.get(name) if self.names.catalog is not None else None
        if relation is not None and relation.kind != "composite":
            self.facts.relations.append(RelationUse((name,), relation.kind, True, "", place, self.via, "type"))

    def use_open(self, source: Source, name: str, use: Use, location: int, *, certain: bool) -> SourceColumn:
        """A column of a source whose columns are unknown."""
        column = source.named.get(name)
        if column is None:
            column = SourceColumn(source, name, None, tuple(Base(each, name) for each in source.relation_names))
            source.named[name] = column
        if source.relation_names:
            self.facts.columns.append(
                ColumnUse(source.relation_names, name, use, self.at(location), via=self.via, certain=certain)
            )
        return column

    def use_row(self, source: Source, use: Use, location: int, *, star: bool = False) -> tuple[SourceColumn, ...]:
        """Record that every column of a source is read."""
        if source.columns is None:
            if source.relation_names:
                self.facts.columns.append(
                    ColumnUse(source.relation_names, "*", use, self.at(location), star, not star, self.via)
                )
            return ()
        for each in source.opened:
            self.use_row(each, use, location, star=star)
        place = self.at(location)
        for column in source.columns:
            if column.stored not in SYSTEM_COLUMNS or source.kind != "relation":
                self._record_column(column, use, place, star, not star)
        return tuple(source.columns)

    def find_column(self, scope: Scope, name: str, use: Use, location: int) -> Expr | None:
        """An unqualified column, as colNameToVar finds it; None when no level has one."""
        candidates: list[SourceColumn] = []
        for each in scope.chain():
            found = [column for column in each.columns if column.name == name]
            if not found and name in SYSTEM_COLUMNS:
                found = [self._system_column(source, name) for source in each.rels if source.kind == "relation"]
            if len(found) > 1 and not each.opened:
                self.note(
                    "sql/unknown-name",
                    f'The column reference "{name}" is ambiguous.',
                    "Qualify it by its table: "
                    + " or ".join(f"{column.source.alias}.{name}" for column in found[:4])
                    + ".",
                    location,
                )
            if found:
                for column in found:
                    expr = self.use_column(column, use, location)
                if not candidates:
                    return expr
                candidates.extend(found)
                break
            # A level with a source of unknown columns may own the name, and so may a level around it.
            stored = [source for source in each.opened if source.relation_names]
            alone = len(each.opened) == 1 and not each.columns
            candidates.extend(
                self.use_open(source, name, use, location, certain=alone) for source in stored or each.opened[:1]
            )
        if not candidates:
            return None
        first = candidates[0]
        return Expr(first.type, tuple(candidates), first if len(candidates) == 1 else None, probe=first)

    @staticmethod
    def _system_column(source: Source, name: str) -> SourceColumn:
        return SourceColumn(source, name, Name(PG, "oid" if name == "tableoid" else "tid"), ())

    def qualified_column(self, source: Source, name: str, use: Use, location: int) -> Expr | None:
        """A column of a named source; None when it has none by that name."""
        if source.columns is None:
            column = self.use_open(source, name, use, location, certain=True)
            return Expr(None, (column,), column, probe=column)
        if found := source.column(name):
            return self.use_column(found, use, location)
        if source.opened:
            columns = tuple(self.use_open(each, name, use, location, certain=False) for each in source.opened)
            return Expr(None, columns, probe=columns[0])
        if source.kind == "relation" and name in SYSTEM_COLUMNS:
            return self.use_column(self._system_column(source, name), use, location)
        return None

    # -- functions ---------------------------------------------------------------------------------------------------

    def use_function(
        self,
        schema: str | None,
        name: str,
        position: str,
        location: int,
        args: tuple[Expr, ...] = (),
        *,
        named: tuple[str | None, ...] = (),
        variadic: bool = False,
        use: Use = "output",
    ) -> FunctionUse:
        """Record a call and every overload that it may reach.

        Args:
            use: The clause that it stands in.
            named: For each argument the name that it is given by, or None; empty when none has one.
            variadic: The call is written with VARIADIC.
        """
        overloads = self.names.functions(schema, name)
        fitting: tuple[Function, ...] = ()
        if named and overloads:
            fitting = self.names.named_overloads(overloads, tuple(arg.type for arg in args), named)
        elif overloads:
            given = tuple(arg.type for arg in args)
            fitting = self.names.resolve_function(schema, name, given, variadic=variadic)
            if len(fitting) == 1 and self.names.types is not None:
                declared = declared_arguments(self.names.types, fitting[0], len(args), variadic=variadic)
                for type_, wanted in zip(given, declared, strict=False):
                    self.coerce(type_, wanted, location)
                implicit.pass_arguments(self, fitting[0], declared, args, location)
        known = bool(overloads) or self.names.catalog is None
        literals = tuple((index, arg.value) for index, arg in enumerate(args) if arg.constant and arg.value is not None)
        call = FunctionUse(
            schema, name, fitting or overloads, known, position, self.at(location), literals, self.via, use,  # type: ignore[arg-type] # callers pass literals
            len(literals) == len(args), len(args),
        )  # fmt: skip
        self.facts.functions.append(call)
        return call

    def coerce(
        self,
        given: Name | None,
        wanted: Name | None,
        location: int,
        *,
        explicit: bool = False,
        fields: tuple[Name | None, ...] = (),
    ) -> None:
        """Record the functions of user-defined casts that turn one type into another, spelled out or not.

        Args:
            explicit: The author wrote the cast.
            fields: Types of the fields of a row without a named type.
        """
        types = self.names.types
        if types is None or wanted is None or given == wanted:
            return
        if wanted.schema == PG and wanted.name.removeprefix("_").startswith("reg") and not explicit:
            # An oid or a text that becomes a reg* type by itself is looked up in the catalog all the same.
            self.facts.types.append(TypeUse(wanted, True, self.at(location), None, given))
        if wanted.schema != PG and not explicit:
            found = types.find(wanted)
            if given == UNKNOWN or (found is not None and found.kind == "domain"):
                implicit.use_type(self, found, location)
        if given == UNKNOWN or not types.user_casts:
            return
        if given == RECORD:
            # ROW(…) becomes a composite type column by column, each by the casts of its own type.
            columns = types.columns(wanted)
            for index, column in enumerate(columns):
                field = fields[index] if len(fields) == len(columns) else None
                self.coerce(field, column, location, explicit=True)
        for target in {wanted, types.base(wanted), types.element(wanted)}:
            for source, function, by_itself in types.user_casts.get(target, ()) if target is not None else ():
                if not (by_itself or explicit):
                    continue
                if given is None or source in (given, types.base(given), types.element(given)):
                    overloads = tuple(
                        each
                        for each in self.names.functions(function.schema, function.name)
                        if each.args[:1] == (source,)
                    )
                    self.facts.functions.append(
                        FunctionUse(
                            function.schema, function.name, overloads, True, "cast", self.at(location), (), self.via
                        )
                    )

    def common(self, parts: Sequence[Expr], location: int = -1) -> Name | None:
        """The type that CASE, UNION and the like give their parts, with the casts that lead there recorded."""
        if self.names.types is None:
            return None
        result = self.names.types.common([part.type for part in parts])
        for part in parts:
            if result is not None:
                self.coerce(part.type, result, location)
        return result
