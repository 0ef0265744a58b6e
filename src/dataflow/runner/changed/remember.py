"""Remembering, once its days are done, up to where a run has looked at the sources."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dataflow.tables import high_water_mark, item_marks
from dataflow.tables.iceberg import exists

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from dataflow.runner.results import StepResult
    from dataflow.workflow.changed_dates import DatesFound
    from dataflow.workflow.project import Environment


def remember_nothing(found: DatesFound, environment: Environment) -> None:
    """Let the marks remember what was looked at and has no day to run, without a JVM.

    So snapshots that only compaction made are not looked at again, and may expire.

    Raises:
        DataflowError: The catalog can't be reached.
    """
    from pyiceberg.exceptions import CommitFailedException

    from dataflow.tables.catalog import open_catalog
    from dataflow.tables.pyiceberg_catalog import find_table

    if not found.is_all:
        return
    catalog = open_catalog(environment)
    for name, marks in found.items.items():
        if (table := find_table(catalog, name)) is not None:
            with contextlib.suppress(CommitFailedException):
                item_marks.remember_items_without_spark(table, found.seen, marks)
    for name, before in found.before.items():
        table = find_table(catalog, name)
        if table is not None:
            with contextlib.suppress(CommitFailedException):  # the next run looks again
                high_water_mark.remember_without_spark(table, found.seen, before)


def remember(spark: SparkSession, found: DatesFound, results: Sequence[StepResult]) -> None:
    """Let the marks remember what was looked at, where all days that changed were done.

    Where one failed, or was left for the next run, nothing is forgotten: each day that was done is remembered by
    itself, and the next run finds the others.
    """
    if not found.is_all or any(result.status != "succeeded" for result in results):
        return
    for table, marks in found.items.items():
        if exists(spark, table):
            item_marks.remember_items(spark, table, found.seen, marks, found.dates)
    days = [found.cadence.parse(date) for date in found.dates] if found.cadence is not None else []
    for table, before in found.before.items():
        if exists(spark, table):
            high_water_mark.remember(spark, table, found.seen, before, days)
