from __future__ import annotations

import pytest

from dataflow.errors import DataflowError, UsageError
from dataflow.spark.config import (
    settings,
    spark_conf,
)
from dataflow.spark.launch_env import properties_file
from dataflow.spark.session import Engine
from dataflow.workflow.project import Environment


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path))
    monkeypatch.delenv("DATAFLOW_JARS", raising=False)
    return tmp_path


def test_without_a_catalog_of_ones_own_the_one_in_the_home_is_used(home):
    conf = spark_conf(Environment("sandbox"))
    assert conf["spark.sql.defaultCatalog"] == "dataflow"
    assert conf["spark.sql.catalog.dataflow.type"] == "jdbc"
    assert conf["spark.sql.catalog.dataflow.uri"].startswith(f"jdbc:sqlite:{home}/catalog.db?journal_mode=WAL")
    assert conf["spark.sql.catalog.dataflow.jdbc.schema-version"] == "V1"
    assert conf["spark.sql.catalog.dataflow.warehouse"] == f"{home}/warehouse"
    assert conf["spark.sql.catalog.dataflow.cache-enabled"] == "false"


def test_a_teams_catalog_replaces_the_one_in_the_home():
    environment = Environment("production", catalog={"name": "lake", "type": "rest", "uri": "https://x.example"})
    conf = spark_conf(environment)
    assert environment.catalog_name == conf["spark.sql.defaultCatalog"] == "lake"
    assert conf["spark.sql.catalog.lake"] == "dataflow.guard.GuardedCatalog"
    assert conf["spark.sql.catalog.lake.uri"] == "https://x.example"
    assert conf["spark.sql.catalog.lake.cache-enabled"] == "false"
    assert not any(f"{key}.".startswith("spark.sql.catalog.dataflow.") for key in conf)


def test_each_iceberg_catalog_of_an_environment_is_guarded_and_others_stay_as_they_are():
    spark = {
        "spark.sql.catalog.second": "org.apache.iceberg.spark.SparkCatalog",
        "spark.sql.catalog.second.rest-catalog-purge": "true",
        "spark.sql.catalog.crm": "org.apache.spark.sql.execution.datasources.v2.jdbc.JDBCTableCatalog",
    }
    conf = spark_conf(Environment("production", catalog={"name": "lake", "type": "rest"}, spark=spark))
    assert (
        conf["spark.sql.catalog.second"] == conf["spark.sql.catalog.default_iceberg"] == conf["spark.sql.catalog.lake"]
    )
    assert conf["spark.sql.catalog.second.purge-by-server"] == "true"
    assert conf["spark.sql.catalog.crm"] == spark["spark.sql.catalog.crm"]


def test_iceberg_s_session_catalog_is_refused_by_name():
    spark = {"spark.sql.catalog.spark_catalog": "org.apache.iceberg.spark.SparkSessionCatalog"}
    with pytest.raises(UsageError, match=r"^spark\.sql\.catalog\.spark_catalog is "):
        spark_conf(Environment("production", spark=spark))


def test_spark_substitutes_nothing_overwrites_dynamically_and_speaks_utc():
    conf = spark_conf(Environment("sandbox"))
    assert conf["spark.sql.variable.substitute"] == "false"
    assert conf["spark.sql.sources.partitionOverwriteMode"] == "dynamic"
    assert conf["spark.sql.session.timeZone"] == "UTC"


def test_the_environments_settings_win():
    conf = spark_conf(Environment("sandbox", spark={"spark.driver.memory": "3g", "spark.ui.enabled": "true"}))
    assert (conf["spark.driver.memory"], conf["spark.ui.enabled"]) == ("3g", "true")


def test_the_environments_lists_are_added_to_what_iceberg_needs(home):
    spark = {"spark.driver.extraClassPath": "/opt/pg.jar", "spark.sql.extensions": "com.example.Mine"}
    conf = spark_conf(Environment("sandbox", spark=spark))
    assert conf["spark.driver.extraClassPath"].startswith(f"/opt/pg.jar:{home}/jars/iceberg-spark-runtime")
    assert conf["spark.sql.extensions"].startswith("com.example.Mine,org.apache.iceberg.")


def test_small_data_gets_a_jvm_that_starts_fast():
    assert "TieredStopAtLevel=1" in spark_conf(Environment("sandbox"), small=True)["spark.driver.extraJavaOptions"]
    assert "spark.driver.extraJavaOptions" not in spark_conf(Environment("sandbox"))


def test_a_local_spark_listens_on_this_machine_alone():
    conf = spark_conf(Environment("sandbox"))
    assert conf["spark.driver.bindAddress"] == conf["spark.driver.host"] == "127.0.0.1"


def test_a_cluster_gets_no_local_tuning_and_sends_the_jars_to_its_executors(home):
    conf = spark_conf(Environment("production", spark={"spark.master": "yarn", "spark.jars": "/a.jar"}), small=True)
    assert conf["spark.jars"].startswith(f"/a.jar,{home}/jars/iceberg-spark-runtime")
    assert not {"spark.driver.host", "spark.driver.memory", "spark.driver.extraJavaOptions"} & set(conf)


@pytest.mark.parametrize("master", ["spark://master:7077", "yarn", "k8s://https://k8s.example:6443"])
def test_a_session_on_a_cluster_holds_as_many_executors_as_it_has_work_for(master):
    conf = spark_conf(Environment("production", spark={"spark.master": master}))
    assert conf["spark.dynamicAllocation.enabled"] == conf["spark.dynamicAllocation.shuffleTracking.enabled"] == "true"
    for own in ({"spark.executor.instances": "4"}, {"spark.dynamicAllocation.enabled": "false"}):
        conf = spark_conf(Environment("production", spark={"spark.master": master, **own}))
        assert "spark.dynamicAllocation.shuffleTracking.enabled" not in conf
        assert conf.get("spark.dynamicAllocation.enabled") == own.get("spark.dynamicAllocation.enabled")
    for here in ("local[*]", "local-cluster[1,1,1024]"):
        assert "spark.dynamicAllocation.enabled" not in spark_conf(Environment("x", spark={"spark.master": here}))


def test_a_cluster_with_the_catalog_of_one_machine_s_home_is_refused_before_anything_starts(tmp_path):
    environment = Environment("production", spark={"spark.master": "spark://master:7077"})
    with pytest.raises(
        UsageError, match=r"executors of spark://master:7077 can't reach the catalog in this Dataflow h"
    ):
        Engine(environment, tmp_path / "spark.log").begin()
    assert not (tmp_path / "spark.log").exists()


def test_where_the_drivers_of_jars_run_is_not_where_a_run_s_own_session_does():
    spark = {"spark.master": "spark://master:7077", "spark.submit.deployMode": "cluster"}
    assert "spark.submit.deployMode" not in spark_conf(Environment("production", spark=spark))


@pytest.mark.parametrize("kind", ["jdbc", "hive"])
def test_tables_on_s3_are_read_and_written_by_iceberg_s_own_files_where_hadoop_s_would_be(kind):
    def io(**catalog):
        return spark_conf(Environment("production", catalog=catalog)).get("spark.sql.catalog.dataflow.io-impl")

    assert io(type=kind, warehouse="s3://lake/tables") == "org.apache.iceberg.aws.s3.S3FileIO"
    assert io(type=kind, warehouse="s3a://lake", **{"io-impl": "com.example.Mine"}) == "com.example.Mine"
    assert io(type=kind, warehouse="hdfs://lake") is io(type="rest", warehouse="s3://lake") is None


def test_secrets_are_put_in_for_spark_and_not_for_eyes(monkeypatch):
    environment = Environment("production", catalog={"type": "rest", "credential": "id:${secret:LAKE}"})
    with pytest.raises(DataflowError, match="LAKE"):
        spark_conf(environment)
    monkeypatch.setenv("LAKE", "s3same")
    assert spark_conf(environment)["spark.sql.catalog.dataflow.credential"] == "id:s3same"
    assert settings(environment)["spark.sql.catalog.dataflow.credential"] == "id:${secret:LAKE}"


def test_a_properties_file_keeps_backslashes_line_ends_and_blanks():
    assert properties_file({"b": "x=1:2", "a": " c:\\d\ne"}) == "a=\\ c:\\\\d\\ne\nb=x=1:2\n"
