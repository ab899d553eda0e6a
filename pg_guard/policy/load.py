"""Loading a policy. In: a file or a text, and the environment. Out: a `LoadedPolicy`, or one `PolicyError` with all.

The steps, each in a module of its own: `document` (YAML with places) → `validate` (the format) and `supported` (what
is not enforced yet) → `extends` (bases below) → `overlay` (the deployment's values above) → `validate` → `using`
(rule packs) → `lint` (warnings).
"""

from __future__ import annotations

import datetime
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pg_guard.errors import PolicyError, Problem, UsageError
from pg_guard.policy.document import MAX_BYTES, Document, read_document
from pg_guard.policy.extends import Extender
from pg_guard.policy.inputs import read_bytes
from pg_guard.policy.lint import find_unmatched, find_warnings
from pg_guard.policy.overlay import overlay_environment
from pg_guard.policy.supported import find_unsupported
from pg_guard.policy.using import resolve_packs, search_path_of
from pg_guard.policy.validate import find_expired, in_order, validate_document

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pg_guard.catalog.model import Catalog
    from pg_guard.policy.model import Policy
    from pg_guard.policy.packs import Pack

__all__ = ["LoadedPolicy", "load_policy", "parse_policy", "settle"]


@dataclass(frozen=True, slots=True)
class LoadedPolicy:
    """A policy that can be used.

    Attributes:
        policy: The effective policy: bases merged, overlay applied, ``extends`` resolved.
        problems: Warnings, in file order.
        sources: The files and environment variables that it was made of, bases first.
        files: The files among them.
        document: The same values with the place of each, for explanations.
        packs: The rule packs that it uses, verified.
    """

    policy: Policy
    problems: tuple[Problem, ...] = ()
    sources: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    document: Document | None = None
    packs: tuple[Pack, ...] = ()


def load_policy(
    path: str | os.PathLike[str],
    *,
    environ: Mapping[str, str] | None = None,
    catalog: Catalog | None = None,
    today: datetime.date | None = None,
) -> LoadedPolicy:
    """Load a policy file, the policies that it extends, and the deployment's overlay.

    Args:
        path: The file.
        environ: The environment to take ``PG_GUARD_POLICY__…`` from; the process's own when left out.
        catalog: The database's catalog; when given, names of relations and columns that match nothing there are warned of.
        today: The day on which exceptions must still hold; today in UTC when left out.

    Raises:
        UsageError: The file cannot be read.
        PolicyError: There are errors; it holds all of them, in file order.
    """
    name = os.fspath(path)
    try:
        raw = read_bytes(Path(name), MAX_BYTES)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise UsageError(f"cannot read the policy {name}: {reason}", hint="give the path of a policy file") from None
    except ValueError:
        raise UsageError("the policy's path holds a NUL character") from None
    return _load(raw, name, os.environ if environ is None else environ, catalog, today)


def parse_policy(text: str | bytes, file: str = "<policy>", *, today: datetime.date | None = None) -> LoadedPolicy:
    """Read a policy from its text, without any overlay.

    Args:
        text: The policy, in YAML.
        file: Names the text in messages; ``extends`` is relative to its directory.
        today: As for `load_policy`.

    Raises:
        PolicyError: There are errors; it holds all of them, in file order.
    """
    return _load(text, file, {}, None, today)


def _read_file(path: Path) -> tuple[Document | None, tuple[Problem, ...]]:
    return read_document(read_bytes(path, MAX_BYTES), os.path.normpath(path))


def _load(
    raw: str | bytes,
    file: str,
    environ: Mapping[str, str],
    catalog: Catalog | None,
    today: datetime.date | None,
) -> LoadedPolicy:
    extender = Extender(_read_file)
    document, problems = read_document(raw, file)
    merged = extender.extend(document, Path(file)) if document is not None else None
    found = [*problems, *extender.problems]
    # The overlay's own faults are found even when the files have some.
    effective, overlay_problems = overlay_environment(merged or Document(file, {}), environ)
    found += overlay_problems
    files = (*extender.files, *([] if file in extender.files else [file]))
    if merged is None or found:
        raise PolicyError(in_order(found, list(files)))
    effective = replace(effective, data={**effective.data, "extends": []})
    return settle(effective, files, catalog=catalog, today=today)


def settle(
    effective: Document,
    files: tuple[str, ...],
    *,
    catalog: Catalog | None = None,
    today: datetime.date | None = None,
) -> LoadedPolicy:
    """Make a policy of a document to which nothing is added any more.

    Args:
        effective: The document.
        files: The files that it was made of, bases first.
        catalog: As for `load_policy`.
        today: As for `load_policy`.

    Raises:
        PolicyError: There are errors; it holds all of them, in file order.
    """
    policy, found = validate_document(effective)
    found += find_unsupported(effective)
    packs: tuple[Pack, ...] = ()
    if policy is not None:
        found += find_expired(effective, policy, today or datetime.datetime.now(datetime.UTC).date())
        packs, unusable = resolve_packs(effective, policy, search_path_of(Path(name) for name in files))
        found += unusable
    if found or policy is None:
        raise PolicyError(in_order(found, list(files)))
    warnings = find_warnings(effective, policy)
    if catalog is not None:
        warnings += find_unmatched(effective, policy, packs, catalog)
    places = dict.fromkeys(effective.place(path)[0] for path in effective.origins)
    variables = [place.file for place in places if place.secret]
    return LoadedPolicy(policy, in_order(warnings, list(files)), (*files, *variables), files, effective, packs)
