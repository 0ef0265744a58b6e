"""A commit's files in a folder of their own: what `git archive` gives, with git's own filters.

What differs between clones and users is kept out, so that one commit is one content everywhere: git is asked through
a copy of its folder that has no attributes, branches or grafts of this clone, and with line ends and attributes of
the user's own settings switched off. Git LFS is asked later, for single files (`Tree.require`).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tarfile
import tempfile
import time
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from dataflow import git
from dataflow.errors import DataflowError, display_as, display_path
from dataflow.home import subfolder
from dataflow.repository.tree import EXPORT, LINK, SUBMODULE, Tree

if TYPE_CHECKING:
    from dataflow.repository.checkout import Checkout

_SETTINGS = {
    "core.attributesFile": os.devnull,
    "core.autocrlf": "false",
    "core.eol": "lf",
    "core.hooksPath": os.devnull,
    "filter.lfs.process": "",
    "filter.lfs.required": "false",
    "filter.lfs.smudge": "",
    "tar.umask": "0022",
}
_OWN = frozenset({"HEAD", "index", "info", "packed-refs", "refs"})
"""What the copy of git's folder has of its own; all else in it are links to what the clone has."""

_SUBMODULE = "160000"
_LINK = "120000"
_ENDED_EARLY = "it ended too early"
_ATTRIBUTES = ".gitattributes"
_OF_COMMIT = (b"ident", b"export-subst", b"export-ignore", b"filter=")
"""Attributes with which a file's content is not decided by its checksum and its attributes alone."""

_LEFT = 24 * 3600
"""Seconds after which a folder that is still there was left by a command that was killed."""


@dataclass(frozen=True)
class _Entry:
    mode: str
    oid: str
    name: str


def tree_of_commit(checkout: Checkout) -> Tree:
    """Return the files of a checkout's commit, in a folder that is removed once the tree is no longer in use.

    A file is written when it is needed (`Tree.fill`), and what did not change is known by git's checksums. With links,
    or with attributes by which a file is more than its checksum, all files are written at once.

    Raises:
        DataflowError: Git can't give them.
    """
    folder = _folder()
    tree = Tree(folder, str(checkout.commit), checkout.root)
    weakref.finalize(tree, shutil.rmtree, folder, ignore_errors=True)
    display_as(folder, checkout.root)
    entries = _entries(checkout)
    tree.holes |= {it.name: SUBMODULE for it in entries if it.mode == _SUBMODULE}
    files = [it for it in entries if it.mode != _SUBMODULE]
    attributes = _attributes(checkout, files)
    if any(it.mode == _LINK for it in files) or any(word in attributes for word in _OF_COMMIT):
        _write(tree, ".")
        for it in files:
            if not tree.lists(it.name) and it.name not in tree.holes:
                tree.holes[it.name] = EXPORT
        return tree
    decided = hashlib.sha256(attributes).hexdigest()
    for it in files:
        tree.add(it.name)
        tree.marks[it.name] = f"{it.oid} {it.mode} {decided}"
    tree.on_fill = _write
    return tree


def _entries(checkout: Checkout) -> list[_Entry]:
    """Return all that a commit holds."""
    listed = git.run(checkout.root, "--no-replace-objects", "ls-tree", "-r", "-z", "--full-tree", str(checkout.commit))
    rows = (it.split(b"\t", 1) for it in listed.data.split(b"\0") if it)
    split = ((about.decode().split(), os.fsdecode(name)) for about, name in rows)
    return [_Entry(mode, oid, name) for (mode, _, oid), name in split]


def _attributes(checkout: Checkout, entries: Sequence[_Entry]) -> bytes:
    """Return the attributes that a commit's files have, as far as the commit itself sets them; Git LFS aside."""
    files = [it for it in entries if it.name.rpartition("/")[2] == _ATTRIBUTES]
    if not files:
        return b""
    asked = "".join(f"{it.oid}\n" for it in files).encode()
    listed = git.run(checkout.root, "--no-replace-objects", "cat-file", "--batch", data=asked)
    names = "\0".join(it.name for it in files).encode(errors="surrogateescape")
    return names + listed.data.replace(b"filter=lfs", b"lfs")


# ------------------------------------------------------------------------------------------------- writing


def _write(tree: Tree, name: str) -> None:
    """Write a file or folder of a commit as git gives it, and note what there is, where that is not known yet."""
    top = Path(str(tree.checkout))
    filters = git.run(top, "config", "-z", "--get-regexp", r"^filter\.").data.decode(errors="surrogateescape")
    pairs = [*(it.partition("\n")[::2] for it in filters.split("\0") if it), *_SETTINGS.items()]
    settings = [part for key, value in pairs for part in ("-c", f"{key}={value}")]
    command = ["--no-replace-objects", *settings, "archive", "--format=tar", str(tree.commit)]
    paths = [] if name == "." else ["--", f":(literal){name}"]
    with _lens(top, str(tree.commit)) as lens:
        variables = {
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_DIR": str(lens),
            "GIT_WORK_TREE": str(top),
            "GIT_OBJECT_DIRECTORY": os.path.realpath(lens / "objects"),
        }
        with git.stream(top, *command, *paths, variables=variables) as archive:
            problem = _unpacked(archive.data, tree)
        if archive.code != 0 or problem:
            complaint = archive.last_line or _ENDED_EARLY
            why = complaint if archive.code > 0 else problem or complaint
            raise DataflowError(f"git can't give commit {str(tree.commit)[:8]} of {display_path(top)}: {why}")
    if not tree.marks:
        _refuse_ways_out(tree)


@contextlib.contextmanager
def _lens(top: Path, commit: str) -> Iterator[Path]:
    """Lend a copy of git's folder that shows what every clone has: objects, settings and tags."""
    common = Path(git.ask(top, "rev-parse", "--path-format=absolute", "--git-common-dir") or top / ".git")
    with tempfile.TemporaryDirectory(prefix="dataflow-git-") as name:
        lens = Path(name)
        for it in common.iterdir():
            if it.name not in _OWN and not it.name.endswith(".lock"):
                (lens / it.name).symlink_to(it)
        (lens / "refs").mkdir()
        (lens / "HEAD").write_text(f"{commit}\n")
        tags = git.ask(top, "for-each-ref", "--format=%(objectname) %(refname)", "refs/tags")
        (lens / "packed-refs").write_text(f"{tags}\n" if tags else "")
        yield lens


def _unpacked(stream: IO[bytes], tree: Tree) -> str | None:
    """Unpack an archive; return what went wrong, if anything."""
    try:
        with tarfile.open(fileobj=stream, mode="r|", encoding="utf-8", errors="surrogateescape") as archive:
            links = dict(_files(archive, tree))
        while stream.read(1 << 16):  # what fills up the last block
            pass
        for name, target in links.items():  # last, so that nothing is written through one
            (tree.root / name).parent.mkdir(parents=True, exist_ok=True)
            (tree.root / name).symlink_to(target)
    except tarfile.TarError:
        return _ENDED_EARLY
    except FileExistsError as error:
        return f"this disk does not distinguish the names of two files: {_below(error, tree)}"
    except OSError as error:
        return f"{_below(error, tree)} can't be written: {error.strerror}"
    return None


def _files(archive: tarfile.TarFile, tree: Tree) -> Iterator[tuple[str, str]]:
    """Write an archive's files, and note them where they are not known yet; yield its links."""
    listed = bool(tree.marks)
    for member in archive:
        name = member.name.rstrip("/")
        if member.isdir() or (listed and tree.is_written(name)):
            continue
        if member.issym():
            yield name, member.linkname
        elif (content := archive.extractfile(member)) is not None:
            _write_file(tree.root / name, content, 0o755 if member.mode & 0o100 else 0o644)
        if not listed:
            tree.add(name)


def _write_file(path: Path, content: IO[bytes], mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as target:
        os.fchmod(target.fileno(), mode)  # whatever this user's umask is
        shutil.copyfileobj(content, target, 1 << 20)


def _below(error: OSError, tree: Tree) -> str:
    return os.path.relpath(str(error.filename2 or error.filename), tree.root)


def _refuse_ways_out(tree: Tree) -> None:
    """Remove the links that lead out of the folder: nothing is read through one."""
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


def _folder() -> Path:
    """Make a folder, and sweep away those that were left by commands that were killed."""
    above = subfolder("trees")
    for left in above.iterdir():
        with contextlib.suppress(OSError):  # its own command, or another one's sweep, is just taking it away
            if time.time() - left.stat().st_mtime > _LEFT:
                shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix="tree-", dir=above))
