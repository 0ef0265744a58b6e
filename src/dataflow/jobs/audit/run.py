"""Running audits: all declared ones in one pass over the rows, then the user's own one by one."""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError
from dataflow.jobs.audit.custom import Bench, python_audit, sql_audit
from dataflow.jobs.audit.results import AuditResult, Rows, name_of, sample
from dataflow.jobs.audit.rules import Check, Rule, Scope
from dataflow.spark.errors import short_message
from dataflow.spark.guard import READING, WriteScope, scoped_session
from dataflow.workflow.audit_models import Audit, PythonAudit, SqlAudit

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def run_audits(
    spark: SparkSession,
    rows: Rows,
    audits: Sequence[Audit],
    *,
    folder: Path,
    params: Mapping[str, str],
    history: Sequence[int],
    session: Callable[[WriteScope], AbstractContextManager[SparkSession]] | None = None,
) -> list[AuditResult]:
    """Run audits.

    Args:
        spark: The engine's session.
        rows: The rows under audit.
        audits: What to check.
        folder: The folder that scripts are named from.
        params: The run's parameters, for SQL and Python of the user's own.
        history: Row counts of the last published runs, newest first.
        session: Lends people's own SQL and Python a session of theirs, which only reads; one beside `spark` if omitted.

    Returns:
        A result for each audit, in their order; failing ones are results too.

    Raises:
        DataflowError: An audit can't be run as it is written; the message names it.
    """
    declared = [audit for audit in audits if not isinstance(audit, SqlAudit | PythonAudit)]
    results = iter(_run_declared(spark, rows, declared, history) if declared else ())
    found = []
    with contextlib.ExitStack() as lent:
        bench: Bench | None = None
        for audit in audits:
            if isinstance(audit, SqlAudit | PythonAudit) and bench is None:
                reader = lent.enter_context((session or functools.partial(scoped_session, spark))(READING))
                bench = Bench(reader, rows, folder, params)
            match audit:
                case SqlAudit() if bench:
                    found.append(sql_audit(audit, bench))
                case PythonAudit() if bench:
                    found.append(python_audit(audit, bench))
                case _:
                    found.append(next(results))
    return found


def _run_declared(spark: SparkSession, rows: Rows, audits: Sequence[Rule], history: Sequence[int]) -> list[AuditResult]:
    """Count for all audits in one statement; look for rows to blame where an audit fails."""
    try:
        scope = Scope(rows, spark.table(rows.table).schema, history)
        checks = [scope.check(audit) for audit in audits]
        expressions = ", ".join(count for check in checks for count in check.counts)
        counted = spark.sql(f"SELECT {expressions} FROM {rows.source}").collect()[0]
        counts = iter([int(count) for count in counted])
        return [_judged(spark, check, list(itertools.islice(counts, len(check.counts)))) for check in checks]
    except DataflowError:
        raise
    except Exception as error:
        names = ", ".join(map(name_of, audits))
        raise DataflowError(f"can't audit {rows.table} ({names}): {short_message(error)}") from error


def _judged(spark: SparkSession, check: Check, counts: Sequence[int]) -> AuditResult:
    audit, verdict = check.audit, check.judge(counts)
    blamed = () if verdict.passed or check.offending is None else sample(spark.sql(check.offending))
    return AuditResult(
        name_of(audit),
        audit.function,
        audit.blocking,
        verdict.passed,
        verdict.figure,
        verdict.expected,
        verdict.finding,
        blamed,
    )
