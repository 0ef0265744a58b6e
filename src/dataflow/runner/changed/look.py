"""Looking at tables for the days that changed: by PyIceberg without a JVM, or in a session where only Spark can."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from dataflow.lineage.model import plain_name
from dataflow.runner.changed.choose import Source, Target, choose_dates
from dataflow.runner.changed.items import look_at_items
from dataflow.tables.high_water_mark import HighWater, from_properties
from dataflow.tables.pyiceberg_catalog import SparkOnlyError
from dataflow.workflow import table_names
from dataflow.workflow.changed_dates import ChangedQuestion, DatesFound, last_dates
from dataflow.workflow.dates import MAX_DATES
from dataflow.workflow.periods import Cadence

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyspark.sql import SparkSession

    from dataflow.tables.changed_days.find import ChangedDays
    from dataflow.workflow.dates import ChangedSource
    from dataflow.workflow.periods import Period

Find = Callable[[str], "Table | None"]
"""Returns a table as PyIceberg has it; None where there is none."""


def look(question: ChangedQuestion) -> DatesFound:
    """Find the days that changed, without a JVM; where only Spark can look, say so.

    Raises:
        DataflowError: The catalog can't be reached, or a source is missing although it was read before.
    """
    from dataflow.tables.reader.catalog_tables import TableReader

    try:
        return look_at(question, TableReader(question.environment).table)
    except SparkOnlyError:
        return dataclasses.replace(last_dates(question), needs_spark=True)


def look_through(spark: SparkSession) -> Callable[[ChangedQuestion], DatesFound]:
    """Return what finds the days that changed by a session's own catalog."""
    from dataflow.tables.metadata_through_spark import find_table

    return lambda question: look_at(question, lambda name: find_table(spark, name))


def look_at(question: ChangedQuestion, find: Find) -> DatesFound:
    """Find the days that changed.

    Args:
        question: What is asked.
        find: Finds tables.

    Raises:
        DataflowError: A source is missing although it was read before, or nobody can tell which column is its day.
    """
    if question.column is not None:
        return dataclasses.replace(look_at_items(question, find), question=question)
    waters = {name: _mark(find(name)) for name in question.targets}  # before the sources: what is done since is done
    sources = {source: find(source.table) for source in question.sources}
    targets = []
    for name, water in waters.items():
        looked = _sources_of(water, sources, question) if water.mark is not None else ()
        targets.append(Target(plain_name(name, question.environment.catalog_name), water, looked))
    return dataclasses.replace(choose_dates(question, targets, _marks(sources)), question=question)


def is_wanted(spark: SparkSession, found: DatesFound, day: str) -> bool:
    """Say whether a day that was found is still to be run, as the tables are now; it is where days build on others."""
    question = found.question
    if question is None or question.in_order:
        return True
    return day in look_through(spark)(dataclasses.replace(question, max=MAX_DATES)).dates


def _mark(table: Table | None) -> HighWater:
    return HighWater() if table is None else from_properties(table.properties)


def _marks(sources: Mapping[ChangedSource, Table | None]) -> dict[str, Period]:
    """Return up to where sources are complete, those that say so."""
    found = {source.table: _mark(table).mark for source, table in sources.items()}
    return {name: mark for name, mark in found.items() if mark is not None}


def _sources_of(
    water: HighWater, sources: Mapping[ChangedSource, Table | None], question: ChangedQuestion
) -> tuple[Source, ...]:
    catalog = question.environment.catalog_name
    known = {plain_name(key, catalog).lower(): key for key in water.sources}
    found = []
    for source, table in sources.items():
        name = plain_name(source.table, catalog)
        key = known.get(name.lower(), f"{catalog}.{name}")
        since = water.sources.get(key)
        found.append(Source(name, key, _changed(source, table, None if since is None else since[1], question)))
    return tuple(found)


def _changed(source: ChangedSource, table: Table | None, since: int | None, question: ChangedQuestion) -> ChangedDays:
    from dataflow.errors import DataflowError
    from dataflow.tables.changed_days.day_values import Grain, zone_of
    from dataflow.tables.changed_days.find import Arrival, changed_days

    if table is None:
        raise DataflowError(f"there is no table {table_names.typed(source.table)}, whose changes are asked for")
    mark = _mark(table).mark
    own = mark.cadence if mark is not None and mark.cadence in {Cadence.WEEKLY, Cadence.MONTHLY} else None
    grain = Grain(question.cadence, own, zone_of(source.timezone or question.zone))
    arrival = Arrival(source.arrival_column, question.last_ones[0]) if source.arrival_column is not None else None
    return changed_days(table, since, source.day_column, grain, arrival=arrival)
