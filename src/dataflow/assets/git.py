"""What git knows of the folder that things are built in: whose repository, which branch, which commit."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from dataflow.sample.git import ask
from dataflow.secret import learn_address, without_credentials
from dataflow.workflow.folders import is_generated
from dataflow.workflow.identity import current_user

DETACHED = "HEAD"
NO_GIT = "nogit"
_DIRTY = "dirty"
_REMOTE = re.compile(r"(?:[a-z+]+://(?:[^/]*@)?[^/]*/|[^/:]+:)?(?P<path>.+?)(?:\.git)?/*", re.IGNORECASE)


@dataclass(frozen=True)
class Checkout:
    """A folder as git has it, read once per command.

    Attributes:
        root: The top of the work tree; the folder itself outside git.
        owner: Whose repository: what stands before its name in the remote's address, else the current user.
        repo: The repository's name; the folder's where there is no remote.
        branch: The branch; `HEAD` when none is checked out and nothing says which, `nogit` outside git.
        commit: The whole hash of the commit; None outside git and before the first commit.
        dirty: Whether there are changes that no commit holds.
    """

    root: Path
    owner: str
    repo: str
    branch: str
    commit: str | None
    dirty: bool

    @property
    def is_clean(self) -> bool:
        """Whether a commit holds all that is here; else only the sandbox may be deployed to."""
        return self.commit is not None and not self.dirty

    def version(self, inputs: str) -> str:
        """Return how an id names what was built: by the commit, or else by its inputs and why there is none.

        Args:
            inputs: The hash of what the asset is made of.
        """
        if self.commit is None:
            return f"{NO_GIT}-{inputs[:8]}"
        return f"{_DIRTY}-{inputs[:8]}" if self.dirty else self.commit[:8]


def read_checkout(folder: Path) -> Checkout:
    """Ask git about a folder; without git or a repository, say so by the names of `Checkout`."""
    folder = folder.resolve()
    status = ask(folder, "status", "--porcelain=v2", "--branch", "--untracked-files=all")
    top = ask(folder, "rev-parse", "--show-toplevel") if status is not None else None
    if status is None or not top:
        return Checkout(folder, current_user(), folder.name or "root", NO_GIT, None, dirty=True)
    root = Path(top)
    lines = status.splitlines()
    head = dict(line[2:].split(" ", 1) for line in lines if line.startswith("# "))
    commit = head.get("branch.oid", "(initial)")
    owner, repo = _remote(root, head.get("branch.upstream", "")) or (current_user(), root.name)
    return Checkout(
        root=root,
        owner=owner,
        repo=repo,
        branch=_branch(head.get("branch.head", "(detached)")),
        commit=None if commit == "(initial)" else commit,
        dirty=any(map(_is_change, lines)),
    )


def _branch(head: str) -> str:
    """Return the branch; where CI checked out a bare commit, the one that it says it builds."""
    if head != "(detached)":
        return head
    on_github = os.environ.get("GITHUB_REF_NAME") if os.environ.get("GITHUB_REF_TYPE") == "branch" else None
    return os.environ.get("DATAFLOW_BRANCH") or on_github or os.environ.get("CI_COMMIT_BRANCH") or DETACHED


def _is_change(line: str) -> bool:
    """Say whether a line of git's status tells of a change that a build could see."""
    if not line.startswith("? "):
        return not line.startswith("# ")
    parts = PurePosixPath(line[2:].strip('"')).parts
    return not any(map(is_generated, parts[:-1]))


def _remote(root: Path, upstream: str) -> tuple[str, str] | None:
    """Return owner and name from the address of the branch's remote, else of `origin`, else of the first."""
    listed = ask(root, "config", "--get-regexp", r"^remote\..*\.url$") or ""
    addresses = {key[7:-4]: address for key, _, address in (line.partition(" ") for line in listed.splitlines())}
    of_branch = next((name for name in addresses if upstream.startswith(f"{name}/")), "")
    address = addresses.get(of_branch) or addresses.get("origin") or next(iter(addresses.values()), "")
    address = without_credentials(learn_address(address))
    found = _REMOTE.fullmatch(address)
    parts = [part for part in found["path"].split("/") if part] if found else []
    if not parts:
        return None
    if Path(address).is_absolute() or address.startswith((".", "file:")):
        parts = parts[-2:]  # a path on this machine: the folder that the repository lies in
    return "/".join(parts[:-1]) or current_user(), parts[-1]
