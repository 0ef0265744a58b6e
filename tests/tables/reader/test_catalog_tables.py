"""Tables as their catalog points to them, found without a JVM: the embedded one's by its files alone."""

from __future__ import annotations

import gzip
import json
import sqlite3
import subprocess
import sys

import pyarrow as pa
import pytest

from dataflow.errors import DataflowError
from dataflow.tables.catalog import catalog_file, ensure_catalog, open_catalog
from dataflow.tables.pyiceberg_catalog import SparkOnlyError
from dataflow.tables.reader.catalog_tables import TableReader
from dataflow.workflow.project import Environment

METADATA = {
    "location": "/nowhere",
    "current-schema-id": 1,
    "schemas": [
        {"schema-id": 0, "fields": [{"name": "old"}]},
        {"schema-id": 1, "fields": [{"name": "id"}, {"name": "kind"}]},
    ],
    "properties": {"dataflow.moving-columns": '{"kind": "sort"}'},
}


@pytest.fixture
def reader(tmp_path, monkeypatch):
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    ensure_catalog()
    return TableReader(Environment("sandbox"))


def put(location, name="plays"):
    connection = sqlite3.connect(catalog_file())
    row = ("dataflow", "films", name, str(location))
    columns = "catalog_name, table_namespace, table_name, metadata_location"
    connection.execute(f"INSERT INTO iceberg_tables ({columns}) VALUES (?, ?, ?, ?)", row)
    connection.commit()
    connection.close()


@pytest.mark.parametrize("pack", [lambda it: it, gzip.compress], ids=["plain", "gzip"])
def test_a_table_s_columns_are_those_of_its_current_schema(reader, tmp_path, pack):
    file = tmp_path / "a folder" / "1.metadata.json"
    file.parent.mkdir()
    file.write_bytes(pack(json.dumps(METADATA).encode()))
    put(file.as_uri())
    found = reader.find("Films.plays", any_case=True)
    assert (found.column_names, found.moves_columns, found.file) == (("id", "kind"), True, file.as_uri())
    assert reader.find("Films.plays") is None
    assert reader.find("dataflow.films.plays").metadata == METADATA


def test_what_is_not_there_and_what_can_not_be_read_are_told_apart(reader, tmp_path):
    assert reader.find("films.plays") is None
    assert reader.find("plays") is None
    assert reader.find("films.") is None
    put(tmp_path / "gone.json")
    with pytest.raises(DataflowError, match=r"^the metadata of films\.plays can't be read: .*gone\.json"):
        reader.find("films.plays")
    assert reader.has("films.plays")
    assert not reader.has("films.play")
    with pytest.raises(DataflowError, match=r"^there is no table 'films\.play'; did you mean 'films\.plays'\?$"):
        reader.get("films.play")
    (tmp_path / "later.json").write_text('{"format-version": 9}', encoding="utf-8")
    put(tmp_path / "later.json", "later")
    with pytest.raises(SparkOnlyError, match=r"^PyIceberg can't read the metadata of films\.later$"):
        reader.table("films.later")
    (tmp_path / "odd.json").write_text("{", encoding="utf-8")
    put(tmp_path / "odd.json", "odd")
    with pytest.raises(DataflowError, match=r"^the metadata of films\.odd can't be read: Expecting"):
        reader.get("films.odd").metadata  # noqa: B018


def test_a_broken_catalog_is_one_message(reader):
    catalog_file().write_bytes(b"no database" * 100)
    for look in (reader.find, reader.has, reader.get):
        with pytest.raises(DataflowError, match=r"^the catalog 'dataflow' can't be read: file is not a database$"):
            look("films.plays")


@pytest.mark.parametrize("folder", ["100%", "a?b", "c#d", "e%20f", "ö ü"])
def test_a_home_may_be_called_anything(tmp_path, monkeypatch, folder):
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / folder))
    environment = Environment("sandbox")
    catalog = open_catalog(environment)
    catalog.create_namespace("films")
    catalog.create_table("films.plays", pa.schema([("id", pa.int32())]), location=str(tmp_path / "plays"))
    assert TableReader(environment).get("films.plays").column_names == ("id",)
    assert TableReader(environment).names() == ["films.plays"]


def test_names_are_those_that_pyiceberg_lists(reader, tmp_path):
    catalog = open_catalog(reader.environment)
    for space, name in (("a", "x"), ("a.b", "x"), ("a", "y.z"), ("ö", "w`v")):
        catalog.create_namespace_if_not_exists(space)
        connection = sqlite3.connect(catalog_file())
        row = ("dataflow", space, name, str(tmp_path))
        columns = "catalog_name, table_namespace, table_name, metadata_location"
        connection.execute(f"INSERT INTO iceberg_tables ({columns}) VALUES (?, ?, ?, ?)", row)
        connection.commit()
        connection.close()
    from dataflow.tables.pyiceberg_catalog import list_tables

    assert reader.names() == list_tables(catalog)
    assert all(map(reader.has, reader.names()))


@pytest.mark.usefixtures("reader")
def test_to_look_at_the_embedded_catalog_imports_no_pyiceberg(tmp_path):
    file = tmp_path / "1.metadata.json"
    file.write_text(json.dumps(METADATA), encoding="utf-8")
    put(file)
    code = """
import sys
from dataflow.tables.reader.catalog_tables import TableReader
from dataflow.workflow.project import Environment
print(TableReader(Environment("sandbox")).get("films.plays").column_names)
print([name for name in ("pyiceberg", "sqlalchemy", "pyarrow", "pyspark") if name in sys.modules])
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "('id', 'kind')\n[]\n"
