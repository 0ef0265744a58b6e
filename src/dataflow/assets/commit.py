"""A commit's files in a folder of their own: what `git archive` gives, with git's own filters.

What differs from user to user is told to git, so that one commit is one content: the line ends of this machine, the
user's own attributes, replaced objects. Git LFS is asked later, and only for what is needed (`Tree.require`).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow import git
from dataflow.assets.tree import LINK, SUBMODULE, Tree
from dataflow.errors import DataflowError, display_path, stands_for
from dataflow.home import subfolder

if TYPE_CHECKING:
    from dataflow.assets.git import Checkout

_SETTINGS = {
    "core.autocrlf": "false",
    "core.eol": "lf",
    "core.attributesFile": os.devnull,
    "tar.umask": "0022",
    "filter.lfs.smudge": "",
    "filter.lfs.process": "",
    "filter.lfs.required": "false",
}
_SUBMODULE = "160000"
_LINK = "120000"
_LEFT = 24 * 3600
"""Seconds after which a folder that is still there was left by a command that was killed."""


def tree_of_commit(checkout: Checkout) -> Tree:
    """Return the files of a checkout's commit, in a folder that is gone once nobody holds the tree any more.

    Where nothing but their own content decides what git gives (no attributes, no links), they are written only once
    somebody needs them: what did not change is known by git's own checksums.

    Raises:
        DataflowError: Git can't give them.
    """
    folder = _folder()
    tree = Tree(folder, str(checkout.commit), checkout.root)
    weakref.finalize(tree, shutil.rmtree, folder, ignore_errors=True)
    stands_for(folder, checkout.root)
    entries = _entries(checkout)
    for mode, _, name in entries:
        if mode == _SUBMODULE:
            tree.holes[name] = SUBMODULE
    common = git.ask(checkout.root, "rev-parse", "--path-format=absolute", "--git-common-dir") or ""
    decided = any(mode == _LINK or name.rpartition("/")[2] == ".gitattributes" for mode, _, name in entries)
    if decided or Path(common, "info", "attributes").exists():
        _write(tree)
        return tree
    for mode, oid, name in entries:
        if mode != _SUBMODULE:
            tree.add(name)
            tree.marks[name] = f"{oid} {mode}"
    tree.on_fill = _write_plain
    return tree


def provide(tree: Tree, file: Path) -> Path:
    """Return one of a tree's files, without writing all the others.

    Raises:
        UsageError: The commit does not have it.
    """
    name = file.relative_to(tree.root).as_posix()
    if tree.on_fill is None or tree.checkout is None or not tree.lists(name):
        tree.require(file)
        return file
    file.parent.mkdir(parents=True, exist_ok=True)
    answer = git.run(tree.checkout, "--no-replace-objects", "cat-file", "blob", f"{tree.commit}:{name}")
    file.write_bytes(answer.data)
    return file


def _write_plain(tree: Tree) -> None:
    """Write a commit's files where nothing but their content decides what git gives: as `git archive` does, faster."""
    with tempfile.TemporaryDirectory(prefix="dataflow-index-") as index:
        variables = {"GIT_INDEX_FILE": f"{index}/index"}
        sparse = ("-c", "core.sparseCheckout=false", "-c", "core.fsmonitor=false")
        base = ("--no-replace-objects", *sparse, *(part for pair in _SETTINGS.items() for part in _given(*pair)))
        for command in (
            ("read-tree", str(tree.commit)),
            ("checkout-index", "-a", "-f", "-q", f"--prefix={tree.root}/"),
        ):
            answer = git.run(Path(str(tree.checkout)), *base, *command, variables=variables)
            if answer.code != 0:
                raise DataflowError(f"git can't give commit {str(tree.commit)[:8]}: {answer.said}")


def _given(key: str, value: str) -> tuple[str, str]:
    return ("-c", f"{key}={value}")


def _write(tree: Tree) -> None:
    """Write a commit's files as git gives them."""
    root = str(tree.checkout)
    settings = [part for pair in _SETTINGS.items() for part in _given(*pair)]
    command = ["git", "-C", root, "--no-replace-objects", *settings, "archive", "--format=tar"]
    env = git.environ(LC_ALL="C", GIT_ATTR_NOSYSTEM="1", GIT_OPTIONAL_LOCKS="0")
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen([*command, str(tree.commit)], stdout=subprocess.PIPE, stderr=said, env=env) as process,
    ):
        try:
            with tarfile.open(fileobj=process.stdout, mode="r|", encoding="utf-8", errors="surrogateescape") as archive:
                _unpack(archive, tree)
            broken = False
        except tarfile.TarError:
            broken = True
        if process.wait() != 0 or broken:
            said.seek(0)
            told = said.read().decode(errors="replace").strip().splitlines() or ["it ended too early"]
            shown = display_path(Path(root))
            raise DataflowError(f"git can't give commit {str(tree.commit)[:8]} of {shown}: {told[-1]}")
    _refuse_ways_out(tree)


def _unpack(archive: tarfile.TarFile, tree: Tree) -> None:
    made = {""}
    for member in archive:
        name = member.name.rstrip("/")
        path = tree.root / name
        above = name.rpartition("/")[0]
        if above not in made:
            (tree.root / above).mkdir(parents=True, exist_ok=True)
            made.add(above)
        if member.issym():
            path.symlink_to(member.linkname)
        elif member.isfile() and (content := archive.extractfile(member)) is not None:
            with path.open("wb") as target:
                shutil.copyfileobj(content, target, 1 << 20)
            if member.mode & 0o100:
                path.chmod(0o755)
        else:
            continue
        tree.add(name)


def _refuse_ways_out(tree: Tree) -> None:
    """Take away the links that lead out of the folder: nothing is read through one."""
    root = os.path.realpath(tree.root)
    links = [folder / name for folder, _, files in tree.walk() for name in files if (folder / name).is_symlink()]
    for link in links:
        real = os.path.realpath(link)
        if real != root and not real.startswith(f"{root}{os.sep}"):
            tree.holes[link.relative_to(tree.root).as_posix()] = LINK
    for link in links:
        name = link.relative_to(tree.root).as_posix()
        if name in tree.holes:
            link.unlink()
            tree.folder(Path(name).parent.as_posix())[1].remove(link.name)


def _entries(checkout: Checkout) -> list[tuple[str, str, str]]:
    """Return mode, checksum and name of all that a commit holds."""
    listed = git.run(checkout.root, "--no-replace-objects", "ls-tree", "-r", "-z", "--full-tree", str(checkout.commit))
    rows = (it.split(b"\t", 1) for it in listed.data.split(b"\0") if it)
    return [(*_mode_and_oid(about), os.fsdecode(name)) for about, name in rows]


def _mode_and_oid(about: bytes) -> tuple[str, str]:
    mode, _, oid = about.decode().split()
    return mode, oid


def _folder() -> Path:
    """Make a folder, and sweep away those that were left by commands that were killed."""
    above = subfolder("trees")
    for left in above.iterdir():
        with contextlib.suppress(OSError):  # its own command, or another one's sweep, is just taking it away
            if time.time() - left.stat().st_mtime > _LEFT:
                shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix="tree-", dir=above))
