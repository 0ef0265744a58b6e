"""References to assets in definitions, and the builds they stand for.

| written in a definition                                | means                                              |
|--------------------------------------------------------|----------------------------------------------------|
| `${dataflow.jar.scala-workflow}`                       | the build of this deployment, else the latest      |
| `${dataflow.jar.scala-workflow@main}`                  | the latest build of a branch                       |
| `${dataflow.jar.scala-workflow@main.11}`               | one build                                          |
| `${dataflow.jar.scala-workflow.user.stranger-data}`    | an asset of a certain repository; `@…` may follow  |
| `${dataflow.jar.scala-workflow.user.….39206ee8.11}`    | the build with this id                             |

Names are spelled as in ids, so a reference is the beginning of one: a branch `feature/a.b` is `feature~~a~_b`.
A `/` may also stand as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dataflow.assets.ids import ASSET_TYPES, PREFIX, AssetId, AssetType, escape, series, unescape
from dataflow.assets.publish import Pin
from dataflow.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from dataflow.assets.registry import Registry
    from dataflow.repository.checkout import Checkout

_MAIN = ("main", "master")
_SHOWN = 5


@dataclass(frozen=True)
class Reference:
    """A reference, taken apart.

    Attributes:
        type: The type of the asset.
        namespace: Its name.
        repository: Its owner and repository; None for any, this one first.
        branch: The branch; None for the deployment's own.
        build: The number; None for the latest.
        commit: Of a whole id, its commit.
    """

    type: AssetType
    namespace: str
    repository: tuple[str, str] | None = None
    branch: str | None = None
    build: int | None = None
    commit: str | None = None

    def __str__(self) -> str:
        names = [self.type, escape(self.namespace), *map(escape, self.repository or ())]
        if self.commit is not None and self.branch is not None:
            names += [escape(self.branch), escape(self.commit), str(self.build)]
            return ".".join([PREFIX, *names])
        at = f"@{escape(self.branch)}" if self.branch else ""
        return ".".join([PREFIX, *names]) + at + (f".{self.build}" if self.build else "")

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Read what stands between the braces.

        Raises:
            UsageError: It is not a reference; the message names the part that is wrong.
        """
        name, at, version = text.replace("/", "~~").partition("@")
        parts = name.split(".")
        if parts[0] != PREFIX or len(parts) not in (3, 5, 8) or (at and (len(parts) == 8 or not version)):
            raise UsageError(
                f"'${{{text}}}' refers to no asset",
                "one reads ${dataflow.<type>.<namespace>}; .<owner>.<repo>, @<branch> or @<branch>.<build> may follow",
            )
        if len(parts) == 8:
            id_ = AssetId.parse(name)
            return cls(id_.type, id_.namespace, (id_.owner, id_.repo), id_.branch, id_.build, id_.commit)
        if parts[1] not in ASSET_TYPES:
            raise UsageError(f"'${{{text}}}': '{parts[1]}' is not a type of asset{did_you_mean(parts[1], ASSET_TYPES)}")
        branch, dot, build = version.partition(".")
        if dot and not (build.isdecimal() and int(build)):
            raise UsageError(
                f"'${{{text}}}': '{build}' is not a build number",
                f"a branch of that name is spelled @{escape(version.replace('~~', '/'))}",
            )
        try:
            namespace, *repository = map(unescape, parts[2:])
            found = unescape(branch) if at else None
        except ValueError as error:
            raise UsageError(f"'${{{text}}}': {error}") from None
        type_: AssetType = parts[1]
        pair = (repository[0], repository[1]) if repository else None
        return cls(type_, namespace, pair, found, int(build) if dot else None)


def is_reference(name: str) -> bool:
    """Say whether a placeholder's name, such as `dataflow.jar.a`, is meant for an asset rather than a built-in."""
    parts = name.partition("@")[0].split(".")
    return len(parts) > 2 and parts[0] == PREFIX


@dataclass(frozen=True)
class References:
    """Finds the builds that references stand for.

    Attributes:
        registry: Where builds are.
        checkout: What is being deployed.
        own: The builds of this deployment, by type and namespace.
        unclean: Whether builds that no commit holds may be taken: in a sandbox.
    """

    registry: Registry
    checkout: Checkout
    own: Mapping[tuple[AssetType, str], Pin] = field(default_factory=dict)
    unclean: bool = False

    def resolve(self, text: str) -> Pin:
        """Return the build that a reference stands for.

        Args:
            text: What stands between the braces.

        Raises:
            UsageError: There is none; the message lists what is near, and what there is.
        """
        reference = Reference.parse(text)
        if own := self._of_this_deployment(reference):
            return own
        repository = self._repository(reference)
        branch = self._branch(reference, repository)
        return self._build(reference, series(reference.type, reference.namespace, *repository, branch))

    def _of_this_deployment(self, reference: Reference) -> Pin | None:
        pin = self.own.get((reference.type, reference.namespace))
        here = reference.repository in (None, (self.checkout.owner, self.checkout.repo))
        if pin is None or not here or reference.branch not in (None, self.checkout.branch):
            return None
        return pin if reference.build in (None, pin.id.build) and reference.commit in (None, pin.id.commit) else None

    def _repository(self, reference: Reference) -> tuple[str, str]:
        base = f"builds/{reference.type}/{escape(reference.namespace)}"
        found = [
            (unescape(owner), unescape(repo))
            for owner in self.registry.folders(base)
            for repo in self.registry.folders(f"{base}/{owner}")
        ]
        own = (self.checkout.owner, self.checkout.repo)
        wanted = reference.repository or (own if own in found else None)
        if wanted is None and len(found) == 1:
            return found[0]
        if wanted in found and wanted is not None:
            return wanted
        if not found:
            raise self._unknown(reference)
        written = [str(Reference(reference.type, reference.namespace, it)) for it in found]
        what = "is in several repositories" if wanted is None else "is not of that repository"
        raise UsageError(f"'${{{reference}}}' {what}", f"there is {_listed(f'${{{it}}}' for it in written)}")

    def _branch(self, reference: Reference, repository: tuple[str, str]) -> str:
        base = series(reference.type, reference.namespace, *repository, "x").rpartition("/")[0]
        found = [unescape(it) for it in self.registry.folders(base)]
        here = repository == (self.checkout.owner, self.checkout.repo)
        for branch in (self.checkout.branch, *_MAIN) if here else _MAIN:
            if reference.branch is None and branch in found:
                return branch
        if reference.branch in found and reference.branch is not None:
            return reference.branch
        if reference.branch is None and len(found) == 1:
            return found[0]
        missing = "has builds of several branches" if reference.branch is None else "has no build of that branch"
        raise UsageError(
            f"'${{{reference}}}' {missing}",
            f"there are builds of {_listed(f'@{escape(it)}' for it in found)}" if found else None,
        )

    def _build(self, reference: Reference, name: str) -> Pin:
        entries = self.registry.numbers(name)
        if reference.build is not None:
            pin = Pin.of(self.registry.entry(name, reference.build)) if reference.build in entries else None
            if pin is not None and reference.commit in (None, pin.id.commit):
                return pin
            raise UsageError(f"'${{{reference}}}' was never built", self._builds(name, entries))
        for number in reversed(entries):
            pin = Pin.of(self.registry.entry(name, number))
            if self.unclean or pin.id.is_clean:
                return pin
        raise UsageError(
            f"'${{{reference}}}' has no build that a commit holds", f"only of sandboxes: {self._builds(name, entries)}"
        )

    def _builds(self, name: str, numbers: list[int]) -> str:
        newest = [str(self.registry.entry(name, it)["id"]) for it in reversed(numbers[-_SHOWN:])]
        return f"there is {_listed(newest)}"

    def _unknown(self, reference: Reference) -> UsageError:
        deployed = {unescape(it) for it in self.registry.folders(f"builds/{reference.type}")}
        here = {name for type_, name in self.own if type_ == reference.type}
        names = deployed | here
        elsewhere = [
            type_
            for type_ in ASSET_TYPES
            if type_ != reference.type and escape(reference.namespace) in self.registry.folders(f"builds/{type_}")
        ]
        also = f"; it is a {elsewhere[0]}" if elsewhere else did_you_mean(reference.namespace, names)
        found = [f"${{{Reference(reference.type, it)}}}" for it in sorted(names)]
        return UsageError(
            f"there is no {reference.type} '{reference.namespace}', here or deployed{also}",
            f"there is {_listed(found)}" if found else f"nothing of type {reference.type} is here or was ever deployed",
        )


def _listed(words: Iterable[str]) -> str:
    found = list(words)
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return ", ".join(found[:_SHOWN]) + more
