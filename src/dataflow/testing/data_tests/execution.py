"""Running one test of a `*.test.yaml` file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.jobs.spark.script import errors_placed
from dataflow.testing.assertions import CompareOptions
from dataflow.testing.data_tests.definition import DataTest, ExpectedTable, GivenTable
from dataflow.testing.row_diff import mock_rows
from dataflow.workflow.parameters import PARAMETER_NAME

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from dataflow.testing.fixture import Dataflow


def run_test(test: DataTest, bench: Dataflow) -> None:
    """Run a test.

    Raises:
        AssertionError: The rows of one or more tables are not as expected; the message shows how, table by table.
        DataflowError: The script failed, or something in the test's files is wrong.
    """
    tables = {key: _give(key, rows, bench, step=key in test.steps) for key, rows in test.given.items()}
    params = {
        **test.params,
        **{key: name for key, name in tables.items() if key not in test.steps and PARAMETER_NAME.fullmatch(key)},
    }
    bench.freeze(now=test.now, seed=test.seed)
    given = {key: name for key, name in tables.items() if key in test.steps}
    frames: dict[str, str | DataFrame] = {}
    for key in test.expect:
        if key in test.steps:
            frames[key] = bench.rows_of(test.script, key, given=given, **params)
    if written := [key for key in test.expect if key not in test.steps]:
        bench.run_script(test.script, **params)
        frames.update({key: tables[key] for key in written})
    problems = [_compare(key, frames[key], rows, test.script, bench) for key, rows in test.expect.items()]
    if found := list(filter(None, problems)):
        raise AssertionError("\n\n".join(found))


def _give(key: str, rows: GivenTable, bench: Dataflow, *, step: bool) -> str:
    """Create a given table, and return its name for the script."""
    own_name = not step and not PARAMETER_NAME.fullmatch(key)
    if rows.ddl is None:
        mock = rows.read()
        assert mock is not None  # noqa: S101  # what has no DDL has rows: the file was checked
        return bench.given_as(key, mock) if own_name else bench.given(mock)
    table = bench.given_as(key, None, rows.ddl) if own_name else bench.table(rows.ddl)
    if mock := rows.read(_types(bench.spark.table(table))):
        bench.insert(table, mock)
    return table


def _compare(key: str, table: str | DataFrame, expected: ExpectedTable, script: Path, bench: Dataflow) -> str:
    """Return how a table differs from the expected rows; empty when it does not."""
    frame = bench.spark.table(table) if isinstance(table, str) else table
    options = CompareOptions(expected.key, expected.tolerance, expected.columns, key)
    mock = None if expected.mock is not None else expected.read(_types(frame))
    with errors_placed(script, script.read_text("utf-8"), 1, ""):
        if expected.mock is not None:
            return bench.check.mock(frame, expected.mock, options)
        assert mock is not None  # noqa: S101  # expected rows always have rows: the file was checked
        return bench.check.rows(frame, mock_rows(mock, "the expected rows"), options)


def _types(frame: DataFrame) -> Mapping[str, str]:
    from dataflow.mocks.scan_spark import ddl_of

    # Of two columns of one name the first is taken here: the comparison reports both.
    fields = {field.name.lower(): field for field in reversed(frame.schema.fields)}
    return {field.name: ddl_of(field.dataType) for field in reversed(fields.values())}
