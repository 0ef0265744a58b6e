"""The Python environment of a deployed wheel: made of its lock, kept in the Dataflow home by what is in it."""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.assets.uv import INDEX_HINT, run_uv
from dataflow.engine.java import Report, silent
from dataflow.engine.locks import alone
from dataflow.errors import DataflowError
from dataflow.home import subfolder

if TYPE_CHECKING:
    from collections.abc import Sequence

_DONE = "dataflow-complete"


def environment(wheels: Sequence[tuple[Path, str]], python: str, report: Report = silent) -> Path:
    """Return the Python of an environment that holds wheels and just what their locks name.

    A virtual environment can't be moved, as its scripts name their interpreter; so it is made where it stays, by
    one process at a time, and counts from the moment that a file in it says that it is complete.

    Args:
        wheels: Each wheel's file, and its lock.
        python: The Python version that the locks were made for, such as `3.11`.
        report: Told when it is made, which takes a while.

    Raises:
        DataflowError: This is another Python, or a package can't be had as it was when it was locked.
    """
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if python != here:
        raise DataflowError(
            f"this was built for Python {python}, and Dataflow runs on {here} here",
            f"run Dataflow on Python {python}, or deploy again from this one",
            permanent=True,
        )
    wanted = _requirements(wheels)
    key = hashlib.sha256(f"{python}\0{sys.base_prefix}\0{_contents(wheels)}".encode()).hexdigest()[:32]
    folder = subfolder("environments") / key
    executable = folder / "bin" / "python"
    if (folder / _DONE).exists():
        return executable
    with alone(folder.with_suffix(".lock"), "making a Python environment", report):
        if not (folder / _DONE).exists():
            report("making the Python environment of this deployment …")
            shutil.rmtree(folder, ignore_errors=True)  # of a process that was killed
            _make(folder, wanted)
    return executable


def _requirements(wheels: Sequence[tuple[Path, str]]) -> str:
    """Return the locks and the wheels as one list; a package that two locks pin has to be the same in both."""
    lines = [f"{wheel.resolve().as_uri()} --hash=sha256:{_sha256(wheel)}" for wheel, _ in wheels]
    return "\n".join([*dict.fromkeys(lock.strip() for _, lock in wheels if lock.strip()), *lines]) + "\n"


def _contents(wheels: Sequence[tuple[Path, str]]) -> str:
    return "\n".join(sorted(f"{wheel.name}\0{_sha256(wheel)}\0{lock}" for wheel, lock in wheels))


def _sha256(wheel: Path) -> str:
    with wheel.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _make(folder: Path, wanted: str) -> None:
    lines: list[str] = []
    code = run_uv(["venv", "--python", sys.executable, str(folder)], folder.parent, lines.append)
    if code == 0:
        file = folder / "dataflow-requirements.txt"
        file.write_text(wanted, encoding="utf-8")
        install = ["pip", "install", "--require-hashes", "--no-deps", "--python", str(folder), "-r", str(file)]
        code = run_uv(install, folder, lines.append)
    if code != 0:
        told = "".join(f"\n    {line}" for line in lines[-8:])
        raise DataflowError(f"the Python environment of this deployment could not be made:{told}", INDEX_HINT)
    draft = folder / f"{_DONE}.part"
    draft.touch()
    draft.replace(folder / _DONE)
