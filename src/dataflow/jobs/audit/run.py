"""Running audits: those that count rows in one pass, then custom ones in SQL or Python one by one."""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from dataflow.errors import DataflowError
from dataflow.jobs.audit.custom import CustomAuditContext, python_audit, sql_audit
from dataflow.jobs.audit.results import AuditedRows, AuditResult, sample
from dataflow.jobs.audit.table_rows import TableRows
from dataflow.sail.judgement import SparkDecides
from dataflow.spark.errors import short_message
from dataflow.spark.guard import READING, WriteScope, scoped_session
from dataflow.workflow.audits import Audit, PythonAudit, RowAudit, SqlAudit

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from dataflow.workflow.audits.base import AuditQuery


def run_audits(
    spark: SparkSession,
    rows: AuditedRows,
    audits: Sequence[Audit],
    *,
    folder: Path,
    params: Mapping[str, str],
    history: Sequence[int],
    session: Callable[[WriteScope], AbstractContextManager[SparkSession]] | None = None,
) -> list[AuditResult]:
    """Run audits.

    Args:
        spark: The engine's session, or one on Sail.
        rows: The rows under audit.
        audits: What to check.
        folder: The folder that scripts are named from.
        params: The run's parameters, for custom SQL and Python.
        history: Row counts of the last published runs, newest first.
        session: Opens the session of custom SQL and Python, which only reads; one beside `spark` if omitted.

    Returns:
        A result for each audit, in their order; failing ones are results too.

    Raises:
        DataflowError: An audit can't be run as it is written; the message names it.
        SparkDecides: The session is Sail's, and only Spark may answer.
    """
    counting = [audit for audit in audits if isinstance(audit, RowAudit)]
    results = iter(_count(spark, rows, counting, history) if counting else ())
    found = []
    with contextlib.ExitStack() as lent:

        @functools.cache
        def context() -> CustomAuditContext:
            reader = lent.enter_context((session or functools.partial(scoped_session, spark))(READING))
            return CustomAuditContext(reader, rows, folder, params)

        for audit in audits:
            match audit:
                case RowAudit():
                    found.append(next(results))
                case SqlAudit():
                    found.append(sql_audit(audit, context()))
                case PythonAudit():
                    found.append(python_audit(audit, context()))
                case _:
                    assert_never(audit)
    return found


def _count(
    spark: SparkSession, rows: AuditedRows, audits: Sequence[RowAudit], history: Sequence[int]
) -> list[AuditResult]:
    """Count for all audits in one statement; look for rows to blame where an audit fails."""
    try:
        schema = spark.table(rows.table).schema
        queries = [audit.query(TableRows(audit.label, rows, schema, history)) for audit in audits]
        counted_as = [count for query in queries for count in query.counts]
        expressions = ", ".join(f"{count} AS c{i}" for i, count in enumerate(counted_as))
        counted = spark.sql(f"SELECT {expressions} FROM {rows.source}").collect()[0]
        counts = iter([int(count) for count in counted])
        return [
            _result(spark, audit, query, list(itertools.islice(counts, len(query.counts))))
            for audit, query in zip(audits, queries, strict=True)
        ]
    except (DataflowError, SparkDecides):
        raise
    except Exception as error:
        names = ", ".join(audit.label for audit in audits)
        raise DataflowError(f"can't audit {rows.table} ({names}): {short_message(error)}") from error


def _result(spark: SparkSession, audit: RowAudit, query: AuditQuery, counts: Sequence[int]) -> AuditResult:
    verdict = query.judge(counts)
    blamed = () if verdict.passed or query.offending is None else sample(spark.sql(query.offending))
    return AuditResult(
        audit.label,
        audit.function,
        audit.blocking,
        verdict.passed,
        verdict.figure,
        verdict.expected,
        verdict.finding,
        blamed,
        None if verdict.passed else query.offending,
    )
