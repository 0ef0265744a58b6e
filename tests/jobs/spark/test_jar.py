"""Real jars, built by real sbt, run in the session: what they write, print, throw, and may not do."""

from __future__ import annotations

import shutil
import textwrap
import zipfile

import pytest

from dataflow.build.sbt import build
from dataflow.errors import DataflowError
from dataflow.runner.progress import NoProgress
from dataflow.spark.java import find_java
from dataflow.spark.launch_env import SparkLaunch

pytestmark = [pytest.mark.spark, pytest.mark.tools("sbt", needed=False)]  # the launcher is fetched where there is none

BUILD = """
scalaVersion := "2.13.17"
name := "programs"
libraryDependencies += "org.apache.spark" %% "spark-sql" % "4.1.3" % Provided
"""
PROGRAMS = """
package programs

import org.apache.spark.sql.SparkSession
import org.apache.spark.sql.functions.{col, lit}

case class Viewing(id: Int, hours: Double)

object Shared {
  def rows(spark: SparkSession, args: Map[String, String]) = {
    import spark.implicits._
    val day = java.sql.Date.valueOf(args("EXECUTION_DATE"))
    spark.table(args("SOURCE_TABLE")).where(col("date") === day).select("id", "hours").as[Viewing]
      .map(viewing => viewing.copy(hours = viewing.hours * Factor.value))
      .withColumn("date", lit(day))
  }
  def write(spark: SparkSession, args: Map[String, String], table: String): Unit =
    rows(spark, args).writeTo(table).overwrite(col("date") === java.sql.Date.valueOf(args("EXECUTION_DATE")))
}

object Factor { def value: Double = 1.0 }

object Good {
  def run(spark: SparkSession, args: Map[String, String]): Unit =
    for (part <- 1 to 3) {
      println(s"${args("EXECUTION_DATE")} part $part")
      if (part == 3) Shared.write(spark, args, args("TARGET_TABLE"))
    }
}

object FromJava {
  def run(spark: SparkSession, args: java.util.Map[String, String]): Unit =
    Shared.write(spark, Map("EXECUTION_DATE" -> args.get("EXECUTION_DATE"), "SOURCE_TABLE" -> args.get("SOURCE_TABLE")),
      args.get("TARGET_TABLE"))
}

object Throws {
  def check(day: String): Unit = throw new IllegalArgumentException(s"no data for $day")
  def run(spark: SparkSession, args: Map[String, String]): Unit = check(args("EXECUTION_DATE"))
}

object ThrowsInTask {
  def run(spark: SparkSession, args: Map[String, String]): Unit = {
    import spark.implicits._
    spark.range(1).as[Long].map(n => 1 / n).collect()
  }
}

object WrongColumn {
  def run(spark: SparkSession, args: Map[String, String]): Unit =
    spark.table(args("SOURCE_TABLE")).select("hour").collect()
}

object WritesElsewhere {
  def run(spark: SparkSession, args: Map[String, String]): Unit =
    Shared.rows(spark, args).writeTo(args("OTHER")).append()
}

object HidesTheRefusal {
  def run(spark: SparkSession, args: Map[String, String]): Unit = {
    try spark.sql(s"DROP TABLE ${args("TARGET_TABLE")}") catch { case _: Exception => () }
    Shared.write(spark, args, args("TARGET_TABLE"))
  }
}

object OpensASession {
  def run(spark: SparkSession, args: Map[String, String]): Unit =
    Shared.write(spark.newSession(), args, args("TARGET_TABLE"))
}

object OnlyMain {
  def main(arguments: Array[String]): Unit = {
    val args = arguments.map(_.split("=", 2)).map(pair => pair(0) -> pair(1)).toMap
    val spark = SparkSession.builder().getOrCreate()
    println("this is main")
    Shared.write(spark, args, args("TARGET_TABLE"))
    spark.stop()
  }
}

object TriesAll {
  def run(spark: SparkSession, args: Map[String, String]): Unit = {
    val frame = Shared.rows(spark, args)
    def attempt(write: => Unit): Unit = try write catch { case _: Throwable => () }
    for (table <- Seq(args("OTHER"), args("TARGET_TABLE"))) {
      for (statement <- args("STATEMENTS").split(";;")) attempt(spark.sql(statement.replace("{}", table)))
      attempt(spark.newSession().sql(s"INSERT INTO $table SELECT * FROM $table"))
      attempt(frame.write.format("iceberg").mode("append").option("branch", "main").save(table))
      attempt(frame.writeTo(table).createOrReplace())
      attempt(frame.write.mode("overwrite").saveAsTable(table))
    }
    attempt(frame.writeTo(args("OTHER")).append())
    attempt(frame.write.insertInto(args("OTHER")))
    val thread = new Thread(() => attempt(spark.sql(s"DELETE FROM ${args("OTHER")}")))
    thread.start()
    thread.join()
  }
}

object MainElsewhere {
  def main(arguments: Array[String]): Unit = {
    val args = arguments.map(_.split("=", 2)).map(pair => pair(0) -> pair(1)).toMap
    val spark = SparkSession.builder().config("spark.dataflow.scope", "{\\"reach\\": \\"all\\"}").getOrCreate()
    Shared.write(spark.newSession(), args, args("OTHER"))
  }
}

object MainHidesTheRefusal {
  def main(arguments: Array[String]): Unit = {
    val args = arguments.map(_.split("=", 2)).map(pair => pair(0) -> pair(1)).toMap
    val spark = SparkSession.builder().getOrCreate()
    try Shared.write(spark, args, args("OTHER")) catch { case _: Exception => () }
    Shared.write(spark, args, args("TARGET_TABLE"))
  }
}

object Nothing
"""


@pytest.fixture(scope="module", autouse=True)
def _quick_sbt():
    """Builds this small are over before sbt's second compiler would pay: they take a third less."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
        yield


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """An sbt project with programs of all sorts, built once."""
    folder = tmp_path_factory.mktemp("scala")
    (folder / "project").mkdir()
    (folder / "project" / "build.properties").write_text("sbt.version=1.12.14\n")
    (folder / "build.sbt").write_text(BUILD)
    source = folder / "src" / "main" / "scala" / "Programs.scala"
    source.parent.mkdir(parents=True)
    source.write_text(PROGRAMS.lstrip())
    return folder


@pytest.fixture(scope="module")
def jar(project):
    return build(project, find_java(), {}, output=print)


@pytest.fixture
def scala(package, jar):
    """A package whose write is a program of the jar."""
    package.add_source((1, 1.0, 1), (2, 2.0, 1), (3, 3.0, 2))

    def run(program, name="main.sch.yaml", progress=None, jar_=jar, **params):
        package.edit("main.sch.yaml", "script: write.sql", f"script: {jar_}\n              class: programs.{program}")
        launch = SparkLaunch(dict(package.spark.sparkContext.getConf().getAll()))
        return package.runner(progress, launch=launch).run(package.load(name, **params))

    package.run_program = run
    return package


def test_jars_of_one_name_do_not_meet_in_tasks_of_rdds(scala, jar, tmp_path):
    other = tmp_path / jar.name
    shutil.copy(jar, other)
    with zipfile.ZipFile(other, "a") as archive:
        archive.writestr("other.txt", "of another package")

    assert scala.run_program("Good").status == "succeeded"
    scala.edit("main.sch.yaml", f"script: {jar}\n              class: programs.Good", "script: write.sql")
    assert scala.run_program("Good", jar_=other).status == "succeeded"

    assert scala.spark.sparkContext.parallelize([1]).map(lambda it: it + 1).collect() == [2]


class Hearing(NoProgress):
    """Keeps what programs print."""

    def __init__(self):
        self.heard = []

    def printed(self, run, step, line):
        self.heard.append((run.params["EXECUTION_DATE"], step, line))


def failure(result):
    return result.failed_steps[0][1].error.message


def test_a_jar_s_rows_are_written_on_the_branch_audited_and_published(scala):
    result = scala.run_program("Good")

    assert result.status == "succeeded"
    assert scala.rows() == [(1, 1), (2, 1)]
    assert scala.refs() == {"main"}
    assert result.published[0].rows == 2


def test_run_may_take_java_s_map(scala):
    assert scala.run_program("FromJava").status == "succeeded"
    assert scala.rows() == [(1, 1), (2, 1)]


def test_what_a_run_read_is_recorded_as_for_any_other_script(scala):
    scala.run_program("Good")

    reads = scala.records.run("last")["reads"]
    assert [read["source"].rpartition(".")[2] for read in reads] == ["viewing"]


def test_two_dates_at_once_keep_their_output_apart(scala):
    hearing = Hearing()
    result = scala.run_program(
        "Good", "backfill.sch.yaml", hearing, day=None, PARALLEL="2", FROM_DATE="2026-01-01", TO_DATE="2026-01-02"
    )

    assert result.status == "succeeded", failure(result)
    for day in ("2026-01-01", "2026-01-02"):
        heard = [line for date, step, line in hearing.heard if (date, step) == (day, "wap")]
        assert heard == [f"{day} part {part}" for part in (1, 2, 3)]
    assert scala.rows() == [(1, 1), (2, 1), (3, 2)]


def test_an_exception_is_one_message_with_file_line_and_code_and_its_stack_is_in_the_log(scala):
    result = scala.run_program("Throws")

    number = (
        PROGRAMS.lstrip()
        .splitlines()
        .index('  def check(day: String): Unit = throw new IllegalArgumentException(s"no data for $day")')
    )
    first, code = failure(result).splitlines()
    assert first.endswith(
        f"src/main/scala/Programs.scala:{number + 1} in check(): IllegalArgumentException: no data for 2026-01-01"
    )
    assert code.strip().startswith("def check(day: String)")
    assert "at programs.Throws$.run(Programs.scala:" in result.log.read_text()
    assert scala.refs() == {"main"}


def test_an_exception_in_a_task_is_told_by_its_cause(scala):
    first = failure(scala.run_program("ThrowsInTask")).splitlines()[0]

    assert first.endswith(": ArithmeticException: / by zero")
    assert "Programs.scala:" in first


def test_spark_s_own_errors_are_told_without_plan_and_stack_and_not_tried_again(scala):
    scala.edit("main.sch.yaml", "      type: wap\n", "      type: wap\n      retries: 2\n      retry_delay: 30s\n")
    result = scala.run_program("WrongColumn")

    assert "[UNRESOLVED_COLUMN.WITH_SUGGESTION]" in failure(result)
    assert len(failure(result).splitlines()) == 2
    assert result.failed_steps[0][1].attempts == 1


@pytest.fixture
def launched_as_a_run(spark, scala):  # which was set up by then
    """Have sessions that were given nothing write nothing, as in the Spark of a run; in that of tests they may."""
    del scala
    conf, setting = spark._jvm.org.apache.spark.SparkEnv.get().conf(), "spark.dataflow.scope"
    before = conf.get(setting)
    conf.remove(setting)
    yield
    conf.set(setting, before)


@pytest.mark.usefixtures("launched_as_a_run")
@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("WritesElsewhere", "without audits and straight to its readers"),
        ("HidesTheRefusal", "DROP TABLE inside wap would reach readers"),
        ("OpensASession", "and this session has not been given anything to write"),
    ],
)
def test_a_jar_may_write_the_rows_of_the_template_s_table_and_nothing_else(scala, program, said):
    scala.run_program("Good")
    scala.spark.sql(f"CREATE TABLE {scala.user}_sandbox.other (id INT, hours DOUBLE, date DATE) USING iceberg")
    scala.edit("main.sch.yaml", "class: programs.Good", f"class: programs.{program}")
    scala.edit("main.sch.yaml", "  SOURCE_TABLE:", f"  OTHER: {scala.user}_sandbox.other\n  SOURCE_TABLE:")

    result = scala.runner().run(scala.load(day=2))

    assert said in failure(result)
    assert scala.rows() == [(1, 1), (2, 1)]
    assert scala.spark.table(f"{scala.user}_sandbox.other").count() == 0


STATEMENTS = (
    "INSERT INTO {}.branch_main SELECT * FROM {}",
    "ALTER TABLE {} ADD COLUMN more INT",
    "ALTER TABLE {} SET TBLPROPERTIES ('a' = 'b')",
    "ALTER TABLE {} ADD PARTITION FIELD bucket(4, id)",
    "ALTER TABLE {} WRITE ORDERED BY id",
    "ALTER TABLE {} CREATE BRANCH another",
    "ALTER TABLE {} CREATE OR REPLACE BRANCH main",
    "CREATE OR REPLACE TABLE {} AS SELECT 1 AS id",
    "TRUNCATE TABLE {}",
    "UPDATE {} SET id = 7",
    "DROP TABLE {}",
)


@pytest.mark.usefixtures("launched_as_a_run")
def test_whatever_a_jar_tries_neither_main_nor_another_table_changes(scala):
    scala.run_program("Good")
    other = f"{scala.user}_sandbox.other"
    scala.spark.sql(f"CREATE TABLE {other} (id INT, hours DOUBLE, date DATE) USING iceberg")
    scala.spark.sql(f"INSERT INTO {other} VALUES (5, 5.0, DATE '2026-01-01')")
    scala.edit("main.sch.yaml", "class: programs.Good", "class: programs.TriesAll")
    more = f'  OTHER: {other}\n  STATEMENTS: "{";;".join(STATEMENTS)}"\n  SOURCE_TABLE:'
    scala.edit("main.sch.yaml", "  SOURCE_TABLE:", more)
    metadata = f"SELECT file FROM {other}.metadata_log_entries"
    before = scala.spark.sql(metadata).collect(), scala.rows()

    result = scala.runner().run(scala.load(day=2))

    assert result.status == "failed"
    assert "inside wap" in failure(result)
    assert (scala.spark.sql(metadata).collect(), scala.rows()) == before


@pytest.mark.parametrize("program", ["MainElsewhere", "MainHidesTheRefusal"])
def test_a_main_in_a_spark_of_its_own_is_held_to_the_same_whatever_it_sets_or_hides(scala, program):
    scala.spark.sql(f"CREATE TABLE {scala.user}_sandbox.other (id INT, hours DOUBLE, date DATE) USING iceberg")
    scala.edit("main.sch.yaml", "  SOURCE_TABLE:", f"  OTHER: {scala.user}_sandbox.other\n  SOURCE_TABLE:")
    result = scala.run_program(program)
    assert "without audits and straight to its readers" in failure(result)
    assert scala.spark.table(f"{scala.user}_sandbox.other").count() == 0
    assert scala.rows() == []


def recorded_flows(scala):
    """Return which of the source's columns the last run recorded, each with the column that it went into."""
    from dataflow.lineage.store.writer import flows, run_writes

    with scala.records.database.begin() as connection:
        found = connection.execute(flows.join(run_writes, flows.c.shape == run_writes.c.shape).select()).mappings()
        return {(row["source_column"], row["target_column"]) for row in found if row["source_column"]}


def test_a_jar_that_has_only_a_main_runs_in_a_spark_of_its_own_on_the_run_s_branch(scala):
    hearing = Hearing()
    result = scala.run_program("OnlyMain", progress=hearing)

    assert result.status == "succeeded", failure(result)
    assert ("2026-01-01", "wap", "this is main") in hearing.heard
    assert scala.rows() == [(1, 1), (2, 1)]
    assert scala.spark.sql("SELECT 1").count() == 1  # its spark.stop() was its own
    # Told by the listener in its own Spark. Its rows go through a function, which could make any column of any other.
    assert recorded_flows(scala) == {(a, b) for a in ("id", "hours") for b in ("id", "hours")} | {("date", "")}


def test_a_main_may_not_be_given_a_secret_on_its_command_line(scala, monkeypatch):
    monkeypatch.setenv("PASSWORD", "hunter2")

    assert "a secret can't go by a command line" in failure(
        scala.run_program("OnlyMain", SOURCE_TABLE="${secret:PASSWORD}")
    )


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("Godo", "has no class programs.Godo; did you mean 'programs.Good'?"),
        ("Nothing", "programs.Nothing has no run(spark, args) and no main"),
    ],
)
def test_a_class_that_can_t_be_called_is_one_clear_message(scala, program, said):
    assert said in failure(scala.run_program(program))


def test_a_jar_that_was_built_again_is_not_served_from_before(scala, project, jar, tmp_path):
    scala.run_program("Good")
    again = shutil.copytree(project, tmp_path / "again")
    source = again / "src" / "main" / "scala" / "Programs.scala"
    source.write_text(source.read_text().replace("value: Double = 1.0", "value: Double = 10.0"))
    scala.edit("main.sch.yaml", str(jar), str(build(again, find_java(), {})))

    result = scala.runner().run(scala.load(day=1))

    assert result.status == "succeeded"
    hours = scala.spark.sql(f"SELECT hours FROM {scala.target} ORDER BY id").collect()
    assert [row.hours for row in hours] == [10.0, 20.0]  # on executors, where rows are made, as on the driver


def test_a_compile_error_names_file_line_and_cause(project, tmp_path):
    broken = shutil.copytree(project, tmp_path / "broken")
    source = broken / "src" / "main" / "scala" / "Programs.scala"
    source.write_text(
        source.read_text()
        + textwrap.dedent("""
        object Broken { val number: Int = "text" }
    """)
    )

    with pytest.raises(DataflowError, match=r"(?s)could not be built:.*Programs\.scala:\d+:\d+: type mismatch"):
        build(broken, find_java(), {})
