"""What grows in the Dataflow home without an end, pruned by age: what is made anew when it is needed, and old logs.

Checked out bundles come out of the registry again, cached facts are found again. Archives of class data are kept to the
last few where they are made.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dataflow.home import home
from dataflow.wording import plural, size_text

_DAY = 86_400
_GONE = ".gone-"


@dataclass(frozen=True)
class Rule:
    """What is pruned of a folder of the home.

    Attributes:
        folder: The folder.
        pattern: Which of its files or folders.
        days: After how many days without use.
        noun: What one of them is called.
    """

    folder: str
    pattern: str
    days: int
    noun: str


RULES = (
    Rule("deployed", "*", 30, "checked out bundle"),
    Rule("cache", "*/*.json", 30, "cached fact"),
    Rule("logs", "*.log", 90, "log"),
)
"""Bundles and facts count from their last use, logs from their last line."""


def prune_home(now: float | None = None) -> Iterator[str]:
    """Prune the Dataflow home by the rules, and yield a line for each that something fell under."""
    moment = time.time() if now is None else now
    for rule in RULES:
        found = [it for it in (home() / rule.folder).glob(rule.pattern) if _is_old(it, moment - rule.days * _DAY)]
        sizes = [size for it in found if (size := _removed(it)) is not None]
        if sizes:
            yield f"removed {plural(len(sizes), rule.noun)} of {size_text(sum(sizes))}, unused for {rule.days} days"


def _is_old(path: Path, before: float) -> bool:
    try:
        return path.name.startswith(_GONE) or path.lstat().st_mtime < before
    except OSError:  # another command has just removed it
        return False


def _removed(path: Path) -> int | None:
    """Remove a file or a folder, and return its size; None where it stays, or another command was faster.

    A folder gets another name first, so that nobody finds half of it.
    """
    with contextlib.suppress(OSError):
        if not path.is_dir() or path.is_symlink():
            size = path.lstat().st_size
            path.unlink()
            return size
        gone = path if path.name.startswith(_GONE) else path.with_name(f"{_GONE}{os.urandom(6).hex()}")
        path.rename(gone)
        size = sum(it.lstat().st_size for it in gone.rglob("*") if it.is_file())
        shutil.rmtree(gone)
        return size
    return None
