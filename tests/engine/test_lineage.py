"""Which columns a write took from where, by Spark's own plans: SQL, DataFrames, and a Spark of its own."""

from __future__ import annotations

import itertools
import statistics
import subprocess
import sys
import time
from typing import ClassVar

import pytest

from dataflow.engine.eventlog import writes_in
from dataflow.engine.lineage import Lineage
from dataflow.engine.planlineage import Flow, writes_of
from dataflow.jobs.standalone import event_log_settings, properties_file

pytestmark = pytest.mark.spark
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def tables(spark):
    """Make the tables that the tests read and write."""
    spark.sql("CREATE NAMESPACE IF NOT EXISTS li")
    spark.sql(
        "CREATE TABLE li.plays (id INT, hours DOUBLE, country STRING, day DATE, tags ARRAY<STRING>) USING iceberg"
    )
    spark.sql("CREATE TABLE li.titles (id INT, name STRING, maker STRUCT<who: STRING, at: DATE>) USING iceberg")
    spark.sql("CREATE TABLE li.other (id INT, name STRING) USING iceberg")
    spark.sql("INSERT INTO li.plays VALUES (1, 2.0, 'US', DATE'2026-01-01', array('a'))")
    spark.sql("INSERT INTO li.titles VALUES (1, 'One', struct('me', DATE'2020-01-01'))")


@pytest.fixture
def heard(spark, tables):
    """Return a function that runs something in a session of its own and tells the flows into its target."""

    def run(work, target="li.out", columns="id INT, name STRING, hours DOUBLE"):
        own = spark.newSession()
        own.sql(f"DROP TABLE IF EXISTS {target}")
        if columns:
            own.sql(f"CREATE TABLE {target} ({columns}) USING iceberg")
        lineage = Lineage()
        lineage.watch(own)
        try:
            own.sql(work.format(out=target)) if isinstance(work, str) else work(own, target)
        finally:
            lineage.unwatch(own)
        return {write.target: shown(write.flows) for write in lineage.flows()}

    return run


def shown(flows):
    """Spell flows as `table.column -> column`, `~>` where they only decide."""
    return {
        f"{f.source}.{f.source_column} {'~>' if f.indirect else '->'} {f.target_column}"
        for f in flows
        if f.source_column
    }


CASES = {
    "a projection, an alias and an expression": (
        "INSERT INTO {out} SELECT id, upper(country) AS name, hours * 2 FROM li.plays",
        {"li.plays.id -> id", "li.plays.country -> name", "li.plays.hours -> hours"},
    ),
    "a filter and a join decide": (
        "INSERT INTO {out} SELECT p.id, t.name, p.hours FROM li.plays p JOIN li.titles t ON p.id = t.id WHERE country = 'US'",
        {
            "li.plays.id -> id", "li.titles.name -> name", "li.plays.hours -> hours",
            "li.plays.id ~> ", "li.titles.id ~> ", "li.plays.country ~> ",
        },
    ),
    "an aggregate and its groups": (
        "INSERT INTO {out} SELECT id, max(country), sum(hours) FROM li.plays GROUP BY id HAVING count(day) > 0",
        {
            "li.plays.id -> id", "li.plays.country -> name", "li.plays.hours -> hours",
            "li.plays.id ~> ", "li.plays.day ~> ",
        },
    ),
    "an aggregate of all rows": (
        "INSERT INTO {out} SELECT 1, 'x', sum(hours) FROM li.plays",
        {"li.plays.hours -> hours"},
    ),
    "a window": (
        "INSERT INTO {out} SELECT id, 'x', rank() OVER (PARTITION BY country ORDER BY hours) FROM li.plays",
        {"li.plays.id -> id", "li.plays.country ~> hours", "li.plays.hours ~> hours"},
    ),
    "a union takes from both sides, by position": (
        "INSERT INTO {out} SELECT id, country, hours FROM li.plays UNION ALL SELECT id, name, 0 FROM li.titles",
        {"li.plays.id -> id", "li.titles.id -> id", "li.plays.country -> name", "li.titles.name -> name", "li.plays.hours -> hours"},
    ),
    "a common table expression that is used twice": (
        "WITH c AS (SELECT id, sum(hours) AS h FROM li.plays GROUP BY id) "
        "INSERT INTO {out} SELECT a.id, 'x', b.h FROM c a JOIN c b ON a.id = b.id",
        {"li.plays.id -> id", "li.plays.hours -> hours", "li.plays.id ~> "},
    ),
    "an exploded array": (
        "INSERT INTO {out} SELECT id, tag, 0 FROM li.plays LATERAL VIEW explode(tags) AS tag",
        {"li.plays.id -> id", "li.plays.tags -> name"},
    ),
    "subqueries in a filter and in a value": (
        "INSERT INTO {out} SELECT id, name, (SELECT max(hours) FROM li.plays) FROM li.titles "
        "WHERE EXISTS (SELECT 1 FROM li.other o WHERE o.id = titles.id)",
        {"li.titles.id -> id", "li.titles.name -> name", "li.plays.hours -> hours", "li.other.id ~> ", "li.titles.id ~> "},
    ),
    "a field of a struct": (
        "INSERT INTO {out} SELECT id, maker.who, 0 FROM li.titles",
        {"li.titles.id -> id", "li.titles.maker -> name"},
    ),
    "a call with more arguments than Spark prints by itself": (
        f"INSERT INTO {{out}} SELECT id, 'x', coalesce({', '.join(['NULL'] * 40)}, hours) FROM li.plays",
        {"li.plays.id -> id", "li.plays.hours -> hours"},
    ),
    "grouping sets": (
        "INSERT INTO {out} SELECT id, country, sum(hours) FROM li.plays GROUP BY GROUPING SETS ((id), (country))",
        {
            "li.plays.id -> id", "li.plays.country -> name", "li.plays.hours -> hours",
            "li.plays.id ~> ", "li.plays.country ~> ",
        },
    ),
    "a pivot": (
        "INSERT INTO {out} SELECT id, 'x', US FROM (SELECT id, country, hours FROM li.plays) "
        "PIVOT (sum(hours) FOR country IN ('US' AS US, 'DE' AS DE))",
        {
            "li.plays.id -> id", "li.plays.hours -> hours", "li.plays.country -> hours",
            "li.plays.id ~> ", "li.plays.country ~> ",
        },
    ),
    "a MERGE, each column by itself": (
        "MERGE INTO {out} t USING (SELECT id, country, hours FROM li.plays) p ON t.id = p.id "
        "WHEN MATCHED AND p.hours > 1 THEN UPDATE SET name = p.country "
        "WHEN NOT MATCHED THEN INSERT (id, name, hours) VALUES (p.id, 'new', p.hours)",
        {
            "li.plays.id -> id", "li.plays.country -> name", "li.plays.hours -> hours",
            "li.plays.id ~> ", "li.plays.hours ~> ",
        },
    ),
    "an UPDATE that asks another table": (
        "UPDATE {out} SET name = 'seen' WHERE id IN (SELECT id FROM li.plays WHERE hours > 3)",
        {"li.plays.id ~> ", "li.plays.hours ~> "},
    ),
    "a literal with brackets and commas": (
        "INSERT INTO {out} SELECT id, concat_ws(', ', '[x]', country, '(,)'), hours FROM li.plays WHERE country LIKE '%,[%'",
        {"li.plays.id -> id", "li.plays.country -> name", "li.plays.hours -> hours", "li.plays.country ~> "},
    ),
    "a literal with a bracket that nothing closes, where Spark's print can't be told apart": (
        "INSERT INTO {out} SELECT id, concat('[', country), hours FROM li.plays",
        {"li.plays.id ~> ", "li.plays.country ~> ", "li.plays.hours ~> "},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_sql_is_followed_column_by_column_through(case, heard):
    sql, expected = CASES[case]
    assert heard(sql)["li.out"] == expected


def test_dataframe_writers_and_temporary_views_are_followed_like_sql(heard):
    from pyspark.sql import functions as F  # noqa: N812

    def write(spark, target):
        spark.table("li.plays").createOrReplaceTempView("mine")
        found = spark.sql("SELECT * FROM mine").groupBy("id").agg(F.sum("hours").alias("h"))
        found.withColumn("name", F.lit("x")).select("id", "name", F.col("h").alias("hours")).writeTo(target).append()

    assert heard(write)["li.out"] == {"li.plays.id -> id", "li.plays.hours -> hours", "li.plays.id ~> "}


def test_what_python_does_with_rows_may_bring_any_column_into_any_other(heard):
    def write(spark, target):
        from pyspark.sql.functions import udf

        joined = udf(lambda a, b: f"{a}{b}")
        frame = spark.table("li.plays")
        frame.select("id", joined("country", "day").alias("name"), "hours").writeTo(target).append()

    assert heard(write)["li.out"] == {
        "li.plays.id -> id", "li.plays.country -> name", "li.plays.day -> name", "li.plays.hours -> hours",
    }  # fmt: skip


def test_a_table_made_by_its_query_takes_the_query_s_names(heard):
    flows = heard("CREATE TABLE {out} USING iceberg AS SELECT id AS key, hours FROM li.plays", "li.made", None)
    assert flows["li.made"] == {"li.plays.id -> key", "li.plays.hours -> hours"}


def test_a_multiple_insert_is_several_writes(heard):
    found = heard(
        "FROM li.plays INSERT INTO {out} SELECT id, country, 0 INSERT INTO li.other SELECT id, 'x' WHERE hours > 2"
    )
    assert found["li.out"] == {"li.plays.id -> id", "li.plays.country -> name"}
    assert found["li.other"] == {"li.plays.id -> id", "li.plays.hours ~> "}


def test_a_table_that_is_only_counted_is_read_all_the_same(spark, heard):
    own, lineage = spark.newSession(), Lineage()
    heard("INSERT INTO {out} SELECT id, name, 0 FROM li.titles")
    lineage.watch(own)
    own.sql("INSERT INTO li.out SELECT count(*), 'x', 0 FROM li.other")
    lineage.unwatch(own)
    (write,) = lineage.flows()
    assert write.flows == {Flow("li.other")}


def test_tables_that_a_subquery_reads_count_as_read_with_their_snapshot(spark, tables):
    own, lineage = spark.newSession(), Lineage()
    own.sql("CREATE TABLE IF NOT EXISTS li.asked (id INT) USING iceberg")
    lineage.watch(own)
    own.sql("INSERT INTO li.asked SELECT id FROM li.titles WHERE id IN (SELECT id FROM li.plays)")
    lineage.unwatch(own)
    sources = {read.source.rpartition("li.")[2]: read.snapshot for read in lineage.reads()}
    assert sources.keys() == {"titles", "plays"}
    assert all(sources.values())


def test_a_print_whose_brackets_do_not_match_still_tells_what_is_read():
    plan = (
        "AppendData RelationV2[id#1, name#2] lake.li.out, false\n"
        "+- Aggregate\n"
        "   +- SubqueryAlias lake.li.plays\n"
        "      +- RelationV2[id#3, hours#4] lake.li.plays"
    )
    (write,) = writes_of(plan, "lake")
    assert {flow.source for flow in write.flows} == {"li.plays"}


SCRIPT = """
from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
spark.sql("CREATE NAMESPACE IF NOT EXISTS own")
spark.sql("CREATE TABLE own.a (id INT, hours DOUBLE, country STRING) USING iceberg")
spark.sql("CREATE TABLE own.b (id INT, total DOUBLE) USING iceberg")
spark.sql("INSERT INTO own.b SELECT id, sum(hours) FROM own.a WHERE country = 'US' GROUP BY id")
spark.table("own.a").selectExpr("id", "hours AS total").write.mode("append").saveAsTable("own.b")
try:
    spark.sql("INSERT INTO own.b SELECT id, raise_error('no') FROM range(3)")
except Exception:
    pass
spark.stop()
"""


def test_a_spark_of_its_own_tells_its_writes_by_its_event_log(tmp_path, shared_jars):
    from dataflow.engine.config import spark_conf
    from dataflow.engine.spark_home import spark_home
    from dataflow.jobs.standalone import environ
    from dataflow.workflow.project import Environment

    lake = Environment("test", catalog={"name": "lake", "type": "hadoop", "warehouse": str(tmp_path / "lake")})
    events, conf = tmp_path / "events", tmp_path / "conf"
    events.mkdir()
    conf.mkdir()
    settings = {**spark_conf(lake, small=True), **event_log_settings(events), "spark.master": "local[1]"}
    (conf / "spark-defaults.conf").write_text(properties_file(settings))
    (tmp_path / "own.py").write_text(SCRIPT)
    program = [str(spark_home() / "bin" / "spark-submit"), str(tmp_path / "own.py")]
    env = {**environ(conf, spark_home(), "local[1]", None), "PYSPARK_PYTHON": sys.executable}
    done = subprocess.run(program, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    writes = [write for write in writes_in(events, "lake") if write.flows]
    assert [write.target for write in writes] == ["own.b", "own.b"]
    assert shown(writes[0].flows) == {"own.a.id -> id", "own.a.hours -> total", "own.a.country ~> ", "own.a.id ~> "}
    assert shown(writes[1].flows) == {"own.a.id -> id", "own.a.hours -> total"}


class Timed(Lineage):
    """Keeps how long it takes to look at each write."""

    def __init__(self):
        super().__init__()
        self.seconds = []

    def onSuccess(self, *arguments):  # noqa: N802
        began = time.perf_counter()
        super().onSuccess(*arguments)
        self.seconds.append(time.perf_counter() - began)

    class Java:
        implements: ClassVar[list[str]] = ["org.apache.spark.sql.util.QueryExecutionListener"]


@pytest.mark.usefixtures("tables")
def test_looking_at_a_write_costs_little(spark):
    own, lineage = spark.newSession(), Timed()
    own.sql("CREATE TABLE IF NOT EXISTS li.timed (id INT, name STRING, hours DOUBLE) USING iceberg")
    lineage.watch(own)
    for _ in range(10):
        own.sql(CASES["a filter and a join decide"][0].format(out="li.timed"))
    lineage.unwatch(own)
    each = statistics.median(lineage.seconds)
    print(f"looking at a write of two tables takes {each * 1000:.0f} ms")
    assert each < 0.2
