"""Which jars an environment's catalogs need beside Iceberg's."""

from __future__ import annotations

import pytest

from dataflow.spark.catalog_jars import catalog_jars
from dataflow.spark.config import spark_conf
from dataflow.spark.jars import AWS, JARS, POSTGRESQL
from dataflow.workflow.project import Environment


def beside_iceberg(catalog, **spark):
    found = catalog_jars(Environment("production", catalog=catalog, spark=spark))
    assert found[: len(JARS)] == JARS
    return [*found[len(JARS) :]]


@pytest.mark.parametrize(
    ("catalog", "jars"),
    [
        ({}, []),
        ({"type": "rest", "uri": "https://catalog.example.org"}, []),
        ({"type": "hadoop", "warehouse": "hdfs://lake"}, []),
        ({"type": "hive", "uri": "thrift://meta:9083", "warehouse": "/s3://like"}, []),
        ({"type": "rest", "uri": "https://x.example", "warehouse": "s3://lake/a"}, [AWS]),
        ({"type": "rest", "uri": "https://x.example", "rest.sigv4-enabled": "true"}, [AWS]),
        ({"type": "rest", "uri": "https://x.example", "client.region": "eu-central-1"}, [AWS]),
        ({"type": "hive", "warehouse": "s3a://lake"}, [AWS]),
        ({"type": "glue"}, [AWS]),
        ({"catalog-impl": "org.apache.iceberg.aws.glue.GlueCatalog"}, [AWS]),
        ({"type": "jdbc", "uri": "jdbc:postgresql://db/lake"}, [POSTGRESQL]),
        ({"type": "jdbc", "uri": "jdbc:postgresql://db/lake", "warehouse": "s3://lake"}, [POSTGRESQL, AWS]),
        ({"type": "jdbc", "uri": "jdbc:mysql://db/lake"}, []),
    ],
)
def test_a_catalog_brings_the_jars_that_its_properties_ask_for(catalog, jars):
    assert beside_iceberg(catalog) == jars


def test_catalogs_among_spark_s_settings_count_and_ones_own_jars_are_left_to_whoever_named_them():
    second = {
        "spark.sql.catalog.second": "org.apache.iceberg.spark.SparkCatalog",
        "spark.sql.catalog.second.type": "glue",
    }
    assert beside_iceberg({}, **second) == [AWS]
    own = {"spark.driver.extraClassPath": "/opt/iceberg-aws-bundle-1.13.0.jar:/opt/postgresql-42.jar"}
    assert beside_iceberg({"type": "jdbc", "uri": "jdbc:postgresql://db/lake", "warehouse": "s3://lake"}, **own) == []


def test_executors_of_a_cluster_get_them_from_the_driver(tmp_path, monkeypatch):
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path))
    catalog = {"type": "jdbc", "uri": "jdbc:postgresql://db/lake", "warehouse": "s3://lake"}
    conf = spark_conf(Environment("production", catalog=catalog, spark={"spark.master": "spark://master:7077"}))
    names = [place.rpartition("/")[2] for place in conf["spark.jars"].split(",")]
    assert names == [
        "iceberg-spark-runtime-4.1_2.13-1.12.0.jar",
        "sqlite-jdbc-3.50.1.0.jar",
        "postgresql-42.7.8.jar",
        "iceberg-aws-bundle-1.12.0.jar",
        "dataflow-guard.jar",
    ]
    assert conf["spark.driver.extraClassPath"].split(":") == conf["spark.jars"].split(",")
