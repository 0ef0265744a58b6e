"""The engine as a process: each test runs a small program, as a user would."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from dataflow.spark import jars

pytestmark = pytest.mark.spark


@pytest.fixture
def start(tmp_path):
    """Start a program that has an engine `e` with the log `spark.log`; the session's folder is the test's."""
    environ = {
        **os.environ,
        "DATAFLOW_HOME": str(tmp_path / "home"),
        "DATAFLOW_JARS": str(jars.folder()),
        "DATAFLOW_CLASS_DATA": "off",
        "SPARK_HOME": "/nowhere",
        "SPARK_CONF_DIR": "/nowhere",
    }

    def start(program, spark="{}", **variables):
        opening = (
            "import os, sys, time\nfrom pathlib import Path\nfrom dataflow.spark.session import Engine\n"
            "from dataflow.errors import DataflowError\nfrom dataflow.workflow.project import Environment\n"
            f"e = Engine(Environment('sandbox', spark={spark}), Path('spark.log'), small=True)\n"
        )
        command = [sys.executable, "-c", opening + textwrap.dedent(program)]
        return subprocess.Popen(
            command, cwd=tmp_path, env=environ | variables, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    return start


def gone(pid, seconds=20):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
            threads = len(list(Path(f"/proc/{pid}/task").iterdir()))
        except FileNotFoundError:
            return True
        # Of a busy machine's process the first thread may have ended before the last, which still has its files.
        if stat.rpartition(")")[2].split()[0] == "Z" and threads == 1:
            return True
        time.sleep(0.1)
    return False


def test_a_session_writes_iceberg_runs_python_and_leaves_no_noise(start, tmp_path):
    program = """
        with e:
            spark = e.spark
            spark.sql("CREATE NAMESPACE db")
            spark.sql("CREATE TABLE db.t USING iceberg AS SELECT id FROM range(3)")
            from pyspark.sql.functions import udf
            where = udf(lambda x: sys.executable)
            assert spark.table("db.t").select(where("id")).distinct().collect()[0][0] == sys.executable
            print(spark.table("db.t").count(), e._jvm.pid)
            try:
                spark.sql("SELECT nope")
            except Exception:
                pass
    """
    output, noise = start(program).communicate(timeout=120)
    rows, pid = output.split()
    assert (rows, noise) == ("3", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "spark.log"]
    assert gone(int(pid))


def test_a_second_session_of_a_process_is_a_new_one(start):
    program = """
        for turn in range(2):
            e = Engine(Environment("sandbox"), Path("spark.log"), small=True)
            with e:
                print(e.spark.range(5).count())
    """
    output, noise = start(program).communicate(timeout=120)
    assert (output.split(), noise) == (["5", "5"], "")


def test_another_session_of_the_process_is_left_alone(start):
    program = """
        with e:
            first = e.spark
            try:
                Engine(Environment("sandbox"), Path("other.log")).spark
            except DataflowError as error:
                print(error.message)
            print(first.range(5).count())
    """
    output, noise = start(program).communicate(timeout=120)
    assert (output, noise) == ("this process has another Spark session already\n5\n", "")


def test_ctrl_c_reaches_python_first_and_the_jvm_ends_with_it(start):
    process = start("""
        with e:
            e.spark.range(1).count()
            try:
                print(e._jvm.pid, flush=True)
                time.sleep(60)
            except KeyboardInterrupt:
                print(e.spark.range(7).count(), flush=True)
    """)
    pid = int(process.stdout.readline())
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert output.strip() == "7"
    assert gone(pid)


def test_the_jvm_does_not_outlive_a_python_that_was_killed(start):
    process = start("print((e.spark, e._jvm.pid)[1], flush=True); time.sleep(60)")
    pid = int(process.stdout.readline())
    process.kill()
    process.communicate()
    assert gone(pid)


def test_a_jvm_that_does_not_start_is_one_message_that_names_the_log(start):
    program = """
        try:
            e.spark
        except DataflowError as error:
            print(error.message, error.hint, sep="|")
    """
    options = "{'spark.driver.extraJavaOptions': '-XX:+UseG1GC -XX:+UseSerialGC'}"
    output, noise = start(program, options).communicate(timeout=60)
    assert output.strip() == "Spark's JVM did not start: Multiple garbage collectors selected|see spark.log"
    assert noise == ""


def test_a_jvm_that_died_underway_says_so(start):
    program = """
        with e:
            e.spark
            assert e.exit_error is None
            os.kill(e._jvm.pid, 9)
            time.sleep(0.5)
            print(e.exit_error.message)
    """
    output, noise = start(program).communicate(timeout=60)
    assert output.strip() == "Spark's JVM died: something killed it; the machine may be out of memory"
    assert noise == ""


def test_an_interactive_session_reaches_the_same_catalog_and_is_one(start):
    program = """
        import dataflow
        spark = dataflow.session(spark__app__name="mine")
        print(spark.catalog.currentCatalog(), dataflow.session(spark__sql__shuffle__partitions="7") is spark)
        print(spark.conf.get("spark.sql.shuffle.partitions"))
    """
    output, noise = start(program).communicate(timeout=60)
    assert (output.split(), noise) == (["dataflow", "True", "7"], "")


def test_the_options_of_sparks_own_launcher_are_all_there(spark):
    from dataflow.spark.jvm import MODULE_OPTIONS

    theirs = spark._jvm.org.apache.spark.launcher.JavaModuleOptions.defaultModuleOptionArray()
    assert sorted(MODULE_OPTIONS) == sorted(theirs)


def test_a_first_run_makes_an_archive_that_the_next_one_uses(start, tmp_path):
    program = """
        with e:
            print(e.spark.range(1).count(), e._jvm.pid)
            print(Path(f"/proc/{e._jvm.pid}/cmdline").read_text().split("\\0"))
    """
    output, noise = start(program, DATAFLOW_CLASS_DATA="").communicate(timeout=120)
    assert ("ArchiveClassesAtExit" in output, noise) == (True, "")
    assert gone(int(output.split()[1]), seconds=120)  # it writes behind the finished command
    output, _ = start(program, DATAFLOW_CLASS_DATA="").communicate(timeout=120)
    assert "SharedArchiveFile" in output
    assert [path.suffix for path in sorted((tmp_path / "home" / "class-data").iterdir())] == [".jsa", ".lock"]
    assert "[warning][cds" not in (tmp_path / "spark.log").read_text()
