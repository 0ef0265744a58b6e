"""`dataflow table load`: files become a table, or rows of one; everything is checked before anything is written."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError, UsageError, display_path
from dataflow.files import sha256_of
from dataflow.loading import ddl
from dataflow.loading.chunks import BadRows, Reader
from dataflow.loading.convert import arrow_type
from dataflow.loading.embedded_tables import EmbeddedTables
from dataflow.loading.partition import Partition, partition_of
from dataflow.loading.readers import looks_like_a_file, readers_of
from dataflow.loading.scan import Column, Scan, Wanted, batches, scan
from dataflow.loading.spark_tables import spark_tables
from dataflow.loading.standing import Load, Mode, Standing, Tables
from dataflow.loading.target import target_table
from dataflow.report import Report, silent
from dataflow.tables.catalog import is_embedded
from dataflow.tables.properties import OWNER, PACKAGE, PACKAGE_ID
from dataflow.tables.schema.spark_types import SqlType, parse_type
from dataflow.wording import plural

if TYPE_CHECKING:
    import pyarrow as pa

    from dataflow.spark.guard import WriteScope
    from dataflow.workflow.project import Environment


@dataclass(frozen=True)
class Request:
    """What somebody asks for.

    Attributes:
        files: The files.
        table: The table, with or without its database.
        partition: By what a new table is partitioned.
        mode: What happens to a table that is there: `append`, `replace`; None where nobody said.
        types: The types of some columns, as NAME=TYPE.
        format: The files' format; by their names when None.
        delimiter: What stands between fields of CSV; seen in the file when None.
        skip_bad_rows: Whether good rows are loaded beside bad ones.
        write: Whether more than the sandbox may be written.
        ddl: Where the DDL goes; `ddl/<table>.sql` when None.
        dry_run: Whether to look only.
    """

    files: Sequence[Path]
    table: str
    partition: str | None = None
    mode: Mode | None = None
    types: Sequence[str] = ()
    format: str | None = None
    delimiter: str | None = None
    skip_bad_rows: bool = False
    write: bool = False
    ddl: Path | None = None
    dry_run: bool = False


@dataclass(frozen=True)
class Loaded:
    """What a load came to.

    Attributes:
        table: The table, with its database.
        outcome: `created`, `appended`, `replaced`; `unchanged` where the rows are there already, `dry run`.
        rows: How many rows were loaded.
        total: How many the table has now; None where nobody knows.
        columns: The columns that the files have.
        partition: The partitioning of a new table.
        ddl: The statement that makes the table; None where it was there.
        ddl_file: The file that has it; None where none was written.
        bad: The rows that were left out.
    """

    table: str
    outcome: str
    rows: int
    total: int | None
    columns: Sequence[Column]
    partition: str | None
    ddl: str | None
    ddl_file: Path | None
    bad: BadRows


def load(asked: Request, environment: Environment, report: Report = silent) -> Loaded:
    """Load files into a table.

    Args:
        asked: What is asked for.
        environment: Where the table is.
        report: Receives what takes a while.

    Raises:
        UsageError: The files or the options are not right, or rows are bad; nothing was loaded.
        DataflowError: The table may not be written, or can't be.
    """
    if looks_like_a_file(asked.table):
        raise UsageError(f"'{asked.table}' is a file; the table's name comes last", "dataflow table load FILE… TABLE")
    readers = readers_of(asked.files, asked.format, asked.delimiter)
    table, scope = target_table(environment, asked.table, write=asked.write)
    with contextlib.ExitStack() as stack:
        catalogs = _Catalogs(environment, scope, report, stack)
        standing = catalogs.first.look(table)
        checksums = _checksums(readers)
        if standing is not None and _is_loaded(asked, table, readers, checksums, standing):
            return Loaded(table, "unchanged", 0, standing.rows, (), None, None, None, BadRows())
        wanted = _wanted(asked, standing)
        found = scan(readers, wanted)
        if not found.rows or not asked.skip_bad_rows:
            _require_rows(readers, found)
        plan = _planned(asked, table, checksums, standing, found)
        text = ddl.ddl_text(table, plan.columns, plan.partition) if plan.makes_columns else None
        if not asked.dry_run:
            file = _written_ddl(asked, table, text)
            rows = _rows(readers, plan, wanted, found)
            catalogs.able_to(plan, standing).write(plan, rows)
        outcome = {"create": "created", "append": "appended", "replace": "replaced"}[plan.mode]
        before = standing.rows if standing is not None and plan.mode == "append" else 0
        return Loaded(
            table,
            "dry run" if asked.dry_run else outcome,
            found.rows,
            None if asked.dry_run or before is None else before + found.rows,
            found.columns,
            str(plan.partition) if plan.partition and plan.makes_columns else None,
            text,
            file if text is not None and not asked.dry_run else None,
            found.bad,
        )


def _checksums(readers: Sequence[Reader]) -> list[str]:
    """Return the checksum of each file.

    Raises:
        UsageError: Two files are the same.
    """
    found: dict[str, Path] = {}
    for reader in readers:
        checksum = sha256_of(reader.path)
        if (first := found.setdefault(checksum, reader.path)) != reader.path:
            raise UsageError(
                f"{display_path(reader.path)} holds just what {display_path(first)} holds", "load one of them"
            )
    return list(found)


class _Catalogs:
    """What writes: PyIceberg without a JVM where it can, Spark elsewhere, started when it is needed."""

    def __init__(
        self, environment: Environment, scope: WriteScope, report: Report, stack: contextlib.ExitStack
    ) -> None:
        self._environment = environment
        self._scope = scope
        self._report = report
        self._stack = stack

    @functools.cached_property
    def first(self) -> Tables:
        """What looks at tables."""
        return EmbeddedTables(self._environment) if is_embedded(self._environment) else self._spark

    @functools.cached_property
    def _spark(self) -> Tables:
        return self._stack.enter_context(spark_tables(self._environment, self._scope, self._report))

    def able_to(self, plan: Load, standing: Standing | None) -> Tables:
        """Return what can do a load: PyIceberg knows no days of moments, and can't replace a table's columns."""
        by_days = (plan.partition is not None and plan.partition.by_day) if plan.mode == "create" else False
        parts = standing.partition if standing is not None and not plan.reshaped else ()
        return self._spark if by_days or plan.reshaped or any("(" in part for part in parts) else self.first


def _is_loaded(
    asked: Request, table: str, readers: Sequence[Reader], checksums: Sequence[str], standing: Standing
) -> bool:
    """Say whether a table has the rows of all files already, unless they are to take the place of all others.

    Raises:
        DataflowError: It is a package's.
        UsageError: Nobody said what is to become of its rows, or it has those of some files.
    """
    if PACKAGE in standing.properties:
        whose = standing.properties.get(PACKAGE_ID, standing.properties[PACKAGE])
        raise DataflowError(
            f"table {table} belongs to package {whose} of {standing.properties.get(OWNER, 'an unknown owner')}",
            "its workflow writes it: load into a table of another name",
            permanent=True,
        )
    there = [reader for reader, checksum in zip(readers, checksums, strict=True) if checksum in standing.loaded]
    if asked.mode != "replace" and len(there) == len(readers):
        return True
    if asked.mode is None:
        rows = "" if standing.rows is None else f", with {plural(standing.rows, 'row')}"
        raise UsageError(
            f"table {table} is there already{rows}; nothing was loaded",
            "--append adds these rows to it, --replace puts them in the place of all it has",
        )
    if asked.mode == "append" and there:
        raise UsageError(
            f"{display_path(there[0].path)} is in {table} already; nothing was loaded",
            "leave it out; or put all files in the place of what the table has: --replace",
        )
    return False


def _wanted(asked: Request, standing: Standing | None) -> Wanted:
    """Return what is known of the columns: what the table says that they are added to, else what the user says.

    Raises:
        UsageError: It is not a type, or the table says already.
    """
    types = dict(map(_declared, asked.types))
    if asked.mode != "append" or standing is None:
        return Wanted(types)
    if types or asked.partition:
        option = "--type" if types else "--partition"
        raise UsageError(
            f"{option} is for a new table; --append keeps what the table has", "leave it out, or --replace"
        )
    return Wanted(standing.types, standing.required, all=True)


def _declared(text: str) -> tuple[str, SqlType]:
    name, equals, type_ = text.partition("=")
    try:
        if not (name and equals):
            raise ValueError("write it as NAME=TYPE")
        return name, parse_type(type_)
    except ValueError as error:
        raise UsageError(f"--type {text}: {error}", "for example --type zip=string") from None


def _require_rows(readers: Sequence[Reader], found: Scan) -> None:
    found.bad.require_none()
    if not found.rows:
        where = display_path(readers[0].path) if len(readers) == 1 else plural(len(readers), "file")
        raise UsageError(f"there are no rows in {where}; nothing was loaded")


def _planned(asked: Request, table: str, checksums: Sequence[str], standing: Standing | None, found: Scan) -> Load:
    """Return what is to be done."""
    if standing is None:
        return Load(table, found.columns, partition_of(asked.partition, found.columns), "create", False, checksums)
    if asked.mode == "append":
        columns = [Column(name, type_) for name, type_ in standing.types.items()]
        return Load(table, columns, None, "append", False, checksums)
    partition = partition_of(asked.partition, found.columns) or _kept(standing, found.columns)
    parts = (str(partition),) if partition else ()
    types = {column.name: arrow_type(column.type) for column in found.columns}
    same = types == {name: arrow_type(type_) for name, type_ in standing.types.items()}
    same = same and (parts == standing.partition or not asked.partition) and not standing.required
    by_name = {column.name: column for column in found.columns}
    columns = [by_name[name] for name in (standing.types if same else by_name)]  # its own order, where they stay
    return Load(table, columns, partition, "replace", not same, checksums)


def _kept(standing: Standing, columns: Sequence[Column]) -> Partition | None:
    """Return the partitioning that a table has, where its new columns have it as well."""
    for column in columns:
        for by_day in (False, True):
            found = Partition(column.name, by_day)
            if standing.partition == (str(found),) and (not by_day or column.type.name.startswith("timestamp")):
                return found
    return None


def _written_ddl(asked: Request, table: str, text: str | None) -> Path | None:
    if text is None:
        return None
    file = asked.ddl or ddl.default_file(Path.cwd(), table)
    if ddl.require_free(file, text):
        ddl.write(file, text)
    return file


def _rows(readers: Sequence[Reader], plan: Load, wanted: Wanted, found: Scan) -> Iterator[pa.RecordBatch]:
    """Yield the rows, and make sure at the end that they are those that were looked at.

    Raises:
        DataflowError: They are not.
    """
    rows, bad = 0, BadRows()
    for batch in batches(readers, plan.columns, wanted, bad):
        rows += batch.num_rows
        yield batch
    if (rows, bad.count) != (found.rows, found.bad.count):
        raise DataflowError("the files changed while they were read; nothing was loaded", "load them once more")
