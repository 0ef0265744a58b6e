from __future__ import annotations

import pytest

from dataflow.errors import DataflowError
from dataflow.tables.catalog import open_catalog
from dataflow.tables.pyiceberg_catalog import _translated, list_tables, load_table, split_name
from dataflow.workflow.project import Environment


@pytest.fixture
def catalog(tmp_path, monkeypatch):
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path))
    return open_catalog(Environment("sandbox"))


def test_the_embedded_catalog_opens_without_a_jvm_before_anything_was_made(catalog):
    assert list_tables(catalog) == []


def test_a_table_is_found_with_and_without_its_catalogs_name(catalog, tmp_path):
    import pyarrow as pa

    catalog.create_namespace("demo")
    catalog.create_table("demo.plays", pa.schema([("title_id", pa.int32())]), location=str(tmp_path / "plays"))

    assert list_tables(catalog) == ["demo.plays"]
    assert load_table(catalog, "dataflow.demo.plays").schema() == load_table(catalog, "demo.plays").schema()


def test_a_table_that_is_not_there_is_told_with_the_nearest_name(catalog, tmp_path):
    import pyarrow as pa

    catalog.create_namespace("demo")
    catalog.create_table("demo.plays", pa.schema([("title_id", pa.int32())]), location=str(tmp_path / "plays"))

    with pytest.raises(DataflowError, match=r"no table 'demo\.play'; did you mean 'demo\.plays'"):
        load_table(catalog, "demo.play")


def test_a_catalog_that_only_spark_can_read_is_told_as_that():
    with pytest.raises(DataflowError, match=r"'lake' \(hadoop\) can be read by Spark alone"):
        open_catalog(Environment("x", catalog={"name": "lake", "type": "hadoop", "warehouse": "/nowhere"}))


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        (
            {
                "type": "jdbc",
                "uri": "jdbc:postgresql://db:5433/lake?ssl=true&sslmode=require&currentSchema=meta&loginTimeout=3",
                "jdbc.user": "lake",
                "jdbc.password": "pass/word%of lake@home",
                "jdbc.schema-version": "V1",
            },
            {
                "type": "sql",
                "uri": "postgresql+psycopg://lake:pass%2Fword%25of lake%40home@db:5433/lake"
                "?options=-csearch_path%3Dmeta&sslmode=require",
                "schema_version": "v1",
            },
        ),
        (
            {
                "catalog-impl": "org.apache.iceberg.jdbc.JdbcCatalog",
                "uri": "jdbc:postgresql://db/lake?user=a&password=b&ssl=true",
            },
            {"type": "sql", "uri": "postgresql+psycopg://a:b@db/lake?sslmode=verify-full"},
        ),
        (
            {"catalog-impl": "org.apache.iceberg.rest.RESTCatalog", "uri": "https://c"},
            {"type": "rest", "uri": "https://c"},
        ),
        ({"catalog-impl": "org.apache.iceberg.aws.glue.GlueCatalog"}, {"type": "glue"}),
        (
            {"uri": "https://c", "s3.path-style-access": "false"},
            {
                "type": "rest",
                "uri": "https://c",
                "s3.path-style-access": "false",
                "s3.force-virtual-addressing": "true",
            },
        ),
    ],
)
def test_a_catalog_s_properties_are_those_that_iceberg_s_java_has(properties, expected):
    found = _translated("lake", {"name": "lake", **properties})
    assert {key: value for key, value in found.items() if not key.startswith("jdbc.")} == expected


def test_a_catalog_of_a_class_that_nobody_knows_is_read_by_spark_alone():
    with pytest.raises(DataflowError, match=r"'lake' \(com\.example\.Mine\) can be read by Spark alone"):
        open_catalog(Environment("x", catalog={"name": "lake", "catalog-impl": "com.example.Mine", "uri": "https://c"}))


def test_a_name_in_backticks_is_split_like_any_other():
    assert split_name("dataflow", "`dataflow`.`demo`.plays") == ("demo", "plays")


def test_what_can_be_no_tables_name_is_told_as_one_that_is_not_there(catalog, tmp_path):
    import pyarrow as pa

    for name in ("demo", "production"):
        catalog.create_namespace(name)
        for table in ("plays", f"only_{name}"):
            place = str(tmp_path / name / table)
            catalog.create_table(f"{name}.{table}", pa.schema([("title_id", pa.int32())]), location=place)

    for name, said in (
        ("", "no table ''; valid here: demo.only_demo, demo.plays, production"),
        ("foo", "no table 'foo'; valid here: demo.only_demo"),
        ("plays", "no table 'plays'; did you mean 'demo.plays'"),
        ("only_production", "no table 'only_production'; did you mean 'production.only_production'"),
        ("demo.", "no table 'demo.'; did you mean 'demo.plays'"),
        (".plays", "no table '.plays'; did you mean 'demo.plays'"),
    ):
        with pytest.raises(DataflowError) as caught:
            load_table(catalog, name)
        assert said in caught.value.message
