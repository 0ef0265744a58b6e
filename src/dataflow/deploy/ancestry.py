"""Whether a checkout is older than what stands: to deploy it would undo what others have deployed since."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflow import git
from dataflow.errors import DataflowError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dataflow.deploy.ownership import ProjectOwnership

_ALLOW = "git pull; or, to go back on purpose, `dataflow project rollback` or deploy --allow-older"


def check_ancestry(
    whose: ProjectOwnership, standing: Iterable[str | None], *, allow_older: bool, local: bool = False
) -> list[str]:
    """Compare a checkout with the commits that stand.

    Args:
        whose: The checkout.
        standing: The commits.
        allow_older: Let it be older.
        local: Ask this clone alone.

    Returns:
        What the user should know.

    Raises:
        DataflowError: It is older, or it is a shallow clone that can't tell.
    """
    head, root = str(whose.checkout.commit), whose.checkout.root
    wanted = sorted({it for it in standing if it and it != head})
    if not wanted:
        return []
    told = git.run(root, "cat-file", "--batch-check=%(objecttype)", data="".join(f"{it}\n" for it in wanted).encode())
    types = told.data.decode().splitlines()
    known = [it for it, type_ in zip(wanted, types, strict=False) if type_ == "commit"]
    missing = [it for it in wanted if it not in known]
    if not local:
        known += (fetched := [it for it in missing if whose.has(it)])
        missing = [it for it in missing if it not in fetched]
    if missing and whose.is_shallow and not local and not allow_older:
        raise DataflowError(
            f"this is a shallow clone without commit {missing[0][:8]}, which stands: it may be older",
            "git fetch --unshallow",
            permanent=True,
        )
    if known and git.ask(root, "rev-list", "--max-count=1", head, "--not", *known) == "":
        if not allow_older:
            newer = next(it for it in known if git.ask(root, "rev-list", "-n1", head, "--not", it) == "")
            raise DataflowError(f"commit {head[:8]} is older than {newer[:8]}, which stands", _ALLOW, permanent=True)
        return [f"commit {head[:8]} is older than what stands"]
    if missing:
        return [f"commit {missing[0][:8]} stands, and this clone does not have it: it can't be told which is newer"]
    if known and not whose.is_shallow and git.ask(root, "rev-list", "--max-count=1", *known, "--not", head):
        return [f"commit {head[:8]} and what stands have diverged: what others deployed is undone"]
    return []
