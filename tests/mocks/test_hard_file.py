"""One mock in four languages: what Python, Spark SQL, Scala and R read in it is the same, or the mistake is named."""

from __future__ import annotations

import datetime as dt
import math
import os
import subprocess
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyspark
import pytest
import yaml
from pyspark.errors import IllegalArgumentException
from pyspark.sql import DataFrame, SparkSession

from dataflow.errors import DefinitionError
from dataflow.mocks import Mock, load_mock, to_values_sql
from dataflow.provided_files import READERS
from dataflow.tables.schema.spark_types import SqlType
from dataflow.testing.row_diff import difference, mock_rows, table_rows
from dataflow.testing.row_matching import Tolerance

HARD = Path(__file__).parent / "hard" / "hard.yaml"
SHOW_R = HARD.with_name("show.R")
MOCKS_R = READERS / "helper-dataflow.R"
MOCKS_SCALA = READERS / "Mocks.scala"

ASTRAY = [
    ("string", "NO"),
    ("string", "12:30"),
    ("int", '"1"'),
    ("double", "0x1F"),
    ("double", "1e3"),
    ("int", "012"),
    ("bigint", "9223372036854775808"),
    ("boolean", "yes"),
    ("date", "2026-01-31"),
    ("date", '"2026-02-30"'),
    ("binary", '"0g"'),
    ("array<string>", '["a", NO]'),
    ("struct<a:int>", "{b: 1}"),
]
"""A type and a value that is none of its, or that some reader would take for another one."""


def one_value(folder: Path, type_: str, value: str) -> Path:
    file = folder / "mock.yaml"
    file.write_text(f"columns:\n  x: {type_}\nrows:\n  - [{value}]\n", encoding="utf-8")
    return file


# ------------------------------------------------------------------------------------------- Python, SQL


def test_python_reads_the_values_as_they_are_meant() -> None:
    mock = load_mock(HARD)
    names = [column.name for column in mock.columns]
    cells = {row[0]: dict(zip(names, row, strict=True)) for row in mock.rows}

    texts = ["NO", "12:30", "1e3", "null", "", "~", "2026-01-31", "0777", "0x1F", "1_000"]
    assert [cells[i]["text"] for i in range(1, 11)] == texts
    assert cells[13]["text"] == "two\nlines\tand a tab"
    assert cells[17]["text"] is None
    assert cells[4]["price"] == Decimal("1234567890123456789012345678.0123456789")
    assert cells[10]["moment"] == dt.datetime(2026, 1, 31, 7, tzinfo=dt.UTC)
    assert cells[10]["wall"] == dt.datetime(2026, 1, 31, 12, 30)
    assert math.isnan(cells[7]["number"])
    assert cells[16]["ids"] == {"": None, "a: b": -1, "true": 2}


def test_a_reader_that_trusts_yaml_would_go_astray() -> None:
    text = HARD.read_text("utf-8").replace('"NO"', "NO").replace('"12:30"', "12:30")

    first, second = yaml.safe_load(text)["rows"][:2]

    assert (first[1], second["text"]) == (False, 750)


@pytest.mark.spark
def test_spark_sql_reads_the_same(spark: SparkSession) -> None:
    assert compared(spark, spark.sql(to_values_sql(load_mock(HARD)))) == ""


def compared(spark: SparkSession, frame: DataFrame) -> str:
    return difference(table_rows(spark, frame), mock_rows(load_mock(HARD), "hard.yaml"), ["id"], Tolerance(0))


# ------------------------------------------------------------------------------------------------- Scala


@pytest.fixture(scope="module")
def read_in_scala(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], DataFrame]:
    """Return the reader for Scala, compiled by the compiler that Spark brings and run in the session's JVM."""
    classes = tmp_path_factory.mktemp("scala")
    jars = Path(pyspark.__file__).parent / "jars"
    gateway, jvm = spark.sparkContext._gateway, spark.sparkContext._jvm
    words = ["-d", str(classes), "-classpath", os.pathsep.join(map(str, jars.glob("*.jar"))), str(MOCKS_SCALA)]
    arguments = gateway.new_array(jvm.java.lang.String, len(words))
    for place, word in enumerate(words):
        arguments[place] = word
    assert jvm.scala.tools.nsc.Main.process(arguments), "see the compiler's messages above"
    urls = gateway.new_array(jvm.java.net.URL, 1)
    urls[0] = jvm.java.io.File(str(classes)).toURI().toURL()
    above = jvm.Thread.currentThread().getContextClassLoader()
    module = jvm.java.net.URLClassLoader(urls, above).loadClass("dataflow.Mocks$").getField("MODULE$").get(None)

    def read(file: Path) -> DataFrame:
        return DataFrame(module.read(spark._jsparkSession, jvm.java.io.File(str(file)).toPath()), spark)

    return read


@pytest.mark.spark
def test_scala_reads_the_same(spark: SparkSession, read_in_scala: Callable[[Path], DataFrame]) -> None:
    assert compared(spark, read_in_scala(HARD)) == ""


@pytest.mark.spark
def test_scala_holds_a_long_to_its_last_digit(read_in_scala: Callable[[Path], DataFrame], tmp_path: Path) -> None:
    frame = read_in_scala(one_value(tmp_path, "bigint", "-9223372036854775808"))

    assert frame.collect() == [(-(2**63),)]


@pytest.mark.spark
def test_what_python_refuses_scala_refuses(read_in_scala: Callable[[Path], DataFrame], tmp_path: Path) -> None:
    for type_, value in ASTRAY:
        file = one_value(tmp_path, type_, value)
        with pytest.raises(DefinitionError):
            load_mock(file)
        with pytest.raises(IllegalArgumentException) as caught:
            read_in_scala(file)
        assert str(caught.value).startswith(f"{file}: "), (type_, value)


# ----------------------------------------------------------------------------------------------------- R


needs_r = pytest.mark.tools("R's yaml", "R's dplyr")  # which brings tibble


@needs_r
def test_r_reads_the_same() -> None:
    command = ["Rscript", str(SHOW_R), str(MOCKS_R), str(HARD)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == shown_rows(load_mock(HARD))


@needs_r
def test_what_python_refuses_r_refuses_and_what_r_can_not_hold_too(tmp_path: Path) -> None:
    values = [*ASTRAY, ("bigint", "9007199254740993"), ("timestamp_ntz", '"2026-01-31 12:30:00Z"')]
    for i, value in enumerate(values):
        (tmp_path / str(i)).mkdir()
        one_value(tmp_path / str(i), *value)
    code = (
        f"source('{MOCKS_R}'); for (i in seq_len({len(values)}) - 1) writeLines(tryCatch("
        "{ read_mock(file.path(i, 'mock.yaml')); 'was read' }, error = conditionMessage))"
    )

    done = subprocess.run(["Rscript", "-e", code], cwd=tmp_path, capture_output=True, text=True, check=True)

    said = done.stdout.splitlines()
    assert len(said) == len(values)
    for i, line in enumerate(said):
        assert line.startswith(f"{i}/mock.yaml: x: "), (values[i], line)


def shown_rows(mock: Mock) -> list[str]:
    """Print a mock as `show.R` does."""
    return ["\t".join(map(shown, row, [column.type for column in mock.columns])) for row in mock.rows]


def shown(value: Any, type_: SqlType) -> str:  # noqa: C901, PLR0911, PLR0912  # one line a type
    match type_.name, value:
        case _, None:
            return "null"
        case "array", _:
            return f"[{','.join(shown(item, type_.parts[0]) for item in value)}]"
        case "map", _:
            pairs = sorted(f"{shown(key, type_.parts[0])}:{shown(item, type_.parts[1])}" for key, item in value.items())
            return f"{{{','.join(pairs)}}}"
        case "struct", _:
            return f"({','.join(shown(value[name], inner) for name, inner in type_.fields)})"
        case "string", _:
            return f"'{value.encode().hex()}"
        case "binary", _:
            return str(value.hex())
        case "boolean", _:
            return str(value).lower()
        case "date", _:
            return str((value - dt.date(1970, 1, 1)).days)
        case (("timestamp" | "timestamp_ntz"), _):
            return str((value.replace(tzinfo=None) - dt.datetime(1970, 1, 1)) // dt.timedelta(microseconds=1))
        case "float", _:
            return f"{value:.7g}"
        case "double", _:
            return f"{value:.17g}"
        case "decimal", _:  # R has none: the nearest of its numbers
            return f"{float(value):.15g}"
        case _:
            return str(value)
