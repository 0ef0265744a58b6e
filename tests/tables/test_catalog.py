"""The embedded catalog's database: as Iceberg would make it, whoever comes first."""

from __future__ import annotations

import sqlite3
import subprocess
import sys

import pytest

from dataflow.tables.catalog import catalog_file, ensure_catalog


@pytest.fixture
def database(tmp_path, monkeypatch):
    monkeypatch.setenv("DATAFLOW_HOME", str(tmp_path / "home"))
    return catalog_file()


def shape(file):
    with sqlite3.connect(file) as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {table: connection.execute(f"PRAGMA table_info({table})").fetchall() for table in tables}


def test_one_that_is_there_is_left_as_it_is(database):
    ensure_catalog()
    with sqlite3.connect(database) as connection:
        connection.execute("INSERT INTO iceberg_namespace_properties VALUES ('dataflow', 'db', 'exists', 'true')")
    ensure_catalog()
    with sqlite3.connect(database) as connection:
        assert connection.execute("SELECT count(*) FROM iceberg_namespace_properties").fetchone() == (1,)
    assert [file.name for file in database.parent.iterdir() if file.name.startswith(".")] == []


def test_several_processes_at_once_make_one(database):
    command = [sys.executable, "-c", "from dataflow.tables.catalog import ensure_catalog; ensure_catalog()"]
    processes = [subprocess.Popen(command) for _ in range(4)]
    assert [process.wait() for process in processes] == [0] * 4
    assert len(shape(database)) == 2


@pytest.mark.spark
def test_it_is_what_iceberg_makes(spark, database, tmp_path):
    ensure_catalog()
    theirs = tmp_path / "theirs.db"
    catalog = spark._jvm.org.apache.iceberg.jdbc.JdbcCatalog()
    catalog.initialize(
        "dataflow",
        {"uri": f"jdbc:sqlite:{theirs}", "jdbc.schema-version": "V1", "warehouse": str(tmp_path / "warehouse")},
    )
    catalog.close()
    assert shape(database) == shape(theirs)
