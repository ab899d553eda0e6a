"""The image without an engine: its file has the shape that it must have, and the commands of its stages run elsewhere."""

from __future__ import annotations

import fnmatch
import importlib.metadata
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.support.examples import clean_environment

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "deploy" / "docker" / "requirements.txt"
SCRIPT = ROOT / "deploy" / "docker" / "requirements.py"


class Instruction(NamedTuple):
    name: str
    text: str


def stages() -> list[list[Instruction]]:
    """The instructions of each stage, with what `ARG` before the first one gives."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    found = [Instruction(*line.split(None, 1)) for line in lines]
    given = dict(each.text.split("=", 1) for each in found if each.name == "ARG")
    divided: list[list[Instruction]] = []
    for each in found:
        if each.name == "FROM":
            divided.append([])
        if divided:
            divided[-1].append(each._replace(text=re.sub(r"\$\{(PYTHON)\}", lambda match: given[match[1]], each.text)))
    return divided


BUILD, FINAL = stages()


def of(stage: list[Instruction], name: str) -> list[str]:
    return [each.text for each in stage if each.name == name]


# -- shape -------------------------------------------------------------------------------------------------------------


def test_the_last_stage_brings_over_only_what_runs() -> None:
    assert of(BUILD, "FROM") == [of(FINAL, "FROM")[0] + " AS build"]
    assert re.fullmatch(r"python:3\.\d+-slim-\w+", of(FINAL, "FROM")[0])
    copied = [text.split() for text in of(FINAL, "COPY")]
    assert [words[:-1] for words in copied] == [
        ["--from=build", "/opt/pg-guard"],
        ["deploy/docker/entrypoint.sh"],
        ["deploy/docker/healthcheck.py"],
    ]
    for words in copied[1:]:
        assert (ROOT / words[0]).is_file()
    assert os.access(ROOT / "deploy/docker/entrypoint.sh", os.X_OK)


def test_it_runs_as_a_number_that_is_not_root() -> None:
    assert of(FINAL, "USER") == ["65532:65532"]
    names = [each.name for each in FINAL]
    # What comes before the account could be changed by root alone.
    assert names.index("USER") > max(number for number, name in enumerate(names) if name in ("COPY", "RUN"))
    assert of(FINAL, "VOLUME") == []


def test_no_secret_is_in_a_layer() -> None:
    for stage in (BUILD, FINAL):
        for each in stage:
            assert each.name in {
                "FROM", "ENV", "WORKDIR", "COPY", "RUN", "LABEL", "USER", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD",
            }  # fmt: skip
            assert not re.search(r"(?i)password|secret|token|dsn=|api_?key", each.text)


def test_the_ports_are_those_that_are_served() -> None:
    (command,) = of(FINAL, "CMD")
    words = re.findall(r'"([^"]*)"', command)
    assert words[0] == "serve"
    from pg_guard.entry.cli.main import cli

    parsed = cli.commands["serve"].make_context("serve", words[1:]).params
    ports = {parsed[name].rpartition(":")[2] for name in ("http_address", "observe_address")}
    assert set(of(FINAL, "EXPOSE")[0].split()) == ports
    (check,) = of(FINAL, "HEALTHCHECK")
    assert set(re.findall(r'"(\d+)"', check)) == ports
    assert of(FINAL, "ENTRYPOINT") == ['["pg-guard-entrypoint"]']


def test_the_builder_gets_what_is_copied_and_nothing_else() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"

    def sent(path: str) -> bool:
        kept = True
        for line in lines:
            pattern = line.removeprefix("!")
            parts = Path(path).parts
            places = ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
            patterns = [pattern, pattern.removeprefix("**/")] if pattern.startswith("**/") else [pattern]
            # `*` does not pass a slash.
            hit = any(
                fnmatch.fnmatch(place, each)
                and (each == pattern.removeprefix("**/") != pattern or place.count("/") == each.count("/"))
                for place in places
                for each in patterns
            )
            hit = hit or (pattern.startswith("**/") and any(fnmatch.fnmatch(part, pattern[3:]) for part in parts))
            if hit:
                kept = line.startswith("!")
        return kept

    sources = [word for stage in (BUILD, FINAL) for text in of(stage, "COPY") for word in text.split()[:-1]]
    for source in sources:
        if not source.startswith(("--from", "/")):
            assert sent(source.removesuffix("/") + ("/x.py" if (ROOT / source).is_dir() else "")), source
    for path in (
        ".git/config", ".env", ".env.local", "pg_guard/.env", "deploy/compose/secrets/reader_password", "tests/conftest.py",
        "deploy/docker/.env", "build/lib/x.py", "pg_guard/__pycache__/x.pyc", "tokens.yaml", "audit.jsonl", ".venv/bin/python",
        "deploy/helm/pg-guard/values.yaml",
    ):  # fmt: skip
        assert not sent(path), path


# -- what is installed -------------------------------------------------------------------------------------------------


def listed() -> dict[str, str]:
    lines = [line for line in REQUIREMENTS.read_text().splitlines() if not line.startswith("#")]
    return dict(line.split("==") for line in lines)


@pytest.mark.skipif(
    sys.platform != "linux" or not of(FINAL, "FROM")[0].startswith(f"python:3.{sys.version_info[1]}-"),
    reason="the list is for Linux and for the Python of the image",
)
def test_the_list_holds_every_package_that_a_server_needs() -> None:
    written = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, check=True, timeout=60).stdout
    found = dict(line.split("==") for line in written.splitlines()[1:])
    if any(found.get(name) not in (None, version) for name, version in listed().items()):
        pytest.skip("this environment has other versions than the list, which may need other packages")
    assert found == listed(), "write it anew with deploy/docker/requirements.py"


def test_the_versions_are_ones_that_pg_guard_takes() -> None:
    versions = listed()
    for line in importlib.metadata.requires("pg-guard") or []:
        needed = Requirement(line)
        if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in ("otel", "redis")):
            assert canonicalize_name(needed.name) in versions, "write it anew with deploy/docker/requirements.py"
            assert needed.specifier.contains(versions[canonicalize_name(needed.name)]), line


def version_here(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


# -- the build stage, run ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directories of the build stage, below one of the test's own.

    Two things differ from an engine: the packages that pg-guard needs, and the one that builds it, are those of this environment
    where it has them, found by a `.pth` file, so that nothing is loaded from elsewhere; and commands run as this user.
    """
    root = tmp_path_factory.mktemp("image")
    here = root / "src"
    here.mkdir()
    site = sysconfig.get_paths()["purelib"]
    environment = clean_environment() | {
        word.partition("=")[0]: word.partition("=")[2] for text in of(BUILD, "ENV") for word in shlex.split(text)
    }
    for each in BUILD[1:]:
        if each.name == "COPY":
            *sources, target = each.text.split()
            for source in sources:
                place = here / target / (Path(source).name if target.endswith("/") else "")
                place.parent.mkdir(parents=True, exist_ok=True)
                if (ROOT / source).is_dir():
                    shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    shutil.copy(ROOT / source, place)
            if (here / "deploy/docker/requirements.txt").exists():
                versions = {name: version_here(name) for name in listed()}
                installed = "".join(f"{name}=={version}\n" for name, version in versions.items() if version)
                (here / "deploy/docker/requirements.txt").write_text(installed)
        elif each.name == "RUN":
            command = re.sub(r"(?<![\w.])/(opt|wheels)\b", rf"{root}/\1", each.text)
            if "pip wheel" in command and importlib.util.find_spec("hatchling") is not None:
                command = command.replace("pip wheel", "pip wheel --no-build-isolation")
            command = re.sub(r"^python\b", sys.executable, command)
            done = subprocess.run(
                ["/bin/sh", "-c", command],
                cwd=here,
                env=environment,
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
            if "pip wheel" in command and done.returncode and "hatchling" in done.stdout + done.stderr:
                pytest.skip("the package that builds wheels is not installed and cannot be loaded here")
            assert done.returncode == 0, f"{each.text}\n{done.stdout}{done.stderr}"
            if " -m venv " in command:
                (packages,) = (root / "opt/pg-guard/lib").glob("python3*/site-packages")
                (packages / "outer.pth").write_text(site + "\n")
    return root


def test_the_commands_of_the_build_stage_run(built: Path) -> None:
    (wheel,) = (built / "wheels").iterdir()
    assert wheel.name.startswith("pg_guard-")
    (packages,) = (built / "opt/pg-guard/lib").glob("python3*/site-packages")
    assert {path.name for path in (packages / "pg_guard" / "_shipped").iterdir()} == {"policies", "rules"}
    assert not (packages / "pip").exists()


def test_what_is_built_works_away_from_the_sources(built: Path) -> None:
    done = subprocess.run(
        [built / "opt/pg-guard/bin/pg-guard", "check", "SELECT rolpassword FROM pg_authid", "--policy", "p.yaml"],
        cwd=built, env=clean_environment(), input="", capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    (built / "p.yaml").write_text(
        "schema: pg-guard/policy/v1\nmetadata: {name: p, version: 1.0.0}\npacks: [{use: core}]\n"
    )
    done = subprocess.run(
        [built / "opt/pg-guard/bin/pg-guard", "check", "SELECT rolpassword FROM pg_authid", "--policy", "p.yaml"],
        cwd=built, env=clean_environment(), input="", capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, "core/PG101" in done.stdout) == (1, True), done.stderr
    shown = subprocess.run(
        [built / "opt/pg-guard/bin/python", "-c", "import pg_guard; print(pg_guard.__file__)"],
        cwd=built, env=clean_environment(), capture_output=True, text=True, timeout=60, check=True,
    ).stdout  # fmt: skip
    assert Path(shown.strip()).is_relative_to(built)
