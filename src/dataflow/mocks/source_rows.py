"""Reading the rows of a table that a mock may be made of: by PyIceberg where that can, else through Spark."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dataflow.errors import DataflowError, UsageError, did_you_mean
from dataflow.mocks.arrow import SourceColumn, rows_of, source_columns
from dataflow.mocks.masking import Mask, plan_masks
from dataflow.mocks.model import Row
from dataflow.tables.properties import PRIMARY_KEY
from dataflow.workflow import table_names

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyspark.sql import SparkSession

    from dataflow.tables.reader.catalog_tables import FoundTable
    from dataflow.workflow.project import Environment

ROWS = 20
ROWS_AT_MOST = 5_000
_DEMO = "dataflow_demo.playback"

Sessions = Callable[[str], contextlib.AbstractContextManager["SparkSession"]]
"""Opens Spark, given the reason why it is needed."""


@dataclass(frozen=True)
class MockRequest:
    """A request for a mock of a table.

    Attributes:
        table: The table's name.
        columns: The requested columns; all when empty.
        where: A condition in Spark's SQL.
        rows: How many rows at most.
        masks: `column` or `column=rule`.
        exact: Whether to read all rows of a large table.
        through_spark: Whether to use Spark even where it could do without.
    """

    table: str
    columns: tuple[str, ...] = ()
    where: str | None = None
    rows: int = ROWS
    masks: tuple[str, ...] = ()
    exact: bool = False
    through_spark: bool = False


@dataclass(frozen=True)
class SourceRows:
    """Rows of a table that are worth a look, and what is known of the table."""

    name: str
    columns: tuple[SourceColumn, ...]
    partial: bool
    key: tuple[str, ...]
    masks: tuple[Mask, ...]
    rows: Sequence[Row]
    left_out: int
    engine: str
    counts: Mapping[tuple[str, ...], Mapping[Any, int]] = field(default_factory=dict)
    looked_at: int | None = None
    total: int | None = None
    complete: bool = True


def read_source(
    environment: Environment,
    wanted: MockRequest,
    sessions: Sessions,
    report: Callable[[str], None],
    progress: Callable[[int, int], None],
) -> SourceRows:
    """Read the rows of a table that are worth a look.

    Args:
        environment: Where the table is.
        wanted: The requested mock.
        sessions: Opens Spark where it is needed.
        report: Receives a line about what takes a while.
        progress: Receives how many of how many rows were read.

    Raises:
        UsageError: There is no such table, column or rule, or the condition has a mistake.
        DataflowError: The table can't be read.
    """
    _check_request(wanted)
    reason = "--spark asks for it" if wanted.through_spark else None
    if reason is None:
        found = _by_iceberg(environment, wanted, progress)
        if isinstance(found, SourceRows):
            return found
        reason = found
    report(f"reading through Spark: {reason}")
    with sessions(reason) as spark:
        return _by_spark(spark, wanted)


def _check_request(wanted: MockRequest) -> None:
    if not 1 <= wanted.rows <= ROWS_AT_MOST:
        raise UsageError(f"--rows {wanted.rows}: a mock has from 1 to {ROWS_AT_MOST:,} rows")
    if wanted.where is not None:
        from dataflow.mocks.where_filter import parse_where

        parse_where(wanted.where)


def _by_iceberg(
    environment: Environment, wanted: MockRequest, progress: Callable[[int, int], None]
) -> SourceRows | str:
    """Read a table by PyIceberg, or say why only Spark can."""
    from dataflow.mocks.scan_iceberg import scan_table
    from dataflow.mocks.scan_sail import scan_by_sail
    from dataflow.mocks.where_filter import NotPushedDown, check_columns, parse_where, to_iceberg
    from dataflow.tables.reader.rows import SparkRequiredError
    from dataflow.tables.reader.state import current_state

    found = find_source(environment, wanted.table)
    if isinstance(found, str):
        return found
    table = found.opened
    known = [field.name for field in table.schema().fields]
    asked = _requested_columns(wanted, known)
    columns = source_columns(_schema_of(table, asked), wanted.table)
    condition, odd = None, ""
    if wanted.where is not None:
        parsed = parse_where(wanted.where)
        check_columns(parsed, known)
        try:
            condition = to_iceberg(parsed, table.schema())
        except NotPushedDown as error:
            odd = str(error)
    masks = plan_masks(columns, wanted.masks, table.properties)
    names = [column.name for column in columns]
    try:
        if odd and wanted.where is not None:
            scan = scan_by_sail(environment, wanted.table, names, wanted.where, rows=wanted.rows)
        else:
            scan = scan_table(
                current_state(found), names, condition, rows=wanted.rows, exact=wanted.exact, progress=progress
            )
    except SparkRequiredError as error:
        return f"PyIceberg can't evaluate {odd}, and {error}" if odd else str(error)
    rows: list[Row] = []
    left_out = 0
    if scan.notable.batches:
        rows, left_out = rows_of(scan.notable.pool(max(256, 2 * wanted.rows)), [c.column for c in columns])
    identifiers = ",".join(sorted(table.schema().identifier_field_names()))
    key = _key(table.properties, identifiers, names)
    return SourceRows(
        ".".join(table.name()[-2:]), columns, len(asked) < len(known), key, tuple(masks), rows,
        left_out, "sail" if odd else "pyiceberg", scan.notable.counts(), scan.notable.rows, scan.total, scan.complete,
    )  # fmt: skip


def find_source(environment: Environment, name: str) -> FoundTable | str:
    """Find a table, or say why only Spark can read it.

    Raises:
        UsageError: There is no such table.
        DataflowError: Its metadata can't be read.
    """
    from dataflow.tables.pyiceberg_catalog import SparkOnlyError
    from dataflow.tables.reader.catalog_tables import TableReader

    reader = TableReader(environment)
    try:
        reader.reach()
    except DataflowError as error:
        return error.message
    if len(table_names.without_catalog(name, environment.catalog_name)) < 2:
        raise UsageError(f"'{name}' is not a full table name", "write it as database.table")
    try:
        found = reader.find(name)
        if found is not None:
            found.opened  # noqa: B018  # whether PyIceberg knows all that its metadata says
            return found
    except SparkOnlyError as error:
        return error.message
    missing = reader.no_table(name)
    demo = "`dataflow sample source` makes the demo source" if name.endswith(_DEMO) else None
    raise UsageError(missing.message, missing.hint or demo)


def _schema_of(table: Table, names: Sequence[str]) -> Any:
    """Return the schema of some columns: types of the others need not be known."""
    from pyiceberg.schema import Schema

    return Schema(*(field for field in table.schema().fields if field.name in names))


def _by_spark(spark: SparkSession, wanted: MockRequest) -> SourceRows:
    from dataflow.mocks.scan_spark import spark_columns, spark_names, spark_properties, spark_rows
    from dataflow.mocks.where_filter import check_columns, parse_where

    known = spark_names(spark, wanted.table)
    asked = _requested_columns(wanted, known)
    columns = spark_columns(spark, wanted.table, asked)
    if wanted.where is not None:
        check_columns(parse_where(wanted.where), known)
    properties = spark_properties(spark, wanted.table)
    masks = plan_masks(columns, wanted.masks, properties)
    plain = [column.column for column in columns]
    rows, left_out, counts = spark_rows(spark, wanted.table, plain, wanted.where, wanted.rows)
    name = table_names.joined(table_names.split(wanted.table)[-2:])
    key = _key(properties, "", [column.name for column in columns])
    return SourceRows(name, columns, len(asked) < len(known), key, tuple(masks), rows, left_out, "spark", counts)


def _requested_columns(wanted: MockRequest, names: Sequence[str]) -> list[str]:
    """Return the names of the requested columns, in the table's order; case matters only between similar names."""
    if not wanted.columns:
        return [*names]
    asked: set[str] = set()
    for name in wanted.columns:
        fits = {it for it in names if it == name} or {it for it in names if it.lower() == name.lower()}
        if not fits:
            raise UsageError(f"{wanted.table} has no column '{name}'{did_you_mean(name, names)}")
        asked |= fits
    return [name for name in names if name in asked]


def _key(properties: Mapping[str, str], identifiers: str, names: Sequence[str]) -> tuple[str, ...]:
    listed = properties.get(PRIMARY_KEY) or identifiers
    key = tuple(name.strip() for name in listed.split(",") if name.strip())
    return key if set(key) <= set(names) else ()


def table_columns(environment: Environment, name: str, sessions: Sessions | None) -> tuple[SourceColumn, ...] | str:
    """Return a table's columns, or why they can't be read.

    Args:
        environment: Where the table is.
        name: The table.
        sessions: Opens Spark for catalogs that only Spark can read; None to leave those alone.
    """
    try:
        found = find_source(environment, name)
        if not isinstance(found, str):
            return source_columns(found.opened.schema(), name)
        if sessions is None:
            return found
        from dataflow.mocks.scan_spark import spark_columns

        with sessions(found) as spark:
            return spark_columns(spark, name)
    except DataflowError as error:
        return error.message
