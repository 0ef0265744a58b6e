"""Columns that a migration moves: filled after a job outside of `wap`, as the publication does it within."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from dataflow.lineage.model import plain_name
from dataflow.spark.errors import short_message
from dataflow.spark.guard import EVERYTHING, open_session
from dataflow.tables import column_migration
from dataflow.tables.iceberg import quoted

if TYPE_CHECKING:
    from dataflow.jobs.context import JobContext


def fill_migrating_columns(context: JobContext) -> None:
    """Fill the columns of a migration that a job left out.

    Whose rows are which is not known here, so nothing is changed that is there; what differs, the contract finds.
    """
    workflow = context.workflow
    catalog = workflow.environment.catalog_name
    published = {plain_name(template.table, catalog).lower() for template in workflow.templates()}
    for write in context.services.observed_writes():
        if write.target.lower() in published:
            continue
        table, pairs = quoted(write.target), []
        with contextlib.suppress(Exception):  # what is no table of Iceberg's has no columns on the move
            pairs = column_migration.column_pairs(context.spark, table)
        try:
            if pairs:
                column_migration.fill(
                    open_session(context.spark, EVERYTHING),
                    table,
                    pairs,
                    {column.lower() for column in write.assigned_columns},
                )
        except Exception as error:  # its rows are there, and the contract fills them as well
            context.services.note(
                f"columns of {write.target} that a migration moves are not filled yet: {short_message(error)}"
            )
