"""Run a command. In: the command group and its arguments. Out: an exit code, and one clear line for each error.

An error is ``pg-guard: error: …`` on standard error, with a ``hint: …`` line where there is a way out. Secrets of
connection strings never appear, also not in the text of an error that nobody expected.
"""

from __future__ import annotations

import os
import re
import sys
import traceback
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

import click

from pg_guard.errors import PgGuardError, PolicyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pg_guard.errors import Problem

__all__ = ["INTERRUPTED", "OUTPUT_CLOSED", "PgGuardGroup", "problem_line", "redact", "report_error", "run"]

USAGE: Final = 2
INTERRUPTED: Final = 130  # 128 + SIGINT, as shells count
OUTPUT_CLOSED: Final = 141  # 128 + SIGPIPE

_URL_PASSWORD = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s:/@]*:)\S*(?=@)", re.IGNORECASE)
_PARAMETER_PASSWORD = re.compile(
    r"(\b(?:sslpassword|password|passwd|pwd)\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s&]+)", re.IGNORECASE
)


class _OutputClosedError(Exception):
    """Nobody reads standard output any more."""


class PgGuardGroup(click.Group):
    """A group that turns what a command raises into lines on standard error and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command of `ctx`; usage errors and interruptions are left to `run`."""
        try:
            return super().invoke(ctx)
        except PolicyError as error:
            _debug_traceback(ctx)
            return _report_policy_error(error)
        except PgGuardError as error:
            _debug_traceback(ctx)
            report_error(error)
            return error.exit_code
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            if sys.stderr.isatty():
                click.echo(err=True)  # the terminal has written ^C on this line
            raise click.Abort from None
        except BrokenPipeError:
            # Click would end the process with 1, the code of a finding.
            raise _OutputClosedError from None
        except OSError as error:
            _debug_traceback(ctx)
            place = f"{error.filename}: " if error.filename is not None else ""
            _report(f"{place}{error.strerror or error}", "")
            return USAGE
        except Exception as error:  # noqa: BLE001 - the last resort: any defect becomes one line
            if not _debug_traceback(ctx):
                hint = "report it with what `pg-guard --debug …` prints, privately if it lets a statement pass"
            else:
                hint = "report it with the traceback above"
            _report(f"unexpected {type(error).__name__}: {error}", hint)
            return USAGE


def run(cli: click.Group, arguments: Sequence[str]) -> int:
    """Run `cli` and return the exit code; raises nothing but what ends the interpreter itself."""
    _tolerate_encoding()
    try:
        result = cli.main(list(arguments), prog_name="pg-guard", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else error.message, err=True)
        return USAGE
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "pg-guard"
        _report(error.format_message(), f"run `{command} --help`")
        return USAGE
    except (click.Abort, KeyboardInterrupt):
        _report("interrupted", "")
        return INTERRUPTED
    except (_OutputClosedError, BrokenPipeError):
        # What is still buffered would fail again when the interpreter ends: it goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OUTPUT_CLOSED
    except OSError as error:
        _report(f"cannot write the output: {error.strerror or error}", "")
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return USAGE
    return result if isinstance(result, int) else 0


def redact(text: str) -> str:
    """Return `text` without the passwords of connection strings, also of those that the process was given."""
    for password in _known_passwords():
        text = text.replace(password, "***")
    text = _URL_PASSWORD.sub(r"\1***", text)
    return _PARAMETER_PASSWORD.sub(r"\1***", text)


def _known_passwords() -> list[str]:
    """Passwords of this process's arguments and environment, as written and decoded, longest first."""
    found = {os.environ.get("PGPASSWORD", "")}
    for text in (*sys.argv[1:], os.environ.get("PG_GUARD_DSN", "")):
        match = _URL_PASSWORD.search(text)
        if match:
            password = text[match.end(1) : match.end()]
            found |= {password, unquote(password)}
    # A very short one would turn every sentence into stars.
    return sorted((password for password in found if len(password) > 2), key=len, reverse=True)


def problem_line(problem: Problem) -> str:
    """One problem as ``file:line:column: level: key: message``, safe to print; its hint stands in a second line."""
    from pg_guard.report.visible import one_line

    place = problem.file + (f":{problem.line}:{problem.column}" if problem.line else "")
    parts = [part for part in (place, problem.level, problem.path, problem.message) if part]
    hint = f"\n  hint: {one_line(problem.hint)}" if problem.hint else ""
    return one_line(": ".join(parts)) + hint


def report_error(error: PgGuardError) -> None:
    """Write an error and its hint to standard error."""
    _report(error.message, error.hint)


def _report_policy_error(error: PolicyError) -> int:
    from pg_guard.report.text import plural

    errors = [problem for problem in error.problems if problem.level == "error"] or list(error.problems)
    _report(f"{error.subject} invalid: {plural(len(errors), 'problem')}", "")
    for problem in errors:
        click.echo(redact(problem_line(problem)), err=True)
    return error.exit_code


def _report(message: str, hint: str) -> None:
    from pg_guard.report.visible import one_line

    click.echo(f"pg-guard: error: {redact(one_line(message))}", err=True)
    if hint:
        click.echo(f"hint: {redact(one_line(hint))}", err=True)


def _debug_traceback(ctx: click.Context) -> bool:
    debug = bool(ctx.params.get("debug"))
    if debug:
        click.echo(redact(traceback.format_exc()), err=True, nl=False)
    return debug


def _tolerate_encoding() -> None:
    """A character that the terminal's encoding lacks is written as an escape instead of ending the command."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
