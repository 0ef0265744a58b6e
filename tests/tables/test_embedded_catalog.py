"""The embedded catalog's tables, read from its files alone."""

from __future__ import annotations

import gzip
import json
import sqlite3
from types import SimpleNamespace

import pytest

from dataflow.tables.catalog import catalog_file, ensure_catalog
from dataflow.tables.embedded_catalog import live_table

METADATA = {
    "current-schema-id": 1,
    "schemas": [
        {"schema-id": 0, "fields": [{"name": "old"}]},
        {"schema-id": 1, "fields": [{"name": "id"}, {"name": "kind"}]},
    ],
    "properties": {"dataflow.moving-columns": '{"kind": "sort"}'},
}


@pytest.fixture
def environment(tmp_path, monkeypatch):
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    ensure_catalog()
    return SimpleNamespace(catalog={"name": "dataflow"}, catalog_name="dataflow")


def put(location):
    connection = sqlite3.connect(catalog_file())
    row = ("dataflow", "films", "plays", location)
    columns = "catalog_name, table_namespace, table_name, metadata_location"
    connection.execute(f"INSERT INTO iceberg_tables ({columns}) VALUES (?, ?, ?, ?)", row)
    connection.commit()
    connection.close()


@pytest.mark.parametrize("pack", [lambda it: it, gzip.compress], ids=["plain", "gzip"])
def test_a_table_s_columns_are_those_of_its_current_schema(environment, tmp_path, pack):
    file = tmp_path / "a folder" / "1.metadata.json"
    file.parent.mkdir()
    file.write_bytes(pack(json.dumps(METADATA).encode()))
    put(file.as_uri())
    found = live_table(environment, "Films.plays")
    assert found is not None
    assert (found.columns, found.moves) == (("id", "kind"), True)


def test_what_is_not_there_or_can_not_be_read_is_not_known(environment, tmp_path):
    assert live_table(environment, "films.plays") is None
    put(str(tmp_path / "gone.json"))
    assert live_table(environment, "films.plays") is None
    assert live_table(environment, "plays") is None
    environment.catalog["uri"] = "https://elsewhere"
    assert live_table(environment, "films.plays") is None
