"""What a test run's own Spark leaves behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TEST = """\
from pathlib import Path

def test_it(spark):
    assert spark.range(3).count() == 3
    assert any(Path("home/class-data").glob("*.lock"))
"""


@pytest.mark.spark
@pytest.mark.long
def test_a_run_that_met_little_of_spark_makes_no_archive(spark_command):
    folder = spark_command.folder
    (folder / "test_a.py").write_text(TEST)
    environ = {**spark_command.environ, "DATAFLOW_HOME": str(folder / "home")}  # there is no archive yet

    done = subprocess.run([sys.executable, "-m", "pytest", "-q"], cwd=folder, env=environ, check=False, timeout=300)

    assert done.returncode == 0
    assert [path.suffix for path in Path(folder / "home" / "class-data").iterdir()] == [".lock"]


@pytest.mark.spark
@pytest.mark.long
def test_iceberg_s_small_tasks_are_done_at_once(spark):
    pool = spark._jvm.org.apache.iceberg.util.ThreadPools.getWorkerPool()
    ready = spark._jvm.org.apache.spark.util.ThreadUtils.sameThreadExecutorService()
    assert pool.getClass().equals(ready.getClass())
