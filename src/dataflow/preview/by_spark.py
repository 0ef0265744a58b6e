"""A preview by Spark: the scripts write into a table of the same name in a catalog that lives in memory, and ends.

Whatever language and statements they have, the catalog's guard lets them write there and nowhere else.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from dataflow.errors import DataflowError
from dataflow.jobs.audit import AuditedRows, run_audits
from dataflow.jobs.spark import ddl_line
from dataflow.jobs.spark.script import run_script
from dataflow.preview.difference import compare
from dataflow.preview.model import Preview, PreviewRequest
from dataflow.spark.column_errors import mismatch_of
from dataflow.spark.config import PREVIEWS, is_local
from dataflow.spark.guard import WriteScope, scoped_session
from dataflow.tables.iceberg import create_namespace, exists, load, quoted
from dataflow.tables.partition import partition_of
from dataflow.tables.publications import row_history
from dataflow.tables.quoting import column_name
from dataflow.tables.schema.transforms import transform_of
from dataflow.workflow import table_names

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from dataflow.preview.model import Difference
    from dataflow.preview.target import PreviewedWrite
    from dataflow.tables.partition import Partition
    from dataflow.workflow.project import Environment
    from dataflow.workflow.resolved import DeclaredScript


def environment_of(environment: Environment) -> Environment:
    """Return an environment whose Spark runs on this machine: tables in memory are not shared."""
    here = {} if is_local(environment.spark) else {"spark.master": "local[*]"}
    return dataclasses.replace(environment, spark={**environment.spark, **here})


def preview_write(spark: SparkSession, write: PreviewedWrite, wanted: PreviewRequest) -> Preview:
    """Preview what a template's write would bring.

    Args:
        spark: A session on the environment that `environment_of` returns.
        write: The template.
        wanted: What is asked for.

    Raises:
        DataflowError: A script fails, or writes anywhere else.
    """
    parts = table_names.without_catalog(write.table, write.workflow.environment.catalog_name)
    ours = table_names.joined((PREVIEWS, *parts))
    with _only_there(spark, write) as session, _under_its_name(ours, write):
        _create(session, write, ours)
        for script in write.scripts:
            run_script(session, script.path, write.with_table(script.params, ours))
        partition = partition_of(session, load(session, ours), write.template.partition)
        found = _found(session, write, wanted, ours, partition)
        session.sql(f"DROP TABLE {quoted(ours)} PURGE")
        return found


def preview_step(spark: SparkSession, script: DeclaredScript, wanted: PreviewRequest, write: PreviewedWrite) -> Preview:
    """Show the rows of a CTE; raises as `preview_write` does."""
    from dataflow.testing.cte_rows import cte_rows

    step = str(wanted.step)
    with _only_there(spark, write) as session:
        frame = cte_rows(session, script.path, step, {}, script.params)
        rows, total = _first(frame, wanted.limit)
        return Preview(script.job, script.path, "spark", frame.columns, rows, total, step=step)


@contextlib.contextmanager
def _only_there(spark: SparkSession, write: PreviewedWrite) -> Iterator[SparkSession]:
    """Lend a session that writes into the catalog in memory alone."""
    scope = WriteScope(
        "database",
        PREVIEWS,
        write.workflow.environment.name,
        reason="a preview writes nothing",
        hint="a preview is about what the step writes into its table",
    )
    with scoped_session(spark, scope) as session:
        yield session


@contextlib.contextmanager
def _under_its_name(ours: str, write: PreviewedWrite) -> Iterator[None]:
    """Call the table in messages what the definition calls it, and say which line its DDL lacks."""
    table = write.table
    try:
        yield
    except DataflowError as error:
        if (mismatch := mismatch_of(error)) is not None:
            differ = dataclasses.replace(mismatch[0], table=table)
            error.hint = ddl_line.advice(write.workflow, differ, mismatch[1]) or error.hint
        told = {quoted(ours): table, ours: table, f"outside {PREVIEWS}, the catalog of": "not previewed in"}
        for name, said in told.items():
            error.message = error.message.replace(name, said)
            error.hint = error.hint and error.hint.replace(name, said)
        raise


def _create(session: SparkSession, write: PreviewedWrite, ours: str) -> None:
    """Create the table as a run would find it: as it is, in line with its DDL; with its rows where those are kept."""
    create_namespace(session, table_names.joined(table_names.split(ours)[:-1]))
    is_there = exists(session, write.table)
    if is_there:
        _copy_columns(session, write.table, ours)
    for ddl in write.ddl:
        run_script(session, ddl.path, write.with_table(ddl.params, ours))
    if not exists(session, ours):
        raise DataflowError(
            f"there is no table {write.table}, and no DDL of the workflow creates it",
            "a preview needs its columns: add a job whose script is its CREATE TABLE",
        )
    if is_there and write.template.existing == "keep":
        partition = partition_of(session, load(session, ours), write.template.partition)
        where = f"WHERE true AND ({partition.where})"
        session.sql(f"INSERT INTO {quoted(ours)} BY NAME SELECT * FROM {quoted(write.table)} {where}")


def _copy_columns(session: SparkSession, table: str, ours: str) -> None:
    columns = [
        f"{column_name(it.name)} {it.dataType.simpleString()}{'' if it.nullable else ' NOT NULL'}"
        for it in session.table(quoted(table)).schema.fields
    ]
    spec = load(session, table).spec()
    schema = load(session, table).schema()
    fields = [spec.fields().get(i) for i in range(spec.fields().size())]
    transforms = [
        transform_of(str(it.transform().toString()), quoted(str(schema.findColumnName(it.sourceId()))))
        for it in fields
        if str(it.transform().toString()) != "void"
    ]
    by = f" PARTITIONED BY ({', '.join(transforms)})" if transforms else ""
    session.sql(f"CREATE TABLE {quoted(ours)} ({', '.join(columns)}) USING iceberg{by}")


def _found(
    session: SparkSession, write: PreviewedWrite, wanted: PreviewRequest, ours: str, partition: Partition
) -> Preview:
    frame = session.table(quoted(ours))
    own = {it.lower(): it for it in frame.columns}
    order = [own[it.lower()] for it in write.key if it.lower() in own]
    rows, total = _first(frame.orderBy(*map(column_name, order)) if order else frame, wanted.limit)
    inside = frame.where(partition.where).count()

    @contextlib.contextmanager
    def reader(_: object) -> Iterator[SparkSession]:
        yield session

    longest = max((audit.history_runs for audit in write.template.audits), default=0)
    is_there = exists(session, write.table)
    audits = run_audits(
        session,
        AuditedRows(quoted(ours), partition.where),
        write.template.audits,
        folder=write.workflow.folder,
        params=write.with_table(write.workflow.script_params, ours),
        history=row_history(session, write.table, partition, longest) if is_there and longest else [],
        session=reader,
    )
    return Preview(
        write.job,
        write.scripts[-1].path,
        "spark",
        frame.columns,
        rows,
        total,
        table=write.table,
        partition=partition.label,
        outside=total - inside,
        audits=tuple(audits),
        difference=_difference(session, write, ours, partition) if is_there else None,
    )


def _difference(session: SparkSession, write: PreviewedWrite, ours: str, partition: Partition) -> Difference:
    columns = session.table(quoted(ours)).columns
    have = {it.lower() for it in session.table(quoted(write.table)).columns}
    both = [it for it in columns if it.lower() in have]
    added = [it for it in columns if it.lower() not in have]
    return compare(session, quoted(ours), quoted(write.table), partition.where, write.key, both, added)


def _first(frame: DataFrame, limit: int) -> tuple[list[Any], int]:
    rows = frame.limit(limit + 1).collect()
    return rows[:limit], len(rows) if len(rows) <= limit else frame.count()
