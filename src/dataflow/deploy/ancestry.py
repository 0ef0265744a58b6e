"""Refusing a checkout that is older than what is deployed: deploying it would undo what others deployed since."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dataflow import git
from dataflow.errors import DataflowError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dataflow.deploy.ownership import ProjectOwnership

_ALLOW = "git pull; or, to go back on purpose, `dataflow project rollback` or deploy --allow-older"


def check_ancestry(
    ownership: ProjectOwnership, deployed: Iterable[str | None], *, allow_older: bool, local: bool = False
) -> list[str]:
    """Compare a checkout with the commits that are deployed.

    Args:
        ownership: The checkout.
        deployed: The commits.
        allow_older: Whether it may be older.
        local: Whether only this clone is asked, and no remote.

    Returns:
        Notes for the user.

    Raises:
        DataflowError: It is older, or it is a shallow clone, where that is not known.
    """
    head, root = str(ownership.checkout.commit), ownership.checkout.root
    wanted = sorted({it for it in deployed if it and it != head})
    if not wanted:
        return []
    listed = git.run(root, "cat-file", "--batch-check=%(objecttype)", data="".join(f"{it}\n" for it in wanted).encode())
    types = listed.data.decode().splitlines()
    known = [it for it, type_ in zip(wanted, types, strict=False) if type_ == "commit"]
    missing = [it for it in wanted if it not in known]
    if not local:
        known += (fetched := [it for it in missing if ownership.has(it)])
        missing = [it for it in missing if it not in fetched]
    if missing and ownership.is_shallow and not local and not allow_older:
        raise DataflowError(
            f"this is a shallow clone without commit {missing[0][:8]}, which is deployed: it may be older",
            "git fetch --unshallow",
            permanent=True,
        )
    if known and git.ask(root, "rev-list", "--max-count=1", head, "--not", *known) == "":
        if not allow_older:
            newer = next(it for it in known if git.ask(root, "rev-list", "-n1", head, "--not", it) == "")
            raise DataflowError(
                f"commit {head[:8]} is older than {newer[:8]}, which is deployed", _ALLOW, permanent=True
            )
        return [f"commit {head[:8]} is older than what is deployed"]
    if missing:
        return [f"commit {missing[0][:8]} is deployed and not in this clone: which of the two is newer is unknown"]
    if known and not ownership.is_shallow and git.ask(root, "rev-list", "--max-count=1", *known, "--not", head):
        return [f"commit {head[:8]} and what is deployed have diverged: what others deployed is undone"]
    return []
