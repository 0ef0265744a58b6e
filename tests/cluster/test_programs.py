"""Programs of all kinds on a cluster: each recipe, a Python environment for executors, mains whose driver is there."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cluster.conftest import DAYS
from tests.optional_tools import SPARKLYR_RECIPE
from tests.support.packages import DAY, definition, spark, wap
from tests.support.places import EXAMPLES
from tests.support.scala import compiled

pytestmark = [pytest.mark.spark, pytest.mark.nightly]

WORKERS = 3  # a driver, its executor, and one for the run's own session

MAIN = """\
import org.apache.spark.SparkEnv
import org.apache.spark.sql.SparkSession

object Main {
  def main(arguments: Array[String]): Unit = {
    val args = arguments.map(_.split("=", 2)).map(pair => pair(0) -> pair(1)).toMap
    val spark = SparkSession.builder().getOrCreate()
    println("the main of " + spark.conf.get("spark.master") + " on " + sys.props("user.dir"))
    if (args("MODE") == "fails") throw new IllegalStateException("a main that fails")
    if (args("MODE") == "elsewhere") spark.sql("CREATE TABLE prod.elsewhere (id INT) USING iceberg")
    while (args("MODE") == "waits") Thread.sleep(100)
    val day = args("EXECUTION_DATE")
    spark.sql(s"INSERT OVERWRITE ${args("TARGET_TABLE")} SELECT id, hash(id), DATE '$day' FROM range(1000)")
    spark.stop()
  }
}
"""
DDL = (
    "CREATE TABLE IF NOT EXISTS ${TARGET_TABLE} (id BIGINT, code INT, date DATE) USING iceberg PARTITIONED BY (date);\n"
)


@pytest.fixture(scope="module", autouse=True)
def mains(team):
    """A package whose write is a main of a jar."""
    folder = team.command.folder / "mains"
    folder.mkdir()
    compiled(MAIN, folder / "main.jar")
    (folder / "ddl.sql").write_text(DDL)
    (folder / "identity.yaml").write_text("owner: alice\npackage_id: alice.mains\nuuid: uuid-of-mains\n")
    params = {"EXECUTION_DATE": "${dataflow.yesterday}", "TARGET_TABLE": "${TARGET_DB}.mains", "MODE": "writes"}
    write = spark("main.jar\n        class: Main")
    steps = (spark("ddl.sql", "ddl"), wap(write, by={"date": DAY}))
    (folder / "main.sch.yaml").write_text(definition(*steps, params=params))
    return folder


def run_main(team, mode, **options):
    day = ("--date", DAYS[0], "-p", f"MODE={mode}")
    return team.command("workflow", "run", "mains/main.sch.yaml", "--env", "submitted", *day, **options)


def drivers(team):
    return {it.name: it for it in team.cluster.folder.glob("work-*/driver-*")}


def rows(team):
    found = team.command.json("query", "SELECT count(*) AS n FROM prod.mains", "--env", "submitted")
    return found[0]["n"]


def test_the_driver_of_a_main_is_on_the_cluster_and_writes_on_the_run_s_branch(team):
    run_main(team, "writes")
    (driver,) = drivers(team).values()
    assert "the main of spark://" in (driver / "stdout").read_text()
    assert str(driver) in (driver / "stdout").read_text()  # it worked in the worker's folder
    assert rows(team) == 1000


def test_a_main_that_fails_or_writes_elsewhere_publishes_nothing(team):
    failed = run_main(team, "fails", code=1)
    assert re.search(r"mains/main\.jar: main of Main failed on the cluster", failed.stderr)
    assert re.search(r"its output is in the worker's folder of driver-\d+-\d+", failed.stderr)
    refused = run_main(team, "elsewhere", code=1)
    assert "elsewhere" in refused.stderr
    assert rows(team) == 1000


def test_a_run_that_is_stopped_takes_its_driver_with_it(team):
    before = drivers(team)
    command = [sys.executable, "-m", "dataflow", "workflow", "run", "mains/main.sch.yaml", "--env", "submitted"]
    process = subprocess.Popen(
        [*command, "--date", DAYS[0], "-p", "MODE=waits"],
        cwd=team.command.folder,
        env=team.command.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not any("the main of" in text(it / "stdout") for name, it in drivers(team).items() if name not in before):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.2)
    (name,) = drivers(team).keys() - before.keys()
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=120)
    assert process.returncode not in (0, 1), said
    deadline = time.monotonic() + 120
    while processes_with(f"/{name}/"):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert rows(team) == 1000


def processes_with(words):
    """Return the processes with some words on their command lines."""
    return [it.parent.name for it in Path("/proc").glob("[0-9]*/cmdline") if words in text(it)]


def text(file: Path) -> str:
    try:
        return file.read_text("utf-8", "replace")
    except OSError:  # not there yet, or a process that has ended
        return ""


def test_secrets_that_would_stand_on_the_driver_s_command_line_are_refused(team):
    project = team.command.folder / "dataflow.yaml"
    before = project.read_text()
    project.write_text(before.replace("type: hadoop,", "type: hadoop, jdbc.password: '${secret:LAKE_PASSWORD}',"))
    try:
        refused = run_main(team, "writes", code=1)
    finally:
        project.write_text(before)
    assert "jdbc.password holds a secret, and cluster mode of spark:// puts it on a command line" in refused.stderr


R = pytest.mark.tools(*SPARKLYR_RECIPE, "R's sparklyr")


@pytest.mark.parametrize("recipe", ["pyspark", "scala", pytest.param("sparklyr", marks=R)])
def test_each_recipe_makes_the_same_rows_on_a_cluster(team, recipe):
    team.add(EXAMPLES / f"{recipe}-workflow", recipe)
    for package in ("package", recipe):
        team("workflow", "run", package, "--date", DAYS[1])
    columns = ("date", "country_code", "title_id", "title_rank")
    found, expected = (
        team.table(f"prod.alice_{name}_results").scan(selected_fields=columns).to_arrow().to_pylist()
        for name in (recipe, "package")
    )
    assert sorted(map(str, found)) == sorted(map(str, expected))
    assert len(found) > 100


UDF = """\
import os
import sys


def told(_):
    import dfcolours

    return dfcolours.VERSION, os.path.basename(os.path.dirname(dfcolours.__file__)), sys.prefix


def main(args, spark):
    print("on an executor:", spark.sparkContext.parallelize([1], 1).map(told).collect())
"""


def test_executors_with_a_python_of_their_own_get_the_package_s_environment(team, index):
    folder = team.command.folder / "udf"
    folder.mkdir()
    needs = 'name = "calc"\nversion = "1"\ndependencies = ["dfcolours<2"]\n'
    (folder / "pyproject.toml").write_text(f"[project]\n{needs}{index.table()}")
    (folder / "main.sch.yaml").write_text(definition(spark("job.py", "one")))
    (folder / "job.py").write_text(UDF)
    (folder / "identity.yaml").write_text("owner: alice\npackage_id: alice.udf\nuuid: uuid-of-udf\n")
    project = team.command.folder / "dataflow.yaml"
    bare = Path(sys.base_prefix) / "bin" / "python3"  # what a machine of the cluster has, without any package
    project.write_text(project.read_text().replace(sys.executable, str(bare)))
    done = team("workflow", "run", "udf/main.sch.yaml")
    assert f"on an executor: [('1.0', 'dataflow-packages', '{sys.base_prefix}')]" in done.stdout
