"""Executors on a cluster get the packages that a script needs: Spark runs them as processes of their own here."""

from __future__ import annotations

import sys

import pytest

from tests.support.one_job import MAIN

pytestmark = [pytest.mark.spark, pytest.mark.long]

JOB = """\
import os


def told(_):
    import dfcolours

    return dfcolours.VERSION, os.path.basename(os.path.dirname(dfcolours.__file__))


def main(args, spark):
    print("on an executor:", spark.sparkContext.parallelize([1], 1).map(told).collect())
"""
PROJECT = """\
version: 1
project: cluster
environments:
  cluster:
    spark:
      spark.master: local-cluster[1,1,1024]
      spark.executor.memory: 512m
      spark.executorEnv.PYTHONPATH: /nowhere
    params:
      TARGET_DB: prod
"""


def test_executors_of_a_cluster_get_the_environment_packed(spark_command, index):
    folder = spark_command.folder
    needs = 'name = "calc"\nversion = "1"\ndependencies = ["dfcolours<2"]\n'
    (folder / "pyproject.toml").write_text(f"[project]\n{needs}{index.table()}")
    (folder / "dataflow.yaml").write_text(PROJECT)
    (folder / "main.sch.yaml").write_text(MAIN)
    (folder / "job.py").write_text(JOB)
    (folder / "identity.yaml").write_text("owner: alice\npackage_id: alice.calc\nuuid: uuid-of-calc\n")
    spark_command.environ["PYSPARK_PYTHON"] = sys.executable  # which has no such package
    done = spark_command("workflow", "run", "main.sch.yaml", "--env", "cluster")
    assert "on an executor: [('1.0', 'dataflow-packages')]" in done.stdout
    assert "packing the Python environment for the executors" in done.stderr
