"""The models of a `*.sch.yaml` file: they validate a definition and write its JSON Schema.

Editors show the docstrings and descriptions of these models: they are written for whoever edits the YAML.

A definition is validated after its parameters were put in, so every field here has its real type; numbers
that come out of a parameter arrive as text and are converted.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag, model_validator

from dataflow.workflow.audits import Audit
from dataflow.workflow.conditions import When
from dataflow.workflow.dates import ChangedDates, Dates
from dataflow.workflow.foreach_items import ChangedItems, Items, kind_of_items
from dataflow.workflow.mark_spec import HwmSpec
from dataflow.workflow.strict_model import StrictModel
from dataflow.workflow.trigger import RunStrategy, Triggers
from dataflow.workflow.values import Duration, Scalar, TableName

StepId = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]*$")]
"""A step's name within its workflow."""

KEEP_DAYS = 30
"""How long maintenance keeps a replaced snapshot that a reader's mark remembers, if nobody says otherwise."""

OnFailure = Literal["stop", "finish", "ignore"]
"""What a failure does: `stop` starts nothing new, `finish` still runs independent steps, `ignore` only warns."""


class RetryPolicyMixin(StrictModel):
    """Retries, timeout and failure handling."""

    id: StepId
    when: When | None = None
    retries: int = Field(0, ge=0, le=20, description="Number of retries after a failure that a retry may mend.")
    infrastructure_retries: int | None = Field(
        None,
        ge=0,
        le=20,
        description="Retries after failures of network, storage, catalog or cluster, counted apart; else as `retries`.",
    )
    retry_delay: Duration = Field(
        10.0,
        description="Delay before the first retry; doubles with each retry.",
        json_schema_extra={"default": "10s"},
    )
    timeout: Duration | None = Field(None, description="Longest time that one attempt may take.")
    on_failure: OnFailure = Field(
        "stop",
        description="`stop` starts nothing new, `finish` still runs independent steps, `ignore` only warns.",
    )


class JobBase(RetryPolicyMixin):
    """A job: its id, retries, timeout and failure handling."""

    @property
    def summary(self) -> tuple[str, ...]:
        """What it does, in the few words that a plan has room for."""
        return ()

    @property
    def reads(self) -> tuple[str, ...]:
        """The tables that it declares to read."""
        return ()

    @property
    def writes(self) -> tuple[str, ...]:
        """The tables that it declares to change."""
        return ()

    @property
    def audits(self) -> tuple[Audit, ...]:
        """Its audits."""
        return ()


class SparkSpec(StrictModel):
    """A script or program that runs on Spark."""

    script: str = Field(
        description="A .sql, .py, .R or .jar file, or the folder of an sbt project; relative to the definition."
    )
    class_: str | None = Field(
        None, alias="class", description="Jars only: the class whose `run(spark, args)` or `main` is called."
    )
    args: list[str] | None = Field(
        None, description="Jars with a `main` only: its command-line arguments; NAME=VALUE by default."
    )
    params: dict[str, str] = Field({}, description="Parameters for this script only.")

    @property
    def label(self) -> str:
        """The script, and of a jar the class that is called."""
        return f"{self.script} {self.class_}" if self.class_ else self.script


class SparkJob(JobBase):
    """Runs a SQL script, `main(args, spark)` of a Python or R file, or `run(spark, args)` of a jar."""

    type: Literal["Spark"]
    spark: SparkSpec

    @property
    def summary(self) -> tuple[str, ...]:
        """Its subject, in the few words that a plan has room for."""
        return (self.spark.label,)


class MetadataSpec(StrictModel):
    """Table metadata: owner, tags, retention, primary key."""

    table: TableName
    owner: str
    tags: list[str] = Field([])
    lifetime_days: int | None = Field(None, ge=1, description="Retention of a partition, in days.")
    primary_key: list[str] = Field([], description="Columns that identify a row.")


class MetadataJob(JobBase):
    """Writes table metadata (owner, tags, retention, primary key) into the table's properties."""

    type: Literal["Metadata"]
    metadata: MetadataSpec

    @property
    def summary(self) -> tuple[str, ...]:
        """Its subject, in the few words that a plan has room for."""
        return (f"properties of {self.metadata.table}: owner {self.metadata.owner}",)

    @property
    def writes(self) -> tuple[str, ...]:
        """The table that it describes."""
        return (self.metadata.table,)


class AuditSpec(StrictModel):
    """Audits of a table or of one partition."""

    table: TableName
    partition: dict[str, Scalar] = Field({}, description="The partition to audit; all rows when omitted.")
    audits: list[Audit] = Field(min_length=1)


class AuditJob(JobBase):
    """Audits rows that are already published."""

    type: Literal["Audit"]
    audit: AuditSpec

    @property
    def reads(self) -> tuple[str, ...]:
        """The table whose rows it checks."""
        return (self.audit.table,)

    @property
    def audits(self) -> tuple[Audit, ...]:
        """Its audits."""
        return tuple(self.audit.audits)


class HwmJob(JobBase):
    """Advances the table's high-water mark, never past a missing day."""

    type: Literal["HWM"]
    hwm: HwmSpec

    @property
    def summary(self) -> tuple[str, ...]:
        """Its subject, in the few words that a plan has room for."""
        hwm = self.hwm
        told = f"{hwm.datetime} {hwm.timezone}" if hwm.item is None else f"{hwm.item}"
        return (f"high-water mark of {hwm.table}: {told}",)

    @property
    def writes(self) -> tuple[str, ...]:
        """The table that it describes."""
        return (self.hwm.table,)


class MaintenanceSpec(StrictModel):
    """Maintenance of a table: old partitions, snapshots, small files, orphan files, dead branches."""

    table: TableName
    keep: int = Field(
        KEEP_DAYS,
        ge=1,
        le=36_500,
        description="Days for which a replaced snapshot is kept that a reader's mark remembers.",
    )


class MaintenanceJob(JobBase):
    """Drops partitions beyond `lifetime_days`, expires snapshots that nothing needs, compacts files."""

    type: Literal["Maintenance"]
    maintenance: MaintenanceSpec

    @property
    def summary(self) -> tuple[str, ...]:
        """Its subject, in the few words that a plan has room for."""
        return (f"maintenance of {self.maintenance.table}",)

    @property
    def writes(self) -> tuple[str, ...]:
        """The table that it keeps in order."""
        return (self.maintenance.table,)


class SubworkflowSpec(StrictModel):
    """Another workflow definition, run as one job."""

    file: str = Field(description="The *.sch.yaml file, relative to this definition.")
    params: dict[str, str] = Field({}, description="Values for the parameters of that workflow.")


class SubworkflowJob(JobBase):
    """Runs another workflow definition, with parameters of its own."""

    type: Literal["Subworkflow"]
    subworkflow: SubworkflowSpec


class NotificationSpec(StrictModel):
    """A message by e-mail, by webhook, or both."""

    to: list[str] = Field([], description="E-mail addresses, names of owners in dataflow.yaml, or `owner`.")
    webhook: str | None = Field(None, description="URL of a Slack-style incoming webhook; usually `${secret:NAME}`.")
    subject: str
    message: str = ""

    @model_validator(mode="after")
    def _reaches_somebody(self) -> NotificationSpec:
        if not self.to and self.webhook is None:
            raise ValueError("needs 'to', 'webhook' or both")
        return self


class NotificationJob(JobBase):
    """Sends an e-mail, calls a webhook, or both."""

    type: Literal["Notification"]
    notification: NotificationSpec

    @property
    def summary(self) -> tuple[str, ...]:
        """Its subject, in the few words that a plan has room for."""
        to = [*self.notification.to, *(["a webhook"] if self.notification.webhook else [])]
        return (f"to {', '.join(to)}",)


LeafJob = SparkJob | MetadataJob | AuditJob | HwmJob | MaintenanceJob | NotificationJob
"""The jobs that do something themselves: to add one, add its model here and its function in `jobs/dispatch.py`."""

Job = Annotated[LeafJob | SubworkflowJob, Field(discriminator="type")]


class JobItem(StrictModel):
    """A job as a step of the workflow."""

    job: Job


class WriteJob(StrictModel):
    """A script inside a template; retries and timeout are the template's."""

    id: StepId
    type: Literal["Spark"]
    spark: SparkSpec


class WriteItem(StrictModel):
    """A job as a step of a template."""

    job: WriteJob


class WapTemplate(RetryPolicyMixin):
    """Write, audit, publish: readers see a partition only after its audits passed, and all of it at once."""

    type: Literal["wap"]
    table: TableName
    partition: dict[str, Scalar] = Field({}, description="The partition to write; the whole table when omitted.")
    empty: Literal["fail", "keep", "publish"] = Field(
        "fail",
        description="What a write of no rows does: `fail`, `keep` the old rows, or `publish` the partition as it is. "
        "With `existing: keep`, a write that changes no row, or leaves none, counts as a write of no rows.",
    )
    existing: Literal["replace", "keep"] = Field(
        "replace",
        description="Rows that the partition already has: `replace` them by what this run writes, or `keep` those "
        "that it does not change, as MERGE, UPDATE and DELETE need.",
    )
    split: bool = Field(
        False, description="In Airflow, write, audit and publish are a task each; one task for all three when omitted."
    )
    write: list[WriteItem] = Field(min_length=1)
    audits: list[Audit] = Field([])


class TemplateItem(StrictModel):
    """A template as a step of the workflow."""

    template: WapTemplate


class Foreach(StrictModel):
    """Runs one job for each date, or for each item of a list; `${dataflow.each}` is the date, or the item."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["dates"]}, {"required": ["items"]}]})

    id: StepId
    when: When | None = None
    dates: Dates | None = None
    items: (
        Annotated[Annotated[Items, Tag("list")] | Annotated[ChangedItems, Tag("changed")], Discriminator(kind_of_items)]
        | None
    ) = Field(
        None,
        description="Countries, tables, any values; out of a parameter, a text with commas: `DE, AT`. Or those of "
        "some tables that changed.",
    )
    parallel: int = Field(1, ge=1, le=64, description="Number of them that run at the same time, in one JVM.")
    job: Job

    @model_validator(mode="after")
    def _goes_over_one_thing(self) -> Foreach:
        if (self.dates is None) == (self.items is None):
            raise ValueError("needs either 'dates' or 'items'")
        if isinstance(self.dates, ChangedDates) and self.dates.in_order and self.parallel > 1:
            raise ValueError("'from: earliest changed' runs one day after the other: leave out 'parallel'")
        return self


class ForeachItem(StrictModel):
    """A foreach as a step of the workflow."""

    foreach: Foreach


def _kind_of_item(value: object) -> str | None:
    return next((kind for kind in ITEM_KINDS if isinstance(value, dict) and kind in value), None)


ITEM_KINDS = ("job", "template", "foreach")

StepItem = Annotated[
    Annotated[JobItem, Tag("job")] | Annotated[TemplateItem, Tag("template")] | Annotated[ForeachItem, Tag("foreach")],
    Discriminator(_kind_of_item),
]
"""One step of a workflow: a job, a template or a foreach."""


class WorkflowHead(StrictModel):
    """Workflow id, description, owner and tags."""

    id: str
    description: str = ""
    owner: str = ""
    tags: list[str] = Field([])


class Notifications(StrictModel):
    """Notifications at the end of a run."""

    on_failure: list[str] = Field([], description="Recipients: e-mail addresses, names of owners, or `owner`.")
    on_success: list[str] = Field([], description="Recipients: e-mail addresses, names of owners, or `owner`.")
    on_late: list[str] = Field([], description="Recipients when it is late or takes long; `on_failure` when omitted.")
    expected_by: str | None = Field(
        None,
        pattern=r"^([01]\d|2[0-3]):[0-5]\d$",
        description="Time of day, in the first trigger's time zone, by which the run of `cron` succeeded; of tables, "
        "one a day.",
        examples=["06:00"],
    )
    longer_than: Duration | None = Field(None, description="Duration of a run beyond which it is reported.")

    @property
    def late_recipients(self) -> list[str]:
        """Who is told when it is late or takes long."""
        return self.on_late or self.on_failure

    @model_validator(mode="after")
    def _tells_somebody(self) -> Notifications:
        if (self.expected_by or self.longer_than) and not self.late_recipients:
            raise ValueError("'expected_by' and 'longer_than' need recipients: add 'on_late' or 'on_failure'")
        return self


Concurrency = Literal["wait", "refuse", "supersede"]
"""What a run does about another one of the same workflow and day."""


class Definition(StrictModel):
    """A workflow definition."""

    version: Literal[1]
    workflow: WorkflowHead
    cadence: Literal["hourly", "daily", "weekly", "monthly"] = Field(
        "daily",
        description="Which periods it runs for: hours in UTC, days, ISO weeks from Monday on, or months. "
        "`EXECUTION_DATE` is the beginning of one.",
    )
    trigger: Triggers | None = Field(
        None, description="What makes it due once it is deployed: one trigger, or a list, each of which does by itself."
    )
    run_strategy: RunStrategy | None = Field(
        None,
        description="Moments missed, or met during a run: `latest only` (as when omitted), `sequential`, or "
        "`parallel: 3`.",
    )
    concurrency: Concurrency = Field(
        "wait",
        description="While another run of this workflow and day works: `wait`, `refuse` to start, or `supersede` it.",
    )
    notifications: Notifications = Notifications()
    params: dict[str, str] = Field({}, description="Parameters: upper-case names and their default values.")
    jobs: list[StepItem] = Field(min_length=1)
    dag: list[str] | None = Field(
        None, description="Dependencies such as `ddl -> write`; without it, steps run in the order written."
    )
