"""The Python that people's code runs in: an environment with what is locked, made once, the same for whatever runs it.

It holds the dependencies alone. A package's own modules are the working tree's, or the bundle's; Dataflow's own stand
behind, by a `.pth` file, so that it goes on as that Python, and so do Spark's workers and all that a script starts.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from dataflow.build.python import own_requirements
from dataflow.build.python.lock import check, lock_of
from dataflow.build.python.pylock import Lock
from dataflow.build.uv import INDEX_HINT, run_uv
from dataflow.errors import DataflowError, UsageError
from dataflow.files import exclusive_lock
from dataflow.home import subfolder
from dataflow.report import Report, silent
from dataflow.workflow.pyproject import PyProject, project_of

_DONE = "dataflow-complete"
_RULES = "1"
PATH_FILE = "zzz_dataflow.pth"
"""The file of an environment that puts Dataflow's own packages behind its own."""


def python_for(paths: Iterable[Path], report: Report = silent) -> Path | None:
    """Return the Python for scripts, or for the tests in folders; None where they need no package.

    Raises:
        UsageError: A lock is stale, two of them disagree, or a project is for another Python.
        DataflowError: A package can't be had.
    """
    projects: dict[Path, PyProject] = {}
    for folder in dict.fromkeys(it if it.is_dir() else it.parent for it in paths):
        if (project := project_of(folder)) is not None and project.name != own_requirements.NAME:
            projects[project.file] = project
    locks = [lock for it in projects.values() if (lock := lock_of(it, report)) is not None]
    return environment(locks, report)


def environment(locks: Sequence[Lock], report: Report = silent) -> Path | None:
    """Return the Python of an environment that holds just what locks name; None where they name nothing.

    A virtual environment can't be moved, as its scripts name their interpreter; so it is made where it stays, by
    one process at a time, and counts from the moment that a file in it says that it is complete.

    Raises:
        UsageError: The locks disagree, or clash with Dataflow.
        DataflowError: A package can't be had as it was when it was locked.
    """
    require_agreement(locks)
    texts = sorted({it.text for it in locks})
    if not texts:
        return None
    key = hashlib.sha256("\0".join([_RULES, own_requirements.fingerprint(), *texts]).encode()).hexdigest()[:32]
    folder = subfolder("environments") / key
    executable = folder / "bin" / "python"
    if (folder / _DONE).exists():
        return executable
    for lock in locks:
        check(lock)
    with exclusive_lock(folder.with_suffix(".lock"), "making a Python environment", report):
        if not (folder / _DONE).exists():
            report(f"making the Python environment of {', '.join(sorted({it.project for it in locks}))} …")
            shutil.rmtree(folder, ignore_errors=True)  # of a process that was killed
            _make(folder, texts, dict(it for lock in locks for it in lock.indexes.items()))
    return executable


def require_agreement(locks: Sequence[Lock]) -> None:
    """Refuse locks that one environment can't hold: one run has one Python.

    Raises:
        UsageError: Two of them have different versions of a package.
    """
    seen: dict[str, tuple[str, Lock]] = {}
    for lock in locks:
        for name, version in lock.versions.items():
            before, other = seen.setdefault(name, (version, lock))
            if before != version:
                raise UsageError(
                    f"{other.where} has {name} {before}, {lock.where} has {version}: a run has one Python environment",
                    f"lock the same version in both, or run {other.project} and {lock.project} apart",
                )


def current() -> Path | None:
    """Return the environment that this process runs in; None when it is Dataflow's own Python."""
    prefix = Path(sys.prefix)
    return prefix if (prefix / own_requirements.ORIGIN).is_file() else None


def _make(folder: Path, texts: Sequence[str], indexes: Mapping[str, str]) -> None:
    lines: list[str] = []
    # By their names uv finds the credentials of indexes, which stand in no lock.
    named = " ".join([*(f"{name}={url}" for name, url in indexes.items()), os.environ.get("UV_INDEX", "")]).strip()
    code = run_uv(["venv", "--python", sys.executable, str(folder)], folder.parent, lines.append)
    for number, text in enumerate(texts):
        if code == 0 and tomllib.loads(text).get("packages"):
            file = folder / f"pylock.{number}.toml"
            file.write_text(_without_brought(text), encoding="utf-8")
            install = ["pip", "install", "--no-deps", "--python", str(folder), "-r", str(file)]
            code = run_uv(install, folder, lines.append, UV_INDEX=named)
    if code != 0:
        printed = "".join(f"\n    {line}" for line in lines[-8:] if not line.startswith("warning:"))
        raise DataflowError(f"the Python environment could not be made:{printed}", INDEX_HINT)
    (folder / own_requirements.ORIGIN).write_text("\n".join(own_requirements.packages()), encoding="utf-8")
    _site(folder).joinpath(PATH_FILE).write_text(
        "".join(f"import site; site.addsitedir({it!r})\n" for it in own_requirements.packages()), encoding="utf-8"
    )
    (folder / _DONE).touch()


def _without_brought(text: str) -> str:
    """Leave out of a lock what Dataflow brings."""
    head, *tables = text.split("[[packages]]")
    kept = [it for it in tables if not any(f'\nname = "{name}"\n' in it for name in own_requirements.BROUGHT)]
    tail = ""
    if tables and "\n[tool." in tables[-1]:
        tail = "" if tables[-1] in kept else tables[-1][tables[-1].index("\n[tool.") :]
    return "[[packages]]".join([head, *kept]) + tail


def _site(folder: Path) -> Path:
    return folder / "lib" / f"python{own_requirements.python_version()}" / "site-packages"


def site_packages() -> Path | None:
    """Return the folder with the packages of the environment that this process runs in."""
    found = current()
    return None if found is None else _site(found)
