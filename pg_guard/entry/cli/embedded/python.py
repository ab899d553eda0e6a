"""SQL in Python. In: the text of a module. Out: string literals that are statements, with the place of each character.

A literal is taken as SQL when it is the argument of a call that runs statements (``cursor.execute("…")``, also by a name
that the module binds once), or when it is marked: by ``--sql`` as its first characters, or by a comment ``# sql`` on the
line where it starts or ends. The module is parsed, never imported. Text that is put together at run time (f-strings,
``%``, ``.format``, names bound elsewhere) is reported as not read.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
import warnings
from typing import TYPE_CHECKING, Final

from pg_guard.entry.cli.embedded.fragments import Fragment, FragmentBuilder, Reading, Unread
from pg_guard.entry.cli.embedded.literals import decode_literal, with_parameters
from pg_guard.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["read_python"]

_SURE: Final = frozenset(
    {"execute", "executemany", "executescript", "fetchrow", "fetchval", "read_sql", "read_sql_query", "mogrify"}
)
"""Calls of these names run what they are given; an argument that cannot be read is reported."""

_LIKELY: Final = frozenset(
    {"text", "fetch", "fetchmany", "cursor", "prepare", "raw", "query", "sql", "SQL", "scalar", "scalars", "stream"}
    | {"exec_driver_sql", "copy_from_query", "run_sql"}
)
"""Calls that run statements and do other things, too; only text that begins as a statement is looked at."""

_KEYWORDS: Final = frozenset({"sql", "query", "statement", "operation"})
_PARAMETERS: Final = frozenset({"params", "parameters", "vars", "args"})
_FIRST_WORD = re.compile(
    r"(?:\s|--[^\n]*\n|/\*.*?\*/|\()*(?:select|with|values|table|insert|update|delete|merge|explain|show|set|reset|create"
    r"|alter|drop|truncate|grant|revoke|copy|call|do|begin|start|commit|rollback|savepoint|lock|vacuum|analyze|refresh"
    r"|comment|prepare|execute|declare|listen|notify|reindex|cluster|security|import|reassign)\b",
    re.IGNORECASE | re.DOTALL,
)
_MARK = re.compile(r"\s*--\s*sql\b", re.IGNORECASE)
_COMMENT_MARK = re.compile(r"#\s*sql\s*", re.IGNORECASE)
_LINE_ENDS = re.compile(r"\r\n|\r|\n")


def read_python(text: str) -> Reading:
    """Find the SQL in a module.

    Raises:
        UsageError: It is no valid Python.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes that are none: they are the author's matter
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None)
        place = f" in line {line}" if line else ""
        reason = getattr(error, "msg", None) or str(error)
        raise UsageError(f"not valid Python{place}: {reason}", hint="correct it, or leave the file out") from None
    return _Module(text, tree).read()


class _Module:
    """A module, and what was found in it so far."""

    def __init__(self, text: str, tree: ast.Module) -> None:
        self._text = text
        self._tree = tree
        # ast counts lines as Python does, and columns in bytes of UTF-8.
        self._lines = [0, *(match.end() for match in _LINE_ENDS.finditer(text))]
        self._names = _bound_once(tree)
        self._fragments: dict[int, Fragment] = {}
        self._unread: dict[tuple[int, int], str] = {}
        self._done: set[ast.AST] = set()

    def read(self) -> Reading:
        """Look at calls first: they know more of their argument than a mark does."""
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Call):
                self._call(node)
        marked = _marked_lines(self._text)
        for node in self._texts(self._tree):
            value = _constant(node)
            last = node.end_lineno or node.lineno
            if node.lineno in marked or last in marked or _MARK.match(value if value is not None else _beginning(node)):
                self._take(node)
        fragments = tuple(self._fragments[start] for start in sorted(self._fragments))
        unread = tuple(Unread(start, end, reason) for (start, end), reason in sorted(self._unread.items()))
        return Reading(fragments, unread)

    def _texts(self, root: ast.AST) -> Iterator[ast.expr]:
        """Each expression that makes a text, as a whole; what was looked at before is passed over."""
        stack = [root]
        while stack:
            node = stack.pop()
            if node in self._done:
                continue
            if isinstance(node, ast.expr) and _makes_text(node):
                yield node
            else:
                stack.extend(reversed(list(ast.iter_child_nodes(node))))

    def _call(self, call: ast.Call) -> None:
        name = _called(call)
        if name not in _SURE and name not in _LIKELY:
            return
        keywords = {keyword.arg: keyword.value for keyword in call.keywords}
        argument = call.args[0] if call.args else next((keywords[key] for key in _KEYWORDS & keywords.keys()), None)
        if argument is None:
            return
        node = self._names.get(argument.id, argument) if isinstance(argument, ast.Name) else argument
        if isinstance(node, ast.Call) and _called(node) in _SURE | _LIKELY:
            return  # `execute(text("…"))`: the inner call is looked at by itself
        if _FIRST_WORD.match(_beginning(node)):
            percent = len(call.args) > 1 or bool(_PARAMETERS & keywords.keys()) or name == "executemany"
            self._take(node, percent=percent, colon=name == "text", composed=name == "SQL")
        elif name in _SURE:
            self._skip(argument, _why_unread(node))

    def _take(self, node: ast.expr, *, percent: bool = False, colon: bool = False, composed: bool = False) -> None:
        if node in self._done:
            return
        self._done.add(node)
        value = _constant(node)
        if value is None or (composed and "{" in value):
            self._skip(node, "a template that is filled in at run time" if value is not None else _why_unread(node))
            return
        builder = FragmentBuilder()
        for part in _parts(node):
            start, end = self._place(part)
            decoded = decode_literal(self._text[start:end], start)
            if decoded is None or "".join(piece.text for piece in decoded) != part.value:
                self._skip(node, "a literal whose characters could not be followed")
                return
            for piece in decoded:
                builder.add(*piece)
        start, _ = self._place(node)
        self._fragments[start] = with_parameters(builder.build(), percent=percent, colon=colon)

    def _skip(self, node: ast.expr, reason: str) -> None:
        self._done.add(node)
        self._unread.setdefault(self._place(node), reason)

    def _place(self, node: ast.expr) -> tuple[int, int]:
        return (
            self._offset(node.lineno, node.col_offset),
            self._offset(node.end_lineno or node.lineno, node.end_col_offset or node.col_offset),
        )

    def _offset(self, line: int, column: int) -> int:
        start = self._lines[line - 1]
        end = self._lines[line] if line < len(self._lines) else len(self._text)
        return start + len(self._text[start:end].encode("utf-8")[:column].decode("utf-8", "ignore"))


def _called(call: ast.Call) -> str:
    """The last name of what is called, as in ``execute`` of ``self.db.cursor().execute(…)``."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def _constant(node: ast.expr) -> str | None:
    """The text of a literal, or of literals joined by ``+``."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _constant(node.left), _constant(node.right)
        return None if left is None or right is None else left + right
    return None


def _parts(node: ast.expr) -> Iterator[ast.Constant]:
    """The constants of a text for which `_constant` gives a value."""
    if isinstance(node, ast.Constant):
        yield node
    elif isinstance(node, ast.BinOp):
        yield from _parts(node.left)
        yield from _parts(node.right)


def _beginning(node: ast.expr) -> str:
    """The text with which a value begins, as far as it is written."""
    value = _constant(node)
    if value is not None:
        return value
    if isinstance(node, ast.JoinedStr):
        return _beginning(node.values[0]) if node.values else ""
    if isinstance(node, ast.BinOp):
        return _beginning(node.left)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
        return _beginning(node.func.value)
    return ""


def _makes_text(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str)
    return isinstance(node, ast.JoinedStr) or (isinstance(node, (ast.BinOp, ast.Call)) and bool(_beginning(node)))


def _why_unread(node: ast.expr) -> str:
    if isinstance(node, ast.JoinedStr):
        return "an f-string, put together at run time"
    if isinstance(node, ast.Constant):
        return "a literal that does not begin as a statement"
    if isinstance(node, ast.Name):
        return "a name that is not bound exactly once, to a text, in this module"
    return "an expression, put together at run time"


def _bound_once(tree: ast.Module) -> dict[str, ast.expr]:
    """Names that are bound at one place of the module only, to a text."""
    bindings: dict[str, list[ast.expr | None]] = {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name):
                    bindings.setdefault(target.id, []).append(node.value)
        elif isinstance(node, ast.arg):
            bindings.setdefault(node.arg, []).append(None)
    stored: dict[str, int] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
            stored[node.id] = stored.get(node.id, 0) + 1
    return {
        name: values[0]
        for name, values in bindings.items()
        if len(values) == 1 and stored.get(name, 0) == 1 and values[0] is not None and _makes_text(values[0])
    }


def _marked_lines(text: str) -> set[int]:
    """Numbers of the lines that end with a comment ``# sql``."""
    if not re.search(r"#\s*sql", text, re.IGNORECASE):
        return set()
    try:
        every = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (tokenize.TokenError, SyntaxError):
        return set()
    return {
        token.start[0]
        for token in every
        if token.type == tokenize.COMMENT and _COMMENT_MARK.fullmatch(token.string.strip())
    }
