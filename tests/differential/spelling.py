"""The same statement, spelled in another way. In: names and a text of single blanks. Out: what PostgreSQL reads alike.

Case, quoting, Unicode escapes, white space, comments and the case of keywords change; the meaning must not.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random

__all__ = ["HARD_BLANK", "respell", "spell_name", "spell_text"]

# Stands for a blank inside of a quoted text or name, so that `respell` leaves it alone.
HARD_BLANK = "\x01"

_SIMPLE = re.compile(r"[a-z_][a-z0-9_]*")
_KEYWORDS = """
    all and any array as asc at between both case cast check collate column constraint create cross current date
    default desc distinct do else end except false fetch for foreign from full grant group having in inner
    intersect interval into is join lateral leading left like limit natural not null offset on only or order outer
    primary references returning right row select session_user set some table then time timestamp to trailing true
    union unique user using values varchar variadic verbose when where window with char bit int integer numeric
    decimal real float boolean character nchar national out inout precision coalesce greatest least nullif overlay
    position substring trim treat extract exists grouping normalize setof xmlattributes xmlconcat xmlelement
    xmlexists xmlforest xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable json json_array json_arrayagg
    json_exists json_object json_objectagg json_query json_scalar json_serialize json_table json_value
    merge_action bigint smallint dec binary authorization collation concurrently freeze ilike isnull notnull
    overlaps similar tablesample current_schema current_catalog current_role current_time current_timestamp
    current_user localtime localtimestamp analyse analyze asymmetric symmetric initially deferrable placing over
    filter within
"""
_RESERVED = frozenset(_KEYWORDS.split())
_QUOTED = re.compile(r"""((?:[eEuU]&?)?'(?:[^']|'')*'|(?:[uU]&)?"(?:[^"]|"")*")""")
_KEYWORD = re.compile(r"\b[A-Z]{2,}\b")
_BLANKS = ("\n", "\t", "  ", " /* x */ ", " /* ' */ ", ' /* " /* nested */ */ ', " -- x\n", " --'\n", "\r\n", "\f")


def spell_name(name: str, rng: random.Random) -> str:
    """One spelling of a name that PostgreSQL reads as exactly that name."""
    chance = rng.random()
    simple = bool(_SIMPLE.fullmatch(name)) and name not in _RESERVED
    if simple and chance < 0.86:
        if chance < 0.74:
            return name
        return name.upper() if chance < 0.8 else "".join(rng.choice((c, c.upper())) for c in name)
    if chance < 0.96 or not name.isascii():
        return '"' + name.replace('"', '""').replace(" ", HARD_BLANK) + '"'
    place = rng.randrange(len(name))
    escaped = "".join(
        f"\\{ord(c):04X}" if i == place or c == "\\" else '""' if c == '"' else HARD_BLANK if c == " " else c
        for i, c in enumerate(name)
    )
    return f'U&"{escaped}"'


def spell_text(value: str, rng: random.Random) -> str:
    """One spelling of a string constant."""
    chance = rng.random()
    plain = value.replace("'", "''").replace(" ", HARD_BLANK)
    if chance < 0.93 or not value or "\\" in value or not value.isascii():
        return f"'{plain}'"
    if chance < 0.96:
        place = rng.randrange(len(value))
        letters = [f"\\x{ord(c):02x}" if i == place else plain_letter(c) for i, c in enumerate(value)]
        return "E'" + "".join(letters) + "'"
    tag = rng.choice(("", "q"))
    return f"${tag}${value.replace(' ', HARD_BLANK)}${tag}$" if "$" not in value else f"'{plain}'"


def plain_letter(letter: str) -> str:
    return {"'": "''", " ": HARD_BLANK}.get(letter, letter)


def respell(text: str, rng: random.Random) -> str:
    """Change white space, comments and the case of keywords; about half of the texts keep plain blanks."""
    if rng.random() < 0.5:
        return text.replace(HARD_BLANK, " ")
    style = rng.choice((str.lower, str.upper, str.title, str))
    rate = rng.choice((0.0, 0.03, 0.2))
    parts = []
    for index, part in enumerate(_QUOTED.split(text)):
        if index % 2 == 0 and "$" not in part:
            part = _KEYWORD.sub(lambda found: style(found[0]), part)
            part = re.sub(" ", lambda _: rng.choice(_BLANKS) if rng.random() < rate else " ", part)
        parts.append(part)
    return "".join(parts).replace(HARD_BLANK, " ")
