"""Git, asked short questions: the answer, or None when it has none."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HOW_TO_GET = "`dataflow doctor` says how to get it"


def ask(folder: Path, *arguments: str) -> str | None:
    """Run git in a folder and return what it printed; None when it failed or there is no git."""
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.rstrip("\n")


def is_installed() -> bool:
    """Say whether there is a git at all."""
    return shutil.which("git") is not None


def is_root(folder: Path) -> bool:
    """Say whether a folder is the top of a work tree, as opposed to somewhere below one."""
    top = ask(folder, "rev-parse", "--show-toplevel")
    return bool(top) and Path(str(top)).resolve() == folder.resolve()


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Give the programs that Copier starts the current environment, and these variables on top.

    Copier starts them through plumbum, which copied `os.environ` when it was imported.
    """
    from plumbum import local

    with local.env(**{**os.environ, **variables}):
        yield
