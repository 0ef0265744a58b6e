"""DAG files in a git repository that a bundle of Airflow's follows: what changed is one commit, pushed."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dataflow import git
from dataflow.errors import DataflowError
from dataflow.wording import plural

_ADDRESS = re.compile(r"git\+(?P<address>.+?)(?:@(?P<branch>[^@:/][^@:]*))?")
_ATTEMPTS = 5
_WHO = {"GIT_AUTHOR_NAME": "Dataflow", "GIT_AUTHOR_EMAIL": "dataflow@localhost"}
_WHO |= {name.replace("AUTHOR", "COMMITTER"): value for name, value in _WHO.items()}


@dataclass(frozen=True)
class DagRepository:
    """A git repository of DAG files.

    Attributes:
        address: Its address, as git takes it.
        branch: The branch that Airflow follows.
    """

    address: str
    branch: str = "main"

    @classmethod
    def parse(cls, text: str) -> DagRepository | None:
        """Return the repository that `git+ADDRESS@BRANCH` names; None for a folder."""
        found = _ADDRESS.fullmatch(text)
        return cls(found["address"], found["branch"] or "main") if found else None

    def change(self, name: str, write: Callable[[Path], Sequence[str]]) -> None:
        """Change what the branch holds, in one commit; again from its new head where somebody else pushed meanwhile.

        Args:
            name: What is changed.
            write: Writes to a checkout of it, and returns which files changed.

        Raises:
            DataflowError: It can't be fetched, or can't be pushed.
        """
        for left in reversed(range(_ATTEMPTS)):
            with tempfile.TemporaryDirectory(prefix="dataflow-dags-") as folder:
                checkout = Path(folder) / "dags"
                self._clone(checkout)
                changed = write(checkout)
                if not self._commit(checkout, f"{name}: {plural(len(changed), 'DAG file')}"):
                    return
                pushed = git.run_remote(checkout, "push", "--quiet", "origin", f"HEAD:refs/heads/{self.branch}")
                if pushed.code == 0:
                    return
                if not left:
                    raise self._failed("pushed to", pushed)

    def _clone(self, checkout: Path) -> None:
        """Lay out the branch; an empty one where the repository has none yet."""
        heads = git.run_remote(Path("/"), "ls-remote", "--heads", self.address, self.branch)
        if heads.code != 0:
            raise self._failed("reached at", heads)
        if not heads.data.strip():
            git.run(Path("/"), "init", "--quiet", "--initial-branch", self.branch, str(checkout))
            git.run(checkout, "remote", "add", "origin", self.address)
            return
        options = ("--quiet", "--depth", "1", "--branch", self.branch, "--single-branch")
        cloned = git.run_remote(Path("/"), "clone", *options, self.address, str(checkout))
        if cloned.code != 0:
            raise self._failed("fetched from", cloned)

    def _commit(self, checkout: Path, message: str) -> bool:
        """Commit what was written; say whether anything differs."""
        git.run(checkout, "add", "--all", "--", ".")
        if git.run(checkout, "diff", "--cached", "--quiet").code == 0:
            return False
        done = git.run(checkout, "commit", "--quiet", "--no-verify", "--message", message, variables=_WHO)
        if done.code != 0:
            raise self._failed("committed for", done)
        return True

    def _failed(self, what: str, answer: git.Answer) -> DataflowError:
        return DataflowError(
            f"DAG files can't be {what} {self.address}: {answer.error}",
            "the deployment stands; deploying again goes on where this ended",
        )
