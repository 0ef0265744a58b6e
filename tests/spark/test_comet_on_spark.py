"""Comet with real tables: equal rows with it and without, what fell back, the write guard, and whole runs."""

from __future__ import annotations

import datetime as dt
import math
import re
from pathlib import Path

import pyarrow as pa
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataflow.lineage.spark_plan.listener import LineageListener
from dataflow.spark.guard import READING, open_session
from tests.support.comet import BOTH, MARKS, WANTED, answer, comet, differences, files_of, is_native
from tests.support.run_package import Package
from tests.support.two_engines import EDGES, ROWS, alike, expanded

pytestmark = MARKS

LONG = settings.get_current_profile_name() == "long"
EXPRESSIONS = yaml.safe_load((Path(__file__).parents[1] / "sail" / "expressions.yaml").read_text("utf-8"))
TOGETHER = 32
COLUMNS = ["i", "l", "h", "d", "f", "n", "s", "z", "b", "t", "ts", "tn", "y"]
SHAPES = [
    "SELECT {}, count(*), count({}), min(id), max(id), sum(j) FROM edges GROUP BY {}",
    "SELECT count(DISTINCT {}), min({}), max({}) FROM edges",
    "SELECT id, rank() OVER (PARTITION BY b ORDER BY {} DESC), count(*) OVER (PARTITION BY {}) FROM edges",
    "SELECT a.id, b.id AS other FROM edges a JOIN edges b ON a.{} = b.{}",
    "SELECT a.id, b.id AS other FROM edges a LEFT JOIN edges b ON a.{} <=> b.{} AND a.id < b.id",
    "SELECT id FROM edges WHERE {} IN (SELECT {} FROM edges WHERE id > 3)",
    "SELECT {} FROM edges EXCEPT SELECT {} FROM edges WHERE id > 4",
    "SELECT * FROM (SELECT id, {}, rank() OVER (PARTITION BY b ORDER BY {} DESC) AS r FROM edges) WHERE r <= 2",
]
BY_ORDER = {"sum(l)", "avg(l)", "mean(l)"}
"""Of numbers so large that a part of the sum overflows, or is rounded: by the order of rows, in either engine."""
ADDS = re.compile(r"\b(sum|avg)\(")
DOUBLES = {
    name: sum(abs(it) for it in values if it is not None and math.isfinite(it))
    for name, (type_, values) in EDGES.items()
    if type_ == pa.float64()
}

RECIPE = """
WITH viewing AS (
  SELECT title, country, round(sum(hours), 6) AS hours, sum(paid) AS paid, max(at) AS at, count(hours) AS n,
    min(hours) AS least, count(DISTINCT at) AS moments
  FROM cometed.plays WHERE title IS NOT NULL AND {filter} GROUP BY title, country
), ranked AS (
  SELECT *, rank() OVER (PARTITION BY country ORDER BY {order} DESC) AS title_rank FROM viewing
) SELECT title, country, title_rank, hours, paid, date_trunc('day', at) AS day, hour(at) AS hour, n, least, moments, at
FROM ranked WHERE title_rank <= 2
"""
MORE = [
    "SELECT country, sum(paid) / count(*), avg(paid), cast(sum(paid) AS DECIMAL(20, 4)), max(paid * 1.5BD)"
    " FROM cometed.plays GROUP BY country",
    "SELECT a.title, a.hours, b.paid FROM cometed.plays a JOIN cometed.plays b"
    " ON a.hours = b.hours AND a.title = b.title",
    "SELECT title FROM cometed.plays p WHERE NOT EXISTS (SELECT 1 FROM cometed.plays q WHERE q.paid > p.paid)",
    "SELECT date_format(at, 'yyyy-MM-dd HH:mm'), date(at), year(at), dayofweek(at), unix_timestamp(at), count(*)"
    " FROM cometed.plays GROUP BY ALL",
    "SELECT DISTINCT coalesce(hours, -1D), nanvl(hours, 0D), hours IS NULL, isnan(hours) FROM cometed.plays",
]
"""Beside the recipes' own: decimals divided, joins by doubles, what is not there, times in a zone, nulls and NaN."""


@pytest.fixture(scope="module")
def spark(with_comet):
    return with_comet[0]


@pytest.mark.parametrize("column", COLUMNS if LONG else ["d", "n", "s", "ts"])
def test_groups_windows_joins_and_sets_have_equal_rows_by_a_column_of_each_type(spark, column):
    assert differences(spark, [shape.replace("{}", column) for shape in SHAPES]) == []


@pytest.mark.parametrize("of", ["sum", "avg"])
def test_a_frame_that_moves_forgets_what_has_left_it(spark, of):
    frames = ("1 PRECEDING AND CURRENT ROW", "CURRENT ROW AND 1 FOLLOWING", "UNBOUNDED PRECEDING AND CURRENT ROW")
    head = "SELECT id, {}({}) OVER (ORDER BY id ROWS BETWEEN {}) FROM edges"
    assert differences(spark, [head.format(of, column, frame) for column in "dqfn" for frame in frames]) == []


def test_a_pattern_that_spark_refuses_is_refused(spark):
    assert differences(spark, ["SELECT w LIKE z FROM edges", "SELECT id FROM edges WHERE s LIKE 'a%'"]) == []


def test_sets_are_listed_in_spark_s_order(spark):
    assert differences(spark, [f"SELECT collect_set({it}), collect_list({it}) FROM edges" for it in "bis"]) == []


@pytest.mark.nightly
@pytest.mark.parametrize("group", EXPRESSIONS)
def test_expressions_have_equal_values(spark, group):
    every = [it for template in EXPRESSIONS[group] for it in expanded(template) if it not in BY_ORDER]
    head = "SELECT {} FROM edges" if group == "aggregates" else "SELECT id, {} FROM edges"
    native = [it for it in every if is_native(spark, head.format(f"{it} AS x"))]
    assert native or group == "windows"  # which are off
    batches = [native[first : first + TOGETHER] for first in range(0, len(native), TOGETHER)]
    assert [it for batch in batches for it in apart(spark, head, batch)] == []


def apart(spark, head, some):
    """Return the expressions with other values with Comet; where some differ, or fail, halves of them are compared."""
    sql = head.format(", ".join(f"{it} AS c{i}" for i, it in enumerate(some)))
    alone, native = (answer(spark, sql, on) for on in BOTH)
    if alone == native and (len(some) == 1 or not isinstance(alone, str)):  # an error says nothing of the others
        return []
    half = len(some) // 2
    if half:
        return apart(spark, head, some[:half]) + apart(spark, head, some[half:])
    return [] if differ_by_order_alone(some[0], alone, native) else some


def differ_by_order_alone(expression, alone, native):
    """Return whether sums of doubles are apart by no more than the order of additions can make them."""
    if not ADDS.search(expression) or isinstance(alone, str) or isinstance(native, str):
        return False
    added = sum(total for name, total in DOUBLES.items() if re.search(rf"\b{name}\b", expression))
    return alone[0] == native[0] and alike(tuple(alone[1]), tuple(native[1]), added, ROWS)


def plays():
    moment = dt.datetime(2026, 3, 29, tzinfo=dt.UTC)  # clocks change in Europe
    hours = st.sampled_from([0.0, -0.0, 1.5, 1.5, 2.25, float("nan"), float("inf"), 1e300, 5e-324, None])
    row = st.fixed_dictionaries(
        {
            "title": st.sampled_from([1, 2, 3, None]),
            "country": st.sampled_from(["DE", "é", "", None]),
            "hours": hours,
            "paid": st.none() | st.decimals("-99999.99", "99999.99", places=2, allow_nan=False),
            "at": st.none() | st.integers(-90_000, 90_000).map(lambda it: moment + dt.timedelta(seconds=it)),
        }
    )
    return st.lists(row, max_size=12)


@given(
    rows=plays(),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"]),
    order=st.sampled_from(["hours", "paid", "at", "hours + 1"]),
    filter_=st.sampled_from(["hours > 0", "hours >= 0", "hours <> 0", "paid > 1.5", "date(at) = DATE '2026-03-29'"]),
)
@settings(
    max_examples=200 if LONG else 6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_the_recipes_query_has_equal_rows_whatever_the_table_holds(spark, rows, zone, order, filter_):
    schema = "title INT, country STRING, hours DOUBLE, paid DECIMAL(12, 2), at TIMESTAMP"
    values = [tuple(row[name] for name in ("title", "country", "hours", "paid", "at")) for row in rows]
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    spark.createDataFrame(values, schema).writeTo("cometed.plays").using("iceberg").createOrReplace()
    spark.conf.set("spark.sql.session.timeZone", zone)
    recipe = RECIPE.format(filter=filter_, order=order)
    try:
        assert differences(spark, [recipe, *MORE]) == []
        assert written(spark, recipe, False) == written(spark, recipe, True)
    finally:
        spark.conf.set("spark.sql.session.timeZone", "UTC")


def written(spark, query, on):
    """Return what a table that a query fills knows of its files."""
    with comet(spark, on):
        spark.sql(f"CREATE OR REPLACE TABLE cometed.written USING iceberg PARTITIONED BY (country) AS {query}")
    return files_of(spark, "cometed.written")


def test_what_was_executed_and_what_fell_back_is_told_with_the_lineage_and_the_guard_holds(spark):
    lineage = LineageListener()
    lineage.watch(spark)
    spark.sql("CREATE TABLE cometed.counts (b BOOLEAN, n BIGINT) USING iceberg")
    spark.sql("INSERT INTO cometed.counts SELECT b, count(*) FROM edges GROUP BY b")
    native = lineage.native()
    assert 0 < native.native <= native.operators
    assert [(read.source, read.written) for read in lineage.reads()] == [
        ("dataflow.cometed.edges", "dataflow.cometed.counts")
    ]
    before = native.operators
    spark.sql("SET spark.comet.enabled = false")
    spark.sql("SELECT b, count(*) FROM edges GROUP BY b").collect()
    spark.sql("SET spark.comet.enabled = true")
    assert lineage.native().operators == before  # a session that switched it off
    lineage.unwatch(spark)
    with pytest.raises(Exception, match="only reads"):
        open_session(spark, READING).sql("INSERT INTO cometed.counts SELECT b, id FROM cometed.edges")


def test_a_run_with_comet_publishes_the_rows_passes_its_audits_and_records_what_was_native(
    spark, tmp_path, monkeypatch
):
    monkeypatch.setenv("DATAFLOW_USER", "carol")
    package = Package(spark, tmp_path / "package", "carol")
    package.add_source((1, 2.0, 1), (2, None, 1), (3, 1.0, 2))
    result = package.run(services={"acceleration": WANTED})
    assert (result.status, package.rows()) == ("succeeded", [(1, 1), (2, 1)])
    recorded = package.records.run("last")["accelerator"]
    assert (recorded["name"], recorded["why"]) == ("comet", "a test wants it")
    assert recorded["native"] > 0
    assert {"operator", "reason", "times"} >= {key for it in recorded["fell_back"] for key in it}
