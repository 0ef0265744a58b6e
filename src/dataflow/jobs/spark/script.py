"""Running a script on Spark: a .sql file statement by statement, a .py file by its `main(args, spark)`."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError, display_path
from dataflow.jobs.context import ScriptServices
from dataflow.jobs.spark.modules import script_module
from dataflow.spark.column_errors import TypedMismatch, columns_differ, types_written
from dataflow.spark.errors import (
    hint_of,
    is_mistake,
    python_error_message,
    raise_ctrl_c,
    short_message,
    sql_position,
)
from dataflow.spark.plan_inspection import completed, parsed
from dataflow.tables.ddl_contract import ContractError, reconcile, table_name
from dataflow.tables.iceberg import exists, jvm
from dataflow.workflow import table_names
from dataflow.workflow.parameters import resolve_secrets, substitute
from dataflow.workflow.yamlfile import read_text

if TYPE_CHECKING:
    from py4j.java_gateway import JavaObject
    from pyspark.sql import DataFrame, SparkSession

_BLANK = r"(?:\s|--[^\n]*+|/\*.*?\*/)*+"
_LEADING = re.compile(_BLANK, re.S)
_BLOCK = re.compile(rf"{_BLANK}(?:\w+\s*:\s*)?BEGIN\b", re.I | re.S)
_BLOCK_END = re.compile(rf"\bEND(?:\s+\w+)?{_BLANK}$", re.I | re.S)


class _Unobserved:
    """Ignores what a script reports."""

    def note(self, text: str) -> None:
        """Ignore it."""

    def on_ddl(self, table: str, columns: Sequence[str]) -> None:
        """Ignore it."""


_UNOBSERVED = _Unobserved()


def run_script(
    spark: SparkSession,
    path: Path,
    params: Mapping[str, str],
    services: ScriptServices = _UNOBSERVED,
) -> None:
    """Run a script in a session, by the rules that hold in production and in unit tests alike.

    Args:
        spark: The session; what the script sets in it stays set.
        path: A .sql or .py file.
        params: Values for `${NAME}` in SQL, and the `args` of `main`, by name.
        services: Receives notes on changes of tables, and the columns that DDL declares.

    Raises:
        DataflowError: The script failed; the message names its file and line and the cause.
    """
    if path.suffix == ".sql":
        _run_sql(spark, path, params, services)
    else:
        _run_python(spark, path, params)


def split_statements(spark: SparkSession, text: str) -> Iterator[tuple[int, str]]:
    """Split a SQL script as `spark-sql -f` does; a `BEGIN … END` is one statement.

    Yields:
        The line, from 1, on which each statement begins, and its text without the semicolon.
    """
    splitter = jvm(spark).org.apache.spark.sql.catalyst.util.StringUtils
    found = splitter.splitSemiColonWithIndex(text, False)
    pieces, offset = [], 0
    for piece in (str(found.apply(i)) for i in range(found.size())):
        offset = text.index(piece, offset)
        pieces.append((offset, offset + len(piece)))
        offset += len(piece)
    while pieces:
        start, end = pieces.pop(0)
        if _BLOCK.match(text, start, end):
            end = _end_of_block(spark, text, start, [end, *(later for _, later in pieces)])
            pieces = [it for it in pieces if it[0] >= end]
        if text[start:end].strip():
            yield text.count("\n", 0, start) + 1, text[start:end]


def _end_of_block(spark: SparkSession, text: str, start: int, ends: Sequence[int]) -> int:
    """Return where a `BEGIN … END` ends: at the first semicolon before which Spark can parse it, else with the text."""
    for end in ends:
        if _BLOCK_END.search(text, start, end):
            with contextlib.suppress(Exception):
                parsed(spark, text[start:end])
                return end
    return ends[-1]


def _run_sql(spark: SparkSession, path: Path, params: Mapping[str, str], services: ScriptServices) -> None:
    source = read_text(path)
    for first_line, statement in split_statements(spark, substitute(source, params, where=path)):
        with errors_placed(path, source, first_line, statement):
            _run_statement(spark, resolve_secrets(statement), services)


@contextlib.contextmanager
def errors_placed(path: Path, source: str, first_line: int, statement: str) -> Iterator[None]:
    """Name the script and the line in the error of a statement.

    Args:
        path: The script.
        source: Its text.
        first_line: The line, from 1, on which the statement's text begins.
        statement: That text.

    Raises:
        DataflowError: The statement failed.
    """
    try:
        yield
    except (DataflowError, ContractError) as error:
        line = first_line + _line_within(statement)
        hint, permanent = getattr(error, "hint", None), getattr(error, "permanent", None)
        raise DataflowError(f"{display_path(path)}:{line}: {error}", hint, permanent=permanent) from error
    except Exception as error:
        raise _sql_failure(error, path, source, first_line, statement) from error


def _line_within(statement: str) -> int:
    """Return how many lines of blanks and comments are before a statement."""
    blank = _LEADING.match(statement)
    return statement.count("\n", 0, blank.end()) if blank else 0


def _sql_failure(error: Exception, path: Path, source: str, first_line: int, statement: str) -> DataflowError:
    """Return Spark's error with its position in the script."""
    lines, place = source.splitlines(), sql_position(error)
    where, shown = f":{first_line + _line_within(statement)}", ""
    if place is not None:
        line = first_line + place[0] - 1
        where = f":{line}:{place[1]}"
        shown = lines[line - 1].strip() if line <= len(lines) else ""  # an unfinished statement ends after the text
    quoted = f"\n    {shown}" if shown else ""
    message = f"{display_path(path)}{where}: {short_message(error)}{quoted}"
    return DataflowError(message, hint_of(error), permanent=is_mistake(error))


def _run_statement(spark: SparkSession, statement: str, services: ScriptServices) -> None:
    plan = parsed(spark, statement)
    if plan.nodeName() == "CreateTable" and plan.ignoreIfExists():
        name = table_names.joined(completed(spark, table_names.split(table_name(plan))))
        services.on_ddl(name, list(plan.tableSchema().fieldNames()))
        _create_or_reconcile(spark, statement, plan, services)
    else:  # commands and writes run at once; a query is only analysed
        try:
            query = spark.sql(statement)
        except Exception as error:
            if (differ := columns_differ(str(error))) is not None:
                raise TypedMismatch(differ, _types_written(spark, plan)) from error
            raise
        _trigger_lineage(query)


def _types_written(spark: SparkSession, plan: JavaObject) -> Mapping[str, str]:
    try:
        return types_written(spark, plan)
    except Exception:  # they only make a hint whole
        return {}


def _trigger_lineage(query: DataFrame) -> None:
    """Run a query for no rows, as lineage is reported of what runs alone; commands have run already."""
    if query._jdf.queryExecution().commandExecuted().nodeName() != "CommandResult":
        with contextlib.suppress(Exception):  # it was valid, and nobody asked for its rows
            query.limit(0).collect()


def _create_or_reconcile(spark: SparkSession, statement: str, plan: JavaObject, services: ScriptServices) -> None:
    name = table_name(plan)
    try:
        if not exists(spark, name):
            spark.sql(statement)
            return
    except Exception:  # Iceberg's JDBC catalog looks first and inserts later: another day may have come between
        if not exists(spark, name):
            raise
    for change in reconcile(spark, plan):
        services.note(change)


def _run_python(spark: SparkSession, path: Path, params: Mapping[str, str]) -> None:
    arguments = {name: resolve_secrets(value) for name, value in params.items()}
    try:
        with script_module(path) as module:
            main = getattr(module, "main", None)
            if main is None:
                raise DataflowError(
                    f"{display_path(path)} has no main",
                    "give it a function `main(args, spark)`: args are the parameters",
                )
            main(arguments, spark)
    except DataflowError:
        raise
    except BaseException as error:
        if isinstance(error, SystemExit) and not error.code:  # `sys.exit(0)`: success
            return
        raise_ctrl_c(error)
        raise DataflowError(
            python_error_message(error, path), hint_of(error, path), permanent=is_mistake(error)
        ) from error
