from __future__ import annotations

import pytest

from dataflow.errors import DataflowError
from dataflow.tables.catalog import open_catalog
from dataflow.tables.pyiceberg_catalog import list_tables, load_table, split_name
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
