"""The HWM job: the only job that moves a table's high-water mark.

It reads the table's snapshots, which record what was published or kept. What counts is what this definition itself
publishes: the partitions of its `wap` templates, and of those in the workflows that it contains. So the spelling of a
partition's value makes no difference, and a job that runs alone finds the same.
"""

from __future__ import annotations

import datetime as dt
import json
import zoneinfo
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dataflow.errors import DataflowError
from dataflow.jobs.context import JobContext, JobResult
from dataflow.lineage.model import plain_name
from dataflow.tables.high_water_mark import Moment, Sources, move, oldest
from dataflow.tables.iceberg import load
from dataflow.tables.partition import Partition, partition_of
from dataflow.tables.properties import SOURCES
from dataflow.tables.publications import Told, newest_publications
from dataflow.tables.time_spans import HOUR, Span, day_of, hour_of, span_of
from dataflow.workflow.models import HwmSpec, WapTemplate
from dataflow.workflow.resolved import WapStep, Workflow

_COMPLETE = "set 'complete: true' in the HWM job where what this workflow publishes is all of it"


@dataclass(frozen=True)
class _Own:
    """A partition that this definition publishes.

    Attributes:
        partition: The partition.
        in_foreach: Whether it is an item of a foreach, whose list then has all parts.
    """

    partition: Partition
    in_foreach: bool

    @property
    def spans(self) -> list[Span | None]:
        """The time of each declared column; None for what has none."""
        return [span_of(value) for value in self.partition.values.values()]


def run_hwm(spec: HwmSpec, context: JobContext) -> JobResult:
    """Record that a day, or an hour, of a table is finished, and move the mark as far as none is missing.

    Raises:
        DataflowError: The table publishes its partitions, and what was published is not the whole of that moment.
    """
    spark = context.spark
    own = [
        _Own(partition_of(spark, load(spark, spec.table), template.partition), in_foreach)
        for template, in_foreach in _templates(context.workflow, spec.table)
    ]
    if own:
        moment, published = _whole(spec, own), _published(spec, context, own)
    else:
        moment, published = _day(spec), _found(spec, context)
    sources = context.services.observed_reads() or oldest(_sources_of(told) for told in published.values())
    with context.services.publishing():
        water = move(spark, spec.table, moment, timezone=spec.timezone, sources=sources, first=context.first_date)
    waiting = f", {len(water.ahead)} finished beyond a gap" if water.ahead else ""
    return JobResult(detail=f"complete up to {water.shown}{waiting}" if water.mark else f"no mark yet{waiting}")


def _templates(workflow: Workflow, table: str) -> Iterator[tuple[WapTemplate, bool]]:
    """Yield what publishes a table in a workflow and in those that it contains, each with whether a foreach does."""
    catalog = workflow.environment.catalog_name
    for leaf in workflow.leaf_steps(contained=True, every_date=True):
        if isinstance(leaf.step, WapStep):
            template = leaf.step.template
            if plain_name(template.table, catalog).lower() == plain_name(table, catalog).lower():
                yield template, leaf.in_foreach


def _day(spec: HwmSpec) -> dt.date:
    return dt.datetime.fromisoformat(spec.datetime).date()


def _hour(spec: HwmSpec) -> Span | None:
    """Return the hour that the job names, in UTC as partitions have it; None where it names a day."""
    if len(spec.datetime) == len("2026-01-31"):
        return None
    moment = dt.datetime.fromisoformat(spec.datetime)
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=zoneinfo.ZoneInfo(spec.timezone))
    return hour_of(zoned.astimezone(dt.UTC).replace(tzinfo=None))


def _whole(spec: HwmSpec, own: list[_Own]) -> Moment:
    """Return the moment that is complete once these partitions are there.

    Raises:
        DataflowError: They are of another time, or a part of it.
    """
    day, hour, complete = day_of(_day(spec)), _hour(spec), spec.complete
    labels = ", ".join(dict.fromkeys(each.partition.label for each in own))
    if not complete and any(len(each.spans) > 1 and not each.in_foreach for each in own):
        raise DataflowError(
            f"{labels} may be a part of {day.start.date()} alone: its partition has more columns than one",
            _COMPLETE,
            permanent=True,
        )
    timed = [span for each in own for span in each.spans if span is not None]
    untimed = any(not any(each.spans) for each in own)  # a whole table, or a column that is no time
    parts = [span for span in timed if day.covers(span)]
    if untimed or _is_all_day(timed, day) or (complete and parts):
        return day.start.date()
    if hour is not None and hour in timed:
        return hour.start
    if parts:
        raise DataflowError(
            f"{labels} is an hour of {day.start.date()}, not all of it", f"name the hour in 'datetime', or {_COMPLETE}",
            permanent=True,
        )  # fmt: skip
    raise DataflowError(
        f"{spec.table} has no published {day.start.date()}, so it can't be called complete: this publishes {labels}",
        "let 'datetime' of the HWM job and 'partition' of its wap template name the same day",
        permanent=True,
    )


def _is_all_day(spans: list[Span], day: Span) -> bool:
    """Say whether a day lies in a span, or all of its hours are among them."""
    starts = {span.start for span in spans}
    return any(span.covers(day) for span in spans) or {day.start + hour * HOUR for hour in range(24)} <= starts


def _published(spec: HwmSpec, context: JobContext, own: list[_Own]) -> Mapping[str, Told]:
    """Return what the table's snapshots say of these partitions.

    Raises:
        DataflowError: One is missing.
    """
    labels = {each.partition.label: each.partition for each in own}
    found = newest_publications(context.spark, spec.table, labels)
    missing = [partition for label, partition in labels.items() if label not in found]
    if missing:
        values = [*missing[0].values.values()]
        raise DataflowError(
            f"{spec.table} has no published {values[0] if len(values) == 1 else missing[0].label}, "
            "so it can't be called complete",
            "run the whole workflow for that day; a mark says that readers can see it",
        )
    return found


def _found(spec: HwmSpec, context: JobContext) -> Mapping[str, Told]:
    """Return what the snapshots of a table that others write say of a day; nothing where they publish no partitions.

    Raises:
        DataflowError: They do, and none is of that day.
    """
    day, every = day_of(_day(spec)), newest_publications(context.spark, spec.table)
    found = {label: told for label, told in every.items() if _is_of(label, day, whole=not spec.complete)}
    if every and not found:
        raise DataflowError(
            f"{spec.table} has no published {day.start.date()}, so it can't be called complete",
            f"run the workflow that publishes it; or {_COMPLETE}",
        )
    return found


def _is_of(label: str, day: Span, *, whole: bool) -> bool:
    """Say whether a partition that others published is a day's, the whole of it or a part."""
    values = [value for _, _, value in (part.partition("=") for part in label.split("/"))]
    spans = [span for value in values if (span := span_of(value)) is not None]
    if whole:
        return len(values) == 1 and (not values[0] or any(span.covers(day) for span in spans))
    return any(span.covers(day) or day.covers(span) for span in spans)


def _sources_of(told: Told) -> Sources:
    """Return what a partition was computed from as its own snapshot tells it, for a job that runs alone."""
    found = json.loads(told[SOURCES])
    return {table: (sequence, snapshot) for table, (sequence, snapshot) in found.items()}
