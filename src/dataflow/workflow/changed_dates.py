"""What is asked where a foreach runs the days that changed, and what is answered.

A definition is pure: it says whose changes matter, and to which tables. Whoever loads it to run it can look at those;
when it is only checked or deployed, the last days stand for whatever a run will find.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dataflow.workflow.dates import ChangedSource
from dataflow.workflow.models import HwmJob
from dataflow.workflow.parameters import PARAMETER_NAME, placeholders
from dataflow.workflow.resolved import ForeachStep, JobStep, SubworkflowStep
from dataflow.workflow.values import is_timezone, table_name

if TYPE_CHECKING:
    from dataflow.workflow.project import Environment
    from dataflow.workflow.resolved import EachDate, Step
    from dataflow.workflow.trigger import Trigger

Snapshots = Mapping[str, tuple[int, int]]
"""For each table a snapshot: its sequence number and its id."""


@dataclass(frozen=True)
class ChangedQuestion:
    """What changed?

    Attributes:
        sources: The tables whose changes matter.
        targets: The tables whose marks remember what was read.
        last: How many days to run where nobody can tell what changed.
        max: The most days of one run.
        in_order: Whether each day depends on the one before.
        yesterday: The last day that there may be.
        environment: Where the tables are.
        zone: The time zone in which days of instants are cut, where a source does not name one.
    """

    sources: tuple[ChangedSource, ...]
    targets: tuple[str, ...]
    last: int
    max: int
    in_order: bool
    yesterday: dt.date
    environment: Environment
    zone: str = "UTC"

    @property
    def last_days(self) -> list[dt.date]:
        """The last days, the oldest first."""
        return [self.yesterday - dt.timedelta(days=n) for n in reversed(range(self.last))]


@dataclass(frozen=True)
class DatesFound:
    """Which days are to be run, and why.

    Attributes:
        dates: The days, in order.
        reasons: Why each is to be run, in words.
        notes: What could not be told exactly, and what is left for the next run, in words.
        seen: The newest snapshot of each source, as it was looked at, before any of the days is run.
        before: For each target what its mark remembered then.
        is_all: Whether nothing that changed was left for the next run.
        needs_spark: Whether only Spark can look, so that the days are not known yet.
        question: What was asked, where tables were looked at.
    """

    dates: tuple[str, ...]
    reasons: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    seen: Snapshots = field(default_factory=dict)
    before: Mapping[str, Snapshots] = field(default_factory=dict)
    is_all: bool = True
    needs_spark: bool = False
    question: ChangedQuestion | None = None


Look = Callable[[ChangedQuestion], DatesFound]
"""Finds the days that changed."""


def last_dates(question: ChangedQuestion) -> DatesFound:
    """Return the last days, for whoever looks at no table."""
    return DatesFound(tuple(map(str, question.last_days)))


def targets_of(turn: EachDate | None) -> tuple[str, ...]:
    """Return the tables whose high-water marks the job of a foreach moves."""
    match turn.step if turn else None:
        case SubworkflowStep(workflow=workflow):
            steps = [leaf.step for leaf in workflow.leaf_steps(contained=True)]
        case JobStep() as step:
            steps = [step]
        case _:
            steps = []
    jobs = [step.job for step in steps if isinstance(step, JobStep)]
    return tuple(dict.fromkeys(job.hwm.table for job in jobs if isinstance(job, HwmJob)))


def source_of(given: ChangedSource, turn: EachDate | None) -> ChangedSource:
    """Put parameters of the contained workflow into a source's names: whoever changes them there changes them here.

    Raises:
        ValueError: There is no such parameter, or what comes out can't name a table or a time zone.
    """
    inner = turn.step if turn is not None else None
    params = inner.workflow.params if isinstance(inner, SubworkflowStep) else {}
    values = {key: _filled(text, params) for key, text in given.model_dump().items() if text is not None}
    if "timezone" in values and not is_timezone(values["timezone"]):
        raise ValueError(f"unknown time zone '{values['timezone']}'; write it as Europe/Berlin or UTC")
    return given.model_copy(update={**values, "table": table_name(values["table"])})


def trigger_with(trigger: Trigger, steps: Iterable[Step]) -> Trigger:
    """Put parameters of contained workflows into the names of a trigger's tables, as into those of sources.

    Raises:
        ValueError: There is no such parameter, or what comes out can't name a table.
    """
    params: dict[str, str] = {}
    for step in steps:
        turns = [it.step for it in step.items[:1]] if isinstance(step, ForeachStep) else [step]
        if not turns:  # a run that has no day to do, and so nothing to ask
            return trigger
        for turn in turns:
            params |= turn.workflow.params if isinstance(turn, SubworkflowStep) else {}
    return trigger.model_copy(update={"tables": [table_name(_filled(text, params)) for text in trigger.tables]})


def unknown_as_written(text: str, known: Collection[str]) -> dict[str, str]:
    """Return the parameters of a text that are not known yet, each standing for itself."""
    names = (found.name for found in placeholders(text) if not found.escaped)
    return {name: f"${{{name}}}" for name in names if name not in known and PARAMETER_NAME.fullmatch(name)}


def _filled(text: str, params: Mapping[str, str]) -> str:
    for found in reversed(list(placeholders(text))):
        if message := found.mistake(params):
            raise ValueError(message)
        text = text[: found.start] + params.get(found.name, "") + text[found.end :]
    return text
