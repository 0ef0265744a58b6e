"""Audits in the user's own SQL or Python."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError, did_you_mean, display_path
from dataflow.jobs.audit.results import AuditedRows, AuditResult, sample
from dataflow.jobs.spark.modules import script_module
from dataflow.sail.judgement import SparkDecides
from dataflow.spark.errors import hint_of, python_error_message, raise_ctrl_c, short_message, sql_position
from dataflow.wording import plural
from dataflow.workflow.parameters import resolve_secrets, substitute
from dataflow.workflow.yamlfile import read_text

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from dataflow.workflow.audits import PythonAudit, SqlAudit


@dataclass(frozen=True)
class CustomAuditContext:
    """What a custom audit may use.

    Attributes:
        spark: The session.
        rows: The rows under audit.
        folder: The folder that scripts are named from.
        params: The run's parameters.
    """

    spark: SparkSession
    rows: AuditedRows
    folder: Path
    params: Mapping[str, str]

    @property
    def frame(self) -> DataFrame:
        """The rows under audit."""
        return self.spark.sql(f"SELECT * FROM {self.rows.source}")


def sql_audit(audit: SqlAudit, context: CustomAuditContext) -> AuditResult:
    """Run a query that should return no rows.

    Raises:
        DataflowError: The query can't run; the message names the audit, the line and the cause.
    """
    view = f"dataflow_audited_{uuid.uuid4().hex}"  # `${AUDITED}` stands without quotes, so its name needs none
    context.frame.createTempView(view)
    text, where = _query(audit, context.folder)
    try:
        query = substitute(text, {**context.params, "AUDITED": view}, where=where)
        found = context.spark.sql(resolve_secrets(query))
        count = found.count()
        rows = sample(found) if count else ()
    except (DataflowError, SparkDecides):
        raise
    except Exception as error:
        line = ":".join(map(str, sql_position(error) or ()))
        message = short_message(error).replace(view, "${AUDITED}")
        problem = f"audit {audit.label}, {display_path(where)}:{line}: {message}"
        raise DataflowError(problem, hint_of(error)) from error
    finally:
        context.spark.catalog.dropTempView(view)
    finding = f"the query returns {plural(count, 'row')}"
    return AuditResult(audit.label, audit.function, audit.blocking, count == 0, count, "0", finding, rows)


def python_audit(audit: PythonAudit, context: CustomAuditContext) -> AuditResult:
    """Call a function that should return 0.

    Raises:
        DataflowError: It doesn't exist, raised an exception, or returned something other than a number.
    """
    script = context.folder / audit.script
    args = {name: resolve_secrets(value) for name, value in context.params.items()}
    try:
        with script_module(script) as module:
            function = getattr(module, audit.callable, None)
            if function is None:
                own = [name for name, value in vars(module).items() if callable(value) and name[0] != "_"]
                near = did_you_mean(audit.callable, own)
                raise DataflowError(f"audit {audit.label}: {display_path(script)} has no {audit.callable}(){near}")
            figure = function(context.frame, args)
    except (DataflowError, SparkDecides):
        raise
    except BaseException as error:
        raise_ctrl_c(error)
        raise DataflowError(
            f"audit {audit.label}, {python_error_message(error, script)}", hint_of(error, script)
        ) from error
    if isinstance(figure, bool) or not isinstance(figure, int | float):
        raise DataflowError(
            f"audit {audit.label}: {audit.callable}() in {display_path(script)} returned {figure!r}",
            "return the number of failing rows: 0 passes",
        )
    finding = f"{audit.callable}() returns {figure:.15g}"
    return AuditResult(audit.label, audit.function, audit.blocking, figure == 0, figure, "0", finding)


def _query(audit: SqlAudit, folder: Path) -> tuple[str, Path]:
    """Return the query's text, and what messages call it: the script, or `sql`."""
    if audit.script is None:
        return str(audit.sql), Path("sql")
    return read_text(folder / audit.script), folder / audit.script
