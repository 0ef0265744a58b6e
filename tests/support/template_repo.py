"""Small words for what these tests do with folders and git."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from tests.support.places import ROOT

TEMPLATE_PARTS = ("copier.yml", "recipes", "hooks", "src/dataflow/workflow/identity.py")


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(folder: Path, message: str = "Change", tag: str | None = None) -> str:
    """Commit everything in a folder, which becomes a repository where it is none yet."""
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    somebody = ("-c", "user.name=Alice", "-c", "user.email=alice@example.org")
    git(folder, *somebody, "commit", "--quiet", "--allow-empty", "-m", message)
    if tag:
        git(folder, "tag", tag)
    return git(folder, "rev-parse", "HEAD")


def replace(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text, f"{old!r} is not in {file}"
    file.write_text(text.replace(old, new))


def contents(folder: Path, *, without: tuple[str, ...] = ()) -> dict[str, bytes]:
    """A folder's files and what is in them, git's own aside."""
    files = (path for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts)
    read = {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
    return {name: data for name, data in read.items() if name not in without}


@cache
def _made() -> tempfile.TemporaryDirectory[str]:
    """Copy the recipes as they stand into a repository without tags, once for all tests of a process."""
    made = tempfile.TemporaryDirectory(prefix="template-")
    for part in TEMPLATE_PARTS:
        place = Path(made.name, part)
        place.parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
        copy(ROOT / part, place)
    commit(Path(made.name), "One")
    git(Path(made.name), "repack", "-adq")  # one file to clone, and not a folder for each object
    return made


def make_template(folder: Path) -> Path:
    """Make a repository of the recipes as they stand, without tags."""
    shutil.copytree(_made().name, folder, symlinks=True, dirs_exist_ok=True)
    return folder
