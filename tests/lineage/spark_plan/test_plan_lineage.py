"""Which columns a write took from where, by Spark's own plans: SQL, DataFrames, and a Spark of its own."""

from __future__ import annotations

import itertools
import statistics
import subprocess
import sys
import time

import pytest

from dataflow.lineage.model import Flow
from dataflow.lineage.spark_plan.listener import LineageListener
from dataflow.lineage.spark_plan.plan_lineage import RecordedLineage, lines_in
from dataflow.spark.launch_env import listener_settings, properties_file
from tests.support.lineage_corpus import all_deciders, all_direct, cases, make_tables, named_of, recorded, shown

pytestmark = pytest.mark.spark
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def tables(spark):
    """Make the tables that the tests read and write."""
    make_tables(spark)


@pytest.fixture
def written(spark, tables):  # noqa: ARG001  # they have to be there
    """Return a function that runs something in a session of its own and tells what it wrote."""

    def run(work, target="li.out", columns="id INT, name STRING, hours DOUBLE"):
        own = spark.newSession()
        own.sql(f"DROP TABLE IF EXISTS {target}")
        if columns:
            own.sql(f"CREATE TABLE {target} ({columns}) USING iceberg")
        lineage = LineageListener()
        lineage.watch(own)
        try:
            own.sql(work.format(out=target)) if isinstance(work, str) else work(own, target)
        finally:
            lineage.unwatch(own)
        assert lineage.errors() == ()
        return {write.target: write for write in lineage.flows()}

    return run


@pytest.fixture
def heard(written):
    """Return a function that runs something in a session of its own and tells the flows into its target."""
    return lambda *work: {target: shown(write.flows) for target, write in written(*work).items()}


@pytest.mark.parametrize("case", [case for case in cases() if case.recorded], ids=lambda case: case.name)
def test_sql_is_followed_column_by_column_through(case, spark, tables):  # noqa: ARG001  # they have to be there
    found = recorded(spark, case)
    assert found.keys() == case.into.keys()
    assert case.direct == all_direct(found)
    assert case.deciders == all_deciders(found)
    flows = {flow for write in found.values() for flow in write.flows}
    decided = {(f.target_column, f"{f.source}.{f.source_column}") for f in flows if f.indirect}
    assert decided.issuperset((column, source) for column, of in case.within.items() for source in of)
    assert case.unknown == {flow.source for flow in flows if flow.has_unknown_columns}
    if case.named is not None:
        assert case.named == named_of(flows)
    if case.constants is not None:
        assert case.constants == found["li.out"].constant_columns


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


def test_a_program_that_rows_go_through_may_bring_any_column_into_any_other(heard):
    def write(spark, target):
        spark.sql(
            f"INSERT INTO {target} SELECT int(a), b, double(c) FROM "
            "(SELECT TRANSFORM (id, country, hours) USING 'cat' AS (a, b, c) FROM li.plays)"
        )

    sources, columns = ("id", "country", "hours"), ("id", "name", "hours")
    assert heard(write)["li.out"] == {
        f"li.plays.{source} -> {column}" for source, column in itertools.product(sources, columns)
    }


def _functions():
    from pyspark.sql import functions

    return functions


WRITERS = {
    "saveAsTable": lambda frame, target: frame.write.mode("append").saveAsTable(target),
    "saveAsTable in its place": lambda frame, target: frame.write.mode("overwrite").saveAsTable(target),
    "insertInto": lambda frame, target: frame.write.insertInto(target),
    "save": lambda frame, target: frame.write.format("iceberg").mode("append").save(f"dataflow.{target}"),
    "overwrite": lambda frame, target: frame.writeTo(target).overwrite(_functions().col("id") > 0),
    "overwritePartitions": lambda frame, target: frame.writeTo(target).overwritePartitions(),
    "createOrReplace": lambda frame, target: frame.writeTo(target).using("iceberg").createOrReplace(),
    "a temporary view": lambda frame, target: (
        frame.createOrReplaceTempView("liw"), frame.sparkSession.sql(f"INSERT INTO {target} SELECT * FROM liw"),
    ),
    "a global temporary view": lambda frame, target: (
        frame.createOrReplaceGlobalTempView("liw"),
        frame.sparkSession.sql(f"INSERT INTO {target} SELECT * FROM global_temp.liw"),
    ),
    "a frame that is kept": lambda frame, target: (
        frame.cache().count(), frame.writeTo(target).append(), frame.unpersist(),
    ),
    "a frame whose rows are kept": lambda frame, target: frame.localCheckpoint().writeTo(target).append(),
    "a frame that a statement names": lambda frame, target: (
        frame.sparkSession.sql(f"INSERT INTO {target} SELECT * FROM {{frame}}", frame=frame)
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", WRITERS)
def test_each_way_to_write_a_frame_tells_its_columns(way, heard):
    def write(spark, target):
        plays = spark.table("li.plays").where("day > '2020-01-01'")
        WRITERS[way](plays.selectExpr("id", "country AS name", "hours"), target)

    assert heard(write)["li.out"] == {
        "li.plays.id -> id", "li.plays.country -> name", "li.plays.hours -> hours", "li.plays.day ~> ",
    }  # fmt: skip


def test_rows_that_are_told_apart_by_some_columns_are_decided_by_those(heard):
    def write(spark, target):
        plays = spark.table("li.plays").dropDuplicates(["day"]).observe("seen", _functions().count("*").alias("n"))
        plays.selectExpr("id", "country AS name", "hours").writeTo(target).append()

    assert heard(write)["li.out"] == {
        "li.plays.id -> id", "li.plays.country -> name", "li.plays.hours -> hours", "li.plays.day ~> ",
    }  # fmt: skip


def through_rdd(spark, target, _):
    rows = spark.table("li.plays").rdd.map(lambda row: (row.id, row.country, row.hours))
    spark.createDataFrame(rows, "id INT, name STRING, hours DOUBLE").writeTo(target).append()


def through_python(spark, target, _):
    rows = [(row.id, row.country, row.hours) for row in spark.table("li.plays").collect()]
    spark.createDataFrame(rows, "id INT, name STRING, hours DOUBLE").writeTo(target).append()


def in_batches(spark, target, folder):
    def write(batch, _):
        batch.selectExpr("id", "country AS name", "hours").writeTo(target).append()

    stream = spark.readStream.table("li.plays").writeStream.foreachBatch(write)
    stream.option("checkpointLocation", str(folder)).trigger(availableNow=True).start().awaitTermination()


def as_a_stream(spark, target, folder):
    stream = spark.readStream.table("li.plays").selectExpr("id", "country AS name", "hours").writeStream
    stream = stream.option("checkpointLocation", str(folder)).trigger(availableNow=True)
    stream.toTable(f"dataflow.{target}").awaitTermination()


@pytest.mark.parametrize("way", [through_rdd, through_python, in_batches, as_a_stream])
def test_a_table_whose_rows_go_where_no_plan_shows_is_read_with_its_columns_unknown(way, written, spark, tmp_path):
    spark.sql("INSERT INTO li.plays SELECT 2, 3.0, 'DE', DATE'2026-01-01', array('b') WHERE NOT EXISTS "
              "(SELECT * FROM li.plays WHERE id = 2)")  # fmt: skip
    write = written(lambda own, target: way(own, target, tmp_path / "checkpoint"))["li.out"]
    assert {flow.source for flow in write.flows if flow.has_unknown_columns} == {"li.plays"}
    assert Flow("li.plays") in write.flows
    assert spark.table("li.out").count() >= 1


def test_a_node_that_nobody_knows_makes_the_columns_unknown_and_is_told(spark, tables):  # noqa: ARG001
    from dataflow.tables.iceberg import java_class

    own = spark.newSession()
    own.sql("CREATE TABLE IF NOT EXISTS li.out (id INT, name STRING, hours DOUBLE) USING iceberg")
    state = own._jsparkSession.sessionState()
    plan = state.sqlParser().parsePlan("INSERT INTO li.out SELECT id, country, hours FROM STREAM li.plays")
    listener = java_class(spark, "dataflow.lineage.SessionListener").open(own._jsparkSession, False)
    listener.onSuccess("command", state.executePlan(plan, getattr(state, "executePlan$default$2")()), 0)
    told = RecordedLineage()
    told.add_lines(filter(None, str(listener.drain()).split("\n")), "dataflow")
    listener.close()
    (write,) = told.flows()
    assert write.flows == {Flow("li.plays"), Flow("li.plays", "*")}
    (error,) = told.errors
    assert "StreamingRelationV2" in error


def test_an_error_in_the_listener_is_told(spark):
    from dataflow.tables.iceberg import java_class

    listener = java_class(spark, "dataflow.lineage.SessionListener").open(spark._jsparkSession, False)
    listener.onSuccess("command", None, 0)
    told = RecordedLineage()
    told.add_lines([*filter(None, str(listener.drain()).split("\n")), '{"writ'], "dataflow")
    listener.close()
    broken, cut = told.errors
    assert broken.startswith("NullPointerException")
    assert cut == 'a line is cut short: {"writ'


def test_of_a_plan_that_can_not_be_followed_the_tables_are_told_with_their_columns_unknown(spark, tables):  # noqa: ARG001
    from dataflow.tables.iceberg import java_class

    own = spark.newSession()
    own.sql("CREATE TABLE IF NOT EXISTS li.out (id INT, name STRING, hours DOUBLE) USING iceberg")
    state = own._jsparkSession.sessionState()
    parsed = state.sqlParser().parsePlan("INSERT INTO li.out SELECT id, country, hours FROM li.plays")
    plan = state.executePlan(parsed, getattr(state, "executePlan$default$2")()).analyzed()
    jvm = spark._jvm
    line = java_class(spark, "dataflow.lineage.LineageReport").failure(plan, jvm.java.lang.RuntimeException("no"))
    told = RecordedLineage()
    told.add_lines([str(line)], "dataflow")
    (write,) = told.flows()
    assert (write.target, write.flows) == ("li.out", {Flow("li.plays"), Flow("li.plays", "*")})
    assert told.errors == ["RuntimeException: no"]


def test_what_a_frame_passes_on_whole_is_not_named_what_it_selects_is(heard):
    def write(spark, target):
        from pyspark.sql import functions as F  # noqa: N812

        plays = spark.table("li.plays").withColumn("more", F.lit(1)).withColumn("hours", F.lit(0.0))
        titles = spark.table("li.titles")
        joined = plays.join(titles, plays.id == titles.id).drop(titles.id).select(plays.id, "name", "hours", "day")
        joined.select("id", "name", "hours").writeTo(target).append()

    assert heard(write)["li.out"] == {
        "li.plays.id -> id", "li.titles.name -> name", "li.plays.id ~> ", "li.titles.id ~> ",
        "li.plays.day .. ",
    }  # fmt: skip


QUERIES = {
    "a value that is collected": (lambda spark: spark.table("li.plays").agg({"hours": "max"}).first(), {"hours"}),
    "a SELECT of a script": (
        lambda spark: spark.sql("SELECT max(hours) FROM li.plays WHERE day > '2026'").collect(),
        {"hours", "day"},
    ),
    "a variable": (lambda spark: spark.sql("SET VARIABLE most = (SELECT max(hours) FROM li.plays)"), {"hours"}),
    "a view that nobody asks": (
        lambda spark: spark.sql("CREATE TEMP VIEW tv AS SELECT id, hours FROM li.plays"),
        {"id", "hours"},
    ),
    "a table that is kept": (lambda spark: spark.sql("CACHE TABLE ct AS SELECT country FROM li.plays"), {"country"}),
    "a write whose result is looked at": (
        lambda spark: (
            spark.sql("INSERT INTO li.titles SELECT 9, 'x', NULL FROM li.plays WHERE hours > 99").limit(1).collect()
        ),
        set(),
    ),
    "a count of all": (lambda spark: spark.table("li.plays").count(), set()),
    "all rows": (lambda spark: spark.sql("SELECT * FROM li.plays").collect(), set()),
    "a branch of it": (lambda spark: spark.sql("SELECT max(hours) FROM li.plays.branch_main").collect(), {"hours"}),
    "how many times it changed": (
        lambda spark: spark.sql("SELECT snapshot_id FROM li.plays.snapshots").collect(),
        set(),
    ),
}


@pytest.mark.parametrize("query", QUERIES)
def test_what_a_query_names_that_writes_nothing_is_named_by_what_its_run_writes(query, written):
    ask, expected = QUERIES[query]

    def work(spark, target):
        spark.sql("DECLARE OR REPLACE VARIABLE most DOUBLE")
        ask(spark)
        spark.sql(f"INSERT INTO {target} SELECT id, name, 0 FROM li.titles")
        for name in (target, f"{target}.branch_main"):  # as an audit would
            spark.sql(f"SELECT max(hours) FROM {name}").collect()

    write = written(work)["li.out"]
    assert shown(write.flows) == {
        "li.titles.id -> id", "li.titles.name -> name", *(f"li.plays.{column} .. " for column in expected),
    }  # fmt: skip
    assert {flow.source for flow in write.flows if not flow.source_column} == {"li.titles"}


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
    own, lineage = spark.newSession(), LineageListener()
    heard("INSERT INTO {out} SELECT id, name, 0 FROM li.titles")
    lineage.watch(own)
    own.sql("INSERT INTO li.out SELECT count(*), 'x', 0 FROM li.other")
    lineage.unwatch(own)
    (write,) = lineage.flows()
    assert write.flows == {Flow("li.other")}


@pytest.mark.usefixtures("tables")
def test_tables_that_a_subquery_reads_count_as_read_with_their_snapshot(spark):
    own, lineage = spark.newSession(), LineageListener()
    own.sql("CREATE TABLE IF NOT EXISTS li.asked (id INT) USING iceberg")
    lineage.watch(own)
    own.sql("INSERT INTO li.asked SELECT id FROM li.titles WHERE id IN (SELECT id FROM li.plays)")
    lineage.unwatch(own)
    sources = {read.source.rpartition("li.")[2]: read.snapshot for read in lineage.reads()}
    assert sources.keys() == {"titles", "plays"}
    assert all(sources.values())


SCRIPT = '''
from pyspark.sql import SparkSession

spark = SparkSession.builder.getOrCreate()
spark.sql("CREATE NAMESPACE IF NOT EXISTS own")
spark.sql("CREATE TABLE own.a (id INT, hours DOUBLE, country STRING) USING iceberg")
spark.sql("CREATE TABLE own.b (id INT, total DOUBLE) USING iceberg")
spark.sql("INSERT INTO own.a VALUES (1, 2.0, 'US')")
spark.sql("INSERT INTO own.b SELECT id, sum(hours) FROM own.a WHERE country = 'US' GROUP BY id")
spark.table("own.a").selectExpr("id", "hours AS total").write.mode("append").saveAsTable("own.b")
spark.table("own.a").agg({"country": "max"}).collect()
spark.sql("CREATE TABLE own.c (id INT, total DOUBLE) USING iceberg")
spark.sql("""
    MERGE INTO own.c USING own.a ON c.id = a.id WHEN MATCHED THEN UPDATE SET total = a.hours
    WHEN NOT MATCHED THEN INSERT (id) VALUES (a.id)
""")
try:
    spark.sql("INSERT INTO own.b SELECT id, raise_error('no') FROM range(3)")
except Exception:
    pass
spark.stop()
'''


@pytest.mark.usefixtures("shared_jars")
def test_a_spark_of_its_own_tells_the_same_as_a_session_of_ours(tmp_path):
    from dataflow.spark.config import spark_conf
    from dataflow.spark.guard import EVERYTHING, VARIABLE
    from dataflow.spark.launch_env import SparkLaunch
    from dataflow.spark.spark_home import spark_home
    from dataflow.workflow.project import Environment

    lake = Environment("test", catalog={"name": "lake", "type": "hadoop", "warehouse": str(tmp_path / "lake")})
    lines, conf = tmp_path / "lines", tmp_path / "conf"
    lines.mkdir()
    conf.mkdir()
    settings = {**spark_conf(lake, small=True), **listener_settings({}, lines), "spark.master": "local[1]"}
    (conf / "spark-defaults.conf").write_text(properties_file(settings))
    (tmp_path / "own.py").write_text(SCRIPT)
    program = [str(spark_home() / "bin" / "spark-submit"), str(tmp_path / "own.py")]
    env = {**SparkLaunch({"spark.master": "local[1]"}).variables(conf), "PYSPARK_PYTHON": sys.executable}
    env[VARIABLE] = EVERYTHING.as_json()
    done = subprocess.run(program, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = RecordedLineage()
    told.add_lines(lines_in(lines), "lake")
    assert told.errors == []
    (write,) = (write for write in told.flows() if write.target == "own.b")
    assert shown(write.flows) == {
        "own.a.id -> id", "own.a.hours -> total", "own.a.country ~> ", "own.a.id ~> ",
    }  # fmt: skip
    (merged,) = (write for write in told.flows() if write.target == "own.c")
    assert shown(merged.flows) == {"own.a.id -> id", "own.a.hours -> total", "own.a.id ~> "}
    assert told.names == {("own.a", "country")}
    (read,) = (read for read in told.reads.values() if read.written == "lake.own.b")
    assert read.source == "lake.own.a"
    assert read.snapshot
    assert [file.name.startswith("local-") for file in lines.iterdir()] == [True]


@pytest.mark.usefixtures("tables")
def test_looking_at_a_write_costs_little(spark):
    from dataflow.tables.iceberg import java_class

    own, lineage = spark.newSession(), LineageListener()
    own.sql("CREATE TABLE IF NOT EXISTS li.timed (id INT, name STRING, hours DOUBLE) USING iceberg")
    (joined,) = (case for case in cases("basics") if case.name == "a filter and a join decide")
    lineage.watch(own)
    frame = own.sql(f"EXPLAIN {joined.statement}")
    assert frame
    for _ in range(10):
        own.sql(joined.statement.replace("li.out", "li.timed"))
    lineage.unwatch(own)
    listener = java_class(spark, "dataflow.lineage.SessionListener").open(own._jsparkSession, True)
    execution = own.table("li.plays").join(own.table("li.titles"), "id").where("hours > 1")._jdf.queryExecution()
    each = []
    for _ in range(20):
        began = time.perf_counter()
        listener.onSuccess("collect", execution, 0)
        each.append(time.perf_counter() - began)
    listener.close()
    median = statistics.median(each)
    print(f"looking at a query of two tables takes {median * 1000:.1f} ms")
    assert median < 0.02
