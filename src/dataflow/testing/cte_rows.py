"""The rows of one CTE of a SQL script, without running what the script writes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.errors import DefinitionError, Problem
from dataflow.jobs.spark.script import errors_placed, split_statements
from dataflow.spark.plan_inspection import changes, parsed
from dataflow.testing.ctes import find_cte, query_of
from dataflow.workflow.parameters import resolve_secrets, substitute
from dataflow.workflow.yamlfile import is_file, read_text, unreadable

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession


def cte_rows(
    spark: SparkSession, script: Path, name: str, given: Mapping[str, str], params: Mapping[str, str]
) -> DataFrame:
    """Return the rows of one CTE of a SQL script.

    What the script does before, such as making a view, is done as well if it ends with the session; writes are not.

    Args:
        spark: The session.
        script: A .sql file.
        name: The CTE, or a path such as `outer.inner`.
        given: Tables that replace CTEs before it, by the CTEs' names.
        params: Values for the script's parameters; only those that are needed have to be there.

    Raises:
        DataflowError: The script or the CTE is not there, or Spark can't run it.
    """
    if script.suffix != ".sql" or not is_file(script):
        wrong = "only a .sql script has CTEs" if is_file(script) else unreadable(script)
        raise DefinitionError([Problem(script, 1, 1, wrong)])
    source = read_text(script)
    cte = find_cte(source, name, script)
    before = source[: cte.statement]
    for first_line, statement in split_statements(spark, substitute(before, params, where=script)):
        with errors_placed(script, source, first_line, statement):
            if not [*changes(spark, parsed(spark, statement))]:
                spark.sql(resolve_secrets(statement))
    query = substitute(query_of(source, cte, given, script), params, where=script)
    with errors_placed(script, source, 1, query):
        return spark.sql(resolve_secrets(query))
