"""What git knows about a folder: whose repository it is, which branch, which commit, and what has changed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dataflow import git
from dataflow.errors import DataflowError, UsageError, display_path
from dataflow.secret import learn_address, without_credentials
from dataflow.workflow.discovery import patiently
from dataflow.workflow.identity import current_user

DETACHED = "HEAD"
NO_GIT = "nogit"
_DIRTY = "dirty"
_REMOTE = re.compile(r"(?:[a-z+]+://(?:[^/]*@)?[^/]*/|[^/:]+:)?(?P<path>.+?)(?:\.git)?/*", re.IGNORECASE)
_PINNED = re.compile(r"[+]id: \S+|[+]")  # what `project deploy` adds to a dataflow.yaml
_PROJECT = "dataflow.yaml"
_NO_SUCH = 2  # what `git ls-remote --exit-code` ends with where the remote has no such branch


@dataclass(frozen=True)
class Checkout:
    """The state of a folder in git, read once per command.

    Attributes:
        root: The top of the work tree; the folder itself outside git.
        owner: The part of the remote's address before the repository's name; without a remote, the current user.
        repo: The repository's name; without a remote, the folder's.
        branch: The branch; `HEAD` where a bare commit is checked out and no variable names the branch, and `nogit`
            outside git.
        commit: The full hash of the commit; None outside git and before the first commit.
        dirty: Whether tracked files differ from the commit.
        untracked: Files that are neither tracked nor ignored, relative to the root.
        named_by: The environment variable that named the branch, where a bare commit is checked out.
    """

    root: Path
    owner: str
    repo: str
    branch: str
    commit: str | None
    dirty: bool
    untracked: tuple[str, ...] = ()
    named_by: str | None = None

    @property
    def is_clean(self) -> bool:
        """Whether the tracked files are as the commit has them; if not, only the sandbox may be deployed to."""
        return self.commit is not None and not self.dirty

    def version(self, inputs: str) -> str:
        """Return the part of an asset's id that names what it was built from: the commit, or a hash of its inputs.

        Args:
            inputs: The hash of what the asset is made of.
        """
        if self.commit is None:
            return f"{NO_GIT}-{inputs[:8]}"
        return f"{_DIRTY}-{inputs[:8]}" if self.dirty else self.commit[:8]


def read_checkout(folder: Path) -> Checkout:
    """Ask git about a folder. Outside git, the branch is `nogit` and there is no commit.

    Raises:
        DataflowError: There is a repository, and git can't be asked about it.
    """
    folder = folder.resolve()
    with patiently(lambda: f"git looks for changes around {folder}"):
        status = git.run(
            folder, "status", "--porcelain=v2", "--branch", "--untracked-files=all", "--ignore-submodules=all", "-z"
        )
    top = git.ask(folder, "rev-parse", "--show-toplevel") if status.code == 0 else None
    if not top:
        if (marked := git.nearest_repository(folder)) is not None:
            raise _unreadable(marked, status)
        return Checkout(folder, current_user(), folder.name or "root", NO_GIT, None, dirty=True)
    root = Path(top)
    lines = status.data.decode(errors="surrogateescape").split("\0")
    head = dict(line[2:].split(" ", 1) for line in lines if line.startswith("# "))
    commit = head.get("branch.oid", "(initial)")
    owner, repo = _remote(root, head.get("branch.upstream", "")) or (current_user(), root.name)
    branch, named_by = _branch(head.get("branch.head", "(detached)"))
    changed = list(_changed(lines))
    return Checkout(
        root=root,
        owner=owner,
        repo=repo,
        branch=branch,
        commit=None if commit == "(initial)" else commit,
        dirty=bool(changed) and not _is_pinning(root, changed),
        untracked=tuple(line[2:] for line in lines if line.startswith("? ")),
        named_by=named_by,
    )


def require_tip(checkout: Checkout) -> None:
    """Refuse the branch that an environment variable names where HEAD is not what it holds at the remote.

    Without a remote, the clone's own branch counts. Where there is neither, the variable is trusted.

    Raises:
        UsageError: The branch is at another commit.
    """
    if checkout.named_by is None:
        return
    refused: list[str] = []
    known = remotes(checkout.root)
    if not known:
        tip = git.ask(checkout.root, "rev-parse", "--verify", "--quiet", f"refs/heads/{checkout.branch}")
        refused += (
            [f"which is at {tip[:8]} here, not at {str(checkout.commit)[:8]}"] if tip != checkout.commit and tip else []
        )
    for remote in known:
        listed = git.run_remote(checkout.root, "ls-remote", "--exit-code", remote, f"refs/heads/{checkout.branch}")
        tip = listed.data.decode().split()[0] if listed.code == 0 else None
        if listed.code not in (0, _NO_SUCH):  # it can't be asked: what was fetched last counts
            tip = git.ask(checkout.root, "rev-parse", "--verify", "--quiet", f"refs/remotes/{remote}/{checkout.branch}")
        if tip == checkout.commit:
            return
        if tip:
            refused.append(f"whose tip at {remote} is {tip[:8]}, not {str(checkout.commit)[:8]}")
        elif listed.code == _NO_SUCH:
            refused.append(f"which {remote} does not have")
    if refused:
        raise UsageError(
            f"{checkout.named_by} names branch {checkout.branch}, {refused[0]}",
            f"deploy from what that branch holds; or check one out: git switch {checkout.branch}",
        )


def _unreadable(folder: Path, answer: git.Answer) -> DataflowError:
    if "dubious ownership" in answer.error:
        hint = f"if you trust it: git config --global --add safe.directory {folder}"
    elif answer.code == -1:
        hint = "install git"
    else:
        hint = "run `git status` there for details"
    return DataflowError(f"{display_path(folder)} is a git repository, and can't be read: {answer.error}", hint)


def _branch(head: str) -> tuple[str, str | None]:
    """Return the branch. Where a bare commit is checked out, CI's variables name it: return the variable as well."""
    if head != "(detached)":
        return head, None
    on_branch = os.environ.get("GITHUB_REF_TYPE") == "branch"
    for name in ("DATAFLOW_BRANCH", *(["GITHUB_REF_NAME"] if on_branch else []), "CI_COMMIT_BRANCH"):
        if branch := os.environ.get(name):
            return branch, name
    return DETACHED, None


def _changed(lines: Sequence[str]) -> Iterator[str]:
    """Yield the tracked files that differ from the commit, out of git's status."""
    left = iter(lines)
    for line in left:
        match line[:2]:
            case "1 ":
                yield line.split(" ", 8)[8]
            case "2 ":
                yield line.split(" ", 9)[9]
                yield next(left)  # what it was called before
            case "u ":
                yield line.split(" ", 10)[10]


def _is_pinning(root: Path, changed: Sequence[str]) -> bool:
    """Say whether the only change is the id that `project deploy` itself adds to `dataflow.yaml`."""
    if any(name.rpartition("/")[2] != _PROJECT for name in changed):
        return False
    diff = git.ask(root, "diff", "--unified=0", "--no-ext-diff", "--no-color", "HEAD", "--", *changed) or "-"
    lines = [line for line in diff.splitlines() if line[:1] in "+-" and not line.startswith(("+++", "---"))]
    return all(map(_PINNED.fullmatch, lines))


def remotes(root: Path) -> dict[str, str]:
    """Return the addresses of a repository's remotes by their names, without credentials: git takes a name as well."""
    listed = git.ask(root, "config", "--get-regexp", r"^remote\..*\.url$") or ""
    found = (line.partition(" ") for line in listed.splitlines())
    return {key[7:-4]: without_credentials(learn_address(address)) for key, _, address in found}


def _remote(root: Path, upstream: str) -> tuple[str, str] | None:
    """Return owner and name from the address of the branch's remote, else of `origin`, else of the first."""
    addresses = remotes(root)
    of_branch = next((name for name in addresses if upstream.startswith(f"{name}/")), "")
    address = addresses.get(of_branch) or addresses.get("origin") or next(iter(addresses.values()), "")
    found = _REMOTE.fullmatch(address)
    parts = [part for part in found["path"].split("/") if part] if found else []
    if not parts:
        return None
    if Path(address).is_absolute() or address.startswith((".", "file:")):
        parts = parts[-2:]  # a path on this machine: the folder that the repository lies in
    return "/".join(parts[:-1]) or current_user(), parts[-1]
