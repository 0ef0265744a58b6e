"""The shape of a `*.sch.yaml` file, as models: they check a definition and write its JSON Schema.

A definition is validated after its parameters were put in, so every field here has its real type; numbers
that come out of a parameter arrive as text and are converted.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator

from dataflow.workflow.audits import Audit
from dataflow.workflow.strict_model import StrictModel
from dataflow.workflow.values import Scalar, day, seconds, table_name

MAX_DATES = 10_000
"""How many dates one foreach may have."""


Duration = Annotated[float, BeforeValidator(seconds, json_schema_input_type=str), Field(examples=["30s", "10m", "2h"])]
"""Seconds, written as a number and a unit."""

Day = Annotated[dt.date, BeforeValidator(day, json_schema_input_type=dt.date)]
"""A date, written as 2026-01-31."""

StepId = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]*$")]
"""A step's name within its workflow."""

TableName = Annotated[str, AfterValidator(table_name)]
"""A table's name, quoted or not; within the tool it has no quotes."""

OnFailure = Literal["stop", "finish", "ignore"]
"""What a failure does: nothing new starts; independent steps still run; or the run goes on with a warning."""


class Tried(StrictModel):
    """What every step has that is tried, given up and failed as a whole."""

    id: StepId
    retries: int = Field(0, ge=0, le=20, description="How many more times to try after a failure.")
    retry_delay: Duration = Field(
        10.0,
        description="Wait before the first retry; doubles with each one.",
        json_schema_extra={"default": "10s"},
    )
    timeout: Duration | None = Field(None, description="Give up on an attempt after this long.")
    on_failure: OnFailure = "stop"


class JobBase(Tried):
    """What every job has."""

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
    def checks(self) -> tuple[Audit, ...]:
        """The audits that it runs."""
        return ()


class SparkSpec(StrictModel):
    """A script or program that runs on Spark."""

    script: str = Field(
        description="A .sql, .py, .R or .jar file, or the folder of an sbt project, from the definition's folder."
    )
    class_: str | None = Field(
        None, alias="class", description="Of a jar: whose `run(spark, args)` or `main` is called."
    )
    args: list[str] | None = Field(None, description="Of a jar's `main`: its command line; NAME=VALUE by default.")
    params: dict[str, str] = Field({}, description="Parameters for this script alone.")

    @property
    def label(self) -> str:
        """What to call it to people: the script, and of a jar what is called in it."""
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
    """What a table says of itself."""

    table: TableName
    owner: str
    tags: list[str] = Field([])
    lifetime_days: int | None = Field(None, ge=1, description="How long a partition is to be kept.")
    primary_key: list[str] = Field([])


class MetadataJob(JobBase):
    """Writes owner, tags, lifetime and key into the table's properties."""

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
    """What to check."""

    table: TableName
    partition: dict[str, Scalar] = Field({}, description="The partition to look at; all rows when empty.")
    audits: list[Audit] = Field(min_length=1)


class AuditJob(JobBase):
    """Checks rows that are already published."""

    type: Literal["Audit"]
    audit: AuditSpec

    @property
    def reads(self) -> tuple[str, ...]:
        """The table whose rows it checks."""
        return (self.audit.table,)

    @property
    def checks(self) -> tuple[Audit, ...]:
        """Its audits."""
        return tuple(self.audit.audits)


class HwmSpec(StrictModel):
    """Up to where a table is complete: a day counts once what this workflow's `wap` templates publish of it is there.

    A partition of one column, or a whole table, is all of its day (of an hour, where `datetime` names the hour). One
    of further columns is a part, unless each comes from a `foreach`, whose items are all, or `complete` says so.
    """

    table: TableName
    datetime: str = Field(description="The day, or the moment, that this run completed.")
    timezone: str = "UTC"
    complete: bool = Field(
        False, description="What this workflow publishes is all of the day, though its partition has further columns."
    )


class HwmJob(JobBase):
    """Moves the table's high-water mark over days without a gap."""

    type: Literal["HWM"]
    hwm: HwmSpec

    @property
    def summary(self) -> tuple[str, ...]:
        """Its subject, in the few words that a plan has room for."""
        return (f"high-water mark of {self.hwm.table}: {self.hwm.datetime} {self.hwm.timezone}",)

    @property
    def writes(self) -> tuple[str, ...]:
        """The table that it describes."""
        return (self.hwm.table,)


class SubworkflowSpec(StrictModel):
    """Another definition, run as one job."""

    file: str
    params: dict[str, str] = Field({})


class SubworkflowJob(JobBase):
    """Runs another definition with parameters of its own."""

    type: Literal["Subworkflow"]
    subworkflow: SubworkflowSpec


class NotificationSpec(StrictModel):
    """A message to people."""

    to: list[str] = Field([], description="E-mail addresses, owners of dataflow.yaml, or `owner`.")
    webhook: str | None = Field(None, description="A Slack-style incoming webhook; often `${secret:NAME}`.")
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


LeafJob = SparkJob | MetadataJob | AuditJob | HwmJob | NotificationJob
"""The jobs that do something themselves: to add one, add its model here and its function in `jobs/dispatch.py`."""

Job = Annotated[LeafJob | SubworkflowJob, Field(discriminator="type")]


class JobItem(StrictModel):
    """A job in a list of steps."""

    job: Job


class WriteJob(StrictModel):
    """A script inside a template, which is tried and given up as a whole."""

    id: StepId
    type: Literal["Spark"]
    spark: SparkSpec


class WriteItem(StrictModel):
    """A job in a template's list."""

    job: WriteJob


class WapTemplate(Tried):
    """Write, audit, publish: readers see a day once its audits have passed, and all of it at once."""

    type: Literal["wap"]
    table: TableName
    partition: dict[str, Scalar] = Field({}, description="The partition written; the whole table when empty.")
    empty: Literal["fail", "keep", "publish"] = Field(
        "fail",
        description="A write of no rows fails, keeps the old rows, or publishes the partition as it is then. "
        "With `existing: keep` a write that changes no row, or leaves none, counts as one of no rows.",
    )
    existing: Literal["replace", "keep"] = Field(
        "replace",
        description="Rows that the partition had before: replaced by what this run writes, or kept as far as it does "
        "not change them, which MERGE, UPDATE and DELETE of some rows need.",
    )
    write: list[WriteItem] = Field(min_length=1)
    audits: list[Audit] = Field([])


class TemplateItem(StrictModel):
    """A template in a list of steps."""

    template: WapTemplate


class LastDates(StrictModel):
    """The last days, ending yesterday."""

    last: int = Field(ge=1, le=MAX_DATES)


class DateRange(StrictModel):
    """A range of days, both ends included."""

    from_: Day = Field(alias="from")
    to: Day

    @model_validator(mode="after")
    def _runs_forwards(self) -> DateRange:
        if self.to < self.from_:
            raise ValueError(f"'to' ({self.to}) lies before 'from' ({self.from_})")
        if (self.to - self.from_).days >= MAX_DATES:
            raise ValueError(f"more than {MAX_DATES:,} days")
        return self


def _kind_of_dates(value: object) -> str:
    return "last" if isinstance(value, dict) and not {"from", "to"} & value.keys() else "range"


Dates = Annotated[Annotated[LastDates, Tag("last")] | Annotated[DateRange, Tag("range")], Discriminator(_kind_of_dates)]
"""The dates of a foreach."""


class Foreach(StrictModel):
    """One job for each of several dates; `${dataflow.each}` is the date."""

    id: StepId
    dates: Dates
    parallel: int = Field(1, ge=1, le=64, description="How many dates run side by side, in one JVM.")
    job: Job


class ForeachItem(StrictModel):
    """A foreach in a list of steps."""

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
    """Who and what a workflow is."""

    id: str
    description: str = ""
    owner: str = ""
    tags: list[str] = Field([])


class Trigger(StrictModel):
    """When a deployed workflow runs."""

    cron: str
    timezone: str = "UTC"


class Notifications(StrictModel):
    """Who hears of a run's end."""

    on_failure: list[str] = Field([])
    on_success: list[str] = Field([])


class Definition(StrictModel):
    """A workflow definition."""

    version: Literal[1]
    workflow: WorkflowHead
    trigger: Trigger | None = None
    notifications: Notifications = Notifications()
    params: dict[str, str] = Field({}, description="Upper-case names and their default values.")
    jobs: list[StepItem] = Field(min_length=1)
    dag: list[str] | None = Field(
        None, description="Edges such as `ddl -> write`; without it, steps run in the order written."
    )
