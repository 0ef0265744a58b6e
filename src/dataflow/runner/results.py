"""The results of a run and its steps, for records, summaries and exit codes."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from dataflow.errors import DataflowError
    from dataflow.jobs.audit import AuditResult
    from dataflow.jobs.context import Published
    from dataflow.workflow.resolved import Workflow

Status = Literal["succeeded", "failed", "warned", "skipped", "cancelled"]
"""`warned`: the step failed, and its `on_failure: ignore` lets the run go on."""


@dataclass(frozen=True)
class StepResult:
    """How a step ended.

    Attributes:
        id: The step's id; a date's turn of a foreach is `foreach/date`.
        status: How it ended.
        started: When its first attempt began.
        seconds: How long all its attempts took.
        attempts: How many there were.
        detail: A summary in a few words.
        error: Why it failed.
        audits: The results of its audits.
        published: What it published.
        children: The runs that it contained.
        items: Of a foreach, how each of its dates ended.
    """

    id: str
    status: Status
    started: dt.datetime
    seconds: float = 0.0
    attempts: int = 1
    detail: str = ""
    error: DataflowError | None = None
    audits: tuple[AuditResult, ...] = ()
    published: Published | None = None
    children: tuple[RunResult, ...] = ()
    items: tuple[StepResult, ...] = ()


@dataclass(frozen=True)
class RunResult:
    """How a run of a workflow ended.

    Attributes:
        workflow: What ran.
        status: `succeeded`, `failed` or `cancelled`.
        seconds: How long it took.
        steps: In the order in which they ended.
        log: Where Spark's own output went.
        notes: What the run reported on the way.
        left_running: Whether user code still runs although its attempt was stopped.
    """

    workflow: Workflow
    status: Status
    seconds: float
    steps: tuple[StepResult, ...]
    log: Path
    notes: tuple[str, ...] = ()
    left_running: bool = False

    def walk(self) -> Iterator[RunResult]:
        """Yield this run and all that it contains, outermost first."""
        yield self
        for step in self.steps:
            for child in step.children:
                yield from child.walk()

    @property
    def date(self) -> str:
        """The day that it ran for, or an empty string."""
        return self.workflow.params.get("EXECUTION_DATE", "")

    @property
    def failed_steps(self) -> tuple[tuple[RunResult, StepResult], ...]:
        """The steps that failed by themselves, each with its run; not those that only contain one."""
        return tuple(
            (run, step)
            for run in self.walk()
            for step in run.steps
            if step.status in {"failed", "warned"} and not any(child.failed_steps for child in step.children)
        )

    @property
    def days(self) -> tuple[StepResult, ...]:
        """The foreach steps of this run and of those it contained."""
        return tuple(step for run in self.walk() for step in run.steps if step.items)

    @property
    def published(self) -> tuple[Published, ...]:
        """Everything that this run and those it contained made visible, by table and partition."""
        found = [step.published for run in self.walk() for step in run.steps if step.published]
        return tuple(sorted(found, key=lambda published: (published.table, published.partition)))


@dataclass(frozen=True)
class RunOutcome:
    """A finished run as a command shows it.

    Attributes:
        result: How the run ended.
        preview: The first rows of what it published last, by column name.
    """

    result: RunResult
    preview: Sequence[Mapping[str, object]] = ()
