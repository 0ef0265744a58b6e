"""Deployments: a series of revisions for each environment, the last of which is what it runs now.

A revision names the bundle of every package of an environment, so a new one changes all of them at once or none.
Packages of other repositories are carried over; a revision that another deployment added meanwhile is read again
before each attempt.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Literal

from pydantic import Field, ValidationError

from dataflow.assets.registry import ENVIRONMENTS
from dataflow.deploy.bundle.manifest import BundleModel, Schedule
from dataflow.errors import DataflowError, UsageError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from dataflow.assets.registry import Registry

PREFIX = ENVIRONMENTS


class DeployedPackage(BundleModel):
    """A package in an environment.

    Attributes:
        bundle: Checksum of its bundle.
        inputs: Hash of all that the bundle was made of.
        package_id: The package's id.
        uuid: What its tables carry.
        repository: `<owner>/<repo>` that it was first deployed from.
        project: The id of its project; None for one from before there were ids.
        branch: The branch.
        commit: The commit; None where no commit holds it.
        workflows: Its workflows by id, with their schedules.
        writes: The tables that it writes.
        since: When it was first deployed there; its schedule starts then.
    """

    bundle: str
    inputs: str
    package_id: str
    uuid: str
    repository: str
    project: str | None = None
    branch: str
    commit: str | None = None
    workflows: dict[str, Schedule | None]
    writes: tuple[str, ...] = ()
    since: dt.datetime | None = None


class Revision(BundleModel):
    """What an environment runs from one change on.

    Attributes:
        action: What was done.
        at: When.
        by: By whom.
        packages: All packages that the environment runs, by `<owner>/<repo>:<folder>`.
        database: The one database that its runs write, where it is isolated.
        expires: When it expires, and may be swept away.
        restores: The number of the revision that a rollback returned to.
        state: Where its runs are recorded; None for the Dataflow home.
        backend: What runs its workflows.
    """

    version: Literal[1] = 1
    action: Literal["adopt", "deploy", "rollback", "destroy"]
    at: dt.datetime
    by: str
    packages: dict[str, DeployedPackage] = Field({})
    database: str | None = None
    expires: dt.datetime | None = None
    restores: int | None = None
    state: str | None = None
    backend: str = "local"

    @property
    def isolated(self) -> bool:
        """Whether it is isolated from production, with its schedules paused."""
        return self.database is not None

    @property
    def workflows(self) -> dict[str, str]:
        """The package of each workflow id."""
        return {id_: key for key, package in self.packages.items() for id_ in package.workflows}


class Deployment(BundleModel):
    """An environment and what it runs now.

    Attributes:
        name: The environment.
        number: The number of its last revision.
        revision: That revision.
    """

    name: str
    number: int
    revision: Revision

    def workflow(self, name: str) -> str:
        """Return the id of a workflow; its last part, or its package's id, is enough.

        Raises:
            UsageError: There is none of that name, or several.
        """
        known = self.revision.workflows
        ways = (
            [id_ for id_ in known if id_ == name],
            [id_ for id_ in known if id_ == f"{self.revision.database}.{name}"],
            [id_ for id_ in known if id_.endswith(f".{name}")],
        )
        found: list[str] = next((way for way in ways if way), [])
        if len(found) == 1:
            return found[0]
        if found:
            raise UsageError(f"'{name}' is ambiguous: {', '.join(sorted(found))}")
        raise UsageError(f"{self.name} runs no workflow '{name}'{did_you_mean(name, known)}")


def current(registry: Registry, name: str) -> Deployment | None:
    """Return what an environment runs; None where nothing was ever deployed or all of it was destroyed."""
    found = registry.latest(f"{PREFIX}/{name}")
    return None if found is None else _deployment(name, *found)


def require_current(registry: Registry, name: str) -> Deployment:
    """Return what an environment runs.

    Raises:
        UsageError: Nothing is deployed there.
    """
    found = current(registry, name)
    if found is None:
        raise UsageError(f"nothing is deployed to {name}", "`dataflow project deploy` deploys the current branch")
    return found


def all_current(registry: Registry) -> Iterator[Deployment]:
    """Yield every environment that runs something."""
    for name in registry.folders(PREFIX):
        if (found := current(registry, name)) is not None:
            yield found


def history(registry: Registry, name: str, last: int | None = None) -> list[Deployment]:
    """Return the revisions of an environment, the first one first; only so many of the last where a number is given."""
    series = f"{PREFIX}/{name}"
    numbers = registry.numbers(series)
    wanted = numbers if last is None else numbers[max(0, len(numbers) - last) :]
    return [Deployment(name=name, number=n, revision=_revision(name, n, registry.entry(series, n))) for n in wanted]


def revision_numbered(registry: Registry, name: str, number: int) -> Deployment | None:
    """Return one revision of an environment; None where there is none of this number."""
    series = f"{PREFIX}/{name}"
    if number not in registry.numbers(series):
        return None
    return Deployment(name=name, number=number, revision=_revision(name, number, registry.entry(series, number)))


def revise(registry: Registry, name: str, make: Callable[[Deployment | None], Revision | None]) -> Deployment:
    """Add a revision to an environment: what it runs changes in one step.

    Args:
        registry: The registry.
        name: The environment.
        make: Receives what the environment runs, and returns the new revision; None to leave it. Called again when
            somebody else's revision came first; what it raises ends the attempt.

    Returns:
        What the environment runs now.

    Raises:
        DataflowError: `make` left an environment that runs nothing.
    """
    series = f"{PREFIX}/{name}"
    before: list[Deployment | None] = []

    def entry(number: int) -> Mapping[str, object]:
        # The revision before this number: whoever writes the number has read it, and nobody can come between.
        found = _deployment(name, number - 1, registry.entry(series, number - 1)) if number > 1 else None
        before[:] = [found]
        made = make(found)
        if made is None:
            raise _LeaveError
        return made.model_dump(mode="json", exclude_defaults=True)

    try:
        number, written = registry.append(series, entry)
    except _LeaveError:
        if before[0] is None:
            raise DataflowError(f"nothing is deployed to {name}") from None
        return before[0]
    return Deployment(name=name, number=number, revision=_revision(name, number, written))


class _LeaveError(Exception):
    """Nothing is to be changed."""


def _deployment(name: str, number: int, entry: Mapping[str, object]) -> Deployment | None:
    deployment = Deployment(name=name, number=number, revision=_revision(name, number, entry))
    return deployment if deployment.revision.action != "destroy" else None


def _revision(name: str, number: int, entry: Mapping[str, object]) -> Revision:
    try:
        return Revision.model_validate(entry)
    except ValidationError as error:
        raise DataflowError(
            f"{PREFIX}/{name}/{number}.json can't be read: {error.errors()[0]['msg']}",
            "a newer Dataflow may have made it",
        ) from None
