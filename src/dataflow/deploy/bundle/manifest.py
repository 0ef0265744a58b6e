"""A bundle: rendered workflows and all that they run, in one immutable manifest.

Its id is the checksum of its bytes, which are the same whenever it is made of the same things: it contains no times,
no paths of a machine, and no arbitrary order.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from dataflow.assets.ids import AssetId
from dataflow.deploy.bundle.outline import WorkflowOutline
from dataflow.errors import DataflowError
from dataflow.files import canonical_json
from dataflow.tables.schema.recorded_schema import RecordedSchema
from dataflow.workflow.airflow_settings import Airflow
from dataflow.workflow.identity import Identity
from dataflow.workflow.parameters import POINTER
from dataflow.workflow.periods import Cadence
from dataflow.workflow.project import ACCELERATOR, Accelerator, Environment, Owner, Smtp
from dataflow.workflow.trigger import NamedStrategy, trigger_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dataflow.assets.publish import Pin
    from dataflow.assets.registry import Registry


UNPINNED = "#to-be-pinned"
"""Stands behind the name of an asset whose build is not known yet."""


_UNPINNED = re.compile(rf"{POINTER}(\S+?){UNPINNED}")


class BundleModel(BaseModel):
    """A part of a bundle, or of what is stored beside it: frozen, without further fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PinnedAsset(BundleModel):
    """An asset of a bundle.

    Attributes:
        id: The asset's id.
        sha256: Checksum of what was built.
        name: What its file is called.
        path: The raw file, or the build file, in the repository; None for an asset of elsewhere.
        inputs: Hash of what it was built from.
        lock: For a wheel: checksum of the lock that its environment is made from.
        python: The Python that the lock was made for.
    """

    id: str
    sha256: str
    name: str
    inputs: str
    path: str | None = None
    lock: str | None = None
    python: str | None = None

    @property
    def pointer(self) -> str:
        """The pointer to it in a rendered definition."""
        return f"{POINTER}{self.id}#sha256:{self.sha256}"

    @property
    def is_raw(self) -> bool:
        """Whether it is an unchanged file of the repository."""
        return self.path is not None and AssetId.parse(self.id).type not in {"jar", "wheel"}

    @property
    def commit(self) -> str:
        """The commit that it was built at."""
        return AssetId.parse(self.id).commit


class ScheduledTrigger(BundleModel):
    """What makes a workflow due: the moments of one schedule, tables, or either.

    Attributes:
        cron: The schedule.
        timezone: Where its clock is.
        tables: The tables that all must have a day.
        jitter: The longest delay of its moments, in seconds.
    """

    cron: str | None = None
    timezone: str = "UTC"
    tables: tuple[str, ...] = ()
    jitter: float = 0

    @property
    def own_text(self) -> str:
        """When this one makes it due, in words."""
        return trigger_text(self.cron, self.timezone, self.tables, self.jitter)


class Schedule(ScheduledTrigger):
    """When a workflow runs by itself, and by when a run of it is expected to have succeeded.

    What it has of a trigger is the first; bundles of earlier versions have no other.

    Attributes:
        expected_by: The time of day.
        strategy: What becomes of moments that were missed: `latest only`, `sequential`, or how many run at once.
        others: Further triggers, each of which makes it due by itself.
    """

    expected_by: str | None = None
    cadence: Cadence = Cadence.DAILY
    strategy: NamedStrategy | int = "latest only"
    others: tuple[ScheduledTrigger, ...] = ()

    @property
    def triggers(self) -> tuple[ScheduledTrigger, ...]:
        """All that makes it due, each either the moments of one schedule or tables."""
        return tuple(
            part
            for it in (self, *self.others)
            for part in (
                ScheduledTrigger(cron=it.cron, timezone=it.timezone, jitter=it.jitter),
                ScheduledTrigger(tables=it.tables, timezone=it.timezone),
            )
            if part.cron or part.tables
        )

    @property
    def crons(self) -> tuple[ScheduledTrigger, ...]:
        """Those that are schedules."""
        return tuple(it for it in self.triggers if it.cron)

    @property
    def joins(self) -> tuple[ScheduledTrigger, ...]:
        """Those that are tables."""
        return tuple(it for it in self.triggers if it.tables)

    @property
    def at_once(self) -> int:
        """How many runs may be at work at the same time."""
        return self.strategy if isinstance(self.strategy, int) else 1

    @property
    def text(self) -> str:
        """When it runs, in words."""
        return "; ".join(it.own_text for it in self.triggers)


class RenderedWorkflow(BundleModel):
    """One workflow, rendered.

    Attributes:
        id: The workflow's id.
        text: The definition with known parameters put in.
        schedule: Its schedule, or None.
        fixed: Parameters that a run can't change.
        steps: Ids of its steps, with their types.
        reads: Tables that it reads, as far as its text shows.
        writes: Tables that it writes.
        outline: Its steps, for a backend that runs each by itself; None for one that runs the whole.
    """

    id: str
    text: str
    schedule: Schedule | None = None
    fixed: dict[str, str] = {}
    steps: dict[str, str] = {}
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    outline: WorkflowOutline | None = None


class EnvironmentSettings(BundleModel):
    """An environment as a bundle keeps it; secrets stand as `${secret:NAME}`."""

    name: str
    params: dict[str, str] = {}
    catalog: dict[str, str] = {}
    spark: dict[str, str] = {}
    state: str | None = None
    smtp: dict[str, Any] | None = None
    openlineage: str | None = None
    owners: dict[str, dict[str, str | None]] = {}
    isolated: bool = False
    backend: str = "local"
    airflow: dict[str, Any] | None = None
    exports: tuple[str, ...] = ()
    limits: dict[str, int] = {}
    accelerator: Accelerator = ACCELERATOR

    def environment(self) -> Environment:
        """Return the environment that runs of the bundle happen in."""
        return Environment(
            name=self.name,
            params=self.params,
            catalog=self.catalog,
            spark=self.spark,
            state=self.state,
            smtp=Smtp(**self.smtp) if self.smtp else None,
            openlineage=self.openlineage,
            owners={name: Owner(**owner) for name, owner in self.owners.items()},
            isolated=self.isolated,
            backend=self.backend,
            airflow=Airflow(**self.airflow) if self.airflow else None,
            exports=self.exports,
            limits=self.limits,
            accelerator=self.accelerator,
        )


class PackageIdentity(BundleModel):
    """The id, uuid and owner of a package."""

    id: str
    uuid: str
    owner: str

    def identity(self) -> Identity:
        """Return it as definitions know it."""
        return Identity(self.owner, self.id, self.uuid)


class RenderedPackage(BundleModel):
    """A package whose workflows are rendered for an environment.

    Attributes:
        path: The package's folder in its repository.
        packages: Its identity, and those of packages whose definitions it calls, by folder.
        user: The value of `${dataflow.user}`.
        environment: Where it runs.
        workflows: Its definitions, by file.
        files: Further files beside what they run, by path, with checksums.
        schemas: The tables that it creates.
    """

    path: str
    packages: dict[str, PackageIdentity]
    user: str
    environment: EnvironmentSettings
    workflows: dict[str, RenderedWorkflow]
    files: dict[str, str] = {}
    schemas: dict[str, RecordedSchema] = {}

    @property
    def package(self) -> PackageIdentity:
        """Its identity."""
        return self.packages[self.path]

    @property
    def own_workflows(self) -> dict[str, RenderedWorkflow]:
        """The definitions of its own package, by file: not those of others that they call."""
        return {file: it for file, it in self.workflows.items() if PurePosixPath(file).parent.as_posix() == self.path}


class Bundle(RenderedPackage):
    """A package as it is deployed: whole, or not at all.

    Attributes:
        assets: What its workflows run.
    """

    version: Literal[1] = 1
    assets: tuple[PinnedAsset, ...] = ()

    @property
    def writes(self) -> tuple[str, ...]:
        """The tables that it writes."""
        return tuple(sorted({table for workflow in self.workflows.values() for table in workflow.writes}))

    def data(self) -> bytes:
        """Return the manifest's bytes."""
        return canonical(self.model_dump(mode="json", exclude_defaults=True))


def pin_text(text: str, pins: Mapping[str, Pin]) -> str:
    """Replace names of assets by pointers to their builds, as far as those are known."""

    def pointer(found: re.Match[str]) -> str:
        return f"{POINTER}{pins[found[1]].pointer}" if found[1] in pins else found[0]

    return _UNPINNED.sub(pointer, text)


def canonical(data: Any) -> bytes:
    """Write plain data as JSON, the same bytes for the same data."""
    return canonical_json(data, errors="surrogateescape")  # names of files may be any bytes


def digest(data: Any) -> str:
    """Return the checksum of plain data."""
    return hashlib.sha256(canonical(data)).hexdigest()


def environment_settings(environment: Environment, params: Mapping[str, str]) -> EnvironmentSettings:
    """Return an environment as a bundle keeps it.

    Args:
        environment: The environment.
        params: Its parameters, known values put in.
    """
    smtp = environment.smtp
    return EnvironmentSettings(
        name=environment.name,
        params=dict(params),
        catalog=dict(environment.catalog),
        spark=dict(environment.spark),
        state=environment.state,
        smtp=vars(smtp) if smtp else None,
        openlineage=environment.openlineage,
        exports=environment.exports,
        limits=dict(environment.limits),
        accelerator=environment.accelerator,
        owners={name: vars(owner) for name, owner in environment.owners.items()},
        isolated=environment.isolated,
        backend=environment.backend,
        airflow=vars(environment.airflow) if environment.airflow else None,
    )


def load_bundle(registry: Registry, sha256: str) -> Bundle:
    """Read a bundle from the registry.

    Raises:
        DataflowError: It is missing, corrupted, or made by a newer Dataflow.
    """
    data = registry.get(sha256)
    try:
        return Bundle.model_validate_json(data)
    except ValidationError as error:
        raise DataflowError(
            f"bundle {sha256[:12]} can't be read: {error.errors()[0]['msg']}", "a newer Dataflow may have made it"
        ) from None
