"""`dataflow.yaml`, the project's file: environments, owners, addresses. Without it there is the sandbox."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from dataflow.errors import DefinitionError, Problem, UsageError, did_you_mean
from dataflow.workflow import identity
from dataflow.workflow.airflow_settings import Airflow, AirflowSpec
from dataflow.workflow.identity import Identity, current_user
from dataflow.workflow.parameters import PARAMETER_NAME, ParameterResolver
from dataflow.workflow.strict_model import StrictModel
from dataflow.workflow.tracker import GithubTracker, JiraTracker, TrackerSpec
from dataflow.workflow.validation import ValidationProblems, validated
from dataflow.workflow.yamlfile import SourceLocation, YamlFile, YamlPath, read_yaml

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

FILE_NAME = "dataflow.yaml"
_MASTER = re.compile(r"local(-cluster)?(\[[^\]]*\])?|spark://[^\s/]+:\d+(,[^\s/]+:\d+)*|yarn|k8s://\S+|.*\$\{.*")
SANDBOX = "sandbox"
Accelerator = Literal["auto", "comet", "none"]
ACCELERATOR: Accelerator = "none"
"""What an environment has that says nothing of it."""

_SANDBOX_PARAMS = {"TARGET_DB": "${dataflow.user}_sandbox"}


@dataclass(frozen=True)
class Owner:
    """How to reach a person or a team.

    Attributes:
        email: An address.
        webhook: A Slack-style incoming webhook; may be `${secret:NAME}`.
        tracker: Who they are in the issue tracker: GitHub's login, an account id of Jira Cloud, or a name in Jira.
    """

    email: str | None = None
    webhook: str | None = None
    tracker: str | None = None


@dataclass(frozen=True, kw_only=True)
class Smtp:
    """The mail server that notifications go through.

    Attributes:
        host: Its name.
        sender: The address that messages come from.
        port: Its port.
        username: Who logs in; None for a server that asks for nobody.
        password: Usually `${secret:NAME}`.
        starttls: Whether to encrypt before logging in.
    """

    host: str
    sender: str
    port: int = 587
    username: str | None = None
    password: str | None = None
    starttls: bool = True


@dataclass(frozen=True)
class Environment:
    """Where workflows run.

    Attributes:
        name: `sandbox`, `production`, ….
        params: Values for parameters; they may refer to built-ins and to one another.
        catalog: Properties of the Iceberg catalog, with its `name`; empty for the embedded one.
        spark: `spark.*` settings; they win over the tool's own.
        state: SQLAlchemy address of the run records; None for SQLite in the Dataflow home.
        branch: The git branch that deploys here; `*` where the deployments of all others take their settings from.
        smtp: The mail server.
        owners: The project's owners, by name.
        openlineage: Where OpenLineage events of runs go: an http address, or a file; None for nowhere.
        places: Where each of `params` is written.
        isolated: Whether runs may write the database TARGET_DB alone: so in the sandbox, and in a branch's
            deployment.
        backend: What runs deployed workflows on their schedules.
        airflow: Where Airflow is, where that is what runs them.
        exports: Folders, and formats such as `kafka`, that scripts may write beside tables.
        limits: How many runs of workflows with a tag may be at work at once.
        accelerator: What executes Spark's plans on large data: Comet, Spark alone, or whichever is the faster.
        tracker: The project's issue tracker, which campaigns file issues in.
    """

    name: str
    params: Mapping[str, str] = field(default_factory=dict)
    catalog: Mapping[str, str] = field(default_factory=dict)
    spark: Mapping[str, str] = field(default_factory=dict)
    state: str | None = None
    branch: str | None = None
    smtp: Smtp | None = None
    owners: Mapping[str, Owner] = field(default_factory=dict)
    openlineage: str | None = None
    places: Mapping[str, SourceLocation] = field(default_factory=dict, repr=False, compare=False)
    isolated: bool = False
    backend: str = "local"
    airflow: Airflow | None = None
    exports: tuple[str, ...] = ()
    limits: Mapping[str, int] = field(default_factory=dict)
    accelerator: Accelerator = ACCELERATOR
    tracker: GithubTracker | JiraTracker | None = None

    @property
    def catalog_name(self) -> str:
        """What Spark calls the catalog."""
        return self.catalog.get("name", "dataflow")


@dataclass(frozen=True)
class Project:
    """A project: what lies at and below its `dataflow.yaml`.

    Attributes:
        file: Its file; None when there is none.
        name: What it is called.
        environments: By name; the sandbox is always there.
        registry: Where what is built and deployed is kept; None for a folder of the Dataflow home.
        id: What its deployments are known by, whatever its repository is called; None where it pins none.
    """

    file: Path | None
    name: str
    environments: Mapping[str, Environment]
    registry: str | None = None
    id: str | None = None


class OwnerSpec(StrictModel):
    """How to reach a person or a team."""

    email: str | None = None
    webhook: str | None = Field(None, description="A Slack-style incoming webhook, often `${secret:NAME}`.")
    tracker: str | None = Field(None, description="Who they are in the tracker: a login, an account id, a name.")


class SmtpSpec(StrictModel):
    """The mail server that notifications go through."""

    host: str
    sender: str
    port: int = Field(587, ge=1, le=65535)
    username: str | None = None
    password: str | None = None
    starttls: bool = True


class ChannelsSpec(StrictModel):
    """How notifications leave an environment."""

    smtp: SmtpSpec | None = None


class EnvironmentSpec(StrictModel):
    """Where workflows run."""

    branch: str | None = Field(
        None, description="The git branch that deploys here; `*` for all that have no environment of their own."
    )
    backend: Literal["local", "airflow"] = Field(
        "local", description="What runs deployed workflows on their schedules: `workflow due`, or Airflow."
    )
    airflow: AirflowSpec | None = Field(None, description="Where Airflow is, for `backend: airflow`.")
    state: str | None = Field(None, description="SQLAlchemy address of the run records, shared by a team.")
    params: dict[str, str] = Field({})
    catalog: dict[str, str] = Field({}, description="Properties of the Iceberg catalog, and its name.")
    spark: dict[str, str] = Field({}, description="Spark settings.")
    notifications: ChannelsSpec = ChannelsSpec()
    openlineage: str | None = Field(None, description="Where OpenLineage events go: an http address, or a file.")
    exports: list[str] = Field(
        [], description="Folders (with a slash), and formats such as `kafka`, that scripts may write beside tables."
    )
    limits: dict[str, Annotated[int, Field(ge=1, le=1000)]] = Field(
        {}, description="How many runs of workflows with a tag may be at work at once, by tag."
    )
    accelerator: Accelerator = Field(
        ACCELERATOR, description="Whether Comet executes what it can: always, never, or (auto) on large data."
    )

    @model_validator(mode="after")
    def _says_where_airflow_is(self) -> EnvironmentSpec:
        if self.backend == "airflow" and self.airflow is None:
            raise ValueError("'backend: airflow' needs 'airflow:' with 'dags:', the folder of its DAG files")
        if self.backend != "airflow" and self.airflow is not None:
            raise ValueError("'airflow:' is for 'backend: airflow', which is not set")
        return self

    @field_validator("spark")
    @classmethod
    def _known_places(cls, spark: dict[str, str]) -> dict[str, str]:
        """Refuse a master or a deploy mode that Spark does not have: it says so in a Java stack, after seconds."""
        master, mode = spark.get("spark.master", "yarn"), spark.get("spark.submit.deployMode", "client")
        if not _MASTER.fullmatch(master):
            raise ValueError(f"'{master}' is not a master: local[*], spark://HOST:PORT, yarn or k8s://ADDRESS")
        if mode not in ("client", "cluster"):
            raise ValueError(f"spark.submit.deployMode is client or cluster, not '{mode}'")
        if mode == "cluster" and spark.get("spark.master", "local").startswith("local"):
            raise ValueError("spark.submit.deployMode is cluster, and spark.master names none")
        return spark


class ProjectSpec(StrictModel):
    """The project's file."""

    version: Literal[1]
    project: str
    id: str | None = Field(
        None,
        pattern=r"^[a-z][a-z0-9-]{7,63}$",
        description="What deployments are known by; `project init` writes it.",
    )
    registry: str | None = Field(None, description="Where builds and deployments are kept: a path, s3://…, gs://….")
    owners: dict[str, OwnerSpec] = Field({})
    tracker: TrackerSpec | None = Field(None, description="Where campaigns file an issue for each owner.")
    environments: dict[str, EnvironmentSpec] = Field({})


class IdentitySpec(StrictModel):
    """`identity.yaml`: who owns a package."""

    owner: str
    package_id: str
    uuid: str


def find_project(start: Path) -> Project:
    """Return the project that a file or folder belongs to: the nearest `dataflow.yaml`, there or above.

    Raises:
        DefinitionError: The file has mistakes.
    """
    start = start.resolve()
    for folder in (start, *start.parents):
        if (file := folder / FILE_NAME).is_file():
            return read_project(file)
    return without_file(start if start.is_dir() else start.parent)


def without_file(folder: Path) -> Project:
    """Return the project of a folder that has no file: its sandbox alone."""
    return Project(None, folder.name, {SANDBOX: Environment(SANDBOX, _SANDBOX_PARAMS, isolated=True)})


def environment(project: Project, name: str | None) -> Environment:
    """Return one of a project's environments; the sandbox when none is named.

    Raises:
        UsageError: There is none of this name.
    """
    try:
        return project.environments[name or SANDBOX]
    except KeyError:
        where = f"in {project.file.name}" if project.file else f"here: there is no {FILE_NAME}"
        nearest = did_you_mean(str(name), project.environments)
        raise UsageError(f"there is no environment '{name}' {where}{nearest}") from None


def read_identity(folder: Path) -> Identity:
    """Return whose package a folder is: what its `identity.yaml` says, else what user and folder's name give.

    Raises:
        DefinitionError: `identity.yaml` has mistakes.
    """
    path = folder / identity.FILE_NAME
    if not path.exists():
        return identity.derived(folder)
    file = read_yaml(path)
    spec: IdentitySpec = _validated(IdentitySpec, file, file.data)
    return Identity(spec.owner, spec.package_id, spec.uuid)


def read_project(path: Path) -> Project:
    """Read a project's file.

    Raises:
        DefinitionError: It has mistakes.
    """
    file = read_yaml(path)
    problems = _parameter_names(file)
    failed: set[YamlPath] = set()
    data = {key: _settings(file, key, problems, failed) for key in file.data}
    spec: ProjectSpec = _validated(ProjectSpec, file, data, problems, failed)
    owners = {name: Owner(**owner.model_dump()) for name, owner in spec.owners.items()}
    specs = {SANDBOX: EnvironmentSpec(), **spec.environments}
    environments = {name: _environment(name, found, owners, spec.tracker, file) for name, found in specs.items()}
    return Project(path, spec.project, environments, spec.registry, spec.id)


def _validated(
    model: type[StrictModel],
    file: YamlFile,
    data: Any,
    problems: Iterable[Problem] = (),
    failed: Collection[YamlPath] = (),
) -> Any:
    try:
        found = validated(model, file, data, failed=failed)
    except ValidationProblems as mistakes:
        raise DefinitionError([*problems, *mistakes.problems]) from None
    if problems:
        raise DefinitionError([*problems])
    return found


def _environment(
    name: str,
    spec: EnvironmentSpec,
    owners: Mapping[str, Owner],
    tracker: GithubTracker | JiraTracker | None,
    file: YamlFile,
) -> Environment:
    smtp = spec.notifications.smtp
    defaults = _SANDBOX_PARAMS if name == SANDBOX else {}
    return Environment(
        name=name,
        params={**defaults, **spec.params},
        catalog=spec.catalog,
        spark=spec.spark,
        state=spec.state,
        branch=spec.branch,
        smtp=Smtp(**smtp.model_dump()) if smtp else None,
        owners=owners,
        openlineage=spec.openlineage,
        places={param: file.values["environments", name, "params", param] for param in spec.params},
        isolated=name == SANDBOX,
        backend=spec.backend,
        airflow=Airflow(**spec.airflow.model_dump()) if spec.airflow else None,
        exports=tuple(spec.exports),
        limits=spec.limits,
        accelerator=spec.accelerator,
        tracker=tracker,
    )


def _environments(file: YamlFile) -> dict[str, Any]:
    found = file.data.get("environments")
    return {name: spec for name, spec in found.items() if isinstance(spec, dict)} if isinstance(found, dict) else {}


def _parameter_names(file: YamlFile) -> list[Problem]:
    """Find names of parameters that no `${NAME}` could ask for."""
    problems = []
    for env, spec in _environments(file).items():
        params = spec.get("params")
        for name in params if isinstance(params, dict) else ():
            if not PARAMETER_NAME.fullmatch(name):
                place = file.keys["environments", env, "params", name]
                problems.append(place.problem(f"'{name}' can't name a parameter: those are upper case"))
    return problems


def _settings(file: YamlFile, key: str, problems: list[Problem], failed: set[YamlPath]) -> Any:
    """Put in the built-ins that settings may use: who and where; `params` are resolved by each run."""
    environments = _environments(file)

    def fill(route: YamlPath, text: str) -> str | None:
        name = str(route[1]) if len(route) > 1 and route[0] == "environments" else ""
        builtins = {"dataflow.user": current_user, "dataflow.env": lambda: name}
        return ParameterResolver({}, builtins if name in environments else {}, problems).render(
            text, file.values[route]
        )

    return file.filled((key,), fill, failed, skip="params")
