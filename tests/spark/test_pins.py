"""Versions that have to be written down in more than one place agree."""

from __future__ import annotations

import re

from dataflow.spark.jars import ICEBERG, spark_version
from tests.support.places import ROOT


def test_spark_is_the_version_that_the_package_asks_for() -> None:
    assert f'"pyspark=={spark_version()}"' in (ROOT / "pyproject.toml").read_text()


def test_the_scala_recipe_builds_against_the_versions_that_run_it() -> None:
    build = (ROOT / "recipes" / "scala" / "build.sbt.jinja").read_text()
    found = dict(re.findall(r'val (\w+)Version = "([^"]+)"', build))
    assert found["spark"] == spark_version()
    assert found["iceberg"] == ICEBERG.version
    (scala,) = re.findall(r'scalaVersion := "(\d+\.\d+)', build)
    spark = ".".join(spark_version().split(".")[:2])
    assert ICEBERG.name == f"iceberg-spark-runtime-{spark}_{scala}"
