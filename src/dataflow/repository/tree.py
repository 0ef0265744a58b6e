"""The files that a deployment is made of: those of a commit as git gives them, or those of the disk.

Production and branches take a commit's (`assets.commit`), so what git does not have can't get in, whatever the disk
holds, and one commit is one content for everybody who has it. A sandbox takes the disk, without what git ignores.

Some files have no content to deploy: they lie in a submodule, are links out of the repository, or Git LFS pointers
whose content is elsewhere. They are holes, and whatever needs one fails with its name.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dataflow import git
from dataflow.errors import DataflowError, UsageError, display_path
from dataflow.home import home
from dataflow.repository.lfs import LIMIT, Pointer, filtered, stored
from dataflow.workflow.discovery import LONGEST, is_made, patiently, too_much, walk

SUBMODULE = "lies in a submodule, and a deployment holds this repository's files alone"
NESTED = "lies in a repository of its own, and a deployment holds this repository's files alone"
EXPORT = "is left out of commits' content by `export-ignore` in .gitattributes"
LINK = "lies outside the repository, so it can't be deployed"
_POINTER = "is a Git LFS pointer, and its content is not here"
_HINTS = {
    SUBMODULE: "copy it into the repository, or refer to an asset: ${dataflow.…}",
    NESTED: "copy it into the repository, or refer to an asset: ${dataflow.…}",
    EXPORT: "remove that line, and commit",
    LINK: "copy it into the repository, or refer to an asset: ${dataflow.…}",
    _POINTER: "git lfs pull",
}

Names = tuple[list[str], list[str]]


@dataclass
class Tree:
    """A folder of files, listed once.

    Attributes:
        root: The folder.
        commit: The commit that they are of; None for the disk's.
        checkout: Where git has them; None outside git.
        holes: Files and folders without content, below the root, and what they are.
        marks: What git knows files by, where that determines their content; empty where it does not.
        on_fill: Writes a file or folder, once it is needed; None where all are there.
    """

    root: Path
    commit: str | None = None
    checkout: Path | None = None
    holes: dict[str, str] = field(default_factory=dict)
    marks: dict[str, str] = field(default_factory=dict, repr=False)
    on_fill: Callable[[Tree, str], None] | None = field(default=None, repr=False)
    _written: set[str] = field(default_factory=set, repr=False)
    _listing: dict[str, Names] = field(default_factory=lambda: {".": ([], [])}, repr=False)

    def fill(self, path: Path | None = None) -> None:
        """Have a file or folder written, if it is not yet: whoever reads one asks for this first.

        Args:
            path: Which; all files when omitted.
        """
        name = self._name(path or self.root)
        if self.on_fill is None or self.is_written(name) or not (self._has(name) or name in self._listing):
            return
        self.on_fill(self, name)
        self._written.add(name)
        if name == ".":
            self.on_fill = None

    def is_written(self, name: str) -> bool:
        """Say whether a file is there to be read, by its name below the root."""
        parts = name.split("/")
        ways = (".", *("/".join(parts[:end]) for end in range(1, len(parts) + 1)))
        return self.on_fill is None or not self._written.isdisjoint(ways)

    def walk(self, top: Path | None = None, *, links: bool = False) -> Iterator[tuple[Path, list[str], list[str]]]:
        """Yield each folder below one, itself included, with its sub-folders and files, both in order.

        Sub-folders that the caller removes from the list are not entered.

        Args:
            top: Where to begin; the root when omitted.
            links: Whether to go on behind links to folders, as whoever imports from there does.
        """
        left = [self._name(top or self.root)]
        while left:
            name = left.pop()
            folders, files = map(list, self._listing.get(self._real(name) if links else name, ([], [])))
            if links:
                linked = [it for it in files if self._real(_join(name, it)) in self._listing]
                files = [it for it in files if it not in linked]
                folders += [it for it in linked if not self._is_around(name, it)]
            folders.sort()
            yield self.root / name, folders, sorted(files)
            left += [_join(name, it) for it in reversed(folders)]

    def require(self, path: Path) -> bool:
        """Make sure that a file and its content are here; the content of a Git LFS pointer is put in its place.

        Returns:
            Whether the content changed.

        Raises:
            UsageError: There is no such file, or no content; the message says why.
        """
        self.fill(path)
        name = self._name(path)
        if (why := self._hole(name)) is not None:
            raise UsageError(f"{display_path(path)} {why}", _HINTS.get(why))
        if not self._has(self._real(name)) or not path.is_file():
            raise self._absent(name, path)
        if (pointer := _pointer(path)) is not None:
            self._fill(name, path, pointer)
            return True
        return False

    def require_whole(self, top: Path, *, but: Iterator[str] | tuple[str, ...] = ()) -> None:
        """Refuse a folder with a hole in it, since whatever is imported from there would be missing.

        What `export-ignore` leaves out is meant to be missing: it is refused where it is needed.

        Args:
            top: The folder.
            but: Names of folders just below it that are not needed.

        Raises:
            UsageError: There is one.
        """
        base = self._name(top)
        for name in sorted(it for it, why in self.holes.items() if why != EXPORT):
            inside = name if base == "." else name.removeprefix(f"{base}/")
            if (base == "." or inside != name or name == base) and inside.partition("/")[0] not in but:
                self.require(self.root / name)

    def lists(self, name: str) -> bool:
        """Say whether a file is among them, by its name below the root."""
        return self._has(name)

    def has(self, path: Path) -> bool:
        """Say whether a file or folder is among them."""
        return self._has(self._name(path)) or self.has_folder(path)

    def has_folder(self, path: Path) -> bool:
        """Say whether a folder is among them."""
        return self._name(path) in self._listing

    def add(self, name: str) -> None:
        """Note a file, by its name below the root."""
        folder, _, own = name.rpartition("/")
        self.folder(folder or ".")[1].append(own)

    def folder(self, name: str) -> Names:
        """Return what a folder holds; it is noted where it is new."""
        if name not in self._listing:
            self._listing[name] = ([], [])
            above, _, own = name.rpartition("/")
            self.folder(above or ".")[0].append(own)
        return self._listing[name]

    # ------------------------------------------------------------------------------------------- inside

    def _name(self, path: Path) -> str:
        return Path(os.path.relpath(path, self.root)).as_posix()

    def _has(self, name: str) -> bool:
        folder, _, own = name.rpartition("/")
        return own in self._listing.get(folder or ".", ([], []))[1]

    def _real(self, name: str) -> str:
        """Return what a name stands for once links are followed."""
        return Path(os.path.relpath(os.path.realpath(self.root / name), os.path.realpath(self.root))).as_posix()

    def _is_around(self, folder: str, link: str) -> bool:
        """Say whether a link leads to a folder that it lies in itself: there is no end behind it."""
        target, here = self._real(_join(folder, link)), self._real(folder)
        return target in {".", here} or here.startswith(f"{target}/")

    def _hole(self, name: str) -> str | None:
        parts = name.split("/")
        ways = ("/".join(parts[:end]) for end in range(1, len(parts) + 1))
        return next((self.holes[it] for it in ways if it in self.holes), None)

    def _absent(self, name: str, path: Path) -> UsageError:
        shown = display_path(path)
        if path.is_symlink() and not path.exists():
            return UsageError(f"{shown} is a link to {path.readlink()}, which is not here", "commit what it leads to")
        if self._real(name).startswith("../"):
            return UsageError(f"{shown} {LINK}", _HINTS[LINK])
        if self.checkout is None or not (self.checkout / name).exists():
            return UsageError(f"{shown} does not exist")
        return self._unknown(self.checkout, name, shown)

    def _unknown(self, checkout: Path, name: str, shown: str) -> UsageError:
        """Return why a file of the disk is none of these."""
        parts = name.split("/")
        if any((checkout.joinpath(*parts[:end]) / ".git").exists() for end in range(1, len(parts) + 1)):
            return UsageError(f"{shown} {NESTED}", _HINTS[NESTED])
        if git.ask(checkout, "check-ignore", "-q", "--no-index", "--", name) is not None:
            return UsageError(f"{shown} is ignored by git, so it is not deployed", "git add --force it")
        if self.commit is None:
            return UsageError(f"{shown} is not a file of the repository")
        return UsageError(f"{shown} is not in commit {self.commit[:8]}, so it can't be deployed", "add and commit it")

    def _fill(self, name: str, path: Path, pointer: Pointer) -> None:
        found = None
        if self.commit is not None and self.checkout is not None:
            real = self._real(name)
            found = stored(self.checkout, pointer) or filtered(self.checkout, self.commit, real, pointer)
        if found is None:
            raise UsageError(f"{display_path(path)} {_POINTER}", _HINTS[_POINTER])
        path.resolve().write_bytes(found)


def tree_of_disk(root: Path) -> Tree:
    """List the files of a folder: in a repository those that git has or does not ignore, else all but what tools made.

    Raises:
        DataflowError: There are too many folders for a project.
    """
    root = root.resolve()
    with patiently(lambda: f"git lists the files below {root}"):
        listed = git.run(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", timeout=LONGEST)
    if listed.code == -1 and "seconds" in listed.error:
        raise too_much(root, f"after {LONGEST:.0f} seconds")
    if listed.code != 0 or (listed.data == b"" and not (root / ".git").exists()):
        return _all_of(root)
    top = git.ask(root, "rev-parse", "--show-toplevel")
    tree = Tree(root, checkout=root if top and Path(top).resolve() == root else None)
    tracked = set(_split(git.run(root, "ls-files", "-z", "--cached").data))
    own = Path(os.path.relpath(home(), root)).as_posix()
    for name in dict.fromkeys(_split(listed.data)):
        path = root / name
        if name in tracked or not (name == own or name.startswith(f"{own}/") or _is_made(root, name)):
            _note(tree, name, path)
    return tree


def _all_of(root: Path) -> Tree:
    tree = Tree(root)
    for folder, _, files in walk(root, hidden=True):  # a package may have its data in one
        name = tree._name(folder)
        tree.folder(name)
        for it in files:
            _note(tree, _join(name, it), folder / it)
    return tree


def _note(tree: Tree, name: str, path: Path) -> None:
    if not os.path.lexists(path):  # deleted
        return
    if name.endswith("/"):  # not looked into
        tree.holes[name.rstrip("/")] = NESTED
    elif path.is_dir() and not path.is_symlink():
        tree.holes[name] = SUBMODULE
    elif path.is_symlink() and not path.resolve().is_relative_to(tree.root):
        tree.holes[name] = LINK
    else:
        tree.add(name)


def _is_made(root: Path, name: str) -> bool:
    """Say whether a file that git does not have lies in a folder that a build made."""
    parts = name.split("/")[:-1]
    folder = root
    for part in parts:
        if part.startswith(".") and part != ".":
            return False  # git does not ignore it: it is said to be of the repository
        if is_made(folder, part, _files(folder)):
            return True
        folder /= part
    return False


def _files(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208 - names alone
    except OSError:
        return []


def _pointer(path: Path) -> Pointer | None:
    try:
        if path.stat().st_size >= LIMIT:
            return None
        return Pointer.parse(path.read_bytes())
    except OSError as error:
        raise DataflowError(f"can't read {display_path(path)}: {error.strerror}") from None


def _split(data: bytes) -> list[str]:
    return [os.fsdecode(it) for it in data.split(b"\0") if it]


def _join(folder: str, name: str) -> str:
    return name if folder == "." else f"{folder}/{name}"
