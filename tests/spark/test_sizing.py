"""How much a run is going to read, said before a JVM starts."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys

import pyarrow as pa
import pytest
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import DateType, LongType, NestedField

from dataflow.spark import sizing
from dataflow.spark.sizing import is_small, size_of
from dataflow.tables.catalog import open_catalog
from dataflow.tables.day_size import Size
from dataflow.workflow.load import Request, load_workflow
from dataflow.workflow.project import Environment
from tests.support.packages import EVERY_DAY, definition, each_day, spark

FIRST = dt.date(2026, 1, 1)
SCHEMA = Schema(NestedField(1, "id", LongType()), NestedField(2, "date", DateType()))
BY_DAY = PartitionSpec(PartitionField(2, 1000, IdentityTransform(), "date"))
OF_A_DAY = "INSERT INTO ${TARGET_TABLE} SELECT * FROM ${SOURCE_TABLE} WHERE date = DATE '${EXECUTION_DATE}';"
PARAMS = {**EVERY_DAY, "SOURCE_TABLE": "films.plays", "TARGET_TABLE": "films.results"}


@pytest.fixture
def tables(tmp_path, monkeypatch):
    """Three days of 1, 2 and 3 rows in one table, 4 rows in one that is not kept by days."""
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    catalog = open_catalog(Environment("sandbox"))
    catalog.create_namespace("films")
    days = [FIRST + dt.timedelta(n) for n in (0, 1, 1, 2, 2, 2)]
    rows = pa.table({"id": range(6), "date": days})
    where = tmp_path / "home" / "warehouse" / "films"
    catalog.create_table("films.plays", SCHEMA, str(where / "plays"), BY_DAY).append(rows)
    catalog.create_table("films.titles", SCHEMA, str(where / "titles")).append(rows[:4])
    catalog.create_table("films.results", SCHEMA, str(where / "results"), BY_DAY)
    return catalog


@pytest.fixture
def rows_of(tables, tmp_path):
    """Say how many rows a run of a script reads."""
    assert tables.list_tables("films")
    folder = tmp_path / "package"
    (folder / "src").mkdir(parents=True)

    def rows(script, day=1, name="main.sch.yaml", params=PARAMS, suffix="sql"):
        (folder / "src" / f"write.{suffix}").write_text(script)
        (folder / "main.sch.yaml").write_text(definition(spark(f"./src/write.{suffix}"), params=params))
        dates = "from: 2026-01-02\nto: 2026-01-03\n"
        (folder / "range.sch.yaml").write_text(definition(each_day(dates)))
        found = size_of(load_workflow(folder / name, Request(date=FIRST + dt.timedelta(day - 1))))
        return found and found.rows

    return rows


def test_a_run_reads_its_day_of_tables_that_are_kept_by_days_and_others_whole(rows_of):
    assert [rows_of(OF_A_DAY, day) for day in (1, 2, 3, 4)] == [1, 2, 3, 0]
    assert rows_of(OF_A_DAY + "SELECT * FROM films.titles;", 2) == 2 + 4
    assert rows_of(OF_A_DAY.replace("${SOURCE_TABLE}", "`films`.`plays`"), 3) == 3


def test_a_range_reads_the_sum_of_its_days(rows_of):
    assert rows_of(OF_A_DAY, name="range.sch.yaml") == 2 + 3


def test_where_nothing_shows_that_a_script_reads_its_day_alone_the_whole_table_counts(rows_of):
    assert rows_of("INSERT INTO ${TARGET_TABLE} SELECT * FROM ${SOURCE_TABLE};") == 6  # its day is not filtered by
    assert rows_of(OF_A_DAY.replace("= DATE", "> DATE") + "-- date_sub(DATE '2026-01-01', 6)") == 6
    without_a_day = {name: value for name, value in PARAMS.items() if name != "EXECUTION_DATE"}
    assert rows_of("SELECT date FROM ${SOURCE_TABLE};", params=without_a_day) == 6
    span = {**without_a_day, "FROM_DATE": "2026-01-01", "TO_DATE": "2026-01-03"}
    assert rows_of("SELECT date FROM ${SOURCE_TABLE};", params=span) == 6  # and the days between


def test_a_program_s_tables_and_days_are_seen_as_well(rows_of):
    script = "spark.table(params['SOURCE_TABLE']).where(F.col('date') == params['EXECUTION_DATE'])"
    assert rows_of(script, 3, suffix="py") == 3
    assert rows_of(script + "\nfrom datetime import timedelta", 3, suffix="py") == 6


def test_what_can_t_be_read_or_lies_elsewhere_is_not_known_and_not_small(rows_of, tables, tmp_path):
    found = tables.load_table("films.plays").metadata_location
    (tmp_path / "home" / "warehouse" / "films" / "plays" / "metadata").joinpath(found.rpartition("/")[2]).write_text(
        "{"
    )
    assert rows_of(OF_A_DAY) is None
    workflow = load_workflow(tmp_path / "package" / "main.sch.yaml")
    assert not is_small(workflow, None)
    (tmp_path / "package" / "dataflow.yaml").write_text(
        "version: 1\nproject: p\nenvironments: {sandbox: {catalog: {uri: 'https://catalog'}}}\n"
    )
    assert size_of(load_workflow(tmp_path / "package" / "main.sch.yaml")) is None


def test_small_is_what_has_few_rows_and_few_bytes_on_this_machine(rows_of, tmp_path):
    rows_of(OF_A_DAY)
    workflow = load_workflow(tmp_path / "package" / "main.sch.yaml")
    most = sizing.SMALL
    assert is_small(workflow, most)
    assert not is_small(workflow, Size(most.rows + 1, 0))
    assert not is_small(workflow, Size(0, most.bytes + 1))
    (tmp_path / "package" / "dataflow.yaml").write_text(
        "version: 1\nproject: p\nenvironments: {sandbox: {spark: {spark.master: 'spark://there:7077'}}}\n"
    )
    assert not is_small(load_workflow(tmp_path / "package" / "main.sch.yaml"), Size())


def test_the_size_is_told_without_slow_imports():
    slow = "{'pyarrow', 'pyspark', 'sqlalchemy', 'pyiceberg.io', 'pyiceberg.table', 'numpy'}"
    code = f"import sys, dataflow.spark.sizing, pyiceberg.avro.decoder_fast; print(sorted({slow} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
