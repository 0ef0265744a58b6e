"""Which suites need not run again: those that passed, and of which nothing has changed since.

What a suite is made of is more than its tests: all files of its folder, those elsewhere that they name by `../`,
what configures it from above, what is installed from a folder on this machine, and the programs that run it. Only a
pass is remembered, in the Dataflow home, and only where nothing changed while it ran.
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
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from dataflow.files import write_file
from dataflow.home import subfolder
from dataflow.workflow.discovery import walk

if TYPE_CHECKING:
    from dataflow.testing.suites.discovery import Outcome, Suite

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
    about = [_RULES, suite.kind, *map(str, (suite.folder, *suite.only, *suite.ignored))]
    digest = hashlib.sha256(json.dumps(about).encode())
    for name in _VARIABLES:
        digest.update(f"{name}={os.environ.get(name)}\0".encode())
    digest.update((_python() if suite.kind == "pytest" else _programs(_PROGRAMS[suite.kind])).encode())
    folders = list(dict.fromkeys([suite.package, suite.folder]))
    elsewhere: set[Path] = set()
    for path in _files(folders):
        data = _hashed(path, digest)
        if data is not None:
            elsewhere.update(_named(data, path, suite))
    for path in sorted(elsewhere):
        for file in _files([path]) if path.is_dir() else [path]:
            _hashed(file, digest)
    for folder in suite.folder.parents:
        for name in _ABOVE:
            _hashed(folder / name, digest)
        if (folder / ".git").exists():
            break
    return digest.hexdigest()


def recall(suite: Suite, inputs: str) -> Outcome | None:
    """Return how a suite ended with these inputs, if it is known to have passed."""
    from dataflow.testing.suites.discovery import Outcome

    try:
        known = json.loads(_note(suite).read_text(encoding="utf-8"))
        if known["inputs"] == inputs:
            return Outcome(suite, "passed", known["seconds"], known["tests"], known["skipped"], unchanged=True)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return None


def remember(outcome: Outcome, before: str) -> None:
    """Note that a suite passed; anything else, and what changed while it ran, is forgotten."""
    file = _note(outcome.suite)
    if outcome.status != "passed" or fingerprint(outcome.suite) != before:
        file.unlink(missing_ok=True)
        return
    known = {"inputs": before, "seconds": outcome.seconds, "tests": outcome.tests, "skipped": outcome.skipped}
    write_file(file, json.dumps(known))


def _note(suite: Suite) -> Path:
    about = json.dumps([suite.kind, *map(str, (suite.folder, *suite.only))])
    return subfolder("tests") / f"{hashlib.sha256(about.encode()).hexdigest()[:32]}.json"


def _files(folders: Sequence[Path]) -> Iterator[Path]:
    for top in folders:
        for folder, _, files in walk(top):
            yield from (folder / name for name in files)


def _hashed(path: Path, digest: hashlib._Hash) -> bytes | None:
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


def _named(data: bytes, path: Path, suite: Suite) -> Iterator[Path]:
    """Yield what lies outside the suite's folders and is named in a file, as seen from there or from its package."""
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
                    _hashed(file, digest)
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
    told = []
    for name in names:
        if found := shutil.which(name):
            real = Path(found).resolve()
            told.append(f"{real}:{real.stat().st_size}:{real.stat().st_mtime_ns}")
    return "\n".join(told)


def unchanged(suite: Suite) -> tuple[str, Outcome | None]:
    """Return a suite's fingerprint, and how it ended if that is known."""
    inputs = fingerprint(suite)
    found = recall(suite, inputs)
    return inputs, replace(found, seconds=0.0) if found else None
