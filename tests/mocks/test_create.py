"""From a real table to a mock and into Spark: the same rows all the way."""

from __future__ import annotations

import contextlib
import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from dataflow.errors import UsageError
from dataflow.mocks import load_mock, to_values_sql
from dataflow.mocks.arrow import rows_of
from dataflow.mocks.create import MockResult, make_mock
from dataflow.mocks.model import identity
from dataflow.mocks.source_rows import MockRequest, table_columns
from dataflow.mocks.validate import check_mock
from dataflow.tables.catalog import open_catalog
from dataflow.workflow.project import Environment
from tests.support.arrow_tables import arrow_table
from tests.support.mock_schemas import columns, rows

pytestmark = pytest.mark.spark

SANDBOX = Environment("sandbox")
_NARROW = frozenset({"tinyint", "smallint"})  # Iceberg has no such types
_numbers = itertools.count(1)


@settings(max_examples=8, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_create_validate_load_gives_the_rows_of_the_table(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: st.DataObject
) -> None:
    """The round trip over random schemas: PyIceberg writes, `mock create` chooses, Spark reads the mock's VALUES."""
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    of = data.draw(columns(without=_NARROW).filter(lambda found: all("." not in c.name for c in found)))
    some = data.draw(rows(of, at_most=8))
    name = f"trip.t{next(_numbers)}"
    catalog = open_catalog(SANDBOX)
    catalog.create_namespace_if_not_exists("trip")
    table = arrow_table(of, some)
    real = catalog.create_table(name, table.schema, location=str(tmp_path / name))
    real.append(table)

    made = make_mock(SANDBOX, MockRequest(name, rows=20, masks=tuple(f"{c.name}=keep" for c in of)), no_spark)
    file = tmp_path / f"{name}.yaml"
    file.write_text(made.text, "utf-8")

    checked = check_mock(file, lambda table: table_columns(SANDBOX, table, None))
    assert (checked.problems, checked.compared) == ((), True)
    assert made.mock.columns == of
    # Not what was drawn: PyIceberg writes a list of structs that is null as an empty one.
    inside, _ = rows_of(real.scan().to_arrow(), of)
    assert {identity(row) for row in made.mock.rows} == {identity(row) for row in inside}
    loaded, left_out = rows_of(spark.sql(to_values_sql(load_mock(file))).toArrow(), of)
    assert left_out == 0
    assert sorted(map(identity, loaded)) == sorted(map(identity, made.mock.rows))
    shutil.rmtree(tmp_path / name, ignore_errors=True)


def no_spark(reason: str) -> Any:
    raise AssertionError(f"Spark was asked for: {reason}")


def test_a_view_and_a_condition_that_only_spark_knows_are_read_through_spark(spark: SparkSession) -> None:
    spark.sql("CREATE NAMESPACE IF NOT EXISTS through")
    spark.sql(
        "CREATE TABLE through.plays USING iceberg AS SELECT CAST(id AS INT) AS id, "
        "IF(id % 2 = 0, 'US', IF(id = 7, 'IS', 'BR')) AS country, IF(id = 9, NULL, CAST(id AS DOUBLE) / 4) AS hours, "
        "map('k', id) AS m, named_struct('email', concat('a', id, '@corp.com')) AS who FROM range(0, 2000)"
    )

    @contextlib.contextmanager
    def this_one(reason: str) -> Iterator[SparkSession]:
        reasons.append(reason)
        yield spark

    reasons: list[str] = []

    def made(**wanted: Any) -> MockResult:
        return make_mock(
            Environment("x", catalog={"type": "hadoop", "warehouse": "/x"}), MockRequest(**wanted), this_one
        )

    found = made(table="through.plays", rows=10)

    assert found.engine == "spark"
    assert "(hadoop) can be read by Spark alone" in reasons[0]
    ids = {row[0] for row in found.mock.rows}
    assert {0, 7, 9, 1999} <= ids
    assert len(found.mock.rows) == 10
    assert [str(mask) for mask in found.masks] == ["who.email (fake: its name says email)"]
    assert made(table="through.plays", rows=10).text == found.text
    some = made(table="through.plays", rows=5, columns=("id",), where="length(country) = 2 AND id % 1000 = 9")
    assert some.mock.rows == ((9,), (1009,))
    spark.sql("CREATE TEMPORARY VIEW odd AS SELECT id FROM through.plays WHERE id % 2 = 1")
    assert len(made(table="odd", rows=3).mock.rows) == 3
    with pytest.raises(UsageError, match=r"no table or view 'through.play'; did you mean 'through.plays'"):
        made(table="through.play")
