"""Small words for what these tests do with folders and git."""

from __future__ import annotations

import shutil
import tempfile
from functools import cache
from pathlib import Path

from tests.support.places import ROOT
from tests.support.repositories import commit, git

TEMPLATE_PARTS = ("copier.yml", "recipes", "hooks", "src/dataflow/workflow/identity.py")


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
