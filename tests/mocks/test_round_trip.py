"""What Spark writes, `mock create` finds and a test is given: the same rows as Spark reads, null where it is null."""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from dataflow.errors import DataflowError, UsageError
from dataflow.mocks import MockColumn, load_mock, source_rows, to_values_sql
from dataflow.mocks.arrow import rows_of
from dataflow.mocks.create import MockResult, make_mock
from dataflow.mocks.model import identity
from dataflow.mocks.scan_spark import ddl_of
from dataflow.mocks.source_rows import MockRequest
from dataflow.tables.embedded_catalog import content, unpacked
from dataflow.tables.reader.catalog_tables import FoundTable
from dataflow.tables.schema.spark_types import parse_type
from dataflow.workflow.project import Environment
from tests.support.arrow_tables import arrow_table
from tests.support.mock_schemas import columns, rows

pytestmark = pytest.mark.spark

_numbers = itertools.count(1)
_NARROW = frozenset({"tinyint", "smallint"})  # Iceberg has no such types
MERGE_ON_READ = "'format-version'='2','write.delete.mode'='merge-on-read','write.update.mode'='merge-on-read'"


@pytest.fixture
def mocked(spark: SparkSession, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., MockResult]]:
    """Make mocks of the session's tables by PyIceberg, which sees what Spark wrote; by Spark where it asks for it."""
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))

    def found(_: Environment, name: str) -> FoundTable:
        log = spark.sql(f"SELECT file FROM {name}.metadata_log_entries ORDER BY timestamp, file").collect()
        return FoundTable(name.split("."), log[-1][0], content=unpacked(content(log[-1][0])))

    @contextlib.contextmanager
    def session(reason: str) -> Iterator[SparkSession]:
        reasons.append(reason)
        yield spark

    monkeypatch.setattr(source_rows, "find_source", found)
    reasons: list[str] = []

    def made(name: str, **wanted: Any) -> MockResult:
        wanted = {"rows": 5000, **wanted}
        names = [] if "columns" in wanted else spark.table(name).columns
        masks = tuple(f"{column}=keep" for column in names)
        return make_mock(Environment("sandbox"), MockRequest(name, masks=masks, **wanted), session)

    made.reasons = reasons  # type: ignore[attr-defined]  # a function has room for what it was told
    return made


def fresh(spark: SparkSession) -> str:
    spark.sql("CREATE NAMESPACE IF NOT EXISTS round")
    return f"round.t{next(_numbers)}"


def assert_the_same(spark: SparkSession, made: MockResult, name: str, folder: Path) -> None:
    """Hold the mock's file, as a test is given it, to Spark's own reading of the table."""
    file = folder / f"{name}.yaml"
    file.write_text(made.text, "utf-8")
    mock = load_mock(file)
    real, left_out = rows_of(spark.table(name).toArrow(), mock.columns)
    given_rows, _ = rows_of(spark.sql(to_values_sql(mock)).toArrow(), mock.columns)
    assert left_out == made.left_out
    assert sorted(map(identity, given_rows)) == sorted({identity(row) for row in real})
    assert [(c.name, str(c.type)) for c in mock.columns] == [
        (f.name, ddl_of(f.dataType)) for f in spark.table(name).schema
    ]


def typed(**types: str) -> tuple[MockColumn, ...]:
    return tuple(MockColumn(name, parse_type(type_)) for name, type_ in types.items())


NESTED = typed(
    id="int", a="array<int>", b="array<struct<k:string>>", c="map<string,struct<k:string>>",
    e="struct<l:array<struct<k:int>>>", f="map<int,array<map<date,double>>>",
)  # fmt: skip
NULLS: tuple[tuple[Any, ...], ...] = (
    (1, None, None, None, {"l": None}, None),
    (2, [], [], {}, {"l": []}, {}),
    (3, [None], [None], {"a": None}, None, {1: None}),
    (4, [1, None], [{"k": None}], {"a": {"k": None}}, {"l": [None]}, {1: [None, {}, {dt.date(1, 1, 1): None}]}),
)
HARD = typed(
    d="date", t="timestamp", n="timestamp_ntz", f="float", x="double", s="string", m="decimal(38,38)", b="binary"
)
UTC = dt.UTC
EDGES: tuple[tuple[Any, ...], ...] = (
    (dt.date(1, 1, 1), dt.datetime(1, 1, 1, tzinfo=UTC), dt.datetime(1, 1, 1), -0.0, -0.0, "", Decimal("1E-38"), b""),
    (dt.date(9999, 12, 31), dt.datetime(9999, 12, 31, 23, 59, 59, 999999, UTC),
     dt.datetime(9999, 12, 31, 23, 59, 59, 999999), float("inf"), float("-inf"), "null", Decimal(0), b"\0\xff"),
    (dt.date(1582, 10, 10), dt.datetime(1582, 10, 4, 23, 59, 59, 1, UTC), dt.datetime(1582, 10, 15), float("nan"),
     float("nan"), "NO", Decimal("-0.1"), b"null"),
    (dt.date(1899, 12, 31), dt.datetime(1883, 11, 18, 12, 3, 58, tzinfo=UTC), dt.datetime(2026, 3, 29, 2, 30), 1e-45,
     5e-324, "2026-01-31", None, None),
    (None, dt.datetime(2026, 10, 25, 1, 30, tzinfo=UTC), None, None, 0.1, "1.50", None, None),
    (None, None, None, None, None, "\u2028\x85\ufeff\r\n", None, None),
)  # fmt: skip


@settings(max_examples=12, deadline=None, phases=[Phase.explicit, Phase.generate], suppress_health_check=[*HealthCheck])
@given(data=st.data())
@pytest.mark.parametrize("changed", [False, True])
def test_the_rows_of_any_table_come_back_as_spark_reads_them(
    spark: SparkSession, mocked: Callable[..., MockResult], tmp_path: Path, changed: bool, data: st.DataObject
) -> None:
    of = data.draw(columns(without=_NARROW).filter(lambda found: all("." not in c.name for c in found)))
    some = data.draw(rows(of, at_most=8))
    name = fresh(spark)
    frame = spark.createDataFrame(arrow_table(of, some))
    frame.writeTo(name).using("iceberg").tableProperty("format-version", "2").create()
    if changed:
        spark.sql(f"ALTER TABLE {name} ADD COLUMN added_later ARRAY<STRUCT<k: INT>>")

    assert_the_same(spark, mocked(name), name, tmp_path)
    spark.sql(f"DROP TABLE {name}")


@pytest.mark.parametrize(("of", "some"), [(NESTED, NULLS), (HARD, EDGES)])
@pytest.mark.parametrize("how", ["as written", "through Spark", "some deleted", "evolved", "partitioned"])
def test_nulls_and_edges_survive_whatever_was_done_to_the_table(
    spark: SparkSession,
    mocked: Callable[..., MockResult],
    tmp_path: Path,
    of: Sequence[MockColumn],
    some: Sequence[tuple[Any, ...]],
    how: str,
) -> None:
    name = fresh(spark)
    frame = spark.createDataFrame(arrow_table(tuple(of), tuple(some))).coalesce(1)
    first = of[0].name
    frame.writeTo(name).using("iceberg").create()
    spark.sql(f"ALTER TABLE {name} SET TBLPROPERTIES ({MERGE_ON_READ})")
    if how == "some deleted":
        spark.sql(f"DELETE FROM {name} WHERE {first} = (SELECT max({first}) FROM {name})")
        assert spark.sql(f"SELECT * FROM {name}.delete_files").count() > 0
    elif how == "evolved":
        spark.sql(f"ALTER TABLE {name} ADD COLUMN z MAP<STRING, INT>")
        spark.sql(f"ALTER TABLE {name} RENAME COLUMN {first} TO renamed")
        spark.sql(f"ALTER TABLE {name} DROP COLUMN {of[1].name}")
        if first == "id":
            spark.sql(f"ALTER TABLE {name} ALTER COLUMN renamed TYPE BIGINT")
            spark.sql(f"ALTER TABLE {name} ADD COLUMN b.element.new DATE")
    elif how == "partitioned":
        spark.sql(f"ALTER TABLE {name} ADD PARTITION FIELD bucket(3, {first})")
        frame.limit(2).writeTo(name).append()

    made = mocked(name, through_spark=how == "through Spark")

    assert_the_same(spark, made, name, tmp_path)
    assert len(made.mock.rows) == len(some) - (how == "some deleted")
    only_spark = how == "through Spark" or (of is NESTED and how in {"some deleted", "evolved"}) or how == "evolved"
    assert made.engine == ("spark" if only_spark else "pyiceberg")


def test_what_only_spark_reads_right_is_read_by_it_and_said(spark: SparkSession, mocked: Any) -> None:
    name = fresh(spark)
    spark.sql(f"CREATE TABLE {name} (id INT, a ARRAY<STRUCT<k: INT>>) USING iceberg TBLPROPERTIES ({MERGE_ON_READ})")
    spark.sql(f"INSERT INTO {name} SELECT /*+ COALESCE(1) */ * FROM VALUES (1, NULL), (2, array()), (3, NULL)")
    spark.sql(f"DELETE FROM {name} WHERE id = 3")

    assert mocked(name).mock.rows == ((1, None), (2, []))
    assert mocked.reasons == ["PyIceberg can't tell null from empty in 'a' of changed files"]
    assert mocked(name, columns=("id",)).engine == "pyiceberg"


@pytest.mark.parametrize(
    ("columns_sql", "message"),
    [
        ("v VARIANT, id INT", "column 'v': 'variant' is not a type that a mock can have"),
        ("m MAP<STRUCT<a: INT>, INT>, id INT", "column 'm': a map's key can't be struct<`a`:int> in a mock"),
    ],
)
def test_a_column_that_can_not_be_mocked_is_named_and_the_others_can(
    spark: SparkSession, mocked: Any, monkeypatch: pytest.MonkeyPatch, columns_sql: str, message: str
) -> None:
    name = fresh(spark)
    spark.sql(f"CREATE TABLE {name} ({columns_sql}) USING iceberg TBLPROPERTIES ('format-version'='3')")
    monkeypatch.setattr(source_rows, "find_source", lambda *_: "PyIceberg can't read the metadata")

    with pytest.raises(DataflowError) as caught:
        mocked(name)
    assert message in caught.value.message
    assert caught.value.hint == "--columns names those that are wanted: --columns id"
    assert mocked(name, columns=("ID",)).mock.columns == typed(id="int")
    assert mocked(name, columns=("ID",)).mock.partial
    with pytest.raises(UsageError, match="has no column 'idd'; did you mean 'id'"):
        mocked(name, columns=("idd",))
