"""The values of `pg-guard grants`. In: names and texts. Out: what a role may have, and the statements that say so.

Every name and text comes from a database or a policy, so it is data: names go through `sql_name`, texts through `literal`,
comments through `printable`, and the body of a DO block gets a tag that does not stand in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pg_guard.advise.quoting import sql_name

if TYPE_CHECKING:
    from pg_guard.catalog.model import Function, Name, Relation

__all__ = [
    "Access",
    "GrantOptions",
    "Readable",
    "Section",
    "Statement",
    "Withheld",
    "block",
    "literal",
    "routine_sql",
]


class GrantOptions(NamedTuple):
    """What the user chose.

    Attributes:
        role: The role's name, as it is stored.
        login: The role may log in; its settings hold for sessions that it opens.
        row_security: Write row-security policies for the values that `where` demands.
        revoke_public: Take from PUBLIC what every role has through it.
    """

    role: str
    login: bool = True
    row_security: bool = False
    revoke_public: bool = False


class Readable(NamedTuple):
    """A relation that the role reads; `columns` is None where it reads all of them."""

    relation: Relation
    columns: tuple[str, ...] | None


class Withheld(NamedTuple):
    """A relation that the policy permits by name and the role does not get, and why."""

    name: Name
    reason: str


@dataclass(frozen=True, slots=True)
class Access:
    """What the policy gives, in the order of the catalog.

    Attributes:
        readable: Relations with their columns.
        withheld: Relations that are permitted by name, yet not granted.
        system: Relations of PostgreSQL's own schemas that the policy opens; PUBLIC's privileges hold for them.
        functions: Functions of users that the policy lists.
        refused: The other functions of users.
        for_views: Functions of them that the views of `readable` call, so that the role needs EXECUTE.
        schemas: Schemas that the role looks into, sorted.
    """

    readable: tuple[Readable, ...] = ()
    withheld: tuple[Withheld, ...] = ()
    system: tuple[Name, ...] = ()
    functions: tuple[Function, ...] = ()
    refused: tuple[Function, ...] = ()
    for_views: tuple[Function, ...] = ()
    schemas: tuple[str, ...] = ()


class Statement(NamedTuple):
    """One statement of SQL, without a line break outside of a DO block; printed as a comment when it is not `active`."""

    sql: str
    active: bool = True


@dataclass(frozen=True, slots=True)
class Section:
    """Statements under a heading, with what is to be said of them."""

    title: str
    statements: tuple[Statement, ...]
    notes: tuple[str, ...] = ()


def literal(text: str) -> str:
    """A text as SQL writes it, read the same whatever `standard_conforming_strings` says."""
    if text.isprintable() and "\\" not in text:
        return "'" + text.replace("'", "''") + "'"
    return "E'" + "".join(_escaped(each) for each in text) + "'"


def _escaped(character: str) -> str:
    if character == "'":
        return "''"
    if character == "\\":
        return "\\\\"
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"


def block(body: str) -> str:
    """A DO block around PL/pgSQL; no name in the body can end it."""
    tag = "$pg_guard$"
    number = 0
    while tag in body:
        number += 1
        tag = f"$pg_guard{number}$"
    return f"DO {tag}\n{body.strip()}\n{tag}"


def routine_sql(function: Function) -> str:
    """A function with the types of its arguments, as GRANT names it."""
    arguments = ", ".join(f"{sql_name(each.schema)}.{sql_name(each.name)}" for each in function.args)
    return f"{sql_name(function.schema)}.{sql_name(function.name)}({arguments})"
