"""Reading a table by Sail for the rows of a mock: for conditions that PyIceberg can't evaluate, without a JVM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dataflow.mocks.notable_rows import find_notable
from dataflow.mocks.scan_iceberg import VALUES_AT_MOST, IcebergScan, spread_of
from dataflow.tables.quoting import column_name
from dataflow.tables.reader.rows import SparkRequiredError
from dataflow.workflow import table_names

if TYPE_CHECKING:
    from dataflow.workflow.project import Environment


def scan_by_sail(environment: Environment, table: str, names: Sequence[str], where: str, *, rows: int) -> IcebergScan:
    """Look for the rows of a table that a mock should have, among those that fulfil a condition.

    Args:
        environment: Where the table is.
        table: The table.
        names: The columns that are wanted.
        where: The condition, in Spark's SQL.
        rows: How many rows the mock will have.

    Raises:
        SparkRequiredError: Sail does not answer as Spark does, or the rows are too many to be looked at together.
    """
    from dataflow.sail.answer import ask
    from dataflow.sail.judgement import SparkDecides
    from dataflow.sail.server import SailError

    source = f"FROM {'.'.join(map(column_name, table_names.split(table)))} WHERE ({where}\n)"
    most = max(1, VALUES_AT_MOST // max(1, len(names)))
    try:
        found, total = ask(environment, f"SELECT {', '.join(map(column_name, names))} {source}", most)
    except (SparkDecides, SailError) as reason:
        raise SparkRequiredError(str(reason)) from reason
    if total > most:
        raise SparkRequiredError(f"{total:,} rows are too many to be looked at together")
    return IcebergScan(find_notable(found, spread_of(total, rows)), total, complete=True)
