"""The HWM job: the only job that moves a table's high-water mark.

It reads the table's snapshots, which record what was published or kept. What counts is what this definition itself
publishes: the partitions of its `wap` templates, and of those in the workflows that it contains. So the spelling of a
partition's value makes no difference, and a job that runs alone finds the same.
"""

from __future__ import annotations

import datetime as dt
import json
import zoneinfo
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from dataflow.errors import DataflowError
from dataflow.jobs.context import JobContext, JobResult
from dataflow.lineage.model import plain_name
from dataflow.tables.high_water_mark import Sources, move, oldest
from dataflow.tables.iceberg import load
from dataflow.tables.item_marks import finish_item
from dataflow.tables.partition import Partition, partition_of
from dataflow.tables.properties import SOURCES
from dataflow.tables.publications import Told, newest_publications
from dataflow.tables.time_spans import Span, is_covered, span_of
from dataflow.workflow.mark_spec import HwmSpec
from dataflow.workflow.models import WapTemplate
from dataflow.workflow.periods import DAY, HOUR, Cadence, Period
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

    def spans(self, period: Period) -> list[Span | None]:
        """Return the time of each declared column; None for what has none.

        Iceberg has no transform for weeks: a column's own value stands for the week, or the month, that it begins.
        """
        found = []
        for name, value in self.partition.values.items():
            span = span_of(value)
            if span is not None and self.partition.transforms.get(name) == "identity" and span.start == period.start:
                whole = _span(period)
                span = whole if whole.covers(span) else span
            found.append(span)
        return found


def run_hwm(spec: HwmSpec, context: JobContext) -> JobResult:
    """Record that a day, or another period, of a table is finished, and move the mark as far as none is missing.

    Raises:
        DataflowError: The table publishes its partitions, and what was published is not the whole of that period.
    """
    spark = context.spark
    if spec.item is not None:
        return _finish_item(spec, str(spec.item), context)
    asked = _asked(spec, context.workflow.cadence)
    own = [
        _Own(partition_of(spark, load(spark, spec.table), template.partition), in_foreach)
        for template, in_foreach in _templates(context.workflow, spec.table)
    ]
    if own:
        period, published = _whole(spec, asked, own), _published(spec, context, own)
    else:
        period, published = asked, _found(spec, asked, context)
    sources = context.services.observed_reads() or oldest(_sources_of(told) for told in published.values())
    with context.services.publishing():
        water = move(spark, spec.table, period, timezone=spec.timezone, sources=sources, first=context.first)
    waiting = f", {len(water.ahead)} finished beyond a gap" if water.ahead else ""
    return JobResult(detail=f"complete up to {water.shown}{waiting}" if water.mark else f"no mark yet{waiting}")


def _finish_item(spec: HwmSpec, item: str, context: JobContext) -> JobResult:
    """Record that an item of a table is finished.

    Raises:
        DataflowError: This workflow publishes the table, and no partition of that item.
    """
    spark = context.spark
    own = [
        _Own(partition_of(spark, load(spark, spec.table), template.partition), in_foreach)
        for template, in_foreach in _templates(context.workflow, spec.table)
    ]
    of_it = [it for it in own if item in it.partition.values.values()]
    if own and not of_it:
        labels = ", ".join(dict.fromkeys(it.partition.label for it in own))
        raise DataflowError(
            f"{spec.table} has no published {item}, so it can't be called complete: this publishes {labels}",
            "let 'item' of the HWM job and 'partition' of its wap template name the same item",
            permanent=True,
        )
    published = _published(spec, context, of_it) if of_it else {}
    sources = context.services.observed_reads() or oldest(_sources_of(told) for told in published.values())
    with context.services.publishing():
        count = finish_item(spark, spec.table, item, sources)
    return JobResult(detail=f"{item} is complete, one of {count:,}")


def _templates(workflow: Workflow, table: str) -> Iterator[tuple[WapTemplate, bool]]:
    """Yield what publishes a table in a workflow and in those that it contains, each with whether a foreach does."""
    catalog = workflow.environment.catalog_name
    for leaf in workflow.leaf_steps(contained=True, every_date=True):
        if isinstance(leaf.step, WapStep):
            template = leaf.step.template
            if plain_name(template.table, catalog).lower() == plain_name(table, catalog).lower():
                yield template, leaf.in_foreach


def _asked(spec: HwmSpec, cadence: Cadence) -> Period:
    """Return the period that the job names: an hour, a week or a month of a workflow that runs for those, or a day."""
    hour = _hour(spec) if cadence is Cadence.HOURLY else None
    if cadence is Cadence.HOURLY and hour is None:
        cadence = Cadence.DAILY
    return hour or cadence.at(dt.datetime.fromisoformat(spec.datetime or "").date())


def _hour(spec: HwmSpec) -> Period | None:
    """Return the hour that the job names, in UTC as partitions have it; None where it names a day."""
    if len(spec.datetime or "") == len("2026-01-31"):
        return None
    moment = dt.datetime.fromisoformat(spec.datetime or "")
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=zoneinfo.ZoneInfo(spec.timezone))
    return Cadence.HOURLY.at(zoned.astimezone(dt.UTC).replace(tzinfo=None))


def _span(period: Period) -> Span:
    return Span(period.start, period.end)


def _whole(spec: HwmSpec, asked: Period, own: list[_Own]) -> Period:
    """Return the period that is complete once these partitions are there.

    Raises:
        DataflowError: They are of another time, or a part of it.
    """
    whole, hour = _span(asked), _hour(spec)
    labels = ", ".join(dict.fromkeys(each.partition.label for each in own))
    spans = [each.spans(asked) for each in own]
    if not spec.complete and any(len(of) > 1 and not each.in_foreach for of, each in zip(spans, own, strict=True)):
        raise DataflowError(
            f"{labels} may be a part of {asked.label} alone: its partition has more columns than one",
            _COMPLETE,
            permanent=True,
        )
    timed = [span for of in spans for span in of if span is not None]
    untimed = any(not any(of) for of in spans)  # a whole table, or a column that is no time
    parts = [span for span in timed if whole.covers(span)]
    if untimed or is_covered(whole, timed) or (spec.complete and parts):
        return asked
    if hour is not None and _span(hour) in timed:
        return hour
    if parts:
        raise DataflowError(
            f"{labels} is {_part(parts[0])} of {asked.label}, not all of it",
            f"name the hour in 'datetime', or {_COMPLETE}" if asked.cadence is Cadence.DAILY else _COMPLETE,
            permanent=True,
        )
    raise DataflowError(
        f"{spec.table} has no published {asked.label}, so it can't be called complete: this publishes {labels}",
        f"let 'datetime' of the HWM job and 'partition' of its wap template name the same {asked.cadence.unit}",
        permanent=True,
    )


def _part(span: Span) -> str:
    return {HOUR: "an hour", DAY: "a day"}.get(span.end - span.start, "a part")


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


def _found(spec: HwmSpec, asked: Period, context: JobContext) -> Mapping[str, Told]:
    """Return what the snapshots of a table that others write say of a day; nothing where they publish no partitions.

    Raises:
        DataflowError: They do, and none is of that day.
    """
    whole, every = _span(asked), newest_publications(context.spark, spec.table)
    found = {label: told for label, told in every.items() if _is_of(label, whole, complete=spec.complete)}
    if not spec.complete and not _is_whole(whole, found):
        found = {}
    if every and not found:
        raise DataflowError(
            f"{spec.table} has no published {asked.label}, so it can't be called complete",
            f"run the workflow that publishes it; or {_COMPLETE}",
        )
    return found


def _is_of(label: str, whole: Span, *, complete: bool) -> bool:
    """Say whether a partition that others published has rows of a period; by several columns, only a part of them."""
    values = _values(label)
    if not complete and len(values) > 1:
        return False
    spans = [span for value in values if (span := span_of(value)) is not None]
    return any(span.overlaps(whole) for span in spans) or (not complete and not values[0])


def _is_whole(whole: Span, labels: Iterable[str]) -> bool:
    """Say whether partitions that others published are all of a period."""
    values = [value for label in labels for value in _values(label)]
    return "" in values or is_covered(whole, [span for value in values if (span := span_of(value)) is not None])


def _values(label: str) -> list[str]:
    return [value for _, _, value in (part.partition("=") for part in label.split("/"))]


def _sources_of(told: Told) -> Sources:
    """Return what a partition was computed from as its own snapshot tells it, for a job that runs alone."""
    found = json.loads(told[SOURCES])
    return {table: (sequence, snapshot) for table, (sequence, snapshot) in found.items()}
