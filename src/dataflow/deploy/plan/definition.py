"""A deployment plan: what a deployment would change in an environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from dataflow.deploy.bundle.package_index import PreparedPackages
    from dataflow.deploy.deployments import Deployment

Action = Literal["added", "changed", "removed"]


@dataclass(frozen=True)
class WorkflowChange:
    """How a workflow changes.

    Attributes:
        id: Its id.
        action: Whether it is added, changed or removed.
        diff: The lines of its rendered text, and of its scripts, that differ.
        breaking: What readers or other workflows may miss afterwards.
    """

    id: str
    action: Action
    diff: tuple[str, ...] = ()
    breaking: tuple[str, ...] = ()


@dataclass(frozen=True)
class AssetChange:
    """An asset of a package that changes: its name, or its file, and whether its content is new or gone."""

    name: str
    action: Literal["new", "same", "gone"]


@dataclass(frozen=True)
class PackageChange:
    """How a package changes.

    Attributes:
        key: The package, among those of the environment.
        action: Whether it is added, changed or removed.
        workflows: How its workflows change.
        assets: What they run.
        tables: How the tables that it makes change; `writes NAME` for those whose rows alone may.
    """

    key: str
    action: Action
    workflows: tuple[WorkflowChange, ...] = ()
    assets: tuple[AssetChange, ...] = ()
    tables: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """Its folder in the repository."""
        return self.key.rpartition(":")[2]


@dataclass(frozen=True)
class DeployPlan:
    """What a deployment would do.

    Attributes:
        environment: Where.
        number: The switch that it starts from; 0 where nothing is deployed.
        changes: What it changes, in the order of packages.
        inputs: The hash of what each package is made of, by key: of all that will run there from this repository.
        unchanged: How many packages stay as they are.
        commit: The commit that is deployed; None where no commit holds it.
    """

    environment: str
    number: int
    changes: tuple[PackageChange, ...]
    inputs: Mapping[str, str]
    unchanged: int
    commit: str | None = None

    @property
    def breaking(self) -> tuple[str, ...]:
        """All that may break somebody."""
        return tuple(text for change in self.changes for it in change.workflows for text in it.breaking)

    def to_dict(self) -> dict[str, Any]:
        """Return it for programs."""
        return {
            "environment": self.environment,
            "number": self.number,
            "commit": self.commit,
            "unchanged": self.unchanged,
            "breaking": list(self.breaking),
            "changes": [
                {
                    "package": change.path,
                    "action": change.action,
                    "workflows": [vars(it) for it in change.workflows],
                    "assets": [vars(it) for it in change.assets],
                    "tables": list(change.tables),
                }
                for change in self.changes
            ],
        }


@dataclass(frozen=True)
class PreparedPlan:
    """A plan together with what it takes to carry it out.

    Attributes:
        plan: The plan.
        prepared: The packages of the repository, by key; each is read when it is asked for.
        before: The environment as it stood.
    """

    plan: DeployPlan
    prepared: PreparedPackages
    before: Deployment | None

    @property
    def packages_to_build(self) -> list[str]:
        """The packages that need a new bundle."""
        return [change.key for change in self.plan.changes if change.action != "removed"]
