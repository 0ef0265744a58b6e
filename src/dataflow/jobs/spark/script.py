"""Running a script on Spark: a .sql file statement by statement, a .py file by its `main(args, spark)`."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError, display_path
from dataflow.jobs.spark.modules import loaded
from dataflow.spark.errors import hint_of, in_python, is_mistake, message_of, place_of, raise_ctrl_c
from dataflow.spark.statements import completed, parsed
from dataflow.tables.ddl_contract import ContractError, reconcile, table_name
from dataflow.tables.iceberg import exists, jvm
from dataflow.workflow import table_names
from dataflow.workflow.parameters import resolve_secrets, substitute
from dataflow.workflow.yamlfile import read_text

if TYPE_CHECKING:
    from py4j.java_gateway import JavaObject
    from pyspark.sql import DataFrame, SparkSession

Report = Callable[[str], None]
Declares = Callable[[str, Sequence[str]], None]

_BLANK = r"(?:\s|--[^\n]*+|/\*.*?\*/)*+"
_BLOCK = re.compile(rf"{_BLANK}(?:\w+\s*:\s*)?BEGIN\b", re.I | re.S)
_BLOCK_END = re.compile(rf"\bEND(?:\s+\w+)?{_BLANK}$", re.I | re.S)


def run_script(
    spark: SparkSession,
    path: Path,
    params: Mapping[str, str],
    report: Report = lambda _: None,
    declares: Declares = lambda _table, _columns: None,
) -> None:
    """Run a script in a session, by the rules that hold in production and in unit tests alike.

    Args:
        spark: The session; what the script sets in it stays set.
        path: A .sql or .py file.
        params: Values for `${NAME}` in SQL, and what `main` gets as `args`, by name.
        report: Told what was done to a table on the way, a line each.
        declares: Told which columns a DDL says that a table has.

    Raises:
        DataflowError: The script failed; the message names its file and line and the cause.
    """
    if path.suffix == ".sql":
        _run_sql(spark, path, params, report, declares)
    else:
        _run_python(spark, path, params)


def statements(spark: SparkSession, text: str) -> Iterator[tuple[int, str]]:
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


def _run_sql(spark: SparkSession, path: Path, params: Mapping[str, str], report: Report, declares: Declares) -> None:
    source = read_text(path)
    for first_line, statement in statements(spark, substitute(source, params, where=path)):
        with errors_placed(path, source, first_line, statement):
            _run_statement(spark, resolve_secrets(statement), report, declares)


@contextlib.contextmanager
def errors_placed(path: Path, source: str, first_line: int, statement: str) -> Iterator[None]:
    """Say of what goes wrong with a statement where in its script that is.

    Args:
        path: The script.
        source: What stands in it.
        first_line: The line, from 1, on which the statement's text begins.
        statement: That text.

    Raises:
        DataflowError: What went wrong.
    """
    try:
        yield
    except (DataflowError, ContractError) as error:
        body = statement[: len(statement) - len(statement.lstrip())]
        line = first_line + body.count("\n")
        raise DataflowError(f"{display_path(path)}:{line}: {error}", getattr(error, "hint", None)) from error
    except Exception as error:
        raise _sql_failure(error, path, source, first_line) from error


def _sql_failure(error: Exception, path: Path, source: str, first_line: int) -> DataflowError:
    """Say where in a script Spark's error is, and what it says."""
    lines, place = source.splitlines(), place_of(error)
    where, shown = f":{first_line}", ""
    if place is not None:
        line = first_line + place[0] - 1
        where = f":{line}:{place[1]}"
        shown = lines[line - 1].strip() if line <= len(lines) else ""  # an unfinished statement ends after the text
    quoted = f"\n    {shown}" if shown else ""
    told = f"{display_path(path)}{where}: {message_of(error)}{quoted}"
    return DataflowError(told, hint_of(error), permanent=is_mistake(error))


def _run_statement(spark: SparkSession, statement: str, report: Report, declares: Declares) -> None:
    plan = parsed(spark, statement)
    if plan.nodeName() == "CreateTable" and plan.ignoreIfExists():
        name = table_names.joined(completed(spark, table_names.split(table_name(plan))))
        declares(name, list(plan.tableSchema().fieldNames()))
        _create_or_reconcile(spark, statement, plan, report)
    else:  # commands and writes run at once; a query is only analysed
        _be_heard(spark.sql(statement))


def _be_heard(found: DataFrame) -> None:
    """Run a query that nobody looks at for no rows: lineage hears only of what runs."""
    if found._jdf.queryExecution().commandExecuted().nodeName() != "CommandResult":
        with contextlib.suppress(Exception):  # it was right, as far as anybody asked
            found.limit(0).collect()


def _create_or_reconcile(spark: SparkSession, statement: str, plan: JavaObject, report: Report) -> None:
    name = table_name(plan)
    try:
        if not exists(spark, name):
            spark.sql(statement)
            return
    except Exception:  # Iceberg's JDBC catalog looks first and inserts later: another day may have come between
        if not exists(spark, name):
            raise
    for change in reconcile(spark, plan):
        report(change)


def _run_python(spark: SparkSession, path: Path, params: Mapping[str, str]) -> None:
    arguments = {name: resolve_secrets(value) for name, value in params.items()}
    try:
        with loaded(path) as module:
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
        if isinstance(error, SystemExit) and not error.code:  # `sys.exit(0)`: it says that all is well
            return
        raise_ctrl_c(error)
        raise DataflowError(in_python(error, path), hint_of(error, path), permanent=is_mistake(error)) from error
