"""Making a mock of a real table: without a JVM where its catalog allows, of rows that each show something."""

from __future__ import annotations

import contextlib
import dataclasses
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataflow.errors import DataflowError, UsageError, did_you_mean, display_path
from dataflow.mocks.arrow import SourceColumn, rows_of, source_columns
from dataflow.mocks.masking import Mask, apply_masks, mask_key, plan_masks
from dataflow.mocks.model import Mock, Row, identity
from dataflow.mocks.rewrite import round_trips
from dataflow.mocks.row_selection import SelectedRows, select_rows
from dataflow.mocks.write import render_mock
from dataflow.tables.properties import PRIMARY_KEY
from dataflow.wording import plural
from dataflow.workflow import table_names

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyspark.sql import SparkSession

    from dataflow.workflow.project import Environment

ROWS = 20
ROWS_AT_MOST = 5_000
_WIDTH = 78
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
class MockResult:
    """A mock that was made, and how.

    Attributes:
        mock: The mock.
        text: Its file's text.
        masks: What is masked.
        looked_at: How many rows were read; None when Spark read them.
        total: How many rows the table has.
        complete: Whether all rows were read.
        left_out: How many notable rows don't fit into a mock.
        engine: `pyiceberg` or `spark`.
        reasons: Why each row is there.
        head: The comment at the head of the file.
    """

    mock: Mock
    text: str
    masks: tuple[Mask, ...]
    looked_at: int | None
    total: int | None
    complete: bool
    left_out: int
    engine: str
    reasons: tuple[str, ...] = ()
    head: tuple[str, ...] = ()


@dataclass(frozen=True)
class _SourceRows:
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


def make_mock(
    environment: Environment,
    wanted: MockRequest,
    sessions: Sessions,
    *,
    report: Callable[[str], None] = lambda _: None,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> MockResult:
    """Make a mock of a table; nothing is written.

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
        if isinstance(found, _SourceRows):
            return _result(wanted, found)
        reason = found
    report(f"reading through Spark: {reason}")
    with sessions(reason) as spark:
        return _result(wanted, _by_spark(spark, wanted))


def _check_request(wanted: MockRequest) -> None:
    if not 1 <= wanted.rows <= ROWS_AT_MOST:
        raise UsageError(f"--rows {wanted.rows}: a mock has from 1 to {ROWS_AT_MOST:,} rows")
    if wanted.where is not None:
        from dataflow.mocks.where_filter import parse_where

        parse_where(wanted.where)


def _by_iceberg(
    environment: Environment, wanted: MockRequest, progress: Callable[[int, int], None]
) -> _SourceRows | str:
    """Read a table by PyIceberg, or say why only Spark can."""
    from dataflow.mocks.scan_iceberg import SparkRequiredError, scan_table
    from dataflow.mocks.where_filter import NotPushedDown, check_columns, parse_where, to_iceberg

    table = open_table(environment, wanted.table)
    if isinstance(table, str):
        return table
    known = [field.name for field in table.schema().fields]
    asked = _requested_columns(wanted, known)
    columns = source_columns(_schema_of(table, asked), wanted.table)
    condition = None
    if wanted.where is not None:
        parsed = parse_where(wanted.where)
        check_columns(parsed, known)
        try:
            condition = to_iceberg(parsed, table.schema())
        except NotPushedDown as error:
            return f"only Spark can evaluate {error}"
    masks = plan_masks(columns, wanted.masks, table.properties)
    names = [column.name for column in columns]
    try:
        scan = scan_table(table, names, condition, rows=wanted.rows, exact=wanted.exact, progress=progress)
    except SparkRequiredError as error:
        return str(error)
    rows: list[Row] = []
    left_out = 0
    if scan.notable.batches:
        rows, left_out = rows_of(scan.notable.pool(max(256, 2 * wanted.rows)), [c.column for c in columns])
    identifiers = ",".join(sorted(table.schema().identifier_field_names()))
    key = _key(table.properties, identifiers, names)
    return _SourceRows(
        ".".join(table.name()[-2:]), columns, len(asked) < len(known), key, tuple(masks), rows,
        left_out, "pyiceberg", scan.notable.counts(), scan.notable.rows, scan.total, scan.complete,
    )  # fmt: skip


def open_table(environment: Environment, name: str) -> Table | str:
    """Open a table by PyIceberg, or say why only Spark can read it.

    Raises:
        UsageError: There is no such table.
        DataflowError: Its metadata can't be read.
    """
    from pydantic import ValidationError
    from pyiceberg.exceptions import ValidationError as TypesUnknown

    from dataflow.tables.catalog import open_catalog
    from dataflow.tables.pyiceberg_catalog import load_table, split_name

    try:
        catalog = open_catalog(environment)
    except DataflowError as error:
        return error.message
    if len(split_name(catalog.name, name)) < 2:
        raise UsageError(f"'{name}' is not a full table name", "write it as database.table")
    try:
        return load_table(catalog, name)
    except DataflowError as error:
        demo = "`dataflow sample source` makes the demo source" if name.endswith(_DEMO) else None
        raise UsageError(error.message, error.hint or demo) from None
    except (ValidationError, TypesUnknown):  # a type of a later version of the format
        return f"PyIceberg can't read the metadata of {name}"
    except Exception as error:  # each file system, and each catalog, raises its own
        cause = str(error).strip().partition("\n")[0]
        raise DataflowError(f"the metadata of {name} can't be read: {cause}") from error


def _schema_of(table: Table, names: Sequence[str]) -> Any:
    """Return the schema of some columns: types of the others need not be known."""
    from pyiceberg.schema import Schema

    return Schema(*(field for field in table.schema().fields if field.name in names))


def _by_spark(spark: SparkSession, wanted: MockRequest) -> _SourceRows:
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
    return _SourceRows(name, columns, len(asked) < len(known), key, tuple(masks), rows, left_out, "spark", counts)


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


def _result(wanted: MockRequest, source: _SourceRows) -> MockResult:
    columns = tuple(column.column for column in source.columns)
    chosen = select_rows(source.rows, columns, wanted.rows, counts=source.counts, key=source.key)
    rows = apply_masks(chosen.rows, columns, source.masks, mask_key() if source.masks else b"")
    rows, reasons = _distinct_after_masking(rows, chosen, source)
    mock = Mock(Path(f"{source.name}.yaml"), source.name, columns, tuple(rows), source.key, source.partial)
    head = tuple(_head(wanted, source, len(rows)))
    text = render_mock(mock, head=head, remarks=reasons)
    if not round_trips(text, mock):
        raise DataflowError(
            f"{len(rows)} rows of {source.name} don't fit into a mock", "ask for fewer --rows or --columns"
        )
    return MockResult(
        mock, text, source.masks, source.looked_at, source.total, source.complete, source.left_out, source.engine,
        tuple(reasons), head,
    )  # fmt: skip


def _distinct_after_masking(
    rows: Sequence[Row], chosen: SelectedRows, source: _SourceRows
) -> tuple[list[Row], list[str]]:
    """Leave out rows that masking has made equal to others, whole or in their key."""
    places = [i for i, column in enumerate(source.columns) if column.name in source.key]
    seen, kept, reasons = set(), [], []
    for row, reason in zip(rows, chosen.reasons, strict=True):
        same = identity([row[i] for i in places] if places else row)
        if same not in seen:
            seen.add(same)
            kept.append(row)
            reasons.append(reason)
    return kept, reasons


def _head(wanted: MockRequest, source: _SourceRows, count: int) -> list[str]:
    paragraphs = []
    if wanted.where:
        paragraphs.append(f"Only rows where {' '.join(wanted.where.split())}.")
    if not source.complete:
        paragraphs.append(
            f"A sample: {source.looked_at:,} of {source.total:,} rows were looked at; --exact looks at all of them."
        )
    if source.masks:
        paragraphs.append(f"Masked: {', '.join(map(str, source.masks))}.")
    wrapped = [line for paragraph in paragraphs for line in textwrap.wrap(paragraph, _WIDTH, break_on_hyphens=False)]
    return [_first_line(source.name, count), *wrapped]


def append_rows(one: MockResult, other: MockResult, remark: str) -> MockResult:
    """Append the rows of another mock of the same table, with a remark on each; equal rows are left out."""
    known = set(map(identity, one.mock.rows))
    more = tuple(row for row in other.mock.rows if identity(row) not in known)
    mock = dataclasses.replace(one.mock, rows=(*one.mock.rows, *more))
    reasons = (*one.reasons, *(remark for _ in more))
    head = (_first_line(mock.table or "", len(mock.rows)), *one.head[1:])
    text = render_mock(mock, head=head, remarks=reasons)
    return dataclasses.replace(one, mock=mock, text=text, reasons=reasons, head=head)


def _first_line(table: str, count: int) -> str:
    return f"{plural(count, 'row')} of {table}, made by `dataflow mock create`."


def table_columns(environment: Environment, name: str, sessions: Sessions | None) -> tuple[SourceColumn, ...] | str:
    """Return a table's columns, or why they can't be read.

    Args:
        environment: Where the table is.
        name: The table.
        sessions: Opens Spark for catalogs that only Spark can read; None to leave those alone.
    """
    try:
        table = open_table(environment, name)
        if not isinstance(table, str):
            return source_columns(table.schema(), name)
        if sessions is None:
            return table
        from dataflow.mocks.scan_spark import spark_columns

        with sessions(table) as spark:
            return spark_columns(spark, name)
    except DataflowError as error:
        return error.message


def default_file(table: str, folder: Path) -> Path:
    """Return where a table's mock is expected: among a package's mocks, under the table's name."""
    parent = next((folder / each for each in ("src/mocks", "mocks") if (folder / each).is_dir()), folder / "mocks")
    return parent / f"{table}.yaml"


def check_free(file: Path, *, force: bool) -> None:
    """Check that a file may be written.

    Raises:
        UsageError: It exists and may not be overwritten, or it is a folder.
    """
    if file.is_dir():
        raise UsageError(f"{display_path(file)} is a folder", f"name a file: {display_path(file / 'mock.yaml')}")
    if file.exists() and not force:
        raise UsageError(f"{display_path(file)} exists already", "--force overwrites it")
