"""Cached results of suites: those that passed, and of which nothing has changed since, need not run again.

A fingerprint covers more than the tests: all files of the suite's folder, those elsewhere that they name by `../`,
what configures it from above, what is installed from a folder on this machine, and the programs that run it. Only a
pass is stored, in the Dataflow home, and only where nothing changed while it ran.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from importlib import metadata
from pathlib import Path
from urllib.parse import unquote, urlsplit

from dataflow.files import write_file
from dataflow.home import subfolder
from dataflow.testing.suites.model import Suite, SuiteResult
from dataflow.workflow.discovery import walk

_RULES = "1"
_ABOVE = (
    "conftest.py",
    "dataflow.yaml",
    "pyproject.toml",
    "pytest.ini",
    "setup.cfg",
    "tox.ini",
    ".Rprofile",
    "pylock.toml",
    "uv.lock",
)
_VARIABLES = ("PYTEST_ADDOPTS", "PYTHONPATH", "DATAFLOW_USER", "JAVA_HOME", "SBT_OPTS", "GRADLE_OPTS", "MAVEN_OPTS")
_PROGRAMS = {"sbt": ("sbt", "java"), "gradle": ("gradle", "java"), "maven": ("mvn", "java"), "testthat": ("Rscript",)}
_ELSEWHERE = re.compile(rb"(?:\.\./)+[\w./-]*\w")
_SEARCHED = 1_000_000  # bytes; larger files are data, and name no others


def fingerprint(suite: Suite) -> str:
    """Return a checksum of all that decides how a suite ends."""
    about = [_RULES, suite.kind, *_engine(suite), *map(str, (suite.folder, *suite.only, *suite.ignored))]
    digest = hashlib.sha256(json.dumps(about).encode())
    for name in _VARIABLES:
        digest.update(f"{name}={os.environ.get(name)}\0".encode())
    digest.update((_python() if suite.kind == "pytest" else _programs(_PROGRAMS[suite.kind])).encode())
    folders = list(dict.fromkeys([suite.package, suite.folder]))
    elsewhere: set[Path] = set()
    for path in _files(folders):
        data = _add_file(path, digest)
        if data is not None:
            elsewhere.update(_paths_outside(data, path, suite))
    for path in sorted(elsewhere):
        for file in _files([path]) if path.is_dir() else [path]:
            _add_file(file, digest)
    for folder in suite.folder.parents:
        for name in _ABOVE:
            _add_file(folder / name, digest)
        if (folder / ".git").exists():
            break
    return digest.hexdigest()


def read_result(suite: Suite, inputs: str) -> SuiteResult | None:
    """Return the stored result of a suite with this fingerprint; None where there is none."""
    try:
        known = json.loads(_result_file(suite).read_text(encoding="utf-8"))
        if known["inputs"] == inputs:
            return SuiteResult(suite, "passed", known["seconds"], known["tests"], known["skipped"], unchanged=True)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


def store_result(outcome: SuiteResult, before: str) -> None:
    """Store that a suite passed; any other result, and a suite that changed while it ran, is removed."""
    file = _result_file(outcome.suite)
    if outcome.status != "passed" or fingerprint(outcome.suite) != before:
        file.unlink(missing_ok=True)
        return
    known = {"inputs": before, "seconds": outcome.seconds, "tests": outcome.tests, "skipped": outcome.skipped}
    write_file(file, json.dumps(known))


def _result_file(suite: Suite) -> Path:
    about = json.dumps([suite.kind, *_engine(suite), *map(str, (suite.folder, *suite.only))])
    return subfolder("tests") / f"{hashlib.sha256(about.encode()).hexdigest()[:32]}.json"


def _engine(suite: Suite) -> list[str]:
    """Return what tells results of another engine apart: what passed by Sail has not passed by Spark."""
    return [] if suite.engine == "spark" else [suite.engine]


def _files(folders: Sequence[Path]) -> Iterator[Path]:
    for top in folders:
        for folder, _, files in walk(top):
            yield from (folder / name for name in files)


def _add_file(path: Path, digest: hashlib._Hash) -> bytes | None:
    """Add a file to a checksum; return what it holds unless it is too large to look through."""
    try:
        with path.open("rb") as stream:
            data = stream.read(_SEARCHED + 1)
            content = hashlib.sha256(data)
            while more := stream.read(_SEARCHED):
                content.update(more)
    except OSError:  # none there, or a link to nowhere
        return None
    digest.update(f"{path}\0{content.hexdigest()}\n".encode())
    return data if len(data) <= _SEARCHED else None


def _paths_outside(data: bytes, path: Path, suite: Suite) -> Iterator[Path]:
    """Yield paths outside the suite's folders that a file names, relative to itself or to the package."""
    if b"../" not in data:
        return
    for name in {os.fsdecode(it) for it in _ELSEWHERE.findall(data)}:
        for base in {path.parent, suite.folder, suite.package}:
            found = Path(os.path.normpath(base / name))
            outside = not any(it == found or it in found.parents for it in (suite.folder, suite.package))
            if outside and found not in suite.package.parents and found not in suite.folder.parents:
                with contextlib.suppress(OSError):
                    if found.exists():
                        yield found


@cache
def _python() -> str:
    """Describe the Python that runs pytest: its version, its packages, and those of a folder by their files."""
    digest = hashlib.sha256(f"{sys.version}\0{sys.executable}\0".encode())
    for found in sorted((it for it in metadata.distributions()), key=lambda it: str(it.metadata["Name"])):
        digest.update(f"{found.metadata['Name']}=={found.version}\n".encode())
        if (source := _editable(found)) is not None:
            for file in _files([source / "src" if (source / "src").is_dir() else source]):
                if file.suffix == ".py":
                    _add_file(file, digest)
    return digest.hexdigest()


def _editable(found: metadata.Distribution) -> Path | None:
    text = found.read_text("direct_url.json")
    if not text:
        return None
    about = json.loads(text)
    return Path(unquote(urlsplit(about["url"]).path)) if about.get("dir_info", {}).get("editable") else None


@cache
def _programs(names: Sequence[str]) -> str:
    """Describe programs by their files, as an update of one changes those."""
    stamps = []
    for name in names:
        if found := shutil.which(name):
            real = Path(found).resolve()
            stamps.append(f"{real}:{real.stat().st_size}:{real.stat().st_mtime_ns}")
    return "\n".join(stamps)


def known_result(suite: Suite) -> tuple[str, SuiteResult | None]:
    """Return a suite's fingerprint, and its stored result if there is one."""
    inputs = fingerprint(suite)
    found = read_result(suite, inputs)
    return inputs, replace(found, seconds=0.0) if found else None
