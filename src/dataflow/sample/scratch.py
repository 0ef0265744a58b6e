"""A copy of what git has of a package, for Copier to work on, and the way back of what it made."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from types import TracebackType

from dataflow import git
from dataflow.errors import DataflowError, display_path
from dataflow.files import draft_of

_SETTINGS = {
    "commit.gpgSign": "false",
    "core.autocrlf": "false",
    "core.excludesFile": os.devnull,
    "core.hooksPath": os.devnull,
    "user.email": "dataflow@localhost",
    "user.name": "dataflow",
}


class Scratch:
    """A copy of a package in a repository of its own, gone when it is left.

    Attributes:
        folder: The package.
        work: A folder for all of this.
        copy: The copy, called as the package is.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._temporary = tempfile.TemporaryDirectory(prefix="dataflow-update-", ignore_cleanup_errors=True)
        self.work = Path(self._temporary.name).resolve()
        self.copy = self.work / "package" / folder.name
        self._tracked = self._listed()

    def __enter__(self) -> Scratch:
        for name in self._tracked:
            source, target = self.folder / name, self.copy / name
            if os.path.lexists(source) and not (source.is_dir() and not source.is_symlink()):
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target, follow_symlinks=False)
        self.copy.mkdir(parents=True, exist_ok=True)
        self._ask("init", "-q")
        self._commit("as it is")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._temporary.cleanup()

    def rewrite(self, name: str, old: str, new: str) -> None:
        """Write a word of a file in another way, before Copier sees it."""
        file = self.copy / name
        file.write_text(file.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
        self._commit("rewritten")

    def git_variables(self, more: Mapping[str, str]) -> dict[str, str]:
        """Return git's settings for all that Copier does, on top of those of a template."""
        first = int(more.get("GIT_CONFIG_COUNT", os.environ.get("GIT_CONFIG_COUNT", "0")))
        variables = {**more, "GIT_CONFIG_COUNT": str(first + len(_SETTINGS))}
        for number, (key, value) in enumerate(_SETTINGS.items(), first):
            variables |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
        return variables

    # ------------------------------------------------------------------------------------- what was made

    def removed(self) -> tuple[str, ...]:
        """Return the files that the update took away."""
        return tuple(name for name in self._tracked if not os.path.lexists(self.copy / name) and self._was(name))

    def is_as_in(self, other: Path, name: str) -> bool:
        """Say whether a file of the package is the same in another folder."""
        try:
            return (self.folder / name).read_bytes() == (other / name).read_bytes()
        except OSError:
            return False

    def conflicts(self) -> tuple[str, ...]:
        """Return the files with conflict markers, which Copier marks in git, and its patches that did not fit."""
        unmerged = self._ask("diff", "--name-only", "--diff-filter=U", "-z").split("\0")
        rejected = [name for name in self._changed() if name.endswith(".rej")]
        return tuple(sorted({*filter(None, unmerged), *rejected}))

    def bring(self, *, but: Collection[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Bring what was made to the package, and the conflicts to its repository's index.

        Args:
            but: Files that were removed and stay all the same, as conflicts.

        Returns:
            The files that are different now, and those that were left alone, since git ignores them here.
        """
        changed: list[str] = []
        left: list[str] = []
        for name in self._changed():
            if name in but:
                continue
            (changed if self._bring(name) else left).append(name)
        self._mark(self._ask("ls-files", "-u", "-z"), but)
        return tuple(sorted([*changed, *but])), tuple(sorted(left))

    # ------------------------------------------------------------------------------------------- inside

    def _bring(self, name: str) -> bool:
        source, target = self.copy / name, self.folder / name
        above = [it for it in target.parents if it.is_relative_to(self.folder)]
        if name not in self._tracked:
            blocked = any(it.is_symlink() or it.is_file() for it in above)
            if blocked or os.path.lexists(target) or git.ask(self.folder, "check-ignore", "-q", "--", name) is not None:
                return False
        if not os.path.lexists(source):
            target.unlink(missing_ok=True)
            for folder in above[:-1]:
                if folder.is_dir() and not any(folder.iterdir()):
                    folder.rmdir()
            return True
        target.parent.mkdir(parents=True, exist_ok=True)
        with draft_of(target) as draft:
            shutil.copy2(source, draft, follow_symlinks=False)
        return True

    def _changed(self) -> list[str]:
        listed = self._ask("status", "--porcelain", "--no-renames", "-uall", "--ignored=traditional", "-z")
        return [entry[3:] for entry in listed.split("\0") if entry and not entry.endswith("/")]

    def _mark(self, stages: str, dropped: Collection[str]) -> None:
        """Mark conflicts in the package's repository, so that none is committed unseen."""
        prefix = git.ask(self.folder, "rev-parse", "--show-prefix") or ""
        lines = [it.split("\t", 1) for it in stages.split("\0") if it]
        for name in dropped:
            mode, oid = self._ask("ls-tree", "HEAD", "--", f":(literal){name}").split()[0:3:2]
            lines += [[f"{mode} {oid} {stage}", name] for stage in (1, 2)]
        if not lines:
            return
        none = "0" * len(git.ask(self.folder, "rev-parse", "HEAD") or "")  # as long as this repository's checksums
        index = [f"0 {none}\t{prefix}{name}" for name in dict.fromkeys(name for _, name in lines)]
        for about, name in lines:
            mode, oid, stage = about.split()
            data = git.run(self.copy, "cat-file", "blob", oid).data
            kept = git.run(self.folder, "hash-object", "-w", "--stdin", data=data).text
            index.append(f"{mode} {kept} {stage}\t{prefix}{name}")
        top = Path(git.ask(self.folder, "rev-parse", "--show-toplevel") or self.folder)
        git.run(top, "update-index", "-z", "--index-info", data="".join(f"{it}\0" for it in index).encode())

    def _was(self, name: str) -> bool:
        return os.path.lexists(self.folder / name)

    def _listed(self) -> dict[str, None]:
        listed = git.run(self.folder, "ls-files", "-z", "--cached")
        return dict.fromkeys(os.fsdecode(it) for it in listed.data.split(b"\0") if it)

    def _commit(self, message: str) -> None:
        self._ask("add", "-A", "-f")
        self._ask("commit", "-q", "--allow-empty", "-m", message)

    def _ask(self, *arguments: str) -> str:
        settings = [part for key, value in _SETTINGS.items() for part in ("-c", f"{key}={value}")]
        answer = git.run(self.copy, *settings, *arguments)
        if answer.text is None:
            raise DataflowError(f"{display_path(self.folder)} can't be updated: {answer.error}")
        return answer.text
