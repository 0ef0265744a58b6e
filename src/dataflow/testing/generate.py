"""A new test of a script, from mocks of what it reads and what it makes of them today."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dataflow.errors import DataflowError
from dataflow.mocks.arrow import rows_of
from dataflow.mocks.create import MockResult
from dataflow.mocks.model import Mock
from dataflow.mocks.row_selection import sort_key
from dataflow.mocks.values_sql import to_values_sql
from dataflow.mocks.workflow_sources import Transformation
from dataflow.mocks.write import render_mock
from dataflow.mocks.yaml_text import name_text, quoted
from dataflow.workflow import table_names

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass(frozen=True)
class TestPaths:
    """Where the files of a test go.

    Attributes:
        test: The test.
        mocks: A mock for each source.
        expected: The rows that are expected.
    """

    test: Path
    mocks: Mapping[str, Path]
    expected: Path

    def all(self) -> list[Path]:
        """Return all of them."""
        return [self.test, *self.mocks.values(), self.expected]


def paths_of_test(found: Transformation) -> TestPaths:
    """Return the paths of a new test's files: the test beside its script, all else in a folder of the mocks."""
    package = found.workflow.folder
    src = package / "src" / "mocks"
    mocks = (src if src.parent.is_dir() else package / "mocks") / found.name
    test = found.script.parent / f"{found.name}.test.yaml"
    return TestPaths(test, {table: mocks / f"{table}.yaml" for table in found.sources}, mocks / "expected.yaml")


def current_rows(
    found: Transformation, mocks: Mapping[str, MockResult], report: Callable[[str], None] = lambda _: None
) -> Mock:
    """Run a script on mocks, in a catalog that nothing else can see, and return what it writes.

    Raises:
        DataflowError: It fails on them.
    """
    from dataflow.home import subfolder
    from dataflow.testing.session import small_session

    log = subfolder("logs") / "mock.log"
    with small_session(log, report) as spark:
        return _run(spark, found, mocks)


def _run(spark: SparkSession, found: Transformation, mocks: Mapping[str, MockResult]) -> Mock:
    from dataflow.jobs.spark.script import run_script
    from dataflow.mocks.scan_spark import spark_columns
    from dataflow.tables.iceberg import create_namespace

    target = "expected.target"
    given: dict[str, str] = {**found.params, str(found.target_param): target}
    for i, (table, parameter) in enumerate(found.sources.items()):
        name = table if parameter is None else f"given.source_{i}"
        create_namespace(spark, table_names.joined(table_names.split(name)[:-1]))
        spark.sql(f"CREATE TABLE {table_names.quoted(name)} USING iceberg AS {to_values_sql(mocks[table].mock)}")
        if parameter is not None:
            given[parameter] = name
    spark.sql("CREATE NAMESPACE IF NOT EXISTS expected")
    builtins = {f"dataflow.{name}": value for name, value in found.workflow.builtins.items()}
    run_script(spark, Path(str(found.ddl)), {**builtins, **found.workflow.params, **given, "TARGET_TABLE": target})
    try:
        run_script(spark, found.script, {**builtins, **given})
    except DataflowError as error:
        raise DataflowError(f"it fails on the mocks: {error.message}", error.hint) from error
    columns = tuple(column.column for column in spark_columns(spark, target))
    rows, _ = rows_of(spark.table(table_names.quoted(target)).toArrow(), columns)
    names = [column.name for column in columns]
    first = [names.index(name) for name in found.key if name in names]
    order = [*first, *(i for i in range(len(names)) if i not in first)]
    rows.sort(key=lambda row: [sort_key(row[i]) for i in order])
    return Mock(Path("expected.yaml"), None, columns, tuple(rows), found.key if len(first) == len(found.key) else ())


def expected_text(found: Transformation, expected: Mock) -> str:
    """Return the mock of what a script writes today, for a person to check."""
    head = f"What {found.script.name} wrote for the mocks beside this file. Check each row before you trust it."
    return render_mock(expected, head=textwrap.wrap(head, 78, break_on_hyphens=False))


def test_text(found: Transformation, where: TestPaths, expected: Mock) -> str:
    """Return the test: the given mocks, and what the script should write."""
    folder = where.test.parent
    lines = [
        f"# Made by `dataflow mock create --workflow {found.workflow.file.name}`: review the expected rows, and",
        "# give the test the name of the rule that it shows.",
        "",
        f"script: {found.script.name}",
    ]
    if found.params:
        lines += ["params:", *(f"  {name}: {quoted(value)}" for name, value in found.params.items())]
    lines.append("given:")
    for table, parameter in found.sources.items():
        lines.append(f"  {parameter or table}: {_relative(where.mocks[table], folder)}")
    lines.append(f"  {found.target_param}: {_relative(Path(str(found.ddl)), folder)}")
    day = found.params.get("EXECUTION_DATE")
    name = f"{found.script.name} makes of these rows what it did{f' for {day}' if day else ''}"
    lines += [
        "tests:",
        f"  {quoted(name)}:",
        "    expect:",
        f"      {found.target_param}:",
        f"        mock: {_relative(where.expected, folder)}",
    ]
    if expected.key:
        lines.append(f"        key: [{', '.join(map(name_text, expected.key))}]")
    return "\n".join(lines) + "\n"


def _relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path, folder)).as_posix()
