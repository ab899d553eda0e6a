"""The vocabulary of what a function can do. In: nothing. Out: `Capability` and `CAPABILITIES`, closed sets of words.

Policies allow and deny by these words, the classification of built-in functions assigns them; both import them here.
"""

from typing import Literal, TypeAlias, get_args

__all__ = ["CAPABILITIES", "Capability"]

Capability: TypeAlias = Literal[
    "pure",  # depends on its arguments only
    "aggregate",
    "window",
    "set-returning",
    "clock",  # reads the time
    "random",
    "session-info",  # who and where: current_user, version()
    "catalog-read",  # system catalogs, definitions, comments
    "statistics-read",  # activity and statistics views' functions
    "dynamic-sql",  # runs SQL text or reads a relation given by name
    "filesystem",
    "large-object",
    "network",
    "sleep",
    "lock",  # advisory locks
    "backend-control",  # cancels, terminates or signals other sessions
    "configuration-read",
    "configuration-write",
    "sequence-write",
    "notify",
    "replication",
    "wal",
    "memory-heavy",  # the size of the result is an argument
    "xml-export",
    "type-io",  # input and output functions of types
    "sequence-read",  # currval, lastval, the state of a sequence
    "catalog-write",  # changes catalogs, indexes or stored statistics although it looks like a read
    "statistics-write",  # resets the counters that monitoring reads
    "support",  # index, aggregate and planner support: an argument or result is of a type that SQL cannot produce
    "trigger",  # returns trigger: an error outside of a trigger
]

CAPABILITIES: frozenset[str] = frozenset(get_args(Capability))
