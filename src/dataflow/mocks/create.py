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
from dataflow.mocks.rewrite import holds
from dataflow.mocks.row_selection import Chosen, choose
from dataflow.mocks.write import render_mock
from dataflow.tables.properties import PRIMARY_KEY
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
class Wanted:
    """What a mock is to be.

    Attributes:
        table: The table's name.
        columns: The columns wanted; all when empty.
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
class Made:
    """A mock, and how it came to be.

    Attributes:
        mock: The mock.
        text: Its file's text.
        masks: What is masked.
        looked_at: How many rows were looked at; None when Spark did.
        total: How many rows could have been.
        complete: Whether all rows were looked at.
        left_out: How many notable rows a mock can't hold.
        engine: `pyiceberg` or `spark`.
        reasons: Why each row is there.
        head: What the file says of itself.
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
class _Source:
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
    wanted: Wanted,
    sessions: Sessions,
    *,
    report: Callable[[str], None] = lambda _: None,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Made:
    """Make a mock of a table; nothing is written.

    Args:
        environment: Where the table is.
        wanted: What the mock is to be.
        sessions: Opens Spark where it is needed.
        report: Told of what takes a while.
        progress: Told how many of how many rows were looked at.

    Raises:
        UsageError: There is no such table, column or rule, or the condition has a mistake.
        DataflowError: The table can't be read.
    """
    _check(wanted)
    reason = "--spark asks for it" if wanted.through_spark else None
    if reason is None:
        found = _by_iceberg(environment, wanted, progress)
        if isinstance(found, _Source):
            return _made(wanted, found)
        reason = found
    report(f"reading through Spark: {reason}")
    with sessions(reason) as spark:
        return _made(wanted, _by_spark(spark, wanted))


def _check(wanted: Wanted) -> None:
    if not 1 <= wanted.rows <= ROWS_AT_MOST:
        raise UsageError(f"--rows {wanted.rows}: a mock has from 1 to {ROWS_AT_MOST:,} rows")
    if wanted.where is not None:
        from dataflow.mocks.where_filter import parse_where

        parse_where(wanted.where)


def _by_iceberg(environment: Environment, wanted: Wanted, progress: Callable[[int, int], None]) -> _Source | str:
    """Read a table by PyIceberg, or say why only Spark can."""
    from dataflow.mocks.scan_iceberg import OnlySparkError, scan_table
    from dataflow.mocks.where_filter import NotPushedDown, check_columns, parse_where, to_iceberg

    table = open_table(environment, wanted.table)
    if isinstance(table, str):
        return table
    known = [field.name for field in table.schema().fields]
    asked = _asked(wanted, known)
    columns = source_columns(_only(table, asked), wanted.table)
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
    except OnlySparkError as error:
        return str(error)
    rows: list[Row] = []
    left_out = 0
    if scan.notable.bags:
        rows, left_out = rows_of(scan.notable.pool(max(256, 2 * wanted.rows)), [c.column for c in columns])
    identifiers = ",".join(sorted(table.schema().identifier_field_names()))
    key = _key(table.properties, identifiers, names)
    return _Source(
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
        raise UsageError(f"'{name}' is no table's full name", "write it as database.table")
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


def _only(table: Table, names: Sequence[str]) -> Any:
    """Return the schema of columns: of one that nobody asked for, nobody need know the type."""
    from pyiceberg.schema import Schema

    return Schema(*(field for field in table.schema().fields if field.name in names))


def _by_spark(spark: SparkSession, wanted: Wanted) -> _Source:
    from dataflow.mocks.scan_spark import spark_columns, spark_names, spark_properties, spark_rows
    from dataflow.mocks.where_filter import check_columns, parse_where

    known = spark_names(spark, wanted.table)
    asked = _asked(wanted, known)
    columns = spark_columns(spark, wanted.table, asked)
    if wanted.where is not None:
        check_columns(parse_where(wanted.where), known)
    properties = spark_properties(spark, wanted.table)
    masks = plan_masks(columns, wanted.masks, properties)
    plain = [column.column for column in columns]
    rows, left_out, counts = spark_rows(spark, wanted.table, plain, wanted.where, wanted.rows)
    name = table_names.joined(table_names.split(wanted.table)[-2:])
    key = _key(properties, "", [column.name for column in columns])
    return _Source(name, columns, len(asked) < len(known), key, tuple(masks), rows, left_out, "spark", counts)


def _asked(wanted: Wanted, names: Sequence[str]) -> list[str]:
    """Return the names of the columns wanted, in the table's order: one in another case where none is written so."""
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


def _made(wanted: Wanted, source: _Source) -> Made:
    columns = tuple(column.column for column in source.columns)
    chosen = choose(source.rows, columns, wanted.rows, counts=source.counts, key=source.key)
    rows = apply_masks(chosen.rows, columns, source.masks, mask_key() if source.masks else b"")
    rows, reasons = _still_distinct(rows, chosen, source)
    mock = Mock(Path(f"{source.name}.yaml"), source.name, columns, tuple(rows), source.key, source.partial)
    head = tuple(_head(wanted, source, len(rows)))
    text = render_mock(mock, head=head, remarks=reasons)
    if not holds(text, mock):
        raise DataflowError(
            f"a mock can't hold {len(rows)} such rows of {source.name}", "ask for fewer --rows or --columns"
        )
    return Made(
        mock, text, source.masks, source.looked_at, source.total, source.complete, source.left_out, source.engine,
        tuple(reasons), head,
    )  # fmt: skip


def _still_distinct(rows: Sequence[Row], chosen: Chosen, source: _Source) -> tuple[list[Row], list[str]]:
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


def _head(wanted: Wanted, source: _Source, count: int) -> list[str]:
    said = []
    if wanted.where:
        said.append(f"Only rows where {' '.join(wanted.where.split())}.")
    if not source.complete:
        said.append(
            f"A sample: {source.looked_at:,} of {source.total:,} rows were looked at; --exact looks at all of them."
        )
    if source.masks:
        said.append(f"Masked: {', '.join(map(str, source.masks))}.")
    wrapped = [line for paragraph in said for line in textwrap.wrap(paragraph, _WIDTH, break_on_hyphens=False)]
    return [_first_line(source.name, count), *wrapped]


def together(one: Made, other: Made, remark: str) -> Made:
    """Return a mock with the rows of another of the same table below its own, and what to say of those."""
    known = set(map(identity, one.mock.rows))
    more = tuple(row for row in other.mock.rows if identity(row) not in known)
    mock = dataclasses.replace(one.mock, rows=(*one.mock.rows, *more))
    reasons = (*one.reasons, *(remark for _ in more))
    head = (_first_line(mock.table or "", len(mock.rows)), *one.head[1:])
    text = render_mock(mock, head=head, remarks=reasons)
    return dataclasses.replace(one, mock=mock, text=text, reasons=reasons, head=head)


def _first_line(table: str, count: int) -> str:
    return f"{count} row{'' if count == 1 else 's'} of {table}, made by `dataflow mock create`."


def table_columns(environment: Environment, name: str, sessions: Sessions | None) -> tuple[SourceColumn, ...] | str:
    """Return a table's columns, or say why they can't be had.

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
        UsageError: It is there already, and nobody said to overwrite it; or it is a folder.
    """
    if file.is_dir():
        raise UsageError(f"{display_path(file)} is a folder", f"name a file: {display_path(file / 'mock.yaml')}")
    if file.exists() and not force:
        raise UsageError(f"{display_path(file)} is there already", "--force overwrites it")
