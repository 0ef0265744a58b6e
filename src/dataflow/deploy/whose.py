"""Whose a deployment is: a project's, known by an id that its `dataflow.yaml` pins.

A name changes with a remote, a move or the way a repository is cloned; an id does not. As files are copied, an id is
held against what else tells repositories apart: their remotes, and the commit that their history begins with. Both are
noted in the registry when an id is first deployed, and whenever there is more to tell:

    projects/<id>/<n>.json
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflow import git
from dataflow.assets.git import Checkout, remotes
from dataflow.deploy.package import project_of
from dataflow.errors import DataflowError, display_path
from dataflow.workflow.identity import current_user
from dataflow.workflow.project import FILE_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dataflow.assets.registry import Registry
    from dataflow.assets.tree import Tree
    from dataflow.deploy.deployments import Deployed

_SERIES = "projects"
_ADDRESS = re.compile(r"(?:[a-z][a-z0-9+.-]*://)?(?:[^/@]*@)?(?P<host>[^/:]+)(?::\d+(?=/))?[:/]+(?P<path>.+)", re.I)
_LOCAL = ("/", ".", "file:")
_PINNED = re.compile(r"^id:\s*['\"]?([a-z0-9-]+)", re.M)


@dataclass
class Whose:
    """A project, as deployments know it.

    Attributes:
        checkout: The repository.
        tree: Its files.
        scope: The folder of its `dataflow.yaml`; None where it has none.
        pinned: The id that it pins; None where it pins none.
    """

    checkout: Checkout
    tree: Tree
    scope: str | None
    pinned: str | None

    @property
    def name(self) -> str:
        """The repository, as ids of assets name it."""
        return f"{self.checkout.owner}/{self.checkout.repo}"

    @cached_property
    def is_shallow(self) -> bool:
        """Whether the clone has a part of the history alone."""
        return git.ask(self.checkout.root, "rev-parse", "--is-shallow-repository") == "true"

    @cached_property
    def roots(self) -> tuple[str, ...]:
        """The commits that the history begins with; none where they are not known."""
        if self.checkout.commit is None or self.is_shallow:
            return ()
        listed = git.ask(self.checkout.root, "rev-list", "--max-parents=0", self.checkout.commit) or ""
        return tuple(sorted(listed.split()))

    @cached_property
    def id(self) -> str | None:
        """What it is known by: what it pins, else what its history's first commit gives; None where nothing does."""
        if self.pinned is not None or not self.roots:
            return self.pinned
        first = f"{self.roots[0]}\0{self.scope or '.'}"
        return f"df-{hashlib.sha256(first.encode()).hexdigest()[:16]}"

    @cached_property
    def remotes(self) -> tuple[str, ...]:
        """The addresses of its remotes, spelled alike however they are reached."""
        return tuple(sorted({plain_address(it, self.checkout.root) for it in remotes(self.checkout.root).values()}))

    # ------------------------------------------------------------------------------------------ packages

    def owns(self, key: str, package: Deployed) -> bool:
        """Say whether a package that stands somewhere is of this project."""
        if package.project is not None and self.id is not None:
            return package.project == self.id
        # Of before there were ids, or of a shallow clone, which can't tell its own: by what the repository holds.
        if not self._is_near(key.rpartition(":")[2]):
            return False
        same = package.repository.casefold() == self.name.casefold()
        if package.commit is None or self.checkout.commit is None:
            return same
        return (same or package.project is not None) and self.has(package.commit)

    def _is_near(self, path: str) -> bool:
        return project_of(self.tree, path) in (self.scope, None)

    def has(self, commit: str) -> bool:
        """Say whether a commit is in this clone, or can be had from a remote."""
        root = self.checkout.root
        if git.ask(root, "cat-file", "-e", f"{commit}^{{commit}}") is not None:
            return True
        return any(
            git.ask_remote(root, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", name, commit) is not None
            for name in remotes(root)
        )

    # ------------------------------------------------------------------------------------------ evidence

    def refuse_copy(self, registry: Registry, standing: Mapping[str, Deployed]) -> None:
        """Refuse an id that is another repository's, or another project's of this one.

        Raises:
            DataflowError: It is; the message says whose.
        """
        if self.pinned is not None:
            self._refuse_twin(self.pinned)
        known = self._known(registry)
        if known is None or set(known["remotes"]) & set(self.remotes):
            return
        if set(known["roots"]) & set(self.roots) and self._goes_on(known, standing):
            return
        where = f" ({known['remotes'][0]})" if known["remotes"] else ""
        mine = self.remotes[0] if self.remotes else display_path(self.checkout.root)
        if self.is_shallow:
            hint = "git fetch --unshallow, so that the history can tell"
        else:
            hint = f"a copy gets an id of its own: take `id:` out of {FILE_NAME}; to take over: dataflow project adopt"
        message = f"{FILE_NAME} has the id of {known['name']}{where}, and {mine} is not it"
        raise DataflowError(message, hint, permanent=True)

    def _goes_on(self, known: Mapping[str, Any], standing: Mapping[str, Deployed]) -> bool:
        """Say whether this repository is the one that was known by other remotes, and no copy of it.

        A copy has the history as well. It is told by what was deployed since, and by the old address, which still
        answers for itself.
        """
        commits = {it.commit for it in standing.values() if it.commit}
        if commits and not any(map(self.has, commits)):
            return False
        if not known["remotes"] or not self.remotes:
            return True
        was = {self._heads(address) for address in known["addresses"]} - {None}
        now = {self._heads(name) for name in remotes(self.checkout.root)} - {None}
        return not was or bool(was & now)

    def _heads(self, remote: str) -> str | None:
        return git.ask_remote(self.checkout.root, "ls-remote", "--heads", remote) or None

    def _refuse_twin(self, pinned: str) -> None:
        for folder, _, files in self.tree.walk():
            path = folder.relative_to(self.tree.root).as_posix()
            if FILE_NAME not in files or path == self.scope:
                continue
            self.tree.fill()
            found = _PINNED.search((folder / FILE_NAME).read_text(encoding="utf-8", errors="replace"))
            if found and found[1] == pinned:
                here = display_path(self.tree.root / (self.scope or ".") / FILE_NAME)
                raise DataflowError(
                    f"{display_path(folder / FILE_NAME)} has the id of {here}",
                    "a copy gets an id of its own: take `id:` out of it",
                    permanent=True,
                )

    def _known(self, registry: Registry) -> dict[str, Any] | None:
        found = registry.latest(f"{_SERIES}/{self.id}") if self.id else None
        return found[1] if found else None

    def note(self, registry: Registry, *, over: bool = False) -> None:
        """Note what tells this repository, unless it is known.

        Args:
            registry: Where.
            over: Forget what was known: the project is handed over.
        """
        if self.id is None:
            return
        known = self._known(registry) if not over else None
        addresses = remotes(self.checkout.root).values()
        now = {"remotes": self.remotes, "roots": self.roots, "addresses": addresses}
        before = known or {}
        told = {key: sorted({*before.get(key, ()), *found}) for key, found in now.items()}
        if all(told[key] == before.get(key) for key in told):
            return
        at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        registry.append(f"{_SERIES}/{self.id}", lambda _: {**told, "name": self.name, "by": current_user(), "at": at})


def plain_address(address: str, root: Path) -> str:
    """Spell a remote's address alike by https and ssh, with and without a user, a port, `.git`, in any letter case."""
    if address.startswith(_LOCAL):
        path = Path(address.removeprefix("file://"))
        return str((root / path).resolve()).removesuffix(".git")
    found = _ADDRESS.fullmatch(address)
    host, path_ = (found["host"], found["path"]) if found else ("", address)
    return f"{host}/{path_.strip('/').removesuffix('.git').strip('/')}".lower()
