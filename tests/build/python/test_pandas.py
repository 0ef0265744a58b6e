"""pandas of the lock, in the script and on Spark's workers; and what is said where there is none."""

from __future__ import annotations

import importlib.util

import pytest

from tests.support.one_job import MAIN

pytestmark = [pytest.mark.spark, pytest.mark.long]

IDENTITY = "owner: alice\npackage_id: alice.calc\nuuid: uuid-of-calc\n"
PANDAS = """\
import pandas as pd
from pyspark.sql import functions as F


@F.pandas_udf("double")
def twice(hours: pd.Series) -> pd.Series:
    return hours * 2


def with_rank(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.assign(rank=rows["id"].rank())


def main(args, spark):
    rows = spark.range(3)
    print("twice:", [row[0] for row in rows.select(twice(F.col("id").cast("double"))).collect()])
    ranked = rows.groupBy().applyInPandas(with_rank, "id long, rank double")
    print("pandas:", ranked.toPandas()["rank"].tolist(), pd.__version__)
"""
NEEDS = '[project]\nname = "calc"\nversion = "1"\nrequires-python = ">=3.11"\ndependencies = ["pandas<3"]\n'


@pytest.fixture
def package(spark_command):
    for name, text in (("main.sch.yaml", MAIN), ("identity.yaml", IDENTITY)):
        (spark_command.folder / name).write_text(text)
    return spark_command.folder


def test_pandas_udfs_run_with_the_pandas_of_the_lock(spark_command, package):
    (package / "pyproject.toml").write_text(NEEDS)
    (package / "job.py").write_text(PANDAS)
    done = spark_command("workflow", "run", "main.sch.yaml")
    assert "twice: [0.0, 2.0, 4.0]" in done.stdout
    assert "pandas: [1.0, 2.0, 3.0] 2." in done.stdout


@pytest.mark.parametrize(("module", "named"), [("dfnowhere", "dfnowhere"), ("sklearn.svm", "scikit-learn")])
def test_what_is_missing_is_named_with_the_line_to_add(spark_command, package, module, named):
    (package / "job.py").write_text(f"def main(args, spark):\n    import {module}\n")
    plain = spark_command("workflow", "run", "main.sch.yaml", code=1).stderr
    assert f'or write a pyproject.toml:  [project] with dependencies = ["{named}"]' in plain
    (package / "pyproject.toml").write_text(NEEDS.replace('"pandas<3"', ""))
    within = spark_command("workflow", "run", "main.sch.yaml", code=1).stderr
    assert f'add "{named}" to the dependencies in pyproject.toml, then:  dataflow project lock .' in within


def test_pandas_that_is_missing_comes_with_the_extra_that_is_named(spark_command, package):
    if importlib.util.find_spec("pandas"):
        pytest.fail("the tests' own Python should have no pandas: this test is of what is said then")
    (package / "job.py").write_text("def main(args, spark):\n    spark.range(1).toPandas()\n")
    assert "pip install 'dataflow-recipes[pandas]'" in spark_command("workflow", "run", "main.sch.yaml", code=1).stderr
