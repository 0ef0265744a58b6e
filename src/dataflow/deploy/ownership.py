"""Ownership of deployments: a project owns them, identified by the id that its `dataflow.yaml` pins.

A name changes with a remote, a move or the way a repository is cloned; an id does not. As files are copied, an id is
compared with what else identifies a repository: its remotes, and the commit that its history begins with. Both are
recorded in the registry when an id is first deployed, and whenever there are more of them:

    projects/<id>/<n>.json
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import secrets
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflow import git
from dataflow.deploy.bundle.packages import project_of
from dataflow.errors import DataflowError, display_path
from dataflow.repository.checkout import Checkout, remotes
from dataflow.workflow.identity import current_user
from dataflow.workflow.project import FILE_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dataflow.assets.registry import Registry
    from dataflow.deploy.deployments import DeployedPackage
    from dataflow.repository.tree import Tree

_MARK = "dataflow.project"  # in the settings of a clone that deployed
_SERIES = "projects"
_ADDRESS = re.compile(r"(?:[a-z][a-z0-9+.-]*://)?(?:[^/@]*@)?(?P<host>[^/:]+)(?::\d+(?=/))?[:/]+(?P<path>.+)", re.I)
_LOCAL = ("/", ".", "file:")
_PINNED = re.compile(r"^id:\s*['\"]?([a-z0-9-]+)", re.M)


@dataclass
class ProjectOwnership:
    """Identifies a project among those that deploy.

    Attributes:
        checkout: The repository.
        tree: Its files.
        scope: The folder of its `dataflow.yaml`; None where it has none.
        pinned: The id that it pins, or None.
    """

    checkout: Checkout
    tree: Tree
    scope: str | None
    pinned: str | None
    _alike: list[str] = field(default_factory=list, repr=False)

    @property
    def name(self) -> str:
        """The repository, as ids of assets name it."""
        return f"{self.checkout.owner}/{self.checkout.repo}"

    @cached_property
    def is_shallow(self) -> bool:
        """Whether the clone has only a part of the history."""
        return git.ask(self.checkout.root, "rev-parse", "--is-shallow-repository") == "true"

    @cached_property
    def roots(self) -> tuple[str, ...]:
        """The commits that the history begins with; empty where they are not known."""
        if self.checkout.commit is None or self.is_shallow:
            return ()
        listed = git.ask(self.checkout.root, "rev-list", "--max-parents=0", self.checkout.commit) or ""
        return tuple(sorted(listed.split()))

    @cached_property
    def id(self) -> str | None:
        """The project's id: the one that it pins, else one made of its history's first commit; None without either."""
        if self.pinned is not None or not self.roots:
            return self.pinned
        listed = git.ask(self.checkout.root, "rev-list", "--first-parent", "--max-parents=0", str(self.checkout.commit))
        first = f"{listed or self.roots[0]}\0{self.scope or '.'}"  # of the main line: merges bring other beginnings
        return f"df-{hashlib.sha256(first.encode()).hexdigest()[:16]}"

    @cached_property
    def remotes(self) -> tuple[str, ...]:
        """The addresses of its remotes, normalized."""
        return tuple(
            sorted({normalized_address(it, self.checkout.root) for it in remotes(self.checkout.root).values()})
        )

    # ------------------------------------------------------------------------------------------ packages

    def owns(self, key: str, package: DeployedPackage) -> bool:
        """Say whether a deployed package belongs to this project."""
        if package.project is not None and self.id is not None:
            return package.project == self.id
        # From before there were ids, or of a shallow clone, whose id is unknown: the repository's contents decide.
        if not self._is_in_scope(key.rpartition(":")[2]):
            return False
        same = package.repository.casefold() == self.name.casefold()
        if package.commit is None or self.checkout.commit is None:
            return same
        return (same or package.project is not None) and self.has(package.commit)

    def _is_in_scope(self, path: str) -> bool:
        return project_of(self.tree, path) in (self.scope, None)

    def has(self, commit: str) -> bool:
        """Say whether a commit is in this clone, or can be fetched from a remote."""
        root = self.checkout.root
        if git.ask(root, "cat-file", "-e", f"{commit}^{{commit}}") is not None:
            return True
        return any(
            git.ask_remote(root, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", name, commit) is not None
            for name in remotes(root)
        )

    # ------------------------------------------------------------------------------------------ evidence

    def refuse_copy(self, registry: Registry, deployed: Mapping[str, DeployedPackage]) -> None:
        """Refuse an id that belongs to another repository, or to another project of this one.

        Raises:
            DataflowError: It does; the message says to which.
        """
        if self.pinned is not None:
            self._require_unique_id(self.pinned)
        known = self._known(registry)
        if known is None or set(known["remotes"]) & set(self.remotes):
            return
        if set(known["roots"]) & set(self.roots) and self._is_moved(known, deployed):
            return
        where = f" ({known['remotes'][0]})" if known["remotes"] else ""
        mine = self.remotes[0] if self.remotes else display_path(self.checkout.root)
        message = f"{FILE_NAME} has the id of {known['name']}{where}, and {mine} is not it"
        if self.pinned is None:
            message = f"{known['name']}{where} is deployed from this history, and {mine} is not it"
        hint = f"a copy gets an id of its own: write `id: {new_project_id()}` into {FILE_NAME}, and commit it"
        if self.is_shallow:
            hint = "git fetch --unshallow, so that the history identifies it"
        raise DataflowError(message, f"{hint}; where it moved: dataflow project adopt", permanent=True)

    def _is_moved(self, known: Mapping[str, Any], deployed: Mapping[str, DeployedPackage]) -> bool:
        """Say whether this repository is the one that had other remotes before, and not a copy of it.

        A copy has the history as well. But it lacks what was deployed since, or the old address still answers, with
        other branches. Where the old address does not answer, it has to be a clone that deployed before.
        """
        commits = {it.commit for it in deployed.values() if it.commit}
        if commits and not any(map(self.has, commits)):
            return False
        if not known["remotes"] or not self.remotes:
            return True
        was = {self._heads(address) for address in known["addresses"]} - {None}
        now = {self._heads(name) for name in remotes(self.checkout.root)} - {None}
        self._alike = sorted(map(str, was & now))
        return bool(self._alike) or (not was and self._has_deployed)

    @cached_property
    def _has_deployed(self) -> bool:
        return git.ask(self.checkout.root, "config", "--local", _MARK) == self.id

    def _heads(self, remote: str) -> str | None:
        return git.ask_remote(self.checkout.root, "ls-remote", "--heads", remote) or None

    def _require_unique_id(self, pinned: str) -> None:
        for folder, _, files in self.tree.walk():
            path = folder.relative_to(self.tree.root).as_posix()
            if FILE_NAME not in files or path == self.scope:
                continue
            self.tree.fill(folder / FILE_NAME)
            found = _PINNED.search((folder / FILE_NAME).read_text(encoding="utf-8", errors="replace"))
            if found and found[1] == pinned:
                here = display_path(self.tree.root / (self.scope or ".") / FILE_NAME)
                raise DataflowError(
                    f"{display_path(folder / FILE_NAME)} has the id of {here}",
                    f"a copy gets an id of its own: write `id: {new_project_id()}` into it",
                    permanent=True,
                )

    def _known(self, registry: Registry) -> dict[str, Any] | None:
        found = registry.latest(f"{_SERIES}/{self.id}") if self.id else None
        return found[1] if found else None

    def register(self, registry: Registry, *, over: bool = False) -> None:
        """Record in the registry what identifies this repository, unless it is recorded already.

        Args:
            registry: The registry.
            over: Whether earlier records are replaced, as the project is handed over.
        """
        if self.id is None:
            return
        git.ask(self.checkout.root, "config", "--local", _MARK, self.id)
        before = (self._known(registry) if not over else None) or {}
        now: dict[str, Any] = {"roots": self.roots, "remotes": (), "addresses": (), "alike": ()}
        if self._has_new_remotes(before):
            now |= self._own_remotes()
        else:  # with the branches of a known one, it is the same repository, or a young copy
            now["alike"] = [hashlib.sha256(it.encode()).hexdigest() for it in self._alike]
        found = {key: sorted({*before.get(key, ()), *now[key]}) for key in now}
        if all(found[key] == before.get(key, []) for key in found):
            return
        at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        registry.append(f"{_SERIES}/{self.id}", lambda _: {**found, "name": self.name, "by": current_user(), "at": at})

    def _has_new_remotes(self, known: Mapping[str, Any]) -> bool:
        """Say whether this repository's remotes are certainly the project's.

        They are not where the clone has known ones too, as a fork's clone does; nor where they only have the branches
        of a known one, as a young fork does, until they were seen to follow it.
        """
        if not known.get("remotes"):
            return True
        if set(known["remotes"]) & set(self.remotes) or not self.remotes:
            return False
        now = {hashlib.sha256(it.encode()).hexdigest() for it in self._alike}
        return not now or bool(set(known.get("alike", ())) - now)

    def _own_remotes(self) -> dict[str, list[str]]:
        """Return the remote that gives the repository its name, normalized and as git has it; else all remotes."""
        top = self.checkout.root
        found = {it: normalized_address(it, top) for it in remotes(top).values()}
        own = {
            it: plain for it, plain in found.items() if plain.casefold().endswith(f"/{self.name}".casefold())
        } or found
        return {"remotes": sorted({*own.values()}), "addresses": [*own]}


def new_project_id() -> str:
    """Return a new id for a project."""
    return f"df-{secrets.token_hex(8)}"


def normalized_address(address: str, root: Path) -> str:
    """Normalize a remote's address: the same by https and ssh, with or without user, port and `.git`, in any case."""
    if address.startswith(_LOCAL):
        path = Path(address.removeprefix("file://"))
        return str((root / path).resolve()).removesuffix(".git")
    found = _ADDRESS.fullmatch(address)
    host, path_ = (found["host"], found["path"]) if found else ("", address)
    return f"{host}/{path_.strip('/').removesuffix('.git').strip('/')}".lower()
